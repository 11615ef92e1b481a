/*
 * The bar: one live line, fitted to the terminal.
 *
 *      42% ████████▌           1,234/2,900  56.3/s  2 failed  0:29 left
 *
 * The parts are added in the order of their importance while they fit, and shown in the order
 * above. If all fit, the bar itself takes the rest. The last column stays free: a terminal may
 * wrap when it is filled.
 */
#include "report/painter.h"

#include "report/figures.h"

#include <string.h>

enum { BAR_MIN = 8, BAR_MAX = 40, PART_BYTES = 64 };

enum part { PERCENT, COUNT, RATE, FAILED, LEFT, N_PARTS };

static const enum part by_importance[] = {PERCENT, COUNT, FAILED, LEFT, RATE};

struct parts {
	struct part_text {
		char bytes[PART_BYTES];
		size_t n; /* bytes, and columns: the text is ASCII; 0: not shown */
	} part[N_PARTS];
};

static void write_part(struct text *text, const struct view *view, enum part part)
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
	case FAILED:
		if (meter->counts.failed > 0) {
			figure_count(text, meter->counts.failed);
			text_put(text, " failed");
		}
		break;
	case LEFT:
		if (left >= 0) {
			figure_clock(text, left);
			text_put(text, " left");
		}
		break;
	default:
		break;
	}
}

/* Write the parts that fit into room columns; less important ones are left out first. Returns the
 * columns left for the bar: 0 if a part was left out. */
static size_t fit_parts(struct parts *parts, const struct view *view, size_t room)
{
	size_t used = 0;

	*parts = (struct parts){0};
	for (size_t i = 0; i < N_PARTS; i++) {
		struct part_text *part = &parts->part[by_importance[i]];
		struct text text = text_in(part->bytes, sizeof(part->bytes));
		size_t gap = used > 0 ? 2 : 0;

		write_part(&text, view, by_importance[i]);
		if (text.n == 0)
			continue;
		if (used + gap + text.n > room)
			return 0;
		part->n = text.n;
		used += gap + text.n;
	}
	return room - used;
}

/* The part of n cells that is finished, in eighths of a cell. */
static size_t filled_eighths(const struct meter *meter, size_t n)
{
	double total = (double)meter_total(meter);

	if (!(total > 0))
		return 8 * n;
	return (size_t)((double)meter_done(meter) / total * 8.0 * (double)n);
}

static void add_blocks(struct text *text, size_t eighths, size_t n)
{
	/* U+2588 fills a cell, U+2589 to U+258F fill seven eighths down to one. */
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

/* Without room, drop the words around the count: a count that is cut would be a wrong one. */
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
	if (record->status == RECORD_FAILED || view->options->verbose)
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
