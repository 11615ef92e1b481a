/* Scans JPEG, PNG, WebP, GIF and TIFF files for facts that decoders do not report. */
#include "image/header/metadata_scan.h"

#include <string.h>

static uint32_t big_endian(const uint8_t *at, unsigned n)
{
	uint32_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 | at[i];
	return number;
}

static bool begins_with(const uint8_t *bytes, size_t n, const char *prefix,
                        size_t n_prefix)
{
	return n >= n_prefix && memcmp(bytes, prefix, n_prefix) == 0;
}

#define BEGINS(bytes, n, literal)                                                        \
	begins_with((bytes), (n), (literal), sizeof(literal) - 1)

static uint64_t in_order(bool is_big_endian, const uint8_t *at, unsigned n)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < n; i++)
		number = number << 8 | at[is_big_endian ? i : n - 1 - i];
	return number;
}

/* The layout of a TIFF: the offset and the size of the pointer to the first directory (first_at,
 * n_first), the size of a directory's count (n_count), the size of an entry, and the offset of the
 * value in an entry (value_at). */
static const struct tiff_shape {
	unsigned first_at, n_first, n_count, entry, value_at;
} classic_tiff = {4, 4, 2, 12, 8}, big_tiff = {8, 8, 8, 20, 12};

unsigned tiff_short(const uint8_t *tiff, size_t n, unsigned tag, unsigned otherwise)
{
	enum { TYPE_SHORT = 3 };
	bool is_wide = BEGINS(tiff, n, "MM\0+") || BEGINS(tiff, n, "II+\0");
	bool is_big = BEGINS(tiff, n, "MM");
	const struct tiff_shape *shape = is_wide ? &big_tiff : &classic_tiff;
	uint64_t at, n_entries;

	if (!is_wide && !BEGINS(tiff, n, "MM\0*") && !BEGINS(tiff, n, "II*\0"))
		return otherwise;
	if (n < shape->first_at + shape->n_first)
		return otherwise;
	at = in_order(is_big, tiff + shape->first_at, shape->n_first);
	if (at > n - shape->n_count)
		return otherwise;
	n_entries = in_order(is_big, tiff + at, shape->n_count);
	at += shape->n_count;
	for (; n_entries > 0 && n - at >= shape->entry; n_entries--, at += shape->entry) {
		const uint8_t *entry = tiff + at;

		if (in_order(is_big, entry, 2) != tag)
			continue;
		if (in_order(is_big, entry + 2, 2) != TYPE_SHORT ||
		    in_order(is_big, entry + 4, shape->value_at - 4) != 1)
			return otherwise;
		return (unsigned)in_order(is_big, entry + shape->value_at, 2);
	}
	return otherwise;
}

/* A TIFF that is being read. */
struct tiff {
	const uint8_t *bytes;
	size_t n;
	bool is_big_endian;
	const struct tiff_shape *shape;
	/* The number of values that may still be read. The initial budget is the number of bytes of
	 * the file, because valid files do not have more values than bytes. The budget ends a
	 * circular chain of directories. */
	uint64_t n_budget;
};

/* A directory (IFD) of a TIFF file. */
struct tiff_directory {
	const uint8_t *entries;
	uint64_t n_entries;
	uint64_t next; /* the offset of the next directory; 0: this is the last one */
};

static uint64_t tiff_number(const struct tiff *tiff, const uint8_t *at, unsigned n)
{
	return in_order(tiff->is_big_endian, at, n);
}

static bool read_directory(struct tiff_directory *ret_directory, struct tiff *tiff,
                           uint64_t at)
{
	const struct tiff_shape *shape = tiff->shape;
	size_t n = tiff->n;
	uint64_t n_entries, end;

	if (at > n || n - at < shape->n_count)
		return false;
	n_entries = tiff_number(tiff, tiff->bytes + at, shape->n_count);
	if (n_entries > (n - at) / shape->entry)
		return false;
	end = at + shape->n_count + n_entries * shape->entry;
	if (end > n || n - end < shape->n_first)
		return false;
	/* An empty directory counts as one value, so that a circular chain of empty directories
	 * ends too. */
	tiff->n_budget -= n_entries < tiff->n_budget ? n_entries + 1 : tiff->n_budget;
	*ret_directory = (struct tiff_directory){
		.entries = tiff->bytes + at + shape->n_count,
		.n_entries = n_entries,
		.next = tiff_number(tiff, tiff->bytes + end, shape->n_first),
	};
	return true;
}

