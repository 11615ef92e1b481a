/*
 * The questions and subjects of bench_executors. Each measurement runs in a fresh process.
 */
#ifndef PXP_BENCH_EXECUTORS_H
#define PXP_BENCH_EXECUTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum question {
	/* Submit a batch of tasks that do nothing, and collect them all. */
	ASK_EMPTY,
	/* Run a map over empty items, in chunks of CHUNK items. */
	ASK_CHUNKED,
	/* Like ASK_EMPTY, but with inputs and results of 1 B, 4 KiB or 1 MiB. */
	ASK_1_B,
	ASK_4_KIB,
	ASK_1_MIB,
	/* The time from the creation of a pool to its first result. */
	ASK_START,
	/* How much memory the waiting tasks use, while a task at a gate keeps them waiting. */
	ASK_PENDING,
	N_QUESTIONS
};

enum {
	CHUNK = 100,
	MAX_WORKERS = 64,
	/* The time limit of one measurement in seconds. */
	MAX_S = 120,
};

enum subject_id {
	OUR_INLINE,
	OUR_THREADS,
	/* A thread pool with the default of max_pending, so that submissions wait for room. */
	OUR_THREADS_BOUNDED,
	OUR_PROCESSES,
	OUR_PROCESSES_BOUNDED,
	/* Like OUR_PROCESSES, but the time to start the zygote counts too. */
	OUR_PROCESSES_AND_ZYGOTE,
	PYTHON_THREADS,
	PYTHON_PROCESSES,
	GLIB_POOL,
	LIBUV_QUEUE,
	/* The minimum that threads need: a mutex, a condition, and a result for each task. */
	FLOOR_QUEUE,
	/* The minimum that processes need: an epoll loop over socket pairs, with 1 frame in flight
	 * to each child. */
	FLOOR_EPOLL_1,
	FLOOR_EPOLL_2,
	FLOOR_EPOLL_4,
	/* An epoll loop with 16 frames in flight to each child. A worker of pixpool may also hold
	 * 16 tasks. */
	FLOOR_EPOLL_16,
	N_SUBJECTS
};

struct job {
	enum question question;
	enum subject_id subject;
	/* The number of tasks, items or pools to measure. */
	size_t n_batch;
	/* The size of the input and of the result of each task. */
	size_t n_bytes;
	/* The input of every task: n_bytes bytes. */
	const char *payload;
	unsigned n_workers;
	/* Batches are repeated for at least this many seconds. */
	double min_s;
	/* The Python interpreter, which is searched in PATH. */
	const char *python;
};

struct reading {
	/* The number of tasks, items or pools that were measured. */
	double n;
	double wall_s;
	/* CPU time of the whole process tree. */
	double cpu_s;
	/* For ASK_PENDING: how much the resident memory of this process grew. */
	double bytes;
};

/* A function that measures. On failure it prints a message on standard error and returns false. */
typedef bool measure_fn(const struct job *job, struct reading *ret_reading);

struct subject {
	const char *name;
	/* The function that measures this subject, for each ASK_ constant. NULL: the subject cannot
	 * be measured in this way. */
	measure_fn *measure[N_QUESTIONS];
};

measure_fn ours_rate, ours_chunked, ours_start, ours_pending;
measure_fn python_measure;
measure_fn glib_rate, glib_start, glib_pending;
measure_fn libuv_rate, libuv_start, libuv_pending;
measure_fn queue_rate, queue_start, queue_pending;
measure_fn epoll_rate, epoll_start;

/* ---- functions that the subjects share ---- */

struct watch {
	double wall_s, cpu_s;
};

/* watch_end() adds the time since watch_begin() to the reading. The CPU time of a child process
 * counts only if the child still exists at watch_end(). */
void watch_begin(struct watch *watch);
void watch_end(const struct watch *watch, struct reading *reading);

/* Run n tasks of a job and take all results. Returns false if a result is wrong. */
typedef bool batch_fn(void *subject, const struct job *job, size_t n);

/* Measure batches. A smaller batch runs before them to warm up, and is not measured. */
bool repeat_batches(const struct job *job, batch_fn *batch, void *subject,
                    struct reading *ret_reading);

/* The resident memory of this process. */
double resident_bytes(void);

/* Print a message about a failure. Returns false. */
bool failed(const char *what);

/* A task for executors that pass no inputs to tasks and take no results from them. echo_prepare()
 * copies the payload to the input, and echo_run() copies the input to the result. Pixpool makes the
 * same copies. */
struct echo {
	void *input, *result;
	size_t n;
};

bool echo_prepare(struct echo *echo, const struct job *job);
void echo_run(struct echo *echo);
bool echo_collect(struct echo *echo, const struct job *job);

/* The measurements of a run. Each is what one subject (an executor) achieved for one question (an
 * ASK_ constant) in one round. n is how many rounds were measured. */
enum { MAX_ROUNDS = 99 };

struct readings {
	struct reading of[N_QUESTIONS][N_SUBJECTS][MAX_ROUNDS];
	unsigned n[N_QUESTIONS][N_SUBJECTS];
};

void report_question(const struct readings *readings, const struct subject *subjects,
                     enum question question);
void report_goals(const struct readings *readings);

#endif
