/*
 * Fault loops, as in SQLite's tests: run the command over a few images, and let the n-th call of a
 * kind and all later calls of this kind fail. In the first run n is 1. It grows from run to run,
 * until a run makes fewer than n calls of this kind, or n exceeds a limit. Then do the same again,
 * but let only the n-th call fail. Whatever fails, the command ends by itself with one of its exit
 * statuses, every output is complete, no temporary file is left, and no record claims an output
 * that does not exist.
 */
#include "report_lines.h"

#include "cli/cli_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_IMAGES = 6 };

__attribute__((unused)) static void make_images(void)
{
	char path[32];

	for (int i = 0; i < N_IMAGES; i++) {
		snprintf(path, sizeof(path), "in/%s%d.png", i % 3 == 2 ? "sub/" : "", i);
		write_script(path, "size 2 2");
	}
}

static int count_outputs(void)
{
	int n = 0;

	for (const char *c = tree("out"); (c = strstr(c, "png png 2x2\n")); c++)
		n++;
	return n;
}

static size_t count_lines(const char *words)
{
	struct ended ended = run("grep -c '%s' r", words);

	return strtoul(ended.out, NULL, 10);
}

/* Check that every file in out is a complete output. */
static void expect_whole(__attribute__((unused)) const char *fault)
{
	const char *names = tree("out");

	for (const char *line = names; *line; line = strchr(line, '\n') + 1) {
		size_t n = strcspn(line, "\n");

		EXPECT((n > 12 && strncmp(line + n - 8, " png 2x2", 8) == 0) ||
		               line[n - 1] == '/',
		       "%s: %.*s", fault, (int)n, line);
	}
	EXPECT_STR(run("find . -name '.pixpool-*'").out, "");
}

/* One run with one fault. Returns whether the fault was hit. The sandbox is off, because a worker
 * in the sandbox could not write to FAULT_LOG. */
static bool run_with(const char *fault, int *ret_status)
{
	struct ended ended;
	size_t n_ok;

	REQUIRE(run("rm -rf out r hits").status == 0);
	ended = run(
		"env LD_PRELOAD=" FAULT_PRELOAD
		" FAULT=%s FAULT_LOG=hits pixpool-scripted resize "
		"-s 8 -j 2 --timeout 20 --sandbox off --progress none --report r in -o out",
		fault);
	*ret_status = ended.status;
	EXPECT(ended.status == 0 || ended.status == 1 || ended.status == 2 ||
	               ended.status == 4,
	       "%s: status %d: %s", fault, ended.status, ended.err);
	EXPECT(ended.status == 0 || ended.err[0], "%s: status %d without a message",
	       fault, ended.status);
	expect_whole(fault);
	n_ok = count_lines("\"status\":\"ok\"");
	EXPECT(n_ok <= (size_t)count_outputs(), "%s: %zu ok, %d outputs", fault, n_ok,
	       count_outputs());
	if (ended.status == 0)
		EXPECT_EQ(n_ok, N_IMAGES);
	EXPECT(count_lines("oo many open files") == 0, "%s: an image was blamed", fault);
	return access("hits", F_OK) == 0;
}

/* The distance from the n-th call to the next call that is made to fail. It grows with n, so that
 * many calls do not need many runs. It grows more slowly in the long test. */
static unsigned step_after(unsigned nth)
{
	return getenv("PIXPOOL_ALL_FAULTS") ? 1 + nth / 8 : 1 + nth;
}

static void loop(const char *call, int sys_errno, const char *where, unsigned max)
{
	unsigned n_hit = 0;

	for (unsigned times = 0; times < 2; times++) {
		bool is_hit = true;

		for (unsigned nth = 1; is_hit && nth <= max; nth += step_after(nth)) {
			char fault[64];
			int status;

			snprintf(fault, sizeof(fault), "%s:%u:%u:%d:%s", call, nth, times,
			         sys_errno, where);
			is_hit = run_with(fault, &status);
			n_hit += is_hit;
		}
	}
	EXPECT(n_hit > 0, "%s was never called", call);
}

#ifdef PIXPOOL_SANITIZE
/* The program calls the malloc() of the sanitizer, not the malloc() of the preloaded library. */
#define ENTER()                                                                          \
	SKIP("calls cannot be replaced in a sanitizer build");                           \
	return
#else
#define ENTER()                                                                          \
	fixture_enter();                                                                 \
	make_images()
#endif

TEST(fault_loops, a_full_read_only_or_broken_output_file_system_stops_the_batch)
{
	static const struct {
		const char *call;
		/* the number of the first call that fails; not 1 for "create", because that call
		 * creates the report */
		unsigned nth;
		int sys_errno;
	} steps[] = {
		{"create", 2, ENOSPC},   {"create", 3, EROFS},   {"create", 2, EDQUOT},
		{"sendfile", 1, ENOSPC}, {"sendfile", 3, EIO},   {"sendfile", 2, EDQUOT},
		{"linkat", 1, ENOSPC},   {"linkat", 3, EROFS},   {"linkat", 2, EDQUOT},
		{"mkdirat", 1, ENOSPC},  {"mkdirat", 1, EDQUOT},
	};

	ENTER();
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		char fault[64];
		int status;

		snprintf(fault, sizeof(fault), "%s:%u:0:%d:main", steps[i].call,
		         steps[i].nth, steps[i].sys_errno);
		EXPECT(run_with(fault, &status), "%s was not called", fault);
		EXPECT(status == 4, "%s: status %d", fault, status);
		EXPECT(strstr(run("cat r").out, "\"failed\":0,"),
		       "%s: an image was blamed", fault);
	}
	fixture_leave();
}

