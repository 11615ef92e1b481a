/* The pictures that hostile ones are made of, and what may become of those. */
#ifndef PXP_GALLERY_H
#define PXP_GALLERY_H

#include "image/lab.h"
#include "report_lines.h"

#include <glob.h>

/* The bytes of a file; blob_fini() after it. */
struct blob gallery_read(const char *path);

/* All samples, one of them in every format that this build writes, small, and a drawing of
 * each kind. globfree()
 * after it. */
void gallery_gather(glob_t *ret_paths);

/* Run over all that stands in the folder in, to out, with a report r, and add up what became
 * of it. The command itself is well: its status is that of done or failed pictures. */
void gallery_run(struct tally *tally, const char *options);

/* What a hostile picture can become. That it is slow, or that its worker is killed for what
 * it tried, is no true fate here. */
void gallery_expect_true(const struct tally *tally);

#endif
