/*
 * The container JPEG. Metadata is in marker segments before the first scan: EXIF and XMP in APP1,
 * IPTC in APP13. The density is in EXIF, or in APP0 (JFIF) if EXIF has no density.
 */
#include "image/metadata/containers.h"

#include "image/metadata/exif.h"
#include "image/metadata/iptc.h"
#include "image/metadata/xmp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum marker {
	SOF0 = 0xc0,
	SOI = 0xd8,
	EOI = 0xd9,
	SOS = 0xda,
	APP0 = 0xe0,
	APP1 = 0xe1,
	APP2 = 0xe2,
	APP13 = 0xed,
	APP14 = 0xee,
	COM = 0xfe,
};

enum { MAX_SEGMENT_BYTES = 65533, MAX_XMP_BYTES = 65502, MAX_EXTENSION_BYTES = 65400 };

#define EXIF_HEAD      BYTES_OF("Exif\0\0")
#define XMP_HEAD       BYTES_OF("http://ns.adobe.com/xap/1.0/\0")
#define EXTENSION_HEAD BYTES_OF("http://ns.adobe.com/xmp/extension/\0")
#define PHOTOSHOP_HEAD BYTES_OF("Photoshop 3.0\0")

struct segment {
	uint8_t marker;
	/* all: the whole segment. data: the segment without its marker and its length. */
	struct bytes all, data;
};

/* Get the segment at *at and move *at past it. Returns false at the first scan, or if no valid
 * segment is there. */
static bool next_segment(struct bytes file, size_t *at, struct segment *ret_segment)
{
	struct bytes head;
	size_t n;

	while (*at + 1 < file.n && file.at[*at] == 0xff && file.at[*at + 1] == 0xff)
		(*at)++; /* fill bytes */
	head = bytes_part(file, *at, 4);
	if (head.n == 0 || head.at[0] != 0xff || head.at[1] == SOS || head.at[1] < SOF0 ||
	    (head.at[1] >= 0xd0 && head.at[1] <= EOI))
		return false;
	n = bytes_be16(head, 2);
	ret_segment->marker = head.at[1];
	ret_segment->all = bytes_part(file, *at, n + 2);
	ret_segment->data = bytes_after(ret_segment->all, 4);
	if (n < 2 || ret_segment->all.n == 0)
		return false;
	*at += n + 2;
	return true;
}

/*
 * ---- reading ----
 */

static void read_jfif(struct metadata *metadata, struct bytes data)
{
	enum { UNIT_AT = 7, INCH = 1, CENTIMETRE = 2 };
	double scale = bytes_number(data, UNIT_AT, 1, true) == CENTIMETRE ? 2.54 : 1;
	double x = bytes_be16(data, UNIT_AT + 1), y = bytes_be16(data, UNIT_AT + 3);

	if ((scale > 1 || bytes_number(data, UNIT_AT, 1, true) == INCH) && x > 0 && y > 0)
		metadata->density = (struct density){x * scale, y * scale};
}

/* In a file that contains several pictures, look for a gain map and a depth map. */
static void find_other_pictures(struct metadata *metadata, struct bytes file)
{
	const struct bytes gainmaps[] = {
		BYTES_OF("urn:com:apple:photo:2020:aux:hdrgainmap"),
		BYTES_OF("http://ns.adobe.com/hdr-gain-map/1.0/")};

	if (bytes_contain_any(file, gainmaps, sizeof(gainmaps) / sizeof(gainmaps[0])))
		metadata->lost |= LOST_GAINMAP;
	if (bytes_find(file, BYTES_OF("http://ns.apple.com/depthData/"), 0) < file.n)
		metadata->lost |= LOST_DEPTH;
}

/* Read a piece of extended XMP. It consists of a GUID, the length of all pieces together, the
 * offset of this piece, and its bytes. A piece that is not in the order of the offsets is ignored.
 * *n_full becomes the length of all pieces together. */
static void read_extension(struct metadata *metadata, struct bytes data, size_t *n_full)
{
	struct bytes body = bytes_after(data, EXTENSION_HEAD.n);
	struct bytes guid = bytes_part(body, 0, XMP_GUID_BYTES);
	size_t offset = bytes_be32(body, XMP_GUID_BYTES + 4);

	if (guid.n == 0 ||
	    bytes_find(block_bytes(&metadata->xmp), guid, 0) == metadata->xmp.n)
		return; /* the piece belongs to another packet */
	*n_full = bytes_be32(body, XMP_GUID_BYTES);
	if (offset == metadata->xmp_extended.n)
		metadata_take_more(metadata, &metadata->xmp_extended,
		                   bytes_after(body, XMP_GUID_BYTES + 8));
}

/* The resources of Photoshop, joined from all segments. Resources of more than METADATA_MAX_BYTES
 * are cut; then is_cut is true. */
