/*
 * A report handles each event in up to four ways: the meter counts the event, an image gets a
 * record, the list or the plan gets lines, and the painter turns the event into lines. Only
 * screen_write() writes to the screen.
 *
 * Each line and each repaint is one write(2). So no reader ever sees half a line, even if workers
 * share standard error. The tests each_record_is_written_by_a_single_write_call and
 * lines_and_progress_bar_are_written_by_a_single_write_call check this.
 */
#include "report/report.h"

#include "base/clock.h"
#include "base/fd.h"
#include "report/meter.h"
#include "report/painter.h"
#include "report/quote.h"
#include "report/reason.h"
#include "report/record.h"
#include "report/report_in.h"
#include "report/summary.h"
#include "report/text.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

/*
 * ---- the screen ----
 *
 * The screen is standard error, whether it is a terminal or not. Lines and the live line are
 * written by one write(2), so that the text of other processes never lands inside them. The cursor
 * is never hidden, so a killed program leaves nothing to repair. Text that cannot be written is
 * lost, and the batch continues.
 */

struct screen {
	int fd;       /* the descriptor of the screen, borrowed from the caller */
	bool is_live; /* whether the cursor is in a live line */
};

static const char erase_to_end[] = "\033[K";

/* The width of the screen in columns, at least 1. If the width of the terminal is unknown, the
 * environment variable COLUMNS gives the width. If COLUMNS does not begin with a number from 1 to
 * 10000, the width is 80. */
