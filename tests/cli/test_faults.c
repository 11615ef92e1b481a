/* Tests of workers that die, hang or print: only their own image fails, and the batch continues. */
#include "cli_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { N_GOOD = 20 };

static void make_good_ones(void)
{
	char path[32];

	for (int i = 0; i < N_GOOD; i++) {
		snprintf(path, sizeof(path), "in/good%02d.png", i);
		write_script(path, "size 2 2");
	}
}

/* Check that all valid images are done, and that the records and the exit status agree on the
 * number of failures. */
static void expect_rest_whole(int n_failed)
{
	const char *text = records("r");
	char want[128];
	int n_out = 0;

	snprintf(want, sizeof(want),
	         "{'summary':{'inputs':%d,'ok':%d,'skipped':0,'failed':%d,'cancelled':0,",
	         N_GOOD + n_failed, N_GOOD, n_failed);
	EXPECT(strstr(text, want), "%s", text);
	EXPECT(strstr(text, n_failed ? "'exit':1," : "'exit':0,"));
	for (const char *c = tree("out"); (c = strstr(c, "png png 2x2\n")); c++)
		n_out++;
	EXPECT_EQ(n_out, N_GOOD);
}

static void expect_record(const char *want)
{
	EXPECT(strstr(records("r"), want), "%s\nis not in\n%s", want, records("r"));
}

TEST(faults, two_images_that_crash_their_workers_fail_and_all_others_succeed)
{
	struct command command;
	struct ended ended;

	fixture_enter();
	write_script("in/a.png", "gate a\nsignal SIGSEGV");
	write_script("in/b.png", "gate b");
	make_good_ones();
	command = begin(
		"pixpool-scripted resize -s 8 -j 2 --retries 0 in -o out --report r");
	await_gate("a");
	kill(await_gate("b"), SIGKILL);
	let_pass("in/a.png");
	ended = end(&command);
	EXPECT_EQ(ended.status, 1);
	expect_record("{'input':'in/a.png','status':'failed','class':'crashed','message':"
	              "'worker died of SIGSEGV");
	expect_record("','signal':11,'attempts':1}\n");
	expect_record("{'input':'in/b.png','status':'failed','class':'crashed','message':"
	              "'worker died of SIGKILL");
	expect_record("','signal':9,'attempts':1}\n");
	EXPECT(strstr(ended.err,
	              "in/a.png: failed: crashed its decoder: worker died of SIGSEGV"));
	expect_rest_whole(2);
	fixture_leave();
}

TEST(faults, a_crash_is_retried_once_by_default)
{
	fixture_enter();
	write_script("in/a.png", "signal SIGABRT");
	make_good_ones();
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --report r").status, 1);
	expect_record("'signal':6,'attempts':2}\n");
	expect_rest_whole(1);
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 in/a.png -o out --retries 3 --report r")
			.status,
		1);
	expect_record("'signal':6,'attempts':4}\n");
	fixture_leave();
}

TEST(faults, an_image_that_succeeds_at_the_second_attempt_is_done)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	command = begin("pixpool-scripted resize -s 8 in -o out --report r");
	kill(await_gate("a"), SIGKILL);
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 0);
	expect_record("{'input':'in/a.png','output':'out/a.png','status':'ok',");
	expect_record(",'attempts':2,'worker':#}\n");
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	fixture_leave();
}

TEST(faults, a_batch_survives_many_crashes)
{
	char path[32];

	fixture_enter();
	for (int i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "in/crash%02d.png", i);
		write_script(path, "signal SIGBUS");
	}
	make_good_ones();
	EXPECT_EQ(run("pixpool-scripted resize -s 8 -j 2 in -o out --report r").status,
	          1);
	expect_rest_whole(30);
	fixture_leave();
}

