/* Tests of limits for one image and for the run: an image over a limit fails alone, and the failure
 * names the limit. */
#include "cli_fixture.h"

#include <pixpool/executor.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_GOOD = 6 };

static void make_good_ones(void)
{
	char path[32];

	for (int i = 0; i < N_GOOD; i++) {
		snprintf(path, sizeof(path), "in/good%d.png", i);
		write_script(path, "size 2 2");
	}
}

static void expect_record(const char *want)
{
	EXPECT(strstr(records("r"), want), "%s\nis not in\n%s", want, records("r"));
}

static void expect_counts(int n_ok, int n_failed)
{
	char want[64];

	snprintf(want, sizeof(want), "'ok':%d,'skipped':0,'failed':%d,", n_ok, n_failed);
	EXPECT(strstr(records("r"), want), "%s\nis not in\n%s", want, records("r"));
}

/* How many different workers the records name. */
static int count_workers(void)
{
	return atoi(run("grep -o '\"worker\":[0-9]*' r | sort -u | wc -l").out);
}

static void skip_without_limits(void)
{
	if (!pxp_memory_is_limited())
		SKIP("a sanitizer build cannot run under RLIMIT_DATA");
}

/* ---- memory ---- */

TEST(bounds, an_image_that_takes_all_memory_fails_alone)
{
	skip_without_limits();
	fixture_enter();
	write_script("in/bomb.png", "allocate 2000000000");
	make_good_ones();
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 -j 2 --memory 256M in -o out --report r")
			.status,
		1);
	expect_record("{'input':'in/bomb.png','status':'failed','class':'memory',"
	              "'message':'script: out of memory'");
	expect_record("'attempts':2}");
	expect_counts(N_GOOD, 1);
	fixture_leave();
}

/* The image takes more memory than a worker's allowance, but its header does not show that. */
TEST(bounds, an_image_that_ran_out_of_memory_is_retried_with_the_whole_memory_budget)
{
	skip_without_limits();
	fixture_enter();
	write_script("in/a.png", "allocate 150000000\nsize 2 2");
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 -j 1 --memory 512M in -o out --report r")
			.status,
		0);
	expect_record("'attempts':2,");
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	fixture_leave();
}

/* The image has 15000 x 15000 pixels of 8 bytes and is interlaced, so that all pixels must be in
 * memory at once. NEEDED is the estimate of the engine that would decode the image. */
#ifdef PIXPOOL_VIPS
#define NEEDED "1764"
#else
#define NEEDED "5197"
#endif

TEST(bounds, an_image_that_needs_too_much_memory_fails_before_it_is_opened)
{
	static const char png[] =
		"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x3a\x98\0\0\x3a\x98\x10\6\0\0\1....";

	fixture_enter();
	scratch_folder("in");
	scratch_bytes("in/large.png", png, sizeof(png) - 1);
	make_good_ones();
	EXPECT_EQ(run("pixpool-scripted resize -s 8 --memory 1G in -o out --report r")
	                  .status,
	          1);
	expect_record("{'input':'in/large.png','status':'failed','class':'memory',"
	              "'message':'the image needs about " NEEDED
	              " MiB of memory, more than --memory allows'");
	expect_record("'attempts':1}");
	expect_counts(N_GOOD, 1);
	fixture_leave();
}

/* A worker may use 64 MiB here, and is replaced when it uses three quarters of this memory. Each
 * image leaks less than the remaining quarter, so no image fails. */
TEST(bounds, a_worker_that_leaks_memory_is_replaced_before_an_image_fails)
{
	char path[32];

	skip_without_limits();
	fixture_enter();
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "in/%d.png", i);
		write_script(path, "leak 15000000\nsize 2 2");
	}
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 -j 1 --memory 128M in -o out --report r")
			.status,
		0);
	expect_counts(8, 0);
	EXPECT(!strstr(records("r"), "'attempts':2"));
	EXPECT(count_workers() > 1);
	fixture_leave();
}

/* Create a cgroup with a limit in bytes. Returns NULL where that is not possible. */
static const char *make_group(unsigned long n_bytes)
{
	static char group[512];
	struct ended ended = run(
		"g=/sys/fs/cgroup/memory$(sed -n 's/^[0-9]*:memory://p' "
		"/proc/self/cgroup)/pixpool-test-$$; mkdir \"$g\" && echo %lu > "
		"\"$g\"/memory.limit_in_bytes && printf %%s \"$g\"",
		n_bytes);

	if (ended.status != 0)
		return NULL;
	snprintf(group, sizeof(group), "%s", ended.out);
	return group;
}

