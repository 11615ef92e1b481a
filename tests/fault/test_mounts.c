/*
 * Folders on mounts that lack what local file systems have: tests/support/fuse_mirror.c mirrors a
 * folder and leaves out one feature after the other. These tests need root and /dev/fuse; elsewhere
 * they are skipped.
 */
#include "cli/cli_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the mirror can be mounted here. If not, a message gives the reason. */
static bool can_mount(void)
{
	struct ended ended = run(FUSE_MIRROR " back mnt -- true");

	if (ended.status == 0)
		return true;
	scratch_skip("a FUSE mount",
	             ended.err[0] ? ended.err : "/dev/fuse cannot be used");
	return false;
}

/* Enter a scratch folder that has the folder "back", which will be mirrored, the mount point "mnt",
 * and two pictures in each of "in" and "back/in". */
static bool enter(void)
{
	fixture_enter();
	scratch_folder("back");
	scratch_folder("mnt");
	sample("lake.jpg", "in/a.jpg");
	sample("dunes.jpg", "in/b.jpg");
	sample("lake.jpg", "back/in/a.jpg");
	sample("dunes.jpg", "back/in/b.jpg");
	return can_mount();
}

TEST(mounts, outputs_are_made_on_a_mount_that_lacks_links_or_rename_flags_or_attributes)
{
	static const char *const lacks[] = {
		"no-links",
		"no-rename-flags",
		"no-links no-rename-flags",
		"no-attributes",
		"no-links no-rename-flags no-attributes",
	};

	if (enter()) {
		for (size_t i = 0; i < sizeof(lacks) / sizeof(lacks[0]); i++) {
			static const char *const policies[] = {"", "--overwrite skip",
			                                       "--overwrite always"};

			for (size_t j = 0; j < 3; j++) {
				struct ended ended;

				REQUIRE(run("rm -rf back/out").status == 0);
				ended = run(FUSE_MIRROR
				            " back mnt %s -- pixpool resize -s 32 %s "
				            "mnt/in -o mnt/out",
				            lacks[i], policies[j]);
				EXPECT(ended.status == 0, "%s %s: %s", lacks[i],
				       policies[j], ended.err);
				EXPECT_STR(tree("back/out"),
				           "a.jpg jpeg 32x21\nb.jpg jpeg 32x20\n");
			}
		}
	}
	fixture_leave();
}

#ifdef PIXPOOL_STATE

/* The state cannot be opened and the mount has no attributes for stamps, so nothing records the
 * outputs. */
TEST(mounts,
     a_run_without_state_and_stamps_warns_that_a_second_run_will_not_replace_outputs)
{
	if (enter()) {
		static const char command[] = FUSE_MIRROR
			" back mnt no-attributes -- pixpool resize -s 32 "
			"mnt/in -o mnt/out --state missing/db";
		struct ended ended = run(command);

		EXPECT_EQ(ended.status, 0);
		EXPECT(strstr(ended.err, "; warning: the output folder does not support "
		                         "attributes, so outputs are not recorded, "
		                         "and a second run will not replace them; see "
		                         "--overwrite\n"),
		       "%s", ended.err);
		ended = run(command);
		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(ended.err, " output exists; see --overwrite: "), "%s",
		       ended.err);
	}
	fixture_leave();
}

#endif

/* A run that is killed between claiming a name and renaming the output to it leaves an empty
 * file. */
TEST(mounts, an_empty_file_under_the_name_of_an_output_is_replaced)
{
	if (enter()) {
		scratch_folder("back/out");
		scratch_file("back/out/a.jpg", "");
		EXPECT_EQ(run(FUSE_MIRROR " back mnt no-links no-rename-flags -- pixpool "
		                          "resize -s 32 mnt/in -o mnt/out")
		                  .status,
		          0);
		EXPECT_STR(tree("back/out"), "a.jpg jpeg 32x21\nb.jpg jpeg 32x20\n");
	}
	fixture_leave();
}

/* The outputs of two inputs are one file on the mount. Exactly one output is made, and the other
 * input fails. */
