/*
 * Tests of the committer: its groups, the order in which files complete, and the files that are
 * waiting when it is stopped or destroyed. Where a test needs it, a gate stops the committer's
 * thread.
 */
#include "output.h"
#include "support/gate.h"
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "store/committer.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_FILES = 100 };

/* Files to commit, and what the callback has seen. */
struct batch_of_files {
	struct store *store;
	int content;
	struct commit commits[MAX_FILES];
	struct commit_output outputs[MAX_FILES];
	char names[MAX_FILES][16];
	/* If `has_gates` is set, on_done() stops at the first file: it opens `reached` and waits at
	 * `gate`. */
	bool has_gates;
	struct gate reached, gate;
	/* on_done() writes the members below. */
	size_t n_done;
	size_t order[MAX_FILES]; /* the files in the order in which they were done */
	/* how many names the folder "out" had when each file was done */
	int n_published[MAX_FILES];
};

static void pass(const struct gate *gate)
{
	int descriptor = gate_descriptor(gate);

	gate_pass(descriptor);
	fd_close(&descriptor);
}

static void on_done(struct commit *commit, void *data)
{
	struct batch_of_files *files = data;

	files->n_published[files->n_done] = n_names("out");
	files->order[files->n_done++] = (size_t)(commit - files->commits);
	if (files->has_gates && files->n_done == 1) {
		gate_open(&files->reached);
		pass(&files->gate);
	}
}

static void files_init(struct batch_of_files *files)
{
	memset(files, 0, sizeof(*files));
	scratch_enter(NULL);
	files->store = store_open("out");
	files->content = content_of('x', 100);
	REQUIRE(files->store != NULL);
	for (size_t i = 0; i < MAX_FILES; i++) {
		snprintf(files->names[i], sizeof(files->names[i]), "%02zu.jpg", i);
		files->outputs[i] = (struct commit_output){
			.name = files->names[i], .offset = i, .n_bytes = 1};
		files->commits[i] = (struct commit){
			.fd = files->content,
			.outputs = &files->outputs[i],
			.n_outputs = 1,
		};
	}
}

static void files_init_with_gates(struct batch_of_files *files)
{
	files_init(files);
	files->has_gates = true;
	files->reached = gate_create();
	files->gate = gate_create();
}

static void files_fini(struct batch_of_files *files)
{
	if (files->has_gates) {
		gate_destroy(&files->reached);
		gate_destroy(&files->gate);
	}
	store_close(files->store);
	fd_close(&files->content);
	scratch_leave();
}

/* Create a committer whose groups wait for announced files without a time limit. */
static struct committer *create(struct batch_of_files *files, bool is_stepped)
{
	const struct committer_options options = {
		.store = files->store,
		.done = on_done,
		.data = files,
		.wait_ms = -1,
		.is_stepped = is_stepped,
	};
	struct committer *committer = committer_create(&options);

	REQUIRE(committer != NULL);
	return committer;
}

static void add(struct committer *committer, struct batch_of_files *files, size_t first,
                size_t n)
{
	for (size_t i = first; i < first + n; i++)
		committer_add(committer, &files->commits[i]);
}

static void expect_in_order(const struct batch_of_files *files, size_t n)
{
	EXPECT_EQ(files->n_done, n);
	for (size_t i = 0; i < n; i++)
		EXPECT_EQ(files->order[i], i);
}

TEST(committer, a_group_takes_all_waiting_files_up_to_thirty_two)
{
	struct batch_of_files files;
	struct committer *committer;

	files_init(&files);
	committer = create(&files, true);
	EXPECT_EQ(committer_step(committer), 0);
	add(committer, &files, 0, 40);
	EXPECT_EQ(committer_step(committer), 32);
	EXPECT_EQ(files.n_published[0], 32);
	add(committer, &files, 40, 2);
	EXPECT_EQ(committer_step(committer), 10);
	EXPECT_EQ(committer_step(committer), 0);
	expect_in_order(&files, 42);
	EXPECT_EQ(n_names("out"), 42);
	committer_destroy(committer);
	files_fini(&files);
}

