/* Tests that an output has the metadata of the classes that were requested, and no other
 * metadata. */
#include "support/test.h"

#include "vips_fixture.h"

#include <string.h>

/* Make a JPEG with one recognisable text in each class of metadata, and a preview. */
static struct blob marked(void)
{
	static uint8_t bytes[48 * 32 * 3];
	static const char xmp[] =
		"<x:xmpmeta xmlns:x='adobe:ns:meta/'>word-of-xmp</x:xmpmeta>";
	static const uint8_t iptc[] = "Photoshop 3.0\0"
				      "8BIM\4\4\0\0\0\0\0\x11"
				      "\x1c\2\x78\0\x0cword-of-iptc\0"
				      "8BIM\4\x0c\0\0\0\0\0\x0f"
				      "word-of-preview\0";
	static const char thumbnail[] = "word-of-thumbnail";
	VipsImage *image, *tagged = NULL;
	struct blob blob;

	memset(bytes, 99, sizeof(bytes));
	image = image_of_bytes(bytes, 48, 32, 3);
	REQUIRE(!vips_icc_transform(image, &tagged, "srgb", "input_profile", "srgb",
	                            NULL));
	vips_image_set_string(tagged, "exif-ifd0-ImageDescription", "word-of-exif");
	vips_image_set_string(tagged, "exif-ifd3-GPSMapDatum", "word-of-gps");
	vips_image_set_string(tagged, "exif-ifd1-Artist", "word-of-ifd1");
	vips_image_set_blob_copy(tagged, "jpeg-thumbnail-data", thumbnail,
	                         sizeof(thumbnail));
	vips_image_set_blob_copy(tagged, VIPS_META_XMP_NAME, xmp, sizeof(xmp) - 1);
	vips_image_set_blob_copy(tagged, VIPS_META_IPTC_NAME, iptc, sizeof(iptc) - 1);
	vips_image_set_int(tagged, VIPS_META_ORIENTATION, 6);
	blob = encoded(tagged, ".jpg");
	jpeg_insert(&blob, 0xfe, "word-of-comment", 15);
	g_object_unref(image);
	g_object_unref(tagged);
	return blob;
}

static bool has_field(VipsImage *image, const char *name)
{
	return vips_image_get_typeof(image, name) != 0;
}

TEST(keep, the_test_picture_contains_metadata_of_every_class)
{
	static const char *const words[] = {
		"word-of-exif", "word-of-gps",     "word-of-xmp",
		"word-of-iptc", "word-of-preview", "word-of-thumbnail",
		"word-of-ifd1", "word-of-comment", "acsp"};
	struct blob blob = marked();

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		EXPECT(blob_holds(&blob, words[i]), "%s", words[i]);
	blob_fini(&blob);
}

/* The output formats, and the metadata classes that each of them can store. */
static const struct {
	enum image_format format;
	unsigned carries;
} carriers[] = {
	{FORMAT_JPEG, KEEP_ALL},
	{FORMAT_WEBP, KEEP_EXIF | KEEP_GPS | KEEP_ICC | KEEP_XMP},
	{FORMAT_AVIF, KEEP_EXIF | KEEP_GPS | KEEP_ICC | KEEP_XMP},
	{FORMAT_HEIC, KEEP_EXIF | KEEP_GPS | KEEP_ICC | KEEP_XMP},
	{FORMAT_TIFF, KEEP_ALL},
	{FORMAT_PNG, KEEP_EXIF | KEEP_GPS | KEEP_ICC | KEEP_XMP},
	{FORMAT_GIF, 0},
	/* A JXL can store a profile, too. It is missing here, because a JXL compresses profiles,
	 * and then a test cannot search for their text. */
	{FORMAT_JXL, KEEP_EXIF | KEEP_GPS | KEEP_XMP},
	{FORMAT_JP2, 0},
	{FORMAT_PNM, 0},
	{FORMAT_BMP, 0},
	{FORMAT_TGA, 0},
	{FORMAT_HDR, 0},
};

