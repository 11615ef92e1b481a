/* Tests of metadata from input to output, with whole pictures and in all output formats that can
 * store metadata. */
#include "support/test.h"

#include "image/metadata/exif.h"
#include "image/metadata/iptc.h"
#include "metadata_fixture.h"
#include "vips_fixture.h"

#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char xmp_of_everything[] =
	"<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
	"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
	"<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'"
	" xmlns:photoshop='http://ns.adobe.com/photoshop/1.0/'"
	" xmlns:drone-dji='http://www.dji.com/drone-dji/1.0/'"
	" xmlns:tiff='http://ns.adobe.com/tiff/1.0/'"
	" xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'"
	" dc:title='xmp-title' photoshop:City='xmp-city' photoshop:Credit='xmp-credit'"
	" drone-dji:GpsLatitude='+48.12' tiff:Orientation='6' tiff:ImageWidth='32'"
	" GCamera:MotionPhoto='1'/></rdf:RDF></x:xmpmeta>";

static const struct fixture_field exif_of_everything[] = {
	{FIXTURE_MAIN, 0x010e, FIXTURE_ASCII, "exif-description", {0}, 0},
	{FIXTURE_MAIN, 0x0112, FIXTURE_SHORT, NULL, {6}, 1},
	{FIXTURE_MAIN, 0x011a, FIXTURE_RATIONAL, NULL, {300, 1}, 0},
	{FIXTURE_MAIN, 0x011b, FIXTURE_RATIONAL, NULL, {300, 1}, 0},
	{FIXTURE_MAIN, 0x0128, FIXTURE_SHORT, NULL, {2}, 1},
	{FIXTURE_MAIN, 0x013b, FIXTURE_ASCII, "J\xf6rg", {0}, 0},
	{FIXTURE_EXIF, 0xa001, FIXTURE_SHORT, NULL, {0xffff}, 1},
	{FIXTURE_EXIF, 0xa002, FIXTURE_LONG, NULL, {32}, 1},
	{FIXTURE_GPS, 0x0012, FIXTURE_ASCII, "exif-gps", {0}, 0},
	{FIXTURE_INTEROP, 0x0001, FIXTURE_ASCII, "R03", {0}, 0},
};

/* Make a JPEG of 32 x 16 pixels with this metadata. */
static struct blob jpeg_with(const struct metadata *metadata)
{
	struct blob jpeg = make_jpeg(32, 16, 3, &rgbw), tagged = {0};
	struct splice splice;
	struct block file;
	unsigned lost = 0;

	REQUIRE(metadata_write(&splice, FORMAT_JPEG, (struct bytes){jpeg.bytes, jpeg.n},
	                       metadata, &lost));
	EXPECT_EQ(lost, 0);
	file = fixture_spliced(&splice, (struct bytes){jpeg.bytes, jpeg.n});
	blob_append(&tagged, file.at, file.n);
	block_fini(&file);
	splice_fini(&splice);
	blob_fini(&jpeg);
	return tagged;
}

/* Make a JPEG that must be rotated, with recognisable texts in EXIF, XMP, IPTC and the location. */
static struct blob jpeg_of_everything(void)
{
	struct metadata metadata = {
		.exif = fixture_exif(true, exif_of_everything, N_OF(exif_of_everything))};
	struct blob jpeg;

	block_add_text(&metadata.xmp, xmp_of_everything);
	block_add(&metadata.iptc, BYTES_OF("\x1c\2\x5a\0\x09iptc-city\x1c\2\x74\0\x0b"
	                                   "iptc-rights\x1c\2\x78\0\x0ciptc-caption"));
	jpeg = jpeg_with(&metadata);
	metadata_fini(&metadata);
	return jpeg;
}

/* The metadata of the output. The caller frees it. */
static struct metadata cooked_metadata(const struct blob *input, const char *name,
                                       const struct recipe *recipe, unsigned *ret_lost)
{
	struct outcome outcome = run_picture(input, name, recipe);
	struct metadata metadata;

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	REQUIRE(metadata_read(&metadata, recipe->format,
	                      (struct bytes){outcome.output.bytes, outcome.output.n}));
	*ret_lost = outcome.answer.out[0].lost;
	outcome_fini(&outcome);
	return metadata;
}

static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG,  FORMAT_WEBP,
                                            FORMAT_TIFF, FORMAT_AVIF, FORMAT_HEIC,
                                            FORMAT_JXL};

