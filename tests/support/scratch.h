/*
 * A scratch folder for a test. While it exists, it is the current folder, so that tests can use
 * short relative names. A failure in any of these functions fails the test.
 */
#ifndef PXP_SCRATCH_H
#define PXP_SCRATCH_H

#include <stdbool.h>
#include <sys/types.h>

/* Create the scratch folder in the folder `base`, and enter it. If `base` is NULL or cannot be
 * written, the scratch folder is created in $TMPDIR or in /tmp. Other users may read it. */
void scratch_enter(const char *base);

/* Leave the scratch folder and remove it, however deep its tree is. */
void scratch_leave(void);

/* Create a file with this text, a folder, or a symbolic link. */
void scratch_file(const char *path, const char *text);
void scratch_folder(const char *path);
void scratch_link(const char *path, const char *target);

/* Read the first 255 bytes of a file into a static buffer. Returns NULL if the file cannot be
 * opened. */
const char *scratch_text(const char *path);

/* How many descriptors this process has open. */
int scratch_n_open(void);

/*
 * Run a part of a test in a child process without the privileges of root: as uid and gid 65534 if
 * the test runs as root. Returns what run() returned. If root cannot be dropped, prints that and
 * returns true. EXPECT has no effect in the child: run() must return false instead.
 */
bool scratch_as_nobody(bool (*run)(void));

/* Print that a part of a test was skipped on this machine, and why. */
void scratch_skip(const char *what, const char *why);

#endif
