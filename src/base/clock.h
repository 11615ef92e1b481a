/* Time. Everything inside is nanoseconds of CLOCK_MONOTONIC; -1 means never. */
#ifndef PXP_CLOCK_H
#define PXP_CLOCK_H

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

/* Now. It does not fail on any Linux that runs us. */
int64_t clock_now_ns(void);

/* now + ms, saturating; a negative ms is never: -1. */
int64_t clock_deadline_ns(int64_t now_ns, int64_t ms);

/* The earlier of two times, either of which may be never. */
int64_t clock_earlier_ns(int64_t a_ns, int64_t b_ns);

/* Milliseconds until deadline_ns, rounded up so that a waiter does not spin, fit for
 * poll(): -1 for never, 0 when it has passed. */
int clock_poll_ms(int64_t now_ns, int64_t deadline_ns);

struct timespec clock_timespec(int64_t ns);

/* The processor's time, in user code and in the kernel. */
int64_t clock_cpu_ns(const struct rusage *usage);

#endif
