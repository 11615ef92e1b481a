/* Tests of maps: windows, order, failures, and how a map ends. */
#include "items.h"
#include "support/pool.h"
#include "support/scratch.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EACH_POOL(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++)
#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)
#define EACH_CHUNK(chunk) for (size_t chunk = 1; chunk <= 3; chunk += 2)

static struct pxp_map *map_open(struct pxp_executor *pool, struct source *source,
                                struct pxp_map_options options)
{
	struct pxp_map *map = NULL;

	options.size = sizeof(options);
	REQUIRE(pxp_map_open(pool, task_item, source_next, source, &options, &map) ==
	        PXP_OK);
	return map;
}

/* Check that the next item has this index and result. */
static void expect_result(struct pxp_map *map, size_t index, const char *text)
{
	struct pxp_map_item item;

	EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
	EXPECT_EQ(item.index, index);
	EXPECT_EQ(item.error.status, PXP_OK);
	EXPECT_STR(item.bytes ? item.bytes : "", text);
	EXPECT_EQ(item.n, strlen(text) + 1);
	free(item.bytes);
}

static struct pxp_error expect_error(struct pxp_map *map, size_t index)
{
	struct pxp_map_item item;

	EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
	EXPECT_EQ(item.index, index);
	EXPECT(item.error.status != PXP_OK);
	EXPECT(item.bytes == NULL);
	return item.error;
}

static void expect_end(struct pxp_map *map)
{
	struct pxp_map_item item;

	EXPECT_EQ(pxp_map_next(map, &item), PXP_ESTATE);
	EXPECT_EQ(pxp_map_next(map, &item), PXP_ESTATE);
}

static void expect_squares(struct pxp_map *map, size_t n)
{
	char text[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%zu", i * i);
		expect_result(map, i, text);
	}
	expect_end(map);
	pxp_map_close(map);
}

/* Check that each index is returned once, in any order. */
static void expect_all_unordered(struct pxp_map *map, size_t n)
{
	bool *seen = calloc(n, sizeof(*seen));
	struct pxp_map_item item;

	for (size_t i = 0; i < n; i++) {
		REQUIRE(pxp_map_next(map, &item) == PXP_OK);
		REQUIRE(item.index < n);
		EXPECT(!seen[item.index]);
		EXPECT_EQ(item.bytes ? atoi(item.bytes) : -1, item.index * item.index);
		seen[item.index] = true;
		free(item.bytes);
	}
	expect_end(map);
	pxp_map_close(map);
	free(seen);
}

