/*
 * What the tests of hostile pictures share: whole pictures to damage, and a run over the damaged
 * ones.
 */
#ifndef PXP_HOSTILE_FIXTURE_H
#define PXP_HOSTILE_FIXTURE_H

#include "image/image_fixture.h"
#include "report_lines.h"

#include <glob.h>

/* The bytes of a file. The caller calls blob_fini(). */
struct blob hostile_read(const char *path);

/* Make the seeds, small whole pictures: all samples, one picture in each format that this build
 * writes, an SVG and a PDF. The caller calls globfree(). */
void hostile_seeds(glob_t *ret_paths);

/* Run resize over the folder in, to out, with the report r, and add its outcomes to tally. Fails
 * the test unless the exit status is that of a batch that ran to its end. */
void hostile_run(struct tally *tally, const char *options);

/* Fails the test when a picture has an outcome that damage cannot explain, such as a timeout or a
 * violation of the sandbox. */
void hostile_expect_known_outcomes(const struct tally *tally);

#endif
