/* The test engine, for those who have more orders for it. */
#ifndef PXP_OBEY_H
#define PXP_OBEY_H

#include "common/outcome.h"

#include <stdbool.h>

/*
 * Orders that take a knowledge of the processes around, which this room does not have: set
 * by a constructor where they are linked, else NULL. *ret_known is whether it is one of
 * them; false with a failure when the picture ends here.
 */
extern bool (*obey_more)(const char *order, const char *word, bool *ret_known,
                         struct failure *ret_failure);

/* What became of an attempt, as a system call tells it: a failure either way, internal when
 * it got through. Always false. */
bool obey_tell(long got, const char *attempt, struct failure *ret_failure);

/* The memfd of the picture, found among the descriptors: -1 when there is none. */
int obey_find_output(void);

#endif
