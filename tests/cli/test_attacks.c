/*
 * Attacks by a worker that an image has taken over. Each row of the table is a command of the
 * scripted engine and the class of failure that the image must get. Each row runs alone, between
 * valid images that must succeed.
 *
 * The last column is the control: the same attack without the safeguard against it. The control
 * attack succeeds, or fails for a reason outside of our program.
 */
#include "cli_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct row {
	const char *order;
	const char *class;   /* the expected class of failure; NULL: the image succeeds */
	const char *message; /* a part of the expected message */
	/* A part of the expected record with --sandbox off; NULL: not tested with --sandbox off. */
	const char *control;
} rows[] = {
	/* Attacks that end the worker. */
	{"signal SIGSEGV", "crashed", "worker died of SIGSEGV", NULL},
	{"signal SIGABRT", "crashed", "worker died of SIGABRT", NULL},
	{"signal SIGBUS", "crashed", "worker died of SIGBUS", NULL},
	{"signal SIGILL", "crashed", "worker died of SIGILL", NULL},
	{"signal SIGFPE", "crashed", "worker died of SIGFPE", NULL},
	{"signal SIGTRAP", "crashed", "worker died of SIGTRAP", NULL},
	{"signal SIGKILL", "crashed", "worker died of SIGKILL", NULL},
	{"signal SIGTERM", "crashed", "worker died of SIGTERM", NULL},
	{"signal SIGHUP", "crashed", "worker died of SIGHUP", NULL},
	{"signal SIGQUIT", "crashed", "worker died of SIGQUIT", NULL},
	{"signal SIGALRM", "crashed", "worker died of SIGALRM", NULL},
	{"signal SIGUSR1", "crashed", "worker died of SIGUSR1", NULL},
	{"signal SIGXCPU", "crashed", "worker died of SIGXCPU", NULL},
	{"signal SIGSYS", "violation", "worker died of SIGSYS", NULL},
	{"exit 0", "crashed", "worker exited with status 0", NULL},
	{"exit 7", "crashed", "worker exited with status 7", NULL},
	/* Attacks that use up time, or that write too much to the output or to standard error. */
	{"hang asleep", "timeout", "exceeded its deadline", NULL},
	{"hang busy", "timeout", "exceeded its deadline", NULL},
	{"signal SIGSTOP", "timeout", "exceeded its deadline", NULL},
	{"write 3000000", "violation", "the output does not match the worker's answer",
         NULL},
	{"stderr 100000000", NULL, NULL, NULL},
	/* System calls that valid code may try: the sandbox refuses them with an error. */
	{"open secret", "bad-image", "script: open: Operation not permitted",
         "script: open: got through"},
	{"create made", "bad-image", "script: create: Operation not permitted",
         "script: create: got through"},
	/* System calls that no decoder makes: the sandbox kills the worker. */
	{"socket", "violation", "worker died of SIGSYS", "script: socket: got through"},
	{"exec", "violation", "worker died of SIGSYS", "worker exited with status 42"},
	{"fork", "violation", "worker died of SIGSYS", "script: fork: got through"},
	{"chmod", "violation", "worker died of SIGSYS", "script: chmod: got through"},
	/* Forged answers. The negative controls of these attacks are in tests/exec/test_hostile.c. */
	{"answer twice", "violation", "the worker's answer is not valid", NULL},
	{"answer wrong", "violation", "answered a task that it does not have", NULL},
	{"answer cancel", "violation", "reported a cancel that was not requested", NULL},
	{"answer short", "violation", "sent an answer that is too short", NULL},
	{"send fds", "violation", "sent descriptors that were not requested", NULL},
	{"scribble 0", NULL, NULL, NULL},
	{"scribble 255", NULL, NULL, NULL},
	{"scribble 0\nsignal SIGSEGV", "crashed",
         "workers died before they started the task", NULL},
	{"scribble 255\nhang asleep", "crashed",
         "workers died before they started the task", NULL},
};

enum { N_ROWS = sizeof(rows) / sizeof(rows[0]), N_GOOD = 4 };

static void make_inputs(const char *order)
{
	write_script("in/good1.png", "size 2 2");
	write_script("in/good2.png", "size 2 2");
	write_script("in/kept.png", order);
	write_script("in/more1.png", "size 2 2");
	write_script("in/more2.png", "size 2 2");
	scratch_file("secret", "not for pictures");
	REQUIRE(chmod("in/kept.png", 0644) == 0);
}

/* Allow workers, which run as another user, to create files in the scratch folder. */
static void open_to_all(void)
{
	REQUIRE(chmod(".", 0777) == 0 && chmod("in/kept.png", 0644) == 0);
}

static int count_good(void)
{
	int n = 0;

	for (const char *c = tree("out"); (c = strstr(c, ".png png 2x2\n")); c++)
		n++;
	return n;
}

static mode_t mode_of(const char *path)
{
	struct stat stat_of;

	return stat(path, &stat_of) == 0 ? stat_of.st_mode & 07777 : 0;
}

static const char *command_of(const struct row *row)
{
	bool may_hang = row->class && strcmp(row->class, "timeout") == 0;

	if (strstr(row->order, "scribble 255\nhang"))
		may_hang = true;
	return may_hang
	               ? "pixpool-scripted resize -s 8 -j 2 -Q in -o out --report r --timeout 1"
	               : "pixpool-scripted resize -s 8 -j 2 -Q in -o out --report r";
}

