/*
 * A recipe says what to do to a picture. It is plain data without pointers, parsed once,
 * and checked when a worker unpacks it. All zeros is a valid recipe, except for the
 * format: the first value of each choice is the default of `resize`.
 */
#ifndef PXP_RECIPE_H
#define PXP_RECIPE_H

#include "common/failure.h"
#include "recipe/filters.h"
#include "recipe/format.h"
#include "recipe/geometry.h"

/* The kernel for reducing; the names are those of libvips and sharp. */
enum kernel {
	KERNEL_LANCZOS3 = 0,
	KERNEL_LANCZOS2,
	KERNEL_MITCHELL,
	KERNEL_CUBIC,
	KERNEL_LINEAR,
	KERNEL_NEAREST,
	N_KERNELS
};

/* A colour in sRGB, each value 0 to 255; alpha 255 is opaque. If not set: white where alpha is
 * flattened; a canvas that grows is transparent if the format has alpha, otherwise white. */
struct colour {
	bool is_set;
	uint8_t red, green, blue, alpha;
};

/* The colour space of the output. Grey stays grey. */
enum colour_space {
	SPACE_SRGB = 0,
	SPACE_P3, /* Display P3; the output carries its profile */
	/* the space of the input; the output carries its profile unless that is sRGB */
	SPACE_KEEP,
	/* the space of a profile that is sent with the recipe; the output carries it */
	SPACE_FILE,
	N_COLOUR_SPACES
};

enum intent {
	INTENT_RELATIVE = 0,
	INTENT_PERCEPTUAL,
	INTENT_SATURATION,
	INTENT_ABSOLUTE,
	N_INTENTS
};

/* Bits per sample; 8 if the format does not support 16. */
enum depth {
	DEPTH_8 = 0,
	DEPTH_16,
	DEPTH_KEEP, /* 16 if the input has more than 8, otherwise 8 */
	N_DEPTHS
};

enum chroma { CHROMA_AUTO = 0, CHROMA_420, CHROMA_444, N_CHROMAS };

/* The metadata that is kept. An orientation that was applied and an embedded preview are never
 * kept. */
enum keep {
	KEEP_EXIF = 1, /* EXIF without GPS */
	KEEP_ICC = 2,  /* the profile of the output, even if it is sRGB */
	KEEP_XMP = 4,
	KEEP_IPTC = 8,
	KEEP_GPS = 16, /* the GPS part of EXIF, and locations in XMP and IPTC */
	/* Artist, creator, rights, credit and usage terms of EXIF, XMP and IPTC. */
	KEEP_COPYRIGHT = 32,
	KEEP_NONE = 0,
	KEEP_ALL = 63
};

/* The least damage that makes a picture fail. */
enum fail_on {
	FAIL_ON_ERROR = 0,
	FAIL_ON_NONE,      /* a picture fails only if it cannot be decoded */
	FAIL_ON_TRUNCATED, /* a truncated picture fails; damage in the middle does not */
	FAIL_ON_WARNING,
	N_FAIL_ONS
};

enum {
	RECIPE_MAX_SIDE = GEOMETRY_MAX_SIDE,
	RECIPE_MAX_EFFORT = 9,
	/* Maximum length of the name of an engine, with its NUL. */
	RECIPE_ENGINE_BYTES = 8,
	RECIPE_PACKED_BYTES = 512
};

struct recipe {
	struct geometry geometry;
	bool linear; /* scale in linear light */
	/* Leave the picture as it is stored, and do not apply its EXIF orientation. */
	bool no_rotate;
	enum kernel kernel;
	struct colour background;

	enum colour_space space;
	/* For SPACE_FILE: profile_hash() of the profile's bytes; otherwise 0. */
	uint64_t profile_hash;
	enum intent intent; /* intent of the conversion to that space */
	enum depth depth;

	/* Format of the output; src/batch derives it from the name. */
	enum image_format format;
	uint8_t quality; /* quality, 1 to 100; 0: the default of the format */
	/* Whether effort is set; false: the default of the encoder. */
	bool has_effort;
	uint8_t effort;     /* effort, 0 (fast) to 9 (small) */
	bool lossless;      /* lossless, if the format supports both */
	bool progressive;   /* progressive JPEG, interlaced PNG and GIF */
	enum chroma chroma; /* chroma subsampling; auto: the encoder decides */

	uint8_t keep; /* metadata to keep, a mask of enum keep */
	struct filter_chain filters;

	/* The name of the only engine that may be used, as in the table of engines; "": any. */
	char engine[RECIPE_ENGINE_BYTES];
	enum fail_on fail_on;
	/* Maximum of width x height x frames; 0: RECIPE_MAX_PIXELS. */
	uint64_t max_pixels;
	uint32_t max_frames;     /* maximum number of frames; 0: no limit */
	uint64_t max_file_bytes; /* maximum size of the input; 0: RECIPE_MAX_FILE_BYTES */
};

#define RECIPE_MAX_PIXELS     UINT64_C(268402689)
#define RECIPE_MAX_FILE_BYTES (UINT64_C(2) << 30)
/* The largest value to which this limit can be set. */
#define RECIPE_LARGEST_FILE (UINT64_MAX >> 2)

/* Convert a recipe to and from the bytes that are sent to a worker. Unpacking checks length,
 * version and every field, and returns false if one is invalid. */
void recipe_pack(const struct recipe *recipe, uint8_t bytes[RECIPE_PACKED_BYTES]);
bool recipe_unpack(struct recipe *ret_recipe, const uint8_t *bytes, size_t n);

#endif
