/*
 * EXIF: a TIFF structure (TIFF 6.0, section 2) with sub-directories (CIPA DC-008). The structure is
 * parsed and written again. So the result contains only the fields that are kept, and no hidden
 * bytes between them. Values are copied byte by byte, so text keeps its encoding.
 */
#ifndef PXP_EXIF_H
#define PXP_EXIF_H

#include "image/metadata/metadata.h"

/*
 * Filter a TIFF structure.
 *
 * ret_exif  an empty block, which stays empty if nothing is kept. The caller frees it.
 * keep      a mask of enum keep.
 * lost      gets LOST_EXIF if a field that should be kept could not be read.
 *
 * Returns false if memory ran out. May be called by any thread.
 */
bool exif_filter(struct block *ret_exif, struct bytes tiff, unsigned keep,
                 const struct metadata_target *target, unsigned *lost);

/* Make a TIFF structure that contains only the density of the target. If the target has no density,
 * *ret_exif stays empty. Returns false if memory ran out. */
bool exif_of_density(struct block *ret_exif, const struct metadata_target *target);

/* The density in the main directory. Zeros: the directory has no density. */
struct density exif_density(struct bytes tiff);

#endif
