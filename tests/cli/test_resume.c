/*
 * Tests of a second run with the same output folder: up-to-date outputs are not made again,
 * whatever happened to outputs, inputs and state between the runs. The inputs are scripts for the
 * test engine. If a worker runs a script, the report says "ok", so the tests notice an output that
 * is made again.
 */
#include "cli_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { N_IMAGES = 6 };

/* Create images in two folders. */
static void make_inputs(void)
{
	char path[32], script[32];

	for (int i = 0; i < N_IMAGES; i++) {
		snprintf(path, sizeof(path), "in/%s%d.png", i % 2 ? "sub/" : "", i);
		snprintf(script, sizeof(script), "size %d 2", 2 + i);
		write_script(path, script);
	}
	/* Give all inputs an old modification time, so that no comparison of times is in doubt. */
	run("find in -type f -exec touch -d '2020-01-01 00:00:00.123456' {} +");
}

static struct ended resize(const char *options)
{
	return run("pixpool-scripted resize -s 8 in -o out --progress none --report r %s",
	           options);
}

/* Whether the summary of a run contains this text. */
static void expect_summary(int n_ok, int n_skipped, int n_failed)
{
	char want[128];

	snprintf(want, sizeof(want),
	         "{'summary':{'inputs':%d,'ok':%d,'skipped':%d,'failed':%d,",
	         n_ok + n_skipped + n_failed, n_ok, n_skipped, n_failed);
	EXPECT(strstr(records("r"), want), "%s\n", records("r"));
}

/* Check that the second run decodes nothing and succeeds. */
static void expect_all_fresh(void)
{
	EXPECT_EQ(resize("").status, 0);
	expect_summary(0, N_IMAGES, 0);
	EXPECT(strstr(records("r"), "'status':'skipped','reason':'fresh'"));
	EXPECT(!strstr(records("r"), "'reason':'exists'"));
}

static void first_run(void)
{
	fixture_enter();
	make_inputs();
	EXPECT_EQ(resize("").status, 0);
	expect_summary(N_IMAGES, 0, 0);
}

static bool has_stamps(void)
{
	char value[1024];

	return getxattr("out/0.png", "user.pixpool", value, sizeof(value)) > 0;
}

TEST(resume, a_second_run_makes_no_output_if_nothing_changed)
{
	first_run();
	expect_all_fresh();
	EXPECT(strstr(records("r"),
	              "{'input':'in/0.png','output':'out/0.png','status':'skipped','reason':"
	              "'fresh','out':{'width':2,'height':2,'format':'png','bytes':#}}"),
	       "%s", records("r"));
	fixture_leave();
}

TEST(resume, a_run_with_nothing_to_do_starts_no_worker_and_opens_no_image)
{
	first_run();
	if (run("strace -V").status != 0) {
		fixture_leave();
		SKIP("strace is not installed");
	}
	run("strace -f -o trace -e trace=openat,clone,clone3,fork,vfork pixpool-scripted "
	    "resize -s 8 in -o out --progress none");
	EXPECT_EQ(run("grep -E '\\.png\"' trace").status, 1);
	/* A run that makes nothing has one child process, the zygote. A fork server and workers
	 * would be children of the zygote. */
	EXPECT_STR(
		run("grep -cE '(clone|clone3|fork|vfork)\\(.*(SIGCHLD|child_tidptr)' trace")
			.out,
		"1\n");
	fixture_leave();
}

TEST(resume, outputs_that_lost_their_attributes_count_as_up_to_date_by_the_database)
{
	first_run();
	run("tar cf all.tar out && rm -r out && tar xf all.tar && find out -name '*.png' "
	    "-exec touch {} +");
	EXPECT(!has_stamps(), "tar drops attributes by default");
	expect_all_fresh();
	expect_all_fresh();
	fixture_leave();
}

TEST(resume, inputs_with_new_modification_times_are_compared_by_content)
{
	first_run();
	run("find in -type f -exec touch -d '2021-02-03' {} +");
	expect_all_fresh();
	EXPECT_EQ(resize("").status, 0);
	EXPECT_STR(run("grep -c '\"reason\":\"fresh\"' r").out, "6\n");
	fixture_leave();
}

