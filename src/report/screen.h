/*
 * Where a report is painted: standard error, a terminal or not. Lines and the live line
 * leave in one write(2) each, so that what other processes write falls between them. The
 * cursor is never hidden: a report that is killed leaves nothing to repair. What can't be
 * written is lost, and the batch goes on.
 */
#ifndef PXP_SCREEN_H
#define PXP_SCREEN_H

#include "report/text.h"

#include <stdbool.h>

struct screen {
	int fd;       /* borrowed */
	bool is_live; /* the cursor is in a line that screen_paint() wrote */
};

/* Columns: what the terminal says, else COLUMNS, else 80; at least 1. */
unsigned screen_width(const struct screen *screen);

/* A terminal that can move its cursor. */
bool screen_can_paint(const struct screen *screen);

/* Lines, in front of the live line if there is one. live is what that is to be from then
 * on; NULL takes it away. Either may be empty. */
void screen_write(struct screen *screen, const struct text *lines,
                  const struct text *live);

#endif
