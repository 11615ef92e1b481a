/* Tests in which memory runs out at each allocation in turn, in this process and in the others. The
 * task that needed the memory fails with a reason, and nothing else is lost or leaked. */
#include "support/fault.h"
#include "support/pool.h"
#include "support/test.h"

#include <pixpool/map.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)

enum {
	/* An upper bound for the number of allocations of one run. */
	MOST = 200,
	/* The length of an input in bytes: the first memory block of a chunk holds only one such
	 * input. */
	INPUT = 300,
	/* The length of a result that does not fit in a shared slot. */
	ANSWER = 100,
	/* The length of a result that does not fit in a frame. */
	LONG_ANSWER = 200000,
	LOG = 100,
};

static void fail_allocation(enum fault_place place, unsigned nth)
{
	fault_arm((struct fault){.point = FAULT_ALLOCATE,
	                         .place = place,
	                         .nth = nth,
	                         .times = 1,
	                         .sys_errno = ENOMEM});
}

/* Returns whether the library or the task ran out of memory. If a task returns PXP_ENOMEM, this
 * status becomes the code of the error. */
static bool is_shortage(const struct pxp_error *error)
{
	return error->status == PXP_ENOMEM ||
	       (error->status == PXP_ETASK && error->code == PXP_ENOMEM);
}

/* ---- a map ---- */

static const char *const letters[] = {"a", "b", "c", "k", "d", "e", "f", NULL};

enum { N_LETTERS = 7, KILLER = 3 };

/* A task that returns ANSWER bytes, each of which is the letter of its input. In a worker process
 * the letter 'k' kills the worker. */
static enum pxp_status task_repeats(struct pxp_task *task)
{
	const char *letter = pxp_task_input(task, NULL);
	char answer[ANSWER];

	if (*letter == 'k' && pxp_task_context(task))
		_exit(3);
	memset(answer, *letter, sizeof(answer));
	return pxp_task_return(task, answer, sizeof(answer));
}

static enum pxp_status note_that_it_is_a_process(const void *bytes, size_t n,
                                                 void **ret_context,
                                                 struct pxp_error *ret_error)
{
	static char yes;

	(void)bytes, (void)n, (void)ret_error;
	*ret_context = &yes;
	return PXP_OK;
}

static enum pxp_status next_letter(void *data, const void **ret_bytes, size_t *ret_n)
{
	static char input[INPUT];
	const char *const **next = data, *letter = **next;

	if (!letter)
		return PXP_ESTATE;
	++*next;
	memset(input, *letter, sizeof(input));
	*ret_bytes = input;
	*ret_n = sizeof(input);
	return PXP_OK;
}

static bool is_repeated(const struct pxp_map_item *item)
{
	const char *bytes = item->bytes;

	for (size_t i = 0; bytes && i < item->n; i++) {
		if (bytes[i] != *letters[item->index])
			return false;
	}
	return bytes && item->n == ANSWER;
}

/* Returns whether the item ended as it does with enough memory. If not, checks that its error
 * reports a lack of memory. */
static bool check_item(const struct pxp_map_item *item, bool is_process)
{
	if (item->error.status == PXP_OK) {
		EXPECT(is_repeated(item), "item %zu", item->index);
		return true;
	}
	EXPECT(item->bytes == NULL);
	if (item->error.status != PXP_ECRASHED) {
		EXPECT(is_shortage(&item->error), "item %zu: %s", item->index,
		       item->error.text);
		return false;
	}
	/* If there is no memory to record which item of a chunk killed the worker, all items of the
	 * chunk fail. */
	EXPECT(is_process);
	EXPECT_EQ(item->error.exit_code, 3);
	return item->index == KILLER;
}

/* Read all items of a map. Returns whether the map and its items ended as they do with enough
 * memory. */
