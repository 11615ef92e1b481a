/*
 * Tests of signals. The only worker waits at the gate of one image and the other images are queued,
 * so every run finishes that one image and cancels the others.
 */
#include "cli_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_QUEUED = 30 };

/* Start a batch in which one image is done, one waits at its gate and the others are queued. */
static struct command begin_with_a_gate(const char *options)
{
	struct command command;
	char path[32];

	write_script("in/a.png", "size 2 2");
	write_script("in/b.png", "gate b\nsize 2 2");
	for (int i = 0; i < N_QUEUED; i++) {
		snprintf(path, sizeof(path), "in/queued%02d.png", i);
		write_script(path, "size 2 2");
	}
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out --report r %s",
	                options);
	await_gate("b");
	await_error(&command, "[1/32] in/a.png");
	return command;
}

static void expect_summary(int ok, int failed, int cancelled, int status)
{
	const char *text = records("r");
	char want[160], exits[32];

	snprintf(want, sizeof(want),
	         "\n{'summary':{'inputs':%d,'ok':%d,'skipped':0,'failed':%d,'cancelled':"
	         "%d,",
	         N_QUEUED + 2, ok, failed, cancelled);
	snprintf(exits, sizeof(exits), "'exit':%d,", status);
	EXPECT(strstr(text, want), "%s", text);
	EXPECT(strstr(text, exits), "%s", text);
}

static void expect_drained(int number, const char *word)
{
	struct command command;
	struct ended ended;
	char says[128];

	fixture_enter();
	command = begin_with_a_gate("");
	kill(command.pid, number);
	snprintf(says, sizeof(says),
	         "pixpool: %s: finishing running images; interrupt again to kill them\n",
	         word);
	await_error(&command, says);
	let_pass("in/b.png");
	ended = end(&command);
	EXPECT_EQ(ended.status, 128 + number);
	EXPECT_EQ(ended.signal, number);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.png png 2x2\n");
	expect_summary(2, 0, N_QUEUED, 128 + number);
	EXPECT(strstr(ended.err,
	              "\n30 not started; run the same command again to continue\n"),
	       "%s", ended.err);
	fixture_leave();
}

TEST(signals, the_first_interrupt_lets_running_images_finish)
{
	expect_drained(SIGINT, "interrupted");
}

TEST(signals, sigterm_acts_like_an_interrupt_but_has_its_own_exit_status)
{
	expect_drained(SIGTERM, "terminated");
}

TEST(signals, sighup_acts_like_an_interrupt_but_has_its_own_exit_status)
{
	expect_drained(SIGHUP, "hung up");
}

static void send_to_process(pid_t pid, void *data)
{
	kill(pid, *(const int *)data);
}

/* The signal goes to every process, as systemd, killall and batch systems send it. */
static void expect_drained_by_signal_to_all(int number, const char *word)
{
	struct command command;
	struct ended ended;

	fixture_enter();
	command = begin_with_a_gate("");
	each_process(send_to_process, &number);
	await_error(&command, word);
	let_pass("in/b.png");
	ended = end(&command);
	EXPECT_EQ(ended.signal, number);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.png png 2x2\n");
	expect_summary(2, 0, N_QUEUED, 128 + number);
	fixture_leave();
}

TEST(signals, a_signal_to_all_processes_of_the_run_lets_running_images_finish)
{
	expect_drained_by_signal_to_all(SIGTERM, "terminated");
	expect_drained_by_signal_to_all(SIGHUP, "hung up");
	expect_drained_by_signal_to_all(SIGINT, "interrupted");
}

/* bash continues a loop after a command that exits, and stops after one that dies of the signal. */
TEST(signals, an_interrupt_stops_a_shell_loop_around_the_command)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	command = begin(
		"bash -c 'for i in 1 2 3; do "
		"pixpool-scripted resize -s 8 in -o out$i; echo $i >> loops; done'");
	await_gate("a");
	/* Send the signal to the whole process group, as a terminal does. */
	kill(-command.pid, SIGINT);
	await_error(&command, "interrupted");
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	EXPECT(access("loops", F_OK) != 0);
	EXPECT(access("out2", F_OK) != 0);
	fixture_leave();
}

