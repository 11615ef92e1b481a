/*
 * The containers HEIC and AVIF (ISO 23008-12). A file consists of items, which the box "meta"
 * lists. EXIF is an item of type "Exif", and XMP is an item of type "mime". Both refer to the
 * primary item, the picture.
 *
 * Writing adds items. The box "meta" grows, so all bytes after "meta" move, and the offsets of all
 * items change. The bytes of the new items are in a new box at the end of the file.
 */
#include "image/metadata/containers.h"

#include "image/metadata/boxes.h"
#include "image/metadata/exif.h"
#include "image/metadata/heif_properties.h"

#include <string.h>

enum { MAX_ITEMS = 4096, MAX_EXTENTS = 64, MAX_DROPPED = 8 };

#define XMP_TYPE BYTES_OF("application/rdf+xml\0")

/* The box "meta", and the boxes in it that the functions below use. */
struct meta {
	struct bytes file;
	struct box all, iinf, iloc, iref, idat, pitm;
	/* The metadata items that the file already has. They are left out when the file is written
	 * again. */
	uint64_t dropped[MAX_DROPPED];
	size_t n_dropped;
};

static bool find_meta(struct bytes file, struct meta *ret_meta)
{
	static const struct {
		const char *type;
		size_t at;
	} parts[] = {
		{"iinf", offsetof(struct meta, iinf)},
		{"iloc", offsetof(struct meta, iloc)},
		{"iref", offsetof(struct meta, iref)},
		{"idat", offsetof(struct meta, idat)},
		{"pitm", offsetof(struct meta, pitm)},
	};
	struct bytes inside;
	struct box box;

	*ret_meta = (struct meta){.file = file};
	if (!box_find(file, "meta", &ret_meta->all))
		return false;
	inside = bytes_after(ret_meta->all.data, 4);
	for (size_t at = 0; box_next(inside, &at, &box);) {
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
			if (box_is(&box, parts[i].type))
				*(struct box *)((char *)ret_meta + parts[i].at) = box;
		}
	}
	return ret_meta->iinf.all.n > 0 && ret_meta->iloc.all.n > 0;
}

/*
 * ---- reading ----
 */

/* The header of the box "iloc", which has the locations of items. n_offset, n_length, n_base,
 * n_index and n_id are the sizes in bytes of the numbers in this file's entries. */
struct iloc {
	unsigned version, n_offset, n_length, n_base, n_index, n_id;
	size_t n_items;
	struct bytes entries;
};

static bool read_iloc(const struct box *box, struct iloc *ret_iloc)
{
	struct bytes data = box->data;
	uint32_t sizes = bytes_be16(data, 4);
	struct iloc iloc = {.version = (unsigned)bytes_number(data, 0, 1, true)};
	unsigned n_count = iloc.version < 2 ? 2 : 4;

	iloc.n_offset = sizes >> 12;
	iloc.n_length = sizes >> 8 & 15;
	iloc.n_base = sizes >> 4 & 15;
	iloc.n_index = iloc.version > 0 ? sizes & 15 : 0;
	iloc.n_id = n_count;
	iloc.n_items = (size_t)bytes_number(data, 6, n_count, true);
	iloc.entries = bytes_after(data, 6 + n_count);
	*ret_iloc = iloc;
	return iloc.version <= 2 && iloc.n_offset <= 8 && iloc.n_length <= 8 &&
	       iloc.n_base <= 8 && iloc.n_index <= 8 && iloc.n_items <= MAX_ITEMS;
}

/* The location of one item. next_place() reads the entry at *at of the box "iloc", and moves *at
 * past the entry. */
struct item_place {
	uint64_t id, method, base;
	size_t base_at; /* the offset in iloc->entries where `base` is stored */
	size_t extents_at, n_extents;
};

