/* Pictures made by tests, and the results of picture_run() for them. */
#include "image_fixture.h"

#include "recipe/recipe_text.h"
#include "image/stb/stb.h"
#include "support/residue.h"
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* libvips keeps idle threads for a while after its work, so the check for threads left behind is
 * off. */
__attribute__((constructor)) static void ignore_residue(void)
{
	residue_ignore();
}

const enum engine_choice fixture_engines[] = {
#ifdef PIXPOOL_VIPS
	ENGINE_VIPS,
#endif
	ENGINE_STB,
	ENGINE_AUTO,
};

const struct quarters rgbw = {
	{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 255, 255}}};

void blob_fini(struct blob *blob)
{
	free(blob->bytes);
	*blob = (struct blob){0};
}

void blob_append(struct blob *blob, const void *bytes, size_t n)
{
	blob_insert(blob, blob->n, bytes, n);
}

void blob_insert(struct blob *blob, size_t at, const void *bytes, size_t n)
{
	blob->bytes = realloc(blob->bytes, blob->n + n + 1);
	REQUIRE(blob->bytes != NULL && at <= blob->n);
	memmove(blob->bytes + at + n, blob->bytes + at, blob->n - at);
	/* If n is 0, `bytes` may be NULL, which memcpy() does not allow. */
	if (n > 0)
		memcpy(blob->bytes + at, bytes, n);
	blob->n += n;
}

bool blob_holds(const struct blob *blob, const char *text)
{
	return memmem(blob->bytes, blob->n, text, strlen(text)) != NULL;
}

static void append(void *blob, void *bytes, int n)
{
	blob_append(blob, bytes, (size_t)n);
}

static uint8_t *paint(int width, int height, int n_bands, const struct quarters *quarters)
{
	uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)n_bands);
	uint8_t *to = pixels;

	REQUIRE(pixels != NULL);
	for (int y = 0; y < height; y++) {
		for (int x = 0; x < width; x++) {
			int quarter = 2 * (2 * y >= height) + (2 * x >= width);
			const uint8_t *colour = quarters->colours[quarter];

			for (int band = 0; band < n_bands; band++) {
				bool is_alpha = n_bands % 2 == 0 && band == n_bands - 1;

				*to++ = colour[is_alpha ? 3 : band];
			}
		}
	}
	return pixels;
}

struct blob png_of_bytes(const uint8_t *bytes, int width, int height, int n_bands)
{
	struct blob png = {0};

	REQUIRE(stbi_write_png_to_func(append, &png, width, height, n_bands, bytes,
	                               width * n_bands));
	return png;
}

struct blob make_png(int width, int height, int n_bands, const struct quarters *quarters)
{
	uint8_t *pixels = paint(width, height, n_bands, quarters);
	struct blob png = png_of_bytes(pixels, width, height, n_bands);

	free(pixels);
	return png;
}

struct blob make_jpeg(int width, int height, int n_bands, const struct quarters *quarters)
{
	uint8_t *pixels = paint(width, height, n_bands, quarters);
	struct blob jpeg = {0};

	REQUIRE(stbi_write_jpg_to_func(append, &jpeg, width, height, n_bands, pixels,
	                               95));
	free(pixels);
	return jpeg;
}

void put_big_endian(uint8_t *at, uint32_t number, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		at[i] = (uint8_t)(number >> (8 * (n - 1 - i)));
}

void jpeg_insert(struct blob *jpeg, uint8_t marker, const void *bytes, size_t n)
{
	uint8_t head[4] = {0xff, marker};

	put_big_endian(head + 2, (uint32_t)n + 2, 2);
	blob_insert(jpeg, 2, bytes, n);
	blob_insert(jpeg, 2, head, sizeof(head));
}

uint32_t png_crc(const uint8_t *bytes, size_t n)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* The first chunk, IHDR, ends at byte 33. */
void png_insert(struct blob *png, const char *type, const void *bytes, size_t n)
{
	struct blob chunk = {0};
	uint8_t number[4];

	put_big_endian(number, (uint32_t)n, 4);
	blob_append(&chunk, number, 4);
	blob_append(&chunk, type, 4);
	blob_append(&chunk, bytes, n);
	put_big_endian(number, png_crc(chunk.bytes + 4, n + 4), 4);
	blob_append(&chunk, number, 4);
	blob_insert(png, 33, chunk.bytes, chunk.n);
	blob_fini(&chunk);
}

