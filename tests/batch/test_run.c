/* Tests of the limits of a batch, of its order, and of changes to its inputs, observed from outside
 * while its workers wait at gates. Also tests of the states of a batch. */
#include "cli_fixture.h"

#include "batch/file.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(run, each_worker_has_at_most_four_open_inputs_if_images_share_no_task)
{
	enum { N_WORKERS = 2, N_IMAGES = 40 };
	const unsigned max = N_WORKERS * TASKS_PER_WORKER;
	struct command command;
	unsigned n;
	char path[32];

	fixture_enter();
	for (int i = 0; i < N_IMAGES; i++) {
		snprintf(path, sizeof(path), "in/%02d.png", i);
		write_script(path, "gate a\nsize 2 2");
	}
	command = begin("env SCRIPT_GROUP=1 pixpool-scripted resize -s 8 -j %d in -o out",
	                N_WORKERS);
	/* The feeder opens as many inputs as it may. */
	await_open(command.pid, "/in/", max);
	for (int i = 0; i < 10000 && count_processes("gate-a") < N_WORKERS; i++)
		poll(NULL, 0, 1);
	EXPECT_EQ(count_processes("gate-a"), N_WORKERS);
	for (int i = 0; i < N_IMAGES; i++) {
		n = count_open(command.pid, "/in/");
		EXPECT(n <= max, "%u inputs are open", n);
		snprintf(path, sizeof(path), "in/%02d.png", i);
		let_pass(path);
		poll(NULL, 0, 1);
	}
	EXPECT_EQ(end(&command).status, 0);
	fixture_leave();
}

/* The second image cannot be opened, because no descriptor is free while the first image is
 * processed. The first image is done and reported before the feeder begins to wait for a free
 * descriptor. Then no image is in progress, so the feeder must try again without waiting. */
TEST(run,
     an_open_that_failed_for_lack_of_a_descriptor_is_repeated_after_other_inputs_are_closed)
{
	struct command command;
	struct ended ended;
	int gate;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	write_script("in/lack.png", "size 2 2");
	REQUIRE(mkfifo("open.gate", 0666) == 0);
	command = begin("env SCRIPT_GROUP=1 pixpool-scripted resize -s 8 -j 1 in -o out");
	await_gate("a");
	gate = open("open.gate", O_WRONLY);
	REQUIRE(gate >= 0);
	let_pass("in/a.png");
	await_error(&command, "[1/2] ");
	close(gate);
	ended = end(&command);
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("out"), "a.png png 2x2\nlack.png png 2x2\n");
	fixture_leave();
}

/* Wait until the run has `max` inputs open while its first image waits at a gate. The test fails if
 * more inputs are open then. */
static void expect_open_inputs(const char *options, unsigned max)
{
	enum { N_IMAGES = 100 };
	struct command command;
	char path[32];

	fixture_enter();
	for (int i = 0; i < N_IMAGES; i++) {
		snprintf(path, sizeof(path), "in/%02d.png", i);
		write_script(path, i == 0 ? "gate a\nsize 2 2" : "size 2 2");
	}
	command = begin("env SCRIPT_GROUP=8 pixpool-scripted resize -s 8 -j 1 in -o out "
	                "%s",
	                options);
	await_gate("a");
	await_open(command.pid, "/in/", max);
	let_pass("in/00.png");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_EQ(atoi(run("ls out | wc -l").out), N_IMAGES);
	fixture_leave();
}

TEST(run, up_to_eight_small_images_share_each_of_the_four_tasks_of_a_worker)
{
	expect_open_inputs("", TASKS_PER_WORKER * PICTURE_MAX_FILES);
}

TEST(run, images_share_no_task_if_a_worker_must_be_replaced_after_a_few_images)
{
	expect_open_inputs("--recycle 20", TASKS_PER_WORKER);
}

TEST(run, images_share_no_task_if_a_failure_may_stop_the_run)
{
	expect_open_inputs("--max-failures 3", TASKS_PER_WORKER);
}

TEST(run, a_blocked_worker_delays_only_its_own_image)
{
	struct command command;
	char path[32];

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "in/c%02d.png", i);
		write_script(path, "size 2 2");
	}
	command = begin("pixpool-scripted resize -s 8 -j 2 in -o out");
	await_error(&command, "[40/41] ");
	EXPECT(!strstr(await_error(&command, NULL), "a.png"));
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 0);
	fixture_leave();
}

/* The test adds and removes files after the batch has made its plan. */
TEST(run, changes_to_the_input_tree_after_planning_affect_only_the_changed_files)
{
	struct command command;
	char path[32];

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	for (int i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "in/c%02d.png", i);
		write_script(path, "size 2 2");
	}
	scratch_folder("in/sub");
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out -f jpg --report r");
	/* The walk has not reached in/sub yet, because files come before folders. */
	await_gate("a");
	write_script("in/sub/late.png", "size 2 2");
	write_script("in/sub/late.gif", "size 2 2");
	for (int i = 10; i < 20; i++) {
		snprintf(path, sizeof(path), "in/c%02d.png", i);
		REQUIRE(unlink(path) == 0);
	}
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 1);
	EXPECT(strstr(records("r"), "'class':'collision',"), "%s", records("r"));
	EXPECT(strstr(records("r"), "'class':'vanished',"), "%s", records("r"));
	/* Of the two late files, one is made. The other one would have the same output. */
	EXPECT(strstr(records("r"), "'ok':12,'skipped':0,'failed':11,'cancelled':0,"),
	       "%s", records("r"));
	fixture_leave();
}

