/* Tests of the plan: its counts, name collisions, outputs that were not planned, the largest
 * inputs, and memory use. */
#include "support/scratch.h"
#include "support/test.h"

#include "batch/batch.h"
#include "batch/plan.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool always(void *data)
{
	(void)data;
	return true;
}

static const char *one_input[] = {"in"};

/* Make a plan for these inputs. */
static struct plan *plan_of(const char *const *inputs, size_t n_inputs,
                            enum image_format format, enum plan_result *ret_result)
{
	const struct walk_options options = {.inputs = inputs, .n_inputs = n_inputs};
	const struct variant_rule rule = {.format = format};
	struct plan *plan = plan_create();

	REQUIRE(plan != NULL);
	plan->keeps_largest = true;
	*ret_result = plan_make(plan, &options, &rule, 1, &(struct shard){0}, always,
	                        NULL);
	return plan;
}

/* The claims that collide: a line "OUTPUT <- INPUT" for each claim, in a static buffer. */
static const char *claims_of(const struct plan *plan)
{
	static char text[1024];
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < plan->n_claims; i++) {
		const struct plan_claim *claim = &plan->claims[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s <- %s\n",
		                      claim->output, claim->input);
	}
	return text;
}

TEST(plan, a_plan_counts_its_images_and_their_bytes)
{
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_folder("in/sub");
	scratch_file("in/a.jpg", "12345");
	scratch_file("in/sub/b.png", "123");
	scratch_file("in/notes.txt", "no image");
	scratch_link("in/link.jpg", "a.jpg");
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_EQ(plan->n_images, 2);
	EXPECT_EQ(plan->n_bytes, 8);
	EXPECT_EQ(plan->n_claims, 0);
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, planning_an_empty_folder_succeeds)
{
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_folder("in");
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_EQ(plan->n_images, 0);
	plan_destroy(plan);
	plan_destroy(NULL);
	scratch_leave();
}

TEST(plan, every_input_that_shares_an_output_is_listed)
{
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_folder("in/sub");
	scratch_file("in/a.png", "");
	scratch_file("in/a.jpg", "");
	scratch_file("in/a.tga", "");
	scratch_file("in/b.png", "");
	scratch_file("in/sub/c.png", "");
	scratch_file("in/sub/c.jpeg", "");
	scratch_file("in/sub/b.jpg", "");
	plan = plan_of(one_input, 1, FORMAT_WEBP, &result);
	EXPECT_EQ(result, PLAN_COLLISION);
	EXPECT_STR(claims_of(plan), "a.webp <- in/a.jpg\n"
	                            "a.webp <- in/a.png\n"
	                            "a.webp <- in/a.tga\n"
	                            "sub/c.webp <- in/sub/c.jpeg\n"
	                            "sub/c.webp <- in/sub/c.png\n");
	plan_destroy(plan);

	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_STR(claims_of(plan), "");
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, a_psd_and_a_png_of_the_same_stem_collide)
{
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_file("in/a.psd", "");
	scratch_file("in/a.png", "");
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_COLLISION);
	EXPECT_STR(claims_of(plan), "a.png <- in/a.png\na.png <- in/a.psd\n");
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, a_file_named_several_times_is_planned_once_and_fed_once)
{
	const char *inputs[] = {"in/a.jpg", "in", "./in/a.jpg", "link/a.jpg"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 4};
	enum plan_result result;
	struct plan *plan;
	struct walk *walk;
	struct walk_item item;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_file("in/a.jpg", "12345");
	scratch_link("link", "in");
	plan = plan_of(inputs, 4, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_STR(claims_of(plan), "");
	EXPECT_EQ(plan->n_images, 1);
	EXPECT_EQ(plan->n_bytes, 5);
	walk = walk_open(&options);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(walk_next(walk, &item), WALK_FILE);
		EXPECT_EQ(plan_is_repeated(plan, "a.jpg", &item), i > 0);
	}
	walk_close(walk);
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, two_files_with_the_same_output_collide_even_if_one_file_is_named_twice)
{
	const char *inputs[] = {"in/a.jpg", "in", "other/a.jpg"};
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_folder("other");
	scratch_file("in/a.jpg", "");
	scratch_file("other/a.jpg", "");
	plan = plan_of(inputs, 3, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_COLLISION);
	EXPECT_STR(claims_of(plan), "a.jpg <- in/a.jpg\n"
	                            "a.jpg <- other/a.jpg\n");
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, inputs_without_an_output_do_not_collide)
{
	const char *inputs[] = {"notes.txt", "notes.txt"};
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_file("notes.txt", "no image");
	plan = plan_of(inputs, 2, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_EQ(plan->n_images, 2);
	plan_destroy(plan);
	scratch_leave();
}

static bool few_more(void *data)
{
	unsigned *left = data;

	return (*left)-- > 0;
}

TEST(plan, planning_stops_when_a_stop_is_requested)
{
	const struct walk_options options = {.inputs = one_input, .n_inputs = 1};
	const struct variant_rule rule = {.format = FORMAT_NONE};
	struct plan *plan = plan_create();
	unsigned left = 2;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_file("in/a.jpg", "");
	scratch_file("in/b.jpg", "");
	scratch_file("in/c.jpg", "");
	EXPECT_EQ(
		plan_make(plan, &options, &rule, 1, &(struct shard){0}, few_more, &left),
		PLAN_STOPPED);
	EXPECT_EQ(plan->n_images, 2);
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, each_planned_output_name_can_be_claimed_only_once)
{
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_file("in/a.jpg", "");
	scratch_file("in/b.jpg", "");
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	EXPECT(plan_take(plan, "b.jpg"));
	EXPECT(plan_take(plan, "a.jpg"));
	EXPECT(!plan_take(plan, "a.jpg"));
	EXPECT(!plan_take(plan, "b.jpg"));
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, an_output_name_that_was_not_planned_can_be_claimed_only_once_too)
{
	enum plan_result result;
	struct plan *plan;
	char name[32];

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_file("in/a.jpg", "");
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "late%d.jpg", i);
		EXPECT(plan_take(plan, name));
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "late%d.jpg", i);
		EXPECT(!plan_take(plan, name));
	}
	EXPECT(plan_take(plan, "a.jpg"));
	plan_destroy(plan);
	scratch_leave();
}