/* Ported from executor.py: test_map */
TEST(map, results_are_returned_in_the_order_of_the_inputs)
{
	EACH_KIND(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct source ten = {.n_numbers = 10};

		expect_squares(
			map_open(pool, &ten, (struct pxp_map_options){.chunk = chunk}),
			10);
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_map_buffersize, test_map_buffersize_on_multiple_iterables;
 * test_process_pool.py: test_map_chunksize; mpi4py: test_map_buffersize, test_map_unordered,
 * test_map_unordered_chunksize */
TEST(map, results_do_not_depend_on_chunk_and_window_sizes)
{
	static const size_t chunks[] = {1, 2, 4, 6, 40, 50};
	static const size_t windows[] = {0, 1, 2, 4, 8, 100};

	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);

		for (size_t i = 0; i < 36; i++) {
			struct pxp_map_options options = {.chunk = chunks[i % 6],
			                                  .window = windows[i / 6]};
			struct source forty = {.n_numbers = 40}, again = forty;

			expect_squares(map_open(pool, &forty, options), 40);
			options.unordered = true;
			expect_all_unordered(map_open(pool, &again, options), 40);
		}
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_map_exception, as it is in CPython 3.16; Pebble:
 * test_process_pool_map_error */
TEST(map, a_failed_item_is_returned_and_the_map_continues)
{
	static const char *const texts[] = {"1", "2", "fno", "4", "5", NULL};

	EACH_KIND(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct source source = {.texts = texts};
		struct pxp_map *map = map_open(pool, &source,
		                               (struct pxp_map_options){.chunk = chunk});
		struct pxp_error error;

		expect_result(map, 0, "1");
		expect_result(map, 1, "4");
		error = expect_error(map, 2);
		EXPECT_EQ(error.status, PXP_ETASK);
		EXPECT_EQ(error.code, 7);
		EXPECT_STR(error.text, "no");
		expect_result(map, 3, "16");
		expect_result(map, 4, "25");
		expect_end(map);
		pxp_map_close(map);
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_map_timeout_from_callable; mpi4py: test_map_unordered_exception */
TEST(map, a_task_that_returns_a_timeout_status_does_not_end_the_map)
{
	char timeout[8];
	const char *const texts[] = {"1", timeout, "3", NULL};

	snprintf(timeout, sizeof(timeout), "r%d", PXP_ETIMEOUT);
	EACH_KIND(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 1);

		for (int64_t timeout_ms = 0; timeout_ms <= 60000; timeout_ms += 60000) {
			struct source source = {.texts = texts};
			struct pxp_map *map = map_open(
				pool, &source,
				(struct pxp_map_options){.chunk = chunk,
			                                 .timeout_ms = timeout_ms});
			struct pxp_error error;

			expect_result(map, 0, "1");
			error = expect_error(map, 1);
			EXPECT_EQ(error.status, PXP_ETASK);
			EXPECT_EQ(error.code, PXP_ETIMEOUT);
			expect_result(map, 2, "9");
			expect_end(map);
			pxp_map_close(map);
		}
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_map_timeout; mpi4py: test_map_unordered_timeout */
TEST(map, done_items_are_still_returned_after_the_timeout_and_then_the_map_ends)
{
	EACH_POOL(kind)
	{
		for (int unordered = 0; unordered < 2; unordered++) {
			struct pxp_executor *pool = pool_create(kind, 1);
			struct pxp_map_item item;
			struct door door;
			const char *const texts[] = {"0", "1", door.item, NULL};
			struct source source = {.texts = texts};
			struct pxp_map *map = map_open(
				pool, &source,
				(struct pxp_map_options){.timeout_ms = 500,
			                                 .unordered = unordered});

			scratch_enter(NULL);
			door_shut(&door, "door");
			expect_result(map, 0, "0");
			expect_result(map, 1, "1");
			EXPECT_EQ(pxp_map_next(map, &item), PXP_ETIMEOUT);
			expect_end(map);
			pxp_map_close(map);
			door_open(&door);
			pxp_executor_destroy(pool);
			scratch_leave();
		}
	}
}

/* Ported from test_thread_pool.py: test_executor_map_current_future_cancel (gh-95166) */
TEST(map, no_item_starts_after_the_timeout_of_the_map)
{
	EACH_POOL(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct gate gate = gate_create();
		struct pxp_future *busy = pool_submit(pool, task_wait, "x", &gate);
		struct pxp_map_item item;
		const char *texts[4] = {NULL};
		struct source source = {.texts = texts};
		struct pxp_map *map;

		scratch_enter(NULL);
		for (int i = 0; i < 3; i++)
			texts[i] = item_with_path('c', "began");
		REQUIRE(pool_await(pool, 1, 0));
		map = map_open(
			pool, &source,
			(struct pxp_map_options){.timeout_ms = 20, .chunk = chunk});
		EXPECT_EQ(pxp_map_next(map, &item), PXP_ETIMEOUT);
		expect_end(map);
		gate_open(&gate);
		EXPECT_EQ(end_of(busy), PXP_OK);
		pxp_executor_destroy(pool);
		pxp_map_close(map);
		EXPECT_EQ(size_of("began"), 0);
		scratch_leave();
		gate_destroy(&gate);
	}
}

/* Ported from executor.py: test_map_close; Pebble: test_process_pool_map_cancel */
TEST(map, closing_a_map_cancels_items_that_have_not_started)
{
	EACH_POOL(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct door door;
		const char *texts[9] = {NULL};
		struct source source = {.texts = texts};
		struct pxp_map *map;

		scratch_enter(NULL);
		door_shut(&door, "door");
		texts[0] = texts[1] = texts[2] = item_with_path('c', "began");
		texts[3] = door.item;
		for (int i = 4; i < 8; i++)
			texts[i] = item_with_path('c', "began");
		map = map_open(pool, &source,
		               (struct pxp_map_options){.chunk = chunk, .window = 9});
		expect_result(map, 0, "counted");
		expect_result(map, 1, "counted");
		expect_result(map, 2, "counted");
		REQUIRE(pool_await(pool, 1, kind == PXP_PROCESSES ? 1 : 0));
		pxp_map_close(map);
		door_open(&door);
		pxp_executor_destroy(pool);
		EXPECT_EQ(size_of("began"), 3);
		scratch_leave();
	}
	pxp_map_close(NULL);
}

/* Ported from executor.py: test_map_buffersize_when_buffer_is_full */
TEST(map, a_map_reads_no_more_inputs_than_fit_its_window)
{
	EACH_KIND(kind)
	{
		for (int unordered = 0; unordered < 2; unordered++) {
			struct pxp_executor *pool = pool_create(kind, 2);
			struct source source = {.n_numbers = 100};
			struct pxp_map_item item;
			struct pxp_map *map = map_open(
				pool, &source,
				(struct pxp_map_options){
					.window = 6, .chunk = 2, .unordered = unordered});

			EXPECT_EQ(source.n_pulled, 0);
			for (size_t n_given = 0; n_given < 20; n_given++) {
				EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
				free(item.bytes);
				/* At first six inputs are read, which fill the window. After that,
				 * two inputs (one chunk) are read whenever two more items were
				 * returned. */
				EXPECT_EQ(source.n_pulled, 6 + n_given / 2 * 2);
			}
			pxp_map_close(map);
			pxp_executor_destroy(pool);
		}
	}
}

/* Ported from executor.py: test_map_buffersize_on_infinite_iterable,
 * test_map_buffersize_on_multiple_infinite_iterables; Deadpool: test_throttle_as_completed */
TEST(map, a_map_accepts_an_endless_source_of_inputs)
{
	EACH_KIND(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct source source = {.n_numbers = SIZE_MAX};
		struct pxp_map *map = map_open(
			pool, &source,
			(struct pxp_map_options){.window = 2, .chunk = chunk});

		expect_result(map, 0, "0");
		expect_result(map, 1, "1");
		expect_result(map, 2, "4");
		pxp_map_close(map);
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_map_buffersize_on_empty_iterable,
 * test_map_buffersize_without_iterable */
TEST(map, a_map_without_inputs_ends_at_once)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct source none = {0};
		struct pxp_map *map = map_open(pool, &none, (struct pxp_map_options){0});

		expect_end(map);
		pxp_map_close(map);
		pxp_executor_destroy(pool);
	}
}

/* Ported from test_thread_pool.py: test_map_submits_without_iteration. In CPython everything is
 * submitted before the first result is requested. Here one window is submitted when the first
 * result is requested. */
TEST(map, all_items_of_a_window_run_before_their_results_are_requested)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		const char *texts[11] = {NULL};
		struct source source = {.texts = texts};
		struct pxp_map *map;

		scratch_enter(NULL);
		for (int i = 0; i < 10; i++)
			texts[i] = item_with_path('c', "ran");
		map = map_open(pool, &source, (struct pxp_map_options){.window = 10});
		expect_result(map, 0, "counted");
		pxp_executor_shutdown(pool, PXP_SHUTDOWN_WAIT);
		EXPECT_EQ(size_of("ran"), 10);
		for (size_t i = 1; i < 10; i++)
			expect_result(map, i, "counted");
		expect_end(map);
		pxp_map_close(map);
		pxp_executor_destroy(pool);
		scratch_leave();
	}
}

/* Ported from executor.py: test_shutdown_race_issue12456 */
TEST(map, submitted_items_are_still_returned_after_a_shutdown_and_then_the_map_ends)
{
	EACH_KIND(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 5);
		struct source source = {.n_numbers = 100};
		struct pxp_map *map = map_open(
			pool, &source,
			(struct pxp_map_options){.chunk = chunk, .window = 6});
		struct pxp_map_item item;
		size_t n = 1;

		expect_result(map, 0, "0");
		pxp_executor_destroy(pool);
		while (pxp_map_next(map, &item) == PXP_OK) {
			EXPECT_EQ(item.index, n);
			EXPECT_EQ(item.error.status, PXP_OK);
			free(item.bytes);
			n++;
		}
		EXPECT_EQ(n, 6);
		expect_end(map);
		pxp_map_close(map);
	}
}

TEST(map, a_map_returns_the_reason_for_a_refused_submission_once)
{
	struct pxp_executor *pool = pool_create(PXP_THREADS, 1);
	struct source source = {.n_numbers = 100};
	struct pxp_map *map = map_open(pool, &source, (struct pxp_map_options){0});
	struct pxp_map_item item;

	pxp_executor_shutdown(pool, 0);
	EXPECT_EQ(pxp_map_next(map, &item), PXP_ESHUTDOWN);
	expect_end(map);
	pxp_map_close(map);
	pxp_executor_destroy(pool);
}

TEST(map, items_cancelled_by_a_shutdown_are_returned_as_cancelled)
{
	EACH_POOL(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct door door;
		const char *const texts[] = {"0", "1", "2", door.item, "4",
		                             "5", "6", "7", "8",       NULL};
		struct source source = {.texts = texts};
		size_t n_begun = chunk == 1 ? 4 : 6;
		struct pxp_map_item item;
		struct pxp_map *map;

		scratch_enter(NULL);
		door_shut(&door, "door");
		map = map_open(pool, &source,
		               (struct pxp_map_options){.chunk = chunk, .window = 9});
		for (size_t i = 0; i < 3; i++) {
			EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
			free(item.bytes);
		}
		REQUIRE(pool_await(pool, 1, kind == PXP_PROCESSES));
		pxp_executor_shutdown(pool, PXP_SHUTDOWN_CANCEL_PENDING);
		door_open(&door);
		for (size_t i = 3; i < n_begun; i++) {
			EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
			EXPECT_EQ(item.error.status, PXP_OK);
			free(item.bytes);
		}
		for (size_t i = n_begun; i < 9; i++)
			EXPECT_EQ(expect_error(map, i).status, PXP_ECANCELLED);
		expect_end(map);
		pxp_map_close(map);
		pxp_executor_destroy(pool);
		scratch_leave();
	}
}

/* Ported from loky: test_imap_handle_iterable_exception */
TEST(map, a_failing_source_ends_the_map_after_all_earlier_items)
{
	EACH_KIND(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct source source = {.n_numbers = 5, .fails_with = PXP_ESYS};
		struct pxp_future *future;
		struct pxp_map_item item;
		struct pxp_map *map = map_open(pool, &source,
		                               (struct pxp_map_options){.chunk = chunk});

		expect_result(map, 0, "0");
		expect_result(map, 1, "1");
		expect_result(map, 2, "4");
		expect_result(map, 3, "9");
		expect_result(map, 4, "16");
		EXPECT_EQ(pxp_map_next(map, &item), PXP_ESYS);
		expect_end(map);
		pxp_map_close(map);
		future = pool_submit(pool, task_echo, "alive", NULL);
		EXPECT_STR(result_of(future), "alive");
		pxp_future_release(future);
		pxp_executor_destroy(pool);
	}
}

/* Ported from mpi4py: test_map_unordered */
TEST(map, an_unordered_map_returns_the_first_done_item_first)
{
	EACH_POOL(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 2);
		struct door door;
		const char *const texts[] = {door.item, "1", "2", "3", NULL};
		struct source source = {.texts = texts};
		struct pxp_map_item item;
		struct pxp_map *map;

		scratch_enter(NULL);
		door_shut(&door, "door");
		map = map_open(pool, &source,
		               (struct pxp_map_options){.unordered = true, .window = 4});
		for (int i = 0; i < 3; i++) {
			EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
			EXPECT(item.index != 0);
			free(item.bytes);
		}
		door_open(&door);
		expect_result(map, 0, "through");
		expect_end(map);
		pxp_map_close(map);
		pxp_executor_destroy(pool);
		scratch_leave();
	}
}

/* The window of the map has room for 30 items, but the queue of the pool has room for one task
 * only. */
TEST(map, a_full_queue_slows_a_map_but_fails_no_item)
{
	EACH_POOL(kind) EACH_CHUNK(chunk)
	{
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = kind,
		                                       .n_workers = 1,
		                                       .max_pending = 1};
		struct source source = {.n_numbers = 60}, again = source;
		struct pxp_executor *pool;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		expect_squares(
			map_open(pool, &source,
		                 (struct pxp_map_options){.chunk = chunk, .window = 30}),
			60);
		expect_all_unordered(
			map_open(pool, &again,
		                 (struct pxp_map_options){.chunk = chunk,
		                                          .window = 30,
		                                          .unordered = true}),
			60);
		pxp_executor_destroy(pool);
	}
}

