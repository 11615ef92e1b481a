/*
 * How much memory a picture will need, from its header alone: our own look at the bytes,
 * before any library sees them, since what a library needs for a picture is to be had
 * before it opens it.
 *
 * The estimate, in bytes of private memory of the whole worker:
 *
 *   48 MiB   the worker itself, with libvips and all its modules (32 seen), and slack
 *   + the input file, which is held whole
 *   + what the decoder keeps (below)
 *   + for each pixel of the output: 2 times its bytes (JPEG, PNG, TIFF), or more where an
 *     encoder keeps the whole picture in wider numbers, and the output itself
 *
 * and for the decoder, p being the bytes of a pixel and "lines" 2048 lines of the picture (or
 * all of it, when it has fewer), which libvips buffers of what it reads in sequence:
 *
 *   JPEG                  512 lines: it shrinks while it loads
 *   JPEG in several scans  and all coefficients: 2 bytes for each sample, as subsampled
 *   PNG, TIFF, PNM        lines; for TIFF also a row of its tiles
 *   PNG interlaced        the whole picture
 *   WebP, GIF             4 and 8 bytes a pixel; 12 of an animation
 *   HEIC, AVIF, JXL       14 bytes a pixel
 *   JP2                   24 bytes a pixel
 *   BMP, TGA, PSD, HDR    4, 4, 8 and 20 bytes a pixel (stb)
 *   SVG, PDF              8 MiB, and 8 and 4 bytes a pixel of what is drawn
 *
 * Source: the largest RLIMIT_DATA figure (statm's sixth) of a worker, sampled while it
 * worked, libvips 8.14.1, synthetic pictures of 24 and 100 megapixels; and, for photographs, the
 * least limit under which they come out. Seen beyond the worker and the input, in MiB at 24
 * megapixels: JPEG baseline 11, progressive 4:2:0 72 and 4:4:4 140, PNG 30, interlaced 82, RGBA
 * of 16 bit 81, interlaced 162, TIFF in strips 24, in tiles 31, of 16 bit 82, GIF 173, HEIC 227,
 * AVIF 229, JXL 178, BMP and TGA 69; WebP of 17 megapixels 70. At 100 megapixels: JPEG baseline
 * 8, progressive 4:2:0 294, PNG 44, TIFF in tiles 36. An output of 24 megapixels added, for each
 * byte of its pixels, 1.4 (JPEG, PNG, TIFF), 3.1 (WebP), 4.1 (BMP) and 5.5 (GIF). WebP of noise
 * takes, of 11 megapixels, in bytes a pixel beyond what it takes to read them: 13, without loss
 * 33, with alpha 37 (vips webpsave). An SVG with text and two groups that let through, and a PDF
 * with text, each drawn at 16 megapixels and written as PNM: 250 and 125 MiB in all, at 36
 * megapixels 523 and 263.
 * Where it is too low all the same, the picture runs into its limit and has a second attempt
 * with all the memory there is.
 */
#ifndef PXP_NEED_H
#define PXP_NEED_H

#include "recipe/recipe.h"

/* What the header says. All zero where we cannot read it: then its engine says the size. */
struct picture_facts {
	enum image_format format;
	struct size size;    /* as stored, not turned */
	struct size decoded; /* of what is drawn, at the size that is asked for; else 0 */
	uint32_t n_frames;   /* of an animation; 1 for a still */
	unsigned n_pixel_bytes;
	uint64_t n_coefficient_bytes; /* of a JPEG that is decoded in several scans */
	uint32_t tile_height;
	bool is_interlaced;
};

/* Look at the first bytes of an input, and at no more than its headers; frames of GIF and
 * WebP are counted through the whole file. False when its size is not to be seen. */
bool need_look(int input, uint64_t n_bytes, const char *name,
               struct picture_facts *ret_facts);

/* n_frames: of those that are decoded and kept. */
uint64_t need_of(const struct picture_facts *facts, const struct recipe *recipe,
                 uint64_t input_bytes, uint64_t n_frames);

/* Whether it is within the recipe's limits, so that it is worth its memory: one that is not
 * is refused by who opens it, with the words for it; but for its frames, here. */
bool need_is_allowed(const struct picture_facts *facts, const struct recipe *recipe,
                     uint64_t input_bytes);
bool need_has_few_frames(const struct picture_facts *facts, const struct recipe *recipe,
                         struct failure *ret_failure);

#endif
