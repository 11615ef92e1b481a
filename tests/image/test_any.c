/*
 * Tests with random recipes on random pictures. Nothing crashes, the output has the planned size,
 * and a separate decode of the output finds the same size. The random generator has a fixed seed.
 */
#include "support/test.h"

#include "vips_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_ROUNDS = 250, N_SHAPES = 10 };

static unsigned seed = 20;

static unsigned below(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static bool once_in(unsigned n)
{
	return below(n) == 0;
}

/* A random side length: mostly small, sometimes 1, sometimes long. */
static int any_side(void)
{
	return once_in(8) ? 1 : once_in(12) ? 700 + (int)below(900) : 2 + (int)below(90);
}

static VipsImage *noise(int width, int height, int n_bands)
{
	size_t n = (size_t)width * (size_t)height * (size_t)n_bands;
	uint8_t *bytes = malloc(n);
	VipsImage *image;

	REQUIRE(bytes != NULL);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i / 7 + below(60));
	image = image_of_bytes(bytes, width, height, n_bands);
	free(bytes);
	return image;
}

static VipsImage *made(VipsImage *from, VipsImage *to, int error)
{
	REQUIRE(!error, "%s", vips_error_buffer());
	g_object_unref(from);
	return to;
}

static VipsImage *deep(VipsImage *image)
{
	VipsImage *to = NULL;
	int error = vips_colourspace(image, &to,
	                             vips_image_get_bands(image) < 3
	                                     ? VIPS_INTERPRETATION_GREY16
	                                     : VIPS_INTERPRETATION_RGB16,
	                             NULL);

	return made(image, to, error);
}

static VipsImage *in_profile(VipsImage *image, const char *profile)
{
	VipsImage *to = NULL;
	int error = vips_icc_transform(image, &to, profile, "input_profile", "srgb",
	                               NULL);

	return made(image, to, error);
}

static VipsImage *animated(VipsImage *image, int height)
{
	static const int delays[] = {50, 60, 70};

	vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, height);
	vips_image_set_array_int(image, "delay", delays, 3);
	return image;
}

/* A random picture of one of many kinds. */
static struct blob any_picture(void)
{
	int width = any_side(), height = any_side();
	const char *suffix = ".png";
	VipsImage *image;
	struct blob blob;

	switch (below(N_SHAPES)) {
	case 0:
		image = noise(width, height, 1 + (int)below(4));
		break;
	case 1:
		image = deep(noise(width, height, 1 + (int)below(4)));
		break;
	case 2:
		image = noise(width, height, once_in(2) ? 1 : 3);
		vips_image_set_int(image, VIPS_META_ORIENTATION, 1 + (int)below(8));
		suffix = once_in(2) ? ".jpg" : ".jpg[interlace,Q=95]";
		break;
	case 3:
		image = in_profile(noise(width, height, 3), "p3");
		suffix = ".jpg";
		break;
	case 4:
		image = in_profile(noise(width, height, 3), "cmyk");
		suffix = once_in(2) ? ".jpg" : ".tif[strip]";
		break;
	case 5:
		image = animated(noise(width, 3 * height, 3), height);
		suffix = once_in(2) ? ".gif" : ".webp";
		break;
	case 6:
		image = noise(width, height, 1 + (int)below(4));
		suffix = ".tif[compression=lzw,tile]";
		break;
	case 7:
		image = noise(width, height, 3 + (int)below(2));
		suffix = once_in(2) ? ".webp[lossless]" : ".jp2";
		break;
	case 8:
		image = noise(width, height, 3);
		suffix = once_in(2) ? ".ppm" : ".hdr";
		break;
	default:
		image = noise(width, height, 1 + (int)below(4));
		suffix = ".png[interlace]";
		break;
	}
	blob = encoded(image, suffix);
	g_object_unref(image);
	return blob;
}

static void any_geometry(struct geometry *geometry)
{
	if (once_in(5))
		return;
	if (once_in(6)) {
		geometry->percent = 5 + below(200);
	} else {
		geometry->width = once_in(5) ? 0 : 1 + below(120);
		geometry->height = once_in(5) && geometry->width ? 0 : 1 + below(120);
	}
	geometry->fit = (enum fit)below(N_FITS);
	geometry->position = (enum position)below(N_POSITIONS);
	geometry->no_enlarge = once_in(4);
	geometry->no_reduce = once_in(8);
}

static void any_filters(struct filter_chain *chain)
{
	static const char *const words[] = {
		"blur 1",        "sharpen",   "grayscale",  "negate",
		"normalise",     "gamma 1.8", "median 3",   "modulate 1.2 0.5 30",
		"threshold 100", "rotate 90", "rotate 180", "rotate 270",
		"rotate 33",     "flip",      "flop",       "trim 10",
		"flatten",
	};
	enum { N_WORDS = sizeof(words) / sizeof(words[0]) };
	struct failure failure;
	char all[200] = "";

	for (unsigned i = below(4); i > 0; i--) {
		strcat(all, *all ? ", " : "");
		strcat(all, words[below(N_WORDS)]);
	}
	if (*all)
		REQUIRE(filters_parse(chain, all, &failure), "%s", failure.text);
}