static const uint8_t *find_entry(const struct tiff *tiff,
                                 const struct tiff_directory *directory, unsigned tag)
{
	for (uint64_t i = 0; i < directory->n_entries; i++) {
		const uint8_t *entry = directory->entries + i * tiff->shape->entry;

		if (tiff_number(tiff, entry, 2) == tag)
			return entry;
	}
	return NULL;
}

/* The size of one value of an entry: 1 byte for BYTE, 2 for SHORT, 4 for LONG, 8 for LONG8 of
 * BigTIFF. 0: any other type. */
static unsigned value_bytes(const struct tiff *tiff, const uint8_t *entry)
{
	switch (tiff_number(tiff, entry + 2, 2)) {
	case 1:
		return 1;
	case 3:
		return 2;
	case 4:
		return 4;
	case 16:
		return 8;
	default:
		return 0;
	}
}

/* Read value i of an entry. Returns `otherwise` if entry is NULL, or if the entry has no value
 * i. */
static uint64_t entry_value(const struct tiff *tiff, const uint8_t *entry, uint64_t i,
                            uint64_t otherwise)
{
	unsigned n_room = tiff->shape->n_first, n_value;
	uint64_t n_values, at;

	if (!entry)
		return otherwise;
	n_value = value_bytes(tiff, entry);
	n_values = tiff_number(tiff, entry + 4, tiff->shape->value_at - 4);
	if (n_value == 0 || i >= n_values)
		return otherwise;
	entry += tiff->shape->value_at;
	if (n_values <= n_room / n_value)
		return tiff_number(tiff, entry + i * n_value, n_value);
	at = tiff_number(tiff, entry, n_room);
	if (at > tiff->n || (tiff->n - at) / n_value <= i)
		return otherwise;
	return tiff_number(tiff, tiff->bytes + at + i * n_value, n_value);
}

/* Whether a directory is a page, that is, neither a preview nor a mask. */
static bool is_page(const struct tiff *tiff, const struct tiff_directory *directory)
{
	enum { NEW_KIND = 254, OLD_KIND = 255, PREVIEW = 1, MASK = 4, OLD_PREVIEW = 2 };
	const uint8_t *new = find_entry(tiff, directory, NEW_KIND);
	const uint8_t *old = find_entry(tiff, directory, OLD_KIND);

	if (new)
		return (entry_value(tiff, new, 0, 0) & (PREVIEW | MASK)) == 0;
	return entry_value(tiff, old, 0, 0) != OLD_PREVIEW;
}

/* The strips of a directory, or its tiles. If the directory has neither, `places` is NULL. */
struct tiff_strips {
	/* `places` is the entry with the offsets of the strips, `lengths` the entry with their
	 * lengths. */
	const uint8_t *places, *lengths;
	uint64_t n;
};

static struct tiff_strips find_strips(const struct tiff *tiff,
                                      const struct tiff_directory *directory)
{
	enum { STRIPS = 273, STRIP_BYTES = 279, TILES = 324 };
	struct tiff_strips strips = {find_entry(tiff, directory, STRIPS), NULL, 0};
	bool are_tiles = !strips.places;

	if (are_tiles)
		strips.places = find_entry(tiff, directory, TILES);
	if (!strips.places || value_bytes(tiff, strips.places) == 0)
		return (struct tiff_strips){0};
	strips.lengths = find_entry(tiff, directory, are_tiles ? TILES + 1 : STRIP_BYTES);
	strips.n = tiff_number(tiff, strips.places + 4, tiff->shape->value_at - 4);
	return strips;
}

static uint64_t compression_of(const struct tiff *tiff,
                               const struct tiff_directory *directory)
{
	enum { COMPRESSION = 259, NOT_COMPRESSED = 1 };

	return entry_value(tiff, find_entry(tiff, directory, COMPRESSION), 0,
	                   NOT_COMPRESSED);
}

