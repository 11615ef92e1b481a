/*
 * What the tests of the scaled JPEG decoder share: files decoded by libjpeg to planes, ours to
 * compare with them, and decoding that must succeed.
 */
#ifndef PXP_JPEG_FIXTURE_H
#define PXP_JPEG_FIXTURE_H

#include "image/fast/jpeg.h"
#include "jpeg_maker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Planes of libjpeg at 1/denominator, as they are before upsampling. */
struct reference {
	unsigned n_planes;
	struct reference_plane {
		unsigned width, height; /* the component's own samples */
		unsigned side;          /* of a block: libjpeg may take more of chroma */
		size_t stride;
		uint8_t *samples;
	} plane[3];
	bool is_clean; /* libjpeg had neither warning nor error */
};

struct reference reference_decode(struct bytes file, unsigned denominator);
void reference_free(struct reference *reference);

/* The largest absolute value of a dequantized coefficient. No encoder's is above 8192; of
 * larger ones libjpeg-turbo's transforms give different samples on different machines. */
int largest_coefficient(struct bytes file);

/* Our sample, rounded to 8 bits. */
unsigned plane_sample(const struct plane *plane, unsigned x, unsigned y);

/* The largest difference of any sample; planes must have the same size. */
unsigned plane_difference(const struct plane *plane,
                          const struct reference_plane *reference);

/* A decoder; a test ends if there is no memory for one. */
struct jpg_decoder *decoder_new(void);

/* A request of one scale for all components, with no noise. */
struct jpg_request request_of(enum jpg_scale scale);

/* Open and decode a copy of exactly the file's length, so that a sanitizer sees a byte too many. */
enum read_status decode(struct jpg_decoder *decoder, struct bytes file,
                        const struct jpg_request *request,
                        struct jpg_picture *ret_picture);

/* The same of a file that must be whole. */
struct jpg_picture decode_whole(struct jpg_decoder *decoder, struct bytes file,
                                const struct jpg_request *request);

/* All samples of a picture in one block of memory, to be freed. */
struct bytes samples_of(const struct jpg_picture *picture);
bool are_same(struct bytes a, struct bytes b);

#endif
