/*
 * IPTC consists of datasets of the Information Interchange Model (IIM 4.2). In JPEG and other
 * formats, the datasets are inside one of Photoshop's image resources.
 */
#ifndef PXP_IPTC_H
#define PXP_IPTC_H

#include "image/metadata/metadata.h"

/*
 * Filter IIM datasets.
 *
 * ret_iptc  an empty block, which stays empty if nothing is kept. The caller frees it.
 * keep      a mask of enum keep.
 * lost      gets LOST_IPTC if other bytes than zeros follow the last valid dataset.
 *
 * Returns false if memory ran out. May be called by any thread.
 */
bool iptc_filter(struct block *ret_iptc, struct bytes datasets, unsigned keep,
                 const struct metadata_target *target, unsigned *lost);

/* Borrow the data of the Photoshop resource with this number. The result is empty if no resource
 * has this number. */
struct bytes photoshop_resource(struct bytes resources, unsigned number);

/* Append a Photoshop resource that contains the datasets. JPEG's APP13 and PNG store IPTC in this
 * way. */
void iptc_add_as_resource(struct block *to, struct bytes datasets);

enum { PHOTOSHOP_IPTC = 0x0404, PHOTOSHOP_EXIF = 0x0422, PHOTOSHOP_XMP = 0x0424 };

#endif