TEST(resume, outputs_stay_up_to_date_after_inputs_and_outputs_move_to_another_folder)
{
	first_run();
	scratch_folder("elsewhere");
	REQUIRE(rename("in", "elsewhere/in") == 0 && rename("out", "elsewhere/out") == 0);
	EXPECT_EQ(
		run("cd elsewhere && pixpool-scripted resize -s 8 in -o out --progress none "
	            "--report ../r")
			.status,
		0);
	expect_summary(0, N_IMAGES, 0);
	fixture_leave();
}

TEST(resume, stamps_prove_outputs_up_to_date_without_the_database)
{
	first_run();
	if (!has_stamps()) {
		fixture_leave();
		SKIP("this file system does not support attributes");
	}
	run("rm out/.pixpool.db*");
	expect_all_fresh();
	run("rm out/.pixpool.db* && find out -name '*.png' -exec touch {} +");
	expect_all_fresh();
	fixture_leave();
}

TEST(resume, outputs_count_as_files_of_somebody_else_if_database_and_stamps_are_missing)
{
	first_run();
	run("rm out/.pixpool.db*; for f in $(find out -name '*.png'); do cat $f > t; rm $f; mv t $f; "
	    "done");
	EXPECT_EQ(resize("").status, 1);
	expect_summary(0, 0, N_IMAGES);
	EXPECT(strstr(records("r"), "'class':'exists'"));
	EXPECT_EQ(resize("--checksum").status, 0);
	expect_summary(N_IMAGES, 0, 0);
	expect_all_fresh();
	fixture_leave();
}

TEST(resume, only_the_output_of_a_changed_input_is_made_again)
{
	first_run();
	run("rm in/0.png");
	write_script("in/0.png", "size 7 7");
	EXPECT_EQ(resize("").status, 0);
	expect_summary(1, N_IMAGES - 1, 0);
	expect_all_fresh();
	fixture_leave();
}

TEST(resume, an_output_changed_by_somebody_else_is_left_alone)
{
	first_run();
	run("echo mine > out/0.png");
	EXPECT_EQ(resize("").status, 1);
	expect_summary(0, N_IMAGES - 1, 1);
	EXPECT_STR(run("cat out/0.png").out, "mine\n");
	EXPECT_EQ(resize("--overwrite skip").status, 0);
	expect_summary(0, N_IMAGES, 0);
	EXPECT_STR(run("cat out/0.png").out, "mine\n");
	EXPECT_EQ(resize("--overwrite older").status, 0);
	EXPECT_STR(run("cat out/0.png").out, "mine\n");
	EXPECT_EQ(resize("--overwrite always").status, 0);
	expect_summary(1, N_IMAGES - 1, 0);
	fixture_leave();
}

TEST(resume, all_outputs_are_made_again_if_the_recipe_changed_or_the_option_redo_is_given)
{
	first_run();
	EXPECT_EQ(resize("-q 50").status, 0);
	expect_summary(N_IMAGES, 0, 0);
	EXPECT_EQ(resize("-q 50 --redo").status, 0);
	expect_summary(N_IMAGES, 0, 0);
	EXPECT_EQ(resize("-q 50").status, 0);
	expect_summary(0, N_IMAGES, 0);
	fixture_leave();
}

TEST(resume, a_picture_known_to_be_bad_is_not_tried_again)
{
	first_run();
	scratch_bytes("in/bad.png", "no picture", 10);
	run("touch -d 2020-01-01 in/bad.png");
	EXPECT_EQ(resize("").status, 1);
	EXPECT(!strstr(records("r"), "remembered':true"));
	EXPECT_EQ(resize("").status, 1);
	EXPECT(strstr(records("r"), "'remembered':true"), "%s", records("r"));
	EXPECT(strstr(records("r"), "'remembered':1,"));
	EXPECT(strstr(resize("").err, "1 not an image: in/bad.png"));
	EXPECT_EQ(resize("--accept-known").status, 0);
	EXPECT(strstr(resize("--accept-known").err,
	              " skipped, 1 failed (known from an earlier run) in "));
	scratch_bytes("in/new.png", "no picture", 10);
	EXPECT(strstr(resize("").err,
	              " skipped, 2 failed (1 known from an earlier run) in "));
	run("rm in/new.png");
	run("rm in/bad.png");
	write_script("in/bad.png", "size 3 3");
	EXPECT_EQ(resize("").status, 0);
	expect_summary(1, N_IMAGES, 0);
	fixture_leave();
}