TEST(metadata_pictures, no_location_is_left_in_any_format_unless_the_gps_class_is_kept)
{
	struct blob input = jpeg_of_everything();

	for (size_t i = 0; i < N_OF(formats); i++) {
		struct recipe recipe = recipe_for(formats[i], ENGINE_AUTO);
		struct metadata metadata;
		struct outcome outcome;
		unsigned lost;

		recipe.keep = KEEP_EXIF | KEEP_XMP | KEEP_IPTC;
		outcome = run_picture(&input, "a.jpg", &recipe);
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(!blob_holds(&outcome.output, "exif-gps"));
		EXPECT(!blob_holds(&outcome.output, "-city"));
		EXPECT(!blob_holds(&outcome.output, "48.12"));
		outcome_fini(&outcome);

		metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
		EXPECT(fixture_holds(block_bytes(&metadata.exif), "exif-description"));
		EXPECT(fixture_holds(block_bytes(&metadata.xmp), "xmp-title"));
		EXPECT(metadata.iptc.n > 0 ? fixture_holds(block_bytes(&metadata.iptc),
		                                           "iptc-caption")
		                           : (lost & LOST_IPTC) != 0);
		metadata_fini(&metadata);
	}
	blob_fini(&input);
}

TEST(metadata_pictures, the_option_keep_copyright_keeps_only_the_copyright_in_any_format)
{
	struct blob input = jpeg_of_everything();

	for (size_t i = 0; i < N_OF(formats); i++) {
		struct recipe recipe = recipe_for(formats[i], ENGINE_AUTO);
		struct metadata metadata;
		unsigned lost;

		recipe.keep = KEEP_COPYRIGHT;
		metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
		EXPECT(fixture_holds(block_bytes(&metadata.exif), "J\xf6rg"));
		EXPECT(!fixture_holds(block_bytes(&metadata.exif), "exif-"));
		EXPECT(fixture_holds(block_bytes(&metadata.xmp), "xmp-credit"));
		EXPECT(!fixture_holds(block_bytes(&metadata.xmp), "xmp-title"));
		EXPECT(!fixture_holds(block_bytes(&metadata.xmp), "xmp-city"));
		EXPECT(metadata.iptc.n > 0
		               ? fixture_holds(block_bytes(&metadata.iptc), "iptc-rights")
		               : (lost & LOST_IPTC) != 0);
		EXPECT(!fixture_holds(block_bytes(&metadata.iptc), "iptc-caption"));
		metadata_fini(&metadata);
	}
	blob_fini(&input);
}

TEST(metadata_pictures, metadata_fields_about_size_and_orientation_describe_the_output)
{
	struct blob input = jpeg_of_everything();

	for (size_t i = 0; i < N_OF(formats); i++) {
		struct recipe recipe = recipe_of_words("size 8x", formats[i],
		                                       ENGINE_AUTO);
		struct metadata metadata;
		struct bytes exif, artist;
		unsigned lost;

		recipe.keep = KEEP_ALL;
		metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
		exif = block_bytes(&metadata.exif);
		/* When a TIFF is read, the orientation 1 (upright) is dropped. */
		EXPECT_EQ(fixture_exif_number(exif, FIXTURE_MAIN, 0x0112),
		          formats[i] == FORMAT_TIFF ? -1 : 1);
		EXPECT_EQ(fixture_exif_number(exif, FIXTURE_EXIF, 0xa001), 1);
		EXPECT_EQ(fixture_exif_number(exif, FIXTURE_EXIF, 0xa002), 8);
		EXPECT(fixture_holds(fixture_exif_value(exif, FIXTURE_INTEROP, 1),
		                     "R98"));
		artist = fixture_exif_value(exif, FIXTURE_MAIN, 0x013b);
		EXPECT(bytes_equal(artist, BYTES_OF("J\xf6rg\0")));
		/* PNG stores density in whole pixels per metre. */
		EXPECT(metadata.density.x > 299.9 && metadata.density.x < 300.1);
		EXPECT(fixture_holds(block_bytes(&metadata.xmp),
		                     "tiff:Orientation=\"1\""));
		EXPECT(fixture_holds(block_bytes(&metadata.xmp),
		                     "tiff:ImageWidth=\"8\""));
		EXPECT(!fixture_holds(block_bytes(&metadata.xmp), "MotionPhoto"));
		EXPECT(lost & LOST_VIDEO);
		EXPECT(!(lost & (LOST_EXIF | LOST_XMP)));
		metadata_fini(&metadata);
	}
	blob_fini(&input);
}

