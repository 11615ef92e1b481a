/* Access to the internals of a pool, and ways to use up descriptors and to run a fresh process. */
#include "probe.h"

#include "support/test.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct pxp_executor *probe_create(struct pxp_executor_options options)
{
	struct pxp_executor *pool = NULL;

	options.size = sizeof(options);
	options.kind = PXP_PROCESSES;
	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	return pool;
}

struct process_pool *probe_inside(struct pxp_executor *pool)
{
	return (struct process_pool *)pool;
}

struct pxp_outcome probe_outcome(struct pxp_future *future)
{
	REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
	return *pxp_future_outcome(future);
}

static enum pxp_status task_parent(struct pxp_task *task)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", (int)getppid());

	return pxp_task_return(task, text, (size_t)n + 1);
}

pid_t probe_fork_server(struct pxp_executor *pool)
{
	struct pxp_future *future = pool_submit(pool, task_parent, NULL, NULL);
	pid_t fork_server = atoi(result_of(future));

	REQUIRE(fork_server > 1);
	pxp_future_release(future);
	return fork_server;
}

static void stand_still(struct pxp_future *future, void *data)
{
	struct gate *gate = data;

	(void)future;
	gate_pass(gate->wait_end);
}

void probe_hold(struct pxp_future *future, struct gate *gate)
{
	REQUIRE(pxp_future_on_done(future, stand_still, gate) == PXP_OK);
}

/* ---- descriptors ---- */

void probe_lower_limit(void)
{
	struct rlimit limit;

	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = (rlim_t)(count_descriptors() + PROBE_SPARE);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

void probe_take_all(struct probe_hoard *hoard)
{
	const int most = sizeof(hoard->taken) / sizeof(hoard->taken[0]);
	int fd;

	hoard->n = 0;
	while (hoard->n < most && (fd = fcntl(2, F_DUPFD_CLOEXEC, 0)) >= 0)
		hoard->taken[hoard->n++] = fd;
	REQUIRE(hoard->n < most);
}

void probe_give_back(struct probe_hoard *hoard)
{
	while (hoard->n > 0)
		fd_close(&hoard->taken[--hoard->n]);
}

/* ---- a fresh process ---- */

bool probe_copy(const char *name, void (*prepare)(void))
{
	int status = -1;
	pid_t copy = fork();

	if (copy == 0) {
		if (prepare)
			prepare();
		execl("/proc/self/exe", name, (char *)NULL);
		_exit(127);
	}
	return copy > 0 && waitpid(copy, &status, 0) == copy && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}