TEST(committer, a_group_takes_at_most_sixty_four_mebibytes_unless_one_file_is_larger)
{
	static const size_t mebibytes[] = {30, 30, 5, 65, 1, 63, 1};
	static const size_t groups[] = {2, 1, 1, 2, 1, 0};
	enum { N = sizeof(mebibytes) / sizeof(mebibytes[0]) };
	struct batch_of_files files;
	struct committer *committer;

	files_init(&files);
	for (size_t i = 0; i < N; i++) {
		files.outputs[i].offset = 0;
		files.outputs[i].n_bytes = mebibytes[i] << 20;
		/* Only the sizes decide about the groups, so the files need no content. */
		files.commits[i].fd = -1;
	}
	committer = create(&files, true);
	add(committer, &files, 0, N);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		EXPECT_EQ(committer_step(committer), groups[i]);
	expect_in_order(&files, N);
	committer_destroy(committer);
	files_fini(&files);
}

TEST(committer, each_output_of_a_file_is_made_from_its_own_range_of_one_descriptor)
{
	struct batch_of_files files;
	struct committer *committer;
	const struct commit_output outputs[] = {
		{.name = "a.jpg", .offset = 0, .n_bytes = 3},
		{.name = "sub/b.webp", .offset = 3, .n_bytes = 4}};

	files_init(&files);
	REQUIRE(ftruncate(files.content, 0) == 0 &&
	        pwrite(files.content, "onefour", 7, 0) == 7);
	files.commits[0].outputs = outputs;
	files.commits[0].n_outputs = 2;
	committer = create(&files, true);
	add(committer, &files, 0, 1);
	committer_step(committer);
	EXPECT_EQ(files.commits[0].result, STORE_DONE);
	EXPECT(files.commits[0].work_ns > 0);
	EXPECT_STR(scratch_text("out/a.jpg"), "one");
	EXPECT_STR(scratch_text("out/sub/b.webp"), "four");
	committer_destroy(committer);
	files_fini(&files);
}

TEST(committer, a_file_fails_and_publishes_nothing_if_one_of_its_outputs_fails)
{
	struct batch_of_files files;
	struct committer *committer;
	const struct commit_output outputs[] = {
		{.name = "a.jpg", .offset = 0, .n_bytes = 1},
		{.name = "taken.jpg", .offset = 1, .n_bytes = 1},
		{.name = "c.jpg", .offset = 2, .n_bytes = 1}};

	files_init(&files);
	scratch_file("out/taken.jpg", "theirs");
	files.commits[0].outputs = outputs;
	files.commits[0].n_outputs = 3;
	committer = create(&files, true);
	add(committer, &files, 0, 2);
	committer_step(committer);
	EXPECT_EQ(files.commits[0].result, STORE_FAILED);
	EXPECT_EQ(files.commits[0].failure.class, FAIL_EXISTS);
	EXPECT_STR(scratch_text("out/taken.jpg"), "theirs");
	EXPECT(!store_has(files.store, "a.jpg"));
	EXPECT(!store_has(files.store, "c.jpg"));
	/* The failure of the first file does not affect the second file. */
	EXPECT_EQ(files.commits[1].result, STORE_DONE);
	committer_destroy(committer);
	files_fini(&files);
}

TEST(committer, a_file_is_skipped_only_if_all_its_outputs_exist)
{
	const struct commit_output both[] = {
		{.name = "a.jpg", .offset = 0, .n_bytes = 1},
		{.name = "b.jpg", .offset = 1, .n_bytes = 1}};
	struct batch_of_files files;
	struct committer *committer;

	files_init(&files);
	scratch_file("out/a.jpg", "theirs");
	files.commits[0].outputs = files.commits[1].outputs = both;
	files.commits[0].n_outputs = files.commits[1].n_outputs = 2;
	committer = committer_create(&(struct committer_options){
		.store = files.store,
		.overwrite = OVERWRITE_SKIP,
		.done = on_done,
		.data = &files,
		.is_stepped = true,
	});
	REQUIRE(committer != NULL);
	add(committer, &files, 0, 2);
	committer_step(committer);
	EXPECT_EQ(files.commits[0].result, STORE_DONE);
	EXPECT_EQ(files.commits[1].result, STORE_SKIPPED);
	EXPECT_STR(scratch_text("out/a.jpg"), "theirs");
	EXPECT_STR(scratch_text("out/b.jpg"), "x");
	committer_destroy(committer);
	files_fini(&files);
}

