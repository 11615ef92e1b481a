/*
 * What the tests of hostile pictures share: complete pictures to damage, and a run over the damaged
 * pictures.
 */
#ifndef PXP_HOSTILE_FIXTURE_H
#define PXP_HOSTILE_FIXTURE_H

#include "image/image_fixture.h"
#include "report_lines.h"

#include <glob.h>

/* Read a file. The caller calls blob_fini(). */
struct blob hostile_read(const char *path);

/* Make small complete pictures for the tests to damage: copies of all sample pictures, a picture in
 * each format that this build writes, an SVG and a PDF. The caller frees *ret_paths with
 * globfree(). */
void hostile_seeds(glob_t *ret_paths);

/* Run `pixpool resize` from the folder "in" to the folder "out" with the report "r", and add the
 * outcomes to *tally. Fails the test unless the exit status is that of a batch that ran to its
 * end. */
void hostile_run(struct tally *tally, const char *options);

/* Fail the test if a picture has an outcome that damage cannot explain, such as a timeout or a
 * violation of the sandbox. */
void hostile_expect_known_outcomes(const struct tally *tally);

#endif
