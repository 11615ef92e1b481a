/*
 * Tests of a folder like one that people have filled for twenty years, but small enough for every
 * run of the tests: photographs among RAW files, films, sidecars and files of other systems; names
 * in several encodings; broken, misnamed and unreadable files; circular links. The folder is
 * converted for the first time, again without a change, with a new image, with a removed image,
 * with an edited image, and after an interrupt.
 */
#include "cli_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_YEAR = 2004, N_YEARS = 20, IMAGES_PER_YEAR = 4 };

/* Names that have caused trouble. Each becomes a folder with one image. */
static const char *const odd_names[] = {
	"100% best of",
	"\xc3\xa9t\xc3\xa9 \xc3\xa0 N\xc3\xaemes", /* UTF-8, composed */
	"e\xcc\x81te\xcc\x81",                     /* UTF-8, decomposed */
	"\xe9t\xe9",                               /* Latin-1 */
	"\x93\xfa\x96\x7b",                        /* Shift JIS */
	"\xe6\x97\xa5\xe6\x9c\xac",                /* UTF-8 */
	"-unsorted-",
	"#1 favourites",
	"a;b 'quoted' \"twice\"",
	"New Folder (2)",
	"line\nbreak",
	"tab\tand\\backslash",
	"$HOME `date`",
	"trailing blank ",
	"[strip,Q=1]",
};
enum { N_ODD = sizeof(odd_names) / sizeof(odd_names[0]) };

/* The number of images that can be read. */
enum { N_GOOD = N_YEARS * IMAGES_PER_YEAR + N_ODD };