TEST(signals, a_cancelled_image_has_a_record_only_if_a_worker_had_begun_it)
{
	struct command command;
	struct ended ended;

	fixture_enter();
	command = begin_with_a_gate("");
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted");
	kill(command.pid, SIGINT);
	ended = end(&command);
	EXPECT(!strstr(ended.err, "queued"), "an image that was not begun is shown");
	EXPECT(strstr(ended.err, "\n30 not started, 1 cancelled; run the same command "
	                         "again to continue\n"),
	       "%s", ended.err);
	expect_summary(1, 0, N_QUEUED + 1, 128 + SIGINT);
	EXPECT(!strstr(records("r"), "queued"), "%s", records("r"));
	EXPECT(strstr(records("r"), "{'input':'in/b.png','status':'cancelled'}\n"), "%s",
	       records("r"));
	fixture_leave();
}

TEST(signals, the_second_interrupt_kills_running_images)
{
	struct command command;
	struct ended ended;

	fixture_enter();
	command = begin_with_a_gate("");
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	kill(command.pid, SIGINT);
	await_error(&command, "pixpool: killed\n");
	ended = end(&command);
	EXPECT_EQ(ended.status, 128 + SIGINT);
	EXPECT_EQ(ended.signal, SIGINT);
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	expect_summary(1, 0, N_QUEUED + 1, 128 + SIGINT);
	fixture_leave();
}

/* The broken image is listed on a pipe without a reader. This ends the batch. */
TEST(signals, the_first_interrupt_after_a_closed_pipe_lets_running_images_finish)
{
	struct command command;
	struct ended ended;
	int reader;

	fixture_enter();
	write_script("in/a.png", "gate a\nfail bad-image");
	write_script("in/b.png", "gate b\nsize 2 2");
	REQUIRE(mkfifo("list", 0600) == 0);
	reader = open("list", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	command = begin("pixpool-scripted verify in -j 2 --report r > list");
	await_gate("a");
	await_gate("b");
	REQUIRE(close(reader) == 0);
	let_pass("in/a.png");
	await_error(&command, "in/a.png");
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	let_pass("in/b.png");
	ended = end(&command);
	EXPECT_EQ(ended.status, 128 + SIGPIPE);
	EXPECT(!strstr(ended.err, "killed\n"), "%s", ended.err);
	EXPECT(strstr(records("r"), "{'input':'in/b.png','status':'ok'"), "%s",
	       records("r"));
	fixture_leave();
}

TEST(signals, a_second_signal_of_another_kind_kills_a_hanging_worker)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a\nhang busy");
	command = begin("pixpool-scripted resize -s 8 in -o out --report r");
	await_gate("a");
	let_pass("in/a.png");
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	kill(command.pid, SIGTERM);
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	EXPECT_STR(tree("out"), "");
	fixture_leave();
}

/* SIGKILL to a worker is not tested here: it counts as a crash, and test_faults.c tests crashes. */
TEST(signals, sigterm_to_a_single_worker_stops_neither_its_image_nor_the_run)
{
	struct command command;

	fixture_enter();
	command = begin_with_a_gate("--retries 0");
	kill(await_gate("b"), SIGTERM);
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 0);
	expect_summary(N_QUEUED + 2, 0, 0, 0);
	fixture_leave();
}

TEST(signals, workers_ignore_an_interrupt)
{
	struct command command;

	fixture_enter();
	command = begin_with_a_gate("");
	kill(await_gate("b"), SIGINT);
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 0);
	expect_summary(N_QUEUED + 2, 0, 0, 0);
	fixture_leave();
}

TEST(signals, an_ignored_signal_stays_ignored)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	command = begin(
		"sh -c 'trap \"\" HUP INT; exec pixpool-scripted resize -s 8 in -o "
		"out --report r'");
	await_gate("a");
	kill(command.pid, SIGHUP);
	kill(command.pid, SIGINT);
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	fixture_leave();
}

