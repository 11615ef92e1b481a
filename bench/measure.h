/*
 * Run a command and measure it with all the processes that it starts.
 */
#ifndef PXP_BENCH_MEASURE_H
#define PXP_BENCH_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct measured {
	int status; /* the exit status; if a signal killed the command, 128 plus the signal */
	double wall_s;
	double cpu_s; /* user and system time of the process tree */
	/* The peak private memory of the process tree: the maximum of the sum over all processes.
	 * The private memory of a process is its resident memory without its shared memory. */
	int64_t peak_bytes;
};

/* Call this once, before the first command. Orphans of a command become our children, so that their
 * time counts. Prints a message and returns false if this kernel does not support that. */
bool measure_begin(void);

/*
 * Run argv, which ends with NULL; argv[0] is searched in PATH. Standard input is /dev/null.
 * Standard output and error are written to the file `said_path`. Returns false, with a message, if
 * the command cannot be run.
 *
 * Memory is sampled every 20 ms, so a shorter peak may be missed.
 */
bool measure_run(const char *const argv[], const char *said_path,
                 struct measured *ret_measured);

/* The current time in seconds of a monotonic clock. */
double measure_now_s(void);

/* measure_own_cpu_s() returns the CPU time of this process, measure_children_cpu_s() the sum of the
 * CPU times of all existing descendants of the process `pid`. */
double measure_own_cpu_s(void);
double measure_children_cpu_s(pid_t pid);

#endif