/* The plan has found no image, so the output folder was not opened. */
static void expect_late_image_is_left_out(const char *options)
{
	struct command command;
	struct ended ended;
	int gate;

	fixture_enter();
	scratch_folder("in");
	REQUIRE(mkfifo("planned.gate", 0666) == 0);
	command = begin("pixpool-scripted resize -s 8 -j 1 in %s", options);
	gate = open("planned.gate", O_WRONLY);
	REQUIRE(gate >= 0);
	write_script("in/late.png", "size 2 2");
	close(gate);
	ended = end(&command);
	EXPECT_EQ(ended.status, 3);
	EXPECT(strstr(ended.err, "no images found in in"), "%s", ended.err);
	/* A run that begins later finds the image. */
	EXPECT_EQ(run("pixpool-scripted resize -s 8 -j 1 in %s", options).status, 0);
	fixture_leave();
}

TEST(run, an_image_that_appears_after_a_plan_without_images_is_left_to_the_next_run)
{
	expect_late_image_is_left_out("-o out");
	expect_late_image_is_left_out("--in-place --backup .orig");
}

/* The plan has counted the images of the folder in/sub, but the batch does not remember their
 * names. */
TEST(run, images_of_a_folder_that_is_moved_away_after_planning_make_the_status_1)
{
	struct command command;
	struct ended ended;
	char path[32];

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	for (int i = 0; i < 20; i++) { /* more files than the feeder opens in advance */
		snprintf(path, sizeof(path), "in/c%02d.png", i);
		write_script(path, "size 2 2");
	}
	write_script("in/sub/b.png", "size 2 2");
	write_script("in/sub/c.png", "size 2 2");
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out --report r");
	/* The walk has not reached in/sub yet, because files come before folders. */
	await_gate("a");
	REQUIRE(rename("in/sub", "elsewhere") == 0);
	let_pass("in/a.png");
	ended = end(&command);
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err,
	              "2 images were deleted or moved before they were processed"),
	       "%s", ended.err);
	EXPECT(strstr(records("r"), "'ok':21,'skipped':0,'failed':0,'cancelled':2,"),
	       "%s", records("r"));
	fixture_leave();
}

/* ---- the largest images are fed first ---- */

/* Write a script, and append zeros up to a length of SMALL_FILE_BYTES + n bytes. */
static void write_large_script(const char *path, const char *commands, long n)
{
	write_script(path, commands);
	REQUIRE(truncate(path, SMALL_FILE_BYTES + n) == 0);
}

TEST(run, several_workers_begin_with_the_largest_images)
{
	struct command command;

	fixture_enter();
	write_large_script("in/a.png", "gate a\nsize 2 2", 1);
	write_large_script("in/b.png", "gate b\nsize 2 2", 2);
	write_large_script("in/sub/c.png", "gate c\nsize 2 2", 4);
	write_large_script("in/sub/d.png", "gate d\nsize 2 2", 3);
	command = begin("pixpool-scripted resize -s 8 -j 2 in -o out");
	await_gate("c");
	await_gate("d");
	EXPECT_EQ(count_processes("gate-a") + count_processes("gate-b"), 0);
	let_pass("in/a.png");
	let_pass("in/b.png");
	let_pass("in/sub/c.png");
	let_pass("in/sub/d.png");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.png png 2x2\nsub/\nsub/c.png png 2x2\n"
	                        "sub/d.png png 2x2\n");
	fixture_leave();
}

TEST(run, the_plan_and_a_run_with_one_worker_take_images_in_the_order_of_the_walk)
{
	fixture_enter();
	write_large_script("in/a.png", "size 2 2", 1);
	write_large_script("in/b.png", "size 2 2", 2);
	EXPECT_STR(
		run("pixpool-scripted resize -s 8 -j 2 in -o out -n").out,
		"make in/a.png -> out/a.png (new)\nmake in/b.png -> out/b.png (new)\n");
	EXPECT_STR(run("pixpool-scripted resize -s 8 -j 1 in -o out --report - | "
	               "grep -o '^{.input.:.......'")
	                   .out,
	           "{\"input\":\"in/a.p\n{\"input\":\"in/b.p\n");
	fixture_leave();
}

/* There are more large images than the plan keeps. All images are hard links to two files. The
 * INPUTs contain each image twice, and one image three times. */