void make_exif(uint8_t bytes[EXIF_BYTES], unsigned orientation, bool is_big_endian)
{
	static const uint8_t little[EXIF_BYTES] = {'I', 'I',  42, 0, 8, 0, 0, 0, 1,
	                                           0,   0x12, 1,  3, 0, 1, 0, 0, 0};
	static const uint8_t big[EXIF_BYTES] = {'M', 'M', 0,    42, 0, 0, 0, 8, 0,
	                                        1,   1,   0x12, 0,  3, 0, 0, 0, 1};

	memcpy(bytes, is_big_endian ? big : little, EXIF_BYTES);
	bytes[is_big_endian ? 19 : 18] = (uint8_t)orientation;
}

struct blob make_profile(const char *space, const char *words)
{
	size_t n_words = strlen(words), n = 128 + 4 + 12 + 12 + n_words + 1;
	struct blob profile = {calloc(1, n), n};
	uint8_t *desc = profile.bytes + 144;

	REQUIRE(profile.bytes != NULL);
	put_big_endian(profile.bytes, (uint32_t)n, 4);
	memcpy(profile.bytes + 16, space, 4);
	memcpy(profile.bytes + 36, "acsp", 4);
	put_big_endian(profile.bytes + 128, 1, 4);
	memcpy(profile.bytes + 132, "desc", 4);
	put_big_endian(profile.bytes + 136, 144, 4);
	put_big_endian(profile.bytes + 140, (uint32_t)(12 + n_words + 1), 4);
	memcpy(desc, "desc", 4);
	put_big_endian(desc + 8, (uint32_t)n_words + 1, 4);
	memcpy(desc + 12, words, n_words);
	return profile;
}

static void put_fixed(uint8_t *at, double value)
{
	put_big_endian(at, (uint32_t)(int32_t)lround(value * 65536), 4);
}

/* Write entry i of the table of eight tags: the signature, the offset `at` and the length n. */
static void put_tag(struct blob *profile, size_t i, const char *signature, size_t at,
                    size_t n)
{
	uint8_t *entry = profile->bytes + 132 + 12 * i;

	memcpy(entry, signature, 4);
	put_big_endian(entry + 4, (uint32_t)at, 4);
	put_big_endian(entry + 8, (uint32_t)n, 4);
}

struct blob make_rgb_profile(const char *words, double gamma)
{
	static const double xyz[4][3] = {{0.9642, 1, 0.8249},
	                                 {0.4361, 0.2225, 0.0139},
	                                 {0.3851, 0.7169, 0.0971},
	                                 {0.1431, 0.0606, 0.7141}};
	static const double srgb[] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
	static const char *const colours[] = {"wtpt", "rXYZ", "gXYZ", "bXYZ"};
	static const char *const curves[] = {"rTRC", "gTRC", "bTRC"};
	enum { XYZ_AT = 228, CURVE_AT = XYZ_AT + 80, CURVE_BYTES = 32, DESC_AT = 340 };
	size_t n_words = strlen(words) + 1, n_desc = 12 + n_words + 78;
	/* libpng refuses a profile of version 4 whose length is not a multiple of 4. */
	size_t n = (DESC_AT + n_desc + 3) / 4 * 4;
	struct blob profile = {calloc(1, n), n};
	uint8_t *bytes = profile.bytes;

	REQUIRE(bytes != NULL);
	put_big_endian(bytes, (uint32_t)profile.n, 4);
	bytes[8] = 4;
	memcpy(bytes + 12, "mntrRGB XYZ ", 12);
	memcpy(bytes + 36, "acsp", 4);
	for (size_t i = 0; i < 3; i++)
		put_fixed(bytes + 68 + 4 * i, xyz[0][i]);
	put_big_endian(bytes + 128, 8, 4);
	for (size_t i = 0; i < 4; i++) {
		memcpy(bytes + XYZ_AT + 20 * i, "XYZ ", 4);
		for (size_t k = 0; k < 3; k++)
			put_fixed(bytes + XYZ_AT + 20 * i + 8 + 4 * k, xyz[i][k]);
		put_tag(&profile, i, colours[i], XYZ_AT + 20 * i, 20);
	}
	memcpy(bytes + CURVE_AT, "para", 4);
	bytes[CURVE_AT + 9] = gamma > 0 ? 0 : 3;
	put_fixed(bytes + CURVE_AT + 12, gamma);
	for (size_t i = 0; i < 5 && gamma == 0; i++)
		put_fixed(bytes + CURVE_AT + 12 + 4 * i, srgb[i]);
	for (size_t i = 0; i < 3; i++)
		put_tag(&profile, 4 + i, curves[i], CURVE_AT, CURVE_BYTES);
	memcpy(bytes + DESC_AT, "desc", 4);
	put_big_endian(bytes + DESC_AT + 8, (uint32_t)n_words, 4);
	memcpy(bytes + DESC_AT + 12, words, n_words);
	put_tag(&profile, 7, "desc", DESC_AT, n_desc);
	return profile;
}

