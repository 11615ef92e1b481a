/*
 * An engine reads pictures, derives outputs from them as recipes say, and encodes the outputs.
 * An engine gets the bytes of a picture and never sees a file.
 *
 * After the format of a picture was found, engines are asked in the order of the table in
 * engine_table.c: claim_source() for the picture, then claim_output() for each output. The first
 * engine that accepts does the work. An engine that refuses gives the reason, and the next engine
 * is asked. The engine that decodes a picture may lend plain pixels to another engine, which makes
 * an output from them. To add an engine, write its files and add its row to the table.
 *
 * A rendering is complete in memory before it is encoded, so that a failure to decode and a
 * failure to encode can be distinguished.
 */
#ifndef PXP_ENGINE_H
#define PXP_ENGINE_H

#include "common/failure.h"
#include "common/lost.h"
#include "image/header/picture_header.h"
#include "image/picture.h"
#include "image/pixels.h"
#include "recipe/recipe.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The metadata of an input: see picture_metadata.h. */
struct metadata;

/* The colour space of the samples. */
enum output_colour {
	OUTPUT_SRGB = 0,
	/* The output has the colour space of the input, and that space is not sRGB. */
	OUTPUT_AS_INPUT,
	/* The output has neither sRGB nor the colour space of the input. */
	OUTPUT_OTHER_SPACE,
};

/* A rendering is an output that is not encoded yet. It has either plain pixels or an image of the
 * engine's own kind. Such an image may have more bits, another colour space, several frames, and
 * metadata. */
struct rendering {
	struct size size; /* size of a frame */
	uint32_t n_frames;
	/* The plain pixels. If the rendering has `image` instead, pixels.bytes is NULL. */
	struct pixels pixels;
	void *image;
	void (*free_image)(void *image);
	enum output_colour colour;
	/* A mask of enum lost: the properties of the picture that this output cannot have. */
	unsigned lost;
};

/* A source: one input picture. */
struct source {
	const uint8_t *bytes;
	size_t n_bytes;
	int input; /* the descriptor from which the bytes were read */
	enum image_format format;
	const struct metadata *metadata; /* NULL: this build reads no metadata */

	/* The recipe whose no_rotate, engine, fail_on and limits determine how the picture is
	 * read. */
	const struct recipe *reading;
	/* The outputs. If n_variants is 0, the picture is decoded only to check every pixel. */
	const struct picture_variant *variants;
	unsigned n_variants;

	/* claim_source() sets size, orientation, n_frames and state. size: the size of the upright
	 * picture, or of the picture as it is stored if the recipe has no_rotate. orientation: the
	 * EXIF orientation that must still be applied to decoded pixels. n_frames: the number of
	 * frames that are decoded. state: the engine's own state, until close(). */
	struct size size;
	unsigned orientation;
	uint32_t n_frames;
	/* The number of frames or pages in the file, according to the file's header or to the
	 * engine. */
	uint32_t n_stored;
	/* A mask of enum lost: the parts of the picture that the engine leaves out. */
	unsigned lost;
	/* Set by an engine that has decoded the picture although the file is damaged. */
	bool is_damaged;
	/* True for a JPEG in which the strict engine has found no missing or wrong pixel. */
	bool is_proved;
	void *state;
};

/* The number of frames or pages that an output of this recipe gets. It is more than 1 only if the
 * formats of the source and of the output both have animations, or both have pages. */
uint32_t source_frames(const struct source *source, const struct recipe *recipe);

/* The return value of claim_source() and claim_output(). */
enum claim {
	CLAIM_CAN,
	CLAIM_CANNOT, /* this engine cannot do the work; ask the next engine */
	CLAIM_FAILED, /* no engine can do the work: the picture fails */
};

struct engine {
	/* The name, in letters a to z. Records contain it, and the option --engine takes it. */
	const char *name;
	/* The engine's check() of a JPEG finds damage that other engines do not notice. */
	bool is_strict;
	/* Write the version, such as "libvips 8.14.1", into `text`, which has n_text bytes. */
	void (*version)(char *text, size_t n_text);
	/* Start the engine's libraries. picture_preload() calls this once. NULL: the engine needs
	 * no start. */
	bool (*start)(struct failure *ret_failure);

	/* Whether the engine reads (or writes) a format. An engine may process a small picture to
	 * find out. */
	bool (*reads)(enum image_format format);
	bool (*writes)(enum image_format format);

	/*
	 * Read the header. CLAIM_CAN: the source is open, and close() must follow. Other answers:
	 * close() must not be called, and the failure gives the reason. If the answer is
	 * CLAIM_CANNOT and the failure is empty, the engine does not read the format.
	 */
	enum claim (*claim_source)(struct source *source, struct failure *ret_reason);
	/* Whether the engine can derive this output. If is_lent is true, the engine must derive
	 * from plain pixels of another engine; if not, from its own source. With CLAIM_CANNOT the
	 * failure always gives a reason. */
	enum claim (*claim_output)(const struct source *source, bool is_lent,
	                           const struct recipe *recipe,
	                           struct failure *ret_reason);

