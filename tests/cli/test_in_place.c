/*
 * Tests of --in-place, with which each output replaces its input. Most inputs are scripts of the
 * test engine, which makes a PNG from each script. So after a run, each of these files is a PNG. If
 * it is an input again, another engine reads it.
 */
#include "cli_fixture.h"

#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct ended resize(const char *size, const char *options)
{
	return run("pixpool resize -s %s --in-place --progress none --report r %s", size,
	           options);
}

static void make_photos(void)
{
	fixture_enter();
	sample("lake.jpg", "photos/lake.jpg");
	sample("balloon.png", "photos/sub/balloon.png");
	scratch_file("photos/notes.txt", "no image");
	run("find photos -type f -exec touch -d '2020-01-01 00:00:00.123456' {} +");
}

static struct stat stat_of(const char *path)
{
	struct stat st;

	REQUIRE(stat(path, &st) == 0);
	return st;
}

static bool has_attributes(void)
{
	return setxattr("photos/lake.jpg", "user.note", "hello", 5, 0) == 0;
}

/* Whether outputs get stamps with this build and on this file system. */
static bool has_stamps(void)
{
	char value[1024];

	sample("lake.jpg", "probe/lake.jpg");
	EXPECT_EQ(resize("8", "--no-backup probe").status, 0);
	return getxattr("probe/lake.jpg", "user.pixpool", value, sizeof(value)) > 0;
}

TEST(in_place, each_image_is_replaced_and_its_original_is_kept_as_a_backup)
{
	make_photos();
	EXPECT_EQ(resize("64", "--backup .orig photos").status, 0);
	EXPECT_STR(tree("photos"), "lake.jpg jpeg 64x43\n"
	                           "lake.jpg.orig jpeg 640x427\n"
	                           "notes.txt unknown\n"
	                           "sub/\n"
	                           "sub/balloon.png png 64x64\n"
	                           "sub/balloon.png.orig png 480x480\n");
	EXPECT(strstr(records("r"),
	              "{'input':'photos/lake.jpg','output':'photos/lake.jpg','status':'ok'"),
	       "%s", records("r"));
	EXPECT_STR(run("find photos -name '.*'").out, "");
	fixture_leave();
}

TEST(in_place, the_option_no_backup_leaves_only_the_new_image)
{
	make_photos();
	EXPECT_EQ(resize("64", "--no-backup photos").status, 0);
	EXPECT_STR(tree("photos"), "lake.jpg jpeg 64x43\n"
	                           "notes.txt unknown\n"
	                           "sub/\n"
	                           "sub/balloon.png png 64x64\n");
	fixture_leave();
}

TEST(in_place, mode_owner_attributes_and_times_of_the_original_are_kept)
{
	struct stat before, now;
	char value[8] = "";
	bool has_note;

	make_photos();
	has_note = has_attributes();
	REQUIRE(chmod("photos/lake.jpg", 0640) == 0);
	if (geteuid() == 0)
		REQUIRE(chown("photos/lake.jpg", 1234, 2345) == 0);
	if (run("setfacl -m u:4321:r photos/lake.jpg").status != 0)
		scratch_skip("access control lists", "setfacl cannot set one here");
	run("getfacl -n photos/lake.jpg > acl");
	before = stat_of("photos/lake.jpg");
	EXPECT_EQ(resize("64", "--no-backup photos").status, 0);
	now = stat_of("photos/lake.jpg");
	EXPECT(now.st_ino != before.st_ino);
	EXPECT_EQ(now.st_mode, before.st_mode);
	EXPECT(now.st_uid == before.st_uid && now.st_gid == before.st_gid);
	EXPECT(now.st_mtim.tv_sec == before.st_mtim.tv_sec &&
	       now.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
	EXPECT_EQ(run("getfacl -n photos/lake.jpg | cmp - acl").status, 0);
	if (has_note) {
		EXPECT_EQ(getxattr("photos/lake.jpg", "user.note", value, sizeof(value)),
		          5);
		EXPECT_STR(value, "hello");
	}
	fixture_leave();
}

TEST(in_place, an_image_whose_owner_or_group_would_change_is_not_replaced)
{
	const char *nobody;
	struct ended ended;

	make_photos();
	nobody = as_nobody();
	if (!nobody || geteuid() != 0) {
		fixture_leave();
		SKIP("only root can make a file of another user");
	}
	sample("dunes.jpg", "photos/dunes.jpg");
	REQUIRE(chmod("photos", 0777) == 0 && chmod("photos/sub", 0777) == 0);
	REQUIRE(chown("photos/lake.jpg", 1234, 65534) == 0);
	REQUIRE(chown("photos/dunes.jpg", 65534, 2345) == 0);
	REQUIRE(chown("photos/sub/balloon.png", 65534, 65534) == 0);
	ended = run("%s pixpool resize -s 64 --in-place --no-backup photos --report -",
	            nobody);
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err,
	              "\n  2 image that would lose its owner or group with --in-place; use -o DIR: "
	              "photos/"),
	       "%s", ended.err);
	EXPECT(strstr(records_in(ended.out),
	              "'class':'permission','message':'publish: the image belongs to "
	              "another user or group (1234:65534), and the new file cannot get "
	              "this owner and group: Operation not permitted'"),
	       "%s", records_in(ended.out));
	EXPECT_STR(tree("photos"), "dunes.jpg jpeg 640x400\n"
	                           "lake.jpg jpeg 640x427\n"
	                           "notes.txt unknown\n"
	                           "sub/\n"
	                           "sub/balloon.png png 64x64\n");
	fixture_leave();
}

