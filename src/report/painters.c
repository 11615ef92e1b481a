/*
 * The painters: progress bar, plain lines, JSON, and `none`. The painter `none` shows no progress
 * and no images, but with -Q it prints each failure, because there is no summary. All painters
 * except JSON share the functions for lines and for the summary.
 */
#include "report/painter.h"

#include "report/figures.h"
#include "report/json.h"
#include "report/quote.h"
#include "report/reason.h"
#include "report/record.h"
#include "report/summary.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* ---- numbers ---- */

void figure_count(struct text *text, uint64_t count)
{
	char digits[32];
	struct text plain = text_in(digits, sizeof(digits));

	text_format(&plain, "%" PRIu64, count);
	for (size_t i = 0; i < plain.n; i++) {
		if (i > 0 && (plain.n - i) % 3 == 0)
			text_put(text, ",");
		text_add(text, &digits[i], 1);
	}
}

/* Round to the nearest whole number. Returns 0 for NaN and negative values. */
static uint64_t rounded(double value)
{
	if (!(value > 0))
		return 0;
	if (value >= 18e18)
		return UINT64_MAX;
	return (uint64_t)(value + 0.5);
}

void figure_decimal(struct text *text, double value, unsigned n_decimals)
{
	static const unsigned powers[] = {1, 10, 100, 1000};
	unsigned power = powers[n_decimals];
	uint64_t scaled = rounded(value * power);

	text_format(text, "%" PRIu64, scaled / power);
	if (n_decimals > 0)
		text_format(text, ".%0*" PRIu64, (int)n_decimals, scaled % power);
}

void figure_bytes(struct text *text, uint64_t n_bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
	unsigned unit = 0;
	uint64_t tenth = 100;

	if (n_bytes < 1000) {
		text_format(text, "%" PRIu64 " B", n_bytes);
		return;
	}
	/* The unit is chosen for the rounded number: 999,950 is 1.0 MB, not 1000.0 kB. */
	while (n_bytes / tenth + (n_bytes % tenth >= tenth / 2) >= 10000) {
		tenth *= 1000;
		unit++;
	}
	n_bytes = n_bytes / tenth + (n_bytes % tenth >= tenth / 2);
	text_format(text, "%" PRIu64 ".%" PRIu64 " %s", n_bytes / 10, n_bytes % 10,
	            units[unit]);
}

void figure_rate(struct text *text, double per_second)
{
	if (per_second >= 99.95)
		figure_count(text, rounded(per_second));
	else
		figure_decimal(text, per_second, per_second < 0.995 ? 2 : 1);
	text_put(text, "/s");
}

void figure_clock(struct text *text, double seconds)
{
	uint64_t s = rounded(seconds), hours = s / 3600, minutes = s / 60 % 60;

	s %= 60;
	if (hours >= 100)
		text_format(text, "%" PRIu64 "d", hours / 24);
	else if (hours > 0)
		text_format(text, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, hours, minutes,
		            s);
	else
		text_format(text, "%" PRIu64 ":%02" PRIu64, minutes, s);
}

/* ---- the summary: the line of sums ---- */

/* Add a part such as ", 2 failed". Add nothing if the count is 0. */
static void add_some(struct text *text, uint64_t count, const char *what)
{
	if (count == 0)
		return;
	text_put(text, ", ");
	figure_count(text, count);
	text_put(text, what);
}

/* Append, for each format that cannot be read, the number of its files. Then append the number of
 * all other files that are not images. The separator comes before each number. */
static void add_ignored(struct text *text, const struct report_counts *counts,
                        const char *separator)
{
	uint64_t n_others = counts->ignored;
	char name[REASON_BYTES];

	for (unsigned i = 0; i < counts->n_unread; i++) {
		const struct report_unread *unread = &counts->unread[i];

		text_put(text, separator);
		figure_count(text, unread->n);
		text_format(text, " %s file%s not read",
		            reason_format_name(unread->format, name),
		            unread->n == 1 ? "" : "s");
		n_others -= unread->n < n_others ? unread->n : n_others;
	}
	if (n_others == 0)
		return;
	text_put(text, separator);
	figure_count(text, n_others);
	text_format(text, " other file%s ignored", n_others == 1 ? "" : "s");
}