/* ---- the largest inputs ---- */

/* Create a sparse file of SMALL_FILE_BYTES + n bytes. */
static void large_file(const char *path, long n)
{
	scratch_file(path, "");
	REQUIRE(truncate(path, SMALL_FILE_BYTES + n) == 0);
}

/* The relative names of the largest inputs in order of size. The text is in a static buffer. */
static const char *largest_of(struct plan *plan)
{
	static char text[1024];
	size_t n = 0;

	text[0] = 0;
	largest_sort(&plan->largest);
	for (size_t i = 0; i < plan->largest.n; i++) {
		const struct walk_address *address = &plan->largest.inputs[i].address;

		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\n",
		                      address->path + address->relative_at);
	}
	return text;
}

TEST(plan,
     the_largest_inputs_come_first_and_inputs_of_equal_size_in_the_order_of_the_walk)
{
	enum plan_result result;
	struct plan *plan;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_folder("in/sub");
	large_file("in/a.jpg", 1);
	large_file("in/b.jpg", 5);
	large_file("in/c.jpg", 7);
	large_file("in/d.jpg", 5);
	large_file("in/notes.txt", 9);
	large_file("in/small.jpg", 0);
	large_file("in/sub/e.jpg", 8);
	large_file("in/sub/f.jpg", 5);
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_STR(largest_of(plan),
	           "sub/e.jpg\nc.jpg\nb.jpg\nd.jpg\nsub/f.jpg\na.jpg\n");
	plan_destroy(plan);
	scratch_leave();
}

/* File number i is one byte longer than file number i - 1, and its name is i * 389 modulo the
 * number of files. So large and small files are mixed when they are sorted by name. */
TEST(plan, the_list_of_largest_inputs_keeps_the_1024_largest_inputs_of_a_plan)
{
	enum { N_FILES = 2000 };
	enum plan_result result;
	struct plan *plan;
	char path[32];

	scratch_enter("/dev/shm");
	scratch_folder("in");
	for (int i = 0; i < N_FILES; i++) {
		snprintf(path, sizeof(path), "in/%04d.jpg", i * 389 % N_FILES);
		large_file(path, 1 + i);
	}
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_EQ(plan->n_images, N_FILES);
	EXPECT_EQ(plan->largest.n, LARGEST_INPUTS);
	largest_sort(&plan->largest);
	for (int i = 0; i < (int)plan->largest.n; i++) {
		const int size = N_FILES - 1 - i;

		snprintf(path, sizeof(path), "in/%04d.jpg", size * 389 % N_FILES);
		EXPECT_STR(plan->largest.inputs[i].address.path, path);
		EXPECT_EQ(plan->largest.inputs[i].n_bytes, SMALL_FILE_BYTES + 1 + size);
	}
	plan_destroy(plan);
	scratch_leave();
}

