/*
 * EXIF: a TIFF structure (TIFF 6.0, section 2) with sub-directories (CIPA DC-008). It is
 * taken apart and written anew, so that only the fields that are to be kept are left, and
 * no byte between them. Values are copied as they are: text keeps its encoding.
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

/*
 * The EXIF of a TIFF file, which is spread over its first directory. Fields that
 * describe samples or density are left out.
 *
 * ret_exif  an empty block; stays empty when the file has none. The caller frees it.
 *
 * False when memory ran out.
 */
bool exif_of_tiff(struct block *ret_exif, struct bytes file, unsigned *lost);

/* The bytes of a field of the main directory, borrowed; empty when there is none. */
struct bytes exif_main_value(struct bytes tiff, unsigned tag);

/*
 * The directories that put fields and two more blocks into a TIFF file: its first one anew,
 * with its own fields and those that are added. It stands at the end, so nothing else moves.
 * Numbers come in the file's byte order. Where no density is known, the file's own, which
 * its encoder invented, is replaced by one that says so.
 *
 * to  an empty block: the bytes behind the file, which is padded to an even length by one.
 *
 * False when the file is no classic TIFF or memory ran out.
 */
bool exif_add_to_tiff(struct block *to, struct bytes file,
                      const struct metadata *metadata);

/* Set the place of the first directory in the head of a TIFF file. Always true. */
bool exif_point_to(struct block *head, size_t at);

/* The density that the main directory tells; zeros when it does not. */
struct density exif_density(struct bytes tiff);

#endif
