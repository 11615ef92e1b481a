/*
 * A container knows where the metadata blocks are in files of a format. It reads blocks from inputs
 * and inserts blocks into encoded outputs. It decodes no pixels.
 *
 * Inputs are hostile. A wrong length ends the reading of the part that contains this length;
 * blocks that were found before are used. Outputs come from our own encoders. An output with an
 * unknown structure stays unchanged, and its blocks are reported as lost.
 */
#ifndef PXP_CONTAINERS_H
#define PXP_CONTAINERS_H

#include "image/metadata/metadata.h"

/*
 * Read the blocks of a file.
 *
 * ret_metadata  all members are set. The caller frees it with metadata_fini(). Its member `lost` is
 *               a mask of enum lost: the parts of the file that no output will have.
 *
 * Returns false if memory ran out; *ret_metadata is empty then. For a format without a container
 * the result is empty. May be called by any thread.
 */
bool metadata_read(struct metadata *ret_metadata, enum image_format format,
                   struct bytes file);

/* How to make a file with metadata from a file without metadata. The new file consists of the bytes
 * of `head`, the old file's bytes from offset `from` up to offset `until`, and the bytes of
 * `tail`. */
struct splice {
	struct block head;
	size_t from, until;
	struct block tail;
};

/* Free the blocks of a splice. A splice that is all zeros is allowed. */
void splice_fini(struct splice *splice);

/*
 * Insert blocks into an encoded file. Blocks that the encoder wrote are removed. The result is
 * never shorter than the file: encoders write blocks only in HEIC and AVIF, where padding replaces
 * the removed blocks.
 *
 * ret_splice  always set; the caller frees it. If the file has an unknown structure, the splice
 *             describes the unchanged file.
 * lost        gets a bit of enum lost for each block that the format cannot store, or that is too
 *             long for the format.
 *
 * Returns false if memory ran out. May be called by any thread.
 */
bool metadata_write(struct splice *ret_splice, enum image_format format,
                    struct bytes file, const struct metadata *metadata, unsigned *lost);

/* For readers of containers: set the bytes of a block if the block is empty. If there are more than
 * METADATA_MAX_BYTES, the block stays empty and is reported as lost. */
void metadata_take(struct metadata *metadata, struct block *block, struct bytes bytes);
/* For readers of containers: append bytes to a block. If the block would then have more than
 * METADATA_MAX_BYTES, the bytes are not appended, and the block is reported as lost. */
void metadata_take_more(struct metadata *metadata, struct block *block,
                        struct bytes bytes);

/* The functions of one container. */
struct container {
	void (*read)(struct metadata *metadata, struct bytes file);
	/* Fill in the splice, which before the call describes the unchanged file. Returns false if
	 * metadata cannot be inserted into a file with this structure. `write` is NULL if this
	 * container can only be read. */
	bool (*write)(struct splice *splice, struct bytes file,
	              const struct metadata *metadata, unsigned *lost);
};

extern const struct container container_jpeg, container_png, container_webp,
	container_tiff, container_heif, container_jxl, container_jp2, container_gif,
	container_psd;

#endif