const char *report_print_ignored(const struct report_counts *counts, char *text, size_t n)
{
	struct text words = text_in(text, n);

	text[0] = 0;
	add_ignored(&words, counts, "; ");
	return text;
}

/* Add the number of failures. Also add how many of them are known from an earlier run and were not
 * tried again. */
static void add_failed(struct text *text, const struct report_counts *counts)
{
	add_some(text, counts->failed, " failed");
	if (counts->remembered == 0)
		return;
	text_put(text, " (");
	if (counts->remembered < counts->failed) {
		figure_count(text, counts->remembered);
		text_put(text, " ");
	}
	text_put(text, "known from an earlier run)");
}

static void add_sums(struct text *text, const struct report_counts *counts,
                     double seconds, bool has_cancelled, bool is_plan)
{
	/* Skipped images, failures known from an earlier run, and images that were not started took
	 * no time. They are not counted in the speed. */
	uint64_t n_worked = counts->ok + counts->failed - counts->remembered;

	figure_count(text, counts->inputs);
	text_put(text, counts->inputs == 1 ? " image: " : " images: ");
	figure_count(text, is_plan ? counts->planned : counts->ok);
	text_put(text, is_plan ? " to make" : " done");
	add_some(text, counts->skipped, " skipped");
	add_failed(text, counts);
	if (has_cancelled) {
		add_some(text, counts->cancelled - counts->interrupted, " not started");
		add_some(text, counts->interrupted, " cancelled");
	}
	text_put(text, " in ");
	figure_decimal(text, seconds, seconds < 0.095 ? 2 : 1);
	text_put(text, " s");
	if (n_worked > 0 && seconds > 0 && !is_plan) {
		text_put(text, " (");
		figure_decimal(text, (double)n_worked / seconds, 1);
		text_put(text, " images/s)");
	}
	if (counts->bytes_in > 0) {
		text_put(text, ", ");
		figure_bytes(text, counts->bytes_in);
		/* bytes_out is 0 for verify, which writes no outputs */
		if (counts->bytes_out > 0) {
			text_put(text, " -> ");
			figure_bytes(text, counts->bytes_out);
		}
	}
	add_some(text, counts->damaged, " damaged");
	add_some(text, counts->lost, " with losses");
	add_ignored(text, counts, ", ");
	text_put(text, "\n");
}

/* ---- the summary: the list of failures ---- */

static size_t n_digits(uint64_t count)
{
	char bytes[32];
	struct text digits = text_in(bytes, sizeof(bytes));

	figure_count(&digits, count);
	return digits.n;
}

/* Add the line of a group, such as "3 truncated JPEG: a.jpg, b.jpg, ...". The count is
 * right-aligned in `width` columns. */
static void add_group(struct text *text, const struct failure_group *group, size_t width)
{
	text_fill(text, ' ', 2 + width - n_digits(group->n_images));
	figure_count(text, group->n_images);
	text_format(text, " %s", group->reason);
	for (unsigned i = 0; i < group->n_names; i++) {
		text_put(text, i == 0 ? ": " : ", ");
		quote_name(text, group->names[i]);
	}
	if (group->n_names > 0 && group->n_names < group->n_images)
		text_put(text, ", ...");
	text_put(text, "\n");
}

/* Sort the groups by size. The largest group comes first. Groups of equal size stay in the order of
 * their first failures. */