/* Ported from executor.py: test_map_buffersize_value_validation; Pebble:
 * test_process_pool_map_zero_chunk. In this library 0 means the default. */
TEST(map, invalid_map_options_are_refused)
{
	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct source source = {.n_numbers = 3};
		struct pxp_map_options options[] = {
			{.size = 1},
			{.size = sizeof(options[0]), .deadline_ms = -1},
			/* The options deadline_ms and retries are for process pools only. */
			{.size = sizeof(options[0]), .deadline_ms = 60000},
			{.size = sizeof(options[0]), .retries = 1},
		};
		struct pxp_map *map;

		for (int i = 0; i < 4; i++) {
			bool is_good = i >= 2 && kind == PXP_PROCESSES;

			EXPECT_EQ(pxp_map_open(pool, task_item, source_next, &source,
			                       &options[i], &map),
			          is_good ? PXP_OK : PXP_EINVAL);
			EXPECT_EQ(map != NULL, is_good);
			pxp_map_close(map);
		}
		EXPECT_EQ(pxp_map_open(pool, NULL, source_next, &source, NULL, &map),
		          PXP_EINVAL);
		EXPECT_EQ(pxp_map_open(pool, task_item, NULL, &source, NULL, &map),
		          PXP_EINVAL);
		EXPECT_EQ(pxp_map_open(pool, task_item, source_next, &source, NULL, &map),
		          PXP_OK);
		expect_squares(map, 3);
		pxp_executor_destroy(pool);
	}
}

