/*
 * The container WebP, a RIFF file of chunks. Metadata is in chunks after the pixels. Flags in the
 * extended header (VP8X), before the pixels, announce these chunks. If metadata is added to a file
 * without an extended header, this header is added too.
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
	/* The padding of the last chunk may be missing. */
	n += n & 1 && n < file.n - *at - CHUNK_BYTES;
	ret_chunk->all = bytes_part(file, *at, CHUNK_BYTES + n);
	*at += CHUNK_BYTES + n;
	return true;
}

static bool is_type(const struct chunk *chunk, const char *type)
{
	return memcmp(chunk->type.at, type, 4) == 0;
}

static void read_webp(struct metadata *metadata, struct bytes file)
{
	struct bytes exif_head = BYTES_OF("Exif\0\0");
	size_t at = HEAD_BYTES;
	struct chunk chunk;

	while (next_chunk(file, &at, &chunk)) {
		struct bytes data = chunk.data;

		if (is_type(&chunk, "EXIF") && metadata->exif.n == 0) {
			/* Some writers put a prefix before the EXIF, as in a JPEG. */
			if (bytes_begin_with(data, exif_head))
				data = bytes_after(data, exif_head.n);
			metadata_take(metadata, &metadata->exif, data);
		} else if (is_type(&chunk, "XMP ") && metadata->xmp.n == 0) {
			metadata_take(metadata, &metadata->xmp, data);
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

/* Write an extended header for a file whose first chunk is `picture`. Returns false if this chunk
 * contains no picture. */
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

/* Write the part before the pixels. If the file has an extended header, its flags for EXIF and
 * XMP are set to `flags`. If the file has none and `flags` is not 0, an extended header is added.
 * Returns false if the file does not begin with a known structure. */
static bool write_head(struct splice *splice, struct bytes file, unsigned flags)
{
	struct block *head = &splice->head;
	size_t at = HEAD_BYTES;
	struct chunk first;

	if (!next_chunk(file, &at, &first))
		return false;
	block_add(head, bytes_part(file, 0, HEAD_BYTES));
	splice->from = HEAD_BYTES;
	if (!is_type(&first, "VP8X"))
		return !flags || add_header(head, &first, flags);
	if (first.data.n != 10)
		return false;
	block_add(head, first.all);
	splice->from = at;
	if (!head->has_failed) {
		uint8_t *byte = head->at + head->n - first.data.n;

		*byte &= (uint8_t) ~(FLAG_EXIF | FLAG_XMP);
		*byte |= (uint8_t)flags;
	}
	return true;
}

/* Set splice->until to the offset of the first metadata chunk, or to the end of the file. Returns
 * false if a chunk of another type follows a metadata chunk, or if the last chunk is not
 * complete. */
static bool find_end(struct splice *splice, struct bytes file)
{
	size_t at = splice->from, end = file.n;
	struct chunk chunk;

	for (size_t begin = at; next_chunk(file, &at, &chunk); begin = at) {
		if (is_of_ours(&chunk))
			end = begin < end ? begin : end;
		else if (end < file.n)
			return false;
	}
	splice->until = end;
	return at == file.n;
}

static bool write_webp(struct splice *splice, struct bytes file,
                       const struct metadata *metadata, unsigned *lost)
{
	unsigned flags = (metadata->exif.n > 0 ? FLAG_EXIF : 0U) |
	                 (metadata->xmp.n > 0 ? FLAG_XMP : 0U);
	size_t n;

	if (!bytes_begin_with(file, BYTES_OF("RIFF")) ||
	    !bytes_begin_with(bytes_after(file, 8), BYTES_OF("WEBP")) ||
	    !write_head(splice, file, flags) || !find_end(splice, file))
		return false;
	block_add_number(&splice->tail, 0, (splice->until - splice->from) & 1, false);
	if (metadata->exif.n > 0)
		add_chunk(&splice->tail, "EXIF", block_bytes(&metadata->exif));
	if (metadata->xmp.n > 0)
		add_chunk(&splice->tail, "XMP ", block_bytes(&metadata->xmp));
	n = splice->head.n + (splice->until - splice->from) + splice->tail.n;
	block_set_number(&splice->head, 4, n - 8, 4, false);
	if (metadata->iptc.n > 0)
		*lost |= LOST_IPTC;
	if (metadata->comment.n > 0 || metadata->png_text.n > 0)
		*lost |= LOST_COMMENT;
	return true;
}

const struct container container_webp = {.read = read_webp, .write = write_webp};
