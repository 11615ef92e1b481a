/*
 * EXIF: a TIFF structure (TIFF 6.0, section 2) with sub-directories (CIPA DC-008). It is parsed and
 * written again, so that only the kept fields are left, and no bytes between them. Values are
 * copied unchanged: text keeps its encoding.
 */
#ifndef PXP_EXIF_H
#define PXP_EXIF_H

#include "image/metadata/metadata.h"

/*
 * Filter a TIFF structure.
 *
 * ret_exif  an empty block; stays empty when nothing is kept. The caller frees it.
 * keep      a mask of enum keep.
 * lost      LOST_EXIF is added when a field that was to be kept could not be read.
 *
 * False when memory ran out. Any thread.
 */
bool exif_filter(struct block *ret_exif, struct bytes tiff, unsigned keep,
                 const struct metadata_target *target, unsigned *lost);

/* The density in the main directory; zeros if the directory has no density. */
struct density exif_density(struct bytes tiff);

#endif