/* Whether a directory has a strip or a tile beyond the end of the file. For uncompressed strips and
 * tiles only the beginning is checked, because files often give a wrong length for them. */
static bool is_cut(struct tiff *tiff, const struct tiff_directory *directory)
{
	struct tiff_strips strips = find_strips(tiff, directory);
	bool is_packed = compression_of(tiff, directory) > 1;
	uint64_t at, length;

	for (uint64_t i = 0; i < strips.n && tiff->n_budget > 0; i++, tiff->n_budget--) {
		at = entry_value(tiff, strips.places, i, UINT64_MAX);
		length = entry_value(tiff, strips.lengths, i, 1);
		if (length == 0)
			continue;
		if (at >= tiff->n || (is_packed && length > tiff->n - at))
			return true;
	}
	return false;
}

/* The size of one value of an entry, whatever its type is. 0: the type is unknown. */
static unsigned any_value_bytes(const struct tiff *tiff, const uint8_t *entry)
{
	static const uint8_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4,
	                                8, 4, 8, 4, 0, 0, 8, 8, 8};
	uint64_t type = tiff_number(tiff, entry + 2, 2);

	return type < sizeof(sizes) ? sizes[type] : 0;
}

/* Whether a tag that determines the colours has values beyond the end of the file. libtiff ignores
 * such a tag. For example, if it ignores the palette, it shows the indices as grey. */
static bool lacks_colours(const struct tiff *tiff, const struct tiff_directory *directory)
{
	enum { PALETTE = 320, EXTRA_SAMPLES = 338, PROFILE = 34675 };
	static const uint16_t tags[] = {PALETTE, EXTRA_SAMPLES, PROFILE};
	unsigned n_room = tiff->shape->n_first;

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		const uint8_t *entry = find_entry(tiff, directory, tags[i]);
		unsigned n_value = entry ? any_value_bytes(tiff, entry) : 0;
		uint64_t n_values, at;

		if (n_value == 0)
			continue;
		n_values = tiff_number(tiff, entry + 4, tiff->shape->value_at - 4);
		at = tiff_number(tiff, entry + tiff->shape->value_at, n_room);
		if (n_values > n_room / n_value &&
		    (at > tiff->n || n_values > (tiff->n - at) / n_value))
			return true;
	}
	return false;
}

/* Find from the entries of a TIFF directory which samples each pixel has. A sample beyond the
 * colours is alpha only if the file declares it as alpha. */
static void find_samples(const struct tiff *tiff, const struct tiff_directory *directory,
                         struct tiff_samples *ret_samples)
{
	enum { PHOTOMETRIC = 262, N_SAMPLES = 277, PLANES = 284, EXTRA_SAMPLES = 338 };
	enum { ASSOCIATED = 1, UNASSOCIATED = 2, IN_PLANES = 2, PALETTE = 3 };
	static const uint8_t n_colours[] = {1, 1, 3, 1, 1, 4, 3, 0, 3, 3};
	const uint8_t *extras = find_entry(tiff, directory, EXTRA_SAMPLES);
	uint64_t kind = entry_value(tiff, find_entry(tiff, directory, PHOTOMETRIC), 0,
	                            sizeof(n_colours));
	uint64_t n_samples = entry_value(tiff, find_entry(tiff, directory, N_SAMPLES), 0,
	                                 1);

	*ret_samples = (struct tiff_samples){.has_palette = kind == PALETTE};
	if (kind < sizeof(n_colours))
		ret_samples->n_colours = n_colours[kind];
	if (n_samples > ret_samples->n_colours && n_samples <= UINT16_MAX)
		ret_samples->n_extra = (uint32_t)n_samples - ret_samples->n_colours;
	ret_samples->is_grey_in_planes =
		ret_samples->n_colours == 1 && ret_samples->n_extra > 0 &&
		entry_value(tiff, find_entry(tiff, directory, PLANES), 0, 1) == IN_PLANES;
	for (uint32_t i = 0; ret_samples->n_colours > 0; i++) {
		uint64_t use = entry_value(tiff, extras, i, UINT64_MAX);

		if (use == ASSOCIATED || use == UNASSOCIATED)
			ret_samples->alpha = ret_samples->n_colours + i;
		if (use == UINT64_MAX || ret_samples->alpha > 0)
			break;
	}
}