TEST(plan, a_walk_recognises_each_input_that_was_fed_before_the_walk)
{
	const char *inputs[] = {"in", "in/b.jpg"};
	const struct walk_options options = {.inputs = inputs, .n_inputs = 2};
	const char *const want[] = {"in/b.jpg", "in/sub/c.jpg"};
	enum plan_result result;
	struct walk_item item;
	struct plan *plan;
	struct walk *walk;
	size_t n = 0;

	scratch_enter(NULL);
	scratch_folder("in");
	scratch_folder("in/sub");
	large_file("in/a.jpg", 1);
	large_file("in/b.jpg", 3);
	large_file("in/sub/c.jpg", 2);
	plan = plan_of(inputs, 2, FORMAT_NONE, &result);
	largest_sort(&plan->largest);
	EXPECT_EQ(plan->largest.n, 4);
	for (size_t i = 0; i < 4; i++)
		plan->largest.inputs[i].is_fed = i == 0 || i == 2;
	largest_keep_fed(&plan->largest);
	walk = walk_open(&options);
	while (walk_next(walk, &item) != WALK_END) {
		if (!largest_was_fed(&plan->largest, &item))
			continue;
		REQUIRE(n < 2);
		EXPECT_STR(item.path, want[n++]);
		EXPECT_EQ(item.input, 0);
	}
	EXPECT_EQ(n, 2);
	walk_close(walk);
	plan_destroy(plan);
	scratch_leave();
}

#ifndef PIXPOOL_SANITIZE
/* The value of a line of /proc/self/status in kilobytes, or -1 if there is no such line. */
static long status_kb(const char *key)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kb = -1;

	while (file && kb < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) == 0)
			sscanf(line + strlen(key), " %ld", &kb);
	}
	if (file)
		fclose(file);
	return kb;
}

/* Reset the peak of resident memory that the kernel records for this process. */
static bool reset_peak(void)
{
	FILE *file = fopen("/proc/self/clear_refs", "we");
	bool is_reset = file && fputs("5", file) >= 0;

	return file && fclose(file) == 0 && is_reset;
}
#endif

TEST(plan, a_plan_of_a_hundred_thousand_files_takes_under_eight_megabytes)
{
#ifdef PIXPOOL_SANITIZE
	scratch_skip("the memory of a plan", "a sanitizer keeps freed memory");
#else
	enum { N_FOLDERS = 100, N_FILES = 1000 };
	enum plan_result result;
	struct plan *plan;
	char path[64];
	long before_kb, peak_kb;

	scratch_enter("/dev/shm");
	scratch_folder("in");
	for (int i = 0; i < N_FOLDERS; i++) {
		snprintf(path, sizeof(path), "in/holiday pictures %02d", i);
		scratch_folder(path);
		for (int j = 0; j < N_FILES; j++) {
			snprintf(path, sizeof(path),
			         "in/holiday pictures %02d/IMG_%04d.jpg", i, j);
			REQUIRE(mknod(path, S_IFREG | 0666, 0) == 0);
			/* Sizes grow from folder to folder, so the plan often replaces the
			 * inputs that it keeps as the largest. */
			REQUIRE(truncate(path, SMALL_FILE_BYTES + 1 + i) == 0);
		}
	}
	if (!reset_peak())
		scratch_skip("resetting the peak",
		             "the kernel counts the peak from the start of the process");
	before_kb = status_kb("VmRSS:");
	plan = plan_of(one_input, 1, FORMAT_NONE, &result);
	peak_kb = status_kb("VmHWM:");
	EXPECT_EQ(result, PLAN_MADE);
	EXPECT_EQ(plan->n_images, N_FOLDERS * N_FILES);
	EXPECT_EQ(plan->largest.n, LARGEST_INPUTS);
	EXPECT(before_kb > 0 && peak_kb - before_kb < 8 * 1024, "it cost %ld kB",
	       peak_kb - before_kb);
	fprintf(stderr, "the plan cost %ld kB\n", peak_kb - before_kb);
	plan_destroy(plan);
	scratch_leave();
#endif
}