static bool map_to_the_end(struct pxp_executor *pool, bool is_process,
                           struct pxp_map_options options)
{
	const char *const *next = letters;
	struct pxp_map_item item;
	struct pxp_map *map;
	bool is_seen[N_LETTERS] = {false}, is_good = true;
	size_t n_seen = 0;
	enum pxp_status status;

	options.size = sizeof(options);
	status = pxp_map_open(pool, task_repeats, next_letter, &next, &options, &map);
	if (status != PXP_OK) {
		EXPECT_EQ(status, PXP_ENOMEM);
		EXPECT(map == NULL);
		return false;
	}
	while ((status = pxp_map_next(map, &item)) == PXP_OK) {
		REQUIRE(item.index < N_LETTERS && !is_seen[item.index]);
		EXPECT(options.unordered || item.index == n_seen);
		is_seen[item.index] = true;
		n_seen++;
		is_good &= check_item(&item, is_process);
		free(item.bytes);
	}
	pxp_map_close(map);
	EXPECT_EQ(status, n_seen == N_LETTERS && next == letters + N_LETTERS
	                          ? PXP_ESTATE
	                          : PXP_ENOMEM);
	return is_good && status == PXP_ESTATE;
}

static void map_while_failing(enum pxp_executor_kind kind, enum fault_place place,
                              struct pxp_map_options options)
{
	bool has_failed = true, is_process = kind == PXP_PROCESSES;
	unsigned nth = 1, n_told = 0;

	for (; has_failed; nth++) {
		struct pxp_executor_options one = {
			.size = sizeof(one),
			.kind = kind,
			.n_workers = 1,
			.initialise = is_process ? note_that_it_is_a_process : NULL};
		struct pxp_executor *pool;
		bool is_good;

		REQUIRE(nth < MOST);
		REQUIRE(pxp_executor_create(&one, &pool, NULL) == PXP_OK);
		fail_allocation(place, nth);
		is_good = map_to_the_end(pool, is_process, options);
		has_failed = fault_disarm() > 0;
		EXPECT(is_good || has_failed);
		/* In a process pool, a failed allocation does not always change the results. For
		 * example, it may only delay the start of a worker, or remove the queue timeout of
		 * a withdrawn task. */
		EXPECT(!is_good || !has_failed || is_process,
		       "the failure of allocation %u was not reported", nth);
		n_told += !is_good;
		pxp_executor_destroy(pool);
	}
	EXPECT(n_told >= (place == FAULT_IN_MAIN ? 4 : 1));
}

TEST(fault_memory, a_map_survives_the_failure_of_any_allocation)
{
	EACH_KIND(kind)
	{
		for (int unordered = 0; unordered < 2; unordered++) {
			for (size_t chunk = 1; chunk <= 4; chunk += 3)
				map_while_failing(
					kind, FAULT_IN_MAIN,
					(struct pxp_map_options){.chunk = chunk,
				                                 .unordered = unordered});
		}
	}
}

TEST(fault_memory, a_map_survives_the_failure_of_any_allocation_in_other_processes)
{
	for (size_t chunk = 1; chunk <= 4; chunk += 3)
		map_while_failing(PXP_PROCESSES, FAULT_ELSEWHERE,
		                  (struct pxp_map_options){.chunk = chunk});
}

/* ---- results and logs ---- */

static enum pxp_status return_much(struct pxp_task *task, size_t n)
{
	static char much[LONG_ANSWER];

	memset(much, 'x', n);
	return pxp_task_return(task, much, n);
}

/* A task whose input is a letter: 'r' returns a short result, 'l' a long result, 'd' dies after
 * writing a log, and any other letter fails after writing a log. */
static enum pxp_status task_answers(struct pxp_task *task)
{
	const char *letter = pxp_task_input(task, NULL);
	char words[LOG];

	if (*letter == 'r')
		return return_much(task, ANSWER);
	if (*letter == 'l')
		return return_much(task, LONG_ANSWER);
	memset(words, *letter, sizeof(words));
	if (write(STDERR_FILENO, words, sizeof(words)) != (ssize_t)sizeof(words))
		return PXP_ESYS;
	if (*letter == 'd')
		_exit(3);
	return pxp_task_fail(task, 7, "as asked");
}