static struct tiff open_tiff(const uint8_t *bytes, size_t n)
{
	bool is_wide = BEGINS(bytes, n, "MM\0+") || BEGINS(bytes, n, "II+\0");

	return (struct tiff){bytes, n, n > 0 && bytes[0] == 'M',
	                     is_wide ? &big_tiff : &classic_tiff, n};
}

/* The offset of the first directory. 0: the file has none. */
static uint64_t first_directory(const struct tiff *tiff)
{
	const struct tiff_shape *shape = tiff->shape;

	return tiff->n < 16
	               ? 0
	               : tiff_number(tiff, tiff->bytes + shape->first_at, shape->n_first);
}

void tiff_find_pages(const uint8_t *bytes, size_t n, struct tiff_pages *ret_pages)
{
	struct tiff_pages pages = {.are_adjacent = true, .is_whole = true};
	struct tiff tiff = open_tiff(bytes, n);
	struct tiff_directory directory = {.next = first_directory(&tiff)};

	for (uint32_t i = 0; directory.next > 0 && tiff.n_budget > 0; i++) {
		if (!read_directory(&directory, &tiff, directory.next)) {
			pages.is_whole = false;
			break;
		}
		if (pages.n_directories++ == 0)
			find_samples(&tiff, &directory, &pages.samples);
		if (!is_page(&tiff, &directory))
			continue;
		pages.is_whole &= !lacks_colours(&tiff, &directory);
		if (pages.n == 0) {
			pages.first = i;
			find_samples(&tiff, &directory, &pages.samples);
		} else if (is_cut(&tiff, &directory)) {
			pages.is_whole = false;
		}
		pages.are_adjacent &= i == pages.first + pages.n;
		pages.n++;
	}
	pages.n += pages.n == 0;
	*ret_pages = pages;
}

/* The larger one of two sides, which are the values of `tag` and `other_tag`. */
static uint64_t longer_side(const struct tiff *tiff,
                            const struct tiff_directory *directory, unsigned tag,
                            unsigned other_tag)
{
	uint64_t side = entry_value(tiff, find_entry(tiff, directory, tag), 0, 0);
	uint64_t other = entry_value(tiff, find_entry(tiff, directory, other_tag), 0, 0);

	side = side > other ? side : other;
	return side < UINT32_MAX ? side : UINT32_MAX;
}

/* The number of pixels of a directory. A picture that is smaller than its tiles counts as one
 * tile. */
static uint64_t count_pixels(const struct tiff *tiff,
                             const struct tiff_directory *directory)
{
	enum { WIDTH = 256, HEIGHT = 257, TILE_WIDTH = 322, TILE_HEIGHT = 323 };

	return longer_side(tiff, directory, WIDTH, TILE_WIDTH) *
	       longer_side(tiff, directory, HEIGHT, TILE_HEIGHT);
}

/* Visit the strips of a directory. `index` is the index of this directory. */
static bool visit_strips(struct tiff *tiff, const struct tiff_directory *directory,
                         uint32_t index,
                         bool (*visit)(void *data, const struct tiff_strip *strip),
                         void *data)
{
	struct tiff_strip strip = {.directory = index,
	                           .n_pixels = count_pixels(tiff, directory)};
	struct tiff_strips strips = find_strips(tiff, directory);
	uint64_t at, length;

	for (uint64_t i = 0; i < strips.n && tiff->n_budget > 0; i++, tiff->n_budget--) {
		at = entry_value(tiff, strips.places, i, UINT64_MAX);
		length = entry_value(tiff, strips.lengths, i, 0);
		if (length == 0 || at >= tiff->n || length > tiff->n - at)
			continue;
		strip.bytes = tiff->bytes + at;
		strip.n = (size_t)length;
		if (!visit(data, &strip))
			return false;
	}
	return true;
}

