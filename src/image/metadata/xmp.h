/*
 * XMP (ISO 16684-1; Adobe's XMP specification, parts 1 to 3): packets of RDF in XML. A packet is
 * read into a tree, its properties are kept, set or dropped one by one, and the tree is written.
 */
#ifndef PXP_XMP_H
#define PXP_XMP_H

#include "image/metadata/metadata.h"

/*
 * Filter a packet.
 *
 * ret_xmp   an empty block; stays empty when nothing is kept. The caller frees it. UTF-8.
 * packet    UTF-8, UTF-16 or UTF-32.
 * extended  the rest of a packet that a JPEG holds in parts; may be empty.
 * keep      a mask of enum keep.
 * lost      LOST_XMP is added when something that was to be kept is not, LOST_VIDEO and
 *           LOST_GAINMAP when the packet tells of one, whatever keep is.
 *
 * False when memory ran out. Any thread.
 */
bool xmp_filter(struct block *ret_xmp, struct bytes packet, struct bytes extended,
                unsigned keep, const struct metadata_target *target, unsigned *lost);

enum { XMP_GUID_BYTES = 32 };

/*
 * Split a packet so that it fits into JPEG (XMP part 3, section 1.1.3.1): a main packet of
 * at most n_max bytes, and an extended one with the largest properties, which the main one
 * names by a GUID, the MD5 of its bytes.
 *
 * False when that is not possible or memory ran out; the blocks are the caller's to free.
 */
bool xmp_split(struct bytes packet, size_t n_max, struct block *ret_main,
               struct block *ret_extended, char guid[XMP_GUID_BYTES + 1]);

/* Whether a property's name means a location: "GPSLatitude", "City", "CountryCode". */
bool xmp_name_is_place(const char *name);

#endif
