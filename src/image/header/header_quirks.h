/*
 * Reads header fields that the decoding libraries ignore. A library that ignores such a field shows
 * the picture wrongly. The bytes are untrusted: a wrong length ends the reading.
 */
#ifndef PXP_HEADER_QUIRKS_H
#define PXP_HEADER_QUIRKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the pixels of a Radiance HDR are RGB, in rows from the top left. libvips assumes that
 * this is true of every HDR file. */
bool hdr_is_rgb_from_top_left(const uint8_t *bytes, size_t n);

/* Whether a TIFF stores samples in YCbCr without JPEG compression. libvips reads such samples as
 * RGB. */
bool tiff_is_raw_ycbcr(const uint8_t *bytes, size_t n);

enum jp2_colours {
	JP2_AS_READ, /* libvips reads the samples correctly, or reports an error */
	/* The samples are YCbCr, and chroma has as many samples as luma. libvips reads the samples
	 * as RGB. */
	JP2_YCC,
	JP2_PALETTE,     /* libvips crashes */
	JP2_OTHER_SPACE, /* a colour space that libvips reads as RGB */
	/* Even the first component has fewer samples than the picture has pixels. libvips then
	 * shows pixels that are not in the file. */
	JP2_COARSE,
};

/* How a JPEG 2000 file stores its colours. The file may be a codestream without boxes. */
enum jp2_colours jp2_find_colours(const uint8_t *bytes, size_t n);

#endif
