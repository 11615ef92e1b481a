/*
 * Reasons say in words for users why an image failed: "truncated JPEG", "not an image". A failure
 * also has a text with the stage and the message of the library. This text goes into the records,
 * and the terminal shows the reason. Failures with the same reason form one group in the summary.
 * So a reason contains no sizes and no names of files.
 */
#ifndef PXP_REASON_H
#define PXP_REASON_H

#include "report/report.h"
#include "report/text.h"

enum { REASON_BYTES = 96 };

/* Print the reason for the failure of an image. `format` is the format of the image, such as
 * "jpeg", or NULL if it is unknown. Returns `text`, which is safe for a terminal in any locale. */
const char *reason_of(const struct failure *failure, const char *format,
                      char text[REASON_BYTES]);

/* The name of a format for users: "JPEG" for "jpeg", "image" for NULL. Returns text or a static
 * string. */
const char *reason_format_name(const char *format, char text[REASON_BYTES]);

/* Append the reason for the failure in a record. Also append the text of the failure if it tells
 * users more, for example which signal killed the worker. */
void reason_add(struct text *text, const struct record *record);

#endif
