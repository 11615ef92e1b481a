/* The table of container formats. */
#include "image/metadata/containers.h"

/* The container of each format. NULL: no metadata is read from files of this format or written into
 * them. */
static const struct container *const containers[N_FORMATS] = {
	[FORMAT_JPEG] = &container_jpeg, [FORMAT_PNG] = &container_png,
	[FORMAT_WEBP] = &container_webp, [FORMAT_TIFF] = &container_tiff,
	[FORMAT_HEIC] = &container_heif, [FORMAT_AVIF] = &container_heif,
	[FORMAT_JXL] = &container_jxl,   [FORMAT_JP2] = &container_jp2,
	[FORMAT_GIF] = &container_gif,   [FORMAT_PSD] = &container_psd,
};

static bool has_failed(const struct metadata *metadata)
{
	return metadata->exif.has_failed || metadata->xmp.has_failed ||
	       metadata->xmp_extended.has_failed || metadata->iptc.has_failed ||
	       metadata->comment.has_failed || metadata->png_text.has_failed;
}

static unsigned loss_of(const struct metadata *metadata, const struct block *block)
{
	if (block == &metadata->exif)
		return LOST_EXIF;
	if (block == &metadata->iptc)
		return LOST_IPTC;
	return block == &metadata->comment || block == &metadata->png_text ? LOST_COMMENT
	                                                                   : LOST_XMP;
}

void metadata_take_more(struct metadata *metadata, struct block *block,
                        struct bytes bytes)
{
	if (bytes.n > METADATA_MAX_BYTES || block->n > METADATA_MAX_BYTES - bytes.n)
		metadata->lost |= loss_of(metadata, block);
	else
		block_add(block, bytes);
}

void metadata_take(struct metadata *metadata, struct block *block, struct bytes bytes)
{
	if (block->n == 0)
		metadata_take_more(metadata, block, bytes);
}

bool metadata_read(struct metadata *ret_metadata, enum image_format format,
                   struct bytes file)
{
	*ret_metadata = (struct metadata){0};
	if (containers[format])
		containers[format]->read(ret_metadata, file);
	if (!has_failed(ret_metadata))
		return true;
	metadata_fini(ret_metadata);
	return false;
}

/* A mask of enum lost: what is lost if none of the metadata blocks is written. */
static unsigned losses(const struct metadata *metadata)
{
	return (metadata->exif.n > 0 ? LOST_EXIF : 0U) |
	       (metadata->xmp.n > 0 ? LOST_XMP : 0U) |
	       (metadata->iptc.n > 0 ? LOST_IPTC : 0U) |
	       (metadata->comment.n > 0 || metadata->png_text.n > 0 ? LOST_COMMENT : 0U);
}

void splice_fini(struct splice *splice)
{
	block_fini(&splice->head);
	block_fini(&splice->tail);
}

bool metadata_write(struct splice *ret_splice, enum image_format format,
                    struct bytes file, const struct metadata *metadata, unsigned *lost)
{
	const struct container *container = containers[format];
	struct splice splice = {.until = file.n};
	bool is_done = container && container->write &&
	               container->write(&splice, file, metadata, lost);

	if (!is_done) {
		splice_fini(&splice);
		splice = (struct splice){.until = file.n};
		*lost |= losses(metadata);
	}
	*ret_splice = splice;
	if (!splice.head.has_failed && !splice.tail.has_failed)
		return true;
	splice_fini(ret_splice);
	return false;
}
