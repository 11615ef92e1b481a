/* Tests of outputs and reports that cannot be written, and of closed pipes. */
#include "cli_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(system_faults, a_closed_standard_error_does_not_stop_the_batch)
{
	char path[32];

	fixture_enter();
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "in/%02d.png", i);
		write_script(path, "size 2 2");
	}
	EXPECT_EQ(
		run("{ pixpool-scripted resize -s 8 in -o out --report r 2>&1; echo $? > "
	            "status; } | head -n 1 > /dev/null")
			.status,
		0);
	EXPECT_STR(scratch_text("status"), "0\n");
	EXPECT(strstr(records("r"), "{'summary':{'inputs':50,'ok':50,"));
	fixture_leave();
}

TEST(system_faults, a_run_with_its_report_into_a_closed_pipe_exits_with_status_4)
{
	char path[32];

	fixture_enter();
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "in/%02d.png", i);
		write_script(path, "size 2 2");
	}
	EXPECT_EQ(run("{ pixpool-scripted resize -s 8 in -o out --report - ; echo $? > "
	              "status; } | true")
	                  .status,
	          0);
	EXPECT_STR(scratch_text("status"), "4\n");
	EXPECT_EQ(run("ls out | wc -l").out[0], '5');
	fixture_leave();
}

TEST(system_faults, a_batch_runs_with_closed_standard_descriptors)
{
	static const char *const closed[] = {
		"<&-",          ">&-",      "2>&-",     "<&- >&-",
		"<&- >&- 2>&-", ">&- 2>&-", "<&- 2>&-", NULL};

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	for (size_t i = 0; closed[i]; i++) {
		struct ended ended = run("pixpool resize -s 32 a.jpg -o out%zu "
		                         "--report r%zu %s",
		                         i, i, closed[i]);
		char folder[32];

		EXPECT_EQ(ended.status, 0);
		snprintf(folder, sizeof(folder), "out%zu", i);
		EXPECT_STR(tree(folder), "a.jpg jpeg 32x21\n");
		snprintf(folder, sizeof(folder), "r%zu", i);
		EXPECT(strstr(records(folder), "{'input':'a.jpg',") == records(folder),
		       "messages were written into the report: %s", records(folder));
	}
	fixture_leave();
}

TEST(system_faults,
     a_run_with_its_report_on_a_full_disk_exits_with_status_4_and_a_message)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool resize -s 32 a.jpg -o out --report /dev/full");
	EXPECT_EQ(ended.status, 4);
	EXPECT(strstr(ended.err, "the report is incomplete: it could not be written"));
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	ended = run("pixpool resize -s 32 a.jpg -o out2 --report - > /dev/full");
	EXPECT_EQ(ended.status, 4);
	EXPECT(strstr(ended.err, "the report is incomplete: it could not be written"));
	fixture_leave();
}

TEST(system_faults, a_full_disk_stops_the_batch_and_leaves_only_complete_outputs)
{
	struct ended ended;
	char path[32];

	fixture_enter();
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "in/%02d.jpg", i);
		sample("lake.jpg", path);
	}
	scratch_folder("out");
	/* In a mount namespace the mounted file system disappears with the process. Users other
	 * than root get the right to mount in a user namespace. */
	ended = run(
		"unshare %s-m sh -c 'mount -t tmpfs -o size=400k none out && exec %s'",
		geteuid() == 0 ? "" : "-r ",
		"sh -c \"pixpool resize -s 600 -q 95 in -o out --report r; echo "
		"\\$? > status; cp -r out kept\"");
	if (ended.status != 0) {
		scratch_skip("a full disk", ended.err);
	} else {
		const char *text = records("r"), *names;
		int n_ok = 0, n_whole = 0;

		EXPECT_STR(scratch_text("status"), "4\n");
		EXPECT(strstr(ended.err, "pixpool: stopped: publish: "), "%s", ended.err);
		EXPECT(strstr(ended.err, "No space left on device"), "%s", ended.err);
		EXPECT(strstr(text, "'failed':0,"), "an image was blamed: %s", text);
		for (const char *c = text; (c = strstr(c, "'status':'ok'")); c++)
			n_ok++;
		names = tree("kept");
		for (const char *c = names; (c = strstr(c, ".jpg jpeg 600x400\n")); c++)
			n_whole++;
		EXPECT(n_ok > 0);
		EXPECT_EQ(n_whole, n_ok);
		EXPECT(!strstr(names, "unknown"), "%s", names);
	}
	fixture_leave();
}