TEST(in_place, a_second_run_in_place_processes_no_image_again)
{
	make_photos();
	if (!has_stamps()) {
		fixture_leave();
		SKIP("outputs get no stamps here");
	}
	EXPECT_EQ(resize("64", "--backup .orig photos").status, 0);
	EXPECT_EQ(resize("64", "--backup .orig photos").status, 0);
	EXPECT(strstr(records("r"), "'summary':{'inputs':2,'ok':0,'skipped':2,"), "%s",
	       records("r"));
	/* An output of an earlier run is recognised by its stamp and content, and is skipped. It is
	 * also skipped if its time, folder or name has changed, or if it is the only INPUT. */
	run("find photos -type f -exec touch {} + && mv photos elsewhere");
	EXPECT_EQ(resize("64", "--backup .orig elsewhere").status, 0);
	EXPECT(strstr(records("r"), "'ok':0,'skipped':2,"));
	EXPECT_EQ(resize("64", "--backup .orig elsewhere/sub/balloon.png").status, 0);
	EXPECT(strstr(records("r"), "'ok':0,'skipped':1,"));
	run("mv elsewhere/lake.jpg elsewhere/sea.jpg");
	EXPECT_EQ(resize("64", "--no-backup elsewhere/sea.jpg").status, 0);
	EXPECT(strstr(records("r"), "'ok':0,'skipped':1,"));
	EXPECT_EQ(resize("64", "--no-backup --redo elsewhere/sea.jpg").status, 0);
	EXPECT(strstr(records("r"), "'ok':1,'skipped':0,"));
	EXPECT(access("elsewhere/.pixpool.db", F_OK) != 0);
	fixture_leave();
}

TEST(in_place,
     a_run_with_another_size_replaces_the_earlier_output_and_keeps_the_first_backup)
{
	make_photos();
	if (!has_stamps()) {
		fixture_leave();
		SKIP("outputs get no stamps here");
	}
	EXPECT_EQ(resize("64", "--backup .orig photos").status, 0);
	EXPECT_EQ(resize("32", "--backup .orig photos").status, 0);
	EXPECT_STR(tree("photos"), "lake.jpg jpeg 32x22\n"
	                           "lake.jpg.orig jpeg 640x427\n"
	                           "notes.txt unknown\n"
	                           "sub/\n"
	                           "sub/balloon.png png 32x32\n"
	                           "sub/balloon.png.orig png 480x480\n");
	fixture_leave();
}

TEST(in_place, an_image_whose_backup_would_have_too_long_a_name_is_kept)
{
	struct ended ended;

	make_photos();
	ended = run("pixpool resize -s 64 --in-place --backup .$(printf '%%0250d' 1) "
	            "photos/lake.jpg");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err, "choose a shorter --backup suffix"), "%s", ended.err);
	EXPECT(strstr(tree("photos"), "lake.jpg jpeg 640x427\n"), "%s", tree("photos"));
	fixture_leave();
}

