/*
 * Containers: where the blocks of metadata stand in the files of each format, read from
 * inputs and put into encoded outputs. No pixel is decoded.
 *
 * Inputs are hostile. A wrong length ends the reading of that part; blocks that were found
 * before it count. Outputs come from our own encoders; one that is not built as they build
 * it is left as it is, and the blocks are reported as lost.
 */
#ifndef PXP_CONTAINERS_H
#define PXP_CONTAINERS_H

#include "image/metadata/metadata.h"

/*
 * Read the blocks of a file.
 *
 * ret_metadata  all is set; the caller frees it with metadata_fini(). Its lost has bits
 *               for parts of the file that no output will have.
 *
 * False when memory ran out; all is empty then. Formats that are not known here have
 * nothing. Any thread.
 */
bool metadata_read(struct metadata *ret_metadata, enum image_format format,
                   struct bytes file);

/* How a file becomes the one with other metadata: a head in place of its first bytes, those
 * between from and until as they are, and a tail in place of the rest. */
struct splice {
	struct block head;
	size_t from, until;
	struct block tail;
};

void splice_fini(struct splice *splice); /* one of zeros is fine */

/*
 * Put blocks into an encoded file. Those of the encoder's own, if any, are replaced. The file
 * of an encoder of ours, which has none but what HEIC and AVIF get from libvips, does not become shorter.
 *
 * ret_splice  is set; the caller frees it. It leaves a file as it is of which nothing is known
 *             here.
 * lost        bits of enum lost are added for the blocks that the format, or a segment of it,
 *             cannot hold.
 *
 * False when memory ran out. Any thread.
 */
bool metadata_write(struct splice *ret_splice, enum image_format format,
                    struct bytes file, const struct metadata *metadata, unsigned *lost);

/* For readers: take the bytes of a block, if it has none yet. */
void metadata_take(struct metadata *metadata, struct block *block, struct bytes bytes);
/* The same behind the bytes that it has. */
void metadata_take_more(struct metadata *metadata, struct block *block,
                        struct bytes bytes);

/* One container, in a file of its own. */
struct container {
	void (*read)(struct metadata *metadata, struct bytes file);
	/* It gets a splice that leaves the file as it is. False when the file is not as it must be.
	 * NULL: this container is only read. */
	bool (*write)(struct splice *splice, struct bytes file,
	              const struct metadata *metadata, unsigned *lost);
};

extern const struct container container_jpeg, container_png, container_webp,
	container_tiff, container_heif, container_jxl, container_jp2, container_gif,
	container_psd;

#endif
