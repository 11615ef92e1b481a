/* Functions that walk over the boxes of a file. */
#include "image/metadata/boxes.h"

bool box_next(struct bytes boxes, size_t *at, struct box *ret_box)
{
	enum { HEAD_BYTES = 8, LONG_HEAD_BYTES = 16, LONG = 1 };
	struct bytes head = bytes_part(boxes, *at, HEAD_BYTES);
	uint64_t n = bytes_be32(head, 0);

	if (head.n == 0)
		return false;
	ret_box->n_head = HEAD_BYTES;
	if (n == LONG) {
		ret_box->n_head = LONG_HEAD_BYTES;
		n = bytes_number(boxes, *at + HEAD_BYTES, 8, true);
	}
	if (n == 0)
		n = boxes.n - *at;
	if (n < ret_box->n_head || n > boxes.n - *at)
		return false;
	ret_box->type = bytes_part(head, 4, 4);
	ret_box->all = bytes_part(boxes, *at, (size_t)n);
	ret_box->data = bytes_after(ret_box->all, ret_box->n_head);
	*at += (size_t)n;
	return true;
}

bool box_is(const struct box *box, const char *type)
{
	return bytes_equal(box->type, (struct bytes){(const uint8_t *)type, 4});
}

bool box_find(struct bytes boxes, const char *type, struct box *ret_box)
{
	for (size_t at = 0; box_next(boxes, &at, ret_box);) {
		if (box_is(ret_box, type))
			return true;
	}
	return false;
}

bool boxes_are_whole(struct bytes boxes)
{
	struct box box;
	size_t at = 0;

	while (box_next(boxes, &at, &box)) {
		if (bytes_be32(box.all, 0) == 0)
			return false;
	}
	return at == boxes.n;
}