TEST(faults, an_exit_of_a_worker_counts_as_a_crash)
{
	fixture_enter();
	write_script("in/a.png", "exit 0");
	write_script("in/b.png", "exit 7");
	make_good_ones();
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --report r").status, 1);
	expect_record("{'input':'in/a.png','status':'failed','class':'crashed',");
	expect_record("{'input':'in/b.png','status':'failed','class':'crashed',"
	              "'message':'worker exited with status 7");
	expect_rest_whole(2);
	fixture_leave();
}

TEST(faults, an_image_that_hangs_is_stopped_at_its_deadline)
{
	fixture_enter();
	write_script("in/asleep.png", "hang asleep");
	write_script("in/busy.png", "hang busy");
	make_good_ones();
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --timeout 1 --report r")
	                  .status,
	          1);
	expect_record("{'input':'in/asleep.png','status':'failed','class':'timeout',");
	expect_record("{'input':'in/busy.png','status':'failed','class':'timeout',");
	EXPECT(!strstr(records("r"), "'signal'"),
	       "a kill by pixpool does not count as a crash");
	EXPECT(!strstr(records("r"), "'attempts':2"),
	       "an image over its deadline is not tried again");
	expect_rest_whole(2);
	fixture_leave();
}

TEST(faults, a_suspended_worker_is_killed_at_its_deadline)
{
	fixture_enter();
	write_script("in/a.png", "signal SIGSTOP");
	make_good_ones();
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --timeout 1 --report r")
	                  .status,
	          1);
	expect_record("{'input':'in/a.png','status':'failed','class':'timeout',");
	expect_rest_whole(1);
	fixture_leave();
}

TEST(faults, only_the_end_of_a_worker_log_of_a_hundred_megabytes_is_kept)
{
	struct ended ended;

	fixture_enter();
	write_script("in/a.png", "stderr 100000000\nsignal SIGSEGV");
	make_good_ones();
	ended = run("pixpool-scripted resize -s 8 in -o out --retries 0 --report r");
	EXPECT_EQ(ended.status, 1);
	expect_record("{'input':'in/a.png','status':'failed','class':'crashed','message':"
	              "'worker died of SIGSEGV");
	expect_record("'message':'worker died of SIGSEGV while decoding: script line ");
	EXPECT_EQ(run("awk '/in.a.png/ && length > 4096 { n++ } END { exit n != 1 }' r")
	                  .status,
	          0);
	EXPECT(strlen(ended.err) < 16 * 1024, "all output of the worker was passed on");
	expect_rest_whole(1);
	fixture_leave();
}

TEST(faults, standard_error_of_a_worker_does_not_reach_the_terminal)
{
	struct ended ended;

	fixture_enter();
	write_script("in/a.png", "stderr 1000");
	make_good_ones();
	ended = run("pixpool-scripted resize -s 8 in -o out --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT(!strstr(ended.err, "script line"), "%s", ended.err);
	fixture_leave();
}

TEST(faults, killing_the_main_process_ends_all_processes_and_leaves_no_temporary_file)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a");
	write_script("in/b.png", "hang busy");
	make_good_ones();
	command = begin("pixpool-scripted resize -s 8 -j 2 in -o out --report r");
	await_gate("a");
	kill(command.pid, SIGKILL);
	/* No further check is needed: end() waits for all processes, and fixture_leave() looks for
	 * temporary files. */
	EXPECT_EQ(end(&command).status, 128 + SIGKILL);
	EXPECT(!strstr(tree("out"), "a.png"));
	fixture_leave();
}

TEST(faults, the_death_of_the_fork_server_ends_the_run_without_a_hang)
{
	struct command command;
	struct ended ended;

	fixture_enter();
	write_script("in/a.png", "gate a");
	make_good_ones();
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out --report r");
	await_gate("a");
	kill(await_process("pxp-fork-server"), SIGKILL);
	ended = end(&command);
	EXPECT_EQ(ended.status, 4);
	EXPECT(strstr(ended.err, "pixpool: stopped: "), "%s", ended.err);
	EXPECT(strstr(records("r"), "{'summary':{'inputs':21,'ok':0,"));
	EXPECT(strstr(records("r"), "'exit':4,"));
	fixture_leave();
}
