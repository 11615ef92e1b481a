/*
 * The fonts of this machine, as fontconfig finds them: once, in a process of one thread
 * from which the workers are forked. Workers open the font files and inherit the rest.
 */
#ifndef PXP_FONTS_H
#define PXP_FONTS_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>

/* Find the fonts. False with a failure. */
bool fonts_start(struct failure *ret_failure);

/* The real folders of the fonts and of the CMap files of poppler, NULL at the end. */
const char *const *fonts_folders(void);

/* Whether there is a font, and each font can be opened. Text in a font that cannot be
 * opened would be missing without a message. Else a failure. */
bool fonts_are_there(struct failure *ret_failure);

#endif