static void sort_groups(const struct failures *failures,
                        const struct failure_group *sorted[MAX_FAILURE_GROUPS])
{
	for (unsigned i = 0; i < MAX_FAILURE_GROUPS; i++)
		sorted[i] = &failures->groups[i];
	for (unsigned i = 1; i < failures->n_groups; i++) {
		const struct failure_group *group = sorted[i];
		unsigned at = i;

		for (; at > 0 && sorted[at - 1]->n_images < group->n_images; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = group;
	}
}

static void add_failures(struct text *text, const struct failures *failures)
{
	const struct failure_group *sorted[MAX_FAILURE_GROUPS];
	bool are_all_named = failures->n_others == 0;
	const unsigned n_groups = failures->n_groups;
	size_t width;

	sort_groups(failures, sorted);
	width = n_groups > 0 ? n_digits(sorted[0]->n_images) : 0;
	text_put(text, "failed:\n");
	for (unsigned i = 0; i < n_groups; i++) {
		add_group(text, sorted[i], width);
		are_all_named = are_all_named &&
		                sorted[i]->n_names == sorted[i]->n_images;
	}
	if (failures->n_others > 0) {
		text_put(text, "  and ");
		figure_count(text, failures->n_others);
		text_put(text, " for other reasons\n");
	}
	if (!are_all_named)
		text_put(text, "  (--report FILE lists them all)\n");
}

/* Add the line for a run that stopped early: the number of images that were not started, the number
 * of images that were cancelled while they were processed, and the advice how to continue. */
static void add_rest(struct text *text, const struct report_counts *counts,
                     const char *how_to_continue)
{
	const uint64_t n_left = counts->cancelled - counts->interrupted;

	if (n_left > 0) {
		figure_count(text, n_left);
		text_put(text, " not started");
	}
	if (counts->interrupted > 0) {
		text_put(text, n_left > 0 ? ", " : "");
		figure_count(text, counts->interrupted);
		text_put(text, " cancelled");
	}
	text_format(text, "; %s\n", how_to_continue);
}

/* Add the lines of the summary. `how_to_continue` is the advice after a run that stopped early. If
 * it is not NULL, the images that were not finished get a line of their own, with the advice. If it
 * is NULL, they are counted in the first line. */
static void summary_lines(struct text *text, const struct report_counts *counts,
                          double seconds, bool is_plan, const struct failures *failures,
                          const char *how_to_continue)
{
	add_sums(text, counts, seconds, !how_to_continue, is_plan);
	if (failures->n_groups > 0)
		add_failures(text, failures);
	if (how_to_continue && counts->cancelled > 0)
		add_rest(text, counts, how_to_continue);
}

/* ---- lines for people, and the painters that write only such lines ---- */

/* The interval in milliseconds at which report_tick() is called for a painter without progress. */
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

/* Add the line of an image. All painters except JSON use this function. */
static void lines_record(struct text *text, const struct view *view,
                         const struct record *record)
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
	case RECORD_PLANNED:
		text_format(text, ": to make: %s", record->reason ? record->reason : "");
		break;
	case RECORD_CANCELLED:
	case RECORD_IGNORED:
		break;
	}
	text_put(text, "\n");
}

static void lines_ignored(struct text *text, const char *path)
{
	text_put(text, "ignored: ");
	quote_name(text, path);
	text_put(text, "\n");
}

/* Other programs may write to standard error too, so a message begins with the name of this
 * program. A line that begins with a blank continues the previous line, and does not get the
 * name. */
static void lines_message(struct text *text, const char *line)
{
	if (*line != ' ')
		text_put(text, "pixpool: ");
	quote_message(text, line);
	text_put(text, "\n");
}

static void lines_summary(struct text *text, const struct view *view, int exit_status)
{
	struct report_counts counts = meter_counts(view->meter);
	bool is_whole = exit_status < EXIT_STOPPED;

	/* For a usage error, and if no image was found, an earlier message says everything, so
	 * there is no summary. */
	if (exit_status == EXIT_USAGE || exit_status == EXIT_NO_IMAGE)
		return;
	/* If the reader of standard output has closed the pipe, as head does, there is no
	 * summary. */
	if (exit_status == EXIT_SIGNAL + SIGPIPE)
		return;
	summary_lines(text, &counts, meter_seconds(view->meter, view->now_ns),
	              view->options->is_plan, view->failures,
	              is_whole ? NULL : view->options->how_to_continue);
}

