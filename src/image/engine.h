/*
 * An engine reads pictures of some formats, does what a recipe says, and writes them. It
 * never sees where a picture comes from: it is given bytes and makes a rendering, and it is
 * given a rendering and writes bytes to a descriptor. Between the two the result stands in
 * memory, so that a failure to decode and a failure to encode are told apart.
 */
#ifndef PXP_ENGINE_H
#define PXP_ENGINE_H

#include "common/failure.h"
#include "image/picture.h"
#include "recipe/recipe.h"

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

/* Put alpha on a colour (white when it is not set), in place; nothing to do without
 * alpha. */
void pixels_flatten(struct pixels *pixels, const struct colour *background);

/* Turn by an EXIF orientation, 1 to 8. False when memory ran out. */
bool pixels_orient(struct pixels *pixels, unsigned orientation);

/* What is left without the borders that differ from the top left pixel by no more than the
 * threshold in any band; all of it when nothing would be left. */
struct area pixels_without_border(const struct pixels *pixels, double threshold);

/* Keep an area alone, or put what there is on the layout's canvas, where it is to lie, grey
 * and alpha widened where the background is not grey or not opaque. In place; false when
 * memory ran out. */
bool pixels_cut(struct pixels *pixels, const struct area *area);
bool pixels_embed(struct pixels *pixels, const struct layout *layout,
                  const struct colour *background);

/* A picture on its way out. Either plain pixels, or the engine's own image, which may be
 * deeper, of another space, of several frames, and carry metadata. */
struct rendering {
	struct size size; /* of a frame */
	uint32_t n_frames;
	struct pixels pixels; /* no bytes while image holds them */
	void *image;
	void (*free_image)(void *image);
};

void rendering_fini(struct rendering *rendering); /* of zeros too */

struct engine;

/* One picture on its way in. */
struct source {
	const uint8_t *bytes;
	size_t n_bytes;
	enum image_format format; /* the gate's word */
	int input;           /* where the bytes came from: for the test engine alone */
	const void *profile; /* that the result is to have, of SPACE_FILE */
	size_t n_profile;
	/* Who decodes for an engine that has no decoder of its own for the format; NULL: the
	 * engine itself. */
	const struct engine *decoder;
	/* Set by open: the true size, with the orientation applied unless the recipe leaves
	 * the picture as it is stored; and how many frames of it will come out. */
	struct size size;
	uint32_t n_frames;
	void *state; /* the engine's own, from open to close */
};

struct engine {
	const char *name;
	enum engine_choice choice;

	/* Start its libraries, once in the fork server; NULL when there is nothing to start. False
	 * with a message. */
	bool (*start)(char *text, size_t n_text);

	/* Once they are started: folders, NULL at the end, that it reads from when it draws.
	 * NULL: it draws nothing. */
	const char *const *(*font_folders)(void);
	/* Whether it draws this format here, text and all. NULL as above. */
	bool (*draws)(enum image_format format, struct failure *ret_failure);

	/* What this build really does, tried and not written down. */
	bool (*reads)(enum image_format format);
	bool (*writes)(enum image_format format);

	/* Whether it takes bytes that are no picture format at all. NULL but for the test
	 * engine, which obeys orders. */
	bool (*claims)(const uint8_t *bytes, size_t n);

	/* Whether it does what the recipe says: else a failure that names what it does not.
	 * NULL: it does all. */
	bool (*takes)(const struct recipe *recipe, struct failure *ret_failure);

	/* Read the header and set source->size and n_frames. On failure nothing is left to
	 * close. */
	bool (*open)(struct source *source, const struct recipe *recipe,
	             struct failure *ret_failure);
	/* The pixels as they are stored, 8 bit sRGB, unturned, for another engine to work on;
	 * NULL when it cannot. */
	bool (*decode)(struct source *source, struct pixels *ret_pixels,
	               struct failure *ret_failure);
	/* Decode and do all that the recipe says up to the encoding. No alpha is left when the
	 * recipe's format has none. */
	bool (*render)(struct source *source, const struct recipe *recipe,
	               struct rendering *ret_rendering, struct failure *ret_failure);
	void (*close)(struct source *source);

	/* Decode every pixel of every frame or page and keep none. NULL: decode(), or else
	 * render(), does as much. */
	bool (*check)(struct source *source, struct failure *ret_failure);

	/* Make a rendering's own image plain pixels, for another engine to write. NULL: its
	 * renderings are plain ones. */
	bool (*make_plain)(struct rendering *rendering, struct failure *ret_failure);

	/* Write a whole file of the recipe's format: a rendering of its own, or a plain one. */
	bool (*encode)(const struct rendering *rendering, const struct recipe *recipe,
	               int output, struct failure *ret_failure);

	/* "libvips 8.14.1", in text of n_text bytes. */
	void (*version)(char *text, size_t n_text);
};

/* The engines of this build, best first, NULL at the end. */
extern const struct engine *const engines[];

/* One engine more, in test programs alone: set by the constructor of engine_scripted.c where
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

/* How this process stands to pictures that are drawn. To be set before the engines start. */
void engine_set_drawing(enum picture_drawing drawing);
enum picture_drawing engine_drawing(void);

/* The first engine that can, or the one that was chosen if it can; NULL when none. */
const struct engine *engine_that_reads(enum image_format format,
                                       enum engine_choice choice);
const struct engine *engine_that_writes(enum image_format format,
                                        enum engine_choice choice);

/* Say why nobody reads it, and what to do about it. Always false. */
bool engine_unsupported(const struct source *source, const struct recipe *recipe,
                        struct failure *ret_failure);

/* Take off what the tail of a library's text is worth: everything from the first line
 * break, and space at the ends. In place; returns text. */
char *engine_one_line(char *text);

/* 1 to 100: what was asked for, or the format's default. */
unsigned engine_quality(const struct recipe *recipe);

/*
 * The layout of an output from a picture of this size, checked against the recipe's limits
 * and the longest side that its format can have, before the work. Engines ask again after
 * a filter that changed the size to what could not be known before.
 */
bool engine_layout(struct layout *ret_layout, const struct recipe *recipe,
                   struct size from, uint32_t n_frames, struct failure *ret_failure);

#endif
