/* Walks over the properties of items in HEIC and AVIF. */
#include "image/metadata/heif_properties.h"

/* Cut off the bytes after the first n_items items of the list. */
static void cut_list(struct heif_properties *properties, uint32_t n_items)
{
	struct heif_item_properties item;
	size_t at = 0;

	for (; n_items > 0 && heif_next_item(properties, &at, &item); n_items--)
		;
	if (at < properties->list.n)
		properties->list.n = at;
}

bool heif_find_properties(struct bytes file, struct heif_properties *ret_properties)
{
	struct box meta, iprp, ipco, ipma;
	unsigned version;

	if (!box_find(file, "meta", &meta) ||
	    !box_find(bytes_after(meta.data, 4), "iprp", &iprp) ||
	    !box_find(iprp.data, "ipco", &ipco) || !box_find(iprp.data, "ipma", &ipma))
		return false;
	version = (unsigned)bytes_number(ipma.data, 0, 1, true);
	*ret_properties = (struct heif_properties){
		.ipco = ipco.data,
		.list = bytes_after(ipma.data, 8),
		.n_id = version == 0 ? 2 : 4,
		.n_index = bytes_number(ipma.data, 3, 1, true) & 1 ? 2 : 1,
	};
	cut_list(ret_properties, bytes_be32(ipma.data, 4));
	return true;
}

bool heif_next_item(const struct heif_properties *properties, size_t *at,
                    struct heif_item_properties *ret_item)
{
	struct bytes list = properties->list;
	unsigned n_id = properties->n_id;

	if (bytes_part(list, *at, n_id + 1).n == 0)
		return false;
	ret_item->id = bytes_number(list, *at, n_id, true);
	ret_item->n = (size_t)bytes_number(list, *at + n_id, 1, true);
	ret_item->indices = bytes_after(list, *at + n_id + 1);
	*at += n_id + 1 + ret_item->n * properties->n_index;
	return true;
}

void heif_item_boxes(const struct heif_properties *properties,
                     const struct heif_item_properties *item,
                     struct heif_boxes *ret_boxes)
{
	struct box found[HEIF_MAX_PROPERTIES], box;
	uint16_t indices[HEIF_MAX_PROPERTIES];
	unsigned n_index = properties->n_index, last = 0;
	size_t at = 0;

	for (size_t i = 0; i < item->n; i++) {
		uint64_t index = bytes_number(item->indices, i * n_index, n_index, true);

		/* The highest bit says that the property is essential. */
		indices[i] = (uint16_t)(index & (n_index == 1 ? 0x7f : 0x7fff));
		last = indices[i] > last ? indices[i] : last;
		found[i] = (struct box){0};
	}
	/* The index of the first property is 1. */
	for (unsigned k = 1; k <= last && box_next(properties->ipco, &at, &box); k++) {
		for (size_t i = 0; i < item->n; i++) {
			if (indices[i] == k)
				found[i] = box;
		}
	}
	ret_boxes->n = 0;
	for (size_t i = 0; i < item->n; i++) {
		if (found[i].all.n > 0)
			ret_boxes->at[ret_boxes->n++] = found[i];
	}
}

bool heif_first_source(struct bytes file, uint64_t id, uint64_t *ret_source)
{
	struct box meta, iref, box;
	struct bytes references;
	unsigned n_id;

	if (!box_find(file, "meta", &meta) ||
	    !box_find(bytes_after(meta.data, 4), "iref", &iref))
		return false;
	n_id = bytes_number(iref.data, 0, 1, true) == 0 ? 2 : 4;
	references = bytes_after(iref.data, 4);
	/* A reference has the number of the derived item, a count of sources and their numbers. */
	for (size_t at = 0; box_next(references, &at, &box);) {
		if (!box_is(&box, "dimg") ||
		    bytes_number(box.data, 0, n_id, true) != id ||
		    bytes_be16(box.data, n_id) == 0)
			continue;
		*ret_source = bytes_number(box.data, n_id + 2, n_id, true);
		return true;
	}
	return false;
}