static void plain_image(struct text *text, const struct view *view,
                        const struct record *record)
{
	if (record->status == RECORD_CANCELLED)
		return; /* cancelled images get no line; the summary counts them */
	/* While the plan is being made, the total is not known yet. */
	if (view->meter->is_planned) {
		text_put(text, "[");
		figure_count(text, meter_done(view->meter));
		text_put(text, "/");
		figure_count(text, meter_total(view->meter));
		text_put(text, "] ");
	}
	lines_record(text, view, record);
}

/* Normally the summary lists the failures. With -Q there is no summary, so each failure is printed
 * when it occurs. */
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

/*
 * ---- the bar ----
 *
 * One live line, fitted to the terminal:
 *
 *      42% ████████▌   1,234/2,900  56.3/s  21.4 MB/s  2 failed  0:29 left  12 s: IMG_2.jpg
 *
 * The parts are added in the order of their importance while they fit, and shown in the order
 * above. If the five most important parts fit, and more than BAR_MIN columns remain, a bar is drawn
 * in them. The rate of bytes and the slowest image are only shown beside a bar. The last column
 * stays empty, because a terminal may wrap when it is filled.
 */

enum { BAR_MIN = 8, BAR_MAX = 40, PART_BYTES = 160, NAME_COLUMNS = 24 };

enum part { PERCENT, COUNT, RATE, BYTES, FAILED, LEFT, SLOWEST, N_PARTS };

static const enum part by_importance[] = {PERCENT, COUNT, FAILED, LEFT,
                                          RATE,    BYTES, SLOWEST};

/* How many of the most important parts must fit. If one of them does not fit, no bar is shown. */
enum { N_NEEDED = 5 };

struct parts {
	struct part_text {
		char bytes[PART_BYTES];
		size_t n; /* length in bytes; 0: the part is not shown */
	} part[N_PARTS];
};

/* Add the base name of a path, quoted, in at most NAME_COLUMNS columns. Returns the number of
 * columns of the name. */
static size_t add_base_name(struct text *text, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct text name = TEXT_EMPTY;
	mbstate_t state = {0};
	size_t n_columns = 0, n_bytes;
	wchar_t c;

	quote_name(&name, slash && slash[1] ? slash + 1 : path);
	for (const char *at = name.bytes ? name.bytes : ""; *at; at += n_bytes) {
		n_bytes = mbrtowc(&c, at, strlen(at), &state);
		if (n_bytes == 0 || n_bytes > MB_LEN_MAX || wcwidth(c) < 0)
			break;
		if (n_columns + (size_t)wcwidth(c) > NAME_COLUMNS - 3) {
			text_put(text, "...");
			n_columns += 3;
			break;
		}
		text_add(text, at, n_bytes);
		n_columns += (size_t)wcwidth(c);
	}
	text_fini(&name);
	return n_columns;
}

/* Write the slowest image, as in "12 s: IMG_2.jpg". Returns the number of columns. */
static size_t add_slowest(struct text *text, const struct view *view)
{
	size_t n_columns;

	figure_count(text, (uint64_t)view->slowest_seconds);
	text_put(text, " s: ");
	n_columns = text->n;
	return n_columns + add_base_name(text, view->slowest);
}

/* Write a part of the progress line. If there is nothing to show, write nothing. Returns the number
 * of columns. */
