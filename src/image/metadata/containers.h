/*
 * Containers: the positions of metadata blocks in the files of each format. Blocks are read from
 * inputs and inserted into encoded outputs. No pixel is decoded.
 *
 * Inputs are hostile. A wrong length ends the reading of that part; blocks that were found before
 * it count. Outputs come from our own encoders; an output with an unknown structure is left
 * unchanged, and the blocks are reported as lost.
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

/* The change that puts metadata into a file: new bytes in place of its beginning, the bytes between
 * from and until unchanged, and new bytes in place of the rest. */
struct splice {
	struct block head;
	size_t from, until;
	struct block tail;
};

void splice_fini(struct splice *splice); /* a splice of zeros is allowed */

/*
 * Insert blocks into an encoded file. Blocks that the encoder wrote are replaced. A file of our
 * encoders, which has none except those that libvips writes into HEIC and AVIF, does not become
 * shorter.
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

/* For readers: set the bytes of a block, if it has none yet. */
void metadata_take(struct metadata *metadata, struct block *block, struct bytes bytes);
/* For readers: append to the bytes of a block. */
void metadata_take_more(struct metadata *metadata, struct block *block,
                        struct bytes bytes);

/* One container format. Each has a file of its own. */
struct container {
	void (*read)(struct metadata *metadata, struct bytes file);
	/* The splice initially leaves the file unchanged. Returns false if the file does not have
	 * the expected structure. NULL: this container can only be read. */
	bool (*write)(struct splice *splice, struct bytes file,
	              const struct metadata *metadata, unsigned *lost);
};

extern const struct container container_jpeg, container_png, container_webp,
	container_tiff, container_heif, container_jxl, container_jp2, container_gif,
	container_psd;

#endif