static void expect_row(const struct row *row)
{
	int status = run("%s", command_of(row)).status;
	const char *text = records("r");
	char want[128];

	if (row->class) {
		snprintf(
			want, sizeof(want),
			"{'input':'in/kept.png','status':'failed','class':'%s','message':'",
			row->class);
		EXPECT_EQ(status, 1);
		EXPECT(strstr(text, row->message), "%s\n%s", row->order, text);
	} else {
		snprintf(want, sizeof(want),
		         "{'input':'in/kept.png','output':'out/kept.png','status':'ok'");
		EXPECT_EQ(status, 0);
	}
	EXPECT(strstr(text, want), "%s\n%s", row->order, text);
	EXPECT(count_good() == N_GOOD, "%s\n%s", row->order, text);
	EXPECT_EQ(mode_of("in/kept.png"), 0644);
	EXPECT_EQ(mode_of("made"), 0);
}

static void try_row(const struct row *row)
{
	fixture_enter();
	make_inputs(row->order);
	open_to_all();
	expect_row(row);
	fixture_leave();
}

/* Whether all layers of the sandbox are in force. Prints those that are missing. */
static bool is_locked_down(void)
{
	bool is_whole;

	fixture_enter();
	make_inputs("size 2 2");
	is_whole = run("pixpool-scripted resize -s 8 in -o out --sandbox require -Q")
	                   .status == 0;
	fixture_leave();
	return is_whole;
}

static bool is_death(const struct row *row)
{
	return row->class && strcmp(row->class, "crashed") == 0;
}

TEST(attacks, an_attack_that_kills_its_worker_fails_only_its_own_image)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		if (is_death(&rows[i]))
			try_row(&rows[i]);
	}
}

TEST(attacks, forged_answers_and_delays_by_a_worker_fail_at_most_one_image)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		if (!is_death(&rows[i]) && !rows[i].control)
			try_row(&rows[i]);
	}
}

TEST(attacks, an_attack_that_the_sandbox_forbids_fails_only_its_own_image)
{
	if (!is_locked_down())
		SKIP("the sandbox is not complete here");
	for (size_t i = 0; i < N_ROWS; i++) {
		if (rows[i].control)
			try_row(&rows[i]);
	}
}

TEST(attacks, attacks_succeed_if_the_sandbox_is_off)
{
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *row = &rows[i];

		if (!row->control)
			continue;
		fixture_enter();
		make_inputs(row->order);
		open_to_all();
		EXPECT_EQ(run("%s --sandbox off --retries 0", command_of(row)).status, 1);
		EXPECT(strstr(records("r"), row->control), "%s\n%s", row->order,
		       records("r"));
		fixture_leave();
	}
}

TEST(attacks, an_image_that_takes_all_memory_fails_with_class_memory)
{
#ifdef PIXPOOL_SANITIZE
	SKIP("a sanitizer build cannot run under a memory limit");
#endif
	fixture_enter();
	make_inputs("allocate 99999999999999");
	/* This limit protects the memory of the machine if the worker has no limit. */
	EXPECT_EQ(run("ulimit -d 2000000; %s", command_of(&rows[0])).status, 1);
	EXPECT(strstr(records("r"), "{'input':'in/kept.png','status':'failed','class':"
	                            "'memory'"),
	       "%s", records("r"));
	EXPECT_EQ(count_good(), N_GOOD);
	fixture_leave();
}

/* ---- the main process ---- */

TEST(attacks, a_worker_in_the_sandbox_cannot_kill_the_main_process)
{
	const struct row row = {"kill main", "violation", "worker died of SIGSYS", NULL};

	if (!is_locked_down())
		SKIP("the sandbox is not complete here");
	try_row(&row);
}

TEST(attacks, a_worker_can_kill_the_main_process_if_the_sandbox_is_off)
{
	struct command command;

	fixture_enter();
	make_inputs("kill main");
	command = begin("pixpool-scripted resize -s 8 -j 2 -Q in -o out --sandbox off");
	EXPECT_EQ(end(&command).status, 128 + 9);
	fixture_leave();
}

/* ---- outputs ---- */

/* One worker makes both images. For the first image, it keeps the descriptor of the output. For the
 * second image, it writes to this descriptor after the first output was published. */
static void write_late(const char *environment, const char *want)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "keep output\nsize 2 2");
	write_script("in/b.png", "gate b\nlate write");
	command = begin(
		"env %s pixpool-scripted resize -s 8 -j 1 in/a.png in/b.png -o out "
		"--report r",
		environment);
	await_error(&command, "in/a.png -> out/a.png");
	await_gate("b");
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 1);
	EXPECT(strstr(records("r"), want), "%s", records("r"));
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	fixture_leave();
}

TEST(attacks, a_worker_cannot_change_an_output_after_its_answer)
{
	write_late("", "'class':'bad-image','message':'script: late write: Operation not "
	               "permitted'");
}

TEST(attacks, without_memfd_seals_a_worker_can_change_an_output_after_its_answer)
{
	write_late("SCRIPT_NO_SEALS=1",
	           "'class':'internal','message':'script: late write: got through'");
}
