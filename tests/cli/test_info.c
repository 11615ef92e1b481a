/*
 * Tests of the table of formats that pixpool info prints, for each format and each engine: listed
 * formats can be read and written, others are refused as unsupported. The tests also run in a build
 * without libvips.
 */
#include "cli_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 32 };

/* A row of the printed table of formats. */
struct row {
	char name[9], readers[15], writers[15], suffix[8];
};

static struct row rows[MAX_ROWS];
static size_t n_rows;

/* Copy a column of a line of the table, and leave out blanks at the end of the column. */
static void take_column(char *column, const char *line, size_t at, size_t n)
{
	memcpy(column, line + at, n);
	column[n] = 0;
	while (n > 0 && column[n - 1] == ' ')
		column[--n] = 0;
}

static void read_table(void)
{
	struct ended ended = run("pixpool info");
	const char *line = strstr(ended.out, "\nformats:\n");

	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	REQUIRE(line != NULL);
	line = strchr(line + strlen("\nformats:\n"), '\n') + 1;
	for (n_rows = 0; *line == ' '; line = strchr(line, '\n') + 1) {
		struct row *row = &rows[n_rows++];

		REQUIRE(n_rows < MAX_ROWS && strcspn(line, "\n") > 43);
		take_column(row->name, line, 4, 8);
		take_column(row->readers, line, 13, 14);
		take_column(row->writers, line, 28, 14);
		take_column(row->suffix, line, 43, strcspn(line + 43, " \n"));
	}
	REQUIRE(n_rows > 15);
}

/* Whether a column names an engine. The word "auto" stands for any engine. */
static bool claims(const char *column, const char *engine)
{
	if (strcmp(engine, "auto") == 0)
		return strcmp(column, "-") != 0;
	return strstr(column, engine) != NULL;
}

static const char *const engines[] = {
#ifdef PIXPOOL_VIPS
	"fast",
	"vips",
#endif
	"stb",
	"auto",
};
enum { N_ENGINES = sizeof(engines) / sizeof(engines[0]) };

/* The values that the option -f accepts. */
static const char *const formats[] = {"jpeg", "png",  "webp", "avif", "heic",
                                      "jxl",  "tiff", "gif",  "jp2",  "ppm",
                                      "bmp",  "tga",  "hdr"};

/* Whether the format has a name for -f. The format that the table calls pnm is "ppm" for -f. */
static bool is_word(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i], name) == 0)
			return true;
	}
	return strcmp(name, "pnm") == 0;
}

static void try_to_write(const struct row *row, const char *engine)
{
	const char *word = strcmp(row->name, "pnm") == 0 ? "ppm" : row->name;
	struct ended ended = run("pixpool resize -s 24 a.png -o written/%s/%s -f %s "
	                         "--engine %s --report r",
	                         engine, row->name, word, engine);

	if (claims(row->writers, engine))
		EXPECT(ended.status == 0, "%s by %s: %s", row->name, engine, ended.err);
	else
		EXPECT(ended.status == 1 && strstr(records("r"), "'class':'unsupported'"),
		       "%s by %s: %s", row->name, engine, ended.err);
}

TEST(info, info_lists_exactly_the_formats_that_an_engine_writes)
{
	fixture_enter();
	sample("balloon.png", "a.png");
	read_table();
	for (size_t i = 0; i < n_rows; i++) {
		if (!is_word(rows[i].name)) {
			EXPECT_STR(rows[i].writers, "-");
			continue;
		}
		for (int engine = 0; engine < N_ENGINES; engine++)
			try_to_write(&rows[i], engines[engine]);
	}
	fixture_leave();
}

/* ---- reading ---- */

/* Files for formats that no engine of this build writes. If there are builds that read a format but
 * do not write it, the file of this format is a complete picture. For the other formats a header is
 * enough. */
