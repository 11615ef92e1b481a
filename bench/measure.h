/*
 * Run a command and measure it with all the processes that it starts.
 */
#ifndef PXP_BENCH_MEASURE_H
#define PXP_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct measured {
	int status; /* the exit status; 128 and the signal that ended it */
	double wall_s;
	double cpu_s; /* user and system, of the whole tree */
	int64_t peak_bytes; /* the largest sum seen of resident less shared memory over the tree */
};

/* Once, before the first command: orphans of a command become ours, so that their time is
 * counted too. False with a message on standard error when this kernel cannot measure. */
bool measure_begin(void);

/*
 * Run argv (found on PATH, NULL at the end) with standard input from /dev/null and what it
 * prints into the file said_path. False with a message when it could not be run at all.
 *
 * Memory is sampled every 20 ms: a shorter peak may be missed, on every side alike.
 */
bool measure_run(const char *const argv[], const char *said_path,
                 struct measured *ret_measured);

/* Seconds on a clock that only goes forward. */
double measure_now_s(void);

/* CPU time that this process has used, and that a process's children, their children and so
 * on have, as far as they are still there. */
double measure_own_cpu_s(void);
double measure_children_cpu_s(pid_t pid);

#endif
