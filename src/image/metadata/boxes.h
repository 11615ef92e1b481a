/* Boxes of ISO 14496-12. A box is a length, a type and data. HEIC, AVIF, JPEG XL and JPEG 2000
 * files consist of boxes. */
#ifndef PXP_BOXES_H
#define PXP_BOXES_H

#include "image/metadata/bytes.h"

struct box {
	struct bytes all, type, data;
	size_t n_head;
};

/* Get the box at *at and move *at past it. Returns false if no box is there, or if the box extends
 * past the end of the bytes. A box with the length 0 extends to the end of the bytes. */
bool box_next(struct bytes boxes, size_t *at, struct box *ret_box);

bool box_is(const struct box *box, const char *type);

/* Find the first box of a type. */
bool box_find(struct bytes boxes, const char *type, struct box *ret_box);

/* Whether the bytes consist only of boxes that state their length. A box with the length 0 does not
 * state its length. */
bool boxes_are_whole(struct bytes boxes);

#endif
