/* `pixpool info` shows the formats, limits and sandbox of this build on this machine. It tests
 * which formats and which layers of the sandbox work. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

#include <stdbool.h>

struct batch_options;

/* Print, to standard output, the formats, limits and sandbox that a run with these options would
 * have: as tables, or as one line of JSON. Returns the exit status. */
int info_print(const struct batch_options *options, bool as_json);

#endif
