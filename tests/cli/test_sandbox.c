/* Tests of how the program reports the layers of the sandbox: on this machine, and in containers
 * that refuse some layers. */
#include "cli_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NO_LANDLOCK "refuse landlock_create_ruleset=38 "
#define NO_SECCOMP  "refuse seccomp=1 prctl_seccomp=1 "

/* Whether the sandbox is complete on this machine. */
static bool sandbox_is_whole(void)
{
	return run("pixpool info --sandbox require").status == 0;
}

static void enter(void)
{
	fixture_enter();
	command_ignore_lines(NULL);
	sample("lake.jpg", "in/a.jpg");
}

static bool enter_whole(void)
{
	enter();
	if (sandbox_is_whole())
		return true;
	fixture_leave();
	return false;
}

TEST(sandbox, a_complete_sandbox_prints_no_message)
{
	struct ended ended;

	if (!enter_whole())
		SKIP("the sandbox is not complete here");
	ended = run("pixpool resize -s 64 -Q in -o out");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	EXPECT_EQ(run("pixpool resize -s 64 -Q in -o out2 --sandbox require").status, 0);
	EXPECT_STR(tree("out2"), "a.jpg jpeg 64x43\n");
	fixture_leave();
}

TEST(sandbox, info_shows_the_layers_of_the_sandbox)
{
	const char *text;

	if (!enter_whole())
		SKIP("the sandbox is not complete here");
	text = run("pixpool info").out;
	EXPECT(strstr(text, "\nsandbox:\n"));
	EXPECT(strstr(text, "\n    landlock   version "));
	EXPECT(strstr(text, "\n    seccomp    only a few system calls are allowed"));
	EXPECT_EQ(!!strstr(text, "\n    user       workers run as uid 65534"),
	          geteuid() == 0);
	EXPECT(!strstr(text, "missing"));
	fixture_leave();
}

TEST(sandbox, the_option_sandbox_off_prints_no_message)
{
	struct ended ended;

	enter();
	ended = run("pixpool resize -s 64 -Q in -o out --sandbox off");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	EXPECT(strstr(run("pixpool info --sandbox off").out, "\nsandbox:\n    off\n"));
	fixture_leave();
}

TEST(sandbox, the_sandbox_option_accepts_auto_require_and_off)
{
	enter();
	EXPECT_STR(
		run("pixpool resize -s 64 in -o out --sandbox required").err,
		"pixpool: --sandbox: must be one of auto, require, off; got 'required'; "
		"did you mean 'require'?\nTry 'pixpool resize --help'.\n");
	fixture_leave();
}

/* Run in a container that refuses a layer. With `--sandbox auto` the program continues with a
 * message; with `--sandbox require` it refuses to start; with `--sandbox off` it prints nothing.
 * pixpool info lists the missing layer. */
static void expect_missing(const char *container, const char *layer, const char *reason)
{
	char said[160], shown[160];
	struct ended ended;

	snprintf(said, sizeof(said), "%s (%s)", layer, reason);
	snprintf(shown, sizeof(shown), "\n    %-10s missing: %s\n", layer, reason);
	ended = run("%s pixpool resize -s 64 -Q in -o out", container);
	EXPECT_EQ(ended.status, 0);
	EXPECT(strncmp(ended.err, SANDBOX_LINE, strlen(SANDBOX_LINE)) == 0, "%s",
	       ended.err);
	EXPECT(strstr(ended.err, said), "%s", ended.err);
	EXPECT(strchr(ended.err, '\n') == strrchr(ended.err, '\n'), "%s", ended.err);
	EXPECT_STR(tree("out"), "a.jpg jpeg 64x43\n");

	ended = run("%s pixpool resize -s 64 in -o none --sandbox require", container);
	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err, "sandbox: required layers are missing: "), "%s",
	       ended.err);
	EXPECT(strstr(ended.err, said), "%s", ended.err);
	EXPECT_STR(tree("none"), "");

	ended = run("%s pixpool resize -s 64 -Q in -o off --sandbox off", container);
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");

	EXPECT(strstr(run("%s pixpool info", container).out, shown), "%s", ended.out);
}

static const char *const container_names[] = {"landlock", "seccomp"};

TEST(sandbox, a_container_without_landlock_or_seccomp_is_reported)
{
	static const char *const containers[] = {NO_LANDLOCK, NO_SECCOMP};
	const char *const reasons[] = {strerror(ENOSYS), strerror(EPERM)};

	for (int i = 0; i < 2; i++) {
		if (!enter_whole())
			SKIP("the sandbox is not complete here");
		expect_missing(containers[i], container_names[i], reasons[i]);
		fixture_leave();
	}
}