TEST(bounds, an_image_whose_worker_is_killed_by_the_oom_killer_fails_with_class_memory)
{
	const char *group;

	fixture_enter();
	group = make_group(200000000);
	if (!group) {
		fixture_leave();
		SKIP("no cgroup with a memory limit can be created here");
	}
	write_script("in/a.png", "allocate 800000000");
	make_good_ones();
	EXPECT_EQ(run("echo $$ > %s/cgroup.procs && pixpool-scripted resize -s 8 -j 1 "
	              "--memory 8G in -o out --report r",
	              group)
	                  .status,
	          1);
	expect_record("{'input':'in/a.png','status':'failed','class':'memory',"
	              "'message':'worker was killed by the kernel because memory "
	              "ran out while decoding'");
	expect_counts(N_GOOD, 1);
	run("rmdir %s", group);
	fixture_leave();
}

/* ---- images that are too big ---- */

TEST(bounds, a_failure_of_class_too_big_names_the_exceeded_limit)
{
	fixture_enter();
	sample("lake.jpg", "in/lake.jpg"); /* 640 x 427 pixels */
	sample("pendulum.gif", "in/pendulum.gif");
	EXPECT_EQ(run("pixpool resize -s 8 -f jpg in/lake.jpg -o out --report r "
	              "--max-pixels 273279")
	                  .status,
	          1);
	expect_record("'class':'too-big','message':'header: 640 x 427 is 273280 pixels; "
	              "the limit is 273279'");
	EXPECT_EQ(run("pixpool resize -s 8 -f jpg in/lake.jpg -o out --report r "
	              "--max-pixels 273280")
	                  .status,
	          0);
	EXPECT_EQ(run("pixpool resize -s 8 -f jpg in/lake.jpg -o out2 --report r "
	              "--max-file-size 20K")
	                  .status,
	          1);
	expect_record("'class':'too-big','message':'open: the file has 20962 bytes; the "
	              "limit is 20480'");
	EXPECT_EQ(run("pixpool resize -s 8 -f jpg in/lake.jpg -o out2 --report r "
	              "--max-file-size 21K")
	                  .status,
	          0);
	EXPECT_EQ(run("pixpool verify in/pendulum.gif --report r --max-frames 11").status,
	          1);
	expect_record("'class':'too-big','message':'header: the image has 12 frames; "
	              "the limit is 11'");
	EXPECT_EQ(run("pixpool verify in/pendulum.gif --report r --max-frames 12").status,
	          0);
	/* Only decoded frames count towards the limit: an output without animation needs the first
	 * frame only. */
	EXPECT_EQ(run("pixpool resize -s 8 -f jpg in/pendulum.gif -o out3 --report r "
	              "--max-frames 1")
	                  .status,
	          0);
	fixture_leave();
}

/* ---- workers ---- */

TEST(bounds, a_worker_is_replaced_after_the_number_of_images_given_by_the_option_recycle)
{
	fixture_enter();
	make_good_ones();
	EXPECT_EQ(
		run("pixpool-scripted resize -s 8 -j 1 --recycle 2 in -o out --report r")
			.status,
		0);
	EXPECT_EQ(count_workers(), N_GOOD / 2);
	EXPECT_EQ(run("pixpool-scripted resize -s 8 -j 1 in -o out2 --report r").status,
	          0);
	EXPECT_EQ(count_workers(), 1);
	fixture_leave();
}

TEST(bounds, a_small_value_of_the_option_memory_reduces_the_number_of_workers)
{
	struct ended ended;

	fixture_enter();
	make_good_ones();
	ended = run(
		"pixpool-scripted resize -s 8 -j 9 --memory 128M in -o out --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, "1 of 9 workers: there is not enough memory for more"),
	       "%s", ended.err);
	EXPECT_EQ(count_workers(), 1);
	fixture_leave();
}

TEST(bounds, the_command_info_shows_the_limits_in_force)
{
	struct ended ended;

	fixture_enter();
	ended = run("pixpool info -j 2 --memory 1G --max-pixels 5 --max-frames 6 "
	            "--max-file-size 7K --timeout 8 --recycle 9");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.out, "    pixels     5\n"), "%s", ended.out);
	EXPECT(strstr(ended.out, "    frames     6\n"));
	EXPECT(strstr(ended.out, "    file size  7168 bytes\n"));
	EXPECT(strstr(
		ended.out,
		pxp_memory_is_limited()
			? "    memory     800 MiB: 128 MiB reserved, the rest on request\n"
			: "    memory     no limit, because this build has sanitizers\n"));
	EXPECT(strstr(
		ended.out,
		"    time       at most 8.000 s, counted after the image has been read\n"));
	EXPECT(strstr(ended.out, "    memory     1024 MiB for all processes"));
	EXPECT(strstr(ended.out, "    workers    2 processes, each replaced after 9 "));
	fixture_leave();
}
