/* Tests of items that are sent to a worker together, and of what one of them can do to the others.
 */
#include "items.h"
#include "support/pool.h"
#include "support/scratch.h"
#include "support/test.h"

#include "exec/map/chunk.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define EACH_KIND(kind)                                                                  \
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_INLINE; kind++)

enum { MAX_ITEMS = 64 };

struct results {
	struct pxp_map_item items[MAX_ITEMS];
	size_t n_done;
	enum pxp_status end; /* the last status that the map returned */
};

/* Get all items that a map returns, each at its index. The caller frees them with
 * results_free(). */
static struct results *collect(struct pxp_executor *pool, struct source *source,
                               struct pxp_map_options options)
{
	struct results *results = calloc(1, sizeof(*results));
	struct pxp_map_item item;
	struct pxp_map *map;
	size_t last = 0;

	options.size = sizeof(options);
	REQUIRE(pxp_map_open(pool, task_item, source_next, source, &options, &map) ==
	        PXP_OK);
	while ((results->end = pxp_map_next(map, &item)) == PXP_OK) {
		REQUIRE(item.index < MAX_ITEMS);
		EXPECT(options.unordered || item.index == last,
		       "an item is out of order");
		EXPECT(results->items[item.index].error.status == PXP_OK &&
		               !results->items[item.index].bytes,
		       "an item is returned twice");
		results->items[item.index] = item;
		results->n_done++;
		last++;
	}
	pxp_map_close(map);
	return results;
}

static void results_free(struct results *results)
{
	for (size_t i = 0; i < MAX_ITEMS; i++)
		free(results->items[i].bytes);
	free(results);
}

static const char *text_at(const struct results *results, size_t i)
{
	return results->items[i].bytes ? results->items[i].bytes : "";
}

/* Ported from Pebble: test_process_pool_map_broken_pool. In CPython and loky the pool is lost. */
TEST(map_chunks, an_item_that_kills_its_worker_fails_alone)
{
	static const char *const texts[] = {"k", "1", "2", "k", "4",  "5",
	                                    "6", "7", "8", "k", "x9", NULL};

	for (size_t chunk = 1; chunk <= 11; chunk += 5) {
		for (int unordered = 0; unordered < 2; unordered++) {
			struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
			struct source source = {.texts = texts};
			struct results *results = collect(
				pool, &source,
				(struct pxp_map_options){.chunk = chunk,
			                                 .unordered = unordered});

			EXPECT_EQ(results->end, PXP_ESTATE);
			EXPECT_EQ(results->n_done, 11);
			for (size_t i = 0; i < 11; i++) {
				const struct pxp_error *error = &results->items[i].error;

				if (texts[i][0] == 'k') {
					EXPECT_EQ(error->status, PXP_ECRASHED);
					EXPECT_EQ(error->signal, SIGKILL);
				} else if (texts[i][0] == 'x') {
					EXPECT_EQ(error->status, PXP_ECRASHED);
					EXPECT_EQ(error->exit_code, 9);
				} else {
					EXPECT_EQ(error->status, PXP_OK);
					EXPECT_EQ(atoi(text_at(results, i)), i * i);
				}
			}
			results_free(results);
			pxp_executor_destroy(pool);
		}
	}
}

TEST(map_chunks, every_item_of_a_chunk_gets_a_result_even_if_each_kills_its_worker)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	const char *texts[9] = {"k", "k", "k", "k", "k", "k", "k", "k", NULL};
	struct source source = {.texts = texts};
	struct results *results = collect(pool, &source,
	                                  (struct pxp_map_options){.chunk = 8});

	EXPECT_EQ(results->n_done, 8);
	for (size_t i = 0; i < 8; i++)
		EXPECT_EQ(results->items[i].error.status, PXP_ECRASHED);
	results_free(results);
	pxp_executor_destroy(pool);
}

/* The items before the one that kills its worker lose their results, so they run once more. The
 * items after it run only once. */