void recipe_use_engine(struct recipe *recipe, enum engine_choice engine)
{
	static const char names[][RECIPE_ENGINE_BYTES] = {
		[ENGINE_AUTO] = "", [ENGINE_VIPS] = "vips", [ENGINE_STB] = "stb"};

	memcpy(recipe->engine, names[engine], sizeof(recipe->engine));
}

struct recipe recipe_of_words(const char *words, enum image_format format,
                              enum engine_choice engine)
{
	struct recipe recipe;
	struct failure failure;

	REQUIRE(recipe_parse(&recipe, words, &failure), "%s: %s", words, failure.text);
	recipe.format = format;
	recipe_use_engine(&recipe, engine);
	return recipe;
}

struct recipe recipe_for(enum image_format format, enum engine_choice engine)
{
	struct recipe recipe = {.format = format};

	recipe_use_engine(&recipe, engine);
	return recipe;
}

static void count_header(void *data, uint64_t n_pixels)
{
	struct outcome *outcome = data;

	outcome->n_headers++;
	/* `n_pixels` counts the pixels of all frames together or, for a drawing, those of the drawn
	 * size. */
	EXPECT(n_pixels > 0);
	if (outcome->answer.n_out == 1 &&
	    !format_info(outcome->answer.in.format)->is_drawn)
		EXPECT_EQ(n_pixels % ((uint64_t)outcome->answer.in.width *
		                      outcome->answer.in.height),
		          0);
}

static int file_of(const struct blob *blob)
{
	int fd = memfd_create("lab", MFD_CLOEXEC);

	REQUIRE(fd >= 0);
	if (blob)
		REQUIRE(write(fd, blob->bytes, blob->n) == (ssize_t)blob->n);
	return fd;
}

static void read_output(struct outcome *outcome, int fd, off_t offset, off_t n)
{
	outcome->output = (struct blob){calloc(1, (size_t)n + 1), (size_t)n};
	REQUIRE(outcome->output.bytes != NULL);
	REQUIRE(pread(fd, outcome->output.bytes, (size_t)n, offset) == n);
	outcome->pixels = stbi_load_from_memory(outcome->output.bytes, (int)n,
	                                        &outcome->width, &outcome->height,
	                                        &outcome->n_bands, 0);
}

static struct outcome run_into(struct picture_worker *worker, const struct blob *input,
                               const char *name, const struct recipe *recipe,
                               uint64_t claimed_bytes, const struct blob *profile,
                               int output)
{
	struct outcome outcome = {0};
	struct picture_variant variant = {.recipe = recipe};
	struct picture_job job = {.variants = &variant,
	                          .n_variants = 1,
	                          .name = name,
	                          .input = file_of(input),
	                          .input_bytes = claimed_bytes,
	                          .output = output,
	                          .on_header = count_header,
	                          .data = &outcome};

	if (profile) {
		variant.profile = profile->bytes;
		variant.n_profile = profile->n;
	}
	outcome.is_done = picture_run(worker, &job, &outcome.answer);
	EXPECT_EQ(outcome.is_done, outcome.answer.failure.class == FAIL_NONE);
	close(job.input);
	return outcome;
}

static struct outcome run_job(struct picture_worker *worker, const struct blob *input,
                              const char *name, const struct recipe *recipe,
                              uint64_t claimed_bytes, const struct blob *profile)
{
	int output = file_of(NULL);
	struct outcome outcome = run_into(worker, input, name, recipe, claimed_bytes,
	                                  profile, output);

	if (outcome.is_done)
		read_output(&outcome, output, 0, lseek(output, 0, SEEK_END));
	close(output);
	return outcome;
}

struct outcome run_with_worker(struct picture_worker *worker, const struct blob *input,
                               const char *name, const struct recipe *recipe,
                               uint64_t claimed_bytes)
{
	return run_job(worker, input, name, recipe, claimed_bytes, NULL);
}

