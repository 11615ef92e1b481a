/* Tests of the option -n, which prints what a run would do, and does nothing. Each test has one
 * command and one expected output. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(plan_option, the_plan_of_a_first_run_lists_its_outputs_and_writes_nothing)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/sub/b c.png");
	scratch_file("in/notes.txt", "no image");
	ended = run("pixpool resize -s 32 -f webp in -o out -n");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.out, "make in/a.jpg -> out/a.webp (new)\n"
	                      "make 'in/sub/b c.png' -> 'out/sub/b c.webp' (new)\n");
	EXPECT_STR(plain(ended.err),
	           "2 images: 2 to make in # s, 1 other file ignored\n");
	EXPECT(access("out", F_OK) != 0);
	fixture_leave();
}

TEST(plan_option, making_a_plan_starts_no_worker_and_decodes_nothing)
{
	fixture_enter();
	write_script("in/a.png", "signal SIGKILL");
	EXPECT_STR(run("pixpool-scripted resize -s 32 in -o out --dry-run").out,
	           "make in/a.png -> out/a.png (new)\n");
	fixture_leave();
}

#ifdef PIXPOOL_STATE
TEST(plan_option, the_plan_decides_about_up_to_date_outputs_as_a_run_would)
{
	static const char command[] = "pixpool resize -s 32 in -o out";
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/edited.jpg");
	sample("lake.jpg", "in/fresh.jpg");
	sample("lake.jpg", "in/foreign.jpg");
	scratch_folder("out");
	scratch_file("out/foreign.jpg", "precious");
	EXPECT_EQ(run("%s", command).status, 1);
	sample("lake.jpg", "in/new.jpg");
	EXPECT_EQ(run("cp in/new.jpg in/edited.jpg && printf x >> in/edited.jpg").status,
	          0);

	ended = run("%s -n --report r", command);
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(ended.out,
	           "make in/edited.jpg -> out/edited.jpg (input changed)\n"
	           "fail in/foreign.jpg -> out/foreign.jpg (output exists; see "
	           "--overwrite)\n"
	           "skip in/fresh.jpg -> out/fresh.jpg (fresh)\n"
	           "make in/new.jpg -> out/new.jpg (new)\n");
	EXPECT(strstr(records("r"), "{'input':'in/new.jpg','output':'out/new.jpg',"
	                            "'status':'planned','reason':'new'}\n"),
	       "%s", records("r"));
	EXPECT(strstr(records("r"), "'inputs':4,'ok':0,'skipped':1,'failed':1,"
	                            "'cancelled':0,'planned':2,"));

	EXPECT_STR(run("%s -n --overwrite skip", command).out,
	           "skip in/edited.jpg -> out/edited.jpg (exists)\n"
	           "skip in/foreign.jpg -> out/foreign.jpg (exists)\n"
	           "skip in/fresh.jpg -> out/fresh.jpg (fresh)\n"
	           "make in/new.jpg -> out/new.jpg (new)\n");
	EXPECT_STR(run("%s -n --overwrite always -q 70", command).out,
	           "make in/edited.jpg -> out/edited.jpg (other options)\n"
	           "make in/foreign.jpg -> out/foreign.jpg (overwrite)\n"
	           "make in/fresh.jpg -> out/fresh.jpg (other options)\n"
	           "make in/new.jpg -> out/new.jpg (new)\n");
	EXPECT_STR(run("%s -n --redo --include fresh.jpg", command).out,
	           "make in/fresh.jpg -> out/fresh.jpg (redo)\n");
	/* Without the state database, the stamps show that the outputs are up to date. */
	EXPECT_EQ(run("rm out/.pixpool.db").status, 0);
	EXPECT_STR(run("%s -n --include fresh.jpg", command).out,
	           "skip in/fresh.jpg -> out/fresh.jpg (fresh)\n");
	fixture_leave();
}

TEST(plan_option, making_a_plan_changes_nothing_in_the_output_folder)
{
	static const char list[] = "find out -printf '%%p %%s %%T@ %%C@\\n' | sort";
	char before[4096];

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out").status, 0);
	EXPECT_EQ(run("touch in/a.jpg && rm in/b.jpg").status, 0);
	scratch_file("out/.pixpool-0123456789abcdef.tmp",
	             "left by a run that was killed");
	snprintf(before, sizeof(before), "%s", run(list).out);
	EXPECT_STR(run("pixpool resize -s 32 in -o out --dry-run --prune").out,
	           "skip in/a.jpg -> out/a.jpg (fresh)\n"
	           "remove out/b.jpg (its input no longer exists)\n");
	EXPECT_STR(run(list).out, before);
	EXPECT_EQ(unlink("out/.pixpool-0123456789abcdef.tmp"), 0);
	fixture_leave();
}

