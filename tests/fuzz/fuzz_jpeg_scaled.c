/*
 * Fuzz target: a whole JPEG file for the scaled decoder. One decoder reads all inputs, as a worker
 * uses one decoder for all pictures. The first byte of the input selects the scales and the noise
 * budget.
 *
 * Assertions: planes have the size that the header gives. A file that passes when all scans are
 * read also passes when scans are skipped, and has the same samples if no noise is allowed. The
 * inverse transforms with SIMD give the same samples as the portable transforms.
 *
 * The target also calls the functions that the engine calls, which choose the scales themselves.
 */
#include "fuzz.h"

#include "image/fast/codec.h"
#include "image/fast/jpeg.h"
#include "image/fast/jpeg_idct.h"
#include "image/header/picture_header.h"

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

/* Decode the file again by the functions that the engine calls, for two outputs. */
static void decode_for_outputs(const uint8_t *bytes, size_t n, unsigned choice)
{
	const double ratio = 1 + choice % 16;
	const struct demand demands[] = {
		{.ratio = ratio, .has_half_chroma = choice & 64, .noise_budget = 4},
		{.ratio = 2 * ratio, .is_lossless = choice & 128},
	};
	const struct read_request request = {demands, 2, choice & 32};
	struct picture_header picture = {.n_components = 3};
	struct read_header header;
	struct decoded decoded;

	if (jpeg_reader.open(decoder, bytes, n, &header) != READ_OK ||
	    (uint64_t)header.size.width * header.size.height > MAX_PIXELS)
		return;
	picture.size = header.size;
	CLAIM(jpeg_reader.memory(&picture, &request) > 0);
	if (jpeg_reader.decode(decoder, &request, &decoded) != READ_OK)
		return;
	CLAIM(decoded.size.width == header.size.width);
	CLAIM(decoded.size.height == header.size.height);
	CLAIM(decoded.n_planes >= 1);
}

/* Transform a block of the input's bytes by both variants of each transform. */
static void compare_transforms(const uint8_t *bytes, size_t n)
{
	_Alignas(16) int16_t block[64], quantization[64];
	uint8_t fast[8 * 16] = {0}, portable[8 * 16] = {0};

	if (n < 128)
		return;
	for (unsigned i = 0; i < 64; i++) {
		block[i] = (int8_t)bytes[i];
		quantization[i] = (int16_t)(bytes[64 + i] + 1);
	}
	jpg_idct_8x8(fast, 16, block, quantization);
	jpg_idct_8x8_portable(portable, 16, block, quantization);
	CLAIM(memcmp(fast, portable, sizeof(fast)) == 0);
	jpg_idct_4x4(fast, 16, block, quantization);
	jpg_idct_4x4_portable(portable, 16, block, quantization);
	CLAIM(memcmp(fast, portable, sizeof(fast)) == 0);
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
	decode_for_outputs(copy, feed.n, choice);
	compare_transforms(copy, feed.n);
	if (choice & 32)
		jpeg_reader.trim(decoder, 0);
	free(copy);
	return 0;
}
