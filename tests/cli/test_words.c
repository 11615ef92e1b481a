/* The words of the command: what is refused and how, and what help says. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct refusal {
	const char *line, *says;
};

/* Each is status 2, on standard error alone, with the way to the help. */
static void expect_refused(const struct refusal *refusals, size_t n)
{
	char want[1024];

	for (size_t i = 0; i < n; i++) {
		struct ended ended = run("%s", refusals[i].line);

		snprintf(want, sizeof(want), "pixpool: %s\nTry 'pixpool -h'.\n",
		         refusals[i].says);
		EXPECT_EQ(ended.status, 2);
		EXPECT_STR(ended.err, want);
		EXPECT_STR(ended.out, "");
	}
}

#define EXPECT_REFUSED(refusals)                                                         \
	expect_refused(refusals, sizeof(refusals) / sizeof((refusals)[0]))

TEST(words, a_wrong_command_is_refused_and_the_right_one_suggested)
{
	static const struct refusal refusals[] = {
		{"pixpool", "no command"},
		{"pixpool --", "no command"},
		{"pixpool resise -s 32 in -o out",
	         "unknown command 'resise'; did you mean 'resize'?"},
		{"pixpool thumbs in -o out",
	         "unknown command 'thumbs'; did you mean 'thumb'?"},
		{"pixpool inof", "unknown command 'inof'; did you mean 'info'?"},
		{"pixpool frobnicate", "unknown command 'frobnicate'"},
		{"pixpool res -s 32 in -o out", "unknown command 'res'"},
	};

	stage_enter();
	EXPECT_REFUSED(refusals);
	stage_leave();
}

TEST(words, a_wrong_option_is_refused_and_the_right_one_suggested)
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

	stage_enter();
	EXPECT_REFUSED(refusals);
	stage_leave();
}

TEST(words, an_option_is_never_abbreviated)
{
	static const struct refusal refusals[] = {
		{"pixpool resize --siz 32 in -o out",
	         "unknown option '--siz'; did you mean '--size'?"},
		{"pixpool resize --siz=32 in -o out",
	         "unknown option '--siz'; did you mean '--size'?"},
		{"pixpool resize --qual 32 in -o out",
	         "unknown option '--qual'"}, /* too far from any */
		{"pixpool resize --re 1 in -o out", "unknown option '--re'"},
		{"pixpool --hel", "unknown option '--hel'; did you mean '--help'?"},
		{"pixpool --version --verbos",
	         "unknown option '--verbos'; did you mean '--verbose'?"},
	};

	stage_enter();
	EXPECT_REFUSED(refusals);
	stage_leave();
}

TEST(words, an_option_without_its_value_is_refused)
{
	static const struct refusal refusals[] = {
		{"pixpool resize in -o out -s", "-s needs a value: GEOM"},
		{"pixpool resize in -o out --size", "--size needs a value: GEOM"},
		{"pixpool resize in -s 32 -vo", "-o needs a value: DIR"},
		{"pixpool resize in -s 32 -o out --retries",
	         "--retries needs a value: N"},
	};

	stage_enter();
	EXPECT_REFUSED(refusals);
	stage_leave();
}

