/*
 * Transfers the metadata of a picture. It is read from the input once, filtered for each output as
 * the recipe says, and inserted into the encoded file. Engines do not take part, so the result does
 * not depend on which engine decodes or encodes.
 */
#ifndef PXP_PICTURE_METADATA_H
#define PXP_PICTURE_METADATA_H

#include "image/engine.h"

/*
 * Read the metadata of a source. Call this when the format is known, before the engines are asked.
 *
 * ret_metadata  the caller frees it with picture_metadata_close(). It is NULL in a build that has
 *               no libraries for metadata.
 *
 * Returns false with a failure if memory ran out.
 */
bool picture_metadata_open(struct metadata **ret_metadata, const struct source *source,
                           struct failure *ret_failure);
void picture_metadata_close(struct metadata *metadata); /* metadata may be NULL */

/* The EXIF orientation, 1 to 8. Returns `otherwise` if the metadata has no EXIF or is NULL. */
unsigned picture_metadata_orientation(const struct metadata *metadata,
                                      unsigned otherwise);

/* The facts about an output that its metadata must state. */
struct output_facts {
	struct size size;
	enum output_colour colour;
};

/*
 * Filter the metadata for one output, and insert it into the encoded file.
 *
 * recipe   the recipe of the output
 * output   the memfd; it contains the encoded file from out->offset to its end
 * out      out->bytes becomes the length of the file with metadata; out->lost also gets the parts
 *          of the metadata that are lost
 *
 * Returns false with a failure if memory ran out, or if the file cannot be read back or written.
 */
bool picture_metadata_write(const struct source *source, const struct recipe *recipe,
                            const struct output_facts *facts, int output,
                            struct picture_side *out, struct failure *ret_failure);

#endif