static bool next_place(const struct iloc *iloc, size_t *at, struct item_place *ret_place)
{
	struct bytes entries = iloc->entries;
	size_t n_method = iloc->version > 0 ? 2 : 0;
	size_t n_head = iloc->n_id + n_method + 2 + iloc->n_base + 2;
	size_t n_extent = iloc->n_index + iloc->n_offset + iloc->n_length;
	struct item_place place = {0};

	if (bytes_part(entries, *at, n_head).n == 0)
		return false;
	place.id = bytes_number(entries, *at, iloc->n_id, true);
	place.method = n_method ? bytes_be16(entries, *at + iloc->n_id) & 15 : 0;
	place.base_at = *at + iloc->n_id + n_method + 2;
	place.base = bytes_number(entries, place.base_at, iloc->n_base, true);
	place.n_extents = bytes_be16(entries, *at + n_head - 2);
	place.extents_at = *at + n_head;
	*at += n_head + place.n_extents * n_extent;
	*ret_place = place;
	return *at <= entries.n;
}

/* Append the bytes of an item to a block. An item consists of pieces, which are in the file or in
 * the box "idat". Returns false if the item has more than METADATA_MAX_BYTES. */
static bool read_item(const struct meta *meta, uint64_t id, struct block *to)
{
	struct iloc iloc;
	struct item_place place;
	size_t at = 0;

	if (!read_iloc(&meta->iloc, &iloc))
		return true;
	for (size_t i = 0; i < iloc.n_items && next_place(&iloc, &at, &place); i++) {
		size_t n_extent = iloc.n_index + iloc.n_offset + iloc.n_length;
		struct bytes from = place.method == 0 ? meta->file : meta->idat.data;

		if (place.id != id || place.method > 1 || place.n_extents > MAX_EXTENTS)
			continue;
		for (size_t k = 0; k < place.n_extents; k++) {
			size_t extent_at = place.extents_at + k * n_extent + iloc.n_index;
			uint64_t offset = place.base + bytes_number(iloc.entries,
			                                            extent_at,
			                                            iloc.n_offset, true);
			uint64_t n = bytes_number(iloc.entries, extent_at + iloc.n_offset,
			                          iloc.n_length, true);

			if (offset > from.n)
				return true;
			if (n > METADATA_MAX_BYTES - to->n)
				return false;
			block_add(to, bytes_part(from, (size_t)offset, (size_t)n));
		}
		return true;
	}
	return true;
}

struct bytes heif_item_data(struct bytes file, uint64_t id)
{
	const struct bytes none = {0};
	struct item_place place;
	struct meta meta;
	struct iloc iloc;
	size_t at = 0;

	if (!find_meta(file, &meta) || !read_iloc(&meta.iloc, &iloc))
		return none;
	for (size_t i = 0; i < iloc.n_items && next_place(&iloc, &at, &place); i++) {
		size_t extent_at = place.extents_at + iloc.n_index;
		struct bytes from = place.method == 0 ? file : meta.idat.data;
		uint64_t offset = place.base + bytes_number(iloc.entries, extent_at,
		                                            iloc.n_offset, true);
		uint64_t n = bytes_number(iloc.entries, extent_at + iloc.n_offset,
		                          iloc.n_length, true);

		if (place.id != id)
			continue;
		if (place.method > 1 || place.n_extents == 0 || offset > from.n)
			return none;
		/* A length of 0 means all bytes up to the end of the file or of the box "idat". */
		return n == 0 ? bytes_after(from, (size_t)offset)
		              : bytes_part(from, (size_t)offset, (size_t)n);
	}
	return none;
}

enum item_kind { ITEM_OTHER, ITEM_EXIF, ITEM_XMP };

/* Get the kind and the number of the item that an "infe" box describes. */
static enum item_kind kind_of(const struct box *infe, uint64_t *ret_id)
{
	unsigned version = (unsigned)bytes_number(infe->data, 0, 1, true);
	unsigned n_id = version == 2 ? 2 : 4;
	struct bytes type = bytes_part(infe->data, 4 + n_id + 2, 4);
	struct bytes rest = bytes_after(infe->data, 4 + n_id + 2 + 4);
	const uint8_t *name_end;