static struct outcome run_alone(const struct blob *input, const char *name,
                                const struct recipe *recipe, uint64_t claimed_bytes,
                                const struct blob *profile)
{
	struct picture_worker *worker = picture_worker_create();
	struct outcome outcome;
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	REQUIRE(worker != NULL);
	outcome = run_job(worker, input, name, recipe, claimed_bytes, profile);
	picture_worker_destroy(worker);
	return outcome;
}

struct outcome run_picture_of(const struct blob *input, const char *name,
                              const struct recipe *recipe, uint64_t claimed_bytes)
{
	return run_alone(input, name, recipe, claimed_bytes, NULL);
}

struct outcome run_picture(const struct blob *input, const char *name,
                           const struct recipe *recipe)
{
	return run_alone(input, name, recipe, input->n, NULL);
}

struct outcome check_picture(const struct blob *input, const char *name,
                             const struct recipe *recipe)
{
	struct picture_worker *worker = picture_worker_create();
	struct picture_variant variant = {.recipe = recipe};
	struct outcome outcome = {0};
	struct failure failure = {0};
	struct picture_job job = {.variants = &variant,
	                          .n_variants = 1,
	                          .decodes_only = true,
	                          .name = name,
	                          .input = file_of(input),
	                          .input_bytes = input->n,
	                          .output = -1};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	REQUIRE(worker != NULL);
	outcome.is_done = picture_run(worker, &job, &outcome.answer);
	close(job.input);
	picture_worker_destroy(worker);
	return outcome;
}

struct outcome run_picture_into(const struct blob *input, const char *name,
                                const struct recipe *recipe, int output)
{
	struct picture_worker *worker = picture_worker_create();
	struct outcome outcome;
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	REQUIRE(worker != NULL);
	outcome = run_into(worker, input, name, recipe, input->n, NULL, output);
	picture_worker_destroy(worker);
	return outcome;
}

struct outcome run_picture_to_profile(const struct blob *input,
                                      const struct recipe *recipe,
                                      const struct blob *profile)
{
	return run_alone(input, "a", recipe, input->n, profile);
}

bool run_variants(const struct blob *input, const struct recipe *recipes,
                  unsigned n_recipes, struct outcome *ret_outcomes)
{
	struct picture_worker *worker = picture_worker_create();
	struct picture_variant variants[PICTURE_MAX_VARIANTS] = {0};
	struct outcome whole = {0};
	struct failure failure = {0};
	struct picture_job job = {.variants = variants,
	                          .n_variants = n_recipes,
	                          .name = "a",
	                          .input = file_of(input),
	                          .input_bytes = input->n,
	                          .output = file_of(NULL),
	                          .on_header = count_header,
	                          .data = &whole};

	for (unsigned i = 0; i < n_recipes && i < PICTURE_MAX_VARIANTS; i++)
		variants[i].recipe = &recipes[i];
	REQUIRE(worker && picture_preload(&failure), "%s", failure.text);
	whole.is_done = picture_run(worker, &job, &whole.answer);
	for (unsigned i = 0; i < n_recipes; i++) {
		const struct picture_side *out = &whole.answer.out[i];

		ret_outcomes[i] = whole;
		if (whole.is_done)
			read_output(&ret_outcomes[i], job.output, (off_t)out->offset,
			            (off_t)out->bytes);
	}
	close(job.input);
	close(job.output);
	picture_worker_destroy(worker);
	return whole.is_done;
}

void outcome_fini(struct outcome *outcome)
{
	blob_fini(&outcome->output);
	stbi_image_free(outcome->pixels);
	*outcome = (struct outcome){0};
}

bool pixel_is_near(const struct outcome *outcome, int x, int y, const uint8_t *colour)
{
	const uint8_t *pixel = outcome->pixels +
	                       (y * outcome->width + x) * outcome->n_bands;

	for (int band = 0; band < outcome->n_bands; band++) {
		if (abs(pixel[band] - colour[band]) > 12)
			return false;
	}
	return true;
}

bool shows_quarters(const struct outcome *outcome, const struct quarters *quarters)
{
	int w = outcome->width, h = outcome->height;

	return outcome->pixels &&
	       pixel_is_near(outcome, w / 4, h / 4, quarters->colours[0]) &&
	       pixel_is_near(outcome, w - 1 - w / 4, h / 4, quarters->colours[1]) &&
	       pixel_is_near(outcome, w / 4, h - 1 - h / 4, quarters->colours[2]) &&
	       pixel_is_near(outcome, w - 1 - w / 4, h - 1 - h / 4, quarters->colours[3]);
}
