/*
 * Pictures from an enemy, or from a broken disk, through the whole command: bombs of every
 * format, and each header cut off at each boundary (test_mutants.c has those that are
 * damaged at random). Each costs itself, in bounded time, with a class that is true of it.
 */
#include "bombs.h"
#include "gallery.h"
#include "mutants.h"
#include "report_lines.h"

#include "cli/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CUTS = 512 };

/* Whether this build reads a format, as info says. */
static bool is_read(const char *format)
{
	static char info[8192];
	char row[32];
	const char *at;

	if (!info[0])
		snprintf(info, sizeof(info), "%s", run("pixpool info").out);
	snprintf(row, sizeof(row), "\n    %s ", format);
	at = strstr(info, row);
	REQUIRE(at != NULL, "%s", format);
	at += strlen(row);
	at += strspn(at, " ");
	return *at != '-';
}

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += n) {
		if ((at == words || at[-1] == ' ') && (at[n] == 0 || at[n] == ' '))
			return true;
	}
	return false;
}

/* ---- bombs ---- */

static void check_bomb(const char *input, const char *fate, void *data)
{
	const struct bomb *bomb = bombs + strtoul(input + strlen("in/"), NULL, 10);

	(void)data;
	if (strcmp(bomb->format, "none") != 0 && !is_read(bomb->format))
		EXPECT(strcmp(fate, "unsupported") == 0, "%s: %s", input, fate);
	else
		EXPECT(has_word(bomb->classes, fate), "%s: %s, not %s", input, fate,
		       bomb->classes);
}

TEST(hostile_pictures, a_bomb_of_any_format_costs_itself)
{
	struct tally tally = {0};
	size_t n = 0;

	stage_enter();
	for (; bombs[n].name; n++) {
		struct blob blob = {0};
		char path[64];

		bombs[n].make(&blob);
		snprintf(path, sizeof(path), "in/%02zu-%s", n, bombs[n].name);
		scratch_bytes(path, blob.bytes, blob.n);
		blob_fini(&blob);
	}
	gallery_run(&tally, "");
	tally_say(&tally, "bombs");
	EXPECT_EQ(report_lines("r", check_bomb, NULL), n);
	EXPECT_EQ(tally_of(&tally, "crashed"), 0);
	stage_leave();
}

/* 5000 scans of 70 bytes, each of which goes over 64 megapixels. */
TEST(hostile_pictures, scans_without_end_are_stopped_at_the_deadline)
{
	struct blob blob = {0};

	stage_enter();
	bomb_of_scans(&blob);
	scratch_bytes("in/scans.jpg", blob.bytes, blob.n);
	blob_fini(&blob);
	EXPECT_EQ(run("pixpool resize -s 32 -f png --timeout 1 --report r in -o out")
	                  .status,
	          1);
	EXPECT(strstr(records("r"), is_read("webp") ? "'class':'timeout'" : "'class':'"),
	       "%s", records("r"));
	EXPECT_STR(tree("out"), "");
	stage_leave();
}

/* ---- cuts ---- */

static void check_cut(const char *input, const char *fate, void *data)
{
	/* "in/03-cut-00000120-half.png" */
	(void)data;
	if (strstr(input, "-half."))
		EXPECT(strcmp(fate, "bad-image") == 0 || strcmp(fate, "unsupported") == 0,
		       "%s: %s", input, fate);
}

/* Of a picture of which less than half is there nothing comes out. An animation is another
 * thing: its first frame may stand in the first half, whole. */
static void cut_up(const char *path, size_t number)
{
	struct blob whole = gallery_read(path);
	enum image_format format = format_of_bytes(whole.bytes, whole.n, path);
	size_t cuts[MAX_CUTS], n = header_cuts(&whole, format, cuts, MAX_CUTS);

	for (size_t i = 0; i < n; i++) {
		bool is_half = cuts[i] < (format == FORMAT_GIF ? 20 : whole.n / 2);
		char name[64];

		snprintf(name, sizeof(name), "in/%02zu-cut-%08zu-%s.%s", number, cuts[i],
		         is_half ? "half" : "most", format_info(format)->extension);
		scratch_bytes(name, whole.bytes, cuts[i]);
	}
	blob_fini(&whole);
}

TEST(hostile_pictures, one_cut_at_any_boundary_of_its_header_is_a_bad_image)
{
	struct tally tally = {0};
	glob_t paths;

	stage_enter();
	gallery_gather(&paths);
	for (size_t i = 0; i < paths.gl_pathc; i++)
		cut_up(paths.gl_pathv[i], i);
	gallery_run(&tally, "--retries 0");
	tally_say(&tally, "cuts");
	report_lines("r", check_cut, NULL);
	gallery_expect_true(&tally);
	EXPECT_EQ(tally_of(&tally, "crashed"), 0);
	globfree(&paths);
	stage_leave();
}
