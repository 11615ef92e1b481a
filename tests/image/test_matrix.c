/*
 * Tests of many kinds of pictures that libvips writes, converted into every format that this build
 * writes: the output looks like the input. A kind of picture that libvips writes but cannot read
 * must fail as unsupported. /
 */
#include "support/test.h"

#include "image/engine.h"
#include "vips_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 48, N_BANDS = 4 };

/* The colours of the quarters: top left, top right, bottom left, bottom right. They are not
 * saturated, because some encoders change saturated colours. */
static const uint8_t quarters[4][3] = {
	{170, 80, 80}, {90, 150, 100}, {100, 110, 160}, {238, 238, 238}};

enum look { COLOURS, GREYS, BLACK_OR_WHITE, ANYTHING };

static const struct kind {
	const char *name;
	enum look look;
	/* The number of bands of the 8-bit picture that is converted to this kind of picture. */
	int n_bands;
	/* Convert to this colour space; VIPS_INTERPRETATION_ERROR: no conversion. */
	VipsInterpretation space;
	/* Convert to this sample format last; VIPS_FORMAT_NOTSET: no conversion. */
	VipsBandFormat samples;
	/* Multiply samples by this factor before their format changes; 0 and 1: no change. */
	double factor;
	const char *profile; /* convert to this profile first; NULL: no conversion */
	const char *suffix;
	bool is_unread; /* libvips can write this kind of picture, but cannot read it */
} kinds[] = {
#define PLAIN               VIPS_INTERPRETATION_ERROR, VIPS_FORMAT_NOTSET, 0, NULL
#define TO(space)           VIPS_INTERPRETATION_##space, VIPS_FORMAT_NOTSET, 0, NULL
#define AS(samples, factor) VIPS_INTERPRETATION_ERROR, VIPS_FORMAT_##samples, factor, NULL
#define IN(profile)         VIPS_INTERPRETATION_ERROR, VIPS_FORMAT_NOTSET, 0, profile
	{"grey PNG", GREYS, 1, PLAIN, ".png", false},
	{"grey and alpha PNG", GREYS, 2, PLAIN, ".png", false},
	{"RGB PNG", COLOURS, 3, PLAIN, ".png", false},
	{"RGBA PNG", COLOURS, 4, PLAIN, ".png", false},
	{"palette PNG", COLOURS, 4, PLAIN, ".png[palette]", false},
	{"interlaced PNG", COLOURS, 4, PLAIN, ".png[interlace]", false},
	{"1 bit PNG", BLACK_OR_WHITE, 1, PLAIN, ".png[bitdepth=1]", false},
	{"16 bit grey PNG", GREYS, 1, TO(GREY16), ".png", false},
	{"16 bit grey and alpha PNG", GREYS, 2, TO(GREY16), ".png", false},
	{"16 bit RGB PNG", COLOURS, 3, TO(RGB16), ".png", false},
	{"16 bit RGBA PNG", COLOURS, 4, TO(RGB16), ".png", false},
	{"grey JPEG", GREYS, 1, PLAIN, ".jpg", false},
	{"RGB JPEG", COLOURS, 3, PLAIN, ".jpg", false},
	{"CMYK JPEG with a profile", COLOURS, 3, IN("cmyk"), ".jpg", false},
	{"CMYK JPEG without", COLOURS, 3, IN("cmyk"), ".jpg[strip]", false},
	{"P3 JPEG", COLOURS, 3, IN("p3"), ".jpg", false},
	{"grey and alpha TIFF", GREYS, 2, PLAIN, ".tif", false},
	{"RGBA TIFF of tiles", COLOURS, 4, PLAIN, ".tif[tile,compression=lzw]", false},
	{"CMYK TIFF", COLOURS, 3, IN("cmyk"), ".tif", false},
	{"CMYK TIFF without a profile", COLOURS, 3, IN("cmyk"), ".tif[strip]", false},
	{"1 bit TIFF", BLACK_OR_WHITE, 1, PLAIN, ".tif[bitdepth=1]", false},
	{"fax TIFF", BLACK_OR_WHITE, 1, PLAIN,
         ".tif[bitdepth=1,miniswhite,compression=ccittfax4]", false},
	{"4 bit TIFF", GREYS, 1, PLAIN, ".tif[bitdepth=4]", false},
	{"TIFF with inverted grey", GREYS, 1, PLAIN, ".tif[miniswhite]", false},
	{"16 bit TIFF", COLOURS, 3, TO(RGB16), ".tif", false},
	{"Lab TIFF", COLOURS, 3, TO(LAB), ".tif", false},
	{"packed Lab TIFF", COLOURS, 3, TO(LABQ), ".tif", false},
	{"16 bit Lab TIFF", COLOURS, 3, TO(LABS), ".tif", false},
	{"XYZ TIFF", COLOURS, 3, TO(XYZ), ".tif", false},
	{"TIFF of light", COLOURS, 3, TO(scRGB), ".tif", false},
	{"32 bit TIFF", COLOURS, 3, AS(UINT, 16843009), ".tif", false},
	{"grey 32 bit TIFF", GREYS, 1, AS(UINT, 16843009), ".tif", false},
	{"TIFF of signed 8 bits", ANYTHING, 3, AS(CHAR, 0.5), ".tif", false},
	{"TIFF of signed 16 bits", COLOURS, 3, AS(SHORT, 1), ".tif", false},
	{"grey TIFF of signed 16 bits", ANYTHING, 1, AS(SHORT, 1), ".tif", false},
	{"RGBA TIFF of signed 32 bits", COLOURS, 4, AS(INT, 1), ".tif", false},
	{"grey float TIFF", GREYS, 1, AS(FLOAT, 1), ".tif", false},
	{"double TIFF", ANYTHING, 3, AS(DOUBLE, 1), ".tif", true},
	{"complex TIFF", ANYTHING, 3, AS(COMPLEX, 1), ".tif", true},
	{"double complex TIFF", ANYTHING, 1, AS(DPCOMPLEX, 1), ".tif", true},
	{"WebP", COLOURS, 4, PLAIN, ".webp", false},
	{"GIF", COLOURS, 3, PLAIN, ".gif", false},
	{"PPM", COLOURS, 3, PLAIN, ".ppm", false},
	{"16 bit PPM", COLOURS, 3, TO(RGB16), ".ppm", false},
	{"PGM", GREYS, 1, PLAIN, ".pgm", false},
	{"float PPM", ANYTHING, 3, AS(FLOAT, 1), ".pfm", false},
	{"HDR", COLOURS, 3, TO(scRGB), ".hdr", false},
	{"JPEG 2000", COLOURS, 3, PLAIN, ".jp2", false},
	{"16 bit JPEG 2000", COLOURS, 3, TO(RGB16), ".jp2", false},
	{"JXL", COLOURS, 4, PLAIN, ".jxl", false},
	{"HEIC", COLOURS, 3, PLAIN, ".heic", false},
	{"AVIF", COLOURS, 4, PLAIN, ".avif", false},
#undef PLAIN
#undef TO
#undef AS
#undef IN
};

