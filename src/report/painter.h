/*
 * A painter turns events into text: a progress bar, plain lines, JSON or nothing. The report
 * decides where and when the text is written. The text consists of whole lines, each with its
 * newline. Only the live line of the progress bar has no newline. If a painter does not show an
 * event, it adds no text.
 */
#ifndef PXP_PAINTER_H
#define PXP_PAINTER_H

#include "report/meter.h"
#include "report/report.h"
#include "report/summary.h"
#include "report/text.h"

/* The part of the report that a painter sees. */
struct view {
	const struct meter *meter;
	const struct failures *failures;
	const struct report_options *options;
	int64_t now_ns;
	/* The image that has been in progress for the longest time; NULL: no image has taken
	 * long. */
	const char *slowest;
	double slowest_seconds;
	/* The number of columns for a line of progress, at least 1. The last column stays empty. */
	unsigned width;
	bool is_utf8; /* whether the terminal shows block characters */
};

struct painter {
	/* Whether progress is a live line: a line without a newline, which replaces the previous
	 * live line. */
	bool is_live;
	int tick_ms; /* milliseconds between two updates of the progress */

	/* NULL: the painter shows no progress */
	void (*progress)(struct text *text, const struct view *view);
	void (*image)(struct text *text, const struct view *view,
	              const struct record *record);
	void (*ignored)(struct text *text, const char *path);
	void (*message)(struct text *text, const char *line);
	void (*summary)(struct text *text, const struct view *view, int exit_status);
};

extern const struct painter painter_bar, painter_plain, painter_json, painter_none;

#endif
