/*
 * How much memory the vips engine needs to decode a picture, from its header.
 *
 * In the table below "lines" are 2048 lines of the picture, or all of it when it has fewer: libvips
 * buffers them of what it reads in sequence.
 *
 *   JPEG                  512 lines: it shrinks while it loads
 *   JPEG in several scans  and all coefficients: 2 bytes for each sample, as subsampled
 *   PNG, TIFF, PFM        lines; for TIFF also a row of its tiles
 *   PNM, PAM, PSD         8 bytes a pixel: four samples of 16 bits
 *   BMP, TGA              4 bytes a pixel
 *   PNG interlaced        the whole picture
 *   WebP, GIF             4 and 8 bytes a pixel; 12 of an animation
 *   HEIC, AVIF, JXL       14 bytes a pixel
 *   JP2                   24 bytes a pixel
 *   HDR                   20 bytes a pixel
 *   SVG, PDF              8 MiB, and 8 and 4 bytes a pixel of what is drawn
 *
 * Where several outputs are derived, the decoded picture is held as well.
 *
 * Measured as the largest RLIMIT_DATA figure of a worker (statm's sixth), sampled while it worked,
 * with libvips 8.14.1, on synthetic pictures of 24 and 100 megapixels; on photographs, as the
 * lowest limit under which they come out. Beyond the worker and the input, in MiB at 24
 * megapixels: JPEG baseline 11, progressive 4:2:0 72 and 4:4:4 140, PNG 30, interlaced 82, RGBA of
 * 16 bit 81, interlaced 162, TIFF in strips 24, in tiles 31, of 16 bit 82, GIF 173, HEIC 227, AVIF
 * 229, JXL 178; WebP of 17 megapixels 70. At 100 megapixels: JPEG baseline 8, progressive 4:2:0
 * 294, PNG 44, TIFF in tiles 36. An SVG with text and two translucent groups, and a PDF with text,
 * each drawn at 16 megapixels and written as PNM: 250 and 125 MiB in all; at 36 megapixels 523 and
 * 263.
 */
#include "image/memory_estimate.h"
#include "image/vips/engine_vips.h"

enum {
	LINES = 2048,
	FEW_LINES = 512,
	GIF_PIXEL_BYTES = 8,
	ANIMATED_PIXEL_BYTES = 12,
};

/* Fonts and shapes. */
static const uint64_t drawing_bytes = (uint64_t)8 << 20;

static uint64_t lines_of(const struct picture_header *header, uint32_t n_lines)
{
	n_lines += 2 * header->tile_height > n_lines ? 2 * header->tile_height : 0;
	if (n_lines > header->size.height)
		n_lines = header->size.height;
	return memory_product(memory_product(header->size.width, n_lines),
	                      header->n_pixel_bytes);
}

static uint64_t loader_memory(const struct picture_header *header)
{
	uint64_t n_pixels = memory_area(header->size);

	switch (header->format) {
	case FORMAT_JPEG:
		return lines_of(header, FEW_LINES) + header->n_coefficient_bytes;
	case FORMAT_PNG:
		return header->is_interlaced
		               ? memory_product(n_pixels, header->n_pixel_bytes)
		               : lines_of(header, LINES);
	case FORMAT_WEBP:
		if (header->n_frames > 1)
			return memory_product(n_pixels, ANIMATED_PIXEL_BYTES);
		return lines_of(header, FEW_LINES) + memory_product(n_pixels, 4);
	case FORMAT_GIF:
		return memory_product(n_pixels, header->n_frames > 1
		                                        ? ANIMATED_PIXEL_BYTES
		                                        : GIF_PIXEL_BYTES);
	case FORMAT_HEIC:
	case FORMAT_AVIF:
	case FORMAT_JXL:
		return memory_product(n_pixels, 14);
	case FORMAT_JP2:
		return memory_product(n_pixels, 24);
	case FORMAT_PNM:
	case FORMAT_PAM:
	case FORMAT_PSD:
		return memory_product(n_pixels, 8);
	case FORMAT_BMP:
	case FORMAT_TGA:
		return memory_product(n_pixels, 4);
	case FORMAT_HDR:
		return memory_product(n_pixels, 20);
	case FORMAT_SVG:
	case FORMAT_PDF:
		n_pixels = memory_area(header->decoded);
		return drawing_bytes +
		       memory_product(n_pixels, header->format == FORMAT_SVG ? 8 : 4);
	default:
		return lines_of(header, LINES);
	}
}

/* By how much a JPEG is shrunk at least when it is decoded for all of these: half of what would
 * leave twice the size of the largest output, since sides may not divide by more. */
static unsigned shrink_for(struct size from, const struct picture_variant *variants,
                           unsigned n_variants)
{
	unsigned shrink = 4;

	for (unsigned i = 0; i < n_variants; i++) {
		struct size to =
			geometry_layout(&variants[i].recipe->geometry, from).scaled;

		while (shrink > 1 && (from.width / 4 / shrink < to.width ||
		                      from.height / 4 / shrink < to.height))
			shrink /= 2;
	}
	return shrink;
}

static uint64_t decoded_memory(const struct picture_header *header,
                               const struct picture_variant *variants,
                               unsigned n_variants)
{
	uint64_t n_bytes = memory_product(
		memory_product(memory_area(header->size), header->n_frames),
		header->n_pixel_bytes);
	unsigned shrink = 1;

	if (header->format == FORMAT_SVG || header->format == FORMAT_PDF)
		return 0;
	if (header->format == FORMAT_JPEG)
		shrink = shrink_for(header->size, variants, n_variants);
	return n_bytes / ((uint64_t)shrink * shrink);
}

uint64_t pv_decoder_memory(const struct picture_header *header,
                           const struct picture_variant *variants, unsigned n_variants)
{
	return loader_memory(header) +
	       (n_variants > 1 ? decoded_memory(header, variants, n_variants) : 0);
}
