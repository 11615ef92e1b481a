/*
 * Tests of hostile or damaged pictures with the whole command: decompression bombs of every format,
 * and pictures truncated at each boundary of their headers. (test_mutants.c has random damage.)
 * Each picture fails alone, in bounded time, with a correct failure class.
 */
#include "bombs.h"
#include "hostile_fixture.h"
#include "mutants.h"
#include "report_lines.h"

#include "cli/cli_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CUTS = 512 };

/* Whether this build reads a format, according to pixpool info. */
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

static void check_bomb(const char *input, const char *outcome, void *data)
{
	const struct bomb *bomb = bombs + strtoul(input + strlen("in/"), NULL, 10);

	(void)data;
	if (strcmp(bomb->format, "none") != 0 && !is_read(bomb->format))
		EXPECT(strcmp(outcome, "unsupported") == 0 ||
		               strcmp(outcome, "ignored") == 0,
		       "%s: %s", input, outcome);
	else
		EXPECT(has_word(bomb->classes, outcome), "%s: %s, not %s", input, outcome,
		       bomb->classes);
}

TEST(hostile_pictures, a_decompression_bomb_in_any_format_affects_no_other_picture)
{
	struct tally tally = {0};
	size_t n = 0;

	fixture_enter();
	for (; bombs[n].name; n++) {
		struct blob blob = {0};
		char path[64];

		bombs[n].make(&blob);
		snprintf(path, sizeof(path), "in/%02zu-%s", n, bombs[n].name);
		scratch_bytes(path, blob.bytes, blob.n);
		blob_fini(&blob);
	}
	hostile_run(&tally, "");
	tally_print(&tally, "bombs");
	EXPECT_EQ(report_lines("r", check_bomb, NULL), n);
	EXPECT_EQ(tally_of(&tally, "crashed"), 0);
	fixture_leave();
}

TEST(hostile_pictures, a_jpeg_with_thousands_of_scans_is_stopped_at_the_deadline)
{
	struct blob blob = {0};

	fixture_enter();
	bomb_of_scans(&blob);
	scratch_bytes("in/scans.jpg", blob.bytes, blob.n);
	blob_fini(&blob);
	EXPECT_EQ(run("pixpool resize -s 32 -f png --timeout 1 --report r in -o out")
	                  .status,
	          1);
	EXPECT(strstr(records("r"), is_read("webp") ? "'class':'timeout'" : "'class':'"),
	       "%s", records("r"));
	EXPECT_STR(tree("out"), "");
	fixture_leave();
}

/* ---- cuts ---- */

static void check_cut(const char *input, const char *outcome, void *data)
{
	/* the name of a truncated picture: "in/03-cut-00000120-half.png" */
	(void)data;
	if (strstr(input, "-half."))
		EXPECT(strcmp(outcome, "bad-image") == 0 ||
		               strcmp(outcome, "unsupported") == 0 ||
		               strcmp(outcome, "ignored") ==
		                       0, /* this build cannot read the format */
		       "%s: %s", input, outcome);
}

/* Truncate a picture at the boundaries of its headers. A picture of which less than half is left
 * must fail. A GIF must fail only if less than 20 bytes are left, because its first frame may be
 * complete. */
static void truncate_picture(const char *path, size_t number)
{
	struct blob whole = hostile_read(path);
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

TEST(hostile_pictures,
     a_picture_that_is_truncated_at_a_header_boundary_in_its_first_half_fails)
{
	struct tally tally = {0};
	glob_t paths;

	fixture_enter();
	hostile_seeds(&paths);
	for (size_t i = 0; i < paths.gl_pathc; i++)
		truncate_picture(paths.gl_pathv[i], i);
	hostile_run(&tally, "--retries 0");
	tally_print(&tally, "cuts");
	report_lines("r", check_cut, NULL);
	hostile_expect_known_outcomes(&tally);
	EXPECT_EQ(tally_of(&tally, "crashed"), 0);
	globfree(&paths);
	fixture_leave();
}
