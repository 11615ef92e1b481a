/*
 * A painter turns events into text: bar, plain, JSON or none. The report decides where and when it
 * is written. The text is whole lines, each with its newline, except the live line of the bar. For
 * an event that a painter does not show, it adds nothing.
 */
#ifndef PXP_PAINTER_H
#define PXP_PAINTER_H

#include "report/meter.h"
#include "report/report.h"
#include "report/summary.h"
#include "report/text.h"

/* What a painter sees of the report. */
struct view {
	const struct meter *meter;
	const struct failures *failures;
	const struct report_options *options;
	int64_t now_ns;
	/* Columns for progress, of which the last stays free; at least 1. */
	unsigned width;
	bool is_utf8; /* the terminal shows block characters */
};

struct painter {
	bool is_live; /* progress is a line without newline, painted over the one before */
	int tick_ms;  /* between two calls of progress */

	void (*progress)(struct text *text, const struct view *view); /* may be NULL */
	void (*image)(struct text *text, const struct view *view,
	              const struct record *record);
	void (*ignored)(struct text *text, const char *path);
	void (*message)(struct text *text, const char *line);
	void (*summary)(struct text *text, const struct view *view, int exit_status);
};

extern const struct painter painter_bar, painter_plain, painter_json, painter_none;

#endif
