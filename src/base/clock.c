/* Reads the clock and computes deadlines: see clock.h. */
#include "base/clock.h"

#include <limits.h>

int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_deadline_ns(int64_t now_ns, int64_t ms)
{
	int64_t span, deadline;

	if (ms < 0)
		return -1;
	if (__builtin_mul_overflow(ms, (int64_t)1000000, &span) ||
	    __builtin_add_overflow(now_ns, span, &deadline))
		return INT64_MAX;
	return deadline;
}

int64_t clock_earlier_ns(int64_t a_ns, int64_t b_ns)
{
	if (a_ns < 0 || (b_ns >= 0 && b_ns < a_ns))
		return b_ns;
	return a_ns;
}

int clock_poll_ms(int64_t now_ns, int64_t deadline_ns)
{
	if (deadline_ns < 0)
		return -1;
	if (deadline_ns <= now_ns)
		return 0;

	int64_t left_ms = (deadline_ns - now_ns - 1) / 1000000 + 1;

	return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

struct timespec clock_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

int64_t clock_cpu_ns(const struct rusage *usage)
{
	return (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000 +
	       (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000;
}
