/*
 * A JPEG decoder (ITU-T T.81) that decodes only as much of a file as a scaled picture needs.
 *
 * It reads baseline, extended sequential and progressive files of 8 bits with Huffman coding, with
 * any subsampling and any colours. Each component is decoded at its own scale. At 1/8 only the DC
 * coefficient of each block is used, at 1/4 the lowest 2 x 2 coefficients, at 1/2 the lowest 4 x 4.
 * The other coefficients are skipped. In a sequential file, several symbols are skipped at a time.
 * In a progressive file, whole scans are skipped.
 *
 * Planes keep their different sizes and are not converted to RGB, because each plane is resampled
 * separately. Samples are centred: sample i of n stands for the middle of the i-th of n equal
 * parts of the picture.
 *
 * Promises about damage, which test_jpeg_damage.c tests:
 *
 *   - the decoder detects a truncated file at every scale;
 *   - in a file without an end marker (EOI) the decoder skips no scan, and accepts the file only if
 *     every block of every scan is present;
 *   - damage in a scan that is read is an error. Damage in a scan that is skipped is not detected.
 *     A request with reads_everything skips no scan.
 *
 * Threads: a decoder belongs to one thread at a time.
 */
#ifndef PXP_FAST_JPEG_H
#define PXP_FAST_JPEG_H

#include "image/fast/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JPG_MAX_COMPONENTS = 4 };

/* The decoder divides both sides of the picture by 2^scale. */
enum jpg_scale { JPG_FULL, JPG_HALF, JPG_QUARTER, JPG_EIGHTH, N_JPG_SCALES };

struct jpg_header {
	uint32_t width, height; /* the size in pixels: each side is 1 to 65535 */
	bool is_progressive;
	unsigned n_components; /* 1: grey; 3: Y, Cb, Cr, or RGB; 4: CMYK or YCCK */
	/* The components are RGB, CMYK or YCCK. The planes can be used only to check the file. */
	bool has_other_colours;
	unsigned h_max, v_max;
	struct {
		/* The horizontal and the vertical sampling factor, each from 1 to 4. In a grey
		 * picture, h and v are 1. */
		uint8_t h, v;
	} component[JPG_MAX_COMPONENTS];
};

struct jpg_request {
	enum jpg_scale scale[JPG_MAX_COMPONENTS];
	/* The allowed error of each component: a mean squared error in levels of 8-bit samples,
	 * estimated from the quantization tables. In a progressive file, refinement scans are
	 * skipped as long as the error stays within this budget. If the budget is 0, every bit of
	 * the coefficients that the scale uses is read. */
	double noise_budget[JPG_MAX_COMPONENTS];
	/* If true, no scan is skipped. */
	bool reads_everything;
};

/* The decoded planes. They have 8 bits at JPG_FULL and JPG_HALF, and 16 bits at JPG_QUARTER and
 * JPG_EIGHTH. */
struct jpg_picture {
	unsigned n_planes;
	struct plane plane[JPG_MAX_COMPONENTS];
	unsigned n_scans, n_scans_skipped;
};

/* The decoder's state. The table jpeg_reader has the functions that create, trim and destroy it. */
struct jpg_decoder;

/*
 * Read all segments of a file, but no entropy-coded data. READ_OK means that the decoder supports
 * this kind of file and that its segments are valid.
 *
 * bytes    borrowed until the file was decoded for the last time or another file is opened.
 *
 * READ_CANNOT     a kind of file that the decoder does not support: arithmetic coding, 12 bits,
 *                 lossless, hierarchical, with the height after the first scan (DNL), with two or
 *                 more than four components, or with too many scans (JPG_MAX_SCANS). Or the file
 *                 does not begin with an SOI marker.
 * READ_DAMAGED    a segment contradicts the standard or another segment.
 * READ_TRUNCATED  the file ends in a segment, or before its last scan.
 */
enum read_status jpg_decoder_open(struct jpg_decoder *decoder, const uint8_t *bytes,
                                  size_t n_bytes, struct jpg_header *ret_header);

/*
 * Decode the file for which jpg_decoder_open() returned READ_OK. The caller must have checked
 * that the number of pixels of the file is within the limits. The file may be decoded again, with
 * another request.
 *
 * return   READ_OK: *ret_picture has the planes, which belong to the decoder and are valid until
 *          its next call. Otherwise jpeg_reader.reason() gives the reason.
 */
enum read_status jpg_decoder_decode(struct jpg_decoder *decoder,
                                    const struct jpg_request *request,
                                    struct jpg_picture *ret_picture);

/* An upper bound of the number of bytes that decoding allocates, without the decoder itself.
 * n_bytes is the number of bytes of the largest scan. */
uint64_t jpg_memory_estimate(const struct jpg_header *header,
                             const struct jpg_request *request, size_t n_bytes);

/*
 * Sharpen a plane of 16 bits. This compensates for the decoding at 1/8, which smooths the picture
 * because it replaces blocks by their means. The kernel is [-a, 1 + 2a, -a] on both axes, with a =
 * 0.05. If memory runs out, returns false and leaves the plane unchanged.
 */
bool plane_sharpen(struct plane *plane, struct workspace *workspace);

#endif
