/*
 * The screen of a report: standard error, a terminal or not. Lines and the live line leave in one
 * write(2), so that the text of other processes never lands inside them. The cursor is never
 * hidden, so a killed program leaves nothing to repair. Text that cannot be written is lost, and
 * the batch continues.
 */
#ifndef PXP_SCREEN_H
#define PXP_SCREEN_H

#include "report/text.h"

#include <stdbool.h>

struct screen {
	int fd;       /* borrowed */
	bool is_live; /* the cursor is in a live line */
};

/* In columns: of the terminal, else COLUMNS, else 80; at least 1. */
unsigned screen_width(const struct screen *screen);

/* Whether it is a terminal that can move its cursor. */
bool screen_can_paint(const struct screen *screen);

/* Write lines above the live line, and then the new live line; NULL takes it away. Either may be
 * empty. */
void screen_write(struct screen *screen, const struct text *lines,
                  const struct text *live);

#endif