bool tiff_visit_deflated(const uint8_t *bytes, size_t n, struct tiff_range range,
                         bool (*visit)(void *data, const struct tiff_strip *strip),
                         void *data)
{
	enum { DEFLATE = 8, OLD_DEFLATE = 32946 };
	struct tiff tiff = open_tiff(bytes, n);
	struct tiff_directory directory = {.next = first_directory(&tiff)};
	uint64_t compression;

	for (uint32_t i = 0; directory.next > 0 && tiff.n_budget > 0; i++) {
		if (!read_directory(&directory, &tiff, directory.next))
			break;
		compression = compression_of(&tiff, &directory);
		if (i < range.first || i - range.first >= range.n ||
		    (compression != DEFLATE && compression != OLD_DEFLATE))
			continue;
		if (!visit_strips(&tiff, &directory, i, visit, data))
			return false;
	}
	return true;
}

unsigned exif_orientation(const uint8_t *tiff, size_t n)
{
	enum { TAG_ORIENTATION = 0x112 };
	unsigned value = tiff_short(tiff, n, TAG_ORIENTATION, 1);

	return value >= 1 && value <= 8 ? value : 1;
}

/* Check Huffman tables. A table has 16 counts and then at most 256 symbols. If the sum of the
 * counts is greater than 256, stb_image 2.27 writes past the end of its arrays. */
static bool tables_are_sane(const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		size_t n_codes = 0;

		if (n < 17)
			return false;
		for (int length = 1; length <= 16; length++)
			n_codes += bytes[length];
		if (n_codes > 256 || n_codes > n - 17)
			return false;
		bytes += 17 + n_codes;
		n -= 17 + n_codes;
	}
	return true;
}

static void take_icc(struct metadata_scan *scan, const uint8_t *bytes, size_t n)
{
	bool is_whole = bytes[12] == 1 && bytes[13] == 1;

	scan->has_profile = true;
	scan->colours = COLOUR_CHUNK_PROFILE;
	scan->profile = is_whole ? bytes + 14 : NULL;
	scan->n_profile = is_whole ? n - 14 : 0;
}

/* Which coefficients of a JPEG are complete. A coefficient is complete when the scans have sent all
 * its bits. */
struct jpeg_scans {
	unsigned n_components;
	uint8_t ids[4];
	/* One mask for each component. Bit k is set if a scan sent the lowest bit of coefficient
	 * k. */
	uint64_t coefficients[4];
};

static void note_frame(struct jpeg_scans *scans, const uint8_t *bytes, size_t n)
{
	*scans = (struct jpeg_scans){0};
	if (bytes[5] > 4 || n < 6 + 3 * (size_t)bytes[5])
		return;
	scans->n_components = bytes[5];
	for (size_t i = 0; i < scans->n_components; i++)
		scans->ids[i] = bytes[6 + 3 * i];
}

/* Read the header of a scan: its components, and the first and the last coefficient that it sends.
 * The function ignores a scan that does not send the lowest bit of its coefficients. */
static void note_scan(struct jpeg_scans *scans, const uint8_t *bytes, size_t n)
{
	size_t n_components = n > 0 ? bytes[0] : 0, at = 1 + 2 * n_components;

	if (n < at + 3 || bytes[at] > bytes[at + 1] || bytes[at + 1] > 63 ||
	    (bytes[at + 2] & 15) != 0)
		return;
	for (size_t i = 0; i < n_components; i++) {
		for (size_t k = 0; k < scans->n_components; k++) {
			for (unsigned c = bytes[at]; c <= bytes[at + 1]; c++) {
				if (scans->ids[k] == bytes[1 + 2 * i])
					scans->coefficients[k] |= (uint64_t)1 << c;
			}
		}
	}
}

static bool has_all_scans(const struct jpeg_scans *scans)
{
	for (unsigned i = 0; i < scans->n_components; i++) {
		if (scans->coefficients[i] != UINT64_MAX)
			return false;
	}
	return scans->n_components > 0;
}