	if (version < 2 || version > 3)
		return ITEM_OTHER;
	*ret_id = bytes_number(infe->data, 4, n_id, true);
	if (bytes_equal(type, BYTES_OF("Exif")))
		return ITEM_EXIF;
	if (!bytes_equal(type, BYTES_OF("mime")) || rest.n == 0)
		return ITEM_OTHER;
	name_end = memchr(rest.at, 0, rest.n);
	if (!name_end)
		return ITEM_OTHER;
	rest = bytes_after(rest, (size_t)(name_end - rest.at) + 1);
	return bytes_begin_with(rest, XMP_TYPE) ? ITEM_XMP : ITEM_OTHER;
}

/* Get the "infe" boxes in the box "iinf". The header of "iinf" and the number of items precede
 * them. */
static struct bytes listed_items(const struct meta *meta)
{
	unsigned version = (unsigned)bytes_number(meta->iinf.data, 0, 1, true);

	return bytes_after(meta->iinf.data, version == 0 ? 6 : 8);
}

/* Take an EXIF item. An item begins with a number of 4 bytes: the distance from the end of this
 * number to the TIFF header. */
static void take_exif(struct metadata *metadata, struct bytes item)
{
	struct bytes exif_head = BYTES_OF("Exif\0\0");
	struct bytes exif = bytes_after(item, 4);

	exif = bytes_after(exif, bytes_be32(item, 0));
	if (bytes_begin_with(exif, exif_head))
		exif = bytes_after(exif, exif_head.n);
	metadata_take(metadata, &metadata->exif, exif);
}

/* Whether the file has a depth map as an auxiliary picture. */
static bool has_depth_map(const struct meta *meta)
{
	const struct bytes types[] = {
		BYTES_OF("urn:mpeg:hevc:2015:auxid:2\0"),
		BYTES_OF("urn:mpeg:mpegB:cicp:systems:auxiliary:depth\0")};

	return bytes_contain_any(meta->all.data, types, sizeof(types) / sizeof(types[0]));
}

/* Whether the file has a gain map as an auxiliary or derived picture. */
static bool has_gainmap(const struct meta *meta)
{
	const struct bytes words[] = {BYTES_OF("hdrgainmap"), BYTES_OF("tmap")};

	return bytes_contain_any(meta->all.data, words, sizeof(words) / sizeof(words[0]));
}

static void read_heif(struct metadata *metadata, struct bytes file)
{
	struct meta meta;
	struct box infe, video;
	size_t n_read = 0;

	if (!find_meta(file, &meta))
		return;
	if (has_gainmap(&meta))
		metadata->lost |= LOST_GAINMAP;
	if (has_depth_map(&meta))
		metadata->lost |= LOST_DEPTH;
	/* The box "mpvd" contains the video of a motion photo. */
	if (box_find(file, "mpvd", &video))
		metadata->lost |= LOST_VIDEO;
	for (size_t at = 0; box_next(listed_items(&meta), &at, &infe);) {
		struct block item = {0};
		uint64_t id = 0;
		enum item_kind kind = kind_of(&infe, &id);

		if (kind == ITEM_OTHER || ++n_read > 8)
			continue;
		if (!read_item(&meta, id, &item))
			metadata->lost |= kind == ITEM_EXIF ? LOST_EXIF : LOST_XMP;
		else if (kind == ITEM_EXIF && metadata->exif.n == 0)
			take_exif(metadata, block_bytes(&item));
		else if (kind == ITEM_XMP && metadata->xmp.n == 0)
			metadata_take(metadata, &metadata->xmp, block_bytes(&item));
		metadata->exif.has_failed |= item.has_failed;
		block_fini(&item);
	}
	metadata->density = exif_density(block_bytes(&metadata->exif));
}

/*
 * ---- writing ----
 */

struct new_item {
	uint64_t id;
	const char *type;
	struct bytes data;
};

static void end_box(struct block *to, size_t begin)
{
	if (!to->has_failed)
		block_set_number(to, begin, to->n - begin, 4, true);
}

/* Begin a box and return its offset, which end_box() needs to set the length. */
static size_t begin_box(struct block *to, const char *type)
{
	size_t begin = to->n;

	block_add_number(to, 0, 4, true);
	block_add_text(to, type);
	return begin;
}

