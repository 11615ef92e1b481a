/*
 * The metadata of a picture: read from the input once, filtered for each output by its recipe, and
 * inserted into the encoded file. Engines are not involved: the same metadata is kept whichever of
 * them decodes and encodes.
 */
#ifndef PXP_PICTURE_METADATA_H
#define PXP_PICTURE_METADATA_H

#include "image/engine.h"

/*
 * Read the metadata of a source whose format is known, before the engines are asked.
 *
 * ret_metadata  to be given back with picture_metadata_close(); NULL in a build that has no
 *               libraries for metadata.
 *
 * False with a failure when memory ran out.
 */
bool picture_metadata_open(struct metadata **ret_metadata, const struct source *source,
                           struct failure *ret_failure);
void picture_metadata_close(struct metadata *metadata); /* NULL is allowed */

/* The EXIF orientation, 1 to 8; `otherwise` if the metadata has no orientation. */
unsigned picture_metadata_orientation(const struct metadata *metadata,
                                      unsigned otherwise);

/* Facts about an output whose pixels are done. */
struct output_facts {
	struct size size;
	enum output_colour colour;
};

/*
 * Filter the metadata for one output, and put them into its encoded file.
 *
 * recipe   the output's
 * output   the memfd in which the file stands from out->offset to the end
 * out      its bytes become those of the file with metadata; its lost is set
 *
 * False with a failure when memory ran out or the file cannot be written; EFBIG is in errno
 * where it became too long.
 */
bool picture_metadata_write(const struct source *source, const struct recipe *recipe,
                            const struct output_facts *facts, int output,
                            struct picture_side *out, struct failure *ret_failure);

#endif
