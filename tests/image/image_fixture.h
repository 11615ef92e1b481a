/*
 * What tests of pictures share: pictures made on the spot, run through picture_run(), and
 * the result decoded again. Pixels are compared, never encoded bytes.
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

/* Put bytes in at an offset. */
void blob_insert(struct blob *blob, size_t at, const void *bytes, size_t n);

/* Whether a text stands anywhere in it. */
bool blob_holds(const struct blob *blob, const char *text);

/* The colours of a test picture's quarters: top left, top right, bottom left, bottom
 * right. RGBA. */
struct quarters {
	uint8_t colours[4][4];
};

/* A picture of four quarters, as PNG (1 to 4 bands) or JPEG (1 or 3). */
struct blob make_png(int width, int height, int n_bands, const struct quarters *quarters);
struct blob make_jpeg(int width, int height, int n_bands,
                      const struct quarters *quarters);

/* Pixels of 8 bits, row by row, of 1 to 4 bands. */
struct blob png_of_bytes(const uint8_t *bytes, int width, int height, int n_bands);

/* Red, green, blue, white: no two corners alike. */
extern const struct quarters rgbw;

/* Segments and chunks to put in. */
void jpeg_insert(struct blob *jpeg, uint8_t marker, const void *bytes, size_t n);
void png_insert(struct blob *png, const char *type, const void *bytes, size_t n);

/* EXIF of 26 bytes, a TIFF structure, with this orientation. */
enum { EXIF_BYTES = 26 };
void make_exif(uint8_t bytes[EXIF_BYTES], unsigned orientation, bool is_big_endian);

/* A profile that describes itself with these words, of a space such as "RGB ". */
struct blob make_profile(const char *space, const char *words);

/* What picture_run() did: the answer, the output's bytes and, where stb_image can read
 * them, its pixels. */
struct outcome {
	bool is_done;
	struct picture_answer answer;
	struct blob output;
	int width, height, n_bands;
	uint8_t *pixels;
	int n_headers; /* how often on_header was called */
};

/* The engines that a test can ask for. */
enum engine_choice { ENGINE_AUTO, ENGINE_VIPS, ENGINE_STB };

/* Let only this engine work. */
void recipe_use_engine(struct recipe *recipe, enum engine_choice engine);

/* Begin with this recipe: keep the size, write this format. */
struct recipe recipe_for(enum image_format format, enum engine_choice engine);

/* The same of a recipe's text, such as "size 40x40; fit cover": the words of the options. */
struct recipe recipe_of_words(const char *words, enum image_format format,
                              enum engine_choice engine);

/* Run once, in a picture_worker of its own, libraries started. outcome_fini() after it. */
struct outcome run_picture(const struct blob *input, const char *name,
                           const struct recipe *recipe);

/* The same where the job claims another length than the input has. */
struct outcome run_picture_of(const struct blob *input, const char *name,
                              const struct recipe *recipe, uint64_t claimed_bytes);

/* The same in a picture_worker that stands, after picture_preload(). */
struct outcome run_with_worker(struct picture_worker *worker, const struct blob *input,
                               const char *name, const struct recipe *recipe,
                               uint64_t claimed_bytes);

/* Run once for several outputs, each of which gets an outcome of its own. Whether all were made. */
bool run_variants(const struct blob *input, const struct recipe *recipes,
                  unsigned n_recipes, struct outcome *ret_outcomes);

/* The same with the profile of a recipe whose space is SPACE_FILE. */
struct outcome run_picture_to_profile(const struct blob *input,
                                      const struct recipe *recipe,
                                      const struct blob *profile);
void outcome_fini(struct outcome *outcome);

/* Whether the pixel at x, y is near (each band to within 12) this colour. */
bool pixel_is_near(const struct outcome *outcome, int x, int y, const uint8_t *colour);

/* Whether the middles of its quarters are near these colours. */
bool shows_quarters(const struct outcome *outcome, const struct quarters *quarters);

/* The engines of this build, ENGINE_AUTO at the end. */
extern const enum engine_choice fixture_engines[];

#define FOR_EACH_ENGINE(engine)                                                          \
	for (const enum engine_choice *engine = fixture_engines; *engine != ENGINE_AUTO; \
	     engine++)

#endif