/* Read a marker segment. Its length field is not part of the n bytes. */
static void take_segment(struct metadata_scan *scan, struct jpeg_scans *scans,
                         uint8_t marker, const uint8_t *bytes, size_t n)
{
	bool is_frame = marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 &&
	                marker != 0xc8 && marker != 0xcc;

	if (marker == 0xe1 && BEGINS(bytes, n, "Exif\0\0")) {
		scan->has_exif = true;
		if (scan->orientation == 1)
			scan->orientation = exif_orientation(bytes + 6, n - 6);
	} else if (marker == 0xe1 && BEGINS(bytes, n, "http://ns.adobe.com/xap/")) {
		scan->has_xmp = true;
	} else if (marker == 0xed && BEGINS(bytes, n, "Photoshop 3.0\0")) {
		scan->has_iptc = true;
	} else if (marker == 0xe2 && BEGINS(bytes, n, "ICC_PROFILE\0") && n >= 14) {
		take_icc(scan, bytes, n);
	} else if (marker == 0xc4 && !tables_are_sane(bytes, n)) {
		scan->has_bad_table = true;
	} else if (is_frame && n >= 6 && !scan->process) {
		scan->process = marker;
		scan->n_components = bytes[5];
		note_frame(scans, bytes, n);
	} else if (marker == 0xda) {
		note_scan(scans, bytes, n);
	}
}

/* Skip the data of a scan, which begin at offset `at`. Returns the offset of the next marker that
 * is not a restart marker. Returns n if the file has no such marker. */
static size_t skip_scan(const uint8_t *bytes, size_t n, size_t at)
{
	while (at < n) {
		const uint8_t *found = memchr(bytes + at, 0xff, n - at);

		if (!found || found + 1 >= bytes + n)
			return n;
		if (found[1] != 0 && (found[1] < 0xd0 || found[1] > 0xd7))
			return (size_t)(found - bytes);
		at = (size_t)(found - bytes) + 2;
	}
	return n;
}

void metadata_scan_jpeg(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n)
{
	struct jpeg_scans scans = {0};
	size_t at = 2;
	bool has_scan = false;

	*ret_scan = (struct metadata_scan){.orientation = 1};
	while (at < n && n - at >= 2 && bytes[at] == 0xff) {
		uint8_t marker = bytes[at + 1];
		size_t n_segment;

		if (marker == 0xff) { /* fill byte */
			at++;
			continue;
		}
		if (marker == 0xd9) {
			ret_scan->is_whole = has_scan;
			return;
		}
		n_segment = n - at < 4 ? SIZE_MAX : big_endian(bytes + at + 2, 2);
		if (n_segment < 2)
			return;
		if (n_segment > n - at - 2) { /* the file is truncated */
			ret_scan->lacks_end = true;
			return;
		}
		take_segment(ret_scan, &scans, marker, bytes + at + 4, n_segment - 2);
		at += 2 + n_segment;
		if (marker == 0xda) {
			has_scan = true;
			at = skip_scan(bytes, n, at);
		}
	}
	ret_scan->lacks_end = n - at < 2 || at >= n;
	ret_scan->has_all_scans = ret_scan->lacks_end && has_all_scans(&scans);
}

/* The sampling factors of the first component, divided by those of the second. `frame` points to a
 * frame header, after its length field. */
static struct chroma_ratio ratio_of_frame(const uint8_t *frame, size_t n)
{
	enum { N_COMPONENTS_AT = 5, FACTORS_AT = 7, COMPONENT_BYTES = 3 };
	unsigned luma, chroma;

	if (n < FACTORS_AT + COMPONENT_BYTES + 1 || frame[N_COMPONENTS_AT] != 3)
		return (struct chroma_ratio){1, 1};
	luma = frame[FACTORS_AT];
	chroma = frame[FACTORS_AT + COMPONENT_BYTES];
	if (!(chroma >> 4) || !(chroma & 15) || luma >> 4 > 4 || (luma & 15) > 4)
		return (struct chroma_ratio){1, 1};
	return (struct chroma_ratio){(luma >> 4) / (chroma >> 4),
	                             (luma & 15) / (chroma & 15)};
}

