/* The containers GIF and PSD, which are only read. In a GIF, XMP is in an extension. In a PSD, all
 * blocks are in Photoshop's resources. */
#include "image/metadata/containers.h"

#include "image/metadata/exif.h"
#include "image/metadata/iptc.h"

enum { EXTENSION = 0x21, IMAGE = 0x2c, APPLICATION = 0xff, COMMENT = 0xfe };

/* The number of bytes of a GIF's colour table. `flags` is the byte that describes the table. */
static size_t table_bytes(uint64_t flags)
{
	return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

/* Skip the data blocks that begin at offset `at`. A block is a length byte and data. The last block
 * is empty. If `to` is not NULL, the data of all blocks is appended to it, until it is longer than
 * METADATA_MAX_BYTES. Returns the offset after the last block. */
static size_t take_blocks(struct bytes file, size_t at, struct block *to)
{
	while (at < file.n) {
		size_t n = file.at[at++];

		if (n == 0)
			return at;
		if (to && to->n <= METADATA_MAX_BYTES)
			block_add(to, bytes_part(file, at, n));
		at += n;
	}
	return file.n;
}

/* Read the XMP at offset `at` and return the offset after its trailer. XMP is not divided into data
 * blocks. The trailer (the bytes 1, 255, 254, ..., 1, 0, 0) follows the XMP. With the trailer, a
 * program that expects data blocks still finds the end of the XMP. */
static size_t take_xmp(struct metadata *metadata, struct bytes file, size_t at)
{
	size_t end = bytes_find(file, BYTES_OF("\x01\xff\xfe\xfd\xfc"), at);

	if (metadata->xmp.n == 0)
		metadata_take(metadata, &metadata->xmp, bytes_part(file, at, end - at));
	return end < file.n ? end + 258 : file.n;
}

/* Read the comment at offset `at`. Returns the offset after it. */
static size_t take_comment(struct metadata *metadata, struct bytes file, size_t at)
{
	struct block comment = {0};

	at = take_blocks(file, at, &comment);
	metadata_take(metadata, &metadata->comment, block_bytes(&comment));
	metadata->comment.has_failed |= comment.has_failed;
	block_fini(&comment);
	return at;
}

static size_t take_extension(struct metadata *metadata, struct bytes file, size_t at)
{
	uint64_t kind = bytes_number(file, at + 1, 1, true);

	if (kind == APPLICATION &&
	    bytes_begin_with(bytes_after(file, at + 2), BYTES_OF("\x0bXMP DataXMP")))
		return take_xmp(metadata, file, at + 14);
	if (kind == COMMENT && metadata->comment.n == 0)
		return take_comment(metadata, file, at + 2);
	return take_blocks(file, at + 2, NULL);
}

static void read_gif(struct metadata *metadata, struct bytes file)
{
	enum { HEAD_BYTES = 13, FLAGS_AT = 10, IMAGE_BYTES = 10 };
	size_t at = HEAD_BYTES + table_bytes(bytes_number(file, FLAGS_AT, 1, true));

	while (at < file.n) {
		if (file.at[at] == EXTENSION) {
			at = take_extension(metadata, file, at);
		} else if (file.at[at] == IMAGE) {
			uint64_t flags = bytes_number(file, at + IMAGE_BYTES - 1, 1,
			                              true);

			/* One byte, the LZW code size, is between the colour table and the data. */
			at = take_blocks(file, at + IMAGE_BYTES + table_bytes(flags) + 1,
			                 NULL);
		} else {
			return;
		}
	}
}

static void read_psd(struct metadata *metadata, struct bytes file)
{
	enum { HEAD_BYTES = 26 };
	size_t n_modes = bytes_be32(file, HEAD_BYTES);
	size_t at = HEAD_BYTES + 4 + n_modes;
	struct bytes resources = bytes_part(file, at + 4, bytes_be32(file, at));

	metadata_take(metadata, &metadata->exif,
	              photoshop_resource(resources, PHOTOSHOP_EXIF));
	metadata_take(metadata, &metadata->xmp,
	              photoshop_resource(resources, PHOTOSHOP_XMP));
	metadata_take(metadata, &metadata->iptc,
	              photoshop_resource(resources, PHOTOSHOP_IPTC));
	metadata->density = exif_density(block_bytes(&metadata->exif));
}

const struct container container_gif = {.read = read_gif};

const struct container container_psd = {.read = read_psd};