TEST(metadata_pictures, a_lost_motion_photo_video_is_reported_even_if_no_metadata_is_kept)
{
	struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_AUTO);
	struct blob input = jpeg_of_everything();
	struct metadata metadata;
	unsigned lost;

	recipe.keep = KEEP_NONE;
	metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
	EXPECT_EQ(lost, LOST_VIDEO);
	EXPECT_EQ(metadata.exif.n + metadata.xmp.n + metadata.iptc.n, 0);
	metadata_fini(&metadata);
	blob_fini(&input);
}

TEST(metadata_pictures, each_variant_gets_the_metadata_of_its_own_recipe)
{
	struct recipe recipes[] = {recipe_of_words("size 8x", FORMAT_JPEG, ENGINE_AUTO),
	                           recipe_of_words("size 4x", FORMAT_PNG, ENGINE_AUTO),
	                           recipe_of_words("size 6x", FORMAT_WEBP, ENGINE_AUTO)};
	static const int64_t widths[] = {8, -1, 6};
	struct outcome outcomes[3];
	struct blob input = jpeg_of_everything();

	recipes[0].keep = recipes[2].keep = KEEP_ALL;
	REQUIRE(run_variants(&input, recipes, 3, outcomes));
	for (size_t i = 0; i < 3; i++) {
		struct metadata metadata;

		REQUIRE(metadata_read(
			&metadata, recipes[i].format,
			(struct bytes){outcomes[i].output.bytes, outcomes[i].output.n}));
		EXPECT_EQ(fixture_exif_number(block_bytes(&metadata.exif), FIXTURE_EXIF,
		                              0xa002),
		          widths[i]);
		metadata_fini(&metadata);
		outcome_fini(&outcomes[i]);
	}
	blob_fini(&input);
}

TEST(metadata_pictures, an_exif_orientation_after_the_pixels_of_a_png_is_applied)
{
	static const char *const sizes[] = {"", "size 8x"};
	uint8_t exif[EXIF_BYTES];

	make_exif(exif, 6, true);
	for (size_t i = 0; i < N_OF(sizes); i++) {
		struct recipe recipe = recipe_of_words(sizes[i], FORMAT_PNG, ENGINE_AUTO);
		struct blob png = make_png(32, 16, 3, &rgbw), late = {0}, tail = {0};
		struct outcome outcome;
		struct metadata metadata;

		recipe.keep = KEEP_ALL;
		/* In `tail`, the chunk eXIf is before the pixels. Copy the chunk from there to
		 * `late`, where it is after the pixels. */
		blob_append(&tail, png.bytes, png.n);
		png_insert(&tail, "eXIf", exif, sizeof(exif));
		blob_append(&late, png.bytes, png.n);
		blob_insert(&late, late.n - 12, tail.bytes + 33, 12 + sizeof(exif));
		outcome = run_picture(&late, "a.png", &recipe);
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(outcome.answer.out[0].height == 2 * outcome.answer.out[0].width);
		REQUIRE(metadata_read(
			&metadata, FORMAT_PNG,
			(struct bytes){outcome.output.bytes, outcome.output.n}));
		EXPECT_EQ(fixture_exif_number(block_bytes(&metadata.exif), FIXTURE_MAIN,
		                              0x0112),
		          1);
		metadata_fini(&metadata);
		outcome_fini(&outcome);
		blob_fini(&tail);
		blob_fini(&late);
		blob_fini(&png);
	}
}

TEST(metadata_pictures, an_exif_orientation_that_a_webp_does_not_announce_is_applied)
{
	static const char *const recipes[] = {"engine fast; size 16x", "engine vips",
	                                      "engine vips; size 16x"};
	uint8_t chunk[8 + EXIF_BYTES] = {'E', 'X', 'I', 'F', EXIF_BYTES};
	struct recipe to_webp = recipe_for(FORMAT_WEBP, ENGINE_AUTO);
	struct blob png = make_png(32, 16, 3, &rgbw);
	struct outcome webp = run_picture(&png, "a.png", &to_webp);

	REQUIRE(webp.is_done);
	make_exif(chunk + 8, 6, true);
	blob_append(&webp.output, chunk, sizeof(chunk));
	REQUIRE(webp.output.n < 256 + 8);
	webp.output.bytes[4] = (uint8_t)(webp.output.n - 8);
	for (size_t i = 0; i < N_OF(recipes); i++) {
		struct recipe recipe = recipe_of_words(recipes[i], FORMAT_JPEG,
		                                       ENGINE_AUTO);
		struct outcome outcome = run_picture(&webp.output, "a.webp", &recipe);

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(outcome.answer.out[0].height == 2 * outcome.answer.out[0].width,
		       "%s: %u x %u", recipes[i], outcome.answer.out[0].width,
		       outcome.answer.out[0].height);
		outcome_fini(&outcome);
	}
	outcome_fini(&webp);
	blob_fini(&png);
}