static VipsImage *plain_picture(int n_bands, bool is_hard)
{
	uint8_t bytes[SIDE * SIDE * N_BANDS], *to = bytes;

	for (int y = 0; y < SIDE; y++) {
		for (int x = 0; x < SIDE; x++) {
			const uint8_t *colour =
				quarters[2 * (y >= SIDE / 2) + (x >= SIDE / 2)];

			for (int band = 0; band < n_bands; band++) {
				bool is_alpha = band == 3 || (n_bands == 2 && band == 1);

				*to++ = is_alpha  ? 255
				        : is_hard ? (colour[0] > 120 ? 255 : 0)
				                  : colour[band];
			}
		}
	}
	return image_of_bytes(bytes, SIDE, SIDE, n_bands);
}

static void take(VipsImage **image, VipsImage *made, int error)
{
	REQUIRE(!error, "%s", vips_error_buffer());
	g_object_unref(*image);
	*image = made;
}

static struct blob made_of(const struct kind *kind)
{
	VipsImage *image = plain_picture(kind->n_bands, kind->look == BLACK_OR_WHITE);
	VipsImage *made = NULL;
	struct blob blob;
	int error;

	if (kind->profile) {
		error = vips_icc_transform(image, &made, kind->profile, "input_profile",
		                           "srgb", NULL);
		take(&image, made, error);
	}
	if (kind->space != VIPS_INTERPRETATION_ERROR) {
		error = vips_colourspace(image, &made, kind->space, NULL);
		take(&image, made, error);
	}
	if (kind->factor > 0 && fabs(kind->factor - 1) > 0) {
		error = vips_linear1(image, &made, kind->factor, 0, NULL);
		take(&image, made, error);
	}
	if (kind->samples != VIPS_FORMAT_NOTSET) {
		error = vips_cast(image, &made, kind->samples, NULL);
		take(&image, made, error);
	}
	blob = encoded(image, kind->suffix);
	g_object_unref(image);
	return blob;
}