TEST(resume, the_record_of_a_picture_known_to_be_bad_has_the_format_of_its_content)
{
	const char *const resize_photos =
		"pixpool resize -s 8 photos -o out --progress none --report r";

	fixture_enter();
	sample("lake.jpg", "photos/a.png");
	REQUIRE(truncate("photos/a.png", 15000) == 0);
	scratch_file("photos/b.png", "no image");
	for (int i = 0; i < 2; i++) {
		struct ended ended = run(resize_photos);

		EXPECT(strstr(ended.err, "\n  1 truncated JPEG: photos/a.png\n"), "%s",
		       ended.err);
		EXPECT(strstr(records("r"), "'format':'jpeg','bytes':15000}"), "%s",
		       records("r"));
		EXPECT(!strstr(records("r"), "'png'"), "%s", records("r"));
	}
	EXPECT(strstr(records("r"), "'remembered':2,"), "%s", records("r"));
	fixture_leave();
}

TEST(resume, a_picture_that_killed_its_worker_in_two_runs_is_not_tried_again)
{
	fixture_enter();
	write_script("in/killer.png", "signal SIGKILL");
	run("touch -d 2020-01-01 in/killer.png");
	EXPECT_EQ(resize("--retries 0").status, 1);
	EXPECT_EQ(resize("--retries 0").status, 1);
	EXPECT(!strstr(records("r"), "'remembered':true"), "%s", records("r"));
	EXPECT_EQ(resize("--retries 0").status, 1);
	EXPECT(strstr(records("r"), "'remembered':true"), "%s", records("r"));
	fixture_leave();
}

TEST(resume, the_option_state_none_writes_neither_a_database_nor_stamps)
{
	fixture_enter();
	make_inputs();
	EXPECT_EQ(resize("--state none").status, 0);
	EXPECT(access("out/.pixpool.db", F_OK) != 0);
	EXPECT(!has_stamps());
	EXPECT_EQ(resize("--state none").status, 1);
	expect_summary(0, 0, N_IMAGES);
	fixture_leave();
}

TEST(resume, the_state_option_selects_another_database_file)
{
	fixture_enter();
	make_inputs();
	EXPECT_EQ(resize("--state memory.db").status, 0);
	EXPECT(access("out/.pixpool.db", F_OK) != 0 && access("memory.db", F_OK) == 0);
	EXPECT_EQ(resize("--state memory.db").status, 0);
	expect_summary(0, N_IMAGES, 0);
	fixture_leave();
}

TEST(resume, if_the_folder_of_the_state_file_is_missing_records_are_kept_only_in_stamps)
{
	fixture_enter();
	make_inputs();
	EXPECT(strstr(resize("--state missing/s.db").err,
	              "pixpool: the state missing/s.db cannot be used: unable to open "
	              "database file: No such file or directory; records are kept only "
	              "as attributes of the outputs\n"));
	EXPECT(access("missing", F_OK) != 0);
	fixture_leave();
}

TEST(resume, the_message_about_a_state_in_a_read_only_folder_gives_the_reason)
{
	const char *nobody;
	struct ended ended;

	fixture_enter();
	nobody = as_nobody();
	sample("lake.jpg", "in/a.jpg");
	scratch_folder("ro");
	scratch_folder("out");
	if (nobody && chmod("out", 0777) == 0 && chmod("ro", 0555) == 0) {
		ended = run("%s pixpool resize -s 8 in -o out --state ro/s.db", nobody);
		EXPECT_EQ(ended.status, 0);
		EXPECT(strstr(ended.err,
		              "pixpool: the state ro/s.db cannot be used: unable to open "
		              "database file: Permission denied; records are kept only as "
		              "attributes of the outputs\n"),
		       "%s", ended.err);
	}
	fixture_leave();
}

TEST(resume,
     a_file_given_to_the_option_state_is_left_unchanged_if_the_file_is_not_a_database)
{
	static const char *const files[] = {"in", "in/lake.jpg", "notes.txt"};

	fixture_enter();
	make_inputs();
	sample("lake.jpg", "in/lake.jpg");
	scratch_file("notes.txt", "no database\n");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char want[128];

		snprintf(want, sizeof(want),
		         "pixpool: --state: %s exists and is not a state database of "
		         "pixpool; choose another name\n",
		         files[i]);
		EXPECT(strstr(
			run("pixpool thumb in/lake.jpg -o other --state %s", files[i])
				.err,
			want));
		EXPECT_EQ(run("pixpool thumb in/lake.jpg -o other --state %s", files[i])
		                  .status,
		          2);
		EXPECT(access(files[i], F_OK) == 0, "%s", files[i]);
	}
	EXPECT(access("other/lake.jpg", F_OK) != 0);
	fixture_leave();
}

