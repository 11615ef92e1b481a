/* Tests of the command line: messages for invalid arguments, and the help. */
#include "cli_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The names of the engines in this build. */
#ifdef PIXPOOL_VIPS
#define ENGINES "fast, vips, stb"
#else
#define ENGINES "stb"
#endif

struct refusal {
	const char *line, *says;
};

/* The name of the command in a command line, followed by a blank; "" if the line has no command. */
static const char *command_of(const char *line)
{
	static const char *const commands[] = {"resize ", "thumb ",  "convert ",
	                                       "filter ", "verify ", "info "};
	const char *word = line + strlen("pixpool ");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strlen(line) > strlen("pixpool ") &&
		    strncmp(word, commands[i], strlen(commands[i])) == 0)
			return commands[i];
	}
	return "";
}

/* Check that each command line exits with status 2, writes only to standard error, and points to
 * the help. */
static void expect_refused(const struct refusal *refusals, size_t n)
{
	char want[1024];

	for (size_t i = 0; i < n; i++) {
		struct ended ended = run("%s", refusals[i].line);

		snprintf(want, sizeof(want), "pixpool: %s\nTry 'pixpool %s--help'.\n",
		         refusals[i].says, command_of(refusals[i].line));
		EXPECT_EQ(ended.status, 2);
		EXPECT_STR(ended.err, want);
		EXPECT_STR(ended.out, "");
	}
}

#define EXPECT_REFUSED(refusals)                                                         \
	expect_refused(refusals, sizeof(refusals) / sizeof((refusals)[0]))

TEST(command_line, an_unknown_command_is_refused_and_a_similar_one_suggested)
{
	static const struct refusal refusals[] = {
		{"pixpool", "missing command"},
		{"pixpool --", "missing command"},
		{"pixpool resise -s 32 in -o out",
	         "unknown command 'resise'; did you mean 'resize'?"},
		{"pixpool thumbs in -o out",
	         "unknown command 'thumbs'; did you mean 'thumb'?"},
		{"pixpool thumbnail in -o out",
	         "unknown command 'thumbnail'; did you mean 'thumb'?"},
		{"pixpool inof", "unknown command 'inof'; did you mean 'info'?"},
		{"pixpool frobnicate", "unknown command 'frobnicate'"},
		{"pixpool help resise",
	         "unknown command 'resise'; did you mean 'resize'?"},
		{"pixpool res -s 32 in -o out", "unknown command 'res'"},
	};

	fixture_enter();
	EXPECT_REFUSED(refusals);
	fixture_leave();
}

TEST(command_line, an_unknown_option_is_refused_and_a_similar_one_suggested)
{
	static const struct refusal refusals[] = {
		{"pixpool resize --sizee 32 in -o out",
	         "unknown option '--sizee'; did you mean '--size'?"},
		{"pixpool resize --sizee=32 in -o out",
	         "unknown option '--sizee'; did you mean '--size'?"},
		{"pixpool resize --formt png in -o out",
	         "unknown option '--formt'; did you mean '--format'?"},
		{"pixpool resize -x in -o out", "unknown option '-x'"},
		{"pixpool resize -vx in -o out", "unknown option '-x'"},
		{"pixpool resize --frobnicate in -o out",
	         "unknown option '--frobnicate'"},
		{"pixpool --help=all", "--help takes no value"},
		{"pixpool resize -s 32 --verbose=1 in -o out",
	         "--verbose takes no value"},
	};

	fixture_enter();
	EXPECT_REFUSED(refusals);
	fixture_leave();
}

TEST(command_line, abbreviated_options_are_refused)
{
	static const struct refusal refusals[] = {
		{"pixpool resize --siz 32 in -o out",
	         "unknown option '--siz'; did you mean '--size'?"},
		{"pixpool resize --siz=32 in -o out",
	         "unknown option '--siz'; did you mean '--size'?"},
		{"pixpool resize --qual 32 in -o out",
	         /* No option is similar enough to be suggested. */
	         "unknown option '--qual'"},
		{"pixpool resize --re 1 in -o out", "unknown option '--re'"},
		{"pixpool --hel", "unknown option '--hel'; did you mean '--help'?"},
		{"pixpool --version --verbos",
	         "unknown option '--verbos'; did you mean '--verbose'?"},
	};

	fixture_enter();
	EXPECT_REFUSED(refusals);
	fixture_leave();
}