TEST(keep, the_option_keep_none_leaves_no_metadata_in_any_format)
{
	static const char *const words[] = {"word-of", "Exif", "EXIF", "eXIf", "xmpmeta",
	                                    "8BIM",    "GPS",  "ICC",  "iCCP", "acsp"};
	struct blob blob = marked();

	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		struct recipe recipe = recipe_for(carriers[i].format, ENGINE_AUTO);
		struct outcome outcome = run_picture(&blob, "a.jpg", &recipe);

		if (outcome.answer.failure.class == FAIL_UNSUPPORTED)
			continue;
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT_EQ(outcome.answer.out[0].width, 32); /* orientation 1: upright */
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			EXPECT(!blob_holds(&outcome.output, words[w]), "%s: %s",
			       format_info(carriers[i].format)->name, words[w]);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

TEST(keep, each_combination_of_classes_in_the_option_keep_keeps_exactly_these_classes)
{
	static const struct {
		unsigned keep;
		const char *word;
	} classes[] = {
		{KEEP_EXIF, "word-of-exif"}, {KEEP_GPS, "word-of-gps"},
		{KEEP_XMP, "word-of-xmp"},   {KEEP_IPTC, "word-of-iptc"},
		{KEEP_ICC, "acsp"},
	};
	struct blob blob = marked();

	for (size_t i = 0; i < sizeof(carriers) / sizeof(carriers[0]); i++) {
		for (unsigned keep = 0; keep <= KEEP_ALL; keep++) {
			struct recipe recipe = recipe_for(carriers[i].format,
			                                  ENGINE_AUTO);
			struct outcome outcome;

			if (carriers[i].format == FORMAT_PNG || carriers[i].carries == 0)
				/* PNG compresses text, so PNG has a test of its own below. Formats
				 * without metadata have the test above. */
				break;
			recipe.keep = (uint8_t)keep;
			outcome = run_picture(&blob, "a.jpg", &recipe);
			if (outcome.answer.failure.class == FAIL_UNSUPPORTED)
				continue;
			REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
			for (size_t c = 0; c < sizeof(classes) / sizeof(classes[0]);
			     c++) {
				bool is_wanted = keep & carriers[i].carries &
				                 classes[c].keep;

				EXPECT(blob_holds(&outcome.output, classes[c].word) ==
				               is_wanted,
				       "%s, keep %u: %s%s",
				       format_info(carriers[i].format)->name, keep,
				       is_wanted ? "no " : "", classes[c].word);
			}
			EXPECT(!blob_holds(&outcome.output, "word-of-preview"));
			EXPECT(!blob_holds(&outcome.output, "word-of-thumbnail"));
			EXPECT(!blob_holds(&outcome.output, "word-of-ifd1"));
			outcome_fini(&outcome);
		}
	}
	blob_fini(&blob);
}

TEST(keep, a_png_keeps_exactly_the_metadata_classes_given_by_the_option_keep)
{
	struct blob blob = marked();

	for (unsigned keep = 0; keep <= KEEP_ALL; keep++) {
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		VipsImage *image;

		recipe.keep = (uint8_t)keep;
		image = cooked(&blob, &recipe);
		EXPECT(has_field(image, VIPS_META_ICC_NAME) == ((keep & KEEP_ICC) != 0));
		EXPECT(has_field(image, VIPS_META_XMP_NAME) == ((keep & KEEP_XMP) != 0));
		EXPECT(has_field(image, "exif-ifd3-GPSMapDatum") ==
		       ((keep & KEEP_GPS) != 0));
		EXPECT(has_field(image, "exif-ifd0-ImageDescription") ==
		       ((keep & KEEP_EXIF) != 0));
		EXPECT(!has_field(image, "jpeg-thumbnail-data"));
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(keep, the_exif_orientation_is_reset_after_it_was_applied)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_WEBP, FORMAT_TIFF,
	                                            FORMAT_PNG, FORMAT_AVIF};
	struct blob blob = marked();

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_for(formats[i], ENGINE_AUTO);
		VipsImage *image;

		recipe.keep = KEEP_ALL;
		image = cooked(&blob, &recipe);
		EXPECT_EQ(vips_image_get_orientation(image), 1);
		EXPECT(vips_image_get_height(image) == 48);
		g_object_unref(image);
	}
	blob_fini(&blob);
}

TEST(keep, the_exif_orientation_is_kept_if_it_was_not_applied)
{
	struct blob blob = marked();
	struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_AUTO);
	VipsImage *image;

	recipe.keep = KEEP_ALL;
	recipe.no_rotate = true;
	image = cooked(&blob, &recipe);
	EXPECT_EQ(vips_image_get_orientation(image), 6);
	EXPECT_EQ(vips_image_get_height(image), 32);
	g_object_unref(image);
	blob_fini(&blob);
}

static struct blob jpeg_with_xmp(const char *xmp)
{
	static uint8_t bytes[16 * 16 * 3];
	VipsImage *image = image_of_bytes(bytes, 16, 16, 3);
	struct blob jpeg;

	vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, xmp, strlen(xmp));
	jpeg = encoded(image, ".jpg");
	g_object_unref(image);
	return jpeg;
}