static size_t write_part(struct text *text, const struct view *view, enum part part)
{
	const struct meter *meter = view->meter;
	double rate = meter_rate(meter, view->now_ns);
	double left = meter_seconds_left(meter, view->now_ns);

	switch (part) {
	case PERCENT:
		text_format(text, "%3u%%", meter_percent(meter));
		break;
	case COUNT:
		figure_count(text, meter_done(meter));
		text_put(text, "/");
		figure_count(text, meter_total(meter));
		break;
	case RATE:
		if (rate >= 0)
			figure_rate(text, rate);
		break;
	case BYTES:
		if (meter->planned_bytes > 0 &&
		    meter_byte_rate(meter, view->now_ns) >= 0) {
			figure_bytes(text,
			             (uint64_t)meter_byte_rate(meter, view->now_ns));
			text_put(text, "/s");
		}
		break;
	case FAILED:
		if (meter->counts.failed > 0) {
			figure_count(text, meter->counts.failed);
			text_put(text, " failed");
		}
		break;
	case LEFT:
		if (meter->is_ending) {
			text_put(text, "finishing");
		} else if (left >= 0) {
			figure_clock(text, left);
			text_put(text, " left");
		}
		break;
	case SLOWEST:
		return view->slowest ? add_slowest(text, view) : 0;
	default:
		break;
	}
	return text->n;
}

/* Write the parts that fit into `room` columns, in the order of their importance. Returns the
 * number of columns that remain for the bar. Returns 0 if one of the N_NEEDED most important parts
 * does not fit. In this case no bar is shown. */
static size_t fit_parts(struct parts *parts, const struct view *view, size_t room)
{
	size_t used = 0;

	*parts = (struct parts){0};
	for (size_t i = 0; i < N_PARTS; i++) {
		struct part_text *part = &parts->part[by_importance[i]];
		struct text text = text_in(part->bytes, sizeof(part->bytes));
		size_t gap = used > 0 ? 2 : 0, least = i < N_NEEDED ? 0 : BAR_MIN + 1;
		size_t n_columns = write_part(&text, view, by_importance[i]);

		if (n_columns == 0)
			continue;
		if (used + gap + n_columns + least > room) {
			if (i < N_NEEDED)
				return 0;
			continue;
		}
		part->n = text.n;
		used += gap + n_columns;
	}
	return room - used;
}

/* The length of the filled part of a bar of n cells, in eighths of a cell. */
static size_t filled_eighths(const struct meter *meter, size_t n)
{
	double total = (double)meter_total(meter);

	if (!(total > 0))
		return 8 * n;
	return (size_t)((double)meter_done(meter) / total * 8.0 * (double)n);
}

static void add_blocks(struct text *text, size_t eighths, size_t n)
{
	/* U+2588 fills a whole cell. U+2589 to U+258F fill seven eighths to one eighth of a
	 * cell. */
	char block[] = "\xe2\x96\x88";

	for (size_t i = 0; i < n; i++) {
		size_t fill = eighths > 8 * i ? eighths - 8 * i : 0;

		if (fill == 0) {
			text_put(text, " ");
			continue;
		}
		block[2] = (char)(0x90 - (fill < 8 ? fill : 8));
		text_put(text, block);
	}
}

static void add_bar(struct text *text, const struct view *view, size_t n)
{
	text_put(text, " ");
	if (view->is_utf8) {
		add_blocks(text, filled_eighths(view->meter, n), n);
		return;
	}
	size_t n_filled = filled_eighths(view->meter, n - 2) / 8;

	text_put(text, "[");
	text_fill(text, '#', n_filled);
	text_fill(text, ' ', n - 2 - n_filled);
	text_put(text, "]");
}

/* If the line is too long, leave out the words before and after the count. Never truncate the
 * count, because its first digits alone would be a wrong number. */
static void bar_scanning(struct text *text, const struct view *view, size_t room)
{
	static const char before[] = "scanning: ", after[] = " images";
	uint64_t n_images = view->meter->planned_images;
	char figures[PART_BYTES];
	struct text count = text_in(figures, sizeof(figures));

	figure_count(&count, n_images);
	if (count.n > room)
		return;
	if (strlen(before) + count.n <= room)
		text_put(text, before);
	text_put(text, figures);
	if (strlen(before) + count.n + strlen(after) <= room)
		text_put(text, n_images == 1 ? " image" : after);
}

