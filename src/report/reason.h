/*
 * Why an image failed, in people's words: "truncated JPEG", "not an image". A failure's own text
 * has the stage and the library's words, and goes to the records; the terminal shows a reason.
 * Failures of one reason are one group of the summary, so a reason has no figure in it.
 */
#ifndef PXP_REASON_H
#define PXP_REASON_H

#include "report/report.h"
#include "report/text.h"

enum { REASON_BYTES = 96 };

/* The reason for a failure of an image in a format ("jpeg"), or NULL for an unknown one. Returns
 * text, which is fit for a terminal in any locale. */
const char *reason_of(const struct failure *failure, const char *format,
                      char text[REASON_BYTES]);

/* Add the reason of a failed record, and the failure's text where it tells people more: which
 * signal a worker died of, for example. */
void reason_add(struct text *text, const struct record *record);

#endif