static struct recipe any_recipe(enum engine_choice engine)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP,
	                                            FORMAT_TIFF, FORMAT_GIF, FORMAT_PNM,
	                                            FORMAT_BMP,  FORMAT_TGA, FORMAT_HDR,
	                                            FORMAT_JP2,  FORMAT_JXL, FORMAT_AVIF};
	struct recipe recipe = {
		.format = formats[below(once_in(6) ? 12 : 9)],
		.linear = once_in(4),
		.no_rotate = once_in(4),
		.kernel = once_in(3) ? (enum kernel)below(N_KERNELS) : KERNEL_LANCZOS3,
		.space = (enum colour_space)below(SPACE_KEEP + 1),
		.intent = (enum intent)below(N_INTENTS),
		.depth = (enum depth)below(N_DEPTHS),
		.quality = (uint8_t)below(101),
		.has_effort = true,
		.effort = (uint8_t)below(3), /* a higher effort takes too long */
		.lossless = once_in(3),
		.progressive = once_in(3),
		.chroma = (enum chroma)below(N_CHROMAS),
		.keep = (uint8_t)(once_in(2) ? KEEP_ALL : below(KEEP_ALL)),
		.max_pixels = 4000000,
	};

	recipe_use_engine(&recipe, engine);
	if (once_in(2))
		recipe.background = (struct colour){
			true, (uint8_t)below(256), (uint8_t)below(256),
			(uint8_t)below(256), (uint8_t)(once_in(2) ? 255 : below(256))};
	any_geometry(&recipe.geometry);
	any_filters(&recipe.filters);
	return recipe;
}

/* The expected size of the output, computed from the size in the header. Returns false if it cannot
 * be known. */
static bool plan(const struct recipe *recipe, struct size from, struct size *ret_size)
{
	struct filter_chain before, after;

	filters_split(&recipe->filters, &before, &after);
	for (size_t i = 0; i < before.n; i++) {
		bool is_turn = before.at[i].kind == FILTER_ROTATE;

		if (before.at[i].kind == FILTER_TRIM ||
		    (is_turn && fmod(before.at[i].number[0], 90) != 0))
			return false;
		if (is_turn && fmod(before.at[i].number[0], 180) != 0)
			from = (struct size){from.height, from.width};
	}
	*ret_size = geometry_layout(&recipe->geometry, from).canvas;
	return true;
}

static void check(struct picture_worker *worker, const struct recipe *recipe,
                  const struct outcome *outcome, __attribute__((unused)) int round)
{
	/* With this recipe the output is read again. If the first recipe ignored the orientation,
	 * the output may still have it, so this recipe must ignore it too. */
	const struct recipe plain = {
		.format = FORMAT_PNG, .max_frames = 1, .no_rotate = recipe->no_rotate};
	const struct picture_side *in = &outcome->answer.in,
				  *out = &outcome->answer.out[0];
	struct outcome again;
	char name[16];
	struct size size;

	if (!outcome->is_done) {
		enum fail_class class = outcome->answer.failure.class;

		EXPECT(class == FAIL_TOO_BIG || class == FAIL_UNSUPPORTED,
		       "round %d: %s: %s", round, fail_class_name(class),
		       outcome->answer.failure.text);
		return;
	}
	if (plan(recipe, (struct size){in->width, in->height}, &size))
		EXPECT(size.width == out->width && size.height == out->height,
		       "round %d: %u x %u, not %u x %u", round, out->width, out->height,
		       size.width, size.height);
	snprintf(name, sizeof(name), "a.%s", format_info(recipe->format)->extension);
	again = run_with_worker(worker, &outcome->output, name, &plain,
	                        outcome->output.n);
	EXPECT(again.is_done, "round %d: %s: %s", round, name, again.answer.failure.text);
	EXPECT(!again.is_done || (again.answer.in.width == out->width &&
	                          again.answer.in.height == out->height &&
	                          again.answer.in.format == recipe->format),
	       "round %d: %s of %u x %u, not %u x %u", round,
	       format_info(again.answer.in.format)->name, again.answer.in.width,
	       again.answer.in.height, out->width, out->height);
	outcome_fini(&again);
}

static void try_any(enum engine_choice engine, unsigned first_seed)
{
	struct picture_worker *worker = picture_worker_create();
	int n_done = 0;

	seed = first_seed;
	REQUIRE(worker != NULL);
	vips_fixture_start();
	for (int round = 0; round < N_ROUNDS; round++) {
		struct blob blob = any_picture();
		struct recipe recipe = any_recipe(engine);
		struct outcome outcome = run_with_worker(worker, &blob, "a", &recipe,
		                                         blob.n);

		check(worker, &recipe, &outcome, round);
		n_done += outcome.is_done;
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
	EXPECT(n_done > N_ROUNDS / (engine == ENGINE_STB ? 40 : 2), "%d done", n_done);
	picture_worker_destroy(worker);
}

TEST(random_recipes,
     random_recipes_on_random_pictures_give_the_planned_size_or_are_refused)
{
	try_any(ENGINE_AUTO, 20);
}

TEST(random_recipes,
     random_recipes_on_random_pictures_give_the_planned_size_or_are_refused_by_stb)
{
	try_any(ENGINE_STB, 21);
}