TEST(map_chunks, after_a_crash_only_items_with_lost_results_run_again)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	const char *texts[6] = {NULL};
	struct source source = {.texts = texts};
	struct results *results;

	scratch_enter(NULL);
	texts[0] = item_with_path('c', "first");
	texts[1] = item_with_path('c', "second");
	texts[2] = "k";
	texts[3] = item_with_path('c', "fourth");
	texts[4] = "f7";
	results = collect(pool, &source, (struct pxp_map_options){.chunk = 5});
	EXPECT_EQ(results->n_done, 5);
	EXPECT_STR(text_at(results, 0), "counted");
	EXPECT_STR(text_at(results, 1), "counted");
	EXPECT_EQ(results->items[2].error.status, PXP_ECRASHED);
	EXPECT_STR(text_at(results, 3), "counted");
	EXPECT_EQ(results->items[4].error.code, 7);
	EXPECT_EQ(size_of("first"), 2);
	EXPECT_EQ(size_of("second"), 2);
	EXPECT_EQ(size_of("fourth"), 1);
	results_free(results);
	scratch_leave();
	pxp_executor_destroy(pool);
}

/* Two items kill their worker once each. With one retry both succeed in the end, although they are
 * in one chunk. A third item kills its worker twice and fails. */
TEST(map_chunks, an_item_that_kills_more_workers_than_it_has_retries_fails)
{
	for (size_t chunk = 1; chunk <= 6; chunk += 5) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
		const char *texts[7] = {"0", NULL, "2", NULL, "4", "k", NULL};
		struct source source = {.texts = texts};
		struct results *results;

		scratch_enter(NULL);
		scratch_file("one", "");
		scratch_file("three", "");
		texts[1] = item_with_path('o', "one");
		texts[3] = item_with_path('o', "three");
		results = collect(pool, &source,
		                  (struct pxp_map_options){.chunk = chunk, .retries = 1});
		EXPECT_EQ(results->n_done, 6);
		EXPECT_STR(text_at(results, 0), "0");
		EXPECT_STR(text_at(results, 1), "again");
		EXPECT_STR(text_at(results, 2), "4");
		EXPECT_STR(text_at(results, 3), "again");
		EXPECT_STR(text_at(results, 4), "16");
		EXPECT_EQ(results->items[5].error.status, PXP_ECRASHED);
		results_free(results);
		scratch_leave();
		pxp_executor_destroy(pool);
	}
}

/* Ported from Pebble: test_process_pool_map_timeout, test_process_pool_map_timeout_chunks. In
 * Pebble the whole chunk is lost. */
TEST(map_chunks, an_item_over_its_deadline_fails_alone)
{
	for (size_t chunk = 1; chunk <= 5; chunk += 4) {
		struct pxp_executor *pool = pool_create(PXP_PROCESSES, 2);
		struct door never;
		const char *const texts[] = {"0", "1", never.item, "3", "4", NULL};
		struct source source = {.texts = texts};
		struct results *results;

		scratch_enter(NULL);
		door_shut(&never, "never");
		results = collect(
			pool, &source,
			(struct pxp_map_options){.chunk = chunk, .deadline_ms = 300});
		EXPECT_EQ(results->n_done, 5);
		for (size_t i = 0; i < 5; i++) {
			EXPECT_EQ(results->items[i].error.status,
			          i == 2 ? PXP_EDEADLINE : PXP_OK);
			if (i != 2)
				EXPECT_EQ(atoi(text_at(results, i)), i * i);
		}
		results_free(results);
		door_open(&never);
		scratch_leave();
		pxp_executor_destroy(pool);
	}
}

TEST(map_chunks, the_deadline_applies_to_each_item_and_not_to_the_chunk)
{
	struct pxp_executor *pool = pool_create(PXP_PROCESSES, 1);
	const char *texts[7] = {"s200", "s200", "s200", "s200", "s200", "s200", NULL};
	struct source source = {.texts = texts};
	struct results *results = collect(
		pool, &source, (struct pxp_map_options){.chunk = 6, .deadline_ms = 1000});

	EXPECT_EQ(results->n_done, 6);
	for (size_t i = 0; i < 6; i++)
		EXPECT_STR(text_at(results, i), "slow");
	results_free(results);
	pxp_executor_destroy(pool);
}

TEST(map_chunks, inputs_in_a_chunk_are_aligned_and_results_of_any_length_arrive)
{
	static const char *const texts[] = {"a",       "a      ", "b0", "b1",
	                                    "b100000", "a",       "3",  NULL};

	EACH_KIND(kind)
	{
		struct pxp_executor *pool = pool_create(kind, 1);
		struct source source = {.texts = texts};
		struct results *results = collect(pool, &source,
		                                  (struct pxp_map_options){.chunk = 7});

		EXPECT_STR(text_at(results, 0), "aligned");
		EXPECT_STR(text_at(results, 1), "aligned");
		EXPECT(results->items[2].bytes == NULL && results->items[2].n == 0);
		EXPECT_EQ(results->items[3].n, 1);
		EXPECT_EQ(results->items[4].n, 100000);
		EXPECT_EQ(((char *)results->items[4].bytes)[99999], 'b');
		EXPECT_STR(text_at(results, 5), "aligned");
		EXPECT_STR(text_at(results, 6), "9");
		results_free(results);
		pxp_executor_destroy(pool);
	}
}