TEST(resume, a_damaged_database_is_renamed_and_reported)
{
	struct ended ended;

	first_run();
	run("head -c 5000 /dev/urandom > out/.pixpool.db");
	ended = resize("");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, "was damaged: it is kept as out/.pixpool.db.damaged-1"),
	       "%s", ended.err);
	fixture_leave();
}

TEST(resume, a_database_found_damaged_during_a_run_is_reported_and_stamps_replace_it)
{
	struct ended ended;

	first_run();
	/* The second page of the database has the rows of the outputs. */
	run("dd if=/dev/urandom of=out/.pixpool.db bs=4096 seek=1 count=1 conv=notrunc");
	ended = resize("");
	EXPECT_EQ(ended.status, has_stamps() ? 0 : 1);
	EXPECT(strstr(ended.err,
	              "pixpool: the state out/.pixpool.db is damaged: the rest of this "
	              "run continues without it\n"),
	       "%s", ended.err);
	if (has_stamps())
		expect_summary(0, N_IMAGES, 0);
	fixture_leave();
}

/* The test itself holds the lock of the state database, as another run would. */
TEST(resume,
     a_concurrent_second_run_waits_unless_the_option_no_wait_makes_it_exit_with_status_4)
{
	struct command waits;
	struct ended ended;
	sqlite3 *other;

	first_run();
	REQUIRE(sqlite3_open("out/.pixpool.db", &other) == SQLITE_OK);
	REQUIRE(sqlite3_exec(other, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE",
	                     NULL, NULL, NULL) == SQLITE_OK);
	ended = resize("--no-wait");
	EXPECT_EQ(ended.status, 4);
	EXPECT(strstr(ended.err, "another run is using the output folder"), "%s",
	       ended.err);

	waits = begin("pixpool-scripted resize -s 8 in -o out --progress none");
	await_error(&waits, "another run is using the output folder out; waiting for it");
	sqlite3_close(other);
	EXPECT_EQ(end(&waits).status, 0);
	fixture_leave();
}

TEST(resume, a_killed_run_is_resumed_by_the_same_command)
{
	struct command first;

	fixture_enter();
	make_inputs();
	write_script("in/z.png", "gate z\nsize 2 2");
	run("touch -d 2020-01-01 in/z.png");
	first = begin("pixpool-scripted resize -s 8 -j 2 in -o out --progress none");
	await_gate("z");
	kill(first.pid, SIGKILL);
	EXPECT_EQ(end(&first).signal, SIGKILL);
	let_pass("in/z.png");
	EXPECT_EQ(resize("").status, 0);
	EXPECT_STR(run("find out -name '*.png' -size +0 | wc -l").out, "7\n");
	EXPECT_STR(run("find out -name '*.tmp' | wc -l").out, "0\n");
	fixture_leave();
}

TEST(resume, shards_cover_every_input_once_and_have_separate_states)
{
	fixture_enter();
	make_inputs();
	for (int i = 0; i < 3; i++) {
		char options[32];

		snprintf(options, sizeof(options), "--shard %d/3", i);
		EXPECT_EQ(resize(options).status, 0);
		EXPECT_EQ(run("cat r >> all").status, 0);
	}
	EXPECT_STR(run("grep -c '\"status\":\"ok\"' all").out, "6\n");
	EXPECT_STR(run("find out -name '*.png' -size +0 | wc -l").out, "6\n");
	EXPECT_STR(run("ls -A out | grep db").out,
	           ".pixpool-0-of-3.db\n.pixpool-1-of-3.db\n.pixpool-2-of-3.db\n");
	EXPECT_EQ(resize("--shard 1/3").status, 0);
	EXPECT_EQ(run("grep '\"status\":\"ok\"' r").status, 1);
	fixture_leave();
}

TEST(resume, an_empty_shard_succeeds)
{
	fixture_enter();
	write_script("in/a.png", "size 2 2");
	EXPECT_EQ(resize("--shard 0/1000").status, 0);
	EXPECT_EQ(resize("--shard 999/1000").status, 0);
	fixture_leave();
}