struct chroma_ratio jpeg_chroma_ratio(const uint8_t *bytes, size_t n)
{
	struct chroma_ratio ratio = {1, 1};
	size_t at = 2;

	while (at < n && n - at >= 4 && bytes[at] == 0xff) {
		uint8_t marker = bytes[at + 1];
		size_t n_segment = big_endian(bytes + at + 2, 2);

		if (marker == 0xff) {
			at++;
			continue;
		}
		if (n_segment < 2 || n_segment > n - at - 2 || marker == 0xda)
			break;
		if (marker >= 0xc0 && marker <= 0xc2) {
			ratio = ratio_of_frame(bytes + at + 4, n_segment - 2);
			break;
		}
		at += 2 + n_segment;
	}
	/* If chroma has more samples than luma, the integer division has given a ratio of 0. Such a
	 * ratio is replaced by 1. */
	ratio.across += ratio.across == 0;
	ratio.down += ratio.down == 0;
	return ratio;
}

static void take_profile(struct metadata_scan *scan, const uint8_t *bytes, size_t n)
{
	const uint8_t *name_end = memchr(bytes, 0, n < 80 ? n : 80);

	scan->has_profile = true;
	/* The chunk consists of a name with a zero byte at its end, a byte for the compression
	 * method (always 0), and compressed bytes. */
	if (!name_end || (size_t)(name_end - bytes) + 2 > n || name_end[1] != 0)
		return;
	scan->profile = name_end + 2;
	scan->n_profile = n - (size_t)(scan->profile - bytes);
	scan->profile_is_deflated = true;
}

/* Whether a PNG has the chunk cICP, and whether it has the chunk sRGB. The other chunks for colours
 * are recorded in struct metadata_scan. */
struct colour_chunks {
	bool has_cicp, has_srgb;
};

static void take_colour_chunk(struct metadata_scan *scan, struct colour_chunks *chunks,
                              const uint8_t *type, size_t n)
{
	const uint8_t *data = type + 4;

	if (memcmp(type, "cICP", 4) == 0 && n >= 4) {
		chunks->has_cicp = true;
		scan->primaries = data[0];
		scan->transfer = data[1];
	} else if (memcmp(type, "sRGB", 4) == 0) {
		chunks->has_srgb = true;
	} else if (memcmp(type, "gAMA", 4) == 0 && n >= 4) {
		scan->gamma = big_endian(data, 4);
	} else if (memcmp(type, "cHRM", 4) == 0 && n >= 32) {
		scan->has_chromaticities = true;
		for (unsigned i = 0; i < 8; i++)
			scan->chromaticities[i] = big_endian(data + 4 * (size_t)i, 4);
	}
}

static bool is_within(uint32_t value, uint32_t wanted, uint32_t tolerance)
{
	return value <= wanted + tolerance && value + tolerance >= wanted;
}

/* Whether gAMA, and cHRM if it is present, have the values that encoders write together with
 * sRGB. */
static bool gamma_is_srgb(const struct metadata_scan *scan)
{
	static const uint32_t srgb[] = {31270, 32900, 64000, 33000,
	                                30000, 60000, 15000, 6000};

	if (!is_within(scan->gamma, 45455, 200))
		return false;
	for (unsigned i = 0; i < 8 && scan->has_chromaticities; i++) {
		if (!is_within(scan->chromaticities[i], srgb[i], 200))
			return false;
	}
	return true;
}

static enum colour_chunk colours_of(const struct metadata_scan *scan,
                                    const struct colour_chunks *chunks)
{
	enum { BT_709 = 1, SRGB = 13 };

	if (chunks->has_cicp)
		return scan->primaries == BT_709 && scan->transfer == SRGB
		               ? COLOUR_CHUNK_NONE
		               : COLOUR_CHUNK_CICP;
	if (scan->has_profile)
		return COLOUR_CHUNK_PROFILE;
	if (chunks->has_srgb || scan->gamma == 0 || gamma_is_srgb(scan))
		return COLOUR_CHUNK_NONE;
	return COLOUR_CHUNK_GAMMA;
}