TEST(command_line, an_option_without_its_value_is_refused)
{
	static const struct refusal refusals[] = {
		{"pixpool resize in -o out -s", "-s needs a value: GEOM"},
		{"pixpool resize in -o out --size", "--size needs a value: GEOM"},
		{"pixpool resize in -s 32 -vo", "-o needs a value: DIR|FILE|-"},
		{"pixpool resize in -s 32 -o out --retries",
	         "--retries needs a value: N"},
	};

	fixture_enter();
	EXPECT_REFUSED(refusals);
	fixture_leave();
}

TEST(command_line, an_invalid_value_is_refused_and_the_valid_ones_are_listed)
{
	static const struct refusal refusals[] = {
		{"pixpool thumb in -o out -q 0",
	         "--quality: must be a whole number from 1 to 100, got '0'"},
		{"pixpool thumb in -o out --quality=101",
	         "--quality: must be a whole number from 1 to 100, got '101'"},
		{"pixpool thumb in -o out -q 80%",
	         "--quality: must be a whole number from 1 to 100, got '80%'"},
		{"pixpool thumb in -o out -q +8",
	         "--quality: must be a whole number from 1 to 100, got '+8'"},
		{"pixpool thumb in -o out -q 99999999999999999999",
	         "--quality: must be a whole number from 1 to 100, got '99999999999999999999'"},
		{"pixpool thumb in -o out -j 0",
	         "--jobs: must be a whole number from 1 to 1024, got '0'"},
		{"pixpool thumb in -o out --jobs=two",
	         "--jobs: must be a whole number from 1 to 1024, got 'two'"},
		{"pixpool thumb in -o out --retries -1",
	         "--retries: must be a whole number from 0 to 100, got '-1'"},
		{"pixpool thumb in -o out --memory 100M",
	         "--memory: must be at least 128M, got '100M'"},
		{"pixpool thumb in -o out --memory 1T",
	         "--memory: must be a whole number of bytes, such as 300000, 300K, 50M or 2G; got '1T'"},
		{"pixpool thumb in -o out --memory 17179869184G",
	         "--memory: must be a whole number of bytes, such as 300000, 300K, 50M or 2G; got '17179869184G'"},
		{"pixpool thumb in -o out --max-file-size -1",
	         "--max-file-size: must be a whole number of bytes, such as 300000, 300K, 50M or 2G; got '-1'"},
		{"pixpool thumb in -o out --max-file-size 0",
	         "--max-file-size: must be at least 1, got '0'"},
		{"pixpool thumb in -o out --max-pixels 0",
	         "--max-pixels: must be at least 1, got '0'"},
		{"pixpool thumb in -o out --max-pixels 1T",
	         "--max-pixels: must be a whole number of pixels, such as 300000, 300K, 50M or 2G; got '1T'"},
		{"pixpool thumb in -o out --max-frames 0",
	         "--max-frames: must be a whole number from 1 to 4294967295, got '0'"},
		{"pixpool thumb in -o out --recycle 0",
	         "--recycle: must be a whole number from 1 to 1000000000, got '0'"},
		{"pixpool thumb in -o out --timeout 0",
	         "--timeout: must be a number of seconds from 0.001 to 1000000, got '0'"},
		{"pixpool thumb in -o out --timeout nan",
	         "--timeout: must be a number of seconds from 0.001 to 1000000, got 'nan'"},
		{"pixpool thumb in -o out --timeout 1e9",
	         "--timeout: must be a number of seconds from 0.001 to 1000000, got '1e9'"},
		{"pixpool thumb in -o out --timeout 1s",
	         "--timeout: must be a number of seconds from 0.001 to 1000000, got '1s'"},
		{"pixpool thumb in -o out --timeout ''",
	         "--timeout: must be a number of seconds from 0.001 to 1000000, got ''"},
		{"pixpool thumb in -o out --overwrite skpi",
	         "--overwrite: must be one of own, skip, older, always; got 'skpi'; did you mean 'skip'?"},
		{"pixpool thumb in -o out --engine jpeg",
	         "--engine: must be one of auto, " ENGINES "; got 'jpeg'"},
		{"pixpool thumb in -o out --progress=jsn",
	         "--progress: must be one of auto, bar, plain, json, none; got 'jsn'; did you mean 'json'?"},
		{"pixpool thumb in -o out -f wepb",
	         "--format: must be one of jpg, png, webp, avif, heic, jxl, tiff, gif, jp2, ppm, bmp, tga, hdr, same; got 'wepb'; did you mean 'webp'?"},
		{"pixpool thumb in -o out -f webp,avif",
	         "--format: must be one format, got 'webp,avif'; run the command once for each"},
		{"pixpool thumb in -o out -f svg",
	         "--format: must be one of jpg, png, webp, avif, heic, jxl, tiff, gif, jp2, ppm, bmp, tga, hdr, same; got 'svg'"},
		{"pixpool thumb in -o out --fit covre",
	         "--fit: must be one of inside, cover, contain, fill, outside; got 'covre'; did you mean 'cover'?"},
		{"pixpool thumb in -o out --position middle",
	         "--position: must be one of centre, north, northeast, east, southeast, south, southwest, west, northwest, entropy, attention, X%,Y%; got 'middle'"},
		{"pixpool thumb in -o out --position 101%,0%",
	         "--position: must be X%,Y%, each from 0 to 100, such as 50%,20%, got '101%,0%'"},
		{"pixpool thumb in -o out --position 50%",
	         "--position: must be X%,Y%, each from 0 to 100, such as 50%,20%, got '50%'"},
		{"pixpool thumb in -o out --kernel lancozs3",
	         "--kernel: must be one of lanczos3, lanczos2, mitchell, cubic, linear, nearest; got 'lancozs3'; did you mean 'lanczos3'?"},
		{"pixpool thumb in -o out --background '#12'",
	         "--background: must be a colour name (white, red, transparent) or #rgb, #rgba, #rrggbb, #rrggbbaa; got '#12'"},
		{"pixpool thumb in -o out --profile adobe",
	         "--profile: must be srgb, p3, keep or the name of an ICC file; cannot "
	         "read 'adobe': No such file or directory"},
		{"pixpool thumb in -o out --profile srbg",
	         "--profile: must be srgb, p3, keep or the name of an ICC file; cannot "
	         "read 'srbg': No such file or directory; did you mean 'srgb'?"},
		{"pixpool thumb in -o out --profile /dev/null",
	         "--profile: must be an ICC file with an RGB profile of at most 4 MiB, "
	         "got '/dev/null'"},
		{"pixpool thumb in -o out --intent=relatif",
	         "--intent: must be one of relative, perceptual, saturation, absolute; got 'relatif'; did you mean 'relative'?"},
		{"pixpool thumb in -o out --depth 32",
	         "--depth: must be one of 8, 16, keep; got '32'"},
		{"pixpool thumb in -o out --effort 10",
	         "--effort: must be a whole number from 0 to 9, got '10'"},
		{"pixpool thumb in -o out --chroma 422",
	         "--chroma: must be one of auto, 420, 444; got '422'; did you mean '420'?"},
		{"pixpool thumb in -o out --keep exif,ipct",
	         "--keep: must be one of copyright, exif, icc, xmp, iptc, gps, all, none; got 'ipct'; did you mean 'iptc'?"},
		{"pixpool thumb in -o out --keep all,exif",
	         "--keep: 'all' cannot be combined with other classes, got 'all,exif'"},
		{"pixpool thumb in -o out --fail-on errors",
	         "--fail-on: must be one of none, truncated, error, warning; got 'errors'; did you mean 'error'?"},
		{"pixpool thumb in -o out --filter 'blur 2, sharpne'",
	         "--filter: 'sharpne' is not a filter; did you mean 'sharpen'?"},
		{"pixpool thumb in -o out --filter 'blur 2000'",
	         "--filter: blur: SIGMA must be between 0.3 and 1000 pixels, got '2000'"},
		{"pixpool filter 'blur, rotate' in -o out",
	         "CHAIN: rotate: missing ANGLE, a number from -360 to 360 degrees"},
		{"pixpool filter in -o out",
	         "CHAIN: 'in' is not a filter; the filters are blur, sharpen, grayscale, negate, normalise, gamma, median, modulate, threshold, rotate, flip, flop, trim, flatten"},
		{"pixpool thumb in -o out --report ''",
	         "--report: must be the name of a file, or '-' for standard output; "
	         "got ''"},
	};

	fixture_enter();
	EXPECT_REFUSED(refusals);
	fixture_leave();
}