/* A path of 6300 bytes, which is too long for a system call. */
static void make_deep_input(void)
{
	static const char script[] = "pixpool-scripted\nsize 3 2\n",
			  name[] = "a-folder-with-a-name";
	int folder = open("in", O_PATH | O_DIRECTORY | O_CLOEXEC), below, file;

	for (int i = 0; i < 300; i++) {
		REQUIRE(mkdirat(folder, name, 0777) == 0);
		below = openat(folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(folder);
		folder = below;
	}
	file = openat(folder, "deep.png", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	REQUIRE(file >= 0 &&
	        write(file, script, sizeof(script) - 1) == sizeof(script) - 1);
	close(file);
	close(folder);
}

TEST(resume,
     a_tree_deeper_than_the_maximum_path_length_is_processed_and_resumed_even_in_place)
{
	fixture_enter();
	scratch_folder("in");
	make_deep_input();
	EXPECT_EQ(resize("").status, 0);
	expect_summary(1, 0, 0);
	EXPECT_STR(run("find out -name deep.png -size +0 | wc -l").out, "1\n");
	EXPECT_EQ(resize("").status, 0);
	expect_summary(0, 1, 0);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(run("pixpool-scripted resize -s 8 --in-place --backup .orig in "
		              "--progress none --report r")
		                  .status,
		          0);
		if (i == 0 || setxattr("r", "user.try", "", 0, 0) == 0)
			expect_summary(i == 0, i == 1, 0);
	}
	EXPECT_STR(run("find in -name deep.png.orig | wc -l").out, "1\n");
	fixture_leave();
}

TEST(resume, a_dry_run_does_not_remove_the_hidden_files_of_killed_runs)
{
	static const char *const hidden[] = {"out/.pixpool-0123456789abcdef.tmp",
	                                     "out/sub/.pixpool-0123456789abcdef.tmp",
	                                     "in/.pixpool-0123456789abcdef.tmp",
	                                     "in/sub/.pixpool-0123456789abcdef.tmp"};

	first_run();
	for (int i = 0; i < 4; i++)
		scratch_file(hidden[i], "");
	EXPECT_EQ(resize("-n").status, 0);
	EXPECT_EQ(run("pixpool-scripted resize -s 8 --in-place --no-backup -n in").status,
	          0);
	for (int i = 0; i < 4; i++)
		EXPECT(access(hidden[i], F_OK) == 0, "%s", hidden[i]);
	EXPECT_EQ(resize("").status, 0);
	EXPECT_EQ(run("pixpool-scripted resize -s 8 --in-place --no-backup in").status,
	          0);
	for (int i = 0; i < 4; i++)
		EXPECT(access(hidden[i], F_OK) != 0, "%s", hidden[i]);
	fixture_leave();
}

/* ---- outputs whose input no longer exists ---- */

static const char *outputs(void)
{
	return run("cd out && find . -type f ! -name '.pixpool*' | sort").out;
}

TEST(prune, only_outputs_whose_input_no_longer_exists_are_removed)
{
	struct ended ended;

	first_run();
	run("cp -a out/1.png out/copy.png 2> /dev/null; echo mine > out/mine.png; "
	    "rm -r in/sub in/0.png in/4.png && echo changed > out/4.png");
	EXPECT_STR(outputs(), "./0.png\n./2.png\n./4.png\n./mine.png\n./sub/1.png\n"
	                      "./sub/3.png\n./sub/5.png\n");
	EXPECT_EQ(resize("").status, 0);
	EXPECT_STR(outputs(), "./0.png\n./2.png\n./4.png\n./mine.png\n./sub/1.png\n"
	                      "./sub/3.png\n./sub/5.png\n");
	run("cp -a out/0.png out/copy.png");
	ended = resize("--prune -v");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, "pixpool: removed, because its input no longer exists: "
	                         "out/sub/3.png\n"),
	       "%s", ended.err);
	EXPECT(strstr(ended.err,
	              "pixpool: pruned 4 outputs whose input no longer exists\n"),
	       "%s", ended.err);
	EXPECT_STR(outputs(), "./2.png\n./4.png\n./copy.png\n./mine.png\n");
	expect_summary(0, 1, 0);
	EXPECT(!strstr(resize("--prune").err, "pruned"));
	fixture_leave();
}

