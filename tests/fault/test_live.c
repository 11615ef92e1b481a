/*
 * Tests of faults during a batch: inputs that change, processes that are killed from outside, and
 * clocks that jump. Each fault affects only the images that it hits.
 */
#include "report_lines.h"

#include "base/fd.h"
#include "cli/cli_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void make_images(const char *prefix, int n)
{
	char path[64];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "in/%s%03d.png", prefix, i);
		write_script(path, "size 2 2");
	}
}

static void expect_record(const char *want)
{
	EXPECT(strstr(records("r"), want), "%s\nis not in\n%s", want, records("r"));
}

/* ---- inputs ---- */

TEST(running_batch, an_input_that_shrinks_or_grows_before_it_is_read_fails_as_vanished)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	sample("lake.jpg", "in/b.jpg");
	sample("dunes.jpg", "in/c.jpg");
	sample("balloon.png", "in/d.png");
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out --report r");
	await_gate("a");
	/* The program has opened this input and knows its size, but has not read its content. */
	await_open(command.pid, "/in/c.jpg", 1);
	REQUIRE(truncate("in/b.jpg", 0) == 0 && truncate("in/c.jpg", 100000) == 0);
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 1);
	expect_record("{'input':'in/b.jpg','status':'failed','class':'vanished',");
	expect_record("{'input':'in/c.jpg','status':'failed','class':'vanished',");
	EXPECT_STR(tree("out"), "a.png png 2x2\nd.png png 8x8\n");
	fixture_leave();
}

/* An open input is read to its end, whatever happens to its name. */
TEST(running_batch, an_input_removed_or_replaced_after_opening_is_still_read_completely)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	sample("lake.jpg", "in/b.jpg");
	sample("lake.jpg", "in/c.jpg");
	command = begin("pixpool-scripted resize -s 60 -j 1 in -o out --report r");
	await_gate("a");
	await_open(command.pid, "/in/c.jpg", 1);
	REQUIRE(unlink("in/b.jpg") == 0 && unlink("in/c.jpg") == 0);
	scratch_file("in/c.jpg", "no picture");
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.jpg jpeg 60x40\nc.jpg jpeg 60x40\n");
	fixture_leave();
}

TEST(running_batch, a_sparse_file_of_a_terabyte_fails_as_too_big_before_it_is_read)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	if (truncate("in/b.jpg", (off_t)1 << 40) != 0) {
		scratch_skip("a sparse file of a terabyte", strerrordesc_np(errno));
	} else {
		EXPECT_EQ(run("pixpool resize -s 32 in -o out --report r").status, 1);
		expect_record("{'input':'in/b.jpg','status':'failed','class':'too-big',"
		              "'message':'open: the file has 1099511627776 bytes; ");
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	}
	fixture_leave();
}

TEST(running_batch, a_socket_or_device_named_like_a_picture_is_unsupported)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "in/s.jpg"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	scratch_link("tty.jpg", "/dev/full");
	EXPECT_EQ(
		run("pixpool resize -s 32 in in/s.jpg tty.jpg -o out --report r").status,
		1);
	expect_record("{'input':'in/s.jpg','status':'failed','class':'unsupported',");
	expect_record("{'input':'tty.jpg','status':'failed','class':'unsupported',");
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	fd_close(&fd);
	fixture_leave();
}

/* If the suffix of an input is unknown, the name of the output is the name of the input with the
 * suffix of the format appended. */
TEST(running_batch, an_input_whose_name_is_too_long_for_the_new_suffix_fails_alone)
{
	char longest[NAME_MAX + 8] = "in/";

	fixture_enter();
	memset(longest + 3, 'x', NAME_MAX - 4);
	sample("lake.jpg", longest);
	longest[3] = 'y';
	strcpy(longest + 3 + NAME_MAX - 4, "yyyy");
	sample("lake.jpg", longest);
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --report r").status, 1);
	expect_record("{'summary':{'inputs':2,'ok':1,'skipped':0,'failed':1,");
	expect_record("the name is longer than the file system allows");
	EXPECT_EQ(run("ls out | grep -c '^xxx*[.]jpg$'").out[0], '1');
	fixture_leave();
}

/* Bytes after the end of a picture, such as an archive or a script, are not copied to the
 * output. */
TEST(running_batch, bytes_after_the_end_of_a_picture_are_not_copied_to_the_output)
{
	static const char tail[] = "PK\3\4 <script>secret()</script> and a hundred more";
	int fd;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("pendulum.gif", "in/b.gif");
	for (int i = 0; i < 2; i++) {
		fd = open(i ? "in/b.gif" : "in/a.jpg", O_WRONLY | O_APPEND | O_CLOEXEC);
		REQUIRE(fd >= 0 && fd_write_all(fd, tail, sizeof(tail)));
		fd_close(&fd);
	}
	EXPECT_EQ(run("pixpool resize -s 32 -f png in -o out").status, 0);
	EXPECT_STR(tree("out"), "a.png png 32x21\nb.png png 32x24\n");
	EXPECT_EQ(run("grep -rq secret in").status, 0);
	EXPECT_EQ(run("grep -rq secret out").status, 1);
	fixture_leave();
}

