/* The nursery of a process pool: the parent of its workers. */
#ifndef PXP_NURSERY_H
#define PXP_NURSERY_H

#include "exec/protocol.h"

/* In a fresh child of the zygote: serve the pool at control until it closes. */
_Noreturn void nursery_main(const struct nursery_frame *pool, const void *init_bytes,
                            int control);

#endif
