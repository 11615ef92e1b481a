/*
 * A painter turns events into text: progress bar, plain lines, JSON or nothing. The report decides
 * where and when the text is written. The text is whole lines, each with its newline, except the
 * live line of the progress bar. For an event that a painter does not show, it adds nothing.
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
	/* The image that a worker has processed for the longest time; NULL: no image has taken
	 * several seconds yet. */
	const char *slowest;
	double slowest_seconds;
	/* The number of columns for progress, the last of which stays empty; at least 1. */
	unsigned width;
	bool is_utf8; /* the terminal shows block characters */
};

struct painter {
	/* Progress is a line without newline, which is painted over the previous line of
	 * progress. */
	bool is_live;
	int tick_ms; /* the time between two calls of progress */

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