struct resources {
	struct block bytes;
	bool is_cut;
};

static void add_resources(struct resources *resources, struct bytes data)
{
	if (resources->bytes.n < METADATA_MAX_BYTES)
		block_add(&resources->bytes, data);
	else
		resources->is_cut = true;
}

/* Take the IPTC from the resources. If it may be in the part that was cut off, it is lost. */
static void take_iptc(struct metadata *metadata, const struct resources *resources)
{
	struct bytes iptc = photoshop_resource(block_bytes(&resources->bytes),
	                                       PHOTOSHOP_IPTC);

	metadata_take(metadata, &metadata->iptc, iptc);
	metadata->iptc.has_failed |= resources->bytes.has_failed;
	if (resources->is_cut && iptc.n == 0)
		metadata->lost |= LOST_IPTC;
}

static void read_segment(struct metadata *metadata, const struct segment *segment,
                         struct resources *resources, size_t *n_full)
{
	struct bytes data = segment->data;

	if (segment->marker == APP0 && bytes_begin_with(data, BYTES_OF("JFIF\0"))) {
		read_jfif(metadata, data);
	} else if (segment->marker == APP1 &&
	           bytes_begin_with(data, BYTES_OF("Exif\0"))) {
		metadata_take(metadata, &metadata->exif, bytes_after(data, EXIF_HEAD.n));
	} else if (segment->marker == APP1 && bytes_begin_with(data, XMP_HEAD)) {
		metadata_take(metadata, &metadata->xmp, bytes_after(data, XMP_HEAD.n));
	} else if (segment->marker == APP1 && bytes_begin_with(data, EXTENSION_HEAD)) {
		read_extension(metadata, data, n_full);
	} else if (segment->marker == APP2 &&
	           bytes_begin_with(data, BYTES_OF("urn:iso:std:iso:ts:21496:-1\0"))) {
		/* A segment that begins with the name of ISO 21496-1 describes a gain map. */
		metadata->lost |= LOST_GAINMAP;
	} else if (segment->marker == APP13 && bytes_begin_with(data, PHOTOSHOP_HEAD)) {
		/* A resource that is too long for one segment continues in the next segment. */
		add_resources(resources, bytes_after(data, PHOTOSHOP_HEAD.n));
	} else if (segment->marker == COM) {
		if (metadata->comment.n > 0)
			block_add_text(&metadata->comment, "\n");
		metadata_take_more(metadata, &metadata->comment, data);
	}
}

static void read_jpeg(struct metadata *metadata, struct bytes file)
{
	struct resources resources = {0};
	struct density of_exif;
	struct segment segment;
	bool has_other_pictures = false;
	size_t at = 2, n_full = 0;

	while (next_segment(file, &at, &segment)) {
		read_segment(metadata, &segment, &resources, &n_full);
		/* "MPF" means that the file contains several pictures. */
		has_other_pictures |= segment.marker == APP2 &&
		                      bytes_begin_with(segment.data, BYTES_OF("MPF\0"));
	}
	/* The whole file is searched only once, even if it has many such segments. */
	if (has_other_pictures)
		find_other_pictures(metadata, file);
	take_iptc(metadata, &resources);
	block_fini(&resources.bytes);

	if (metadata->xmp_extended.n != n_full ||
	    (n_full == 0 &&
	     bytes_find(block_bytes(&metadata->xmp), BYTES_OF("HasExtendedXMP"), 0) <
	             metadata->xmp.n)) {
		metadata->lost |= LOST_XMP;
		block_fini(&metadata->xmp_extended);
	}
	/* Samsung's trailer, which follows the picture, may contain a video. */
	if (file.n > 4 && memcmp(file.at + file.n - 4, "SEFT", 4) == 0 &&
	    bytes_find(file, BYTES_OF("MotionPhoto_Data"), at) < file.n)
		metadata->lost |= LOST_VIDEO;
	of_exif = exif_density(block_bytes(&metadata->exif));
	if (of_exif.x > 0)
		metadata->density = of_exif;
}

/*
 * ---- writing ----
 */

static void add_segment(struct block *to, enum marker marker, struct bytes head,
                        struct bytes data)
{
	block_add_number(to, 0xff00 | marker, 2, true);
	block_add_number(to, 2 + head.n + data.n, 2, true);
	block_add(to, head);
	block_add(to, data);
}

static void add_jfif(struct block *to, const struct density *density)
{
	enum { MOST = 65535 };
	bool is_known = density->x >= 0.5 && density->x <= MOST && density->y >= 0.5 &&
	                density->y <= MOST;
	struct block body = {0};

	block_add(&body, BYTES_OF("JFIF\0\1\1"));
	/* This byte is the unit. 1 means pixels per inch. 0 means that the next two numbers are
	 * only an aspect ratio. */
	block_add_number(&body, is_known, 1, true);
	block_add_number(&body, is_known ? (uint64_t)lround(density->x) : 1, 2, true);
	block_add_number(&body, is_known ? (uint64_t)lround(density->y) : 1, 2, true);
	block_add_number(&body, 0, 2, true); /* the preview has 0 x 0 pixels */
	add_segment(to, APP0, (struct bytes){NULL, 0}, block_bytes(&body));
	to->has_failed |= body.has_failed;
	block_fini(&body);
}