static void expect_collision(const char *lacks, const char *policy)
{
	struct ended ended;

	REQUIRE(run("rm -rf back/out").status == 0);
	ended = run(FUSE_MIRROR
	            " back mnt %s -- pixpool resize -s 32 %s twins -o mnt/out "
	            "--report r",
	            lacks, policy);
	EXPECT(ended.status == 1, "%s: status %d: %s", policy, ended.status, ended.err);
	EXPECT(strstr(records("r"), "'status':'failed','class':'collision'"), "%s: %s",
	       policy, records("r"));
	EXPECT(strstr(records("r"),
	              "{'summary':{'inputs':2,'ok':1,'skipped':0,'failed':1,"),
	       "%s: %s", policy, records("r"));
	/* In a second run, too, the file is the output of one input only: the other input fails. */
	ended = run(FUSE_MIRROR
	            " back mnt %s -- pixpool resize -s 32 %s twins -o mnt/out "
	            "--report r",
	            lacks, policy);
	EXPECT(ended.status == 1, "%s: second run: status %d: %s", policy, ended.status,
	       ended.err);
}

static void expect_collisions(const char *lacks, const char *one, const char *other)
{
	char path[64];

	if (enter()) {
		snprintf(path, sizeof(path), "twins/%s", one);
		sample("lake.jpg", path);
		snprintf(path, sizeof(path), "twins/%s", other);
		sample("dunes.jpg", path);
		expect_collision(lacks, "");
		expect_collision(lacks, "--overwrite skip");
		expect_collision(lacks, "--overwrite always");
		expect_collision(lacks, "--overwrite older");
		expect_collision(lacks, "--state none");
	}
	fixture_leave();
}

TEST(mounts, two_outputs_collide_in_a_folder_that_ignores_case)
{
	expect_collisions("fold-case", "A.jpg", "a.jpg");
	expect_collisions("fold-case", "SUB/x.jpg", "sub/X.jpg");
	expect_collisions("fold-case no-links no-rename-flags", "A.jpg", "a.jpg");
}

TEST(mounts, two_outputs_collide_in_a_folder_that_normalises_unicode)
{
	expect_collisions("normalise", "caf\xc3\xa9.jpg", "cafe\xcc\x81.jpg");
}

TEST(mounts, an_output_succeeds_even_if_the_mount_refuses_to_set_its_file_times)
{
	static const int refusals[] = {EPERM, EACCES, ENOSYS, EOPNOTSUPP};

	if (enter()) {
		for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
			struct ended ended;

			REQUIRE(run("rm -rf back/out").status == 0);
			ended = run(FUSE_MIRROR
			            " back mnt no-times=%d -- pixpool resize -s 32 "
			            "--keep-dates in -o mnt/out",
			            refusals[i]);
			EXPECT_EQ(ended.status, 0);
			EXPECT(strstr(ended.err, "warning: cannot set the "), "%s",
			       ended.err);
			EXPECT_STR(tree("back/out"),
			           "a.jpg jpeg 32x21\nb.jpg jpeg 32x20\n");
		}
	}
	fixture_leave();
}

TEST(mounts, files_are_read_completely_on_a_mount_that_reports_their_size_as_0)
{
	if (enter()) {
		EXPECT_EQ(run(FUSE_MIRROR
		              " back mnt size-0 -- pixpool resize -s 32 mnt/in "
		              "-o out --report r")
		                  .status,
		          0);
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nb.jpg jpeg 32x20\n");
		/* The mount reports the size 0 for a complete output too. Such an output is not
		 * mistaken for the empty file that a killed run leaves. */
		EXPECT_EQ(run(FUSE_MIRROR
		              " back mnt size-0 -- pixpool resize -s 32 in -o "
		              "mnt/in --overwrite skip")
		                  .status,
		          0);
		EXPECT_STR(tree("back/in"), "a.jpg jpeg 640x427\nb.jpg jpeg 640x400\n");
	}
	fixture_leave();
}

/* ---- calls that never return ---- */

/* Enter a scratch folder that also has n files with "hang" in their names. An option of the FUSE
 * mirror, such as hang-open, selects the call that never returns for such names. */
static bool enter_with_hanging(int n)
{
	bool can = enter();

	for (int i = 0; i < n && can; i++) {
		char path[64];

		snprintf(path, sizeof(path), "back/in/a-hang%d.jpg", i);
		sample("lake.jpg", path);
	}
	return can;
}