static unsigned screen_width(const struct screen *screen)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	unsigned long n = 0;

	if (ioctl(screen->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	if (columns && *columns >= '0' && *columns <= '9')
		n = strtoul(columns, NULL, 10);
	return n >= 1 && n <= 10000 ? (unsigned)n : 80;
}

/* Whether the screen is a terminal that can move its cursor. */
static bool screen_can_paint(const struct screen *screen)
{
	const char *term = getenv("TERM");

	return isatty(screen->fd) && term && *term && strcmp(term, "dumb") != 0;
}

/* Write lines above the live line, and then the new live line. `lines` may be empty. If `live` is
 * NULL, no live line remains. */
static void screen_write(struct screen *screen, const struct text *lines,
                         const struct text *live)
{
	struct text out = TEXT_EMPTY;

	if (lines->n > 0 && screen->is_live) {
		text_put(&out, "\r");
		text_put(&out, erase_to_end);
	}
	if (lines->n > 0)
		text_add(&out, lines->bytes, lines->n);
	if (live || (screen->is_live && lines->n == 0)) {
		text_put(&out, "\r");
		if (live && live->n > 0)
			text_add(&out, live->bytes, live->n);
		text_put(&out, erase_to_end);
	}
	screen->is_live = live != NULL;
	if (out.n > 0)
		fd_write_all(screen->fd, out.bytes, out.n);
	text_fini(&out);
}

/* ---- the failures, in groups ---- */

/* Find the group of a reason, or make a new group. Returns NULL if there is no room for another
 * group. */
static struct failure_group *group_of(struct failures *failures, const char *reason)
{
	struct failure_group *group = failures->groups;

	for (; group < failures->groups + failures->n_groups; group++) {
		if (strcmp(group->reason, reason) == 0)
			return group;
	}
	if (failures->n_groups == MAX_FAILURE_GROUPS)
		return NULL;
	failures->n_groups++;
	*group = (struct failure_group){0};
	snprintf(group->reason, sizeof(group->reason), "%s", reason);
	return group;
}

/* Count the failure of an image. Keep the name of the image if its group has room. */
static void failures_add(struct failures *failures, const struct record *record)
{
	struct failure_group *group;
	char reason[REASON_BYTES];

	group = group_of(failures,
	                 reason_of(&record->failure, record->in.format, reason));
	if (!group) {
		failures->n_others++;
		return;
	}
	group->n_images++;
	if (group->n_names < NAMES_PER_GROUP && record->input) {
		group->names[group->n_names] = strdup(record->input);
		group->n_names += group->names[group->n_names] != NULL;
	}
}

static void failures_fini(struct failures *failures)
{
	for (unsigned i = 0; i < failures->n_groups; i++) {
		for (unsigned k = 0; k < failures->groups[i].n_names; k++)
			free(failures->groups[i].names[k]);
	}
}

/* ---- the report ---- */

struct report {
	struct report_options options;
	struct report_world world;
	const struct painter *painter;
	struct screen screen;
	struct meter meter;
	struct failures failures;
	bool is_utf8;
	/* True after a record could not be written completely. No more records are written then. */
	bool is_records_broken;
	/* errno of the first failed write of the list or the plan; 0: none failed */
	int list_errno;
	bool is_finished;
	bool is_hidden; /* no live line is shown until the next tick */
	/* The image that has been in progress for the longest time; NULL: no image has taken
	 * long. */
	char *slowest;
	double slowest_seconds;
	int64_t painted_ns; /* the time when progress was last shown */
};

static const struct painter *painter_of(const struct report_options *options,
                                        const struct screen *screen)
{
	enum progress progress = options->progress;

	/* A plan is printed line by line, so no other progress is shown. */
	if (progress == PROGRESS_AUTO && options->is_plan)
		progress = PROGRESS_NONE;
	if (progress == PROGRESS_AUTO)
		progress = screen_can_paint(screen) ? PROGRESS_BAR : PROGRESS_PLAIN;
	if (progress == PROGRESS_JSON)
		return &painter_json;
	if (progress == PROGRESS_NONE || options->quiet)
		return &painter_none;
	return progress == PROGRESS_BAR ? &painter_bar : &painter_plain;
}

struct report *report_create_in(const struct report_options *options,
                                const struct report_world *world)
{
	struct report *report = calloc(1, sizeof(*report));

	if (!report)
		return NULL;
	report->options = *options;
	report->world = *world;
	report->screen.fd = world->fd;
	report->painter = painter_of(options, &report->screen);
	/* In some locales a block character takes two columns. There the bar is ASCII. */
	report->is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 &&
	                  wcwidth(0x2588) == 1;
	report->painted_ns = world->now_ns();
	meter_init(&report->meter, report->painted_ns);
	return report;
}

struct report *report_create(const struct report_options *options)
{
	return report_create_in(options,
	                        &(struct report_world){STDERR_FILENO, clock_now_ns});
}

void report_destroy(struct report *report)
{
	if (!report)
		return;
	report_hide(report);
	failures_fini(&report->failures);
	free(report->slowest);
	free(report);
}

static struct view view_of(const struct report *report)
{
	return (struct view){
		.meter = &report->meter,
		.failures = &report->failures,
		.now_ns = report->world.now_ns(),
		.is_utf8 = report->is_utf8,
		.options = &report->options,
		.slowest = report->slowest,
		.slowest_seconds = report->slowest_seconds,
	};
}

/*
 * Get the number of columns for the progress. Two columns stay free, because a terminal echoes "^C"
 * after the live line. Otherwise the echo could make the line wrap. Half of the line would then
 * stay on the screen, in a row that the next live line cannot replace.
 */
static unsigned width_of_progress(const struct report *report)
{
	enum { ECHO_COLUMNS = 2 };
	unsigned width = screen_width(&report->screen);

	return width > ECHO_COLUMNS ? width - ECHO_COLUMNS : 1;
}

/* Write lines, and free them. `lines` may be empty. Also write the progress if it is due. A live
 * line is also written again if lines were written above it. */
static void show(struct report *report, struct text *lines, struct view *view)
{
	const struct painter *painter = report->painter;
	bool has_progress = painter->progress && !report->options.quiet &&
	                    !report->is_finished;
	bool is_due = view->now_ns - report->painted_ns >=
	              painter->tick_ms * INT64_C(1000000);
	bool paints = has_progress && !report->is_hidden &&
	              (is_due || (painter->is_live && lines->n > 0));
	struct text live = TEXT_EMPTY;

	if (paints) {
		view->width = width_of_progress(report);
		painter->progress(painter->is_live ? &live : lines, view);
		report->painted_ns = view->now_ns;
	}
	if (paints || lines->n > 0)
		screen_write(&report->screen, lines,
		             paints && painter->is_live ? &live : NULL);
	text_fini(&live);
	text_fini(lines);
}

void report_tick(struct report *report)
{
	struct view view = view_of(report);

	if (report->is_hidden)
		report->painted_ns = view.now_ns -
		                     report->painter->tick_ms * INT64_C(1000000);
	report->is_hidden = false;
	show(report, &TEXT_EMPTY, &view);
}

int report_tick_ms(const struct report *report)
{
	return report->painter->tick_ms;
}

void report_hide(struct report *report)
{
	if (report->screen.is_live)
		screen_write(&report->screen, &TEXT_EMPTY, NULL);
	report->is_hidden = true;
}

void report_scanning(struct report *report, uint64_t n_images)
{
	struct view view = view_of(report);

	meter_scanning(&report->meter, n_images);
	show(report, &TEXT_EMPTY, &view);
}

void report_planned(struct report *report, uint64_t n_images, uint64_t n_bytes)
{
	struct view view = view_of(report);

	meter_planned(&report->meter, n_images, n_bytes, view.now_ns);
	show(report, &TEXT_EMPTY, &view);
}

void report_ignored(struct report *report, const char *path)
{
	struct view view = view_of(report);
	struct text lines = TEXT_EMPTY;

	meter_ignored(&report->meter);
	if (report->options.verbose && !report->options.quiet)
		report->painter->ignored(&lines, path);
	show(report, &lines, &view);
}

/* If a record could not be written completely, write no more records: they would come after an
 * incomplete line. */
static void write_record(struct report *report, struct text *line)
{
	if (report->options.records >= 0 && !report->is_records_broken &&
	    (line->is_cut ||
	     !fd_write_all(report->options.records, line->bytes, line->n)))
		report->is_records_broken = true;
	text_fini(line);
}

/* Add the line of an image to the list that the command verify prints. Add nothing if the image is
 * neither broken nor misnamed. */
static void list_line(struct text *text, const struct record *record)
{
	bool is_broken = record->status == RECORD_FAILED;

	if (!is_broken && !record->is_misnamed)
		return;
	text_put(text, is_broken ? fail_class_name(record->failure.class) : "misnamed");
	text_put(text, " ");
	quote_name(text, record->input ? record->input : "");
	text_put(text, is_broken ? " (" : " (it is ");
	if (is_broken)
		reason_add(text, record);
	else
		quote_message(text, record->in.format);
	text_put(text, ")\n");
}

/* Add the line of one output of an image to the plan. `output` is the path of the output, or NULL
 * if the image has no output. */
static void plan_line(struct text *text, const struct record *record, const char *output)
{
	text_put(text, record->status == RECORD_PLANNED   ? "make "
	               : record->status == RECORD_SKIPPED ? "skip "
	                                                  : "fail ");
	quote_name(text, record->input ? record->input : "");
	if (output) {
		text_put(text, " -> ");
		quote_name(text, output);
	}
	text_put(text, " (");
	if (record->status == RECORD_FAILED)
		reason_add(text, record);
	else
		text_put(text, record->reason ? record->reason : "");
	text_put(text, ")\n");
}

/* Add the lines of an image to the plan. */
static void plan_lines(struct text *text, const struct record *record)
{
	if (record->status == RECORD_CANCELLED || record->status == RECORD_IGNORED)
		return;
	if (record->n_outputs == 0)
		plan_line(text, record, record->output);
	for (size_t i = 0; i < record->n_outputs; i++)
		plan_line(text, record, record->outputs[i].path);
}

/* Write lines of the list or the plan, and free them. */
static void write_list(struct report *report, struct text *lines)
{
	const int fd = report->options.is_plan ? report->options.plan
	                                       : report->options.list;

	/* The list may go to the terminal that shows the bar, so erase the bar first. */
	if (lines->n > 0 && report->screen.is_live)
		screen_write(&report->screen, &TEXT_EMPTY, NULL);
	if (lines->n > 0 && fd > 0 && report->list_errno == 0) {
		if (lines->is_cut)
			report->list_errno = ENOMEM;
		else if (!fd_write_all(fd, lines->bytes, lines->n))
			report->list_errno = errno;
	}
	text_fini(lines);
}

/* Write the lines of an image to the list or the plan. */
static void list_record(struct report *report, const struct record *record)
{
	struct text lines = TEXT_EMPTY;

	if (report->options.is_plan && report->options.plan > 0)
		plan_lines(&lines, record);
	else if (report->options.list > 0)
		list_line(&lines, record);
	write_list(report, &lines);
}

void report_removed(struct report *report, const char *path)
{
	struct text line = TEXT_EMPTY;
	char name[1024];

	if (report->options.is_plan) {
		text_put(&line, "remove ");
		quote_name(&line, path);
		text_put(&line, " (its input no longer exists)\n");
		write_list(report, &line);
	} else if (report->options.verbose && !report->options.quiet) {
		report_say(report, "removed, because its input no longer exists: %s",
		           report_quote(path, name, sizeof(name)));
	}
}

void report_add(struct report *report, const struct record *record)
{
	struct view view = view_of(report);
	struct text lines = TEXT_EMPTY, line = TEXT_EMPTY;

	meter_add(&report->meter, record, view.now_ns);
	if (record->status == RECORD_FAILED)
		failures_add(&report->failures, record);
	if (report->options.records >= 0)
		record_line(&line, record);
	write_record(report, &line);
	list_record(report, record);

	if (record->status != RECORD_IGNORED)
		report->painter->image(&lines, &view, record);
	else if (report->options.verbose && !report->options.quiet)
		report->painter->ignored(&lines, record->input);
	show(report, &lines, &view);
}

void report_say(struct report *report, const char *format, ...)
{
	struct view view = view_of(report);
	struct text said = TEXT_EMPTY, lines = TEXT_EMPTY;
	va_list args;

	va_start(args, format);
	text_vformat(&said, format, args);
	va_end(args);
	report->painter->message(&lines, said.bytes ? said.bytes : "");
	text_fini(&said);
	show(report, &lines, &view);
}

void report_slowest(struct report *report, const char *path, double seconds)
{
	report->slowest_seconds = seconds;
	if (path && report->slowest && strcmp(path, report->slowest) == 0)
		return;
	free(report->slowest);
	report->slowest = path ? strdup(path) : NULL;
}

void report_ending(struct report *report)
{
	meter_ending(&report->meter);
}

void report_cancel_rest(struct report *report)
{
	meter_cancel_rest(&report->meter);
}

struct report_counts report_counts(const struct report *report)
{
	return meter_counts(&report->meter);
}

bool report_finish(struct report *report, int exit_status)
{
	struct report_counts counts = report_counts(report);
	struct view view = view_of(report);
	struct text lines = TEXT_EMPTY, line = TEXT_EMPTY;

	record_summary_line(&line, &counts, meter_seconds(&report->meter, view.now_ns),
	                    exit_status, &report->options);
	write_record(report, &line);

	report->is_finished = true;
	report_hide(report);
	if (!report->options.quiet)
		report->painter->summary(&lines, &view, exit_status);
	show(report, &lines, &view);
	return !report->is_records_broken;
}

int report_list_errno(const struct report *report)
{
	return report->list_errno;
}