static struct pxp_map *_Atomic map_of_callback;

static void next_in_callback(struct pxp_future *future, void *data)
{
	struct pxp_map_item item;

	(void)future;
	(void)data;
	EXPECT_EQ(pxp_map_next(map_of_callback, &item), PXP_EDEADLK);
	EXPECT_EQ(pxp_map_next(map_of_callback, &item), PXP_EDEADLK);
}

/* The callback runs in the thread that completes tasks. After the refused wait, another thread
 * continues the map. */
TEST(map, a_map_refuses_to_wait_inside_a_callback_of_its_executor)
{
	EACH_POOL(kind)
	{
		for (int unordered = 0; unordered < 2; unordered++) {
			struct pxp_executor *pool = pool_create(kind, 1);
			struct gate gate = gate_create();
			struct pxp_future *first = pool_submit(pool, task_wait, "1",
			                                       &gate);
			struct source source = {.n_numbers = 2};

			map_of_callback = map_open(
				pool, &source,
				(struct pxp_map_options){.unordered = unordered});
			pxp_future_on_done(first, next_in_callback, NULL);
			gate_open(&gate);
			EXPECT_EQ(end_of(first), PXP_OK);
			/* One thread completes all tasks. It runs the callback of the first task
			 * before it completes the second task, so here the callback has ended. */
			EXPECT_EQ(end_of(pool_submit(pool, task_echo, "x", NULL)),
			          PXP_OK);
			expect_squares(map_of_callback, 2);
			pxp_executor_destroy(pool);
			gate_destroy(&gate);
		}
	}
}
