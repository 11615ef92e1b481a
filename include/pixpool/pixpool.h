/* The whole public library: executors and futures. */
#ifndef PXP_PIXPOOL_H
#define PXP_PIXPOOL_H

#include <pixpool/executor.h>
#include <pixpool/future.h>
#include <pixpool/map.h>
#include <pixpool/status.h>
#include <pixpool/task.h>
#include <pixpool/wait.h>

#endif