TEST(metadata_pictures, pixel_density_is_kept_and_never_invented)
{
	static const enum image_format with_density[] = {FORMAT_JPEG, FORMAT_PNG,
	                                                 FORMAT_TIFF};
	static const struct density densities[] = {{0, 0}, {300, 300}};

	for (size_t k = 0; k < N_OF(densities); k++) {
		struct metadata from = {.density = densities[k]};
		struct blob input = jpeg_with(&from);

		for (size_t i = 0; i < N_OF(with_density); i++) {
			struct recipe recipe = recipe_for(with_density[i], ENGINE_AUTO);
			struct metadata metadata;
			unsigned lost;

			metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
			EXPECT(metadata.density.x > densities[k].x - 0.1 &&
			               metadata.density.x < densities[k].x + 0.1,
			       "%s: %g", format_info(with_density[i])->name,
			       metadata.density.x);
			EXPECT_EQ(metadata.exif.n, 0);
			metadata_fini(&metadata);
		}
		blob_fini(&input);
	}
}

TEST(metadata_pictures,
     formats_without_a_density_field_store_the_density_in_exif_if_exif_is_kept)
{
	static const enum image_format plain[] = {FORMAT_WEBP, FORMAT_HEIC, FORMAT_AVIF,
	                                          FORMAT_JXL};
	static const struct density densities[] = {{0, 0}, {300, 300}};
	static const uint8_t keeps[] = {KEEP_ALL, KEEP_EXIF, KEEP_XMP, 0};

	for (size_t k = 0; k < N_OF(densities) * N_OF(keeps) * N_OF(plain); k++) {
		const struct density *density = &densities[k % 2];
		uint8_t keep = keeps[k / 2 % N_OF(keeps)];
		enum image_format format = plain[k / 2 / N_OF(keeps)];
		struct metadata from = {.density = *density};
		struct recipe recipe = recipe_for(format, ENGINE_AUTO);
		struct blob input = jpeg_with(&from);
		struct metadata metadata;
		unsigned lost;

		recipe.keep = keep;
		metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
		EXPECT_EQ(metadata.density.x, keep & KEEP_EXIF ? density->x : 0);
		EXPECT_EQ(metadata.exif.n > 0, metadata.density.x > 0);
		EXPECT_EQ(lost, 0);
		metadata_fini(&metadata);
		blob_fini(&input);
	}
}

TEST(metadata_pictures, colours_converted_to_p3_are_marked_as_uncalibrated_in_exif)
{
	struct recipe recipe = recipe_of_words("profile p3", FORMAT_JPEG, ENGINE_AUTO);
	struct blob input = jpeg_of_everything();
	struct metadata metadata;
	unsigned lost;

	recipe.keep = KEEP_EXIF;
	metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
	EXPECT_EQ(fixture_exif_number(block_bytes(&metadata.exif), FIXTURE_EXIF, 0xa001),
	          0xffff);
	EXPECT_EQ(fixture_exif_value(block_bytes(&metadata.exif), FIXTURE_INTEROP, 1).n,
	          0);
	metadata_fini(&metadata);
	blob_fini(&input);
}

TEST(metadata_pictures, xmp_that_cannot_be_read_is_dropped_and_reported)
{
	struct metadata from = {0};
	struct recipe recipe = recipe_for(FORMAT_JPEG, ENGINE_AUTO);
	struct metadata metadata;
	struct blob input;
	unsigned lost;

	block_add_text(&from.xmp,
	               "<x:xmpmeta xmlns:x='adobe:ns:meta/'><broken></x:xmpmeta>");
	input = jpeg_with(&from);
	recipe.keep = KEEP_XMP;
	metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
	EXPECT_EQ(lost, LOST_XMP);
	EXPECT_EQ(metadata.xmp.n, 0);
	metadata_fini(&metadata);
	recipe.keep = KEEP_EXIF;
	metadata = cooked_metadata(&input, "a.jpg", &recipe, &lost);
	EXPECT_EQ(lost, 0);
	metadata_fini(&metadata);
	metadata_fini(&from);
	blob_fini(&input);
}
