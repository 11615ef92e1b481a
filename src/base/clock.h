/* Points in time are nanoseconds of CLOCK_MONOTONIC; -1 means never. Any thread may call these
 * functions. */
#ifndef PXP_CLOCK_H
#define PXP_CLOCK_H

#include <stdint.h>
#include <sys/resource.h>
#include <time.h>

/* The current time. Cannot fail on supported versions of Linux. */
int64_t clock_now_ns(void);

/* Returns `now_ns` plus `ms` milliseconds, at most INT64_MAX. Returns -1 if `ms` is negative. */
int64_t clock_deadline_ns(int64_t now_ns, int64_t ms);

/* The earlier of two times. Either may be -1 (never). */
int64_t clock_earlier_ns(int64_t a_ns, int64_t b_ns);

/* The milliseconds until deadline_ns, for poll(), at most INT_MAX. They are rounded up, so that the
 * caller does not wake too early again and again. 0 if deadline_ns has passed; -1 if deadline_ns is
 * -1 (never). */
int clock_poll_ms(int64_t now_ns, int64_t deadline_ns);

struct timespec clock_timespec(int64_t ns);

/* The sum of CPU time in user mode and in the kernel, in nanoseconds. */
int64_t clock_cpu_ns(const struct rusage *usage);

#endif
