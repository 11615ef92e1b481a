/*
 * XMP (ISO 16684-1; Adobe's XMP specification, parts 1 to 3) consists of packets of RDF in XML. A
 * packet is read into a tree. Each of its properties is kept, set or dropped. Then the tree is
 * written.
 */
#ifndef PXP_XMP_H
#define PXP_XMP_H

#include "image/metadata/metadata.h"

/*
 * Filter a packet.
 *
 * ret_xmp   an empty block. It gets the result in UTF-8, or stays empty if nothing is kept. The
 *           caller frees it.
 * packet    UTF-8, UTF-16 or UTF-32.
 * extended  the second part of a packet that is split in a JPEG; may be empty.
 * keep      a mask of enum keep.
 * lost      gets LOST_XMP if something is lost that should be kept. Gets LOST_VIDEO,
 *           LOST_GAINMAP or LOST_DEPTH if the packet mentions a video, a gain map or a depth map.
 *           If the recipe keeps nothing of XMP, packets in UTF-16 and UTF-32 are not searched.
 *
 * Returns false if memory ran out. May be called by any thread.
 */
bool xmp_filter(struct block *ret_xmp, struct bytes packet, struct bytes extended,
                unsigned keep, const struct metadata_target *target, unsigned *lost);

enum { XMP_GUID_BYTES = 32 };

/*
 * Split a packet so that it fits into a JPEG (XMP part 3, section 1.1.3.1). The largest properties
 * are moved to the extended packet, so that the main packet has at most n_max bytes. The main
 * packet names the extended packet by a GUID, which is the MD5 of the bytes of the extended packet.
 *
 * Returns false if the properties cannot be split in this way, or memory ran out. If memory ran
 * out, sets ret_main->has_failed. The caller frees the blocks in any case.
 */
bool xmp_split(struct bytes packet, size_t n_max, struct block *ret_main,
               struct block *ret_extended, char guid[XMP_GUID_BYTES + 1]);

/* Whether the name of a property means a location. Examples: "GPSLatitude", "City",
 * "CountryCode". */
bool xmp_name_is_place(const char *name);

#endif