/* Returns whether the future has a result of n bytes. If not, checks that its error reports a lack
 * of memory. */
static bool has_result(struct pxp_future *future, size_t n)
{
	struct pxp_error error;
	void *bytes;
	size_t n_got = 0;
	enum pxp_status status = pxp_future_result(future, PXP_FOREVER, &bytes, &n_got,
	                                           &error);
	const char *x = bytes;

	EXPECT(status == PXP_OK ? n_got == n && x[0] == 'x' && x[n - 1] == 'x'
	                        : is_shortage(&error),
	       "%zu bytes: %s", n_got, status == PXP_OK ? "wrong" : error.text);
	free(bytes);
	return status == PXP_OK;
}

/* Returns whether the future has the log of its task. If memory ran out, the log may be missing,
 * but it is never partial. The log of another task may precede it. */
static bool has_log(struct pxp_future *future, enum pxp_status want, char letter)
{
	const struct pxp_outcome *outcome;
	size_t n = 0;

	REQUIRE(pxp_future_wait(future, PXP_FOREVER) == PXP_OK);
	outcome = pxp_future_outcome(future);
	EXPECT_EQ(outcome->error.status, want);
	if (!outcome->log) {
		EXPECT_EQ(outcome->n_log, 0);
		return false;
	}
	for (size_t i = 0; i < outcome->n_log; i++)
		n += outcome->log[i] == letter;
	EXPECT_EQ(n, LOG);
	return true;
}

/* Run one task of each kind. Returns whether all of them ended as they do with enough memory. */
static bool run_each(struct pxp_executor *pool, enum fault_place place, unsigned nth,
                     bool *ret_has_failed)
{
	static const char *const inputs[] = {"r", "l", "e", "d"};
	struct pxp_future *futures[4];
	bool is_good = true;

	fail_allocation(place, nth);
	for (int i = 0; i < 4; i++) {
		enum pxp_status status = pxp_executor_submit(
			pool, task_answers, inputs[i], 2, NULL, &futures[i]);

		EXPECT(status == PXP_OK || status == PXP_ENOMEM);
		is_good &= status == PXP_OK;
	}
	for (int i = 0; i < 4; i++) {
		if (!futures[i])
			continue;
		if (i < 2)
			is_good &= has_result(futures[i], i ? LONG_ANSWER : ANSWER);
		else
			is_good &= has_log(futures[i], i == 2 ? PXP_ETASK : PXP_ECRASHED,
			                   *inputs[i]);
	}
	*ret_has_failed = fault_disarm() > 0;
	for (int i = 0; i < 4; i++)
		pxp_future_release(futures[i]);
	return is_good;
}

/* Run the tasks again and again. In each round a later allocation fails, until none fails any more.
 * At least `least` failures must show in the results of the tasks. */
static void run_while_failing(enum fault_place place, unsigned least)
{
	bool has_failed = true;
	unsigned nth = 1, n_told = 0;

	for (; has_failed; nth++) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
		bool is_good;

		REQUIRE(nth < MOST);
		is_good = run_each(pool, place, nth, &has_failed);
		EXPECT(is_good || has_failed);
		n_told += !is_good;
		/* Check that the pool still works. */
		EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)), PXP_OK);
		pxp_executor_destroy(pool);
	}
	EXPECT(n_told >= least);
}

TEST(fault_memory, results_and_logs_survive_the_failure_of_any_allocation)
{
	/* Each of the four submissions and each of the four answers needs memory. */
	run_while_failing(FAULT_IN_MAIN, 8);
}

TEST(fault_memory, results_survive_the_failure_of_any_allocation_in_other_processes)
{
	run_while_failing(FAULT_ELSEWHERE, 2);
}