TEST(plan_option, a_plan_says_that_the_state_cannot_be_read)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_STR(plain(run("pixpool resize -s 32 in -o out -n --state s.db").err),
	           "1 image: 1 to make in # s\n");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out").status, 0);
	EXPECT_EQ(run("echo garbage > out/.pixpool.db").status, 0);
	ended = run("pixpool resize -s 32 in -o out -n");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.out, "skip in/a.jpg -> out/a.jpg (fresh)\n");
	EXPECT_STR(
		plain(ended.err),
		"pixpool: the state out/.pixpool.db cannot be used: file is not a "
		"database; the plan uses only the records in attributes of the outputs\n"
		"1 image: 0 to make, 1 skipped in # s\n");
	EXPECT_STR(run("cat out/.pixpool.db").out, "garbage\n");

	/* A run would refuse this file, so the plan does, too. */
	scratch_file("notes", "precious");
	ended = run("pixpool resize -s 32 in -o out -n --state notes");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err,
	           "pixpool: --state: notes exists and is not a state database of "
	           "pixpool; choose another name\n");
	fixture_leave();
}

TEST(plan_option, the_plan_lists_failures_known_from_earlier_runs)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	REQUIRE(truncate("in/a.jpg", 9000) == 0);
	EXPECT_EQ(run("pixpool resize -s 32 in -o out").status, 1);
	ended = run("pixpool resize -s 32 in -o out -n");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(ended.out, "fail in/a.jpg -> out/a.jpg (truncated JPEG)\n");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out -n --accept-known").status, 0);
	fixture_leave();
}
#endif

TEST(plan_option, the_plan_lists_unreadable_inputs_as_failures)
{
	struct ended ended;

	fixture_enter();
	scratch_file("notes.txt", "no image");
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool resize -s 32 notes.txt a.jpg -o out -n");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(ended.out, "fail notes.txt (not an image)\n"
	                      "make a.jpg -> out/a.jpg (new)\n");
	fixture_leave();
}

TEST(plan_option, a_dry_run_exits_with_status_2_for_a_collision_and_3_without_an_image)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/a.png");
	ended = run("pixpool resize -s 32 in -o out -f webp -n");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.out, "");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out -n --include '*.tif'").status, 3);
	fixture_leave();
}

TEST(plan_option, a_plan_can_be_made_for_a_single_output_file_or_standard_output)
{
	fixture_enter();
	sample("lake.jpg", "a.jpg");
	scratch_file("b.jpg", "precious");
	EXPECT_STR(run("pixpool resize -s 32 a.jpg -o b.jpg -n").out,
	           "make a.jpg -> b.jpg (overwrite)\n");
	EXPECT_STR(run("pixpool resize -s 32 a.jpg -o new/c.jpg -n").out,
	           "make a.jpg -> new/c.jpg (new)\n");
	EXPECT_STR(run("pixpool resize -s 32 a.jpg -f png -o - -n").out,
	           "make a.jpg -> - (new)\n");
	EXPECT_STR(run("pixpool resize -s 32 a.jpg --in-place --no-backup -n").out,
	           "make a.jpg -> a.jpg (in place)\n");
	EXPECT_STR(scratch_text("b.jpg"), "precious");
	EXPECT(access("new", F_OK) != 0);
	fixture_leave();
}

TEST(plan_option, a_plan_whose_reader_has_closed_the_pipe_ends_the_program_by_sigpipe)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	ended = run("{ while [ ! -e closed ]; do :; done; "
	            "pixpool resize -s 32 in -o out -n; echo $? > status; } | "
	            "{ exec <&-; : > closed; }");
	EXPECT_STR(scratch_text("status"), "141\n");
	EXPECT_STR(ended.err, "");
	fixture_leave();
}

TEST(plan_option, a_plan_that_cannot_be_written_exits_with_status_4)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool resize -s 32 a.jpg -o out -n > /dev/full");
	EXPECT_EQ(ended.status, 4);
	/* Standard output gets the records instead of the plan. */
	ended = run("pixpool resize -s 32 a.jpg -o out -n --report -");
	EXPECT(strstr(ended.out, "\"status\":\"planned\",\"reason\":\"new\"}\n"));
	EXPECT(!strstr(ended.out, "make"));
	fixture_leave();
}