/* Item 0 reports a lack of memory. The other items fail with a code that is the status of their
 * pxp_task_need() call. */
static enum pxp_status task_lacks_memory(struct pxp_task *task)
{
	if (strcmp(pxp_task_input(task, NULL), "0") == 0)
		return PXP_EMEMORY;
	return pxp_task_fail(task, (int)pxp_task_need(task, (uint64_t)1 << 40), "need");
}

TEST(map_chunks,
     an_item_that_runs_out_of_memory_fails_with_the_same_status_at_any_chunk_size)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES,
	                                       .n_workers = 1,
	                                       .memory_allowance = (uint64_t)1 << 30,
	                                       .memory_budget = (uint64_t)1 << 30};
	struct pxp_executor *pool;

	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	for (size_t chunk = 1; chunk <= 40; chunk += 39) {
		struct pxp_map_options chunks = {.size = sizeof(chunks), .chunk = chunk};
		struct source source = {.n_numbers = 40};
		struct pxp_map_item item;
		struct pxp_map *map;

		REQUIRE(pxp_map_open(pool, task_lacks_memory, source_next, &source,
		                     &chunks, &map) == PXP_OK);
		REQUIRE(pxp_map_next(map, &item) == PXP_OK);
		EXPECT_EQ(item.error.status, PXP_EMEMORY);
		for (int i = 1; i < 40; i++) {
			REQUIRE(pxp_map_next(map, &item) == PXP_OK);
			EXPECT_EQ(item.error.status, PXP_ETASK);
			EXPECT_EQ(item.error.code, PXP_EMEMORY);
		}
		pxp_map_close(map);
	}
	pxp_executor_destroy(pool);
}

static enum pxp_status leave_word(const void *bytes, size_t n, void **ret_context,
                                  struct pxp_error *ret_error)
{
	(void)n;
	(void)ret_error;
	*ret_context = strdup(bytes);
	return PXP_OK;
}

/* A task that fails if it can use descriptors or outputs of its chunk. If it cannot, it sets its
 * progress and its deadline. Then it returns, fails or dies, as its input says. The next item of
 * the chunk must notice nothing of what this task has done. */
static enum pxp_status task_looks_around(struct pxp_task *task)
{
	const char *text = pxp_task_input(task, NULL);

	if (strcmp(pxp_task_context(task), "word") != 0)
		return pxp_task_fail(task, 1, "no context");
	if (pxp_task_descriptor(task, 0) != -1 || pxp_task_output(task) != -1)
		return pxp_task_fail(task, 2, "descriptors");
	if (pxp_task_return_descriptor(task, 2) != PXP_EINVAL)
		return pxp_task_fail(task, 3, "returned a descriptor");
	pxp_task_progress(task, 1000, 1000);
	pxp_task_restart_deadline(task, 1);
	if (text[0] == '1')
		return pxp_task_fail(task, 4, "one");
	if (text[0] == '2')
		return PXP_EINVAL;
	if (text[0] == '3')
		pxp_task_return(task, "three", 6);
	if (text[0] == '5')
		raise(SIGKILL);
	return PXP_OK;
}

TEST(map_chunks, items_in_a_chunk_do_not_see_each_others_state)
{
	struct pxp_executor_options options = {.size = sizeof(options),
	                                       .kind = PXP_PROCESSES,
	                                       .n_workers = 1,
	                                       .initialise = leave_word,
	                                       .init_bytes = "word",
	                                       .n_init_bytes = 5,
	                                       .finalise = free};
	struct pxp_map_options chunks = {.size = sizeof(chunks), .chunk = 7};
	struct source source = {.n_numbers = 7};
	struct pxp_map_item items[7];
	struct pxp_executor *pool;
	struct pxp_map *map;

	REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
	REQUIRE(pxp_map_open(pool, task_looks_around, source_next, &source, &chunks,
	                     &map) == PXP_OK);
	for (int i = 0; i < 7; i++)
		REQUIRE(pxp_map_next(map, &items[i]) == PXP_OK);
	EXPECT_EQ(items[0].error.status, PXP_OK);
	EXPECT_EQ(items[1].error.code, 4);
	EXPECT_EQ(items[2].error.code, PXP_EINVAL);
	EXPECT_STR(items[2].error.text, "the task failed: invalid argument");
	EXPECT_STR(items[3].bytes, "three");
	EXPECT(items[4].bytes == NULL && items[4].error.status == PXP_OK);
	EXPECT_EQ(items[5].error.status, PXP_ECRASHED);
	EXPECT_EQ(items[6].error.status, PXP_OK);
	free(items[3].bytes);
	pxp_map_close(map);
	pxp_executor_destroy(pool);
}