TEST(in_place, an_existing_backup_is_never_replaced)
{
	make_photos();
	scratch_file("photos/lake.jpg.orig", "mine");
	EXPECT_STR(
		run("pixpool resize -s 64 --in-place --backup .orig -Q photos/lake.jpg")
			.err,
		"photos/lake.jpg: failed: another file has the name of the backup\n");
	EXPECT_EQ(resize("64", "--backup .orig photos").status, 1);
	EXPECT(strstr(records("r"), "'status':'failed','class':'exists'"), "%s",
	       records("r"));
	EXPECT_STR(scratch_text("photos/lake.jpg.orig"), "mine");
	EXPECT_EQ(stat_of("photos/lake.jpg").st_mtim.tv_nsec, 123456000);
	/* If somebody has changed an output, the next run takes it for an original. */
	if (has_stamps()) {
		run("cat photos/sub/balloon.png.orig > photos/sub/balloon.png");
		EXPECT_EQ(resize("64", "--backup .orig photos/sub").status, 1);
		EXPECT(strstr(records("r"), "'class':'exists'"), "%s", records("r"));
	}
	fixture_leave();
}

TEST(in_place, a_backup_next_to_its_image_is_never_an_input)
{
	make_photos();
	sample("lake.jpg", "photos/sub/alone.orig.jpg");
	sample("lake.jpg", "photos/lake.jpg.orig.jpg");
	EXPECT_EQ(
		resize("64", "--backup .orig.jpg photos photos/lake.jpg.orig.jpg").status,
		1);
	EXPECT(!strstr(records("r"), "'input':'photos/lake.jpg.orig.jpg'"), "%s",
	       records("r"));
	EXPECT(strstr(records("r"),
	              "'input':'photos/sub/alone.orig.jpg','output':'photos/"
	              "sub/alone.orig.jpg','status':'ok'"),
	       "%s", records("r"));
	EXPECT(strstr(records("r"), "'summary':{'inputs':3,"), "%s", records("r"));
	fixture_leave();
}

/* If a run with several workers fed the largest images first, it would make backups in a folder
 * that the walk has not listed yet. There are more images than are opened in advance for two
 * workers. */
TEST(in_place, backups_of_large_images_are_not_counted_as_ignored_files)
{
	struct ended ended;

	fixture_enter();
	for (int i = 0; i < 20; i++) {
		char path[32];

		snprintf(path, sizeof(path), "in/%d.png", i);
		write_script(path, "size 2 2");
		REQUIRE(truncate(path, 100000) == 0);
	}
	ended = run("pixpool-scripted resize -s 8 -j 2 --in-place --backup .orig "
	            "--progress none in");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, "20 images: 20 done"), "%s", ended.err);
	EXPECT(!strstr(ended.err, "ignored"), "%s", ended.err);
	fixture_leave();
}

/* Each backup has a mark. By this mark a later run recognises the backup, even if --backup gives
 * another suffix in that run. */
TEST(in_place, a_backup_of_an_earlier_run_with_another_suffix_is_never_an_input)
{
	const char *nobody;
	struct ended ended;

	make_photos();
	nobody = as_nobody();
	if (!has_attributes()) {
		fixture_leave();
		SKIP("files have no user attributes here");
	}
	sample("dunes.jpg", "photos/sub/dunes.jpg");
	run("chmod 0444 photos/sub/dunes.jpg");
	if (nobody)
		run("chown -R 65534:65534 photos");
	EXPECT_EQ(run("%s pixpool resize -s 64 --in-place --backup .orig photos",
	              nobody ? nobody : "")
	                  .status,
	          0);
	EXPECT_EQ(run("sha256sum photos/*.orig photos/sub/*.orig > sums").status, 0);
	EXPECT_EQ(resize("32", "--backup .bak photos").status, 0);
	EXPECT(strstr(records("r"), "'summary':{'inputs':3,"), "%s", records("r"));
	EXPECT_EQ(resize("16", "--no-backup photos").status, 0);
	EXPECT(strstr(records("r"), "'summary':{'inputs':3,'ok':3,"), "%s", records("r"));
	EXPECT_EQ(run("sha256sum --quiet -c sums").status, 0);
	EXPECT_STR(run("stat -c %%a photos/sub/dunes.jpg.orig").out, "444\n");
	EXPECT_STR(tree("photos/sub"), "balloon.png png 16x16\n"
	                               "balloon.png.bak png 64x64\n"
	                               "balloon.png.orig png 480x480\n"
	                               "dunes.jpg jpeg 16x10\n"
	                               "dunes.jpg.bak jpeg 64x40\n"
	                               "dunes.jpg.orig jpeg 640x400\n");
	/* A backup is not processed even if its image is missing and the command line names the
	 * backup. */
	run("rm photos/lake.jpg");
	ended = resize("16", "--no-backup photos/lake.jpg.orig");
	EXPECT_EQ(ended.status, 3);
	EXPECT(strstr(ended.err, "pixpool: 1 backup of --in-place was left out; rename a "
	                         "backup to process it\n"),
	       "%s", ended.err);
	/* A backup that gets back the name of its image counts as an original again. */
	run("mv photos/lake.jpg.orig photos/lake.jpg");
	EXPECT_EQ(resize("48", "--backup .orig photos/lake.jpg").status, 0);
	EXPECT(strstr(records("r"), "'ok':1,"), "%s", records("r"));
	fixture_leave();
}

