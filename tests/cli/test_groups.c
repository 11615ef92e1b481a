/*
 * Tests of small images that share a task. SCRIPT_GROUP sets how many images share a task. Without
 * it the program decides this by the time that images take. The images of a task are processed in
 * the order of their names.
 */
#include "cli_fixture.h"

#include <pixpool/pixpool.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The beginning of every command line of these tests: one worker, and one task for all images. A
 * test may append more options. */
#define RUN "env SCRIPT_GROUP=8 pixpool-scripted resize -s 8 -j 1 in -o out --report r"

enum { N_IMAGES = 8 };

/* Make eight images, in/a.png to in/h.png. The image called `name` contains `script`, which the
 * scripted engine obeys; all others contain the same short script. */
static void make_images(char name, const char *script)
{
	char path[32];

	for (char c = 'a'; c < 'a' + N_IMAGES; c++) {
		snprintf(path, sizeof(path), "in/%c.png", c);
		write_script(path, c == name ? script : "size 2 2");
	}
}

static void expect_record(const char *want)
{
	EXPECT(strstr(records("r"), want), "%s\nis not in\n%s", want, records("r"));
}

/* Check that all images except one are done: the record of each has one attempt, and its output
 * exists. */
static void expect_others_done(char name)
{
	char want[128], expected[256] = "";
	size_t n = 0;

	for (char c = 'a'; c < 'a' + N_IMAGES; c++) {
		if (c == name)
			continue;
		snprintf(want, sizeof(want),
		         "{'input':'in/%c.png','output':'out/%c.png','status':'ok',", c,
		         c);
		expect_record(want);
		n += (size_t)snprintf(expected + n, sizeof(expected) - n,
		                      "%c.png png 2x2\n", c);
	}
	EXPECT_STR(tree("out"), expected);
	EXPECT_EQ(atoi(run("grep -c '\"ok\".*\"attempts\":1,' r").out), N_IMAGES - 1);
}

/* The letters in the names of three images: the first, one in the middle, and the last. */
static const char *const positions = "adh";

TEST(groups, all_outputs_of_images_that_share_a_task_are_published)
{
	char path[32], script[32], expected[1024] = "";
	size_t n = 0;

	fixture_enter();
	for (int i = 10; i < 40; i++) { /* each output has a size of its own */
		snprintf(path, sizeof(path), "in/%d.png", i);
		snprintf(script, sizeof(script), "size %d 2", i);
		write_script(path, script);
		n += (size_t)snprintf(expected + n, sizeof(expected) - n,
		                      "%d.png png %dx2\n", i, i);
	}
	EXPECT_EQ(run(RUN).status, 0);
	EXPECT_STR(tree("out"), expected);
	fixture_leave();
}

TEST(groups, an_image_that_fails_in_a_shared_task_fails_alone)
{
	for (const char *c = positions; *c; c++) {
		fixture_enter();
		make_images(*c, "write 3000\nfail bad-image");
		EXPECT_EQ(run(RUN).status, 1);
		expect_record("'status':'failed','class':'bad-image',");
		expect_others_done(*c);
		fixture_leave();
	}
}

TEST(groups, a_crash_in_a_shared_task_fails_only_its_own_image)
{
	for (const char *c = positions; *c; c++) {
		fixture_enter();
		make_images(*c, "signal SIGSEGV");
		EXPECT_EQ(run(RUN).status, 1);
		expect_record("'class':'crashed','message':'worker died of SIGSEGV while "
		              "decoding");
		expect_record("'signal':11,'attempts':2}\n");
		expect_others_done(*c);
		fixture_leave();
	}
}

TEST(groups, a_crash_in_a_shared_task_is_not_retried_if_the_option_retries_is_0)
{
	fixture_enter();
	make_images('d', "signal SIGSEGV");
	EXPECT_EQ(run(RUN " --retries 0").status, 1);
	expect_record("'signal':11,'attempts':1}\n");
	expect_others_done('d');
	fixture_leave();
}

