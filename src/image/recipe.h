/*
 * A recipe says what to do to one picture. Plain data without pointers: parsed once,
 * checked when it is unpacked in a worker.
 */
#ifndef PXP_RECIPE_H
#define PXP_RECIPE_H

#include "base/outcome.h"
#include "image/format.h"

enum engine_choice { ENGINE_AUTO = 0, ENGINE_VIPS = 1, ENGINE_STB = 2 };

/* A box in pixels; 0 leaves that side free, both 0 keep the size. */
struct geometry {
	uint32_t width, height;
	bool no_enlarge;
};

struct recipe {
	struct geometry geometry;
	enum image_format format; /* of the output: batch sets it from the name */
	uint8_t quality;          /* 1 to 100; 0 is the format's default */
	enum engine_choice engine;
	uint64_t max_pixels;     /* of input and output; 0: RECIPE_MAX_PIXELS */
	uint32_t max_frames;     /* of an animation; 0: any */
	uint64_t max_file_bytes; /* of the input; 0: RECIPE_MAX_FILE_BYTES */
};

#define RECIPE_MAX_PIXELS     UINT64_C(268402689)
#define RECIPE_MAX_FILE_BYTES (UINT64_C(2) << 30)

enum { RECIPE_MAX_SIDE = 10000000 }; /* asked for or computed; as VIPS_MAX_COORD */

/* "N" (a box), "WxH", "Wx", "xH". False with a message that points at the wrong part,
 * in text of n_text bytes. Sides are 1 to RECIPE_MAX_SIDE. */
bool geometry_parse(struct geometry *ret_geometry, const char *word, char *text,
                    size_t n_text);

struct size {
	uint32_t width, height;
};

/*
 * The one function that gives the size of an output, for every engine: with the true
 * size w x h (orientation applied), f = max(w/W, h/H) over the sides that are asked for,
 * then each side is floor(side/f + 0.5), at least 1. It equals vipsthumbnail on PNG and
 * WebP to the last half, computing in libvips' own steps; on JPEG vipsthumbnail may be a
 * pixel off, since it rounds once more after shrink-on-load. With no_enlarge, a picture
 * that fits already keeps its size.
 */
struct size geometry_size(const struct geometry *geometry, struct size from);

enum { RECIPE_PACKED_BYTES = 48 };

/* To and from the bytes that go to a worker. Unpacking checks length, version and every
 * field, and is false when one is wrong. */
void recipe_pack(const struct recipe *recipe, uint8_t bytes[RECIPE_PACKED_BYTES]);
bool recipe_unpack(struct recipe *ret_recipe, const uint8_t *bytes, size_t n);

#endif