TEST(signals, an_interrupt_before_any_image_is_done_still_closes_the_report)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a\nfail io");
	command = begin("pixpool-scripted resize -s 8 in -o out --report r");
	await_gate("a");
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 130);
	EXPECT(strstr(records("r"),
	              "{'input':'in/a.png','status':'failed','class':'io',"));
	EXPECT(strstr(records("r"), "{'summary':{'inputs':1,'ok':0,'skipped':0,'failed':1"
	                            ",'cancelled':0,"));
	fixture_leave();
}

/* The signal is blocked when it arrives, so it is still pending when the batch starts. */
TEST(signals, an_interrupt_before_the_plan_is_made_writes_nothing)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("env --block-signal=INT sh -c 'kill -INT $$; "
	              "exec pixpool resize -s 8 in -o out --report r'")
	                  .status,
	          130);
	EXPECT_STR(tree("."), ".tmp/\nin/\nin/a.jpg jpeg 640x427\nr unknown\n");
	EXPECT(strstr(records("r"), "'ok':0,'skipped':0,'failed':0,'cancelled':"));
	EXPECT(strstr(records("r"), "'exit':130,"));
	fixture_leave();
}

/* ---- suspended programs ---- */

static void stop_it(pid_t pid, void *data)
{
	(void)data;
	kill(pid, SIGSTOP);
}

TEST(signals, a_suspended_batch_can_be_continued)
{
	struct command command;

	fixture_enter();
	command = begin_with_a_gate("");
	kill(command.pid, SIGSTOP);
	await_state(command.pid, "T");
	let_pass("in/b.png");
	kill(command.pid, SIGCONT);
	EXPECT_EQ(end(&command).status, 0);
	expect_summary(N_QUEUED + 2, 0, 0, 0);
	fixture_leave();
}

/* All processes stop for longer than the deadline, as when a container is paused or a machine
 * sleeps. */
TEST(signals, suspended_time_does_not_count_for_deadlines)
{
	struct command command;

	fixture_enter();
	command = begin_with_a_gate("--timeout 2");
	each_process(stop_it, NULL);
	await_state(command.pid, "T");
	poll(NULL, 0, 2500);
	let_pass("in/b.png");
	kill(await_gate("b"), SIGCONT);
	kill(await_process("pxp-fork-server"), SIGCONT);
	kill(await_process("pxp-zygote"), SIGCONT);
	kill(command.pid, SIGCONT);
	EXPECT_EQ(end(&command).status, 0);
	expect_summary(N_QUEUED + 2, 0, 0, 0);
	fixture_leave();
}

TEST(signals, ctrl_z_suspends_the_workers_too_and_fg_continues_them)
{
	struct command command;
	pid_t worker;

	fixture_enter();
	command = begin_with_a_gate("--timeout 2");
	worker = await_gate("b");
	kill(command.pid, SIGTSTP);
	await_state(command.pid, "T");
	await_state(worker, "T");
	poll(NULL, 0, 2500); /* wait for longer than the deadline */
	let_pass("in/b.png");
	kill(command.pid, SIGCONT);
	EXPECT_EQ(end(&command).status, 0);
	expect_summary(N_QUEUED + 2, 0, 0, 0);
	fixture_leave();
}

TEST(signals, a_batch_can_be_suspended_again_and_then_interrupted)
{
	struct command command;
	pid_t worker;

	fixture_enter();
	command = begin_with_a_gate("");
	worker = await_gate("b");
	for (int i = 0; i < 3; i++) {
		kill(command.pid, SIGTSTP);
		await_state(command.pid, "T");
		await_state(worker, "T");
		kill(command.pid, SIGCONT);
		await_state(command.pid, "SRD");
		await_state(worker, "SRD");
	}
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 130);
	fixture_leave();
}

TEST(signals, a_batch_killed_while_suspended_leaves_no_process_or_temporary_file)
{
	struct command command;

	fixture_enter();
	command = begin_with_a_gate("");
	kill(command.pid, SIGTSTP);
	await_state(command.pid, "T");
	await_state(await_gate("b"), "T");
	kill(command.pid, SIGKILL);
	EXPECT_EQ(end(&command).status, 128 + SIGKILL);
	fixture_leave();
}
