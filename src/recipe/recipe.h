/*
 * A recipe says what to do to one picture. Plain data without pointers: parsed once,
 * checked when it is unpacked in a worker. All zeros is a recipe too: of each choice the
 * first value is the default of `resize`.
 */
#ifndef PXP_RECIPE_H
#define PXP_RECIPE_H

#include "common/failure.h"
#include "recipe/filters.h"
#include "recipe/format.h"
#include "recipe/geometry.h"

/* For making a picture smaller; the words are those of libvips and sharp. */
enum kernel {
	KERNEL_LANCZOS3 = 0,
	KERNEL_LANCZOS2,
	KERNEL_MITCHELL,
	KERNEL_CUBIC,
	KERNEL_LINEAR,
	KERNEL_NEAREST,
	N_KERNELS
};

/* sRGB, each 0 to 255; alpha 255 covers. Not set: white where alpha is flattened, and
 * where a canvas grows transparent if the format has alpha, else white. */
struct colour {
	bool is_set;
	uint8_t red, green, blue, alpha;
};

/* The space that the result is in. Grey stays grey. */
enum colour_space {
	SPACE_SRGB = 0,
	SPACE_P3, /* Display P3; the result carries its profile */
	SPACE_KEEP, /* the input's own; the result carries its profile unless that is sRGB */
	SPACE_FILE, /* that of a profile of its own, which comes beside the recipe; the result
	             * carries it */
	N_COLOUR_SPACES
};

enum intent {
	INTENT_RELATIVE = 0,
	INTENT_PERCEPTUAL,
	INTENT_SATURATION,
	INTENT_ABSOLUTE,
	N_INTENTS
};

/* Bits of a sample; a format that has no 16 gets 8. */
enum depth {
	DEPTH_8 = 0,
	DEPTH_16,
	DEPTH_KEEP, /* 16 for an input of more than 8, else 8 */
	N_DEPTHS
};

enum chroma { CHROMA_AUTO = 0, CHROMA_420, CHROMA_444, N_CHROMAS };

/* What of the metadata comes through. An orientation that was applied and an embedded
 * preview never do. */
enum keep {
	KEEP_EXIF = 1, /* without its GPS part */
	KEEP_ICC = 2,  /* the result's profile, even if that is sRGB */
	KEEP_XMP = 4,
	KEEP_IPTC = 8,
	KEEP_GPS = 16, /* the GPS part of EXIF */
	/* Artist, creator, rights, credit and usage terms of EXIF, XMP and IPTC. */
	KEEP_COPYRIGHT = 32,
	KEEP_NONE = 0,
	KEEP_ALL = 63
};

/* The least that is wrong with an input and makes it a failure. */
enum fail_on {
	FAIL_ON_ERROR = 0,
	FAIL_ON_NONE,      /* whatever can be decoded */
	FAIL_ON_TRUNCATED, /* an early end, but not damage in the middle */
	FAIL_ON_WARNING,
	N_FAIL_ONS
};

enum {
	RECIPE_MAX_SIDE = GEOMETRY_MAX_SIDE,
	RECIPE_MAX_EFFORT = 9,
	RECIPE_ENGINE_BYTES = 8, /* of an engine's name, with its end */
	RECIPE_PACKED_BYTES = 512
};

struct recipe {
	struct geometry geometry;
	bool linear;    /* scale in linear light */
	bool no_rotate; /* leave the picture as it is stored, and do not apply its EXIF
	                 * orientation */
	enum kernel kernel;
	struct colour background;

	enum colour_space space;
	uint64_t profile_hash; /* of SPACE_FILE: profile_hash() of its bytes; else 0 */
	enum intent intent;    /* of the conversion to that space */
	enum depth depth;

	enum image_format format; /* of the output: batch sets it from the name */
	uint8_t quality;          /* 1 to 100; 0 is the format's default */
	bool has_effort;          /* else the encoder's own default */
	uint8_t effort;           /* 0 (fast) to 9 (small) */
	bool lossless;            /* where the format has the choice */
	bool progressive;         /* of JPEG progressive, of PNG and GIF interlaced */
	enum chroma chroma; /* subsampling of the colour planes; auto: the encoder's */

	uint8_t keep; /* a mask of enum keep */
	struct filter_chain filters;

	/* The only engine that may work, by its name in the table of engines; "": any. */
	char engine[RECIPE_ENGINE_BYTES];
	enum fail_on fail_on;
	uint64_t max_pixels;     /* width x height x frames; 0: RECIPE_MAX_PIXELS */
	uint32_t max_frames;     /* 0: none */
	uint64_t max_file_bytes; /* of the input; 0: RECIPE_MAX_FILE_BYTES */
};

#define RECIPE_MAX_PIXELS     UINT64_C(268402689)
#define RECIPE_MAX_FILE_BYTES (UINT64_C(2) << 30)
/* The most that may be asked for in its place. */
#define RECIPE_LARGEST_FILE (UINT64_MAX >> 2)

/* To and from the bytes that go to a worker. Unpacking checks length, version and every
 * field, and is false when one is wrong. */
void recipe_pack(const struct recipe *recipe, uint8_t bytes[RECIPE_PACKED_BYTES]);
bool recipe_unpack(struct recipe *ret_recipe, const uint8_t *bytes, size_t n);

#endif