static void add_infe(struct block *to, const struct new_item *item)
{
	enum { VERSION = 2 };
	size_t begin = begin_box(to, "infe");

	block_add_number(to, (uint64_t)VERSION << 24, 4, true);
	block_add_number(to, item->id, 2, true);
	block_add_number(to, 0, 2, true); /* the item is not protected */
	block_add_text(to, item->type);
	block_add_number(to, 0, 1, true); /* the name is empty */
	if (strcmp(item->type, "mime") == 0)
		block_add(to, XMP_TYPE);
	end_box(to, begin);
}

static void add_iinf(struct block *to, const struct meta *meta,
                     const struct new_item *items, size_t n)
{
	unsigned version = (unsigned)bytes_number(meta->iinf.data, 0, 1, true);
	unsigned n_count = version == 0 ? 2 : 4;
	size_t begin = begin_box(to, "iinf");
	struct box infe;

	block_add(to, bytes_part(meta->iinf.data, 0, 4));
	block_add_number(
		to, bytes_number(meta->iinf.data, 4, n_count, true) + n - meta->n_dropped,
		n_count, true);
	for (size_t at = 0; box_next(listed_items(meta), &at, &infe);) {
		uint64_t id = 0;

		if (kind_of(&infe, &id) == ITEM_OTHER)
			block_add(to, infe.all);
	}
	for (size_t i = 0; i < n; i++)
		add_infe(to, &items[i]);
	end_box(to, begin);
}

static bool is_dropped(const struct meta *meta, uint64_t id)
{
	for (size_t i = 0; i < meta->n_dropped; i++) {
		if (meta->dropped[i] == id)
			return true;
	}
	return false;
}

/* Write the references between items. A reference of type "cdsc" says that a new item describes the
 * primary item. */
static void add_iref(struct block *to, const struct meta *meta,
                     const struct new_item *items, size_t n)
{
	uint64_t primary = bytes_be16(meta->pitm.data, 4);
	size_t begin = begin_box(to, "iref");
	struct bytes references = bytes_after(meta->iref.data, 4);
	struct box box;

	block_add_number(to, 0, 4, true);
	for (size_t at = 0; box_next(references, &at, &box);) {
		if (!is_dropped(meta, bytes_be16(box.data, 0)))
			block_add(to, box.all);
	}
	for (size_t i = 0; i < n; i++) {
		size_t at = begin_box(to, "cdsc");

		block_add_number(to, items[i].id, 2, true);
		block_add_number(to, 1, 2, true);
		block_add_number(to, primary, 2, true);
		end_box(to, at);
	}
	end_box(to, begin);
}

/* Copy the entry that has the location of an item. The entry is between the offsets `begin` and
 * `end` of iloc->entries. If the item's bytes are in the file and not in "idat", `shift` is added
 * to the offsets in the copy. */
static void add_place(struct block *to, const struct iloc *iloc,
                      const struct item_place *place, size_t begin, size_t end,
                      uint64_t shift)
{
	size_t n_extent = iloc->n_index + iloc->n_offset + iloc->n_length;
	size_t copy_at = to->n;

	block_add(to, bytes_part(iloc->entries, begin, end - begin));
	if (to->has_failed || place->method != 0)
		return;
	if (iloc->n_base >= 4 && place->base > 0) {
		block_set_number(to, copy_at + place->base_at - begin,
		                 place->base + shift, iloc->n_base, true);
		return;
	}
	for (size_t i = 0; i < place->n_extents; i++) {
		size_t offset_at = place->extents_at + i * n_extent + iloc->n_index;
		uint64_t offset = bytes_number(iloc->entries, offset_at, iloc->n_offset,
		                               true);

		block_set_number(to, copy_at + offset_at - begin, offset + shift,
		                 iloc->n_offset, true);
	}
}

/* Write the locations of all items. `shift` is added to the offsets of the file's own items. The
 * first new item is at the offset `data_at`, and the next new item follows it. */
