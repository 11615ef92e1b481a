/*
 * What bench_executors asks of each subject. A measurement runs in a process of its own, in
 * which nothing ran before.
 */
#ifndef PXP_BENCH_EXECUTORS_H
#define PXP_BENCH_EXECUTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum question {
	ASK_EMPTY,   /* submit a batch of tasks that do nothing, collect them all */
	ASK_CHUNKED, /* map over items that are nothing, CHUNK of them together */
	ASK_1_B,     /* as the first, with so many bytes there and back */
	ASK_4_KIB,
	ASK_1_MIB,
	ASK_START,   /* from creation to the first result */
	ASK_PENDING, /* memory of tasks that wait behind one that is held */
	N_QUESTIONS
};

enum { CHUNK = 100, MAX_WORKERS = 64, MOST_S = 120 /* for one measurement */ };

enum subject_id {
	OUR_INLINE,
	OUR_THREADS,
	OUR_THREADS_BOUNDED, /* max_pending as it is by default: submissions wait for room */
	OUR_PROCESSES,
	OUR_PROCESSES_BOUNDED,
	OUR_PROCESSES_AND_ZYGOTE, /* the first pool of a process */
	PYTHON_THREADS,
	PYTHON_PROCESSES,
	GLIB_POOL,
	LIBUV_QUEUE,
	FLOOR_QUEUE,   /* a mutex, a condition, and a result for each task */
	FLOOR_EPOLL_1, /* an epoll loop over socket pairs, with 1 frame in flight to each */
	FLOOR_EPOLL_2,
	FLOOR_EPOLL_4,
	FLOOR_EPOLL_16, /* as many as may lie in front of a worker of ours */
	N_SUBJECTS
};

struct job {
	enum question question;
	enum subject_id subject;
	size_t n_batch;      /* tasks, items or pools */
	size_t n_bytes;      /* there and back with each task */
	const char *payload; /* so many bytes */
	unsigned n_workers;
	double least_s;     /* batches are repeated for so long */
	const char *python; /* to be found on PATH */
};

struct reading {
	double n; /* tasks, items or pools that were done */
	double wall_s;
	double cpu_s; /* of the whole tree of processes */
	double bytes; /* ASK_PENDING: resident memory of this process that came with them */
};

/* False, with a message on standard error, when not all was done as asked. */
typedef bool measure_fn(const struct job *job, struct reading *ret_reading);

struct subject {
	const char *name;
	measure_fn *measure[N_QUESTIONS]; /* NULL: it has no answer */
};

measure_fn ours_rate, ours_chunked, ours_start, ours_pending;
measure_fn python_measure;
measure_fn glib_rate, glib_start, glib_pending;
measure_fn libuv_rate, libuv_start, libuv_pending;
measure_fn queue_rate, queue_start, queue_pending;
measure_fn epoll_rate, epoll_start;

/* ---- for the subjects ---- */

struct watch {
	double wall_s, cpu_s;
};

/* What passes between the two is added to the reading; who runs in between must still be
 * there at the end. */
void watch_begin(struct watch *watch);
void watch_end(const struct watch *watch, struct reading *reading);

/* Do n tasks of a job and take all their results; false when one is not as it should be. */
typedef bool batch_fn(void *subject, const struct job *job, size_t n);

/* Measure batches, after a smaller one that warms up. */
bool repeat_batches(const struct job *job, batch_fn *batch, void *subject,
                    struct reading *ret_reading);

/* Resident memory of this process. */
double resident_bytes(void);

/* Say what failed, and be false. */
bool failed(const char *what);

/* A task for those who know no inputs and results: it takes a copy of the payload along, and
 * makes another one its result, as ours do. */
struct echo {
	void *input, *result;
	size_t n;
};

bool echo_prepare(struct echo *echo, const struct job *job);
void echo_run(struct echo *echo);
bool echo_collect(struct echo *echo, const struct job *job);

/* All measurements of a run, [question][subject][round], and whether each was made. */
enum { MAX_ROUNDS = 99 };

struct readings {
	struct reading of[N_QUESTIONS][N_SUBJECTS][MAX_ROUNDS];
	unsigned n[N_QUESTIONS][N_SUBJECTS];
};

void report_question(const struct readings *readings, const struct subject *subjects,
                     enum question question);
void report_goals(const struct readings *readings);

#endif