/* The chunk is running when its map is closed. The remaining items do not run. */
TEST(map_chunks, closing_a_map_skips_the_remaining_items_of_a_running_chunk)
{
	for (enum pxp_executor_kind kind = PXP_THREADS; kind <= PXP_PROCESSES; kind++) {
		struct pxp_executor *pool = pool_create(kind, 1);
		struct pxp_map_options options = {.size = sizeof(options), .chunk = 2};
		const char *texts[5] = {"0", "1", NULL, NULL, NULL};
		struct source source = {.texts = texts};
		struct pxp_map_item item;
		struct pxp_map *map;
		struct door door;

		scratch_enter(NULL);
		door_shut(&door, "door");
		texts[2] = door.item;
		texts[3] = item_with_path('c', "ran");
		REQUIRE(pxp_map_open(pool, task_item, source_next, &source, &options,
		                     &map) == PXP_OK);
		for (int i = 0; i < 2; i++) {
			EXPECT_EQ(pxp_map_next(map, &item), PXP_OK);
			free(item.bytes);
		}
		REQUIRE(pool_await(pool, 1, 0));
		pxp_map_close(map);
		door_open(&door);
		pxp_executor_destroy(pool);
		EXPECT_EQ(size_of("ran"), 0);
		scratch_leave();
	}
}

TEST(map_chunks, items_fail_and_the_map_ends_if_the_pool_is_broken)
{
	EACH_KIND(kind)
	{
		struct pxp_executor_options options = {.size = sizeof(options),
		                                       .kind = kind,
		                                       .n_workers = 1,
		                                       .initialise = initialise_fails,
		                                       .init_bytes = "no fish",
		                                       .n_init_bytes = 8};
		struct source source = {.n_numbers = 60};
		struct pxp_executor *pool;
		struct results *results;

		REQUIRE(pxp_executor_create(&options, &pool, NULL) == PXP_OK);
		results = collect(pool, &source,
		                  (struct pxp_map_options){.chunk = 3, .window = 6});
		EXPECT_EQ(results->end, PXP_EBROKEN);
		EXPECT(results->n_done >= 3 && results->n_done < 60);
		for (size_t i = 0; i < results->n_done; i++)
			EXPECT_EQ(results->items[i].error.status, PXP_EBROKEN);
		EXPECT_STR(results->items[0].error.text, "no fish");
		results_free(results);
		pxp_executor_destroy(pool);
	}
}

/* ---- forged answers from a worker ---- */

TEST(map_chunks, a_malformed_chunk_result_is_rejected)
{
	struct pxp_error error = {.status = PXP_ETASK};
	uint64_t ok = 3 << 1, failed = sizeof(error) << 1 | 1, huge = UINT64_MAX - 1;
	char result[2 * sizeof(uint64_t) + 3 + sizeof(error)];
	size_t n = sizeof(result);

	memcpy(result, &ok, sizeof(ok));
	memcpy(result + 8, "abc", 3);
	memcpy(result + 11, &failed, sizeof(failed));
	memcpy(result + 19, &error, sizeof(error));
	EXPECT(chunk_result_is_sound(result, n, 2));
	EXPECT(chunk_result_is_sound(NULL, 0, 0));

	EXPECT(!chunk_result_is_sound(result, n, 1));
	EXPECT(!chunk_result_is_sound(result, n, 3));
	EXPECT(!chunk_result_is_sound(NULL, 0, 1));
	for (size_t shorter = 0; shorter < n; shorter++)
		EXPECT(!chunk_result_is_sound(result, shorter, 2));
	memcpy(result + 11, &huge, sizeof(huge));
	EXPECT(!chunk_result_is_sound(result, n, 2));
	failed -= 2;
	memcpy(result + 11, &failed, sizeof(failed));
	EXPECT(!chunk_result_is_sound(result, n - 1, 2), "an error of a wrong length");
}