TEST(run, each_of_many_large_images_is_processed_once)
{
	fixture_enter();
	write_large_script("in/0.png", "size 2 2", 1);
	write_large_script("in/sub/0.png", "size 2 2", 2);
	run("for i in $(seq 799); do ln in/0.png in/$i.png && "
	    "ln in/sub/0.png in/sub/$i.png; done");
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 -j 2 in ./in in/7.png -o out --no-fsync "
	            "--report r -Q")
			.status,
		0);
	EXPECT_STR(run("find out -name '*.png' | wc -l").out, "1600\n");
	EXPECT_STR(run("grep -o '^{.input.:[^,]*' r | sort -u | wc -l").out, "1600\n");
	EXPECT(strstr(run("tail -n 1 r").out,
	              "{\"summary\":{\"inputs\":1600,\"ok\":1600,"));
#ifdef PIXPOOL_STATE
	/* A second run finds all images up to date. */
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 -j 2 in ./in in/7.png -o out --no-fsync "
	            "--report r -Q")
			.status,
		0);
	EXPECT(strstr(run("tail -n 1 r").out,
	              "{\"summary\":{\"inputs\":1600,\"ok\":0,\"skipped\":1600,"));
#endif
	fixture_leave();
}

/* The gates hold both workers. Meanwhile the test changes images that are in the plan, but that no
 * worker has got yet. */
TEST(run, large_images_that_change_after_planning_are_processed_once)
{
	struct command command;
	struct ended ended;
	char path[32];

	fixture_enter();
	write_large_script("in/y.png", "gate y\nsize 2 2", 1000);
	write_large_script("in/z.png", "gate z\nsize 2 2", 1001);
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "in/sub/c%02d.png", i);
		write_large_script(path, "size 2 2", 100 - i);
	}
	write_script("in/small.png", "size 2 2");
	command = begin("pixpool-scripted resize -s 8 -j 2 in -o out --report r");
	await_gate("y");
	await_gate("z");
	REQUIRE(truncate("in/sub/c36.png", 100) == 0);
	REQUIRE(truncate("in/sub/c37.png", SMALL_FILE_BYTES + 5000) == 0);
	REQUIRE(unlink("in/sub/c38.png") == 0);
	REQUIRE(rename("in/sub/c39.png", "in/sub/e.png") == 0);
	REQUIRE(truncate("in/small.png", SMALL_FILE_BYTES + 5000) == 0);
	let_pass("in/y.png");
	let_pass("in/z.png");
	ended = end(&command);
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err, "1 image was deleted or moved before it was processed"),
	       "%s", ended.err);
	EXPECT(strstr(records("r"), "'ok':42,'skipped':0,'failed':0,'cancelled':1,"),
	       "%s", records("r"));
	EXPECT_STR(run("ls out out/sub | grep -c png").out, "42\n");
	EXPECT_STR(run("grep -o '^{.input.:[^,]*' r | sort | uniq -d").out, "");
	fixture_leave();
}

TEST(run, the_output_bytes_of_a_task_are_counted_until_its_last_output_is_released)
{
	const struct batch_options options = {.decodes_only = true};
	struct batch batch;
	struct content *first, *second;
	int fd = memfd_create("outputs", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && ftruncate(fd, 3000) == 0);
	REQUIRE(batch_init(&batch, &options, NULL));
	first = second = content_create(&batch, fd);
	REQUIRE(first != NULL);
	atomic_fetch_add(&first->n_users, 1);
	EXPECT_EQ(batch.n_content_bytes, 3000);
	content_release(&first);
	EXPECT_EQ(batch.n_content_bytes, 3000);
	content_release(&second);
	EXPECT_EQ(batch.n_content_bytes, 0);
	batch_fini(&batch);
}

/* ---- states ---- */

static bool may_go(enum batch_state from, enum batch_state to)
{
	const struct batch_options options = {.decodes_only = true};
	struct batch batch;
	bool is_legal;

	REQUIRE(batch_init(&batch, &options, NULL));
	batch.state = from;
	is_legal = batch_enter(&batch, to);
	EXPECT_EQ(batch.state, is_legal ? to : from);
	batch_fini(&batch);
	return is_legal;
}

/* The feeder thread may notice a stop and finish before the main thread decides whether the plan is
 * accepted. */
TEST(run, a_batch_can_begin_to_feed_only_in_the_state_planned)
{
	for (int from = 0; from < N_BATCH_STATES; from++)
		EXPECT_EQ(may_go((enum batch_state)from, BATCH_FEEDING),
		          from == BATCH_PLANNED);
}

TEST(run, a_batch_never_returns_to_an_earlier_state)
{
	for (int from = 0; from < N_BATCH_STATES; from++) {
		for (int to = 0; to <= from; to++)
			EXPECT(!may_go((enum batch_state)from, (enum batch_state)to),
			       "from %d to %d", from, to);
	}
}

TEST(run, a_batch_can_drain_or_be_killed_in_every_earlier_state)
{
	for (int from = 0; from < BATCH_DRAINING; from++)
		EXPECT(may_go((enum batch_state)from, BATCH_DRAINING));
	for (int from = 0; from < BATCH_KILLED; from++)
		EXPECT(may_go((enum batch_state)from, BATCH_KILLED));
	for (int from = 0; from < N_BATCH_STATES; from++)
		EXPECT_EQ(may_go((enum batch_state)from, BATCH_ENDED),
		          from == BATCH_FED || from == BATCH_DRAINING ||
		                  from == BATCH_KILLED);
}