void metadata_scan_png(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n)
{
	struct colour_chunks chunks = {0};
	size_t at = 8;

	*ret_scan = (struct metadata_scan){.orientation = 1, .is_whole = true};
	while (at < n && n - at >= 12) {
		size_t n_chunk = big_endian(bytes + at, 4);
		const uint8_t *type = bytes + at + 4;

		if (n_chunk > n - at - 12 || memcmp(type, "IEND", 4) == 0)
			break;
		if (memcmp(type, "eXIf", 4) == 0) {
			ret_scan->has_exif = true;
			ret_scan->orientation = exif_orientation(type + 4, n_chunk);
		} else if (memcmp(type, "iTXt", 4) == 0 &&
		           BEGINS(type + 4, n_chunk, "XML:com.adobe.xmp")) {
			ret_scan->has_xmp = true;
		} else if (memcmp(type, "iCCP", 4) == 0) {
			take_profile(ret_scan, type + 4, n_chunk);
		} else {
			take_colour_chunk(ret_scan, &chunks, type, n_chunk);
		}
		at += 12 + n_chunk;
	}
	ret_scan->colours = colours_of(ret_scan, &chunks);
}

/* The profile of a WebP is read only if the extended header (VP8X) announces it. */
void metadata_scan_webp(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n)
{
	enum { FILE_HEAD = 12, CHUNK_HEAD = 8, FLAG_PROFILE = 0x20 };
	size_t at = FILE_HEAD;
	unsigned flags = 0;

	*ret_scan = (struct metadata_scan){.orientation = 1, .is_whole = true};
	while (at < n && n - at >= CHUNK_HEAD && !ret_scan->has_profile) {
		const uint8_t *type = bytes + at;
		size_t n_chunk = (size_t)in_order(false, bytes + at + 4, 4);

		at += CHUNK_HEAD;
		if (n_chunk > n - at)
			break;
		if (memcmp(type, "VP8X", 4) == 0 && n_chunk > 0) {
			flags = bytes[at];
		} else if (memcmp(type, "ICCP", 4) == 0 && flags & FLAG_PROFILE) {
			ret_scan->has_profile = true;
			ret_scan->colours = COLOUR_CHUNK_PROFILE;
			ret_scan->profile = bytes + at;
			ret_scan->n_profile = n_chunk;
		}
		at += n_chunk + n_chunk % 2;
	}
}

/* Skip the sub-blocks that begin at offset `at`. A sub-block is a length byte and data. The last
 * sub-block is empty. Returns the offset after the last sub-block, or 0 if the bytes end too
 * early. */
static size_t skip_sub_blocks(const uint8_t *bytes, size_t n, size_t at)
{
	while (at < n) {
		size_t n_block = bytes[at++];

		if (n_block == 0)
			return at;
		if (n_block > n - at)
			return 0;
		at += n_block;
	}
	return 0;
}

/* The number of bytes of a GIF's colour table. `flags` is the byte that describes the table. */
static size_t table_bytes(uint8_t flags)
{
	return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

bool gif_is_whole(const uint8_t *bytes, size_t n)
{
	enum {
		HEAD = 13,
		FLAGS_AT = 10,
		IMAGE = 0x2c,
		IMAGE_HEAD = 10,
		EXTENSION = 0x21
	};
	size_t at;

	if (n < HEAD)
		return false;
	at = HEAD + table_bytes(bytes[FLAGS_AT]);
	while (at < n) {
		uint8_t kind = bytes[at];

		if (kind == EXTENSION) {
			at = skip_sub_blocks(bytes, n, at + 2);
		} else if (kind == IMAGE) {
			if (n - at < IMAGE_HEAD)
				return false;
			/* One byte, the LZW code size, is between the colour table and the data. */
			at += IMAGE_HEAD + table_bytes(bytes[at + IMAGE_HEAD - 1]) + 1;
			at = skip_sub_blocks(bytes, n, at);
		} else {
			/* The byte is the end marker, or it is damage that only a decoder can
			 * judge. */
			return true;
		}
		if (at == 0)
			return false;
	}
	/* Many files lack the end marker, so a file without it counts as complete. */
	return at == n;
}