TEST(map_chunks, an_item_with_an_impossible_status_in_a_chunk_result_counts_as_failed)
{
	struct pxp_error error = {.status = PXP_OK, .code = 5}, got;
	uint64_t failed = sizeof(error) << 1 | 1;
	char result[sizeof(failed) + sizeof(error)];
	size_t at = 0, n = 0;
	void *bytes = NULL;

	memset(error.text, 'e', sizeof(error.text));
	memcpy(result, &failed, sizeof(failed));
	memcpy(result + sizeof(failed), &error, sizeof(error));
	REQUIRE(chunk_result_is_sound(result, sizeof(result), 1));
	chunk_next(result, &at, &got, &bytes, &n);
	EXPECT_EQ(at, sizeof(result));
	EXPECT_EQ(got.status, PXP_ETASK);
	EXPECT_EQ(got.code, 5);
	EXPECT_EQ(strlen(got.text), sizeof(got.text) - 1);
	EXPECT(bytes == NULL);
}

/* ---- a chunk that is submitted again ---- */

/* Let the first worker start at once. Later workers wait until the test opens the door, which is a
 * locked file. */
static enum pxp_status initialise_once(const void *door, size_t n, void **ret_context,
                                       struct pxp_error *ret_error)
{
	const char *path = door;
	char first[4096];
	int fd;

	(void)n;
	(void)ret_context;
	snprintf(first, sizeof(first), "%s.first", path);
	if (unlink(first) == 0)
		return PXP_OK;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_SH) != 0)
		return pxp_fail_errno(ret_error, "the door");
	close(fd);
	return PXP_OK;
}

/* A source that fills the queue of the pool when it ends, while the first chunk is running. Then it
 * opens the door at which an item of this chunk waits. */
struct filler {
	struct source source;
	struct pxp_executor *pool;
	struct pxp_future *filling[2];
	struct door *door;
};

static enum pxp_status next_then_fill(void *data, const void **ret_bytes, size_t *ret_n)
{
	struct filler *filler = data;
	enum pxp_status status = source_next(&filler->source, ret_bytes, ret_n);

	if (status == PXP_OK)
		return status;
	REQUIRE(pool_await(filler->pool, 1, 0));
	for (int i = 0; i < 2; i++)
		filler->filling[i] = pool_submit(filler->pool, task_echo, "x", NULL);
	door_open(filler->door);
	return status;
}

TEST(map_chunks, a_chunk_that_cannot_be_submitted_again_in_time_ends_the_map)
{
	for (int unordered = 0; unordered <= 1; unordered++) {
		struct door next_worker, first_item;
		const char *texts[] = {first_item.item, "k", NULL};
		struct filler filler = {.source = {.texts = texts}, .door = &first_item};
		struct pxp_map_options chunks = {.size = sizeof(chunks),
		                                 .chunk = 2,
		                                 .unordered = unordered,
		                                 .timeout_ms = 500};
		struct pxp_map_item item;
		struct pxp_map *map;

		scratch_enter(NULL);
		door_shut(&next_worker, "next");
		door_shut(&first_item, "item");
		close(open("next.first", O_CREAT | O_WRONLY | O_CLOEXEC, 0666));
		struct pxp_executor_options options = {
			.size = sizeof(options),
			.kind = PXP_PROCESSES,
			.n_workers = 1,
			.max_pending = 1,
			.initialise = initialise_once,
			.init_bytes = next_worker.item + 1,
			.n_init_bytes = strlen(next_worker.item + 1) + 1};
		REQUIRE(pxp_executor_create(&options, &filler.pool, NULL) == PXP_OK);
		REQUIRE(pxp_map_open(filler.pool, task_item, next_then_fill, &filler,
		                     &chunks, &map) == PXP_OK);
		EXPECT_EQ(pxp_map_next(map, &item), PXP_ETIMEOUT);
		EXPECT_EQ(pxp_map_next(map, &item), PXP_ESTATE);
		pxp_map_close(map);
		door_open(&next_worker);
		for (int i = 0; i < 2; i++)
			EXPECT_EQ(end_of(filler.filling[i]), PXP_OK);
		pxp_executor_destroy(filler.pool);
		scratch_leave();
	}
}
