/*
 * A folder of the test's own, which is also the current one while it stands: names in a
 * test are short and relative. Any failure in here ends the test.
 */
#ifndef PXP_SCRATCH_H
#define PXP_SCRATCH_H

#include <stdbool.h>
#include <sys/types.h>

/* Make one in base, if that can be written, else in $TMPDIR or /tmp, and go there.
 * base may be NULL. Others may look into it. */
void scratch_enter(const char *base);

/* Remove it, of whatever depth it is. */
void scratch_leave(void);

void scratch_file(const char *path, const char *text);
void scratch_folder(const char *path);
void scratch_link(const char *path, const char *target);

/* What is in a file, up to 255 bytes, in a static buffer; NULL when it is not there. */
const char *scratch_text(const char *path);

/* How many descriptors this process has open. */
int scratch_n_open(void);

/* Run a part of a test in a child that is no root: as it is, or as uid and gid 65534
 * where the test runs as root. Whether it returned true; says so aloud and returns true
 * where it could not be tried. Its EXPECT does not count: let it return false. */
bool scratch_as_nobody(bool (*run)(void));

/* Say that a part of a test was not tried here. */
void scratch_skip(const char *what, const char *why);

#endif