TEST(in_place, a_file_with_several_hard_links_is_not_replaced)
{
	struct stat st;

	make_photos();
	REQUIRE(link("photos/lake.jpg", "other.jpg") == 0);
	EXPECT_STR(
		run("pixpool resize -s 64 --in-place --no-backup -Q photos/lake.jpg").err,
		"photos/lake.jpg: failed: file with several hard links\n");
	EXPECT_EQ(resize("64", "--no-backup photos").status, 1);
	EXPECT(strstr(records("r"),
	              "'class':'unsupported','message':'in place: the file has "
	              "2 hard links"),
	       "%s", records("r"));
	st = stat_of("photos/lake.jpg");
	EXPECT_EQ(st.st_nlink, 2);
	fixture_leave();
}

TEST(in_place, a_symbolic_link_given_as_input_is_kept_and_its_target_is_replaced)
{
	make_photos();
	scratch_link("link.jpg", "photos/lake.jpg");
	EXPECT_EQ(resize("64", "--backup .orig link.jpg").status, 0);
	EXPECT_STR(run("readlink link.jpg").out, "photos/lake.jpg\n");
	EXPECT_STR(tree("photos"), "lake.jpg jpeg 64x43\n"
	                           "lake.jpg.orig jpeg 640x427\n"
	                           "notes.txt unknown\n"
	                           "sub/\n"
	                           "sub/balloon.png png 480x480\n");
	fixture_leave();
}

TEST(in_place, an_image_whose_format_would_change_is_unsupported)
{
	make_photos();
	sample("lake.jpg", "photos/really.png");
	scratch_file("photos/layers.psd", "8BPS");
	EXPECT_EQ(resize("64", "--no-backup photos").status, 1);
	EXPECT(strstr(records("r"),
	              "'input':'photos/really.png','status':'failed','class':'unsupported','message':'in "
	              "place: the format would change from jpeg to png, because of the "
	              "suffix"),
	       "%s", records("r"));
	EXPECT(strstr(records("r"),
	              "'input':'photos/layers.psd','status':'failed','class':"
	              "'unsupported','message':'in place: the format would "
	              "change from psd to png"),
	       "%s", records("r"));
	EXPECT(strstr(records("r"), "'ok':2,'skipped':0,'failed':2,"));
	fixture_leave();
}

TEST(in_place, an_image_that_changes_while_it_is_processed_is_not_replaced)
{
	struct command first;

	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	first = begin(
		"pixpool-scripted convert --in-place --no-backup in --progress none "
		"--report r");
	await_gate("a");
	REQUIRE(rename("in/a.png", "in/b.tmp") == 0);
	write_script("in/a.png", "size 3 3");
	let_pass("in/b.tmp");
	EXPECT_EQ(end(&first).status, 1);
	EXPECT(strstr(records("r"),
	              "'class':'vanished','message':'publish: somebody changed "
	              "the image while it was processed"),
	       "%s", records("r"));
	EXPECT_STR(run("head -1 in/a.png").out, "pixpool-scripted\n");
	fixture_leave();
}

TEST(in_place, a_damaged_image_is_not_replaced)
{
	make_photos();
	run("head -c 3000 photos/lake.jpg > t && cat t > photos/lake.jpg");
	EXPECT_EQ(resize("64", "--backup .orig photos").status, 1);
	EXPECT_EQ(run("cmp t photos/lake.jpg").status, 0);
	EXPECT(access("photos/lake.jpg.orig", F_OK) != 0);
	fixture_leave();
}

