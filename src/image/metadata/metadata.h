/*
 * Metadata: the one place that decides, field by field, which EXIF, XMP and IPTC an
 * output keeps.
 *
 * Each field has a class, whatever block it stands in:
 *
 *   place      names a place: GPS data, city, country, ...      kept with KEEP_GPS
 *   copyright  artist, creator, rights, credit, usage terms     kept with KEEP_COPYRIGHT,
 *                                                               or with its block's class
 *   of pixels  says how the samples are stored, oriented, sized set to the output's, or dropped
 *   never      previews, maker notes, claims about parts of the never kept
 *              file that an output does not have (a video, ...)
 *   other      everything else                                  kept with its block's class
 *
 * A block that cannot be read safely is dropped whole, and reported as lost.
 */
#ifndef PXP_METADATA_H
#define PXP_METADATA_H

#include "common/lost.h"
#include "image/metadata/bytes.h"
#include "recipe/recipe.h"

/* Pixels per inch; 0 when the file does not say. */
struct density {
	double x, y;
};

/* Blocks that are larger are lost: a hostile file must not make the worker hold it twice. */
enum { METADATA_MAX_BYTES = 16 << 20 };

/* The blocks of one picture, each without the head that its container puts before it. */
struct metadata {
	struct block exif; /* a TIFF structure, from its byte order mark on */
	struct block xmp;  /* one packet */
	/* The rest of a packet that a JPEG holds in two; metadata_filter() joins them. */
	struct block xmp_extended;
	struct block iptc;    /* IIM datasets, without Photoshop's resource around them */
	struct block comment; /* text of no known encoding */
	/* Chunks of text in a PNG, as they stand there: a PNG again keeps them all. */
	struct block png_text;
	struct density density;
	/* A mask of enum lost: parts of the file that no block describes. */
	unsigned lost;
};

/* Frees the blocks; all is empty and zero again. */
void metadata_fini(struct metadata *metadata);

/* Which colours the samples of the output mean, as EXIF and XMP tell them. */
enum metadata_colour {
	COLOUR_SRGB,
	COLOUR_KEPT,  /* as in the input, and not sRGB */
	COLOUR_OTHER, /* another space than the input's, and not sRGB */
};

/* The facts about an output that fields are set to. */
struct metadata_target {
	uint32_t width, height;
	/* The input's size, as it is stored. */
	uint32_t from_width, from_height;
	/* 1 to 8: the orientation that was applied; 1 when there was nothing to apply. */
	unsigned orientation;
	/* Orientation tags stay as they are, because the picture was left as it is stored. */
	bool is_as_stored;
	/* The output shows all of the input and nothing else: turned by its orientation, and
	 * scaled. What tells a part of the picture is adapted then, and dropped otherwise. */
	bool is_whole;
	enum metadata_colour colour;
	/* The MIME type of the output, NULL when it has none. */
	const char *mime;
	struct density density;
};

/* A point or a rectangle's size, in parts (0 to 1) of the input as it is stored, becomes one
 * in parts of the output, which is_whole. */
struct part {
	double x, y;
};

struct part target_turn_point(const struct metadata_target *target, struct part point);
struct part target_turn_size(const struct metadata_target *target, struct part size);

/*
 * Drop the fields that a recipe does not keep, and set those that describe the file to the
 * output's values.
 *
 * ret_metadata  the output's blocks; a block of which nothing is kept is empty. The caller
 *               frees it with metadata_fini(). Its lost has the losses.
 * from          the input's blocks. XMP may come as UTF-8, UTF-16 or UTF-32 and leaves as
 *               UTF-8.
 * keep          a mask of enum keep.
 *
 * False when memory ran out; ret_metadata is empty then. Any thread.
 */
bool metadata_filter(struct metadata *ret_metadata, const struct metadata *from,
                     unsigned keep, const struct metadata_target *target);

#endif
