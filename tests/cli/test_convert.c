/* Tests of the command convert, and of the options for colours, encoding, metadata and dates. The
 * tests check the bytes of the outputs. */
#include "bitmap.h"
#include "cli_fixture.h"

#include "base/fd.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(convert, convert_changes_only_the_format_and_the_suffix)
{
	fixture_enter();
	sample("lake.jpg", "in/lake.JPG");
	sample("balloon.png", "in/sub/balloon.png");
	EXPECT_EQ(run("pixpool convert in -o out -f png").status, 0);
	EXPECT_STR(tree("out"), "lake.png png 640x427\n"
	                        "sub/\n"
	                        "sub/balloon.png png 480x480\n");
	EXPECT_EQ(run("pixpool convert in -o same").status, 0);
	EXPECT_STR(tree("same"), "lake.JPG jpeg 640x427\n"
	                         "sub/\n"
	                         "sub/balloon.png png 480x480\n");
	EXPECT_EQ(run("pixpool filter flip in -o turned -f jpeg").status, 0);
	EXPECT_STR(tree("turned"), "lake.jpg jpeg 640x427\n"
	                           "sub/\n"
	                           "sub/balloon.jpg jpeg 480x480\n");
	fixture_leave();
}

TEST(convert, two_inputs_with_the_same_output_name_are_refused_before_any_work)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/a.png");
	EXPECT_EQ(run("pixpool convert in -o out -f png").status, 2);
	EXPECT_STR(tree("out"), "");
	fixture_leave();
}

TEST(convert, the_option_keep_dates_gives_the_output_the_times_of_its_input)
{
	struct stat kept, fresh;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("touch -d '2001-02-03T04:05:06.789Z' in/a.jpg").status, 0);
	EXPECT_EQ(run("pixpool convert in -o kept --keep-dates").status, 0);
	EXPECT_EQ(run("pixpool convert in -o fresh").status, 0);
	REQUIRE(stat("kept/a.jpg", &kept) == 0 && stat("fresh/a.jpg", &fresh) == 0);
	EXPECT_EQ(kept.st_mtim.tv_sec, 981173106);
	EXPECT_EQ(kept.st_mtim.tv_nsec, 789000000);
	EXPECT(fresh.st_mtim.tv_sec > 1000000000);
	/* --keep-dates also works for an output that replaces another file. */
	EXPECT_EQ(
		run("pixpool convert in -o fresh --keep-dates --overwrite always").status,
		0);
	REQUIRE(stat("fresh/a.jpg", &fresh) == 0);
	EXPECT_EQ(fresh.st_mtim.tv_sec, 981173106);
	fixture_leave();
}

TEST(convert, an_invalid_option_value_is_refused_before_any_work)
{
	static const char *const lines[] = {
		"filter 'blur 1, rotate 400' in -o out",
		"filter 'grayscale, sepia' in -o out",
		"resize -s 10 --filter 'median 2.5' in -o out",
		"convert --effort 11 in -o out",
		"convert --keep all,exif in -o out",
	};

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		EXPECT_EQ(run("pixpool %s", lines[i]).status, 2);
	EXPECT_EQ(run("test -e out").status, 1);
	fixture_leave();
}

#ifdef PIXPOOL_VIPS

/* Read a file into a static buffer, and set *ret_n to its length. */
static const uint8_t *bytes_of(const char *path, size_t *ret_n)
{
	static uint8_t bytes[2 << 20];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? fd_pread_full(fd, bytes, sizeof(bytes), 0) : -1;

	fd_close(&fd);
	REQUIRE(n > 0 && n < (ssize_t)sizeof(bytes), "%s", path);
	*ret_n = (size_t)n;
	return bytes;
}

static bool holds(const char *path, const char *text)
{
	size_t n;
	const uint8_t *bytes = bytes_of(path, &n);

	return memmem(bytes, n, text, strlen(text)) != NULL;
}

static size_t length_of(const char *path)
{
	size_t n;

	bytes_of(path, &n);
	return n;
}

/* lake.jpg with XMP, and with EXIF: the name of a camera, and a GPS directory with the name of a
 * map. */