TEST(in_place, an_image_keeps_its_depth_and_its_colours_and_its_metadata_by_default)
{
	fixture_enter();
	sample("orientation/6.jpg", "a.jpg");
	sample("orientation/6.jpg", "b.jpg");
	EXPECT(strstr(run("pixpool resize -s 64 --in-place --no-backup -v a.jpg").err,
	              "profile keep; depth keep; keep all"));
	EXPECT(!strstr(
		run("pixpool resize -s 64 --in-place --no-backup --keep none -v b.jpg")
			.err,
		"keep all"));
	fixture_leave();
}

TEST(in_place, the_option_state_none_writes_no_stamps_in_place)
{
	char value[1024];

	make_photos();
	EXPECT_EQ(resize("64", "--no-backup --state none photos").status, 0);
	EXPECT(getxattr("photos/lake.jpg", "user.pixpool", value, sizeof(value)) < 0);
	fixture_leave();
}

TEST(in_place, shards_process_each_image_once_however_the_path_of_the_folder_is_spelled)
{
	make_photos();
	EXPECT_EQ(resize("64", "--no-backup --shard 0/2 photos").status, 0);
	EXPECT_EQ(run("cat r > all").status, 0);
	EXPECT_EQ(resize("64", "--no-backup --shard 1/2 ./photos/").status, 0);
	EXPECT_EQ(run("cat r >> all").status, 0);
	EXPECT_STR(run("grep -c '\"status\":\"ok\"' all").out, "2\n");
	fixture_leave();
}

TEST(in_place, options_that_contradict_the_option_in_place_are_refused)
{
	static const struct {
		const char *options, *message;
	} lines[] = {
		{"--in-place",
	         "--in-place needs --backup SUFFIX (keeps each original under "
	         "its name and SUFFIX) or --no-backup"},
		{"--in-place --backup .o --no-backup", "cannot be combined"},
		{"--in-place --backup a/b", "--backup: must be a suffix without '/'"},
		{"--in-place --no-backup -o out", "cannot be combined with --output"},
		{"--in-place --no-backup -f webp", "cannot be combined with --format"},
		{"--in-place --no-backup --overwrite skip",
	         "cannot be combined with --overwrite"},
		{"--in-place --no-backup --state s",
	         "cannot be combined with --state FILE"},
		{"-s 50% --in-place --no-backup",
	         "cannot be combined with a size in percent"},
		{"--backup .orig -o out", "--backup needs --in-place"},
		{"--no-backup -o out", "--no-backup needs --in-place"},
	};

	make_photos();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct ended ended = run("pixpool resize -s 64 photos %s",
		                         lines[i].options);

		EXPECT_EQ(ended.status, 2);
		EXPECT(strstr(ended.err, lines[i].message), "%s: %s", lines[i].options,
		       ended.err);
	}
	EXPECT_EQ(stat_of("photos/lake.jpg").st_mtim.tv_nsec, 123456000);
	fixture_leave();
}

TEST(in_place, a_file_named_twice_is_replaced_once)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "one/a.jpg");
	sample("dunes.jpg", "two/a.jpg");
	scratch_link("link.jpg", "one/a.jpg");
	ended = run(
		"pixpool resize -s 32 -j 1 --in-place --no-backup one/a.jpg ./one/a.jpg "
		"link.jpg two/a.jpg");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, "\n2 images: 2 done in "), "%s", ended.err);
	fixture_leave();
}

/* Whether this process gets a lock on a folder. The caller closes *ret_fd. */
static bool gets_lock(const char *folder, int kind, int *ret_fd)
{
	*ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(*ret_fd >= 0);
	return flock(*ret_fd, kind | LOCK_NB) == 0;
}

static bool could_lock(const char *folder, int kind)
{
	int fd;
	bool is_free = gets_lock(folder, kind, &fd);

	fd_close(&fd);
	return is_free;
}

static void make_folders_of_scripts(void)
{
	fixture_enter();
	write_script("in/a.png", "gate a\nsize 2 2");
	write_script("in/b.png", "size 2 2");
	write_script("in/sub/c.png", "size 2 2");
	write_script("beside/d.png", "size 2 2");
	scratch_link("link.png", "in/sub/c.png");
}

TEST(in_place,
     a_run_in_place_locks_its_folder_exclusively_and_takes_shared_locks_on_the_folders_above)
{
	struct command first;

	make_folders_of_scripts();
	first = begin(
		"pixpool-scripted convert --in-place --no-backup in --progress none");
	await_gate("a");
	EXPECT(!could_lock("in", LOCK_SH));
	EXPECT(!could_lock(".", LOCK_EX) && could_lock(".", LOCK_SH));
	EXPECT(could_lock("in/sub", LOCK_EX), "a run below it finds the lock of in");
	/* let_pass() opens the gate by changing a byte of the image. So the image fails as changed,
	 * and the exit status is 1. */
	let_pass("in/a.png");
	end(&first);
	EXPECT(could_lock("in", LOCK_EX));
	fixture_leave();
}

