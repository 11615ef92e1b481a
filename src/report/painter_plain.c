/* Plain lines, for what is no terminal: one for each file (plain), or nothing before the
 * summary (none). Here too the words that the bar shares. */
#include "report/painter.h"

#include "report/figures.h"
#include "report/quote.h"

enum { IDLE_TICK_MS = 1000 }; /* nothing happens at a tick */

static void add_ok(struct text *text, const struct record *record)
{
	if (record->output) {
		text_put(text, " -> ");
		quote_name(text, record->output);
	}
	if (record->out.format) {
		text_format(text, " (%ux%u, ", record->out.width, record->out.height);
		figure_bytes(text, record->out.bytes);
		text_put(text, ")");
	}
}

void lines_record(struct text *text, const struct record *record)
{
	quote_name(text, record->input ? record->input : "");
	switch (record->status) {
	case RECORD_OK:
		add_ok(text, record);
		break;
	case RECORD_SKIPPED:
		text_format(text, ": skipped%s%s", record->reason ? ": " : "",
		            record->reason ? record->reason : "");
		break;
	case RECORD_FAILED:
		text_format(text,
		            ": failed: %s: ", fail_class_name(record->failure.class));
		quote_message(text, record->failure.text);
		break;
	case RECORD_CANCELLED:
		text_put(text, ": cancelled");
		break;
	}
	text_put(text, "\n");
}

void lines_ignored(struct text *text, const char *path)
{
	text_put(text, "ignored: ");
	quote_name(text, path);
	text_put(text, "\n");
}

/* Whose word it is stands before it, as others write to standard error too; a line that
 * begins with a blank goes on with the one before. */
void lines_said(struct text *text, const char *line)
{
	if (*line != ' ')
		text_put(text, "pixpool: ");
	quote_message(text, line);
	text_put(text, "\n");
}

void lines_finished(struct text *text, const struct view *view, int exit_status)
{
	struct report_counts counts = meter_counts(view->meter);

	if (exit_status == EXIT_USAGE)
		return; /* nothing was begun */
	summary_lines(text, &counts, meter_seconds(view->meter, view->now_ns),
	              view->failures);
}

static void plain_settled(struct text *text, const struct view *view,
                          const struct record *record)
{
	/* What settles while the plan is still being made has no total to stand before. */
	if (view->meter->is_planned) {
		text_put(text, "[");
		figure_count(text, meter_done(view->meter));
		text_put(text, "/");
		figure_count(text, meter_total(view->meter));
		text_put(text, "] ");
	}
	lines_record(text, record);
}

/* The summary names failures; without one they are named as they come. */
static void none_settled(struct text *text, const struct view *view,
                         const struct record *record)
{
	if (view->is_quiet && record->status == RECORD_FAILED)
		lines_record(text, record);
}

const struct painter painter_plain = {
	.tick_ms = IDLE_TICK_MS,
	.settled = plain_settled,
	.ignored = lines_ignored,
	.said = lines_said,
	.finished = lines_finished,
};

const struct painter painter_none = {
	.tick_ms = IDLE_TICK_MS,
	.settled = none_settled,
	.ignored = lines_ignored,
	.said = lines_said,
	.finished = lines_finished,
};