	/* The memory in bytes that the engine needs to decode (decoder_memory), and to derive and
	 * encode an output of n_frames frames (output_memory). See memory_estimate.h. */
	uint64_t (*decoder_memory)(const struct picture_header *header,
	                           const struct picture_variant *variants,
	                           unsigned n_variants);
	uint64_t (*output_memory)(const struct picture_header *header,
	                          const struct recipe *recipe, uint64_t n_frames);

	/* Decode once, for all variants of the source. If the source has only one variant, an
	 * engine may postpone decoding to derive(). */
	bool (*decode)(struct source *source, struct failure *ret_failure);
	/* Decode every pixel of every frame or page, and drop the result. */
	bool (*check)(struct source *source, struct failure *ret_failure);
	/* Get the pixels for another engine, as they are stored, not turned upright. The pixels
	 * belong to the source and are valid until close(). The member is NULL in an engine that
	 * does not decode for other engines. */
	const struct pixels *(*lend_pixels)(struct source *source,
	                                    struct failure *ret_failure);

	/*
	 * Make an output as the variant's recipe says, but do not encode it. If the recipe's format
	 * has no alpha, alpha is removed. lent: the pixels of another engine, from which the output
	 * is made; NULL: the output is made from the source. is_last: no other output is derived
	 * from the source after this one, so the engine may modify or free the decoded pixels of
	 * the source.
	 */
	bool (*derive)(struct source *source, const struct pixels *lent,
	               const struct picture_variant *variant, bool is_last,
	               struct rendering *ret_rendering, struct failure *ret_failure);
	void (*close)(struct source *source);

	/* Convert the image of a rendering to plain pixels, so that another engine can encode it.
	 * NULL: all renderings of this engine have plain pixels already. */
	bool (*make_plain)(struct rendering *rendering, struct failure *ret_failure);
	/* Write a complete file of the recipe's format at the current offset of the descriptor
	 * `output`. The rendering was made by this engine, or has plain pixels. */
	bool (*encode)(const struct rendering *rendering, const struct recipe *recipe,
	               int output, struct failure *ret_failure);

	/* Only an engine that draws SVG and PDF has these two functions; for other engines they are
	 * NULL. They may be called after start(). font_folders() returns the folders from which the
	 * engine reads fonts; the list ends with NULL. draws() returns whether this process can
	 * draw pictures of a format, with the text in them. */
	const char *const *(*font_folders)(void);
	bool (*draws)(enum image_format format, struct failure *ret_failure);
};

/* The engines of this build, in the order in which they are asked. The list ends with NULL. */
extern const struct engine *const engines[];

extern const struct engine engine_fast, engine_vips, engine_stb;

/* Whether the recipe allows this engine: the recipe names this engine, or names no engine. */
bool engine_is_wanted(const struct engine *engine, const struct recipe *recipe);

/* The first engine that the recipe allows and that reads (or writes) the format. NULL: no such
 * engine exists, or the format may not be read (see engine_trusts()). */
const struct engine *engine_that_reads(enum image_format format,
                                       const struct recipe *recipe);
const struct engine *engine_that_writes(enum image_format format,
                                        const struct recipe *recipe);

/* engine_inputs_are_hostile(): whether picture_distrust_inputs() was called. engine_trusts():
 * whether a format may be read. If inputs are hostile, only common formats may be read. */
bool engine_inputs_are_hostile(void);
bool engine_trusts(enum image_format format);

/* Which workers draw, as set by picture_set_drawing(). */
enum picture_drawing engine_drawing(void);

/* Reduce a library's message, in place, to its first line that is not empty, without spaces at both
 * ends. Returns `text`. */
char *engine_one_line(char *text);

/* Fill in the failure of a write to the output, from errno. The output is in memory, so "no space"
 * means that memory is lacking. Returns false. */
bool engine_fail_to_write(struct failure *ret_failure);

/* The quality that the recipe sets, from 1 to 100. If it sets none: the default of the output's
 * format. */
unsigned engine_quality(const struct recipe *recipe);

/*
 * Compute the layout of an output from a picture of the size `from`. Returns false with a failure
 * if the output exceeds the limit on pixels, the limit on a side (RECIPE_MAX_SIDE), or the longest
 * side that its format can have. The function is called before the picture is decoded, except if a
 * filter will change the size in a way that cannot be predicted. When an output is made, it is
 * called again.
 */
bool engine_layout(struct layout *ret_layout, const struct recipe *recipe,
                   struct size from, uint32_t n_frames, struct failure *ret_failure);

#endif