TEST(prune, pruning_works_with_only_the_stamps_or_only_the_database)
{
	first_run();
	if (has_stamps()) {
		run("rm out/.pixpool.db* in/0.png");
		EXPECT_EQ(resize("--prune").status, 0);
		EXPECT(access("out/0.png", F_OK) != 0);
	}
	run("tar cf all.tar out && rm -r out && tar xf all.tar && rm in/2.png");
	EXPECT_EQ(resize("--prune").status, 0);
	EXPECT(access("out/2.png", F_OK) != 0);
	EXPECT(access("out/4.png", F_OK) == 0);
	fixture_leave();
}

TEST(prune, rows_of_outputs_that_were_removed_with_their_inputs_are_dropped)
{
	sqlite3 *state;
	sqlite3_stmt *count;

	first_run();
	run("rm in/0.png out/0.png");
	EXPECT_EQ(resize("--prune").status, 0);
	REQUIRE(sqlite3_open("out/.pixpool.db", &state) == SQLITE_OK);
	REQUIRE(sqlite3_prepare_v2(state, "SELECT count(*) FROM outputs", -1, &count,
	                           NULL) == SQLITE_OK);
	EXPECT_EQ(sqlite3_step(count), SQLITE_ROW);
	EXPECT_EQ(sqlite3_column_int(count, 0), N_IMAGES - 1);
	sqlite3_finalize(count);
	sqlite3_close(state);
	fixture_leave();
}

TEST(prune, outputs_of_another_format_are_kept_while_their_input_exists)
{
	first_run();
	EXPECT_EQ(resize("-f jpg --prune").status, 0);
	EXPECT(access("out/0.png", F_OK) == 0 && access("out/0.jpg", F_OK) == 0);
	run("rm in/0.png");
	EXPECT_EQ(resize("-f jpg --prune").status, 0);
	EXPECT(access("out/0.png", F_OK) != 0 && access("out/0.jpg", F_OK) != 0);
	fixture_leave();
}

/* An empty INPUT may be a mount point whose file system is not mounted, and a folder that cannot be
 * read may contain any image. So no output is pruned in these cases. */
TEST(prune, nothing_is_removed_if_an_input_was_not_read_completely_or_contains_no_image)
{
	const char *nobody;
	struct ended ended;

	first_run();
	nobody = as_nobody();
	run("mkdir empty; mv in/0.png kept.png");
	ended = run(
		"pixpool-scripted resize -s 8 in empty -o out --progress none --prune");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err,
	              "pixpool: no output was pruned: an INPUT contains no image"),
	       "%s", ended.err);
	EXPECT(access("out/0.png", F_OK) == 0);
	EXPECT(strstr(run("pixpool-scripted resize -s 8 empty -o out --prune").err,
	              "pixpool: no output was pruned: an INPUT contains no image"));
	ended = run(
		"pixpool-scripted resize -s 8 in/2.png -o out --progress none --prune");
	EXPECT_EQ(ended.status, 0);
	EXPECT(access("out/0.png", F_OK) != 0,
	       "the output of a removed input was not pruned");
	EXPECT(access("out/4.png", F_OK) == 0,
	       "an output whose input is outside the INPUT was pruned");
	if (nobody) {
		run("mv in/4.png more.png; mkdir in/closed; chmod 0 in/closed; chmod -R a+rwX out; "
		    "chmod a+rwx .");
		ended = run(
			"%s pixpool-scripted resize -s 8 in -o out --progress none --prune",
			nobody);
		EXPECT(strstr(ended.err,
		              "no output was pruned: some inputs could not be read"),
		       "%s", ended.err);
		EXPECT(access("out/4.png", F_OK) == 0);
	}
	fixture_leave();
}

TEST(prune, an_empty_list_prunes_nothing_and_the_message_says_why)
{
	struct ended ended;

	first_run();
	ended = run("pixpool-scripted resize -s 8 --files-from /dev/null -o out --prune");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err,
	              "pixpool: no output was pruned: the list of inputs is empty"),
	       "%s", ended.err);
	EXPECT(access("out/0.png", F_OK) == 0);
	fixture_leave();
}