static void tag_sample(const char *path)
{
	/* The TIFF structure has two directories. The first has two entries, with values at the
	 * offsets 38 (Make) and 50 (the GPS directory). The GPS directory has one entry, with the
	 * value at offset 68 (MapDatum). */
	static const uint8_t exif[] = {
		0xff, 0xe1, 0,   82, 'E',  'x',  'i',  'f',  0,   0,   'I', 'I', 42,  0,
		8,    0,    0,   0,  2,    0,    0x0f, 0x01, 2,   0,   12,  0,   0,   0,
		38,   0,    0,   0,  0x25, 0x88, 4,    0,    1,   0,   0,   0,   50,  0,
		0,    0,    0,   0,  0,    0,    'C',  'a',  'm', 'e', 'r', 'a', '-', 'T',
		'e',  's',  't', 0,  1,    0,    0x12, 0x00, 2,   0,   6,   0,   0,   0,
		68,   0,    0,   0,  0,    0,    0,    0,    'D', 'a', 't', 'u', 'm', 0,
	};
	static const char xmp[] =
		"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
		"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
		"<rdf:Description rdf:about='' xmlns:t='http://example.com/t/' "
		"t:note='Xmp-Note'/></rdf:RDF></x:xmpmeta>";
	const size_t n_segment = sizeof(xmp) - 1 + 2;
	const uint8_t head[4] = {0xff, 0xe1, (uint8_t)(n_segment >> 8),
	                         (uint8_t)n_segment};
	static uint8_t all[64 * 1024];
	size_t n, n_all = 2;
	const uint8_t *plain;

	sample("lake.jpg", "plain.jpg");
	plain = bytes_of("plain.jpg", &n);
	memcpy(all, plain, 2);
	memcpy(all + n_all, exif, sizeof(exif));
	n_all += sizeof(exif);
	memcpy(all + n_all, head, sizeof(head));
	n_all += sizeof(head);
	memcpy(all + n_all, xmp, sizeof(xmp) - 1);
	n_all += sizeof(xmp) - 1;
	memcpy(all + n_all, plain + 2, n - 2);
	scratch_bytes(path, all, n_all + n - 2);
}

