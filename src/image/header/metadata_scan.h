/*
 * What stands in a JPEG, PNG or GIF beside its pixels and that stb_image does not tell: the
 * orientation, a colour profile, and whether it is of a kind that stb decodes wrongly.
 *
 * These are readers of bytes from strangers. A length that lies ends the reading, and what
 * was not found by then is taken to be absent; malformed EXIF is orientation 1.
 */
#ifndef PXP_METADATA_SCAN_H
#define PXP_METADATA_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metadata_scan {
	unsigned orientation;  /* 1 to 8 */
	unsigned n_components; /* of a JPEG's frame; 0 when there is none */
	uint8_t process;       /* of a JPEG: its SOF marker, 0xc0 baseline */
	bool is_whole;         /* a JPEG's end marker is there; true of others */
	bool has_bad_table; /* of a JPEG: a Huffman table with more codes than there are */
	bool has_exif, has_xmp, has_iptc;
	bool has_profile;
	const uint8_t *profile; /* NULL when it is in pieces */
	size_t n_profile;
	bool profile_is_deflated; /* as in a PNG */
};

void metadata_scan_jpeg(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);
void metadata_scan_png(struct metadata_scan *ret_scan, const uint8_t *bytes, size_t n);

/* Whether no block of a GIF is cut short. Decoders pass over frames that are not whole. */
bool gif_is_whole(const uint8_t *bytes, size_t n);

/* A number in the first directory of the n bytes of a TIFF structure, of one short. */
unsigned tiff_short(const uint8_t *tiff, size_t n, unsigned tag, unsigned otherwise);

/* The orientation in the n bytes of a TIFF structure, as EXIF has it; 1 when there is
 * none or the bytes make no sense. */
unsigned exif_orientation(const uint8_t *tiff, size_t n);

#endif