TEST(prune, a_plan_without_an_output_folder_says_nothing_about_pruning)
{
	struct ended ended;

	fixture_enter();
	write_script("in/0.png", "size 2 2");
	ended = run("pixpool-scripted resize -s 8 in -o out --prune -n");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.out, "make in/0.png -> out/0.png (new)\n");
	EXPECT(!strstr(ended.err, "pruned"), "%s", ended.err);
	fixture_leave();
}

TEST(prune, outputs_of_inputs_in_other_folders_are_kept)
{
	const char *const resize_to_out =
		"pixpool-scripted resize -s 8 %s -o out --progress none --prune";
	struct ended ended;

	first_run();
	write_script("more/6.png", "size 2 2");
	write_script("more/7.png", "size 2 2");
	EXPECT_EQ(run(resize_to_out, "in more").status, 0);
	run("rm in/0.png more/6.png");
	ended = run(resize_to_out, "in");
	EXPECT(strstr(ended.err,
	              "pixpool: pruned 1 output whose input no longer exists\n"
	              "pixpool: not pruned: 2 outputs from INPUTs that this run "
	              "was not given\n"),
	       "%s", ended.err);
	EXPECT_STR(outputs(), "./2.png\n./4.png\n./6.png\n./7.png\n./sub/1.png\n"
	                      "./sub/3.png\n./sub/5.png\n");
	/* The folders of the inputs have moved together with the outputs. The run starts in another
	 * folder and gets the new paths of the folders. */
	run("rm in/2.png");
	EXPECT_EQ(run("mkdir all && mv in more out all && mkdir all/below && "
	              "cd all/below && pixpool-scripted resize -s 8 $PWD/../in/ "
	              "../more/./ -o ../out --progress none --prune")
	                  .status,
	          0);
	EXPECT_STR(run("cd all/out && ls *.png").out, "4.png\n7.png\n");
	/* If only the inputs have moved, the next run does not recognise them and prunes nothing.
	 * It stores their new place, so the run after it prunes again. */
	run("mv all/in all/more .");
	run("rm in/4.png");
	ended = run("pixpool-scripted resize -s 8 in more -o all/out --progress none "
	            "--prune");
	EXPECT(strstr(ended.err, "not pruned: 1 output from INPUTs"), "%s", ended.err);
	run("rm more/7.png; cp in/sub/1.png more/8.png");
	ended = run("pixpool-scripted resize -s 8 in more -o all/out --progress none "
	            "--prune");
	EXPECT(strstr(ended.err, "pruned 1 output whose"), "%s", ended.err);
	EXPECT_STR(run("cd all/out && ls *.png").out, "4.png\n8.png\n");
	fixture_leave();
}

TEST(prune, with_a_list_recorded_inputs_are_looked_up_in_the_folder_of_its_relative_names)
{
	first_run();
	run("rm in/0.png; cp in/2.png in/.hidden.png");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 --hidden in -o out --progress none")
	                  .status,
	          0);
	EXPECT(access("out/.hidden.png", F_OK) == 0);
	run("rm in/.hidden.png; echo 2.png > list");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in --files-from list -o out --prune "
	              "--progress none")
	                  .status,
	          0);
	EXPECT_STR(outputs(),
	           "./2.png\n./4.png\n./sub/1.png\n./sub/3.png\n./sub/5.png\n");
	run("rm in/4.png; echo $PWD/in/2.png > list");
	run("pixpool-scripted resize -s 8 --files-from list -o out --prune --progress none");
	EXPECT(access("out/4.png", F_OK) == 0, "an input from a list was pruned");
	fixture_leave();
}

TEST(prune, an_interrupted_run_prunes_nothing)
{
	struct command first;

	first_run();
	run("rm in/0.png");
	write_script("in/z.png", "gate z\nsize 2 2");
	first = begin("pixpool-scripted resize -s 8 in -o out --progress none --prune");
	await_gate("z");
	kill(first.pid, SIGINT);
	await_error(&first, "interrupted");
	let_pass("in/z.png");
	EXPECT_EQ(end(&first).status, 128 + SIGINT);
	EXPECT(access("out/0.png", F_OK) == 0);
	fixture_leave();
}

TEST(prune, the_option_prune_is_refused_in_runs_that_cannot_know_all_inputs_or_outputs)
{
	first_run();
	EXPECT_EQ(resize("--prune --shard 0/2").status, 2);
	EXPECT_EQ(resize("--prune --state none").status, 2);
	fixture_leave();
}