TEST(words, a_wrong_value_is_refused_and_the_right_ones_named)
{
	static const struct refusal refusals[] = {
		{"pixpool thumb in -o out -q 0",
	         "--quality: '0' is not a whole number from 1 to 100"},
		{"pixpool thumb in -o out --quality=101",
	         "--quality: '101' is not a whole number from 1 to 100"},
		{"pixpool thumb in -o out -q 80%",
	         "--quality: '80%' is not a whole number from 1 to 100"},
		{"pixpool thumb in -o out -q +8",
	         "--quality: '+8' is not a whole number from 1 to 100"},
		{"pixpool thumb in -o out -q 99999999999999999999",
	         "--quality: '99999999999999999999' is not a whole number from 1 to 100"},
		{"pixpool thumb in -o out -j 0",
	         "--jobs: '0' is not a whole number from 1 to 1024"},
		{"pixpool thumb in -o out --jobs=two",
	         "--jobs: 'two' is not a whole number from 1 to 1024"},
		{"pixpool thumb in -o out --retries -1",
	         "--retries: '-1' is not a whole number from 0 to 100"},
		{"pixpool thumb in -o out --memory 100M",
	         "--memory: '100M' is too little: at least 128M"},
		{"pixpool thumb in -o out --memory 1T",
	         "--memory: '1T' is not a number of bytes; K, M and G are powers of 1024"},
		{"pixpool thumb in -o out --memory 17179869184G",
	         "--memory: '17179869184G' is not a number of bytes; K, M and G are "
	         "powers of 1024"},
		{"pixpool thumb in -o out --max-file-size -1",
	         "--max-file-size: '-1' is not a number of bytes; K, M and G are powers "
	         "of 1024"},
		{"pixpool thumb in -o out --max-file-size 0",
	         "--max-file-size: '0' is too little: at least 1"},
		{"pixpool thumb in -o out --max-pixels 0",
	         "--max-pixels: '0' is not a whole number from 1 on"},
		{"pixpool thumb in -o out --max-pixels 1M",
	         "--max-pixels: '1M' is not a whole number from 1 on"},
		{"pixpool thumb in -o out --max-frames 0",
	         "--max-frames: '0' is not a whole number from 1 to 4294967295"},
		{"pixpool thumb in -o out --recycle 0",
	         "--recycle: '0' is not a whole number from 1 to 1000000000"},
		{"pixpool thumb in -o out --timeout 0",
	         "--timeout: '0' is not a number of seconds from 0.001 to 1000000"},
		{"pixpool thumb in -o out --timeout nan",
	         "--timeout: 'nan' is not a number of seconds from 0.001 to 1000000"},
		{"pixpool thumb in -o out --timeout 1e9",
	         "--timeout: '1e9' is not a number of seconds from 0.001 to 1000000"},
		{"pixpool thumb in -o out --timeout 1s",
	         "--timeout: '1s' is not a number of seconds from 0.001 to 1000000"},
		{"pixpool thumb in -o out --timeout ''",
	         "--timeout: '' is not a number of seconds from 0.001 to 1000000"},
		{"pixpool thumb in -o out --overwrite skpi",
	         "--overwrite: 'skpi' is not one of skip, always; did you mean 'skip'?"},
		{"pixpool thumb in -o out --engine jpeg",
	         "--engine: 'jpeg' is not one of auto, vips, stb"},
		{"pixpool thumb in -o out --progress=jsn",
	         "--progress: 'jsn' is not one of auto, bar, plain, json, none; "
	         "did you mean 'json'?"},
		{"pixpool thumb in -o out -f wepb",
	         "--format: 'wepb' is not one of jpg, png, webp, avif, heic, jxl, "
	         "tiff, gif, jp2, ppm, bmp, tga, hdr, same; did you mean 'webp'?"},
		{"pixpool thumb in -o out -f svg",
	         "--format: 'svg' is not one of jpg, png, webp, avif, heic, jxl, "
	         "tiff, gif, jp2, ppm, bmp, tga, hdr, same"},
		{"pixpool thumb in -o out --fit covre",
	         "--fit: 'covre' is not one of inside, cover, contain, fill, outside; did "
	         "you mean 'cover'?"},
		{"pixpool thumb in -o out --position middle",
	         "--position: 'middle' is not one of centre, north, northeast, east, "
	         "southeast, south, southwest, west, northwest, entropy, attention"},
		{"pixpool thumb in -o out --kernel lancozs3",
	         "--kernel: 'lancozs3' is not one of lanczos3, lanczos2, mitchell, cubic, "
	         "linear, nearest; did you mean 'lanczos3'?"},
		{"pixpool thumb in -o out --background '#12'",
	         "--background: '#12' is not a colour: a name (white, red, transparent), or "
	         "#rgb, #rgba, #rrggbb, #rrggbbaa"},
		{"pixpool thumb in -o out --profile adobe",
	         "--profile: 'adobe' is not one of srgb, p3, keep, nor a file: No such file "
	         "or directory"},
		{"pixpool thumb in -o out --profile /dev/null",
	         "--profile: '/dev/null' is not an ICC profile for RGB, of at most 4194304 "
	         "bytes"},
		{"pixpool thumb in -o out --intent=relatif",
	         "--intent: 'relatif' is not one of relative, perceptual, saturation, "
	         "absolute; did you mean 'relative'?"},
		{"pixpool thumb in -o out --depth 32",
	         "--depth: '32' is not one of 8, 16, keep"},
		{"pixpool thumb in -o out --effort 10",
	         "--effort: '10' is not a whole number from 0 to 9"},
		{"pixpool thumb in -o out --chroma 422",
	         "--chroma: '422' is not one of auto, 420, 444; did you mean '420'?"},
		{"pixpool thumb in -o out --keep exif,ipct",
	         "--keep: 'ipct' is not one of exif, icc, xmp, iptc, gps, all, none; did "
	         "you mean 'iptc'?"},
		{"pixpool thumb in -o out --keep all,exif",
	         "--keep: 'all' stands alone, not in 'all,exif'"},
		{"pixpool thumb in -o out --fail-on errors",
	         "--fail-on: 'errors' is not one of none, truncated, error, warning; did "
	         "you mean 'error'?"},
		{"pixpool thumb in -o out --filter 'blur 2, sharpne'",
	         "--filter: 'sharpne' is not a filter; did you mean 'sharpen'?"},
		{"pixpool thumb in -o out --filter 'blur 2000'",
	         "--filter: '2000' in blur is not its SIGMA, a number from 0.3 to 1000 "
	         "pixels"},
		{"pixpool filter 'blur, rotate' in -o out",
	         "filter: 'rotate' needs ANGLE, a number from -360 to 360 degrees"},
		{"pixpool filter in -o out",
	         "filter: 'in' is not a filter, one of blur, sharpen, grayscale, negate, "
	         "normalise, gamma, median, modulate, threshold, rotate, flip, flop, trim, "
	         "flatten"},
		{"pixpool thumb in -o out --report ''",
	         "--report: needs the name of a file, or '-'"},
	};

	stage_enter();
	EXPECT_REFUSED(refusals);
	stage_leave();
}

