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

/* The density in pixels per inch; 0 if the file has none. */
struct density {
	double x, y;
};

/* Larger blocks are lost, because a hostile file must not make the worker hold them twice. */
enum { METADATA_MAX_BYTES = 16 << 20 };

/* The metadata blocks of one picture, each without the header that its container adds. */
struct metadata {
	struct block exif; /* a TIFF structure, from its byte order mark on */
	struct block xmp;  /* XMP: one packet */
	/* The second part of an XMP packet that a JPEG splits; metadata_filter() joins them. */
	struct block xmp_extended;
	/* IPTC: IIM datasets, without Photoshop's resource around them. */
	struct block iptc;
	struct block comment; /* a comment: text of unknown encoding */
	/* Text chunks of a PNG, unchanged: a PNG output keeps them all. */
	struct block png_text;
	struct density density;
	/* A mask of enum lost: parts of the file that no block describes. */
	unsigned lost;
};

/* Free the blocks, and set everything to zero. */
void metadata_fini(struct metadata *metadata);

/* The meaning of the output's colours, as EXIF and XMP describe it. */
enum metadata_colour {
	COLOUR_SRGB,
	COLOUR_KEPT,  /* that of the input, which is not sRGB */
	COLOUR_OTHER, /* another space than that of the input, which is not sRGB either */
};

/* The facts about an output to which fields are set. */
struct metadata_target {
	uint32_t width, height;
	/* The input's size, as it is stored. */
	uint32_t from_width, from_height;
	/* The orientation that was applied, 1 to 8; 1 if there was nothing to apply. */
	unsigned orientation;
	/* Orientation tags are kept, because the picture was left as it is stored. */
	bool is_as_stored;
	/* The output shows all of the input and nothing else: rotated by its orientation, and
	 * scaled. Fields about a part of the picture are adapted then, and dropped otherwise. */
	bool is_whole;
	enum metadata_colour colour;
	/* The MIME type of the output; NULL if it has none. */
	const char *mime;
	struct density density;
};

/* Convert a point or a rectangle's size from fractions (0 to 1) of the stored input to fractions of
 * the output, which is_whole. */
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
