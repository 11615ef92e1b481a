/*
 * Tests of runs that end early by --fail-fast, --max-failures and --stop-after. A worker waits at a
 * gate while the run is stopped, so every run finishes and cancels the same images.
 */
#include "cli_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A worker has at most 16 tasks: one that it works on, and N_AHEAD that are sent in advance. */
enum { N_QUEUED = 20, N_AHEAD = 15 };

/* Make n_failing images that fail; the last of them waits at gate a before it fails. Then make the
 * image b, which waits at gate b, and N_QUEUED images that do not wait. */
static void make_inputs(int n_failing)
{
	char path[32];

	fixture_enter();
	for (int i = 0; i < n_failing; i++) {
		snprintf(path, sizeof(path), "in/a%d.png", i);
		write_script(path, i < n_failing - 1 ? "fail bad-image"
		                                     : "gate a\nfail bad-image");
	}
	write_script("in/b.png", "gate b\nsize 2 2");
	for (int i = 0; i < N_QUEUED; i++) {
		snprintf(path, sizeof(path), "in/queued%02d.png", i);
		write_script(path, "size 2 2");
	}
}

/* Run until the message is printed, then open gate b. One worker processes the image b. The
 * other worker, if there is one, has processed the failing images. It may also process images that
 * were sent to it in advance. */
static void expect_stop(int n_failing, const char *options, const char *message)
{
	struct command command = begin(
		"pixpool-scripted resize -s 8 -j %d in -o out --report r %s",
		n_failing > 0 ? 2 : 1, options);
	struct ended ended;
	char last[32], want[96];
	int n_done = 0;

	await_gate("b");
	if (n_failing > 0) {
		await_gate("a");
		snprintf(last, sizeof(last), "in/a%d.png", n_failing - 1);
		let_pass(last);
	}
	await_error(&command, message);
	let_pass("in/b.png");
	ended = end(&command);
	EXPECT_EQ(ended.status, 4);
	for (const char *c = tree("out"); *c; c++)
		n_done += *c == '\n';
	EXPECT(n_done >= 1 && n_done <= 1 + (n_failing > 0 ? N_AHEAD : 0), "%s",
	       ended.err);
	EXPECT(strstr(tree("out"), "b.png png 2x2\n"), "%s", ended.err);
	snprintf(want, sizeof(want),
	         "\n%d not started; run the same command again to continue\n",
	         N_QUEUED + 1 - n_done);
	EXPECT(strstr(ended.err, want), "%s", ended.err);
	snprintf(want, sizeof(want), "'cancelled':%d,", N_QUEUED + 1 - n_done);
	EXPECT(strstr(records("r"), want), "%s", records("r"));
	EXPECT(strstr(records("r"), "'exit':4,"));
}

TEST(stopping, the_option_fail_fast_stops_a_run_at_the_first_failure)
{
	make_inputs(1);
	expect_stop(1, "--fail-fast", "pixpool: stopping after 1 failure\n");
	fixture_leave();
}

/* The worker may have begun some of the 15 images that were sent to it in advance. */
TEST(stopping, the_option_fail_fast_lets_no_image_start_once_a_failure_is_known)
{
	fixture_enter();
	write_script("in/a.png", "fail bad-image");
	write_script("in/b000.png", "size 2 2");
	run("for i in $(seq 999); do ln in/b000.png in/b$i.png; done");
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 -j 1 in -o out --fail-fast -Q").status,
		4);
	EXPECT(atoi(run("ls out | wc -l").out) <= N_AHEAD, "%s images were made",
	       run("ls out | wc -l").out);
	fixture_leave();
}

TEST(stopping, the_option_max_failures_stops_a_run_at_the_given_number_of_failures)
{
	make_inputs(3);
	expect_stop(3, "--max-failures 3", "pixpool: stopping after 3 failures\n");
	fixture_leave();
}

