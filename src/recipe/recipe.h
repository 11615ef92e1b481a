/*
 * A recipe says what to do to a picture. It is plain data without pointers. It is parsed once, and
 * checked again when a worker unpacks it. A recipe of zeros is valid except for its format, which
 * must be set. The value 0 of each enum is the default of the command `resize`.
 */
#ifndef PXP_RECIPE_H
#define PXP_RECIPE_H

#include "common/failure.h"
#include "recipe/filters.h"
#include "recipe/format.h"
#include "recipe/geometry.h"

/* The kernel for reducing a picture. The names are the same as in libvips and sharp. */
enum kernel {
	KERNEL_LANCZOS3 = 0,
	KERNEL_LANCZOS2,
	KERNEL_MITCHELL,
	KERNEL_CUBIC,
	KERNEL_LINEAR,
	KERNEL_NEAREST,
	N_KERNELS
};

/* A background colour in sRGB. Each value is from 0 to 255. If alpha is 255, the colour is opaque.
 * If is_set is false, the defaults apply: flattened pictures get a white background, and the new
 * area of a canvas that grows is transparent. If the format has no alpha, the new area is white. */
struct colour {
	bool is_set;
	uint8_t red, green, blue, alpha;
};

/* The colour space of the output. It is always sRGB if the output's format has no profiles. Grey
 * pictures stay grey: for them SPACE_P3 and SPACE_FILE are the same as SPACE_SRGB. */
enum colour_space {
	SPACE_SRGB = 0,
	SPACE_P3, /* Display P3; the output contains the profile of Display P3 */
	/* The colour space of the input. The output contains the profile of the input, unless this
	 * profile is sRGB. */
	SPACE_KEEP,
	/* The colour space of a profile that is sent with the recipe. The output contains this
	 * profile. */
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

/* The number of bits of a sample in the output. If the format does not support more than 8 bits,
 * the number is always 8. */
enum depth {
	DEPTH_8 = 0,
	DEPTH_16,
	DEPTH_KEEP, /* 16 if a sample of the input has more than 8 bits, otherwise 8 */
	N_DEPTHS
};

enum chroma { CHROMA_AUTO = 0, CHROMA_420, CHROMA_444, N_CHROMAS };

/* The classes of metadata that are kept. Embedded previews are never kept. The orientation is not
 * kept if it was applied to the pixels. */
enum keep {
	KEEP_EXIF = 1, /* EXIF without its GPS part */
	/* The profile of an output in sRGB. An output in another colour space has its profile
	 * whether or not this flag is set. */
	KEEP_ICC = 2,
	KEEP_XMP = 4,
	KEEP_IPTC = 8,
	KEEP_GPS = 16, /* the GPS part of EXIF, and locations in XMP and IPTC */
	/* The artist, creator, rights, credit and usage terms in EXIF, XMP and IPTC. */
	KEEP_COPYRIGHT = 32,
	KEEP_NONE = 0,
	KEEP_ALL = 63
};

/* The minimum damage that makes a picture fail. */
enum fail_on {
	FAIL_ON_ERROR = 0,
	FAIL_ON_NONE, /* a damaged picture fails only if it cannot be decoded */
	/* A truncated picture fails. Damage in the middle of a picture is accepted. */
	FAIL_ON_TRUNCATED,
	FAIL_ON_WARNING,
	N_FAIL_ONS
};

enum {
	RECIPE_MAX_SIDE = GEOMETRY_MAX_SIDE,
	RECIPE_MAX_EFFORT = 9,
	/* The maximum length of an engine's name, including the NUL. */
	RECIPE_ENGINE_BYTES = 8,
	RECIPE_PACKED_BYTES = 512
};

struct recipe {
	struct geometry geometry;
	bool linear; /* scale in linear light */
	/* Do not apply the EXIF orientation of the picture. */
	bool no_rotate;
	enum kernel kernel;
	struct colour background;

	enum colour_space space;
	/* For SPACE_FILE: profile_hash() of the profile's bytes. For other spaces: 0. */
	uint64_t profile_hash;
	/* The rendering intent of the conversion to the colour space. */
	enum intent intent;
	enum depth depth;

	/* The format of the output. src/batch derives it from the output's name. */
	enum image_format format;
	uint8_t quality; /* the quality, 1 to 100; 0: the default of the format */
	/* If true, the member `effort` is used. If false, the encoder uses its default effort. */
	bool has_effort;
	uint8_t effort; /* from 0 (fast encoding) to 9 (small files) */
	bool lossless; /* lossless compression, for formats that also have lossy compression */
	bool progressive; /* whether JPEG is progressive, and PNG and GIF are interlaced */
	enum chroma chroma; /* chroma subsampling; CHROMA_AUTO: the encoder decides */

	uint8_t keep; /* metadata to keep, a mask of enum keep */
	struct filter_chain filters;

	/* The name of the only engine that may be used; "": every engine may be used. */
	char engine[RECIPE_ENGINE_BYTES];
	enum fail_on fail_on;
	/* Maximum of width x height x frames; 0: RECIPE_MAX_PIXELS. */
	uint64_t max_pixels;
	uint32_t max_frames;     /* maximum number of frames; 0: no limit */
	uint64_t max_file_bytes; /* maximum size of the input; 0: RECIPE_MAX_FILE_BYTES */
};

#define RECIPE_MAX_PIXELS     UINT64_C(268402689)
#define RECIPE_MAX_FILE_BYTES (UINT64_C(2) << 30)
/* The largest value that max_file_bytes may have. */
#define RECIPE_LARGEST_FILE (UINT64_MAX >> 2)

/* Convert a recipe to the bytes that are sent to a worker, and back. recipe_unpack() checks the
 * length, the version and every field, and returns false if something is invalid. */
void recipe_pack(const struct recipe *recipe, uint8_t bytes[RECIPE_PACKED_BYTES]);
bool recipe_unpack(struct recipe *ret_recipe, const uint8_t *bytes, size_t n);

#endif
