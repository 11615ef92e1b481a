/* `pixpool info` shows the formats, limits and sandbox of this build and machine, found out by
 * trying. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

#include <stdbool.h>

struct batch_options;

/* Print to standard output the formats, limits and sandbox that a run with these options would have: tables,
 * or one line of JSON. Returns the exit status. */
int info_print(const struct batch_options *options, bool as_json);

#endif
