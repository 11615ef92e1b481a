/* Walks over the properties of items in HEIC and AVIF. */
#include "image/metadata/heif_properties.h"

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

bool heif_property(const struct heif_properties *properties,
                   const struct heif_item_properties *item, size_t i, struct box *ret_box)
{
	unsigned n_index = properties->n_index;
	uint64_t index = bytes_number(item->indices, i * n_index, n_index, true);
	size_t at = 0;

	/* The highest bit says that the property is essential. The index of the first property
	 * is 1. */
	index &= n_index == 1 ? 0x7f : 0x7fff;
	for (uint64_t k = 1; index > 0 && box_next(properties->ipco, &at, ret_box); k++) {
		if (k == index)
			return true;
	}
	return false;
}
