/* `pixpool info` shows the formats, limits and sandbox of this build on this machine. It tests
 * which formats and which layers of the sandbox work. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

#include <stdbool.h>

struct batch_options;

/* Print to standard output which formats, limits and sandbox a run with these options would have.
 * The output is tables, or one line of JSON if as_json is true. Returns the exit status. */
int info_print(const struct batch_options *options, bool as_json);

#endif