TEST(system_faults, an_output_folder_without_permission_stops_the_batch)
{
	const char *nobody;
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	scratch_folder("out");
	scratch_folder("closed");
	REQUIRE(chmod("closed", 0555) == 0 && chmod("out", 0777) == 0);
	nobody = as_nobody();
	if (nobody) {
		ended = run("%spixpool resize -s 32 in -o closed --report out/r", nobody);
		EXPECT_EQ(ended.status, 4);
		EXPECT(strstr(ended.err, "pixpool: stopped: publish: "), "%s", ended.err);
		EXPECT(strstr(records("out/r"), "{'summary':{'inputs':2,'ok':0,'skipped':"
		                                "0,'failed':0,'cancelled':2,"));
		ended = run("%spixpool resize -s 32 in -o closed/new", nobody);
		EXPECT_EQ(ended.status, 4);
		EXPECT(strstr(
			ended.err,
			"pixpool: stopped: cannot make the output folder closed/new: "
			"Permission denied\n"));
		EXPECT_EQ(
			run("%spixpool resize -s 32 in -o out --report closed/r", nobody)
				.status,
			2);
		EXPECT_STR(tree("closed"), "");
	}
	fixture_leave();
}

TEST(system_faults, a_limit_on_file_sizes_fails_only_larger_outputs)
{
	fixture_enter();
	write_script("in/large.bmp", "size 200 200"); /* the output has about 120 kB */
	write_script("in/small.bmp", "size 2 2");
	EXPECT_EQ(run("ulimit -f 100; pixpool-scripted resize -s 8 in -o out --retries 0 "
	              "--report r")
	                  .status,
	          1);
	EXPECT(strstr(records("r"), "{'input':'in/large.bmp','status':'failed','class':"),
	       "%s", records("r"));
	EXPECT(!strstr(records("r"), "'class':'crashed'"),
	       "the worker was killed for exceeding the limit");
	EXPECT_STR(tree("out"), "small.bmp bmp\n");
	fixture_leave();
}

/* Run the program over 12 images, with at most `limit` open files. `inherited` is the number of
 * files that the shell has opened and the program inherits. Returns how many images are done. */
static int done_under_limit(unsigned limit, unsigned inherited, struct ended *ret_ended)
{
	const char *names;
	int n = 0;

	REQUIRE(run("rm -rf out").status == 0);
	*ret_ended = run(
		"for i in $(seq %u); do exec {fd}< /dev/null; done; ulimit -n %u; exec pixpool "
		"resize -s 32 -j 2 in -o out --report r --progress none",
		inherited, limit);
	names = tree("out");
	for (const char *c = names; (c = strstr(c, ".jpg jpeg 32x21\n")); c++)
		n++;
	return n;
}

TEST(system_faults, a_batch_with_few_descriptors_succeeds_or_names_the_limit)
{
	static const struct {
		unsigned inherited, limit;
	} cases[] = {{0, 5},    {0, 7},    {0, 10},    {0, 16},   {0, 20},  {0, 24},
	             {0, 30},   {0, 40},   {0, 64},    {35, 64},  {40, 64}, {50, 64},
	             {90, 128}, {95, 128}, {100, 128}, {120, 128}};

	fixture_enter();
	for (int i = 0; i < 12; i++) {
		char path[32];

		snprintf(path, sizeof(path), "in/%d.jpg", i);
		sample("lake.jpg", path);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ended ended;
		int n = done_under_limit(cases[i].limit, cases[i].inherited, &ended);

		EXPECT(n == 12 ? ended.status == 0
		               : ended.status == 2 && strstr(ended.err, "(ulimit -n)"),
		       "%u of %u inherited: %d done, status %d: %s", cases[i].inherited,
		       cases[i].limit, n, ended.status, ended.err);
		EXPECT(n == 12 || cases[i].limit - cases[i].inherited < 32,
		       "%u of %u inherited: %s", cases[i].inherited, cases[i].limit,
		       ended.err);
	}
	fixture_leave();
}

TEST(system_faults, a_batch_runs_without_a_home_folder_and_environment_variables)
{
	fixture_enter();
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("env -i HOME=/nowhere \"$(command -v pixpool)\" resize -s 32 "
	              "a.jpg -o out")
	                  .status,
	          0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(system_faults, few_descriptors_reduce_the_number_of_workers_and_fail_no_image)
{
	struct ended ended;

	fixture_enter();
	for (int i = 0; i < 60; i++) {
		char path[32];

		snprintf(path, sizeof(path), "in/%d.jpg", i);
		sample("orientation/1.jpg", path);
	}
	ended = run("ulimit -n 40; pixpool resize -s 20 -j 8 in -o out --progress none");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(
		ended.err,
		"1 of 8 workers: the limit on open files (ulimit -n) allows no more\n"));
	EXPECT(strstr(ended.err, "60 images: 60 done"));
	fixture_leave();
}

