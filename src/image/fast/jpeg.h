/*
 * A JPEG decoder (ITU-T T.81) that decodes no more of a file than a scaled picture needs.
 *
 * It reads baseline, extended sequential and progressive files of 8 bits with Huffman coding, grey
 * or YCbCr, of any subsampling. Each component is decoded at its own scale: at 1/8 that is the DC
 * coefficient of each block, at 1/4 and 1/2 the lowest 2 x 2 and 4 x 4 coefficients. For the
 * others, the symbols in a sequential file are skipped, several at a time; in a progressive file
 * whole scans are skipped.
 *
 * Planes are neither scaled up to one size nor converted to RGB: resampling handles each plane
 * separately. Samples are centred: sample i of n stands for the middle of the i-th of n equal parts
 * of the picture.
 *
 * Promises about damage, which test_jpeg_damage.c holds:
 *
 *   - a truncated file is detected at every scale;
 *   - in a file without an end marker (EOI) nothing is skipped, and the file passes only if every
 *     block of every scan is present;
 *   - damage in a scan that is read fails. Damage in a scan that is skipped passes, unless the
 *     request reads everything.
 *
 * Threads: a decoder belongs to one thread at a time.
 */
#ifndef PXP_FAST_JPEG_H
#define PXP_FAST_JPEG_H

#include "image/fast/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JPG_MAX_COMPONENTS = 3 };

/* Scales: 1/2^n. */
enum jpg_scale { JPG_FULL, JPG_HALF, JPG_QUARTER, JPG_EIGHTH, N_JPG_SCALES };

struct jpg_header {
	uint32_t width, height; /* 1 to 65535 */
	bool is_progressive;
	unsigned n_components; /* components; 1: grey; 3: Y, Cb, Cr */
	unsigned h_max, v_max;
	struct {
		uint8_t h, v; /* sampling factors, 1 to 4; 1 x 1 for a grey picture */
	} component[JPG_MAX_COMPONENTS];
};

struct jpg_request {
	enum jpg_scale scale[JPG_MAX_COMPONENTS];
	/* The allowed error of a progressive file's planes, up to which refinement scans are
	 * skipped: a mean squared error in levels of 0 to 255, estimated from the quantization
	 * tables. With 0 no bit is skipped of a coefficient that the scale uses. */
	double noise_budget[JPG_MAX_COMPONENTS];
	/* Skip no scan, and fail on stray bytes between segments too. */
	bool reads_everything;
};

/* Full and half scale have planes of 8 bits, quarter and eighth of 16. */
struct jpg_picture {
	unsigned n_planes;
	struct plane plane[JPG_MAX_COMPONENTS];
	unsigned n_scans, n_scans_skipped;
};

/* The state of jpeg_reader, which creates, trims and destroys it. */
struct jpg_decoder;

/*
 * Read all segments of a file, but no entropy-coded data. READ_OK means that the decoder supports
 * this kind of file, and that its segments are in order.
 *
 * bytes    borrowed until the file is decoded, or another one is opened.
 *
 * READ_CANNOT     CMYK, YCCK, RGB, arithmetic coding, 12 bits, lossless, hierarchical ...; known
 *                before the first scan, but for a height that comes late (DNL).
 * READ_DAMAGED    a segment contradicts the standard or another one.
 * READ_TRUNCATED  the file ends in a segment, or before its last scan.
 */
enum read_status jpg_decoder_open(struct jpg_decoder *decoder, const uint8_t *bytes,
                                  size_t n_bytes, struct jpg_header *ret_header);

/*
 * Decode the file for which jpg_decoder_open() returned READ_OK. The caller has checked its size in
 * pixels. The file may be decoded again, with another request.
 *
 * return   with READ_OK *ret_picture has the planes, which belong to the decoder until its
 *          next call. Else jpeg_reader.reason() says why.
 */
enum read_status jpg_decoder_decode(struct jpg_decoder *decoder,
                                    const struct jpg_request *request,
                                    struct jpg_picture *ret_picture);

/* An upper bound of the bytes that decoding allocates, without the decoder itself. */
uint64_t jpg_memory_estimate(const struct jpg_header *header,
                             const struct jpg_request *request, size_t n_bytes);

/*
 * Undo the smoothing by a mean over blocks: [-a, 1 + 2a, -a] on both axes, with an a of 0.05, on a
 * plane of 16 bits. Returns false if memory ran out; the plane is unchanged then.
 */
bool plane_sharpen(struct plane *plane, struct workspace *workspace);

#endif