TEST(command_line, a_size_can_be_N_WxH_Wx_xH_or_a_percentage)
{
	static const char *const wrong[] = {"0",     "x",    "",     "32x32x32",   "-5",
	                                    "32y32", "0%",   "1e3",  "0x32",       "32x0",
	                                    "3 2",   "32 x", "0x20", "99999999999"};
	static const struct {
		const char *word, *makes; /* output size of an input of 640 x 427 */
	} right[] = {
		{"32", "32x21"},      {"32x16", "24x16"},   {"32x", "32x21"},
		{"x32", "48x32"},     {"50%", "320x214"},   {"32x16!", "32x16"},
		{"32!", "32x32"},     {"32>", "32x21"},     {"700>", "640x427"},
		{"800<", "800x534"},  {"32<", "640x427"},   {"0.1%", "1x1"},
		{"150%>", "640x427"}, {"33.3%", "213x142"},
	};

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ended ended = run("pixpool resize in -o out -s '%s'", wrong[i]);

		EXPECT_EQ(ended.status, 2);
		EXPECT(strncmp(ended.err, "pixpool: --size: ", 17) == 0, "%s: %s",
		       wrong[i], ended.err);
	}
	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		char want[64];

		snprintf(want, sizeof(want), "a.jpg jpeg %s\n", right[i].makes);
		EXPECT_EQ(run("pixpool resize in -o out -s '%s'", right[i].word).status,
		          0);
		EXPECT_STR(tree("out"), want);
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	fixture_leave();
}