TEST(keep, xmp_properties_with_a_location_are_kept_only_if_the_class_gps_is_kept)
{
	static const char xmp[] =
		"<x:xmpmeta xmlns:x='adobe:ns:meta/' "
		"xmlns:exif='http://ns.adobe.com/exif/1.0/' exif:GPSLatitude='1,2N'/>";
	struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_AUTO);
	struct blob blob = jpeg_with_xmp(xmp);
	struct outcome outcome;

	for (int i = 0; i < 2; i++) {
		recipe.keep = i ? KEEP_XMP | KEEP_GPS : KEEP_XMP;
		outcome = run_picture(&blob, "a.jpg", &recipe);
		REQUIRE(outcome.is_done);
		EXPECT(blob_holds(&outcome.output, "GPSLatitude") == i);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

TEST(keep, the_xmp_orientation_is_reset_after_the_picture_was_rotated)
{
	static const char xmp[] =
		"<x:xmpmeta xmlns:x='adobe:ns:meta/' "
		"xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'>"
		"<tiff:Orientation> 8</tiff:Orientation></x:xmpmeta>";
	struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_AUTO);
	struct blob blob = jpeg_with_xmp(xmp);
	struct outcome outcome;

	recipe.keep = KEEP_XMP;
	for (int is_kept = 0; is_kept < 2; is_kept++) {
		recipe.no_rotate = is_kept;
		outcome = run_picture(&blob, "a.jpg", &recipe);
		REQUIRE(outcome.is_done);
		EXPECT(blob_holds(&outcome.output, is_kept ? "tiff:Orientation=\"6\""
		                                           : "tiff:Orientation=\"1\""));
		EXPECT(blob_holds(&outcome.output, is_kept ? "<tiff:Orientation> 8<"
		                                           : "<tiff:Orientation>1<"));
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

static void expect_gone(const struct blob *jpeg, const char *word)
{
	static const unsigned keeps[] = {KEEP_EXIF, KEEP_XMP, KEEP_XMP | KEEP_GPS,
	                                 KEEP_ALL};

	EXPECT(blob_holds(jpeg, word));
	for (size_t i = 0; i < sizeof(keeps) / sizeof(keeps[0]); i++) {
		struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_AUTO);
		struct outcome outcome;

		recipe.keep = (uint8_t)keeps[i];
		outcome = run_picture(jpeg, "a.jpg", &recipe);
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(!blob_holds(&outcome.output, word), "keep %u: %s", keeps[i], word);
		outcome_fini(&outcome);
	}
}

TEST(keep, a_preview_image_in_xmp_is_never_kept)
{
	static const char *const previews[] = {
		"<x:xmpmeta><xmp:Thumbnails>word-of-preview</xmp:Thumbnails></x:xmpmeta>",
		"<x:xmpmeta xmlns:xmpGImg='word-of-preview'/>"};
	struct blob plain = make_jpeg(16, 16, 3, &rgbw);

	for (int i = 0; i < 2; i++) {
		char segment[200] = "http://ns.adobe.com/xap/1.0/";
		size_t n_head = strlen(segment) + 1;
		struct blob jpeg = {0};

		strcpy(segment + n_head, previews[i]);
		blob_append(&jpeg, plain.bytes, plain.n);
		jpeg_insert(&jpeg, 0xe1, segment, n_head + strlen(previews[i]));
		expect_gone(&jpeg, "word-of-preview");
		blob_fini(&jpeg);
	}
	blob_fini(&plain);
}

/* EXIF in which the first directory points to a directory with a maker note, as in the EXIF of
 * cameras. */
TEST(keep, an_exif_maker_note_is_never_kept)
{
	static const char exif[] = "Exif\0\0II*\0\10\0\0\0"
				   "\1\0\x69\x87\4\0\1\0\0\0\x1a\0\0\0\0\0\0\0"
				   "\1\0\x7c\x92\7\0\15\0\0\0\x2c\0\0\0\0\0\0\0"
				   "word-of-note";
	struct blob jpeg = make_jpeg(16, 16, 3, &rgbw);

	jpeg_insert(&jpeg, 0xe1, exif, sizeof(exif));
	expect_gone(&jpeg, "word-of-note");
	blob_fini(&jpeg);
}

TEST(keep, the_stb_engine_refuses_metadata_that_it_would_lose)
{
	struct blob blob = marked();
	struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_STB);
	struct outcome outcome;

	recipe.keep = KEEP_ALL;
	outcome = run_picture(&blob, "a.jpg", &recipe);
	EXPECT_STR(fail_class_name(outcome.answer.failure.class), "unsupported");
	EXPECT(strstr(outcome.answer.failure.text, "EXIF") != NULL, "%s",
	       outcome.answer.failure.text);
	outcome_fini(&outcome);

	recipe.keep = KEEP_NONE;
	outcome = run_picture(&blob, "a.jpg", &recipe);
	EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
	outcome_fini(&outcome);
	blob_fini(&blob);
}
