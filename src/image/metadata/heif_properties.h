/*
 * The properties of items in HEIC and AVIF (ISO 23008-12), such as the size of an item, its
 * rotation and the configuration of its decoder. The bytes are untrusted.
 */
#ifndef PXP_HEIF_PROPERTIES_H
#define PXP_HEIF_PROPERTIES_H

#include "image/metadata/boxes.h"

/* All properties of a file. `ipco` has one box for each property. `list` has, for each item, the
 * indices of its properties. */
struct heif_properties {
	struct bytes ipco, list;
	/* The sizes in bytes of an item's number and of a property's index. */
	unsigned n_id, n_index;
};

/* Find the properties. Returns false if the file has none. */
bool heif_find_properties(struct bytes file, struct heif_properties *ret_properties);

/* The maximum number of properties of one item. */
enum { HEIF_MAX_PROPERTIES = UINT8_MAX };

/* The properties of one item: n of them, in the order in which they apply. */
struct heif_item_properties {
	uint64_t id;
	struct bytes indices;
	size_t n;
};

/* Get the item at offset *at of the list, and move *at past the item. The first item is at
 * offset 0. Returns false at the end of the list. */
bool heif_next_item(const struct heif_properties *properties, size_t *at,
                    struct heif_item_properties *ret_item);

/* The boxes of an item's properties, in the order in which they apply. A box that the file does not
 * have is left out. */
struct heif_boxes {
	struct box at[HEIF_MAX_PROPERTIES];
	size_t n;
};

/* Get the boxes of an item. Walks over the boxes of properties->ipco only once, even if the item
 * names a box several times. */
void heif_item_boxes(const struct heif_properties *properties,
                     const struct heif_item_properties *item,
                     struct heif_boxes *ret_boxes);

/* Find the first item from which an item is derived. A grid, for example, is derived from its
 * tiles. Returns false if the item is not derived. */
bool heif_first_source(struct bytes file, uint64_t id, uint64_t *ret_source);

/* The first piece of an item's data. It is empty if the file does not have the item. */
struct bytes heif_item_data(struct bytes file, uint64_t id);

/* The facts about a picture that the header of its AV1 or HEVC stream states. */
struct heif_stream {
	/* The size of the coded picture. */
	uint32_t width, height;
	/* The members below are set. A HEVC stream may have no description of its colours. */
	bool has_colours;
	/* Code points of CICP. 2: not specified. */
	unsigned primaries, transfer;
	/* Samples have the limited range of television: 8-bit luma from 16 to 235. */
	bool has_limited_range;
};

/*
 * Read the stream of the primary item. A picture that is derived from other items, such as a grid,
 * has no stream. In this case the stream of the first of these items is read. The size in this
 * stream is not the size of the picture.
 *
 * Returns false if the stream is missing, malformed or of another kind.
 */
bool heif_read_stream(struct bytes file, uint64_t primary,
                      struct heif_stream *ret_stream);

#endif
