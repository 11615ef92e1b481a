/*
 * WebP: chunks of a RIFF file. Metadata stand behind the pixels, and the extended header
 * before them says that they are there; a file that has no such header gets one.
 */
#include "image/metadata/containers.h"

#include "image/metadata/exif.h"

#include <string.h>

enum { HEAD_BYTES = 12, CHUNK_BYTES = 8 };

enum flag { FLAG_XMP = 0x04, FLAG_EXIF = 0x08, FLAG_ALPHA = 0x10 };

struct chunk {
	struct bytes all, type, data;
};

static bool next_chunk(struct bytes file, size_t *at, struct chunk *ret_chunk)
{
	struct bytes head = bytes_part(file, *at, CHUNK_BYTES);
	size_t n = bytes_le32(head, 4);

	if (head.n == 0 || n > file.n - *at - CHUNK_BYTES)
		return false;
	ret_chunk->type = bytes_part(head, 0, 4);
	ret_chunk->data = bytes_part(file, *at + CHUNK_BYTES, n);
	/* The last one's padding may be missing. */
	n += n & 1 && n < file.n - *at - CHUNK_BYTES;
	ret_chunk->all = bytes_part(file, *at, CHUNK_BYTES + n);
	*at += CHUNK_BYTES + n;
	return true;
}

static bool is_type(const struct chunk *chunk, const char *type)
{
	return memcmp(chunk->type.at, type, 4) == 0;
}

void metadata_read_webp(struct metadata *metadata, struct bytes file)
{
	struct bytes exif_head = BYTES_OF("Exif\0\0");
	size_t at = HEAD_BYTES;
	struct chunk chunk;

	while (next_chunk(file, &at, &chunk)) {
		struct bytes data = chunk.data;

		if (is_type(&chunk, "EXIF") && metadata->exif.n == 0) {
			/* Some writers put JPEG's head before it. */
			if (bytes_begin_with(data, exif_head))
				data = bytes_after(data, exif_head.n);
			block_add(&metadata->exif, data);
		} else if (is_type(&chunk, "XMP ") && metadata->xmp.n == 0) {
			block_add(&metadata->xmp, data);
		}
	}
	metadata->density = exif_density(block_bytes(&metadata->exif));
}

static void add_chunk(struct block *to, const char *type, struct bytes data)
{
	block_add_text(to, type);
	block_add_number(to, data.n, 4, false);
	block_add(to, data);
	block_add_number(to, 0, data.n & 1, false);
}

/* The extended header of a file that has only a picture; false when that is not one. */
static bool add_header(struct block *to, const struct chunk *picture, unsigned flags)
{
	uint32_t width, height;

	if (is_type(picture, "VP8L") && picture->data.n >= 5) {
		uint32_t bits = bytes_le32(picture->data, 1);

		width = (bits & 0x3fff) + 1;
		height = (bits >> 14 & 0x3fff) + 1;
		flags |= bits >> 28 & 1 ? FLAG_ALPHA : 0U;
	} else if (is_type(picture, "VP8 ") && picture->data.n >= 10) {
		width = (uint32_t)bytes_number(picture->data, 6, 2, false) & 0x3fff;
		height = (uint32_t)bytes_number(picture->data, 8, 2, false) & 0x3fff;
	} else {
		return false;
	}
	if (width == 0 || height == 0)
		return false;
	block_add_text(to, "VP8X");
	block_add_number(to, 10, 4, false);
	block_add_number(to, flags, 4, false);
	block_add_number(to, width - 1, 3, false);
	block_add_number(to, height - 1, 3, false);
	return true;
}

static bool is_of_ours(const struct chunk *chunk)
{
	return is_type(chunk, "EXIF") || is_type(chunk, "XMP ");
}

/* All but the metadata, with the flags in the extended header, which is added when they
 * are not 0. */
static bool copy_chunks(struct block *to, struct bytes file, unsigned flags)
{
	size_t at = HEAD_BYTES;
	struct chunk chunk;

	for (bool is_first = true; next_chunk(file, &at, &chunk); is_first = false) {
		bool is_header = is_type(&chunk, "VP8X") && chunk.data.n == 10;

		if (is_first && !is_header && flags && !add_header(to, &chunk, flags))
			return false;
		if (is_of_ours(&chunk))
			continue;
		block_add(to, chunk.all);
		block_add_number(to, 0, chunk.all.n & 1, false);
		if (is_first && is_header && !to->has_failed) {
			uint8_t *byte = to->at + to->n - chunk.data.n;

			*byte &= (uint8_t) ~(FLAG_EXIF | FLAG_XMP);
			*byte |= (uint8_t)flags;
		}
	}
	return at == file.n && at > HEAD_BYTES;
}

bool metadata_write_webp(struct block *to, struct bytes file,
                         const struct metadata *metadata, unsigned *lost)
{
	unsigned flags = (metadata->exif.n > 0 ? FLAG_EXIF : 0U) |
	                 (metadata->xmp.n > 0 ? FLAG_XMP : 0U);

	if (!bytes_begin_with(file, BYTES_OF("RIFF")) ||
	    !bytes_begin_with(bytes_after(file, 8), BYTES_OF("WEBP")))
		return false;
	block_add(to, bytes_part(file, 0, HEAD_BYTES));
	if (!copy_chunks(to, file, flags))
		return false;
	if (metadata->exif.n > 0)
		add_chunk(to, "EXIF", block_bytes(&metadata->exif));
	if (metadata->xmp.n > 0)
		add_chunk(to, "XMP ", block_bytes(&metadata->xmp));
	block_set_number(to, 4, to->n - 8, 4, false);
	if (metadata->iptc.n > 0)
		*lost |= LOST_IPTC;
	if (metadata->comment.n > 0 || metadata->png_text.n > 0)
		*lost |= LOST_COMMENT;
	return true;
}