static void add_extension(struct block *to, struct bytes extended, const char *guid)
{
	for (size_t at = 0; at < extended.n; at += MAX_EXTENSION_BYTES) {
		size_t n = extended.n - at < MAX_EXTENSION_BYTES ? extended.n - at
		                                                 : MAX_EXTENSION_BYTES;
		struct block head = {0};

		block_add(&head, EXTENSION_HEAD);
		block_add(&head, (struct bytes){(const uint8_t *)guid, XMP_GUID_BYTES});
		block_add_number(&head, extended.n, 4, true);
		block_add_number(&head, at, 4, true);
		add_segment(to, APP1, block_bytes(&head), bytes_part(extended, at, n));
		to->has_failed |= head.has_failed;
		block_fini(&head);
	}
}

static void add_xmp(struct block *to, struct bytes xmp, unsigned *lost)
{
	struct block main = {0}, extended = {0};
	char guid[XMP_GUID_BYTES + 1];

	if (xmp.n <= MAX_XMP_BYTES) {
		add_segment(to, APP1, XMP_HEAD, xmp);
		return;
	}
	if (xmp_split(xmp, MAX_XMP_BYTES, &main, &extended, guid)) {
		add_segment(to, APP1, XMP_HEAD, block_bytes(&main));
		add_extension(to, block_bytes(&extended), guid);
	} else if (main.has_failed) {
		to->has_failed = true;
	} else {
		*lost |= LOST_XMP;
	}
	block_fini(&main);
	block_fini(&extended);
}

static void add_iptc(struct block *to, struct bytes iptc)
{
	const size_t n_most = MAX_SEGMENT_BYTES - PHOTOSHOP_HEAD.n;
	struct block resources = {0};
	struct bytes all;

	iptc_add_as_resource(&resources, iptc);
	all = block_bytes(&resources);
	for (size_t at = 0; at < all.n; at += n_most)
		add_segment(
			to, APP13, PHOTOSHOP_HEAD,
			bytes_part(all, at, all.n - at < n_most ? all.n - at : n_most));
	to->has_failed |= resources.has_failed;
	block_fini(&resources);
}

static void add_blocks(struct block *to, const struct metadata *metadata, bool takes_jfif,
                       unsigned *lost)
{
	bool has_exif = metadata->exif.n > 0 &&
	                metadata->exif.n <= MAX_SEGMENT_BYTES - EXIF_HEAD.n;

	if (has_exif)
		add_segment(to, APP1, EXIF_HEAD, block_bytes(&metadata->exif));
	else if (takes_jfif)
		add_jfif(to, &metadata->density);
	if (!has_exif && metadata->exif.n > 0)
		*lost |= LOST_EXIF;
	if (metadata->xmp.n > 0)
		add_xmp(to, block_bytes(&metadata->xmp), lost);
	if (metadata->iptc.n > 0)
		add_iptc(to, block_bytes(&metadata->iptc));
	if (metadata->comment.n > MAX_SEGMENT_BYTES || metadata->png_text.n > 0)
		*lost |= LOST_COMMENT;
	if (metadata->comment.n > 0 && metadata->comment.n <= MAX_SEGMENT_BYTES)
		add_segment(to, COM, (struct bytes){NULL, 0},
		            block_bytes(&metadata->comment));
}

static bool is_of_ours(const struct segment *segment)
{
	return segment->marker == APP0 || segment->marker == APP1 ||
	       segment->marker == APP13 || segment->marker == COM;
}

static bool write_jpeg(struct splice *splice, struct bytes file,
                       const struct metadata *metadata, unsigned *lost)
{
	struct block *head = &splice->head;
	struct segment segment;
	bool takes_jfif = true;
	size_t at = 2;

	if (!bytes_begin_with(file, BYTES_OF("\xff\xd8\xff")))
		return false;
	/* A file with Adobe's segment (APP14) gets no JFIF segment. Such a file may be CMYK or RGB,
	 * which JFIF does not support. */
	while (next_segment(file, &at, &segment))
		takes_jfif &= segment.marker != APP14;

	block_add(head, bytes_part(file, 0, 2));
	add_blocks(head, metadata, takes_jfif, lost);
	for (at = 2; next_segment(file, &at, &segment);) {
		if (!is_of_ours(&segment))
			block_add(head, segment.all);
	}
	splice->from = at;
	return true;
}

const struct container container_jpeg = {.read = read_jpeg, .write = write_jpeg};