TEST(groups, a_worker_killed_in_a_shared_task_costs_its_image_one_attempt)
{
	struct command command;

	fixture_enter();
	make_images('d', "gate d\nsize 2 2");
	command = begin(RUN);
	kill(await_gate("d"), SIGKILL);
	let_pass("in/d.png");
	EXPECT_EQ(end(&command).status, 0);
	expect_record("{'input':'in/d.png','output':'out/d.png','status':'ok',");
	EXPECT_EQ(atoi(run("grep -c '\"attempts\":2,' r").out), 1);
	fixture_leave();
}

TEST(groups, an_image_that_hangs_in_a_shared_task_is_stopped_alone)
{
	for (const char *c = positions; *c; c++) {
		fixture_enter();
		make_images(*c, "hang asleep");
		EXPECT_EQ(run(RUN " --timeout 1").status, 1);
		expect_record("'class':'timeout',");
		expect_others_done(*c);
		fixture_leave();
	}
}

/* The first image is reported while the only worker waits at the gate of the second image. So the
 * task of the first image has ended already. */
TEST(groups, a_task_that_has_taken_long_begins_no_other_image)
{
	struct command command;

	fixture_enter();
	make_images('b', "gate b\nsize 2 2");
	command = begin("env SCRIPT_LONG=1 " RUN);
	await_gate("b");
	await_error(&command, "[1/8] ");
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_EQ(atoi(run("grep -c '\"ok\".*\"attempts\":1,' r").out), N_IMAGES);
	fixture_leave();
}

TEST(groups, a_slow_image_of_a_shared_task_delays_no_other_image)
{
	struct command command;

	fixture_enter();
	make_images('d', "gate d\nsize 2 2");
	command = begin("env SCRIPT_GROUP=8 pixpool-scripted resize -s 8 -j 2 in -o out");
	await_gate("d");
	await_error(&command, "[7/8] ");
	let_pass("in/d.png");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_EQ(atoi(run("ls out | wc -l").out), N_IMAGES);
	fixture_leave();
}

static void expect_stop_after(int signal_number)
{
	struct command command;

	fixture_enter();
	make_images('d', "gate d\nsize 2 2");
	command = begin(RUN);
	await_gate("d");
	kill(command.pid, signal_number);
	await_error(&command, "finishing running images");
	let_pass("in/d.png");
	EXPECT_EQ(end(&command).status, 128 + signal_number);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.png png 2x2\nc.png png 2x2\nd.png png "
	                        "2x2\n");
	expect_record("'ok':4,'skipped':0,'failed':0,'cancelled':4,");
	EXPECT(!strstr(records("r"), "'status':'cancelled'"), "%s", records("r"));
	fixture_leave();
}

TEST(groups, a_run_that_is_stopped_begins_no_other_image_of_a_shared_task)
{
	expect_stop_after(SIGINT);
	expect_stop_after(SIGTERM);
}

static unsigned count_threads(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	folder = opendir(path);
	while (folder && readdir(folder))
		n++;
	if (folder)
		closedir(folder);
	return n;
}

/* The feeder waits at a gate after it has submitted the task. Open this gate, and wait until the
 * feeder has ended. The caller must have interrupted the run. */
static void let_feeder_end(pid_t pid)
{
	const unsigned n_before = count_threads(pid);
	const int gate = open("submit.gate", O_WRONLY);

	REQUIRE(gate >= 0);
	close(gate);
	for (int i = 0; i < 10000 && count_threads(pid) >= n_before; i++)
		poll(NULL, 0, 1);
	REQUIRE(count_threads(pid) < n_before, "the feeder has not ended");
}

TEST(groups, a_task_that_is_submitted_while_the_run_is_stopped_begins_no_other_image)
{
	struct command command;

	fixture_enter();
	make_images('b', "gate b\nsize 2 2");
	REQUIRE(mkfifo("submit.gate", 0666) == 0);
	command = begin(RUN);
	await_gate("b");
	kill(command.pid, SIGINT);
	await_error(&command, "finishing running images");
	let_feeder_end(command.pid);
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.png png 2x2\n");
	expect_record("'ok':2,'skipped':0,'failed':0,'cancelled':6,");
	fixture_leave();
}