static const struct {
	/* The path of a sample file; NULL: the file consists of `bytes`. */
	const char *name, *sample;
	const char *bytes;
	size_t n;
} givens[] = {
#define BYTES(text) NULL, text, sizeof(text) - 1
	{"webp", "meadow.webp", NULL, 0},
	{"tiff", "lighthouse.tiff", NULL, 0},
	{"gif", "pendulum.gif", NULL, 0},
	{"heic", BYTES("\0\0\0\x18"
                       "ftypheic\0\0\0\0mif1heic")},
	{"avif", BYTES("\0\0\0\x18"
                       "ftypavif\0\0\0\0mif1avif")},
	{"jxl", BYTES("\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14"
                      "ftypjxl ")},
	{"jp2", BYTES("\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14"
                      "ftypjp2 ")},
	{"svg", BYTES("<svg xmlns='http://www.w3.org/2000/svg' width='20' height='10'>"
                      "<rect width='9' height='9'/></svg>")},
	{"pdf", BYTES("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
                      "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
                      "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 20 10]>>endobj\n"
                      "trailer<</Root 1 0 R>>\n%%EOF\n")},
	{"psd",
         BYTES("8BPS\0\1\0\0\0\0\0\0\0\3\0\0\0\1\0\0\0\1\0\10\0\3\0\0\0\0\0\0\0\0\0\0"
               "\0\0\0\0abc")},
	{"exr", BYTES("\x76\x2f\x31\x01\2\0\0\0")},
	{"ico", BYTES("\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0\0")},
	{"pam", BYTES("P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\nx")},
	{"raw", BYTES("II*\0\x10\0\0\0CR\2\0")},
#undef BYTES
};
enum { N_GIVENS = sizeof(givens) / sizeof(givens[0]) };

/* Create in/NAME.SUFFIX. If an engine writes the format, the engine makes the file; otherwise the
 * file comes from the table `givens`. */
static void provide(const struct row *row)
{
	const char *word = strcmp(row->name, "pnm") == 0 ? "ppm" : row->name;
	char path[64];

	snprintf(path, sizeof(path), "in/%.8s.%.7s", row->name, row->suffix);
	if (claims(row->writers, "auto")) {
		EXPECT_EQ(
			run("pixpool resize -s 24 a.png -o made -f %s && mv made/a.* %s",
		            word, path)
				.status,
			0);
		return;
	}
	for (int i = 0; i < N_GIVENS; i++) {
		if (strcmp(givens[i].name, row->name) != 0)
			continue;
		if (givens[i].sample)
			sample(givens[i].sample, path);
		else
			scratch_bytes(path, givens[i].bytes, givens[i].n);
		return;
	}
	EXPECT(false, "no file of %s to be tried", row->name);
}

/* Whether the record of this row's file contains the text `what`. */
static bool record_says(const char *all, const struct row *row, const char *what)
{
	char begin[64];
	const char *record, *found;

	snprintf(begin, sizeof(begin), "{'input':'in/%.8s.%.7s',", row->name,
	         row->suffix);
	record = strstr(all, begin);
	found = record ? strstr(record, what) : NULL;
	return found && found < record + strcspn(record, "\n");
}

TEST(info, info_lists_exactly_the_formats_that_an_engine_reads)
{
	fixture_enter();
	sample("balloon.png", "a.png");
	scratch_folder("in");
	read_table();
	for (size_t i = 0; i < n_rows; i++)
		provide(&rows[i]);
	for (int engine = 0; engine < N_ENGINES; engine++) {
		const char *all;

		run("pixpool resize -s 16 in -o out/%s -f png --engine %s --report r",
		    engines[engine], engines[engine]);
		all = records("r");
		for (size_t i = 0; i < n_rows; i++) {
			bool is_read = claims(rows[i].readers, engines[engine]);

			/* A format that no engine of this build reads is ignored in a folder. */
			EXPECT(record_says(all, &rows[i],
			                   is_read ? "'status':'ok'"
			                   : claims(rows[i].readers, "auto")
			                           ? "'class':'unsupported'"
			                           : "'status':'ignored'"),
			       "%s by %s, which info says it %s: %s", rows[i].name,
			       engines[engine], is_read ? "reads" : "does not", all);
		}
	}
	fixture_leave();
}

