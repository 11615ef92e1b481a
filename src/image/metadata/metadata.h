/*
 * Metadata: this is the only code that decides which fields of EXIF, XMP and IPTC an output keeps.
 *
 * Each field belongs to a class, whatever block the field is in. The class decides:
 *
 *   place      GPS data, city, country and other places: kept with KEEP_GPS.
 *   copyright  artist, creator, rights, credit, usage terms: kept with KEEP_COPYRIGHT, or if the
 *              recipe keeps the block.
 *   pixels     the format of the samples, their orientation, the size of the picture: set to the
 *              output's value, or dropped.
 *   never      previews, maker notes, and fields about parts of the file that an output does not
 *              have, such as a video: never kept.
 *   other      all other fields: kept if the recipe keeps the block.
 *
 * A block that cannot be read safely is dropped as a whole and reported as lost.
 */
#ifndef PXP_METADATA_H
#define PXP_METADATA_H

#include "common/lost.h"
#include "image/metadata/bytes.h"
#include "recipe/recipe.h"

/* The density in pixels per inch. 0: the density is unknown. */
struct density {
	double x, y;
};

/* The maximum size of a block. A larger block is lost, because the block is copied in memory, and a
 * hostile file must not make a worker use too much memory. */
enum { METADATA_MAX_BYTES = 16 << 20 };

/* The metadata blocks of one picture. The headers that containers put before a block are
 * removed. */
struct metadata {
	struct block exif; /* a TIFF structure, beginning with its byte order mark */
	struct block xmp;  /* an XMP packet */
	/* The second part of an XMP packet that is split in a JPEG. metadata_filter() joins the two
	 * parts. */
	struct block xmp_extended;
	/* IIM datasets, without the resource of Photoshop that contains them. */
	struct block iptc;
	struct block comment; /* text of unknown encoding */
	/* Text chunks of a PNG. They are unchanged, because a PNG output keeps all of them. */
	struct block png_text;
	struct density density;
	/* A mask of enum lost: the parts of the file that no output will have. */
	unsigned lost;
};

/* Free the blocks, and set everything to zero. */
void metadata_fini(struct metadata *metadata);

/* The colour space of the output, as far as EXIF and XMP describe it. */
enum metadata_colour {
	COLOUR_SRGB,
	COLOUR_KEPT,  /* the colour space of the input, which is not sRGB */
	COLOUR_OTHER, /* neither sRGB nor the colour space of the input */
};

/* The facts about the output that its metadata must state. */
struct metadata_target {
	uint32_t width, height;
	/* The size of the input as it is stored, not turned upright. */
	uint32_t from_width, from_height;
	/* The orientation that was applied, 1 to 8. 1: the picture was not turned. */
	unsigned orientation;
	/* The picture was not turned upright, so orientation tags are kept. */
	bool is_as_stored;
	/* The output shows the whole input and nothing else: the input was only scaled and turned
	 * upright. In this case fields about a part of the picture are adapted; otherwise they are
	 * dropped. */
	bool is_whole;
	enum metadata_colour colour;
	/* The MIME type of the output. NULL: the format has no MIME type. */
	const char *mime;
	struct density density;
	/* The output's format stores the density in EXIF and nowhere else. */
	bool has_density_in_exif;
};

/* A point or a size, as fractions (0 to 1) of the picture's width and height. The two functions
 * below convert from the stored input to the output. target->is_whole must be true. */
struct part {
	double x, y;
};

struct part target_turn_point(const struct metadata_target *target, struct part point);
struct part target_turn_size(const struct metadata_target *target, struct part size);

/*
 * Make the metadata of an output: drop the fields that a recipe does not keep, and set the fields
 * that describe the file to the output's values.
 *
 * ret_metadata  the blocks of the output, and the mask of its losses. A block is empty if nothing
 *               of it is kept. The caller frees *ret_metadata with metadata_fini().
 * from          the blocks of the input. XMP may be UTF-8, UTF-16 or UTF-32; it becomes UTF-8.
 * keep          a mask of enum keep.
 *
 * Returns false if memory ran out; *ret_metadata is empty then. May be called by any thread.
 */
bool metadata_filter(struct metadata *ret_metadata, const struct metadata *from,
                     unsigned keep, const struct metadata_target *target);

#endif
