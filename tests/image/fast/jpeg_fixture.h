/*
 * Helpers of the tests of the scaled JPEG decoder: planes as libjpeg decodes them, planes of our
 * decoder to compare with them, and decoding that must succeed.
 */
#ifndef PXP_JPEG_FIXTURE_H
#define PXP_JPEG_FIXTURE_H

#include "image/fast/jpeg.h"
#include "jpeg_maker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Planes as libjpeg decodes them at scale 1/denominator, before chroma is upsampled. */
struct reference {
	unsigned n_planes;
	struct reference_plane {
		/* Width and height of the component in its own samples. */
		unsigned width, height;
		/* The width and the height of a block at this scale, in samples. libjpeg may give a
		 * block of chroma more samples than a block of luma. */
		unsigned side;
		size_t stride;
		uint8_t *samples;
	} plane[3];
	bool is_clean; /* libjpeg reported neither a warning nor an error */
};

struct reference reference_decode(struct bytes file, unsigned denominator);
void reference_free(struct reference *reference);

/* The largest absolute value of a dequantized coefficient. No encoder writes values above 8192. For
 * larger values libjpeg-turbo's transforms give different samples on different machines. */
int largest_coefficient(struct bytes file);

/* A sample of our decoder, rounded to 8 bits. */
unsigned plane_sample(const struct plane *plane, unsigned x, unsigned y);

/* The largest difference between samples of two planes, which must have the same size. */
unsigned plane_difference(const struct plane *plane,
                          const struct reference_plane *reference);

/* Create a decoder. The test ends if there is no memory for one. */
struct jpg_decoder *decoder_new(void);

/* A request with one scale for all components and no allowed noise. */
struct jpg_request request_of(enum jpg_scale scale);

/* Open and decode a copy of exactly the file's length, so that a sanitizer notices reads beyond the
 * end. */
enum read_status decode(struct jpg_decoder *decoder, struct bytes file,
                        const struct jpg_request *request,
                        struct jpg_picture *ret_picture);

/* Decode a file. The test ends if the decoder refuses the file. */
struct jpg_picture decode_whole(struct jpg_decoder *decoder, struct bytes file,
                                const struct jpg_request *request);

/* All samples of a picture in one block of memory. The caller frees it. */
struct bytes samples_of(const struct jpg_picture *picture);
bool are_same(struct bytes a, struct bytes b);

#endif