#ifndef PIXPOOL_VIPS

TEST(info, info_lists_stb_as_the_only_engine_in_a_build_without_libvips)
{
	static const struct row all[] = {
		{"jpeg", "stb", "stb", ""}, {"png", "stb", "stb", ""},
		{"gif", "stb", "-", ""},    {"pnm", "stb", "stb", ""},
		{"bmp", "stb", "stb", ""},  {"tga", "stb", "stb", ""},
		{"psd", "stb", "-", ""},    {"hdr", "stb", "stb", ""},
		{"pam", "stb", "-", ""},
	};
	size_t n_found = 0;

	fixture_enter();
	EXPECT(strstr(run("pixpool info").out,
	              "tried:\n    stb    stb_image, stb_image_write\n\n"));
	read_table();
	for (size_t i = 0; i < n_rows; i++) {
		const struct row *want = NULL;

		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			if (strcmp(all[k].name, rows[i].name) == 0)
				want = &all[k];
		}
		n_found += want != NULL;
		EXPECT_STR(rows[i].readers, want ? want->readers : "-");
		EXPECT_STR(rows[i].writers, want ? want->writers : "-");
	}
	EXPECT_EQ(n_found, sizeof(all) / sizeof(all[0]));
	fixture_leave();
}

#endif

/* Check that the JSON has the format in this row of the table, with the same engines. */
static void expect_in_json(const struct row *row, const char *json)
{
	char want[256];

	/* The table separates engines by blanks. In the JSON each engine is a string of its own. */
	int n = snprintf(want, sizeof(want), "{'name':'%s','read_by':[", row->name);

	for (const char *c = row->readers; *c && strcmp(row->readers, "-") != 0; c++)
		n += snprintf(want + n, sizeof(want) - (size_t)n, "%s%c%s",
		              c == row->readers ? "'" : "", *c, c[1] ? "" : "'");
	snprintf(want + n, sizeof(want) - (size_t)n, "],'written_by':[");
	for (char *c = want; *c; c++) {
		if (*c == '\'')
			*c = '"';
	}
	for (char *blank = strchr(want, ' '); blank; blank = strchr(blank, ' ')) {
		memmove(blank + 3, blank + 1, strlen(blank));
		memcpy(blank, "\",\"", 3);
	}
	EXPECT(strstr(json, want), "%s in %s", want, json);
}

TEST(info, info_with_the_option_json_prints_the_contents_of_the_tables_in_one_line)
{
	struct ended ended;

	fixture_enter();
	read_table();
	ended = run("pixpool info --json --max-frames 7 --timeout 5.001 -j 3");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	EXPECT(strchr(ended.out, '\n') == strrchr(ended.out, '\n'));
	EXPECT(strncmp(ended.out,
	               "{\"version\":\"" PIXPOOL_VERSION "\",\"engines\":[{\"name\":\"",
	               strlen("{\"version\":\"" PIXPOOL_VERSION
	                      "\",\"engines\":[{\"name\":\"")) == 0,
	       "%s", ended.out);
	for (size_t i = 0; i < n_rows; i++)
		expect_in_json(&rows[i], ended.out);
	EXPECT(strstr(ended.out, "\"suffixes\":[\"jpg\",\"jpeg\""));
	EXPECT(strstr(ended.out, "\"sandbox\":[{\"layer\":\""));
	EXPECT(strstr(ended.out, "\"limits\":{\"pixels\":268402689,\"frames\":7,"));
	EXPECT(strstr(ended.out, "\"timeout_seconds\":5.001}"));
	EXPECT(strstr(ended.out, "\"workers\":3,"));
	fixture_leave();
}
