/*
 * The fonts of this machine, as fontconfig finds them: once, by a process of one thread that
 * others are forked from. These open the files and nothing else: what fontconfig knows of
 * them they have inherited.
 */
#ifndef PXP_FONTS_H
#define PXP_FONTS_H

#include "common/failure.h"

#include <stdbool.h>
#include <stddef.h>

/* Find them. False with a failure. */
bool fonts_start(struct failure *ret_failure);

/* Where they really are, and where poppler has its maps of characters: folders, NULL at the
 * end. */
const char *const *fonts_folders(void);

/* Whether there are any, and each can be opened: what cannot be would be missing in a picture
 * without a word. Else a failure. */
bool fonts_are_there(struct failure *ret_failure);

#endif