TEST(command_line, a_missing_argument_is_named_in_the_message)
{
	static const struct refusal refusals[] = {
		{"pixpool resize in -o out", "missing -s GEOM (size), such as -s 1600"},
		{"pixpool resize -s 32 in", "missing -o DIR (output folder) or -o FILE"},
		{"pixpool thumb in", "missing -o DIR (output folder) or -o FILE"},
		{"pixpool thumb -o out", "missing INPUT (files or folders)"},
		{"pixpool info in", "info takes no INPUT, got 'in'"},
		{"pixpool convert in -f webp",
	         "missing -o DIR (output folder) or -o FILE"},
		{"pixpool convert -o out", "missing INPUT (files or folders)"},
		{"pixpool filter -o out", "missing CHAIN (filters) and INPUT"},
		{"pixpool filter flip -o out", "missing INPUT (files or folders)"},
		{"pixpool filter flip in", "missing -o DIR (output folder) or -o FILE"},
		{"pixpool convert in -o out -s 32",
	         "convert takes no --size; resize, thumb do"},
		{"pixpool filter flip in -o out -s 32",
	         "filter takes no --size; resize, thumb do"},
		{"pixpool filter in -o out --filter flip",
	         "filter takes no --filter; resize, thumb do"},
		{"pixpool convert in -o out --filter flip",
	         "convert takes no --filter; resize, thumb do"},
		{"pixpool convert in -o out --fit cover",
	         "convert takes no --fit; resize, thumb do"},
		{"pixpool verify in -o out",
	         "verify takes no --output; resize, thumb, convert, filter do"},
		{"pixpool info -r",
	         "info takes no -r; resize, thumb, convert, filter, verify do"},
	};

	fixture_enter();
	EXPECT_REFUSED(refusals);
	fixture_leave();
}

TEST(command_line, an_output_folder_that_looks_like_a_file_is_refused_with_a_hint)
{
	static const struct refusal refusals[] = {
		{"pixpool thumb in -o out.jpg",
	         "--output: the file name 'out.jpg' needs exactly one file as INPUT; "
	         "for more images, name a folder and choose the format with -f jpg"},
		{"pixpool thumb a.jpg b.jpg -o out.webp",
	         "--output: the file name 'out.webp' needs exactly one file as INPUT; "
	         "for more images, name a folder and choose the format with -f webp"},
		{"pixpool thumb in -o tn_%s.jpg",
	         "--output: must be a folder, got 'tn_%s.jpg'; --name changes the names of "
	         "outputs"},
		{"pixpool thumb in -o ''",
	         "--output: must be the name of a folder, or of a file such as a.webp; "
	         "got ''"},
		{"pixpool thumb in -o -",
	         "--output: '-' (standard output) needs exactly one file as INPUT; for "
	         "a folder named '-', write './-'"},
	};

	fixture_enter();
	scratch_folder("in");
	EXPECT_REFUSED(refusals);
	/* A folder may have a name that looks like the name of a file. */
	scratch_folder("album.jpg");
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("pixpool thumb a.jpg -o album.jpg").status, 0);
	EXPECT_STR(tree("album.jpg"), "a.jpg jpeg 256x171\n");
	fixture_leave();
}