/* Get the colour in the middle of a quarter of the output, as 8-bit RGB. The output is decoded by
 * libvips or, if libvips cannot read the format, by stb. */
static void middle_of(const struct outcome *outcome, int quarter, double rgb[3])
{
	int x = (quarter & 1 ? 3 : 1), y = quarter & 2 ? 3 : 1;

	bool is_for_stb = outcome->answer.out[0].format == FORMAT_BMP ||
	                  outcome->answer.out[0].format == FORMAT_TGA;

	if (is_for_stb) {
		const uint8_t *at = outcome->pixels + ((size_t)(y * outcome->height / 4) *
		                                               (size_t)outcome->width +
		                                       (size_t)(x * outcome->width / 4)) *
		                                              (size_t)outcome->n_bands;

		for (int band = 0; band < 3; band++)
			rgb[band] = at[outcome->n_bands < 3 ? 0 : band];
		return;
	}

	VipsImage *image = decoded(&outcome->output), *made = NULL;
	double *values = NULL;
	int n, error;

	if (vips_image_get_typeof(image, VIPS_META_ICC_NAME)) {
		error = vips_icc_transform(image, &made, "srgb", "embedded", TRUE, NULL);
		take(&image, made, error);
		made = NULL;
	}
	error = vips_colourspace(image, &made, VIPS_INTERPRETATION_sRGB, NULL);
	take(&image, made, error);
	REQUIRE(!vips_getpoint(image, &values, &n, x * vips_image_get_width(image) / 4,
	                       y * vips_image_get_height(image) / 4, NULL));
	for (int band = 0; band < 3; band++)
		rgb[band] = values[n < 3 ? 0 : band];
	g_free(values);
	g_object_unref(image);
}

static double luma(const uint8_t *colour)
{
	return colour[0]; /* the grey picture is made from the first band */
}

static void expect_look(const struct kind *kind, const struct outcome *outcome,
                        const char *format)
{
	for (int quarter = 0; quarter < 4; quarter++) {
		const uint8_t *colour = quarters[quarter];
		double rgb[3], want;

		middle_of(outcome, quarter, rgb);
		for (int band = 0; band < 3; band++) {
			want = kind->look == COLOURS ? colour[band]
			       : kind->look == BLACK_OR_WHITE
			               ? (colour[0] > 120 ? 255 : 0)
			               : luma(colour);
			EXPECT(fabs(rgb[band] - want) <= 16,
			       "%s to %s, quarter %d, band %d: %g, not %g", kind->name,
			       format, quarter, band, rgb[band], want);
		}
	}
}

static bool is_told_apart(const struct outcome *outcome)
{
	return outcome->is_done || outcome->answer.failure.class == FAIL_UNSUPPORTED;
}