static bool add_iloc(struct block *to, const struct meta *meta, const struct iloc *iloc,
                     const struct new_item *items, size_t n, uint64_t shift,
                     uint64_t data_at)
{
	size_t begin = begin_box(to, "iloc"), at = 0;
	struct item_place place;

	block_add(to, bytes_part(meta->iloc.data, 0, 6));
	block_add_number(to, iloc->n_items + n - meta->n_dropped, iloc->n_id, true);
	for (size_t i = 0; i < iloc->n_items; i++) {
		size_t from = at;

		if (!next_place(iloc, &at, &place))
			return false;
		if (!is_dropped(meta, place.id))
			add_place(to, iloc, &place, from, at, shift);
	}
	for (size_t i = 0; i < n; i++) {
		block_add_number(to, items[i].id, iloc->n_id, true);
		block_add_number(to, 0, iloc->version > 0 ? 2 : 0, true);
		block_add_number(to, 0, 2, true); /* the item is in this file */
		block_add_number(to, 0, iloc->n_base, true);
		block_add_number(to, 1, 2, true);
		block_add_number(to, 0, iloc->n_index, true);
		block_add_number(to, data_at, iloc->n_offset, true);
		block_add_number(to, items[i].data.n, iloc->n_length, true);
		data_at += items[i].data.n;
	}
	end_box(to, begin);
	return true;
}

static bool add_meta(struct block *to, const struct meta *meta,
                     const struct new_item *items, size_t n, uint64_t shift,
                     uint64_t data_at)
{
	struct bytes inside = bytes_after(meta->all.data, 4);
	size_t begin = begin_box(to, "meta");
	struct iloc iloc;
	struct box box;

	if (!read_iloc(&meta->iloc, &iloc))
		return false;
	block_add(to, bytes_part(meta->all.data, 0, 4));
	for (size_t at = 0; box_next(inside, &at, &box);) {
		if (box_is(&box, "iinf")) {
			add_iinf(to, meta, items, n);
		} else if (box_is(&box, "iloc")) {
			if (!add_iloc(to, meta, &iloc, items, n, shift, data_at))
				return false;
		} else if (!box_is(&box, "iref")) {
			block_add(to, box.all);
		}
	}
	add_iref(to, meta, items, n);
	end_box(to, begin);
	return true;
}

/* Record the metadata items of the file in meta->dropped. Returns false if the file has too many of
 * them, or has one without a location. */
static bool find_dropped(struct meta *meta, const struct iloc *iloc)
{
	struct item_place place;
	struct box infe;
	size_t n_places = 0, place_at = 0;

	for (size_t at = 0; box_next(listed_items(meta), &at, &infe);) {
		uint64_t id = 0;

		if (kind_of(&infe, &id) == ITEM_OTHER)
			continue;
		if (meta->n_dropped == MAX_DROPPED || is_dropped(meta, id))
			return false;
		meta->dropped[meta->n_dropped++] = id;
	}
	for (size_t i = 0; i < iloc->n_items && next_place(iloc, &place_at, &place); i++)
		n_places += is_dropped(meta, place.id);
	return n_places == meta->n_dropped;
}

/* Whether this code can add items to the file. It supports only the layout that our encoders write:
 * all items are after the box "meta", and offsets and lengths have 4 bytes. *ret_max_id becomes the
 * largest item number. */
static bool is_writable(struct meta *meta, uint64_t *ret_max_id)
{
	size_t meta_end = (size_t)(meta->all.all.at - meta->file.at) + meta->all.all.n;
	struct iloc iloc;
	struct item_place place;
	size_t at = 0;

	if (!read_iloc(&meta->iloc, &iloc) || iloc.version > 1 || iloc.n_offset != 4 ||
	    iloc.n_length != 4 || (iloc.n_base != 0 && iloc.n_base != 4) ||
	    meta->all.n_head != 8 || bytes_number(meta->pitm.data, 0, 1, true) != 0 ||
	    meta->pitm.data.n < 6 || bytes_number(meta->iref.data, 0, 1, true) != 0)
		return false;
	*ret_max_id = 0;
	for (size_t i = 0; i < iloc.n_items; i++) {
		uint64_t offset;

		if (!next_place(&iloc, &at, &place))
			return false;
		*ret_max_id = place.id > *ret_max_id ? place.id : *ret_max_id;
		offset = place.base;
		if (place.base == 0 && place.n_extents > 0)
			offset = bytes_number(iloc.entries,
			                      place.extents_at + iloc.n_index,
			                      iloc.n_offset, true);
		if (place.method == 0 && place.n_extents > 0 && offset < meta_end)
			return false;
	}
	return *ret_max_id < UINT16_MAX - 2 && find_dropped(meta, &iloc);
}