TEST(convert, the_option_keep_selects_metadata_by_class)
{
	static const struct {
		const char *words;
		bool exif, gps, xmp;
	} cases[] = {
		{"convert", true, true, true},
		{"filter flip", true, true, true},
		{"resize -s 64", false, false, false},
		{"thumb", false, false, false},
		{"resize -s 64 --keep all", true, true, true},
		{"convert --keep none", false, false, false},
		{"convert --keep exif", true, false, false},
		{"convert --keep exif,gps", true, true, false},
		{"convert --keep gps", false, true, false},
		{"convert --keep xmp", false, false, true},
		{"convert --keep icc,iptc", false, false, false},
	};

	fixture_enter();
	tag_sample("in/a.jpg");
	REQUIRE(holds("in/a.jpg", "Camera-Test") && holds("in/a.jpg", "Datum") &&
	        holds("in/a.jpg", "Xmp-Note"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ended ended = run("pixpool %s in -o out", cases[i].words);

		REQUIRE(ended.status == 0, "%s: %s", cases[i].words, ended.err);
		EXPECT(holds("out/a.jpg", "Camera-Test") == cases[i].exif, "%s",
		       cases[i].words);
		EXPECT(holds("out/a.jpg", "Datum") == cases[i].gps, "%s", cases[i].words);
		EXPECT(holds("out/a.jpg", "Xmp-Note") == cases[i].xmp, "%s",
		       cases[i].words);
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	fixture_leave();
}

TEST(convert, lost_metadata_is_listed_in_the_record_and_the_summary)
{
	static const uint8_t comment[] = "\xff\xd8\xff\xfe\0\x0b"
					 "a comment";
	static uint8_t all[64 * 1024];
	const uint8_t *plain;
	struct ended ended;
	size_t n;

	fixture_enter();
	sample("lake.jpg", "plain.jpg");
	plain = bytes_of("plain.jpg", &n);
	memcpy(all, comment, sizeof(comment) - 1);
	memcpy(all + sizeof(comment) - 1, plain + 2, n - 2);
	scratch_bytes("in/a.jpg", all, sizeof(comment) - 1 + n - 2);

	ended = run("pixpool convert in -f webp -o out --report webp.json");
	REQUIRE(ended.status == 0, "%s", ended.err);
	EXPECT(holds("webp.json", "\"lost\":[\"comment\"]"));
	EXPECT(holds("webp.json", "\"lost\":1,"));
	/* A JPEG keeps the comment. With --keep none the comment was not requested, so its loss is
	 * not reported. */
	ended = run("pixpool convert in -o out --report jpeg.json");
	REQUIRE(ended.status == 0, "%s", ended.err);
	EXPECT(holds("out/a.jpg", "a comment"));
	EXPECT(!holds("jpeg.json", "\"lost\":["));
	ended = run("pixpool convert in -f webp -o none --keep none --report none.json");
	REQUIRE(ended.status == 0, "%s", ended.err);
	EXPECT(!holds("none.json", "\"lost\":["));
	fixture_leave();
}

/* The bits per sample of a PNG, and whether the PNG is interlaced. */
static int png_depth(const char *path)
{
	size_t n;

	return bytes_of(path, &n)[24];
}

static bool png_is_interlaced(const char *path)
{
	size_t n;

	return bytes_of(path, &n)[28] == 1;
}

TEST(convert, sample_depth_is_kept_by_default)
{
	static const struct {
		const char *words;
		int depth;
	} cases[] = {
		{"convert", 16},
		{"convert --depth 8", 8},
		{"filter flip", 16},
		{"convert --depth keep", 16},
		{"resize -s 10", 8},
		{"resize -s 10 --depth 16", 16},
		{"thumb --depth keep", 16},
	};

	fixture_enter();
	paint("in/a.ppm", 40, 20, 16);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_EQ(run("pixpool %s in -o out -f png", cases[i].words).status, 0);
		EXPECT(png_depth("out/a.png") == cases[i].depth, "%s: %d", cases[i].words,
		       png_depth("out/a.png"));
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	fixture_leave();
}

TEST(convert, an_output_that_is_not_srgb_carries_a_colour_profile)
{
	fixture_enter();
	paint("in/a.ppm", 40, 20, 8);
	EXPECT_EQ(run("pixpool convert in -o p3 -f png --profile p3").status, 0);
	EXPECT(holds("p3/a.png", "iCCP"));
	EXPECT_EQ(run("pixpool convert in -o srgb -f png --profile srgb").status, 0);
	EXPECT(!holds("srgb/a.png", "iCCP"));
	/* The commands filter and convert keep the profile; resize converts the colours to sRGB. */
	EXPECT_EQ(run("pixpool filter flip p3 -o kept").status, 0);
	EXPECT(holds("kept/a.png", "iCCP"));
	EXPECT_EQ(run("pixpool convert p3 -o again").status, 0);
	EXPECT_EQ(run("cmp p3/a.png again/a.png").status, 0);
	EXPECT_EQ(run("pixpool resize -s 20 p3 -o thumbs -f bmp").status, 0);
	EXPECT_STR(look("thumbs/a.bmp"), "20x10 rg/bw");
	fixture_leave();
}

/* Write the first profile of a JPEG to a file. */
static void take_profile_out(const char *path, const char *profile)
{
	static const char mark[12] = "ICC_PROFILE";
	size_t n, n_segment;
	const uint8_t *bytes = bytes_of(path, &n),
		      *at = memmem(bytes, n, mark, sizeof(mark));

	REQUIRE(at != NULL && at - bytes > 4);
	n_segment = (size_t)at[-2] << 8 | at[-1];
	REQUIRE(n_segment > 16 && n_segment <= n - (size_t)(at - bytes));
	scratch_bytes(profile, at + 14, n_segment - 16);
}

TEST(convert, an_output_profile_can_be_read_from_a_file)
{
	size_t n, n_icc;
	const uint8_t *bytes;
	uint8_t icc[8192];

	fixture_enter();
	paint("in/a.ppm", 40, 20, 8);
	EXPECT_EQ(run("pixpool convert in -o p3 -f jpg --profile p3").status, 0);
	take_profile_out("p3/a.jpg", "wide.icc");
	bytes = bytes_of("wide.icc", &n_icc);
	REQUIRE(n_icc <= sizeof(icc));
	memcpy(icc, bytes, n_icc);
	EXPECT_EQ(run("pixpool convert in -o out -f jpg --profile wide.icc").status, 0);
	bytes = bytes_of("out/a.jpg", &n);
	EXPECT(memmem(bytes, n, icc, n_icc) != NULL);
	/* The colours are converted to the profile. Converted back to sRGB, they must be the
	 * colours of the input. */
	EXPECT_EQ(run("pixpool convert in -o exact -f png --profile wide.icc").status, 0);
	EXPECT_EQ(run("pixpool resize -s 40 exact -o seen -f bmp").status, 0);
	EXPECT_STR(look("seen/a.bmp"), "40x20 rg/bw");
	EXPECT_EQ(
		run("pixpool resize -s 40 --linear --profile wide.icc -f tiff in -o lin")
			.status,
		0);
	EXPECT(holds("lin/a.tif", "acsp"));

	/* The profile is longer than a frame between processes, so the test checks that workers can
	 * receive it without opening a file. */
	static uint8_t padded[100000];

	memcpy(padded, icc, n_icc);
	for (int i = 0; i < 4; i++) /* the profile stores its own length */
		padded[i] = (uint8_t)(sizeof(padded) >> (24 - 8 * i));
	scratch_bytes("long.icc", padded, sizeof(padded));
	EXPECT_EQ(run("pixpool convert in -o long -f png --profile long.icc").status, 0);
	EXPECT_EQ(run("pixpool resize -s 40 long -o seen2 -f bmp").status, 0);
	EXPECT_STR(look("seen2/a.bmp"), "40x20 rg/bw");

	/* A profile with nothing but an RGB header is refused by the worker. */
	EXPECT_EQ(run("head -c 300 wide.icc > cut.icc").status, 0);
	EXPECT_EQ(run("pixpool convert in -o bad -f jpg --profile cut.icc --report r")
	                  .status,
	          1);
	EXPECT(strstr(records("r"), "'class':'unsupported'"));
	EXPECT_EQ(run("pixpool convert in -o bad -f jpg --profile in/a.ppm").status, 2);
	fixture_leave();
}

/* The marker of a JPEG's frame header, and the sampling factors of the first component. */
static int jpeg_frame(const char *path, int *ret_sampling)
{
	size_t n, at = 2;
	const uint8_t *b = bytes_of(path, &n);

	while (at + 12 < n && b[at] == 0xff && b[at + 1] != 0xc0 && b[at + 1] != 0xc2)
		at += 2 + ((size_t)b[at + 2] << 8 | b[at + 3]);
	REQUIRE(at + 12 < n && b[at] == 0xff);
	*ret_sampling = b[at + 11];
	return b[at + 1];
}

TEST(convert, encoder_options_change_the_encoded_output)
{
	int sampling;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("pixpool convert in -o plain").status, 0);
	EXPECT_EQ(jpeg_frame("plain/a.jpg", &sampling), 0xc0);
	EXPECT_EQ(sampling, 0x22);
	EXPECT_EQ(run("pixpool convert in -o p --progressive --chroma 444").status, 0);
	EXPECT_EQ(jpeg_frame("p/a.jpg", &sampling), 0xc2);
	EXPECT_EQ(sampling, 0x11);
	EXPECT_EQ(run("pixpool convert in -o q -q 95 --chroma 420").status, 0);
	EXPECT_EQ(jpeg_frame("q/a.jpg", &sampling), 0xc0);
	EXPECT_EQ(sampling, 0x22);
	EXPECT(length_of("q/a.jpg") > length_of("plain/a.jpg"));

	EXPECT_EQ(run("pixpool convert in -o fast -f png --effort 0").status, 0);
	EXPECT_EQ(
		run("pixpool convert in -o small -f png --effort 9 --progressive").status,
		0);
	EXPECT(!png_is_interlaced("fast/a.png"));
	EXPECT(png_is_interlaced("small/a.png"));
	EXPECT(length_of("small/a.png") < length_of("fast/a.png"));

	EXPECT_EQ(run("pixpool convert in -o lossy -f webp").status, 0);
	EXPECT_EQ(run("pixpool convert in -o exact -f webp --lossless").status, 0);
	EXPECT(holds("lossy/a.webp", "VP8 ") && !holds("lossy/a.webp", "VP8L"));
	EXPECT(holds("exact/a.webp", "VP8L"));
	fixture_leave();
}

TEST(convert, the_option_fail_on_decides_which_damage_fails_a_picture)
{
	fixture_enter();
	sample("lake.jpg", "whole.jpg");
	scratch_folder("in");
	EXPECT_EQ(run("head -c 12000 whole.jpg > in/a.jpg").status, 0);
	EXPECT_EQ(run("pixpool convert in -o out --report r").status, 1);
	EXPECT(strstr(records("r"), "'class':'bad-image'"));
	EXPECT_EQ(run("pixpool convert in -o out --fail-on truncated").status, 1);
	EXPECT_EQ(run("pixpool convert in -o out --fail-on warning").status, 1);
	EXPECT_STR(tree("out"), "");
	EXPECT_EQ(run("pixpool convert in -o out --fail-on none").status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 640x427\n");
	fixture_leave();
}

TEST(convert, the_option_no_rotate_keeps_pixels_and_orientation_as_stored)
{
	fixture_enter();
	sample("orientation/6.jpg", "in/a.jpg");
	EXPECT_EQ(run("pixpool resize -s 30 in -o up").status, 0);
	EXPECT_STR(tree("up"), "a.jpg jpeg 30x20\n");
	EXPECT_EQ(run("pixpool resize -s 30 in -o raw --no-rotate").status, 0);
	EXPECT_STR(tree("raw"), "a.jpg jpeg 20x30\n");
	fixture_leave();
}

#endif
