/* Tests of the reasons that are printed for failures, in words that users understand. */
#include "support/test.h"

#include "report/reason.h"

#include <string.h>

struct given {
	enum fail_class class;
	const char *text, *format, *reason;
};

static void expect_reasons(const struct given *given, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char reason[REASON_BYTES];
		struct failure failure;

		failure_set(&failure, given[i].class, "%s", given[i].text);
		EXPECT_STR(reason_of(&failure, given[i].format, reason), given[i].reason);
	}
}

TEST(reason,
     the_reason_distinguishes_truncated_files_damaged_files_and_files_that_are_not_images)
{
	static const struct given given[] = {
		{FAIL_BAD_IMAGE, "read: the file is empty", NULL, "empty file"},
		{FAIL_BAD_IMAGE, "format: not an image of any known format", NULL,
	         "not an image"},
		{FAIL_BAD_IMAGE, "decode: VipsJpeg: Premature end of input file", "jpeg",
	         "truncated JPEG"},
		{FAIL_BAD_IMAGE,
	         "header: gifload_source: Unexpected end of GIF source data", "gif",
	         "truncated GIF"},
		{FAIL_BAD_IMAGE, "header: the file ends before its end marker", "jpeg",
	         "truncated JPEG"},
		{FAIL_BAD_IMAGE, "decode: the file ends early", "webp", "truncated WebP"},
		{FAIL_BAD_IMAGE, "decode: file ends inside a scan", "jpeg",
	         "truncated JPEG"},
		{FAIL_BAD_IMAGE, "decode: file has no end marker", "jpeg",
	         "truncated JPEG"},
		{FAIL_BAD_IMAGE, "decode: scan ends before its last block", "jpeg",
	         "damaged JPEG"},
		{FAIL_BAD_IMAGE, "decode: vipspng: libpng read error", "png",
	         "damaged PNG"},
		{FAIL_BAD_IMAGE, "", NULL, "damaged image"},
	};

	expect_reasons(given, sizeof(given) / sizeof(given[0]));
}

TEST(reason, the_reason_names_the_option_that_sets_the_exceeded_limit)
{
	static const struct given given[] = {
		{FAIL_TOO_BIG, "header: 640 x 427 is 273280 pixels; the limit is 1000",
	         "jpeg", "more pixels than --max-pixels"},
		{FAIL_TOO_BIG, "header: the image has 12 frames; the limit is 11", "gif",
	         "more frames than --max-frames"},
		{FAIL_TOO_BIG, "open: the file has 9 bytes; the limit is 8", NULL,
	         "larger than --max-file-size"},
		{FAIL_TIMEOUT, "exceeded its deadline", "png",
	         "took too long; see --timeout"},
		{FAIL_MEMORY, "out of memory", "png",
	         "needs too much memory; see --memory"},
	};

	expect_reasons(given, sizeof(given) / sizeof(given[0]));
}

TEST(reason, the_reason_says_which_file_or_folder_cannot_be_read_written_or_replaced)
{
	static const struct given given[] = {
		{FAIL_EXISTS,
	         "publish: a file with the name of the output exists and was not replaced; see --overwrite",
	         NULL, "output exists; see --overwrite"},
		{FAIL_EXISTS, "publish: a folder with the name of the output exists",
	         NULL, "a folder has the name of the output"},
		{FAIL_EXISTS,
	         "publish: cannot open the folder of the output: a file or a link has "
	         "the name of the folder",
	         NULL, "a file or a link has the name of the output folder"},
		{FAIL_EXISTS, "publish: the existing file was changed during the run",
	         NULL, "somebody changed the output during the run"},
		{FAIL_PERMISSION,
	         "publish: cannot open the folder of the output: "
	         "Permission denied",
	         "png", "no permission to write the output"},
		{FAIL_IO,
	         "publish: cannot open the folder of the output: File name "
	         "too long",
	         "png", "output that cannot be written"},
		{FAIL_IO, "read folder: Input/output error", NULL,
	         "folder that cannot be read"},
		{FAIL_UNSUPPORTED, "open: not a regular file", NULL,
	         "not a regular file"},
	};

	expect_reasons(given, sizeof(given) / sizeof(given[0]));
}

TEST(reason, the_reason_uses_the_common_names_of_formats)
{
	static const struct given given[] = {
		{FAIL_UNSUPPORTED,
	         "format: raw cannot be read: convert it first, e.g. with darktable-cli",
	         "raw", "camera RAW is not supported; convert it first"},
		{FAIL_UNSUPPORTED, "format: ico cannot be read: no engine reads it",
	         "ico", "ICO is not supported"},
		{FAIL_UNSUPPORTED, "format: jp2 is not read with --untrusted", "jp2",
	         "JPEG 2000 is not read with --untrusted"},
		{FAIL_UNSUPPORTED, "header: tiff2vips: subsampled images not supported",
	         "tiff", "unsupported kind of TIFF"},
		{FAIL_UNSUPPORTED,
	         "format: SVG and PDF are drawn by separate workers, which cannot be "
	         "started: no sandbox",
	         "svg", "SVG cannot be drawn, because no drawing worker can be started"},
		{FAIL_UNSUPPORTED,
	         "header: cannot draw text: no font is installed; install one", "pdf",
	         "PDF with a font that is missing"},
		{FAIL_TOO_BIG, "size: 70000 x 1, but a side of jpeg is at most 65535",
	         "png", "PNG is too large"},
	};

	expect_reasons(given, sizeof(given) / sizeof(given[0]));
}

TEST(reason, each_failure_class_has_a_reason_even_without_a_message)
{
	for (int class = FAIL_NONE + 1; class < N_FAIL_CLASSES; class ++) {
		char reason[REASON_BYTES];
		struct failure failure;

		failure_set(&failure, (enum fail_class) class, "%s", "");
		reason_of(&failure, NULL, reason);
		EXPECT((strcmp(reason, "internal error") == 0) ==
		               (class == FAIL_INTERNAL),
		       "%s: %s", fail_class_name((enum fail_class) class), reason);
	}
}

/* The answer of a worker may contain an arbitrary format name. */
TEST(reason, a_long_format_name_in_a_reason_is_truncated)
{
	char reason[REASON_BYTES];
	struct failure failure;

	failure_set(&failure, FAIL_BAD_IMAGE, "%s", "");
	EXPECT_STR(reason_of(&failure, "a-format-with-a-long-name", reason),
	           "damaged A-FORMAT-WITH-A");
}
