/* Tests of the stb engine: which options it refuses, and that its outputs never contain
 * bytes of memory that are not part of the image. */
#include "support/test.h"

#include "image_fixture.h"

#include <malloc.h>
#include <string.h>

/* The scan of this JPEG has zeros instead of its first restart marker, which should follow the
 * first block. stb_image stops decoding the scan there and jumps to the end marker. */
static struct blob make_jpeg_of_one_block(void)
{
	enum { FIRST_BYTES = 2 + 12 + 12 };
	struct blob jpeg = make_jpeg(64, 64, 3, &rgbw);
	uint8_t *scan;

	jpeg_insert(&jpeg, 0xdd, "\0\1", 2);
	scan = memmem(jpeg.bytes, jpeg.n, "\xff\xda", 2);
	REQUIRE(scan != NULL);
	scan += FIRST_BYTES;
	memset(scan, 0, (size_t)(jpeg.bytes + jpeg.n - 2 - scan));
	return jpeg;
}

TEST(stb, missing_pixels_of_a_jpeg_never_show_uninitialised_memory)
{
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_STB);
	struct blob jpeg = make_jpeg_of_one_block();
	struct outcome outcomes[2];

	for (int i = 0; i < 2; i++) {
		/* Fill freed memory with a pattern, to recognise uninitialised memory. A sanitizer
		 * has its own pattern. */
		mallopt(M_PERTURB, i ? 0x10 : 0xf0);
		outcomes[i] = run_picture(&jpeg, "a.jpg", &recipe);
		mallopt(M_PERTURB, 0);
		REQUIRE(outcomes[i].is_done, "%s", outcomes[i].answer.failure.text);
	}
	EXPECT(memcmp(outcomes[0].pixels, outcomes[1].pixels, 64 * 64 * 3) == 0);
	EXPECT(pixel_is_near(&outcomes[0], 2, 2, rgbw.colours[0]));
	outcome_fini(&outcomes[0]);
	outcome_fini(&outcomes[1]);
	blob_fini(&jpeg);
}

TEST(stb, unsupported_options_are_named_in_the_message)
{
	static const struct {
		enum image_format format;
		const char *words, *says;
	} cases[] = {
		{FORMAT_PNG, "position entropy", "position entropy"},
		{FORMAT_PNG, "position attention", "position attention"},
		{FORMAT_PNG, "kernel nearest", "kernel nearest"},
		{FORMAT_PNG, "kernel lanczos2", "kernel lanczos2"},
		{FORMAT_PNG, "profile p3", "profile p3"},
		{FORMAT_PNG, "profile file:0000000000000001", "profile FILE"},
		{FORMAT_PNG, "depth 16", "depth 16"},
		{FORMAT_PNG, "progressive", "progressive"},
		{FORMAT_JPEG, "progressive", "progressive"},
		{FORMAT_JPEG, "chroma 444", "chroma 444 below"},
		{FORMAT_JPEG, "chroma 444; quality 90", "chroma 444 below"},
		{FORMAT_JPEG, "chroma 420; quality 91", "chroma 420 above"},
	};
	struct blob png = make_png(64, 64, 3, &rgbw);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct recipe recipe = recipe_of_words(cases[i].words, cases[i].format,
		                                       ENGINE_STB);
		struct outcome outcome = run_picture(&png, "a.png", &recipe);

		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text, cases[i].says) != NULL,
		       "%s: %s", cases[i].words, outcome.answer.failure.text);
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}

TEST(stb, a_pfm_is_unsupported_because_it_has_floats)
{
	static const char pfm[] = "PF\n1 1\n-1.0\n\0\0\0\0\0\0\0\0\0\0\0";
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_STB);
	struct blob file = {0};
	struct outcome outcome;

	blob_append(&file, pfm, sizeof(pfm));
	outcome = run_picture(&file, "a.pfm", &recipe);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	outcome_fini(&outcome);
	blob_fini(&file);
}

TEST(stb, metadata_that_may_hold_a_kept_location_or_copyright_is_unsupported)
{
	static const char xmp[] = "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>";
	static const uint8_t keeps[] = {KEEP_GPS, KEEP_COPYRIGHT};
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_STB);
	struct outcome outcome;
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0";

	make_exif(exif + 6, 1, false);
	for (size_t i = 0; i < 2 * sizeof(keeps); i++) {
		struct blob jpeg = make_jpeg(16, 16, 3, &rgbw);

		if (i % 2)
			jpeg_insert(&jpeg, 0xe1, exif, sizeof(exif));
		else
			jpeg_insert(&jpeg, 0xe1, xmp, sizeof(xmp) - 1);
		recipe.keep = keeps[i / 2];
		outcome = run_picture(&jpeg, "a.jpg", &recipe);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text, i % 2 ? "EXIF" : "XMP"), "%s",
		       outcome.answer.failure.text);
		outcome_fini(&outcome);
		blob_fini(&jpeg);
	}
}
