/*
 * Fuzz target: a whole JPEG file for the scaled decoder. One decoder reads all inputs, as a worker
 * uses one decoder for all pictures. The first byte of the input selects the scales and the noise
 * budget.
 *
 * Assertions: planes have the size that the header gives. A file that passes when all scans are
 * read also passes when scans are skipped, and has the same samples if no noise is allowed.
 */
#include "fuzz.h"

#include "image/fast/jpeg.h"

#include <stdlib.h>
#include <string.h>

/* Larger pictures take too long for a fuzzer. Callers of the decoder have a limit of their own. */
enum { MAX_PIXELS = 1 << 18 };

static struct jpg_decoder *decoder;

static void claim_planes(const struct jpg_header *header,
                         const struct jpg_picture *picture,
                         const struct jpg_request *request)
{
	CLAIM(picture->n_planes == header->n_components);
	CLAIM(picture->n_scans_skipped < picture->n_scans);
	for (unsigned i = 0; i < picture->n_planes; i++) {
		const struct plane *plane = &picture->plane[i];

		CLAIM(plane->true_width <= plane->width);
		CLAIM(plane->true_height <= plane->height);
		CLAIM(plane->width << request->scale[i] < header->width + 16u);
		CLAIM(plane->width * plane->n_bits / 8 <= plane->stride);
	}
}

/* A hash of all samples (FNV-1a). */
static uint64_t hash(const struct jpg_picture *picture)
{
	uint64_t sum = UINT64_C(14695981039346656037);

	for (unsigned i = 0; i < picture->n_planes; i++) {
		const struct plane *plane = &picture->plane[i];

		for (unsigned y = 0; y < plane->height; y++) {
			const uint8_t *row = (const uint8_t *)plane->samples +
			                     y * plane->stride;

			for (size_t x = 0; x < plane->width * plane->n_bits / 8; x++)
				sum = (sum ^ row[x]) * UINT64_C(1099511628211);
		}
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned choice = feed_byte(&feed);
	struct jpg_request request = {0};
	struct jpg_picture picture;
	struct jpg_header header;
	uint8_t *copy = fuzz_copy(feed.at, feed.n);
	enum read_status status;

	if (!decoder)
		decoder = jpeg_reader.create();
	CLAIM(decoder != NULL);
	for (unsigned i = 0; i < JPG_MAX_COMPONENTS; i++) {
		request.scale[i] = (enum jpg_scale)((choice >> (i ? 2 : 0)) & 3);
		request.noise_budget[i] = choice & 16 ? 4 : 0;
	}

	status = jpg_decoder_open(decoder, copy, feed.n, &header);
	CLAIM(status == READ_OK || jpeg_reader.reason(decoder)[0] != '\0');
	if (status == READ_OK && header.width * header.height <= MAX_PIXELS) {
		enum read_status everything;
		uint64_t sum = 0;

		status = jpg_decoder_decode(decoder, &request, &picture);
		if (status == READ_OK) {
			claim_planes(&header, &picture, &request);
			sum = hash(&picture);
		}
		request.reads_everything = true;
		everything = jpg_decoder_decode(decoder, &request, &picture);
		if (everything == READ_OK) {
			CLAIM(status == READ_OK);
			CLAIM(picture.n_scans_skipped == 0);
			CLAIM(request.noise_budget[0] > 0 || hash(&picture) == sum);
		}
		CLAIM(everything == READ_OK || jpeg_reader.reason(decoder)[0] != '\0');
	}
	if (choice & 32)
		jpeg_reader.trim(decoder, 0);
	free(copy);
	return 0;
}