/* Whether this build can write the format that the suffix of `kind` names. */
static bool is_here(const struct kind *kind)
{
	const char *end = strchr(kind->suffix, '[');
	char suffix[16];
	enum image_format format;

	snprintf(suffix, sizeof(suffix), "%.*s", end ? (int)(end - kind->suffix) - 1 : 15,
	         kind->suffix + 1);
	format = format_of_word(suffix);
	return engine_vips.writes(format) || format == FORMAT_HDR ||
	       strcmp(suffix, "pfm") == 0 || strcmp(suffix, "pgm") == 0;
}

static void try_all_formats(const struct kind *kind, const struct recipe *asked,
                            bool is_judged)
{
	struct blob blob = made_of(kind);

	for (int format = FORMAT_NONE + 1; format < N_FORMATS; format++) {
		struct recipe recipe = *asked;
		struct outcome outcome;

		recipe.format = (enum image_format)format;
		if (!engine_that_writes(recipe.format, &recipe))
			continue;
		outcome = run_picture(&blob, "a", &recipe);
		EXPECT(is_told_apart(&outcome), "%s to %s: %s", kind->name,
		       format_info(recipe.format)->name, outcome.answer.failure.text);
		EXPECT(outcome.is_done != kind->is_unread, "%s to %s: %s", kind->name,
		       format_info(recipe.format)->name, outcome.answer.failure.text);
		EXPECT(!outcome.answer.is_damaged, "%s", kind->name);
		if (outcome.is_done && is_judged && kind->look != ANYTHING)
			expect_look(kind, &outcome, format_info(recipe.format)->name);
		outcome_fini(&outcome);
	}
	blob_fini(&blob);
}

/* In a sanitizer build, in which everything takes four times as long, each kind is tested with one
 * of the recipes only. */
#ifdef PIXPOOL_SANITIZE
enum { N_TURNS = 4 };
#else
enum { N_TURNS = 1 };
#endif

static void try_all_kinds(const struct recipe *recipe, size_t turn, bool is_judged)
{
	vips_fixture_start();
	for (size_t i = turn % N_TURNS; i < sizeof(kinds) / sizeof(kinds[0]);
	     i += N_TURNS) {
		if (is_here(&kinds[i]))
			try_all_formats(&kinds[i], recipe, is_judged);
	}
}

static struct recipe quick_recipe(void)
{
	struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);

	recipe.quality = 90;
	recipe.has_effort = true;
	recipe.effort = 0;
	return recipe;
}

TEST(format_matrix, pictures_of_many_kinds_look_the_same_in_every_output_format)
{
	struct recipe recipe = quick_recipe();

	try_all_kinds(&recipe, 0, true);
}

TEST(format_matrix,
     pictures_of_many_kinds_look_the_same_if_depth_colour_space_and_metadata_are_kept)
{
	struct recipe recipe = quick_recipe();

	recipe.keep = KEEP_ALL;
	recipe.space = SPACE_KEEP;
	recipe.depth = DEPTH_KEEP;
	try_all_kinds(&recipe, 1, true);
}

TEST(format_matrix, pictures_of_many_kinds_can_be_scaled_in_linear_light_onto_a_canvas)
{
	struct recipe recipe = quick_recipe();

	recipe.linear = true;
	recipe.depth = DEPTH_16;
	recipe.geometry = (struct geometry){
		.width = 60, .height = 60, .fit = FIT_CONTAIN};
	try_all_kinds(&recipe, 2, true);
}

TEST(format_matrix, pictures_of_many_kinds_can_be_filtered_into_another_colour_space)
{
	struct recipe recipe = quick_recipe();
	struct failure failure;

	recipe.space = SPACE_P3;
	recipe.depth = DEPTH_KEEP;
	REQUIRE(filters_parse(&recipe.filters,
	                      "trim, rotate 3, blur 1, modulate 1.1, negate", &failure),
	        "%s", failure.text);
	try_all_kinds(&recipe, 3, false);
}