TEST(command_line, every_option_has_its_short_and_long_forms)
{
	static const char *const lines[] = {
		"pixpool resize -s 32 -o out -f png -q 80 -j 1 -v -Q a.jpg",
		"pixpool resize -s32 -oout -fpng -q80 -j1 -rvQ a.jpg",
		"pixpool resize --size 32 --output out --format png --quality 80 --jobs 1 "
		"--verbose --quiet a.jpg",
		"pixpool resize --size=32 --output=out --format=png --quality=80 --jobs=1 "
		"a.jpg",
		"pixpool resize -s 32 -o out -f png --timeout 9.5 --retries 0 "
		"--overwrite always --engine stb --progress none --report r a.jpg",
		"pixpool resize -s 32 -o out -f png --timeout=9.5 --retries=0 "
		"--overwrite=skip --engine=auto --progress=plain --report=r a.jpg",
		"pixpool resize -s 8 -s 32 -o nowhere -o out -f jpg -f PNG -j auto a.jpg",
		"pixpool resize -s 32 -o out -f png -- a.jpg",
	};

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		EXPECT_EQ(run("%s", lines[i]).status, 0);
		EXPECT_STR(tree("out"), "a.png png 32x21\n");
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	fixture_leave();
}

TEST(command_line, options_may_be_anywhere_before_a_double_dash)
{
	static const char *const lines[] = {
		"pixpool -s 32 resize a.jpg -o out",
		"pixpool resize a.jpg -o out -s 32",
		"pixpool -o out -s 32 resize -- a.jpg",
		"POSIXLY_CORRECT=1 pixpool resize a.jpg -o out -s 32",
	};

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	sample("lake.jpg", "-s.jpg");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		EXPECT_EQ(run("%s", lines[i]).status, 0);
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	EXPECT_EQ(run("pixpool resize -s 32 -o out -- -s.jpg").status, 0);
	EXPECT_STR(tree("out"), "-s.jpg jpeg 32x21\n");
	fixture_leave();
}

static int lines_of(const char *text, size_t *ret_longest)
{
	int n = 0;

	*ret_longest = 0;
	for (const char *c = text; *c; n++) {
		size_t length = strcspn(c, "\n");

		if (length > *ret_longest)
			*ret_longest = length;
		c += length + (c[length] == '\n');
	}
	return n;
}

