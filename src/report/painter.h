/*
 * Painters turn what happens into text; where and when it is written is the report's
 * business. Text is whole lines, each with its newline, but for the live line. An event
 * that a painter passes over adds nothing.
 */
#ifndef PXP_PAINTER_H
#define PXP_PAINTER_H

#include "report/meter.h"
#include "report/report.h"
#include "report/summary.h"
#include "report/text.h"

/* What a painter may look at. */
struct view {
	const struct meter *meter;
	const struct failures *failures;
	const struct report_options *options;
	int64_t now_ns;
	unsigned
		width; /* columns for progress, of which the last stays free; at least 1 */
	bool is_utf8;  /* what reads us, so block characters may be used */
};

struct painter {
	bool is_live; /* progress is one line, without newline, painted over itself */
	int tick_ms;  /* progress is asked for this often */

	void (*progress)(struct text *text, const struct view *view); /* may be NULL */
	void (*settled)(struct text *text, const struct view *view,
	                const struct record *record);
	void (*ignored)(struct text *text, const char *path);
	void (*said)(struct text *text, const char *line);
	void (*finished)(struct text *text, const struct view *view, int exit_status);
};

extern const struct painter painter_bar, painter_plain, painter_json, painter_none;

/* The words that the painters for people share. */
void lines_record(struct text *text, const struct view *view,
                  const struct record *record);
void lines_ignored(struct text *text, const char *path);
void lines_said(struct text *text, const char *line);
void lines_finished(struct text *text, const struct view *view, int exit_status);

#endif