TEST(words, a_size_is_N_WxH_Wx_xH_or_a_percentage)
{
	static const char *const wrong[] = {"0",     "x",    "",     "32x32x32",   "-5",
	                                    "32y32", "0%",   "1e3",  "0x32",       "32x0",
	                                    "3 2",   "32 x", "0x20", "99999999999"};
	static const struct {
		const char *word, *makes; /* of 640 x 427 */
	} right[] = {
		{"32", "32x21"},      {"32x16", "24x16"},   {"32x", "32x21"},
		{"x32", "48x32"},     {"50%", "320x214"},   {"32x16!", "32x16"},
		{"32!", "32x32"},     {"32>", "32x21"},     {"700>", "640x427"},
		{"800<", "800x534"},  {"32<", "640x427"},   {"0.1%", "1x1"},
		{"150%>", "640x427"}, {"33.3%", "213x142"},
	};

	stage_enter();
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
	stage_leave();
}

TEST(words, what_is_missing_is_named)
{
	static const struct refusal refusals[] = {
		{"pixpool resize in -o out", "resize needs a size: -s GEOM"},
		{"pixpool resize -s 32 in", "where to? -o DIR is missing"},
		{"pixpool thumb in", "where to? -o DIR is missing"},
		{"pixpool thumb -o out", "no INPUT: name files or folders"},
		{"pixpool info in", "info takes no INPUT"},
		{"pixpool convert in -f webp", "where to? -o DIR is missing"},
		{"pixpool convert -o out", "no INPUT: name files or folders"},
		{"pixpool filter -o out", "filter needs a CHAIN, and then an INPUT"},
		{"pixpool filter flip -o out", "no INPUT: name files or folders"},
		{"pixpool filter flip in", "where to? -o DIR is missing"},
		{"pixpool convert in -o out -s 32",
	         "a size is for resize and thumb: convert and filter take no -s"},
		{"pixpool filter flip in -o out -s 32",
	         "a size is for resize and thumb: convert and filter take no -s"},
		{"pixpool filter in -o out --filter flip",
	         "--filter is for resize and thumb: filter takes its CHAIN as a word"},
		{"pixpool convert in -o out --filter flip",
	         "--filter is for resize and thumb: filter takes its CHAIN as a word"},
	};

	stage_enter();
	EXPECT_REFUSED(refusals);
	stage_leave();
}

TEST(words, an_output_that_looks_like_a_file_is_refused_with_a_hint)
{
	static const struct refusal refusals[] = {
		{"pixpool thumb in -o out.jpg",
	         "--output: 'out.jpg' looks like a file: -o takes a folder, and -f the "
	         "format"},
		{"pixpool thumb in -o tn_%s.jpg",
	         "--output: 'tn_%s.jpg': -o takes a folder; names below it are those of "
	         "the inputs"},
		{"pixpool thumb in -o ''", "--output: needs the name of a folder"},
		{"pixpool thumb in -o -",
	         "--output: -o takes a folder, not standard output; one called so is ./-"},
	};

	stage_enter();
	EXPECT_REFUSED(refusals);
	scratch_folder("album.jpg"); /* a folder may be called so */
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("pixpool thumb a.jpg -o album.jpg").status, 0);
	EXPECT_STR(tree("album.jpg"), "a.jpg jpeg 256x171\n");
	stage_leave();
}

