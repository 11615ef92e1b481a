/*
 * Functions that tests of pictures share: they make pictures, run them through picture_run(), and
 * decode the results.
 */
#ifndef PXP_IMAGE_FIXTURE_H
#define PXP_IMAGE_FIXTURE_H

#include "image/picture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
	uint8_t *bytes;
	size_t n;
};

void blob_fini(struct blob *blob);
void blob_append(struct blob *blob, const void *bytes, size_t n);

/* Store a number in n bytes, at most 4, with the most significant byte first. */
void put_big_endian(uint8_t *at, uint32_t number, unsigned n);

/* Insert bytes at an offset. */
void blob_insert(struct blob *blob, size_t at, const void *bytes, size_t n);

/* Whether a text occurs anywhere in a blob. */
bool blob_holds(const struct blob *blob, const char *text);

/* The colours of the four quarters of a test picture: top left, top right, bottom left, bottom
 * right. RGBA. */
struct quarters {
	uint8_t colours[4][4];
};

/* Make a picture of four quarters, as PNG (1 to 4 bands) or JPEG (1 or 3 bands). */
struct blob make_png(int width, int height, int n_bands, const struct quarters *quarters);
struct blob make_jpeg(int width, int height, int n_bands,
                      const struct quarters *quarters);

/* Make a PNG from 8-bit pixels, row by row, with 1 to 4 bands. */
struct blob png_of_bytes(const uint8_t *bytes, int width, int height, int n_bands);

/* Quarters in red, green, blue and white: no two corners are alike. */
extern const struct quarters rgbw;

/* The checksum of a PNG chunk, over its type and its data. */
uint32_t png_crc(const uint8_t *bytes, size_t n);

/* Insert a JPEG segment right after the start marker, or a PNG chunk right after IHDR. */
void jpeg_insert(struct blob *jpeg, uint8_t marker, const void *bytes, size_t n);
void png_insert(struct blob *png, const char *type, const void *bytes, size_t n);

/* Make EXIF of 26 bytes, a TIFF structure, with this orientation. */
enum { EXIF_BYTES = 26 };
void make_exif(uint8_t bytes[EXIF_BYTES], unsigned orientation, bool is_big_endian);

/* Make a colour profile with this description and this colour space, such as "RGB ". */
struct blob make_profile(const char *space, const char *words);

/* Make a complete RGB profile with the primary colours of sRGB and a power curve. If `gamma` is 0,
 * the profile has the curve of sRGB instead. */
struct blob make_rgb_profile(const char *words, double gamma);

/* The result of picture_run(): the answer, the bytes of the output and, if stb_image can read them,
 * its pixels. */
struct outcome {
	bool is_done;
	struct picture_answer answer;
	struct blob output;
	int width, height, n_bands;
	uint8_t *pixels;
	int n_headers; /* how often on_header was called */
};

/* The engines that a test can select. */
enum engine_choice { ENGINE_AUTO, ENGINE_VIPS, ENGINE_STB };

/* Restrict a recipe to this engine. ENGINE_AUTO removes the restriction. */
void recipe_use_engine(struct recipe *recipe, enum engine_choice engine);

/* A recipe that keeps the size and writes this format. */
struct recipe recipe_for(enum image_format format, enum engine_choice engine);

/* A recipe from its text, such as "size 40x40; fit cover". */
struct recipe recipe_of_words(const char *words, enum image_format format,
                              enum engine_choice engine);

/* Process the picture once, in a new picture_worker with its libraries started. The caller calls
 * outcome_fini(). */
struct outcome run_picture(const struct blob *input, const char *name,
                           const struct recipe *recipe);

/* Check every pixel of the picture, as the command `verify` does. No output is made. */
struct outcome check_picture(const struct blob *input, const char *name,
                             const struct recipe *recipe);

/* Like run_picture(), but the task claims that the input has another length. */
struct outcome run_picture_of(const struct blob *input, const char *name,
                              const struct recipe *recipe, uint64_t claimed_bytes);

/* Like run_picture_of(), but in an existing picture_worker. Call picture_preload() first. */
struct outcome run_with_worker(struct picture_worker *worker, const struct blob *input,
                               const char *name, const struct recipe *recipe,
                               uint64_t claimed_bytes);

/* Like run_picture(), but the output is written to this descriptor. The outcome has no bytes. */
struct outcome run_picture_into(const struct blob *input, const char *name,
                                const struct recipe *recipe, int output);

/* Process the picture once for several outputs, each of which gets an outcome. Returns whether all
 * were made. */
bool run_variants(const struct blob *input, const struct recipe *recipes,
                  unsigned n_recipes, struct outcome *ret_outcomes);

/* Like run_picture(), with the profile for a recipe whose space is SPACE_FILE. */
struct outcome run_picture_to_profile(const struct blob *input,
                                      const struct recipe *recipe,
                                      const struct blob *profile);
void outcome_fini(struct outcome *outcome);

/* Whether the pixel at x, y is close to this colour (each band to within 12). */
bool pixel_is_near(const struct outcome *outcome, int x, int y, const uint8_t *colour);

/* Whether the middles of the picture's quarters are close to these colours. */
bool shows_quarters(const struct outcome *outcome, const struct quarters *quarters);

/* The engines of this build, except the fast engine. The list ends with ENGINE_AUTO. */
extern const enum engine_choice fixture_engines[];

#define FOR_EACH_ENGINE(engine)                                                          \
	for (const enum engine_choice *engine = fixture_engines; *engine != ENGINE_AUTO; \
	     engine++)

#endif