static void bar_progress(struct text *text, const struct view *view)
{
	size_t room = view->width - 1, spare;
	struct parts parts;

	if (!view->meter->is_planned) {
		bar_scanning(text, view, room);
		return;
	}
	spare = fit_parts(&parts, view, room);
	for (enum part part = PERCENT; part < N_PARTS; part++) {
		if (parts.part[part].n == 0)
			continue;
		if (part != PERCENT)
			text_put(text, "  ");
		text_add(text, parts.part[part].bytes, parts.part[part].n);
		if (part == PERCENT && spare > BAR_MIN)
			add_bar(text, view, spare - 1 < BAR_MAX ? spare - 1 : BAR_MAX);
	}
}

static void bar_image(struct text *text, const struct view *view,
                      const struct record *record)
{
	if (record->status == RECORD_FAILED ||
	    (view->options->verbose && record->status != RECORD_CANCELLED))
		lines_record(text, view, record);
}

const struct painter painter_bar = {
	.is_live = true,
	.tick_ms = 100,
	.progress = bar_progress,
	.image = bar_image,
	.ignored = lines_ignored,
	.message = lines_message,
	.summary = lines_summary,
};

/*
 * ---- JSON ----
 *
 * The painter of --progress json writes one JSON object on each line: the same records and summary
 * as --report, and between them the events that README.md describes.
 */

static void end_line(struct json *json)
{
	json_close(json);
	text_put(json->text, "\n");
}

/* If the sizes of the inputs are known, add the numbers of bytes. If enough images are finished,
 * add the rates and the remaining time. */
static void add_json_rates(struct json *json, const struct view *view)
{
	const struct meter *meter = view->meter;
	double rate = meter_rate(meter, view->now_ns);
	double left = meter_seconds_left(meter, view->now_ns);

	if (meter->planned_bytes > 0) {
		json_whole(json, "bytes_done", meter->finished_bytes);
		json_whole(json, "bytes_total", meter->planned_bytes);
	}
	if (rate >= 0)
		json_decimal(json, "images_per_second", rate, 1);
	if (rate >= 0 && meter->planned_bytes > 0)
		json_whole(json, "bytes_per_second",
		           (uint64_t)meter_byte_rate(meter, view->now_ns));
	if (left >= 0 && !meter->is_ending)
		json_decimal(json, "seconds_left", left, 0);
}

static void json_progress(struct text *text, const struct view *view)
{
	const struct meter *meter = view->meter;
	struct json json = {.text = text};

	json_open(&json, NULL);
	json_open(&json, "progress");
	if (meter->is_planned) {
		json_whole(&json, "done", meter_done(meter));
		json_whole(&json, "total", meter_total(meter));
		json_whole(&json, "failed", meter->counts.failed);
		add_json_rates(&json, view);
		if (view->slowest) {
			json_open(&json, "slowest");
			json_path(&json, "input", view->slowest);
			json_decimal(&json, "seconds", view->slowest_seconds, 0);
			json_close(&json);
		}
		if (meter->is_ending)
			json_true(&json, "ending");
	} else {
		json_whole(&json, "scanned", meter->planned_images);
	}
	json_close(&json);
	end_line(&json);
}

static void json_image(struct text *text, const struct view *view,
                       const struct record *record)
{
	if (!view->options->quiet || record->status == RECORD_FAILED)
		record_line(text, record);
}

static void json_ignored(struct text *text, const char *path)
{
	struct json json = {.text = text};

	json_open(&json, NULL);
	json_path(&json, "ignored", path);
	end_line(&json);
}

static void json_message(struct text *text, const char *line)
{
	struct json json = {.text = text};

	json_open(&json, NULL);
	json_string(&json, "message", line);
	end_line(&json);
}

static void json_summary(struct text *text, const struct view *view, int exit_status)
{
	struct report_counts counts = meter_counts(view->meter);

	record_summary_line(text, &counts, meter_seconds(view->meter, view->now_ns),
	                    exit_status, view->options);
}

const struct painter painter_json = {
	.tick_ms = 1000,
	.progress = json_progress,
	.image = json_image,
	.ignored = json_ignored,
	.message = json_message,
	.summary = json_summary,
};