static void make_years(void)
{
	char path[64];

	for (int year = FIRST_YEAR; year < FIRST_YEAR + N_YEARS; year++) {
		for (int i = 0; i < IMAGES_PER_YEAR; i++) {
			snprintf(path, sizeof(path), "Photos/%d/IMG_%d.%s", year, i,
			         i % 2 ? "JPG" : "jpg");
			sample("orientation/1.jpg", path);
		}
		snprintf(path, sizeof(path), "Photos/%d/IMG_0.xmp", year);
		scratch_file(path, "<x:xmpmeta xmlns:x='adobe:ns:meta/'/>");
		snprintf(path, sizeof(path), "Photos/%d/MVI_%d.MOV", year, year);
		scratch_bytes(path, "\0\0\0\024ftypqt  \0\0\0\0qt  ", 20);
		snprintf(path, sizeof(path), "Photos/%d/Thumbs.db", year);
		scratch_bytes(path, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
		snprintf(path, sizeof(path), "Photos/%d/.DS_Store", year);
		scratch_bytes(path, "\0\0\0\1Bud1", 8);
		snprintf(path, sizeof(path), "Photos/%d/._IMG_0.jpg", year);
		scratch_bytes(path, "\0\5\026\7\0\2\0\0", 8);
	}
}

static void make_odd_names(void)
{
	char path[128];

	for (int i = 0; i < N_ODD; i++) {
		snprintf(path, sizeof(path), "Photos/odd/%s/%s.jpg", odd_names[i],
		         odd_names[i]);
		sample("orientation/6.jpg", path);
	}
}

/* Make files that cannot be resized, and links to parent folders, to themselves, to nothing and to
 * another folder. */
static void make_trouble(void)
{
	sample("lake.jpg", "Photos/broken/half.jpg");
	REQUIRE(truncate("Photos/broken/half.jpg", 9000) == 0);
	scratch_file("Photos/broken/empty.jpg", "");
	scratch_file("Photos/broken/download.jpg", "<html>404 Not Found</html>");
	scratch_bytes("Photos/2010/IMG_1.CR2", "II*\0\020\0\0\0CR\2\0\0\0\0\0\0\0\0\0",
	              20);
	sample("lake.jpg", "Photos/locked/secret.jpg");
	REQUIRE(chmod("Photos/locked", 0) == 0);
	scratch_link("Photos/2011/up", "..");
	scratch_link("Photos/2012/here", ".");
	scratch_link("Photos/2013/itself", "itself");
	scratch_link("Photos/2014/gone.jpg", "../nowhere.jpg");
	scratch_link("Photos/2015/other-year", "../2016");
}

/* Make the tree, which has a locked folder. Returns the shell words to put in front of a command,
 * so that it runs as a user who cannot read the locked folder. Returns NULL if root cannot drop its
 * rights here. */
static const char *make_tree(void)
{
	const char *nobody;

	fixture_enter();
	make_years();
	make_odd_names();
	make_trouble();
	scratch_folder("web");
	REQUIRE(chmod("web", 0777) == 0 && chmod(".", 0777) == 0);
	nobody = as_nobody();
	if (!nobody)
		REQUIRE(chmod("Photos/locked", 0700) == 0);
	return nobody;
}

static void leave_tree(void)
{
	REQUIRE(chmod("Photos/locked", 0700) == 0);
	fixture_leave();
}

/* Run the command with these options, and compare the numbers of images done and skipped. */
static struct ended expect_run(const char *nobody, const char *options, int n_done,
                               int n_skipped, int status)
{
	struct ended ended = run("%spixpool resize -s 32 Photos -o web "
	                         "--report web/r --progress none %s",
	                         nobody, options);
	char want[64];

	EXPECT_EQ(ended.status, status);
	snprintf(want, sizeof(want), "'ok':%d,'skipped':%d,", n_done, n_skipped);
	EXPECT(strstr(records("web/r"), want), "%s", ended.err);
	return ended;
}

#ifdef PIXPOOL_STATE
static int count_outputs(const char *folder)
{
	int n = 0;

	sscanf(run("find %s -iname '*.jpg' -printf x | wc -c", folder).out, "%d", &n);
	return n;
}

TEST(old_folder, each_run_over_twenty_years_of_pictures_makes_only_missing_outputs)
{
	const char *nobody = make_tree();

	if (!nobody) {
		fixture_leave();
		return;
	}
	/* The three broken files and the locked folder fail. */
	struct ended ended = expect_run(nobody, "", N_GOOD, 0, 1);

	EXPECT(strstr(records("web/r"), "'failed':4,'cancelled':0,"), "%s", ended.err);
	EXPECT(strstr(ended.err, "Photos/locked"), "%s", ended.err);
	EXPECT(strstr(ended.err, ", 1 camera RAW file not read"), "%s", ended.err);
	EXPECT_STR(run("cd Photos && find . -path ./locked -prune -o -path ./broken "
	               "-prune -o -type f -iname 'IMG*.jpg' -print | sort > ../a; "
	               "cd ../web && find . -iname 'IMG*.jpg' | sort | cmp - ../a")
	                   .out,
	           "");
	expect_run(nobody, "", 0, N_GOOD, 1);
	expect_run(nobody, "--accept-known --exclude 'locked/*'", 0, N_GOOD, 1);

	sample("orientation/2.jpg", "Photos/2020/new.jpg");
	expect_run(nobody, "", 1, N_GOOD, 1);

	REQUIRE(unlink("Photos/2020/new.jpg") == 0);
	expect_run(nobody, "", 0, N_GOOD, 1);
	EXPECT(access("web/2020/new.jpg", F_OK) == 0);

	/* Edit an image. */
	EXPECT_EQ(run("rm Photos/2021/IMG_0.jpg").status, 0);
	sample("orientation/1.jpg", "Photos/2021/IMG_0.jpg");
	EXPECT_EQ(run("printf 'JFIF' | dd of=Photos/2021/IMG_0.jpg bs=1 seek=6 "
	              "conv=notrunc status=none; printf x >> Photos/2021/IMG_0.jpg")
	                  .status,
	          0);
	expect_run(nobody, "", 1, N_GOOD - 1, 1);
	leave_tree();
}

TEST(old_folder,
     an_interrupted_run_over_twenty_years_of_pictures_is_completed_by_the_same_command)
{
	const char *nobody = make_tree();
	struct command command;
	int n_first;

	if (!nobody) {
		fixture_leave();
		return;
	}
	command = begin("%spixpool resize -s 32 -j 1 Photos -o web", nobody);
	await_error(&command, "[10/");
	kill(command.pid, SIGINT);
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	n_first = count_outputs("web");
	EXPECT(n_first >= 9, "%d", n_first);
	expect_run(nobody, "", N_GOOD - n_first, n_first, 1);
	EXPECT_EQ(count_outputs("web"), N_GOOD);
	leave_tree();
}
#endif

TEST(old_folder,
     a_run_over_twenty_years_of_pictures_follows_circular_links_and_still_ends)
{
	const char *nobody = make_tree();
	struct ended ended;

	if (!nobody) {
		fixture_leave();
		return;
	}
	/* The images of 2016 are found twice: in their folder, and through the link
	 * 2015/other-year. */
	ended = expect_run(nobody, "--follow", N_GOOD + IMAGES_PER_YEAR, 0, 1);
	EXPECT(strstr(ended.err,
	              "pixpool: Photos/2011/up is a symbolic link to a folder that "
	              "contains it; not followed\n"),
	       "%s", ended.err);
	EXPECT(strstr(ended.err, "pixpool: Photos/2012/here is a symbolic link"), "%s",
	       ended.err);
	leave_tree();
}

TEST(old_folder,
     the_option_on_collision_keep_ext_avoids_all_collisions_in_twenty_years_of_pictures)
{
	const char *nobody = make_tree();

	if (!nobody) {
		fixture_leave();
		return;
	}
	sample("balloon.png", "Photos/2010/IMG_1.png");
	EXPECT_EQ(run("%spixpool resize -s 32 -f jpg Photos -o web", nobody).status, 2);
	expect_run(nobody, "-f jpg --on-collision keep-ext", N_GOOD + 1, 0, 1);
	EXPECT(access("web/2010/IMG_1.png.jpg", F_OK) == 0);
	EXPECT(access("web/2010/IMG_1.JPG.jpg", F_OK) == 0);
	leave_tree();
}
