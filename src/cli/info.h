/* `pixpool info`: what this build and machine can do, tried and not written down. */
#ifndef PXP_INFO_H
#define PXP_INFO_H

#include "batch/lockdown.h"

/* On standard output, as workers with this sandbox find it. The exit status. */
int info_print(enum sandbox_mode mode);

#endif
