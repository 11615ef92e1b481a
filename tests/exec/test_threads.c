/* Tests of the thread pool: callbacks in its threads, their signals, and the thread that expires
 * queue timeouts. */
#include "support/pool.h"
#include "support/test.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { A_MINUTE = 60 * 1000, AN_HOUR = 60 * A_MINUTE };

static void pass_in_callback(struct pxp_future *future, void *data)
{
	(void)future;
	gate_pass(((struct gate *)data)->wait_end);
}

TEST(threads, a_thread_in_a_callback_does_not_count_as_idle)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 2);
	struct gate begins = gate_create(), callback = gate_create();
	struct pxp_future *first = pool_submit(pool, task_wait, "1", &begins), *second;

	REQUIRE(pxp_future_on_done(first, pass_in_callback, &callback) == PXP_OK);
	gate_open(&begins);
	EXPECT_EQ(end_of(first), PXP_OK);
	second = pool_submit(pool, task_echo, "2", NULL);
	EXPECT_EQ(pxp_future_wait(second, A_MINUTE), PXP_OK);
	gate_open(&callback);
	pxp_executor_destroy(pool);
	EXPECT_EQ(end_of(second), PXP_OK);
	gate_destroy(&begins);
	gate_destroy(&callback);
}

/* Whether this process has a thread of this name. */
static bool has_thread(const char *name)
{
	DIR *threads = opendir("/proc/self/task");
	bool is_found = false;
	struct dirent *entry;

	REQUIRE(threads != NULL);
	while (!is_found && (entry = readdir(threads))) {
		char path[300], text[32] = "";
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/comm", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		is_found = fgets(text, sizeof(text), file) &&
		           strncmp(text, name, strlen(name)) == 0 &&
		           strcmp(text + strlen(name), "\n") == 0;
		fclose(file);
	}
	closedir(threads);
	return is_found;
}

static struct gate gate_of_all;

/* A task that waits at the gate above, without a descriptor of its own. */
static enum pxp_status task_pass(struct pxp_task *task)
{
	(void)task;
	gate_pass(gate_of_all.wait_end);
	return PXP_OK;
}

TEST(threads, the_name_of_a_thread_ends_with_its_whole_number)
{
	enum { N_THREADS = 1001 };
	const struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = PXP_THREADS,
		.n_workers = N_THREADS,
		.name = "long-pool-name",
	};
	struct pxp_future *futures[N_THREADS];
	struct pxp_executor *pool;

	gate_of_all = gate_create();
	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	for (int i = 0; i < N_THREADS; i++)
		futures[i] = pool_submit(pool, task_pass, "1", NULL);
	EXPECT(has_thread("long-pool-n_0"));
	EXPECT(has_thread("long-pool-n_999"));
	EXPECT(has_thread("long-pool-_1000"));
	gate_open(&gate_of_all);
	for (int i = 0; i < N_THREADS; i++)
		EXPECT_EQ(end_of(futures[i]), PXP_OK);
	pxp_executor_destroy(pool);
	gate_destroy(&gate_of_all);
}

/* A task whose input is the pool. It ends when the pool refuses tasks. */
static enum pxp_status task_until_shut_down(struct pxp_task *task)
{
	struct pxp_executor *pool;

	memcpy(&pool, pxp_task_input(task, NULL), sizeof(pool));
	while (pxp_executor_try_submit(pool, task_echo, NULL, 0, NULL, NULL) !=
	       PXP_ESHUTDOWN)
		poll(NULL, 0, 1);
	return PXP_OK;
}

TEST(threads, an_unexpired_queue_timeout_does_not_delay_the_destruction_of_the_pool)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct pxp_future *first, *second;

	REQUIRE(pxp_executor_submit(pool, task_until_shut_down, &pool, sizeof(pool), NULL,
	                            &first) == PXP_OK);
	second = pool_submit_with(pool, task_echo, "2", NULL,
	                          (struct pxp_task_options){.queue_timeout_ms = AN_HOUR});
	pxp_executor_destroy(pool);
	EXPECT_EQ(end_of(first), PXP_OK);
	EXPECT_EQ(end_of(second), PXP_OK);
}

static enum pxp_status task_blocked(struct pxp_task *task)
{
	sigset_t set;
	char text[64];

	pthread_sigmask(SIG_BLOCK, NULL, &set);
	snprintf(text, sizeof(text), "interrupt %d, fault %d", sigismember(&set, SIGINT),
	         sigismember(&set, SIGSEGV));
	return pxp_task_return(task, text, strlen(text) + 1);
}

TEST(threads, threads_of_a_pool_block_interrupts_but_not_the_signals_of_their_own_faults)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct pxp_future *future = pool_submit(pool, task_blocked, "", NULL);

	EXPECT_STR(result_of(future), "interrupt 1, fault 0");
	pxp_future_release(future);
	pxp_executor_destroy(pool);
}

TEST(threads, a_thread_with_a_failed_initialiser_is_not_counted_as_alive)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_THREADS,
	                                       .n_workers = 1,
	                                       .initialise = initialise_fails,
	                                       .init_bytes = "not today",
	                                       .n_init_bytes = 10};
	struct pxp_executor_stats stats;
	struct pxp_executor *pool;

	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_EBROKEN);
	pxp_executor_stats(pool, &stats);
	EXPECT_EQ(stats.n_workers, 0);
	EXPECT_EQ(stats.n_running, 0);
	pxp_executor_destroy(pool);
}

TEST(threads, joined_threads_are_not_counted_as_alive)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 2);
	struct pxp_executor_stats stats;

	EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
	EXPECT_EQ(pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT), PXP_OK);
	pxp_executor_stats(pool, &stats);
	EXPECT_EQ(stats.n_workers, 0);
	EXPECT_EQ(stats.n_running, 0);
	pxp_executor_destroy(pool);
}

static void destroy_in_callback(struct pxp_future *future, void *data)
{
	(void)future;
	pxp_executor_destroy(data);
}

/* The test runs in a child process, because the executor is never freed. The child ends by a
 * signal, so that no sanitizer reports that leak. */
TEST(threads, a_pool_destroyed_in_its_own_callback_finishes_its_tasks)
{
	pid_t child = fork();
	int status;

	REQUIRE(child >= 0);
	if (child == 0) {
		struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
		struct gate gate = gate_create();
		struct pxp_future *first = pool_submit(pool, task_wait, "1", &gate);
		struct pxp_future *second = pool_submit(pool, task_echo, "2", NULL);

		pxp_future_on_done(first, destroy_in_callback, pool);
		gate_open(&gate);
		if (end_of(first) == PXP_OK && end_of(second) == PXP_OK)
			raise(SIGKILL);
		_exit(1);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