/* The test itself holds the locks that a run on the folder "in" would hold. The second run works on
 * this folder, on a folder above or below it, or on a file in it. */
TEST(in_place,
     a_second_run_on_the_same_folder_waits_or_exits_with_status_4_with_the_option_no_wait)
{
	static const char *const inputs[] = {"in", ".", "in/sub", "in/b.png", "link.png"};
	const char *const convert = "pixpool-scripted convert --in-place --no-backup";
	struct command second;
	struct ended ended;
	int in, above;

	make_folders_of_scripts();
	let_pass("in/a.png");
	REQUIRE(gets_lock("in", LOCK_EX, &in) && gets_lock(".", LOCK_SH, &above));
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		ended = run("%s --no-wait beside %s", convert, inputs[i]);
		EXPECT_EQ(ended.status, 4);
		EXPECT(strstr(ended.err,
		              "pixpool: stopped: another run is replacing images in "),
		       "%s: %s", inputs[i], ended.err);
	}
	/* A run with -n changes nothing, so it needs no lock. */
	EXPECT_EQ(run("%s -n in", convert).status, 0);
	/* The test holds no lock of the folder "beside". */
	EXPECT_EQ(run("%s --no-wait beside", convert).status, 0);

	second = begin("%s in --report r", convert);
	await_error(&second,
	            "pixpool: another run is replacing images in in; waiting for it\n");
	fd_close(&in);
	EXPECT_EQ(end(&second).status, 0);
	EXPECT(strstr(records("r"), "'ok':3,"), "%s", records("r"));
	fd_close(&above);
	fixture_leave();
}

TEST(in_place, shards_share_the_lock_of_their_folder)
{
	const char *const convert =
		"pixpool-scripted convert --in-place --no-backup --no-wait in";
	int in;

	make_folders_of_scripts();
	let_pass("in/a.png");
	REQUIRE(gets_lock("in", LOCK_SH, &in));
	EXPECT_EQ(run("%s --shard 0/2", convert).status, 0);
	EXPECT_EQ(run("%s", convert).status, 4);
	fd_close(&in);
	REQUIRE(gets_lock("in", LOCK_EX, &in));
	EXPECT_EQ(run("%s --shard 1/2", convert).status, 4);
	fd_close(&in);
	fixture_leave();
}

TEST(in_place,
     a_run_started_by_the_command_flock_does_not_wait_for_the_lock_that_flock_holds)
{
	make_folders_of_scripts();
	let_pass("in/a.png");
	if (run("flock in true").status != 0) {
		fixture_leave();
		SKIP("there is no program flock");
	}
	EXPECT_EQ(
		run("flock in pixpool-scripted convert --in-place --no-backup --no-wait "
	            "in/sub")
			.status,
		0);
	EXPECT_EQ(
		run("flock in pixpool-scripted convert --in-place --no-backup --no-wait in")
			.status,
		0);
	fixture_leave();
}

/* The test itself holds the lock, as another run would. Descriptor 9, which the program inherits,
 * does not hold the lock. */
TEST(in_place, a_run_that_inherits_an_unlocked_folder_respects_the_lock_of_another_run)
{
	const char *const convert =
		"pixpool-scripted convert --in-place --no-backup --no-wait in";
	int in;

	make_folders_of_scripts();
	let_pass("in/a.png");
	REQUIRE(gets_lock("in", LOCK_EX, &in));
	EXPECT_EQ(run("%s 9< in", convert).status, 4);
	fd_close(&in);
	EXPECT_EQ(run("%s 9< in", convert).status, 0);
	fixture_leave();
}

TEST(in_place, a_run_that_waits_for_another_one_can_be_interrupted)
{
	struct command second;
	int in;

	make_folders_of_scripts();
	REQUIRE(gets_lock("in", LOCK_EX, &in));
	second = begin("pixpool-scripted convert --in-place --no-backup in");
	await_error(&second, "waiting for it\n");
	kill(second.pid, SIGINT);
	EXPECT_EQ(end(&second).status, 128 + SIGINT);
	fd_close(&in);
	fixture_leave();
}