TEST(words, every_option_has_its_forms)
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

	stage_enter();
	sample("lake.jpg", "a.jpg");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		EXPECT_EQ(run("%s", lines[i]).status, 0);
		EXPECT_STR(tree("out"), "a.png png 32x21\n");
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	stage_leave();
}

TEST(words, options_stand_anywhere_up_to_two_dashes)
{
	static const char *const lines[] = {
		"pixpool -s 32 resize a.jpg -o out",
		"pixpool resize a.jpg -o out -s 32",
		"pixpool -o out -s 32 resize -- a.jpg",
		"POSIXLY_CORRECT=1 pixpool resize a.jpg -o out -s 32",
	};

	stage_enter();
	sample("lake.jpg", "a.jpg");
	sample("lake.jpg", "-s.jpg");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		EXPECT_EQ(run("%s", lines[i]).status, 0);
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	EXPECT_EQ(run("pixpool resize -s 32 -o out -- -s.jpg").status, 0);
	EXPECT_STR(tree("out"), "-s.jpg jpeg 32x21\n");
	stage_leave();
}

TEST(words, help_is_data_and_goes_to_standard_output)
{
	struct ended ended;
	int n_lines = 0, n_examples = 0;

	stage_enter();
	ended = run("pixpool -h");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	for (const char *c = ended.out; *c; c++)
		n_lines += *c == '\n';
	EXPECT(n_lines <= 24, "the short help is %d lines, more than one screen",
	       n_lines);
	for (const char *c = ended.out; (c = strstr(c, "\n    pixpool ")); c++)
		n_examples++;
	EXPECT_EQ(n_examples, 1 + 5); /* the usage line, and five examples */

	ended = run("pixpool --help");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	for (const char *const *word =
	             (const char *const[]){
			     "-s, --size GEOM",
			     "-o, --output DIR",
			     "-f, --format FORMAT",
			     "-q, --quality N",
			     "-j, --jobs N|auto",
			     "--timeout",
			     "--retries",
			     "--overwrite",
			     "--engine",
			     "--progress",
			     "--report",
			     "-v, --verbose",
			     "-Q, --quiet",
			     "-h",
			     "--help",
			     "--version",
			     "resize",
			     "thumb",
			     "convert",
			     "filter",
			     "info",
			     "--no-enlarge",
			     "--no-reduce",
			     "--fit inside|cover|contain|fill|outside",
			     "--position centre|north|northeast|...|entropy|attention",
			     "--background COLOUR",
			     "--linear",
			     "--no-rotate",
			     "--kernel",
			     "--profile srgb|p3|keep",
			     "--intent",
			     "--depth 8|16|keep",
			     "--effort N",
			     "--lossless",
			     "--progressive",
			     "--chroma auto|420|444",
			     "--keep none|all|CLASS,...",
			     "--keep-dates",
			     "--filter CHAIN",
			     "--fail-on none|truncated|error|warning",
			     "sharpen [SIGMA [FLAT [JAGGED]]]",
			     "SIGMA, a number from 0.3 to 1000 pixels; default 1",
			     "rotate ANGLE",
			     "129, 130, 143",
			     NULL};
	     *word; word++)
		EXPECT(strstr(ended.out, *word), "--help says nothing of %s", *word);
	for (const char *c = ended.out; *c; c += strcspn(c, "\n") + 1)
		EXPECT(strcspn(c, "\n") <= 100, "a long line in --help: %.100s", c);

	EXPECT_EQ(run("pixpool resize -h").status, 0);
	EXPECT_EQ(run("pixpool resize in --help").status, 0);
	stage_leave();
}

TEST(words, versions_are_those_of_program_and_libraries)
{
	struct ended ended;

	stage_enter();
	ended = run("pixpool --version");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	EXPECT(strncmp(ended.out, "pixpool " PIXPOOL_VERSION "\n",
	               sizeof("pixpool " PIXPOOL_VERSION)) == 0);
#ifdef PIXPOOL_VIPS
	EXPECT(strstr(ended.out, "\nlibvips 8."));
#endif
	EXPECT(strstr(ended.out, "\nstb_image"));
	stage_leave();
}

TEST(words, help_that_cannot_be_written_is_a_failure)
{
	struct ended ended;

	stage_enter();
	ended = run("pixpool --help > /dev/full");
	EXPECT_EQ(ended.status, 4);
	EXPECT_STR(ended.err, "pixpool: standard output: No space left on device\n");
	EXPECT_EQ(run("pixpool --help >&-").status, 4);
	EXPECT_EQ(run("pixpool --help | true").status, 0);
	stage_leave();
}
