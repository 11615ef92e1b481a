/*
 * An engine reads pictures of some formats, or writes them, or both. It never sees where
 * a picture comes from: it is given bytes and gives pixels of the asked size, and it is
 * given pixels and writes bytes to a descriptor. Between the two the small result stands
 * in memory, so that a failure to decode and a failure to encode are told apart, and so
 * that nothing but pixels, no metadata, can come through.
 */
#ifndef PXP_ENGINE_H
#define PXP_ENGINE_H

#include "base/outcome.h"
#include "image/recipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of bytes without gaps: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; 8 bit, sRGB,
 * alpha not multiplied in. */
struct pixels {
	struct size size;
	unsigned n_bands;
	uint8_t *bytes;
	void (*free_bytes)(void *bytes);
};

void pixels_fini(struct pixels *pixels); /* of zeros too */

/* A buffer for pixels of this shape; false when memory ran out or it has no size. */
bool pixels_init(struct pixels *ret_pixels, struct size size, unsigned n_bands);

/* Put alpha on white, in place; nothing to do without alpha. */
void pixels_flatten(struct pixels *pixels);

/* Turn by an EXIF orientation, 1 to 8. False when memory ran out. */
bool pixels_orient(struct pixels *pixels, unsigned orientation);

/* One picture on its way in. */
struct source {
	const uint8_t *bytes;
	size_t n_bytes;
	enum image_format format; /* the gate's word */
	int input;        /* where the bytes came from: for the test engine alone */
	struct size size; /* set by open: the true size, orientation applied */
	void *state;      /* the engine's own, from open to close */
};

struct engine {
	const char *name;
	enum engine_choice choice;

	/* Start its libraries, once in the nursery; NULL when there is nothing to start. False
	 * with a message. */
	bool (*start)(char *text, size_t n_text);

	/* What this build really does, tried and not written down. */
	bool (*reads)(enum image_format format);
	bool (*writes)(enum image_format format);

	/* Whether it takes bytes that are no picture format at all. NULL but for the test
	 * engine, which obeys orders. */
	bool (*claims)(const uint8_t *bytes, size_t n);

	/* Read the header and set source->size. On failure nothing is left to close. */
	bool (*open)(struct source *source, struct failure *ret_failure);
	/* Decode, turn and scale to exactly this size, as sRGB of 8 bit. */
	bool (*render)(struct source *source, struct size to, struct pixels *ret_pixels,
	               struct failure *ret_failure);
	void (*close)(struct source *source);

	/* Write a whole file of this format; quality is 1 to 100. The pixels have no alpha
	 * when the format has none. */
	bool (*encode)(const struct pixels *pixels, enum image_format format,
	               unsigned quality, int output, struct failure *ret_failure);

	/* "libvips 8.14.1", in text of n_text bytes. */
	void (*version)(char *text, size_t n_text);
};

/* The engines of this build, best first, NULL at the end. */
extern const struct engine *const engines[];

/* One engine more, in test programs alone: set by the constructor of engine_obey.c where
 * that is linked, NULL in the program. It takes what it claims, before the others. */
extern const struct engine *engine_of_tests;

extern const struct engine engine_vips, engine_stb;

/*
 * From here on pictures come from strangers: only the formats that are the most attacked, and
 * so the most tested, are read, and no loader that its own library holds unfit for them. To
 * be called before the engines start.
 */
void engine_trust_nobody(void);

/* Whether nobody is trusted; and whether this format is read of whom we have. */
bool engine_is_strict(void);
bool engine_trusts(enum image_format format);

/* The first engine that can, or the one that was chosen if it can; NULL when none. */
const struct engine *engine_that_reads(enum image_format format,
                                       enum engine_choice choice);
const struct engine *engine_that_writes(enum image_format format,
                                        enum engine_choice choice);

/* Take off what the tail of a library's text is worth: everything from the first line
 * break, and space at the ends. In place; returns text. */
char *engine_one_line(char *text);

#endif