/* Add padding after `n` bytes were replaced by `n_now` bytes. If `n_now` is smaller than `n`, a box
 * "free" is added, so that the file does not become shorter. */
static void add_padding(struct block *to, size_t n, size_t n_now)
{
	enum { HEAD_BYTES = 8 };
	size_t n_free = n > n_now ? n - n_now : 0, begin;

	if (n_free == 0)
		return;
	begin = begin_box(to, "free");
	for (; n_free > HEAD_BYTES; n_free--)
		block_add_number(to, 0, 1, true);
	end_box(to, begin);
}

/* Write the file in five parts: the bytes before "meta", the new "meta", the bytes after the old
 * "meta", the bytes of the new items, and padding if the file would otherwise become shorter. */
static bool add_items(struct splice *splice, const struct meta *meta,
                      const struct new_item *items, size_t n)
{
	size_t meta_at = (size_t)(meta->all.all.at - meta->file.at);
	size_t meta_end = meta_at + meta->all.all.n, n_meta, begin;
	struct block grown = {0};
	bool is_done;

	/* The first call of add_meta() only finds the length of the new "meta". */
	is_done = add_meta(&grown, meta, items, n, 0, 0);
	n_meta = grown.n;
	splice->head.has_failed |= grown.has_failed;
	block_fini(&grown);
	if (!is_done || meta->file.n > UINT32_MAX / 2)
		return false;
	block_add(&splice->head, bytes_part(meta->file, 0, meta_at));
	if (!add_meta(&splice->head, meta, items, n, n_meta - meta->all.all.n,
	              meta->file.n + n_meta - meta->all.all.n + 8))
		return false;
	splice->from = meta_end;
	begin = begin_box(&splice->tail, "mdat");
	for (size_t i = 0; i < n; i++)
		block_add(&splice->tail, items[i].data);
	end_box(&splice->tail, begin);
	add_padding(&splice->tail, meta->all.all.n, n_meta + splice->tail.n);
	return true;
}

static bool write_heif(struct splice *splice, struct bytes file,
                       const struct metadata *metadata, unsigned *lost)
{
	struct block exif = {0};
	struct new_item items[2];
	struct meta meta;
	uint64_t max_id;
	size_t n = 0;
	bool is_done;

	*lost |= metadata->iptc.n > 0 ? LOST_IPTC : 0U;
	*lost |= metadata->comment.n + metadata->png_text.n > 0 ? LOST_COMMENT : 0U;
	if (!find_meta(file, &meta) || !is_writable(&meta, &max_id) ||
	    !boxes_are_whole(file))
		return false;
	if (metadata->exif.n == 0 && metadata->xmp.n == 0 && meta.n_dropped == 0)
		return true; /* the file needs no change */
	if (metadata->exif.n > 0) {
		/* 0 means that the TIFF header follows this number directly */
		block_add_number(&exif, 0, 4, true);
		block_add(&exif, block_bytes(&metadata->exif));
		items[n++] = (struct new_item){++max_id, "Exif", block_bytes(&exif)};
	}
	if (metadata->xmp.n > 0)
		items[n++] = (struct new_item){++max_id, "mime",
		                               block_bytes(&metadata->xmp)};
	is_done = add_items(splice, &meta, items, n);
	splice->head.has_failed |= exif.has_failed;
	block_fini(&exif);
	return is_done;
}

const struct container container_heif = {.read = read_heif, .write = write_heif};
