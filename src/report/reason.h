/*
 * Why an image failed, in words for users: "truncated JPEG", "not an image". A failure's own text
 * has the stage and the library's message, and goes into the records; the terminal shows a reason.
 * Failures with the same reason are one group of the summary, so a reason contains no numbers.
 */
#ifndef PXP_REASON_H
#define PXP_REASON_H

#include "report/report.h"
#include "report/text.h"

enum { REASON_BYTES = 96 };

/* The reason for the failure of an image. format: the format of the image, such as "jpeg"; NULL:
 * unknown. Returns text, which is safe for a terminal in any locale. */
const char *reason_of(const struct failure *failure, const char *format,
                      char text[REASON_BYTES]);

/* The name of a format for users: "JPEG" for "jpeg", "image" for NULL. Returns text or a static
 * string. */
const char *reason_format_name(const char *format, char text[REASON_BYTES]);

/* Add the reason of a failed record, and the failure's text if it tells users more: for example,
 * which signal killed the worker. */
void reason_add(struct text *text, const struct record *record);

#endif