TEST(committer, waiting_and_new_files_are_dropped_after_the_output_folder_has_failed)
{
	struct batch_of_files files;
	struct committer *committer;

	files_init(&files);
	committer = create(&files, true);
	add(committer, &files, 0, 3);
	REQUIRE(rmdir("out") == 0);
	EXPECT_EQ(committer_step(committer), 3);
	add(committer, &files, 3, 1);
	EXPECT_EQ(committer_step(committer), 1);
	expect_in_order(&files, 4);
	EXPECT_EQ(files.commits[0].result, STORE_PLACE_FAILED);
	EXPECT_EQ(files.commits[0].failure.class, FAIL_IO);
	for (size_t i = 1; i < 4; i++) {
		EXPECT_EQ(files.commits[i].result, STORE_DROPPED);
		EXPECT_EQ(files.commits[i].failure.class, FAIL_NONE);
		EXPECT_EQ(files.commits[i].work_ns, 0);
	}
	committer_destroy(committer);
	files_fini(&files);
}

/* ---- with the committer thread ---- */

TEST(committer, files_are_collected_while_the_previous_group_is_committed)
{
	struct batch_of_files files;
	struct committer *committer;

	files_init_with_gates(&files);
	committer = create(&files, false);
	add(committer, &files, 0, 1);
	pass(&files.reached);
	add(committer, &files, 1, 39);
	gate_open(&files.gate);
	committer_destroy(committer);
	expect_in_order(&files, 40);
	EXPECT_EQ(files.n_published[0], 1);
	EXPECT_EQ(files.n_published[1], 33);
	EXPECT_EQ(files.n_published[33], 40);
	files_fini(&files);
}

TEST(committer, a_group_waits_for_further_files_that_an_earlier_file_has_announced)
{
	struct batch_of_files files;
	struct committer *committer;

	files_init(&files);
	for (size_t i = 0; i < MAX_FILES; i++)
		files.commits[i].has_followers = true;
	files.commits[COMMIT_GROUP_FILES + 4].has_followers = false;
	committer = create(&files, false);
	add(committer, &files, 0, COMMIT_GROUP_FILES + 6);
	committer_destroy(committer);
	expect_in_order(&files, COMMIT_GROUP_FILES + 6);
	EXPECT(files.n_published[0] >= COMMIT_GROUP_FILES);
	files_fini(&files);
}

TEST(committer, the_committer_stops_waiting_after_a_file_that_announces_no_further_file)
{
	struct batch_of_files files;
	struct committer *committer;

	files_init_with_gates(&files);
	files.commits[0].has_followers = true;
	committer = create(&files, false);
	add(committer, &files, 0, 2);
	pass(&files.reached);
	gate_open(&files.gate);
	committer_destroy(committer);
	expect_in_order(&files, 2);
	EXPECT_EQ(files.n_published[0], 2);
	files_fini(&files);
}

TEST(committer, destroying_the_committer_commits_all_waiting_files)
{
	for (int is_stepped = 0; is_stepped < 2; is_stepped++) {
		struct batch_of_files files;
		struct committer *committer;

		files_init(&files);
		committer = create(&files, is_stepped);
		add(committer, &files, 0, MAX_FILES);
		committer_destroy(committer);
		expect_in_order(&files, MAX_FILES);
		EXPECT_EQ(n_names("out"), MAX_FILES);
		files_fini(&files);
	}
	committer_destroy(NULL);
}

TEST(committer, waiting_files_are_dropped_after_a_stop)
{
	struct batch_of_files files;
	struct committer *committer;

	files_init_with_gates(&files);
	committer = create(&files, false);
	add(committer, &files, 0, 1);
	pass(&files.reached);
	add(committer, &files, 1, 9);
	committer_stop(committer);
	gate_open(&files.gate);
	committer_destroy(committer);
	expect_in_order(&files, 10);
	EXPECT_EQ(files.commits[0].result, STORE_DONE);
	for (size_t i = 1; i < 10; i++)
		EXPECT_EQ(files.commits[i].result, STORE_DROPPED);
	EXPECT_EQ(n_names("out"), 1);
	files_fini(&files);
}
