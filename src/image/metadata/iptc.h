/*
 * IPTC: datasets of the Information Interchange Model (IIM 4.2), and Photoshop's image
 * resources, in which JPEG and other formats hold them.
 */
#ifndef PXP_IPTC_H
#define PXP_IPTC_H

#include "image/metadata/metadata.h"

/*
 * Filter IIM datasets.
 *
 * ret_iptc  an empty block; stays empty when nothing is kept. The caller frees it.
 * keep      a mask of enum keep.
 * lost      LOST_IPTC is added when the datasets end in something else, which is dropped.
 *
 * False when memory ran out. Any thread.
 */
bool iptc_filter(struct block *ret_iptc, struct bytes datasets, unsigned keep,
                 const struct metadata_target *target, unsigned *lost);

/* The data of the Photoshop resource with this number, borrowed; empty without such a resource. */
struct bytes photoshop_resource(struct bytes resources, unsigned number);

/* Write Photoshop resources that contain only the datasets, for JPEG's APP13 and TIFF. */
void iptc_add_as_resource(struct block *to, struct bytes datasets);

enum { PHOTOSHOP_IPTC = 0x0404, PHOTOSHOP_EXIF = 0x0422, PHOTOSHOP_XMP = 0x0424 };

#endif
