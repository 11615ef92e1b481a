/*
 * Executors for tests, and small tasks.
 */
#include "support/pool.h"

#include "support/residue.h"
#include "support/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

/* Criterion starts a second thread at once, but this constructor runs earlier, while there is only
 * one thread. */
__attribute__((constructor)) static void start_zygote(void)
{
	struct pxp_error error;

	if (pxp_zygote_start(&error) != PXP_OK) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
}

static enum pxp_status prepare(const void *bytes, size_t n, struct pxp_error *ret_error)
{
	(void)ret_error;
	return n == sizeof(int) && *(const int *)bytes == 1 ? PXP_OK : PXP_EINVAL;
}

static enum pxp_status preload(struct pxp_error *ret_error)
{
	(void)ret_error;
	return PXP_OK;
}

static enum pxp_status initialise(const void *bytes, size_t n, void **ret_context,
                                  struct pxp_error *ret_error)
{
	*ret_context = NULL;
	return prepare(bytes, n, ret_error);
}

static void finalise(void *context)
{
	(void)context;
}

/* Set options as src/batch does for its pools, but only options that no task notices. The tests
 * then also run the code behind these options. */
static void set_options_of_program(struct pxp_executor_options *options)
{
	static const int init_bytes = 1;

	options->init_bytes = &init_bytes;
	options->n_init_bytes = sizeof(init_bytes);
	options->prepare = prepare;
	options->preload = preload;
	options->initialise = initialise;
	options->finalise = finalise;
	options->lock_down = preload;
	options->memory_allowance = (uint64_t)512 << 20;
	options->memory_budget = (uint64_t)1 << 30;
	options->max_output = (uint64_t)1 << 32;
}

struct pxp_executor *pool_create(enum pxp_executor_kind kind, unsigned n_workers)
{
	struct pxp_executor_options options = {
		.size = sizeof(options), .kind = kind, .n_workers = n_workers};

	if (kind == PXP_PROCESSES && getenv("PIXPOOL_POOL_OF_PROGRAM"))
		set_options_of_program(&options);
	struct pxp_executor *pool;
	struct pxp_error error;

	if (pxp_executor_create(&options, &pool, &error) != PXP_OK)
		fprintf(stderr, "%s\n", error.text);
	REQUIRE(pool != NULL);
	return pool;
}

struct pxp_future *pool_submit_with(struct pxp_executor *pool, pxp_task_fn *run,
                                    const char *input, const struct gate *gate,
                                    struct pxp_task_options options)
{
	struct pxp_future *future = NULL;
	int descriptor = -1;

	options.size = sizeof(options);
	if (gate) {
		descriptor = gate_descriptor(gate);
		options.descriptors = &descriptor;
		options.n_descriptors = 1;
	}
	REQUIRE(pxp_executor_submit(pool, run, input, input ? strlen(input) + 1 : 0,
	                            &options, &future) == PXP_OK);
	return future;
}

struct pxp_future *pool_submit(struct pxp_executor *pool, pxp_task_fn *run,
                               const char *input, const struct gate *gate)
{
	return pool_submit_with(pool, run, input, gate, (struct pxp_task_options){0});
}

bool pool_await(struct pxp_executor *pool, size_t n_running, size_t n_prefetched)
{
	struct pxp_executor_stats stats;

	for (int i = 0; i < PATIENCE_MS; i++) {
		pxp_executor_stats(pool, &stats);
		if (stats.n_running == n_running &&
		    (n_prefetched == POOL_ANY || stats.n_prefetched == n_prefetched))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

bool pool_await_workers(struct pxp_executor *pool, unsigned n_workers)
{
	struct pxp_executor_stats stats;

	for (int i = 0; i < PATIENCE_MS; i++) {
		pxp_executor_stats(pool, &stats);
		if (stats.n_workers == n_workers)
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

bool is_gone(pid_t pid)
{
	char path[64], text[256] = "", *after_name;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	after_name = strrchr(text, ')');
	return !after_name || after_name[2] == 'Z' || after_name[2] == 'X';
}

bool await_gone(pid_t pid)
{
	struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	bool is_over;

	if (end.fd < 0)
		return errno == ESRCH;
	is_over = poll(&end, 1, PATIENCE_MS) == 1;
	close(end.fd);
	return is_over;
}

const char *result_of(struct pxp_future *future)
{
	static char text[256];
	void *bytes;
	size_t n = 0;

	text[0] = 0;
	if (pxp_future_result(future, PXP_FOREVER, &bytes, &n, NULL) == PXP_OK && bytes &&
	    n <= sizeof(text))
		memcpy(text, bytes, n);
	free(bytes);
	return text;
}

enum pxp_status end_of(struct pxp_future *future)
{
	enum pxp_status status;

	REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
	status = pxp_future_outcome(future)->error.status;
	pxp_future_release(future);
	return status;
}

enum pxp_status initialise_fails(const void *bytes, size_t n, void **ret_context,
                                 struct pxp_error *ret_error)
{
	(void)n;
	(void)ret_context;
	return pxp_fail(ret_error, PXP_ETASK, "%s", (const char *)bytes);
}

enum pxp_status task_echo(struct pxp_task *task)
{
	size_t n;
	const void *input = pxp_task_input(task, &n);

	return pxp_task_return(task, input, n);
}

enum pxp_status task_wait(struct pxp_task *task)
{
	gate_pass(pxp_task_descriptor(task, 0));
	return task_echo(task);
}

enum pxp_status task_fail(struct pxp_task *task)
{
	return pxp_task_fail(task, 7, "%s", (const char *)pxp_task_input(task, NULL));
}

static int input_number(struct pxp_task *task)
{
	return atoi(pxp_task_input(task, NULL));
}

enum pxp_status task_signal(struct pxp_task *task)
{
	int number = input_number(task);

	if (pxp_task_descriptor(task, 0) >= 0)
		gate_pass(pxp_task_descriptor(task, 0));
	signal(number, SIG_DFL);
	raise(number);
	return PXP_OK;
}

enum pxp_status task_exit(struct pxp_task *task)
{
	_exit(input_number(task));
}

enum pxp_status task_pid(struct pxp_task *task)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)getpid());

	return pxp_task_return(task, text, (size_t)n + 1);
}

int count_descriptors(void)
{
	int n = residue_n_descriptors(getpid());

	REQUIRE(n >= 0);
	return n;
}

int count_children(void)
{
	char path[64], text[4096] = "";
	FILE *file;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (!file)
		return -1;
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	for (char *c = text; *c; c++)
		n += *c == ' ';
	return n;
}
