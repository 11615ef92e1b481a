/* Shared by the conformance tests, which apply the tests of CPython's concurrent.futures, loky,
 * Pebble, Deadpool and mpi4py to our executors. The name of the original stands above each test,
 * and src/exec/CONFORMANCE.md lists all of them. */
#ifndef PXP_CONFORMANCE_KIT_H
#define PXP_CONFORMANCE_KIT_H

#include "support/pool.h"
#include "support/residue.h"
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>

#define EVERY_EXECUTOR(kind)                                                             \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)
/* The executors whose tasks run concurrently with the thread that submits them. */
#define EVERY_POOL(kind)                                                                 \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++)

/* Create an executor with these options. The function sets their member `size`. */
struct pxp_executor *executor_with(struct pxp_executor_options options);

struct pxp_executor_stats stats_of(struct pxp_executor *executor);

/* Wait for a future and return its outcome, which is valid until the future is released. */
struct pxp_outcome outcome_of(struct pxp_future *future);
/* Wait for the result, return it as a number, and release the future. */
long number_of(struct pxp_future *future);
/* Submit a task, wait for it, and return the id of the process in which the task ran. */
pid_t pid_in(struct pxp_executor *executor);

/* Start a thread that opens a gate once the executor refuses tasks. The caller joins the thread. */
struct opener {
	struct pxp_executor *executor;
	struct gate *gate;
	pthread_t thread;
};

void opener_start(struct opener *opener, struct pxp_executor *executor,
                  struct gate *gate);
void opener_join(struct opener *opener);

/* The six futures of CPython's tests. This library has only one cancelled state, so two of them are
 * alike. */
enum fixture {
	FIXTURE_PENDING,
	FIXTURE_RUNNING,
	FIXTURE_CANCELLED,
	FIXTURE_CANCELLED_AND_NOTIFIED,
	/* A future that failed with code 5 and the text "no". */
	FIXTURE_FAILED,
	/* A future with the result "42". */
	FIXTURE_SUCCESSFUL,
	N_FIXTURES
};

struct pxp_future *fixture_create(enum fixture fixture);
void fixtures_create(struct pxp_future *futures[N_FIXTURES]);
void futures_release(struct pxp_future **futures, size_t n);

/* A task that computes a power: input "2 8" gives result "256". */
enum pxp_status task_power(struct pxp_task *task);
/* A task that ends its worker as its input says: "signal 11 ...", "exit 3 ...". */
enum pxp_status task_dies(struct pxp_task *task);

/* A source of inputs for a map: the numbers from `next` to `end` - 1, each as text. */
struct numbers {
	long next, end;
	char text[24];
};

enum pxp_status next_number(void *numbers, const void **ret_bytes, size_t *ret_n);

/* From now on, a system call fails with an error in this thread and in all threads and processes
 * that it starts. If `flags` is not 0, the call fails only if its first argument has all these
 * bits. Returns false if the kernel refuses the filter. */
bool deny_call(int number, int error, unsigned flags);
/* Like deny_call(), but the call raises SIGSYS. */
bool trap_call(int number);

/* play() runs this test program again, in a new process that runs one scene instead of the tests.
 * SCENE(name) defines a scene. The return value of the scene is the exit status of the process. */
struct play {
	/* The wait status of the process, as from waitpid(). */
	int status;
	char out[512], err[512];
};

struct play play(const char *scene);
void scene_enter(int argc, char **argv, const char *name, int (*run)(void));

#define SCENE(name)                                                                      \
	static int name(void);                                                           \
	__attribute__((constructor)) static void enter_##name(int argc, char **argv)     \
	{                                                                                \
		scene_enter(argc, argv, #name, name);                                    \
	}                                                                                \
	static int name(void)

#endif
