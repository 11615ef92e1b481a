/* Errors, besides <pixpool/status.h>. */
#ifndef PXP_ERROR_H
#define PXP_ERROR_H

#include <pixpool/status.h>

/* Make an error PXP_OK with an empty text. The text beyond its first byte stays: clearing all of it
 * takes 15 of the 200 ns of an empty task, and 10 of the 30 ns of an item of a map. Any thread. */
void error_clear(struct pxp_error *error);

#endif