TEST(system_faults,
     an_output_over_the_limit_on_file_sizes_fails_with_the_name_of_the_limit)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	/* The shell limits each file to 8 units of 512 bytes. The output and the state database
	 * both exceed this limit. */
	ended = run("ulimit -f 8; pixpool resize -s 600 -q 95 in -o out --report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(records("r"), "'status':'failed','class':'io',"), "%s",
	       records("r"));
	EXPECT(strstr(run("cat r").out, "the limit on file sizes (ulimit -f)"), "%s",
	       run("cat r").out);
	EXPECT_STR(tree("out"), "");
	/* The next run must try the picture again: the failure was no fault of the picture. */
	EXPECT_EQ(run("pixpool resize -s 600 -q 95 in -o out --report r").status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 600x400\n");
	fixture_leave();
}

TEST(system_faults, a_batch_runs_with_a_stack_of_128_kib)
{
#ifdef PIXPOOL_SANITIZE
	SKIP("the stack frames of a sanitizer build are larger");
#endif
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/b.png");
	EXPECT_EQ(run("ulimit -s 128; pixpool resize -s 32 in -o out").status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nb.png png 32x32\n");
	fixture_leave();
}

/* Run a command in a mount namespace, with an empty folder mounted at `path`. Returns false if this
 * machine does not allow such a mount. */
static bool run_without(const char *path, const char *command, struct ended *ret_ended)
{
	const char *as = geteuid() == 0 ? "" : "-r ";

	*ret_ended = run("unshare %s-m mount -t tmpfs none /mnt", as);
	if (ret_ended->status != 0) {
		scratch_skip("a mount over a system folder", ret_ended->err);
		return false;
	}
	*ret_ended = run("unshare %s-m sh -c 'mount -t tmpfs none %s && exec %s'", as,
	                 path, command);
	return true;
}

TEST(system_faults, a_batch_runs_and_has_a_memory_limit_without_the_proc_file_system)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	if (run_without("/proc", "pixpool info", &ended)) {
		const char *memory = strstr(ended.out, "MiB for all processes");

		REQUIRE(memory, "%s", ended.out);
		while (memory > ended.out && memory[-1] != '\n')
			memory--;
		EXPECT(strtoull(strpbrk(memory, "0123456789"), NULL, 10) < 1 << 24, "%s",
		       memory);
#ifndef PIXPOOL_SANITIZE /* a sanitizer cannot start in a worker without /proc */
		run_without("/proc", "pixpool resize -s 32 in -o out", &ended);
		EXPECT_EQ(ended.status, 0);
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
#endif
	}
	fixture_leave();
}

TEST(system_faults, a_missing_dev_null_is_named_in_the_message)
{
	struct ended ended;

	fixture_enter();
	if (run_without("/dev", "pixpool info", &ended)) {
		EXPECT_EQ(ended.status, 2);
		EXPECT_STR(ended.err, "pixpool: cannot open /dev/null for the zygote: No "
		                      "such file or directory\n");
	}
	fixture_leave();
}

#ifdef PIXPOOL_VIPS
enum { N_OF_TASKS = 12 };

/* Convert with libvips, which starts threads, under a limit on the number of processes. */
static void expect_all_made_under(const char *limit, const char *name)
{
	struct ended ended;

	REQUIRE(run("rm -rf out").status == 0);
	ended = run("%s exec pixpool convert -f tiff -j 8 in -o out --progress none",
	            limit);
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, " of 8 workers: the limit on processes ("), "%s",
	       ended.err);
	EXPECT(strstr(ended.err, name), "%s", ended.err);
	EXPECT(strstr(ended.err, "12 images: 12 done"), "%s", ended.err);
}

TEST(system_faults, a_limit_on_processes_reduces_the_number_of_workers_and_fails_no_image)
{
	static const char folder[] = "/sys/fs/cgroup/pids/pixpool-test";
	char limit[256];

	fixture_enter();
	for (int i = 0; i < N_OF_TASKS; i++) {
		char path[32];

		snprintf(path, sizeof(path), "in/%d.jpg", i);
		sample("lake.jpg", path);
	}
	if (geteuid() != 0) {
		SKIP("only root's workers have a user, and a limit, of their own");
	} else {
		expect_all_made_under("ulimit -u 18;", "(ulimit -u)");
		if (run("mkdir -p %s && echo 16 > %s/pids.max", folder, folder).status ==
		    0) {
			snprintf(limit, sizeof(limit), "echo $$ > %s/cgroup.procs;",
			         folder);
			expect_all_made_under(limit, "(pids.max of the cgroup)");
			run("rmdir %s", folder);
		} else {
			scratch_skip("a control group",
			             "no pids controller of version 1");
		}
	}
	fixture_leave();
}

TEST(system_faults, environment_variables_of_libraries_create_no_file_and_fail_no_image)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("cd in && env VIPS_PROFILE=1 VIPS_LEAK=1 VIPS_CONCURRENCY=99 "
	              "G_DEBUG=fatal-warnings OMP_NUM_THREADS=9 pixpool resize -s 32 "
	              "--sandbox off --engine vips a.jpg -o ../out")
	                  .status,
	          0);
	EXPECT_STR(tree("in"), "a.jpg jpeg 640x427\n");
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	fixture_leave();
}
#endif