TEST(mounts, an_open_that_never_returns_fails_one_input)
{
	struct ended ended;

	if (enter_with_hanging(1)) {
		ended = run(FUSE_MIRROR " back mnt hang-open -- pixpool resize -s 32 "
		                        "--timeout 4 mnt/in -o out --report r");
		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(ended.err, "pixpool: waiting for the file system of "
		                         "mnt/in/a-hang0.jpg\n"),
		       "%s", ended.err);
		EXPECT(strstr(records("r"),
		              "{'input':'mnt/in/a-hang0.jpg','status':'failed',"
		              "'class':'io',"),
		       "%s", records("r"));
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nb.jpg jpeg 32x20\n");
	}
	fixture_leave();
}

/* If each of the 60 inputs waited for its own deadline, the test would exceed its time limit. */
TEST(mounts, after_four_hanging_opens_the_other_inputs_of_the_device_fail_at_once)
{
	struct ended ended;

	if (enter_with_hanging(60)) {
		sample("lake.jpg", "here/c.jpg");
		sample("lake.jpg", "here/d.jpg");
		ended = run(FUSE_MIRROR " back mnt hang-open -- pixpool resize -s 32 "
		                        "--timeout 2 mnt/in here -o out --report r");
		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(records("r"),
		              "{'summary':{'inputs':64,'ok':2,'skipped':0,'failed':62,"),
		       "%s", ended.err);
	}
	fixture_leave();
}

TEST(mounts, a_folder_whose_listing_never_returns_fails_alone)
{
	struct ended ended;

	if (enter()) {
		sample("lake.jpg", "back/in/hang/c.jpg");
		ended = run(FUSE_MIRROR " back mnt hang-list -- pixpool resize -s 32 "
		                        "--timeout 1 mnt/in -o out --report r");
		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(records("r"),
		              "{'input':'mnt/in/hang','status':'failed','class':'io',"),
		       "%s", records("r"));
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nb.jpg jpeg 32x20\n");
	}
	fixture_leave();
}

/* A run in place also looks up the folders of its inputs, to lock them. */
TEST(mounts, a_run_in_place_over_a_list_fails_only_the_files_whose_lookup_never_returns)
{
	struct ended ended;

	if (enter_with_hanging(1)) {
		scratch_link("link.jpg", "mnt/in/a-hang0.jpg");
		scratch_file("list", "mnt/in/a-hang0.jpg\nlink.jpg\nin/a.jpg\n");
		ended = run(FUSE_MIRROR " back mnt hang-stat -- pixpool resize -s 32 "
		                        "--in-place --no-backup --timeout 1 --files-from "
		                        "list --report r");
		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(records("r"),
		              "{'summary':{'inputs':3,'ok':1,'skipped':0,'failed':2,"),
		       "%s", records("r"));
		EXPECT_STR(tree("in"), "a.jpg jpeg 32x21\nb.jpg jpeg 640x400\n");
	}
	fixture_leave();
}

/* Run pixpool on the mount, wait for its message about a hanging call, and terminate it. */
static void expect_signal_ends(const char *hangs, const char *words)
{
	if (enter_with_hanging(1)) {
		struct ended ended = run(
			FUSE_MIRROR
			" back mnt %s -- bash -c 'pixpool resize -s 32 --timeout 50 "
			"%s 2> log & until grep -q waiting log; do sleep 0.1; done; "
			"kill -TERM $!; wait $!'",
			hangs, words);

		EXPECT(ended.status == 128 + SIGTERM, "%s: status %d", words,
		       ended.status);
	}
	fixture_leave();
}

TEST(mounts, a_signal_ends_a_run_whose_open_hangs)
{
	expect_signal_ends("hang-open", "mnt/in -o out");
}

/* Before the feeder starts, the main thread looks up the INPUTs, the output folder, and the folders
 * of a run in place. */
TEST(mounts, a_signal_ends_a_run_that_has_not_begun_because_a_lookup_hangs)
{
	expect_signal_ends("hang-stat", "in mnt/in/a-hang0.jpg -o out");
	expect_signal_ends("hang-stat", "in -o mnt/in/a-hang");
	expect_signal_ends("hang-stat", "--in-place --no-backup --files-from - <<< "
	                                "mnt/in/a-hang0.jpg");
}