TEST(sandbox, a_layer_that_is_accepted_but_has_no_effect_is_reported_missing)
{
	static const char *const containers[] = {"refuse landlock_restrict_self=0",
	                                         "refuse seccomp=0 prctl_seccomp=0"};

	for (int i = 0; i < 2; i++) {
		if (!enter_whole())
			SKIP("the sandbox is not complete here");
		expect_missing(containers[i], container_names[i],
		               "accepted, but without effect");
		fixture_leave();
	}
}

TEST(sandbox, a_run_as_root_that_cannot_change_its_user_is_reported)
{
	if (geteuid() != 0)
		SKIP("not root");
	if (!enter_whole())
		SKIP("the sandbox is not complete here");
	expect_missing("refuse setresuid=1", "user", strerror(EPERM));
	fixture_leave();
	enter();
	expect_missing("refuse setresuid=0", "user",
	               "privileges dropped, but the process can become root again");
	fixture_leave();
}

TEST(sandbox, two_missing_layers_are_reported_in_one_line)
{
	struct ended ended;
	char said[160];

	if (!enter_whole())
		SKIP("the sandbox is not complete here");
	ended = run(NO_LANDLOCK "refuse seccomp=38 prctl_seccomp=38 "
	                        "pixpool resize -s 64 -Q in -o out");
	EXPECT_EQ(ended.status, 0);
	snprintf(said, sizeof(said), SANDBOX_LINE "landlock (%s), seccomp (",
	         strerror(ENOSYS));
	EXPECT(strstr(ended.err, said), "%s", ended.err);
	fixture_leave();
}

/* ---- the status of a worker in /proc ---- */

/* The line of /proc/PID/status that begins with this text. */
static const char *status_line(pid_t pid, const char *begin)
{
	static char line[128];
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	REQUIRE(file != NULL);
	while (fgets(line, sizeof(line), file) &&
	       strncmp(line, begin, strlen(begin)) != 0)
		line[0] = 0;
	fclose(file);
	return line;
}

static void expect_locked_down(const char *as_whom)
{
	struct command command = begin("%spixpool-scripted resize -s 8 in -o out",
	                               as_whom);
	pid_t worker = await_gate("a");

	EXPECT_STR(status_line(worker, "Seccomp:"), "Seccomp:\t2\n");
	EXPECT_STR(status_line(worker, "NoNewPrivs:"), "NoNewPrivs:\t1\n");
	EXPECT_STR(status_line(worker, "CapPrm:"), "CapPrm:\t0000000000000000\n");
	EXPECT_STR(status_line(worker, "CapEff:"), "CapEff:\t0000000000000000\n");
	if (geteuid() == 0) {
		EXPECT_STR(status_line(worker, "Uid:"),
		           "Uid:\t65534\t65534\t65534\t65534\n");
		EXPECT_STR(status_line(worker, "Gid:"),
		           "Gid:\t65534\t65534\t65534\t65534\n");
		EXPECT_STR(status_line(worker, "Groups:"), "Groups:\t \n");
	}
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 0);
}

TEST(sandbox, a_worker_has_no_capabilities_while_it_decodes)
{
	if (!enter_whole())
		SKIP("the sandbox is not complete here");
	run("rm -r in");
	write_script("in/a.png", "gate a");
	expect_locked_down("");
	fixture_leave();
}

/* The command runs without CAP_KILL, as in a container that has only a few capabilities. */
TEST(sandbox, hanging_workers_are_killed_even_without_cap_kill)
{
	struct ended ended;

	if (geteuid() != 0)
		SKIP("not root");
	enter();
	if (run("setpriv --bounding-set=-kill --inh-caps=-kill true").status != 0) {
		fixture_leave();
		SKIP("no capability can be dropped here");
	}
	write_script("in/b.png", "hang asleep");
	ended = run(
		"setpriv --bounding-set=-kill --inh-caps=-kill pixpool-scripted resize "
		"-s 8 in -o out --timeout 1 --report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(records("r"), "{'input':'in/b.png','status':'failed','class':"
	                            "'timeout'"),
	       "%s", records("r"));
	fixture_leave();
}

/* ---- valid images ---- */

TEST(sandbox, outputs_are_the_same_with_and_without_the_sandbox)
{
	static const char *const formats[] = {"jpg", "png", "same"};
	char locked[16 * 1024];

	enter();
	run("cp -r \"$PIXPOOL_SAMPLES/pictures/.\" in/");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		run("pixpool resize -s 64 -f %s in -o out --report r", formats[i]);
		snprintf(locked, sizeof(locked), "%s", records("r"));
		run("mv out locked; rm r");
		run("pixpool resize -s 64 -f %s in -o out --report r --sandbox off",
		    formats[i]);
		EXPECT_STR(locked, records("r"));
		EXPECT_EQ(run("diff -r -x .pixpool.db locked out && rm -r locked out r")
		                  .status,
		          0);
	}
	fixture_leave();
}
