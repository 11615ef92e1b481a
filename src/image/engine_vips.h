/* What the parts of the vips engine share. */
#ifndef PXP_ENGINE_VIPS_H
#define PXP_ENGINE_VIPS_H

#include "image/engine.h"

/* Turn libvips' error buffer into a failure, and empty it. False. */
bool fail_vips(struct failure *ret_failure, const char *stage, enum fail_class otherwise);

/* check_vips.c: its check(). */
bool vips_check(struct source *source, struct failure *ret_failure);

#endif
