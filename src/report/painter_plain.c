/* Two painters: plain prints a line for each image, none prints only the summary. Their lines are
 * shared with the bar. */
#include "report/painter.h"

#include "report/figures.h"
#include "report/quote.h"
#include "report/reason.h"

/* These painters show no progress. */
enum { IDLE_TICK_MS = 1000 };

static void add_side(struct text *text, const struct record_side *side)
{
	if (!side->format)
		return;
	text_format(text, " (%ux%u, ", side->width, side->height);
	figure_bytes(text, side->bytes);
	text_put(text, ")");
}

static void add_output(struct text *text, const char *separator, const char *path,
                       const struct record_side *side)
{
	text_put(text, separator);
	quote_name(text, path);
	add_side(text, side);
}

static void add_ok(struct text *text, const struct view *view,
                   const struct record *record)
{
	if (record->output)
		add_output(text, " -> ", record->output, &record->out);
	else
		add_side(text, &record->out);
	for (size_t i = 0; i < record->n_outputs; i++)
		add_output(text, i == 0 ? " -> " : ", ", record->outputs[i].path,
		           &record->outputs[i].side);
	if (!view->options->verbose)
		return;
	if (record->is_damaged)
		text_put(text, ", damaged");
	for (size_t i = 0; record->lost && record->lost[i]; i++)
		text_format(text, "%s%s", i == 0 ? ", lost " : " ", record->lost[i]);
}

void lines_record(struct text *text, const struct view *view, const struct record *record)
{
	quote_name(text, record->input ? record->input : "");
	switch (record->status) {
	case RECORD_OK:
		add_ok(text, view, record);
		break;
	case RECORD_SKIPPED:
		text_format(text, ": skipped%s%s", record->reason ? ": " : "",
		            record->reason ? record->reason : "");
		break;
	case RECORD_FAILED:
		text_put(text, ": failed: ");
		reason_add(text, record);
		break;
	case RECORD_CANCELLED:
		text_put(text, ": not started");
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

/* Other programs may write to standard error too, so a message begins with the program's name. A
 * line that begins with a blank continues the line before. */
void lines_message(struct text *text, const char *line)
{
	if (*line != ' ')
		text_put(text, "pixpool: ");
	quote_message(text, line);
	text_put(text, "\n");
}

void lines_summary(struct text *text, const struct view *view, int exit_status)
{
	struct report_counts counts = meter_counts(view->meter);
	bool is_whole = exit_status < EXIT_STOPPED;

	/* A message has said all that there is to say of these. */
	if (exit_status == EXIT_USAGE || exit_status == EXIT_NO_IMAGE)
		return;
	summary_lines(text, &counts, meter_seconds(view->meter, view->now_ns),
	              view->failures, is_whole ? NULL : view->options->how_to_continue);
}

static void plain_image(struct text *text, const struct view *view,
                        const struct record *record)
{
	/* While the plan is being made there is no total yet. */
	if (view->meter->is_planned) {
		text_put(text, "[");
		figure_count(text, meter_done(view->meter));
		text_put(text, "/");
		figure_count(text, meter_total(view->meter));
		text_put(text, "] ");
	}
	lines_record(text, view, record);
}

/* The summary names failures. With -Q there is none: name them as they come. */
static void none_image(struct text *text, const struct view *view,
                       const struct record *record)
{
	if (view->options->quiet && record->status == RECORD_FAILED)
		lines_record(text, view, record);
}

const struct painter painter_plain = {
	.tick_ms = IDLE_TICK_MS,
	.image = plain_image,
	.ignored = lines_ignored,
	.message = lines_message,
	.summary = lines_summary,
};

const struct painter painter_none = {
	.tick_ms = IDLE_TICK_MS,
	.image = none_image,
	.ignored = lines_ignored,
	.message = lines_message,
	.summary = lines_summary,
};