TEST(running_batch, replacing_an_output_that_is_a_hard_link_to_its_input_keeps_the_input)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "kept.jpg");
	scratch_folder("out");
	REQUIRE(link("in/a.jpg", "out/a.jpg") == 0);
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --report r").status, 1);
	expect_record("'class':'exists',");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --overwrite always").status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	EXPECT_EQ(run("cmp in/a.jpg kept.jpg").status, 0);
	fixture_leave();
}

/* ---- processes ---- */

/* Whether the kernel writes core files to the current folder. If not, there is nothing to test. */
static bool crash_leaves_a_core(void)
{
	run("mkdir control && cd control && ulimit -c unlimited && sh -c 'kill -SEGV $$'");
	return run("ls control/*core*").status == 0;
}

TEST(running_batch, a_crashed_worker_leaves_no_core_file)
{
	fixture_enter();
	if (!crash_leaves_a_core())
		scratch_skip("core files of crashed workers",
		             "crashes leave no core file on this machine");
	write_script("in/a.png", "signal SIGSEGV");
	write_script("in/b.png", "signal SIGABRT");
	/* The sandbox would prevent core files by itself, so it is off in this test. */
	EXPECT_EQ(run("ulimit -c unlimited; "
	              "pixpool-scripted resize -s 8 --sandbox off in -o out")
	                  .status,
	          1);
	EXPECT_STR(run("find . -name '*core*' -not -path './control*'").out, "");
	fixture_leave();
}

TEST(running_batch, the_death_of_the_zygote_neither_hangs_the_batch_nor_loses_a_record)
{
	struct command command;
	struct ended ended;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	make_images("c", 20);
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out --report r");
	await_gate("a");
	kill(await_process("pxp-zygote"), SIGKILL);
	let_pass("in/a.png");
	ended = end(&command);
	EXPECT(ended.status == 0 || ended.status == 4, "%d: %s", ended.status, ended.err);
	EXPECT(strstr(records("r"), "{'summary':{'inputs':21,"), "%s", records("r"));
	fixture_leave();
}

static void kill_if_worker(pid_t pid, void *data)
{
	unsigned *n_killed = data;
	char path[64], name[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)!read(fd, name, sizeof(name) - 1);
	fd_close(&fd);
	if (strncmp(name, "pxp-worker", 10) == 0)
		*n_killed += kill(pid, SIGKILL) == 0;
}

/* An operator, or the kernel when memory runs out, kills workers again and again. An image fails
 * if two of its workers were killed. All other images are done. */
TEST(running_batch, repeated_kills_of_workers_fail_only_images_that_lose_two_workers)
{
	enum { N_KILLS = 40, N = 400 };
	struct tally tally = {0};
	struct command command;
	struct ended ended;
	unsigned n_killed = 0;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	make_images("c", N);
	command = begin(
		"pixpool-scripted resize -s 8 -j 3 in -o out --report r --progress none");
	await_gate("a");
	for (int i = 0; i < 400 && n_killed < N_KILLS; i++) {
		each_process(kill_if_worker, &n_killed);
		poll(NULL, 0, 2);
	}
	EXPECT(n_killed > 0);
	let_pass("in/a.png");
	ended = end(&command);
	EXPECT(ended.status == 0 || ended.status == 1, "%d: %s", ended.status, ended.err);
	tally_add(&tally, "r");
	EXPECT_EQ(tally.n_inputs, N + 1);
	EXPECT_EQ(tally_of(&tally, "ok") + tally_of(&tally, "crashed"), N + 1);
	/* An image fails when it has lost two workers. */
	EXPECT(tally_of(&tally, "crashed") <= n_killed / 2, "%zu crashed of %u kills",
	       tally_of(&tally, "crashed"), n_killed);
	fixture_leave();
}

#ifndef PIXPOOL_SANITIZE
/* The wall clock jumps a day forward or back at each call of clock_gettime(). pixpool measures time
 * with the monotonic clock, which nobody can set. */
TEST(running_batch, a_jump_of_the_wall_clock_moves_no_deadline)
{
	fixture_enter();
	write_script("in/a.png", "hang asleep");
	make_images("c", 10);
	EXPECT_EQ(
		run("env LD_PRELOAD=" FAULT_PRELOAD " FAULT=clock_gettime:1:0:0:main "
	            "FAULT_LOG=hits pixpool-scripted resize -s 8 in -o out --timeout 1 --report r")
			.status,
		1);
	expect_record("{'input':'in/a.png','status':'failed','class':'timeout',");
	expect_record("{'summary':{'inputs':11,'ok':10,");
	EXPECT(access("hits", F_OK) != 0, "the wall clock was read");
	fixture_leave();
}
#endif