static int count_of(const char *text, const char *part)
{
	int n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

TEST(command_line, the_short_help_is_one_screen_with_five_examples)
{
	struct ended ended;
	size_t longest;

	fixture_enter();
	ended = run("pixpool -h");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	EXPECT(lines_of(ended.out, &longest) <= 24, "%d lines",
	       lines_of(ended.out, &longest));
	EXPECT(longest < 80, "%zu columns", longest);
	EXPECT_EQ(count_of(ended.out, "\n  pixpool "), 5);
	EXPECT(strstr(ended.out, " --keep "));
	EXPECT(strstr(ended.out, " --report "));
	EXPECT(strstr(ended.out, " --overwrite "));
	EXPECT_EQ(run("pixpool resize -h").status, 0);
	fixture_leave();
}

TEST(command_line, help_goes_to_standard_output_and_names_every_option_and_filter)
{
	static const char *const words[] = {
		"-s, --size GEOM",
		"-o, --output DIR",
		"-f, --format FORMAT",
		"-q, --quality N",
		"-j, --jobs N|auto",
		"--timeout SECONDS",
		"--retries N",
		"--overwrite own|skip|older|always",
		"--engine ENGINE",
		"--progress auto|bar|plain|json|none",
		"--report FILE",
		"-v, --verbose",
		"-Q, --quiet",
		"\n  -h ",
		"    --help",
		"    --version",
		"resize",
		"thumb",
		"convert",
		"filter",
		"info",
		"--no-enlarge",
		"--no-reduce",
		"--fit MODE",
		"--position WHERE",
		"--background COLOUR",
		"--linear",
		"--no-rotate",
		"--kernel",
		"--profile srgb|p3|keep|FILE",
		"--intent",
		"--depth 8|16|keep",
		"--effort N",
		"--lossless",
		"--progressive",
		"--chroma auto|420|444",
		"--keep CLASS,...",
		"--keep-dates",
		"--filter CHAIN",
		"--fail-on LEVEL",
		"sharpen [SIGMA [FLAT [JAGGED]]]",
		"rotate ANGLE",
		"129, 130, 143",
	};
	struct ended ended;
	size_t longest;

	fixture_enter();
	ended = run("pixpool --help");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		EXPECT(strstr(ended.out, words[i]), "--help does not name %s", words[i]);
	lines_of(ended.out, &longest);
	EXPECT(longest <= 90, "%zu columns", longest);
	fixture_leave();
}

/* Check that the help names each value of each option that takes one of several words. */
TEST(command_line, help_names_every_value_of_every_choice)
{
	static const char *const choices[] = {
		"inside",    "cover",      "contain",    "fill",      "outside",
		"centre",    "north",      "entropy",    "attention", "lanczos3",
		"lanczos2",  "mitchell",   "cubic",      "linear",    "nearest",
		"relative",  "perceptual", "saturation", "absolute",  "none",
		"truncated", "error",      "warning",    "exif",      "icc",
		"xmp",       "iptc",       "gps",        "require",   "off",
	};
	const char *help;

	fixture_enter();
	help = run("pixpool --help").out;
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		EXPECT(strstr(help, choices[i]), "--help does not name %s", choices[i]);
	fixture_leave();
}

TEST(command_line, help_for_a_command_lists_only_the_options_of_that_command)
{
	static const char *const lines[] = {
		"pixpool verify --help", "pixpool --help verify", "pixpool help verify"};
	struct ended ended;

	fixture_enter();
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ended = run("%s", lines[i]);
		EXPECT_EQ(ended.status, 0);
		EXPECT(strstr(ended.out, "pixpool verify [OPTION]... INPUT...\n"));
		EXPECT(strstr(ended.out, "--fail-on"));
		EXPECT(!strstr(ended.out, "--size"));
		EXPECT(!strstr(ended.out, "sharpen"));
	}
	EXPECT(strstr(run("pixpool filter --help").out, "sharpen [SIGMA"));
	EXPECT(strstr(run("pixpool help").out, "\nCommands:\n"));
	EXPECT(strstr(run("pixpool resize in --help").out, "--size GEOM"));
	fixture_leave();
}

TEST(command_line, synonyms_of_values_are_accepted)
{
	static const char *const lines[] = {
		"pixpool thumb -o out --position center a.jpg",
		"pixpool thumb -o out --position top -f jpeg a.jpg",
		"pixpool thumb -o out --position bottom a.jpg",
		"pixpool thumb -o out --position left --max-pixels 50M a.jpg",
		"pixpool thumb -o out --position right --max-file-size 10m a.jpg",
		"pixpool thumb -o out --filter greyscale a.jpg",
		"pixpool filter greyscale -o out a.jpg",
	};

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		EXPECT_EQ(run("%s --overwrite always", lines[i]).status, 0);
		EXPECT(strstr(tree("out"), "a.jpg jpeg "), "%s", lines[i]);
	}
	fixture_leave();
}

TEST(command_line, version_output_names_the_libraries_of_the_build)
{
	struct ended ended;

	fixture_enter();
	ended = run("pixpool --version");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	EXPECT(strncmp(ended.out, "pixpool " PIXPOOL_VERSION "\nbuilt with ",
	               sizeof("pixpool " PIXPOOL_VERSION "\nbuilt with ") - 1) == 0);
#ifdef PIXPOOL_VIPS
	EXPECT(strstr(ended.out, "libvips 8."));
#endif
	EXPECT(strstr(ended.out, "stb"));
	fixture_leave();
}

/* A reader that closes the pipe early is not an error. The status of each program in the pipeline
 * counts. */
TEST(command_line, help_written_to_a_closed_pipe_succeeds)
{
	fixture_enter();
	EXPECT_EQ(run("{ sleep 0.2; pixpool --help; echo $? > status; } 2> err | true")
	                  .status,
	          0);
	EXPECT_STR(run("cat status err").out, "0\n");
	fixture_leave();
}

TEST(command_line, help_that_cannot_be_written_fails)
{
	struct ended ended;

	fixture_enter();
	ended = run("pixpool --help > /dev/full");
	EXPECT_EQ(ended.status, 4);
	EXPECT_STR(ended.err,
	           "pixpool: cannot write to standard output: No space left on device\n");
	EXPECT_EQ(run("pixpool --help >&-").status, 4);
	fixture_leave();
}