TEST(groups, only_begun_images_of_a_killed_task_have_a_record)
{
	struct command command;

	fixture_enter();
	make_images('a', "gate a\nsize 2 2");
	command = begin(RUN);
	await_gate("a");
	kill(command.pid, SIGINT);
	await_error(&command, "finishing running images");
	kill(command.pid, SIGINT);
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	EXPECT_EQ(atoi(run("grep -c '\"status\":\"cancelled\"' r").out), 1);
	expect_record("{'input':'in/a.png','status':'cancelled'");
	fixture_leave();
}

TEST(groups, an_image_that_needs_more_memory_than_its_worker_has_gets_a_task_of_its_own)
{
	if (!pxp_memory_is_limited())
		SKIP("a sanitizer build cannot run under RLIMIT_DATA");
	for (const char *c = positions; *c; c++) {
		fixture_enter();
		make_images(*c, "allocate 150000000\nsize 2 2");
		EXPECT_EQ(run(RUN " --memory 512M").status, 0);
		EXPECT_EQ(atoi(run("ls out | wc -l").out), N_IMAGES);
		fixture_leave();
	}
}

/* The attack "write" leaves a gap of 3 MB before an output in the memfd. The test lets the first
 * image of the task make this attack, because only a gap before the first output is never valid. A
 * gap before a later output is valid if an earlier image was taken out of the task because it was
 * slow. */
TEST(groups, a_worker_that_forges_the_answers_of_a_shared_task_affects_one_image)
{
	static const struct {
		char name;
		const char *script;
	} attacks[] = {
		{'a', "write 3000000"}, {'d', "answer twice"}, {'d', "answer wrong"},
		{'d', "answer short"},  {'d', "send fds"},     {'d', "answer cancel"},
	};

	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		fixture_enter();
		make_images(attacks[i].name, attacks[i].script);
		EXPECT_EQ(run(RUN).status, 1);
		expect_record("'status':'failed','class':'violation',");
		expect_others_done(attacks[i].name);
		fixture_leave();
	}
}

/* The image d waits at its gate until the other images are done. By then the task was split, and
 * the worker was asked to end it. So the worker's claim that the task was cancelled is accepted,
 * and the image d gets a task of its own. No worker is asked to end the new task, so the same claim
 * is refused. */
TEST(groups,
     a_claim_that_a_task_was_cancelled_is_accepted_only_if_its_worker_was_asked_to_end_it)
{
	struct command command;

	fixture_enter();
	make_images('d', "gate d\nanswer cancel");
	command = begin("env SCRIPT_GROUP=8 pixpool-scripted resize -s 8 -j 2 in -o out "
	                "--report r");
	await_gate("d");
	await_error(&command, "[7/8] ");
	let_pass("in/d.png");
	EXPECT_EQ(end(&command).status, 1);
	expect_record("{'input':'in/d.png','status':'failed','class':'violation',");
	expect_others_done('d');
	fixture_leave();
}

TEST(groups, images_that_share_a_task_are_replaced_in_place)
{
	fixture_enter();
	make_images('d', "fail bad-image");
	EXPECT_EQ(run("env SCRIPT_GROUP=8 pixpool-scripted resize -s 8 -j 1 in "
	              "--in-place --backup .orig --report r")
	                  .status,
	          1);
	expect_record("'ok':7,'skipped':0,'failed':1,");
	EXPECT_EQ(atoi(run("ls in/*.orig | wc -l").out), N_IMAGES - 1);
	fixture_leave();
}

TEST(groups, images_that_share_a_task_are_verified)
{
	fixture_enter();
	make_images('d', "signal SIGSEGV");
	EXPECT_EQ(run("env SCRIPT_GROUP=8 pixpool-scripted verify -j 1 in --report r")
	                  .status,
	          1);
	expect_record("'ok':7,'skipped':0,'failed':1,");
	fixture_leave();
}