TEST(fault_loops, outputs_are_written_even_if_sendfile_is_refused)
{
	static const int refusals[] = {ENOSYS, EINVAL, EOPNOTSUPP, EPERM};

	ENTER();
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char fault[64];
		int status;

		snprintf(fault, sizeof(fault), "sendfile:1:0:%d:main", refusals[i]);
		EXPECT(run_with(fault, &status), "%s was not called", fault);
		EXPECT_EQ(status, 0);
	}
	fixture_leave();
}

TEST(fault_loops, file_times_that_cannot_be_set_give_one_warning_and_fail_no_output)
{
	static const int refusals[] = {EPERM, EACCES, ENOSYS, EOPNOTSUPP, EINVAL};

	ENTER();
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		char warning[128];
		struct ended ended;

		REQUIRE(run("rm -rf out").status == 0);
		ended = run(
			"env LD_PRELOAD=" FAULT_PRELOAD
			" FAULT=futimens:1:0:%d:main FAULT_LOG=hits pixpool-scripted "
			"resize -s 8 --sandbox off --progress none --keep-dates in -o out",
			refusals[i]);
		EXPECT_EQ(ended.status, 0);
		EXPECT_EQ(count_outputs(), N_IMAGES);
		snprintf(warning, sizeof(warning),
		         "pixpool: warning: cannot set the dates of outputs: %s\n",
		         strerror(refusals[i]));
		EXPECT(strstr(ended.err, warning), "%s", ended.err);
		EXPECT(!strstr(strstr(ended.err, "warning") + 1, "warning"), "%s",
		       ended.err);
	}
	fixture_leave();
}

TEST(fault_loops, a_read_error_in_an_input_fails_only_that_input)
{
	int status;

	ENTER();
	/* Only the third read of each worker fails: the first two are for the header. */
	EXPECT(run_with("pread:3:1:5:others", &status));
	EXPECT_EQ(status, 1);
	EXPECT(count_lines("\"class\":\"io\",\"message\":\"read: Input/output error\"") >=
	       1);
	EXPECT(count_lines("\"status\":\"ok\"") >= N_IMAGES - 2);
	fixture_leave();
}

TEST(fault_loops, a_failed_allocation_never_kills_the_main_process)
{
	ENTER();
	loop("malloc", ENOMEM, "main", 400);
	fixture_leave();
}

TEST(fault_loops, running_out_of_descriptors_never_kills_the_main_process)
{
	ENTER();
	loop("open", EMFILE, "main", 40);
	loop("create", EMFILE, "main", 10);
	loop("memfd_create", EMFILE, "main", 10);
	loop("socketpair", EMFILE, "main", 10);
	loop("pipe2", EMFILE, "main", 10);
	loop("eventfd", EMFILE, "main", 10);
	loop("epoll_create1", EMFILE, "main", 2);
	fixture_leave();
}

/* No descriptor is free from the nth call on. One of these calls opens the folder of the input. */
TEST(fault_loops, an_in_place_run_that_has_no_free_descriptor_stops_and_blames_no_image)
{
	struct ended ended = {.status = -1};

	ENTER();
	for (int nth = 1; ended.status != 0 && nth < 100; nth++) {
		REQUIRE(run("rm -rf in r hits").status == 0);
		make_images();
		ended = run("env LD_PRELOAD=" FAULT_PRELOAD
		            " FAULT=open:%d:0:%d:main FAULT_LOG=hits pixpool-scripted "
		            "resize -s 8 -j 1 --sandbox off --progress none --report r "
		            "--in-place --backup .orig in/0.png",
		            nth, EMFILE);
		EXPECT(ended.status == 0 || ended.status == 2 || ended.status == 4,
		       "open %d: status %d: %s", nth, ended.status, ended.err);
	}
	EXPECT(ended.status == 0, "every run opened more files");
	fixture_leave();
}

TEST(fault_loops, a_failed_fork_or_thread_start_never_kills_the_main_process)
{
	ENTER();
	loop("fork", EAGAIN, "main", 2);
	loop("fork", EAGAIN, "others", 4);
	loop("pthread_create", EAGAIN, "main", 6);
	fixture_leave();
}

TEST(fault_loops, a_batch_that_cannot_start_its_threads_exits_with_an_error)
{
	ENTER();
	for (int nth = 1; nth <= 3; nth++) {
		char fault[64];
		int status;

		snprintf(fault, sizeof(fault), "pthread_create:%d:1:%d:main", nth,
		         EAGAIN);
		EXPECT(run_with(fault, &status));
		EXPECT_EQ(status, 2);
		EXPECT_EQ(count_outputs(), 0);
	}
	fixture_leave();
}

/* The folder is read completely when its images are processed. */
TEST(fault_loops, a_folder_that_only_the_plan_could_not_read_gets_one_failed_record)
{
	ENTER();
	for (int nth = 1; nth <= 4; nth++) {
		char fault[64];
		int status;

		snprintf(fault, sizeof(fault), "getdents64:%d:1:5:main", nth);
		EXPECT(run_with(fault, &status));
		EXPECT_EQ(status, 1);
		EXPECT_EQ(count_lines("\"input\":\"in.*\"status\":\"failed\","
		                      "\"class\":\"io\""),
		          1);
		EXPECT_EQ(count_lines("\"failed\":1,\"cancelled\":0"), 1);
		EXPECT_EQ(count_lines("\"status\":\"ok\""), N_IMAGES);
	}
	fixture_leave();
}

TEST(fault_loops, a_folder_with_a_read_error_gets_a_failed_record)
{
	int status;

	ENTER();
	loop("getdents64", EIO, "main", 8);
	EXPECT(run_with("getdents64:1:0:5:main", &status));
	EXPECT_EQ(status, 1);
	EXPECT_EQ(count_lines("\"input\":\"in\".*\"status\":\"failed\",\"class\":\"io\""),
	          1);
	fixture_leave();
}