TEST(stopping, fewer_failures_than_max_failures_do_not_stop_a_run)
{
	fixture_enter();
	write_script("in/a.png", "fail bad-image");
	write_script("in/b.png", "size 2 2");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --max-failures 2").status,
	          1);
	EXPECT_STR(tree("out"), "b.png png 2x2\n");
	fixture_leave();
}

TEST(stopping, a_failure_of_the_last_image_does_not_count_as_an_early_stop)
{
	fixture_enter();
	write_script("in/a.png", "size 2 2");
	write_script("in/b.png", "fail bad-image");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 -j 1 in -o out --fail-fast").status,
	          1);
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	fixture_leave();
}

TEST(stopping, a_known_failure_does_not_stop_a_run_with_the_option_accept_known)
{
#ifdef PIXPOOL_STATE
	fixture_enter();
	write_script("in/a.png", "fail bad-image");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out").status, 1);
	write_script("in/b.png", "size 2 2");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --fail-fast --accept-known")
	                  .status,
	          0);
	EXPECT_STR(tree("out"), "b.png png 2x2\n");
	fixture_leave();
#else
	scratch_skip("failures that are remembered", "no state in this build");
#endif
}

TEST(stopping, no_image_starts_once_the_time_of_the_option_stop_after_is_over)
{
	make_inputs(0);
	expect_stop(0, "--stop-after 2s",
	            "pixpool: --stop-after: the time is over; finishing running "
	            "images\n");
#ifdef PIXPOOL_STATE
	/* The same command continues the run. */
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --stop-after 1h").status,
	          0);
	EXPECT_EQ(run("ls out | wc -l").out[0], '2');
#endif
	fixture_leave();
}

/* The advice to run the same command again would be wrong here. */
TEST(stopping,
     a_run_whose_repetition_processes_all_images_again_gives_no_advice_to_repeat_it)
{
	static const char *const options[] = {"--redo",
	                                      "--state none --overwrite always"};
	struct ended ended;
	char path[32];

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		fixture_enter();
		write_script("in/a.png", "fail bad-image");
		for (int k = 0; k < N_QUEUED; k++) {
			snprintf(path, sizeof(path), "in/queued%02d.png", k);
			write_script(path, "size 2 2");
		}
		ended = run("pixpool-scripted resize -s 8 -j 1 --fail-fast in -o out %s",
		            options[i]);
		EXPECT_EQ(ended.status, 4);
		EXPECT(strstr(ended.err, " not started in "), "%s", ended.err);
		EXPECT(!strstr(ended.err, "to continue"), "%s", ended.err);
		fixture_leave();
	}
}

TEST(stopping, the_option_stop_after_takes_seconds_minutes_hours_or_days)
{
	static const char *const right[] = {"90", "90s", "0.5m", "2h", "1d"};
	static const char *const wrong[] = {"",   "0",   "-1",  "s",
	                                    "1w", "1ss", "1e3", "99999999999"};

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		EXPECT_EQ(run("pixpool thumb a.jpg -o out%s --stop-after %s", right[i],
		              right[i])
		                  .status,
		          0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char want[256];

		snprintf(want, sizeof(want),
		         "pixpool: --stop-after: must be a time such as 90 (seconds), "
		         "90s, 15m, 2h or 1d, got '%s'\nTry 'pixpool thumb --help'.\n",
		         wrong[i]);
		EXPECT_STR(
			run("pixpool thumb a.jpg -o out --stop-after '%s'", wrong[i]).err,
			want);
	}
	fixture_leave();
}

TEST(stopping, json_progress_names_the_slowest_image_and_says_when_the_run_is_ending)
{
	struct command command;

	make_inputs(0);
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out --progress json");
	await_gate("b");
	await_error(&command, "\"slowest\":{\"input\":\"in/b.png\",\"seconds\":");
	kill(command.pid, SIGINT);
	await_error(&command, "\"ending\":true}}\n");
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	fixture_leave();
}
