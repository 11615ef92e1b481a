/*
 * The scaled JPEG decoder that jpeg.h describes. It decides which scans the scaled picture needs,
 * reads these scans, and transforms their coefficients to planes.
 */
#include "image/fast/jpeg.h"

#include "image/fast/workspace.h"
#include "image/fast/jpeg_huffman.h"
#include "image/fast/jpeg_idct.h"
#include "image/fast/jpeg_markers.h"
#include "image/fast/jpeg_plan.h"
#include "image/fast/jpeg_scan.h"

#include <stdlib.h>
#include <string.h>

/* ---- which coefficients and scans are needed ---- */

const uint8_t jpg_natural_order[JPG_BLOCK_SIZE] = {
	0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

uint64_t jpg_used_coefficients(enum jpg_scale scale)
{
	unsigned side = JPG_BLOCK_SIDE >> scale;
	uint64_t used = 0;

	for (unsigned k = 0; k < JPG_BLOCK_SIZE; k++) {
		unsigned place = jpg_natural_order[k];

		if (place / JPG_BLOCK_SIDE < side && place % JPG_BLOCK_SIDE < side)
			used |= UINT64_C(1) << k;
	}
	return used;
}

/*
 * How the noise is estimated: if the lowest b bits of a coefficient are unknown, the coefficient is
 * truncated towards zero, and its error is less than 2^b quantization steps. If all errors in this
 * range were equally likely, their mean square would be (2^b steps)^2 / 3. Real errors are mostly
 * smaller, because most coefficients are 0. The transform preserves energy, so the sum over the 64
 * coefficients, divided by 64, is the mean over the 64 samples of a block.
 */
double jpg_noise(const uint16_t quantization[JPG_BLOCK_SIZE],
                 const uint8_t known_bit[JPG_BLOCK_SIZE], uint64_t used)
{
	double sum = 0;

	for (unsigned k = 0; k < JPG_BLOCK_SIZE; k++) {
		double error = (double)quantization[k] * (1 << known_bit[k]);

		if (known_bit[k] && used >> k & 1)
			sum += error * error / 3;
	}
	return sum / JPG_BLOCK_SIZE;
}

struct component_plan {
	unsigned component;
	const uint16_t *quantization;
	uint64_t used; /* a mask of the coefficients that the scale uses */
	/* A mask of the coefficients that a later scan refines, if that scan is read. */
	uint64_t refined;
	/* For each coefficient: the lowest bit that will be known after the last scan if no
	 * further scan is skipped. */
	uint8_t known_bit[JPG_BLOCK_SIZE];
	double noise_budget;
};

static bool fits_budget_without(const struct component_plan *plan,
                                const struct jpg_scan *scan)
{
	uint8_t known_bit[JPG_BLOCK_SIZE];

	memcpy(known_bit, plan->known_bit, sizeof(known_bit));
	memset(known_bit + scan->ss, scan->ah, scan->se - scan->ss + 1u);
	return jpg_noise(plan->quantization, known_bit, plan->used) <= plan->noise_budget;
}

static bool needs_scan(const struct component_plan *plan, const struct jpg_scan *scan)
{
	uint64_t band = jpg_band(scan->ss, scan->se);

	if (band & plan->refined)
		return true;
	if (!(band & plan->used))
		return false;
	return scan->ah == 0 || !fits_budget_without(plan, scan);
}

/* Decide for each AC scan of a component whether it is skipped, beginning with the last scan. The
 * order matters: a scan must be read if a later scan that is read refines its coefficients. */
static void plan_component(struct jpg_file *file, struct component_plan *plan)
{
	for (size_t i = file->n_scans; i-- > 0;) {
		struct jpg_scan *scan = &file->scan[i];

		if (scan->ss == 0 || scan->component[0] != plan->component)
			continue;
		scan->is_skipped = !needs_scan(plan, scan);
		if (scan->ah && !scan->is_skipped)
			plan->refined |= jpg_band(scan->ss, scan->se);
		if (scan->ah && scan->is_skipped)
			memset(plan->known_bit + scan->ss, scan->ah,
			       scan->se - scan->ss + 1u);
	}
}

void jpg_plan_scans(struct jpg_file *file, const struct jpg_request *request)
{
	for (size_t i = 0; i < file->n_scans; i++)
		file->scan[i].is_skipped = false;
	if (!file->is_progressive || !file->has_end || request->reads_everything)
		return;
	for (unsigned i = 0; i < file->n_components; i++) {
		struct component_plan plan = {
			.component = i,
			.quantization = file->component[i].quantization,
			.used = jpg_used_coefficients(request->scale[i]),
			.noise_budget = request->noise_budget[i],
		};

		plan_component(file, &plan);
	}
}

static void places_init(struct jpg_places *ret_places, enum jpg_scale scale)
{
	unsigned side = JPG_BLOCK_SIDE >> scale;

	*ret_places = (struct jpg_places){.n_kept = side * side,
	                                  .used = jpg_used_coefficients(scale)};
	memset(ret_places->place, (int)ret_places->n_kept, sizeof(ret_places->place));
	for (unsigned k = 0; k < JPG_BLOCK_SIZE; k++) {
		unsigned y = jpg_natural_order[k] / JPG_BLOCK_SIDE;
		unsigned x = jpg_natural_order[k] % JPG_BLOCK_SIDE;

		if (x < side && y < side) {
			ret_places->place[k] = (uint8_t)(y * side + x);
			ret_places->last = k;
		}
	}
}

/* ---- decoding ---- */

struct component_buffers {
	struct workspace samples, coefficients, nonzero;
};

struct jpg_decoder {
	struct read_state read;
	struct jpg_file file;
	struct jpg_places places[N_JPG_SCALES];
	struct jpg_component component[JPG_MAX_COMPONENTS];

	/* Memory that is kept between pictures. */
	struct jpg_huffman_cache cache;
	struct workspace entropy, sharpening;
	struct component_buffers buffers[JPG_MAX_COMPONENTS];
};

static void *create(void)
{
	struct jpg_decoder *decoder = calloc(1, sizeof(*decoder));

	if (!decoder)
		return NULL;
	for (enum jpg_scale scale = 0; scale < N_JPG_SCALES; scale++)
		places_init(&decoder->places[scale], scale);
	return decoder;
}

static void free_buffers(struct jpg_decoder *decoder)
{
	workspace_fini(&decoder->entropy);
	workspace_fini(&decoder->sharpening);
	for (unsigned i = 0; i < JPG_MAX_COMPONENTS; i++) {
		workspace_fini(&decoder->buffers[i].samples);
		workspace_fini(&decoder->buffers[i].coefficients);
		workspace_fini(&decoder->buffers[i].nonzero);
	}
}

static void destroy(void *state)
{
	struct jpg_decoder *decoder = state;

	if (!decoder)
		return;
	free_buffers(decoder);
	jpg_huffman_cache_fini(&decoder->cache);
	free(decoder);
}

static void trim(void *state, size_t max_bytes)
{
	struct jpg_decoder *decoder = state;
	size_t n_bytes = decoder->entropy.n_bytes + decoder->sharpening.n_bytes;

	for (unsigned i = 0; i < JPG_MAX_COMPONENTS; i++) {
		n_bytes += decoder->buffers[i].samples.n_bytes;
		n_bytes += decoder->buffers[i].coefficients.n_bytes;
		n_bytes += decoder->buffers[i].nonzero.n_bytes;
	}
	if (n_bytes > max_bytes)
		free_buffers(decoder);
}

static struct jpg_header header_of(const struct jpg_file *file)
{
	struct jpg_header header = {
		.width = file->width,
		.height = file->height,
		.is_progressive = file->is_progressive,
		.n_components = file->n_components,
		.has_other_colours = file->has_other_colours,
		.h_max = file->h_max,
		.v_max = file->v_max,
	};

	for (unsigned i = 0; i < file->n_components; i++) {
		header.component[i].h = file->component[i].h;
		header.component[i].v = file->component[i].v;
	}
	return header;
}

enum read_status jpg_decoder_open(struct jpg_decoder *decoder, const uint8_t *bytes,
                                  size_t n_bytes, struct jpg_header *ret_header)
{
	enum read_status status = jpg_file_read(&decoder->file, bytes, n_bytes);

	if (status != READ_OK)
		return read_say(&decoder->read, status, decoder->file.reason);
	*ret_header = header_of(&decoder->file);
	return READ_OK;
}

static size_t sample_bytes(enum jpg_scale scale)
{
	return scale >= JPG_QUARTER ? sizeof(uint16_t) : sizeof(uint8_t);
}

/* Set the component's numbers of blocks, block_bytes and stride. This allocates nothing. */
static void lay_out(struct jpg_component *c, const struct jpg_header *header, unsigned i,
                    enum jpg_scale scale)
{
	uint32_t mcu_width = JPG_BLOCK_SIDE * header->h_max;
	uint32_t mcu_height = JPG_BLOCK_SIDE * header->v_max;

	*c = (struct jpg_component){
		.scale = scale,
		.side = JPG_BLOCK_SIDE >> scale,
		.h = header->component[i].h,
		.v = header->component[i].v,
	};
	c->n_blocks_x = (header->width + mcu_width - 1) / mcu_width * c->h;
	c->n_blocks_y = (header->height + mcu_height - 1) / mcu_height * c->v;
	c->n_own_blocks_x = jpg_blocks(jpg_samples(header->width, c->h, header->h_max));
	c->n_own_blocks_y = jpg_blocks(jpg_samples(header->height, c->v, header->v_max));
	c->block_bytes = c->side * sample_bytes(scale);
	c->stride = size_aligned(c->n_blocks_x * c->block_bytes) +
	            (size_t)2 * PLANE_MARGIN_BYTES;
}

static uint64_t n_blocks(const struct jpg_component *c)
{
	return (uint64_t)c->n_blocks_x * c->n_blocks_y;
}

/* The sides of the picture are below 2^16. So the products in this function and in
 * coefficient_buffer_bytes() fit in 64 bits. */
static uint64_t sample_buffer_bytes(const struct jpg_component *c)
{
	return (uint64_t)c->stride * (c->n_blocks_y * c->side + 2 * PLANE_MARGIN_ROWS);
}

static uint64_t coefficient_buffer_bytes(const struct jpg_component *c)
{
	return n_blocks(c) * c->side * c->side * sizeof(int16_t);
}

uint64_t jpg_memory_estimate(const struct jpg_header *header,
                             const struct jpg_request *request, size_t n_bytes)
{
	uint64_t sum = n_bytes + JPG_CACHED_TABLES * sizeof(struct jpg_huffman);

	for (unsigned i = 0; i < header->n_components; i++) {
		struct jpg_component c;

		lay_out(&c, header, i, request->scale[i]);
		sum += sample_buffer_bytes(&c) + PLANE_ALIGNMENT;
		if (header->is_progressive)
			sum += coefficient_buffer_bytes(&c) +
			       n_blocks(&c) * sizeof(uint64_t) +
			       (size_t)2 * PLANE_ALIGNMENT;
	}
	return sum;
}

static bool reads_ac(const struct jpg_file *file, unsigned component)
{
	for (size_t i = 0; i < file->n_scans; i++) {
		const struct jpg_scan *scan = &file->scan[i];

		if (scan->ss && scan->component[0] == component && !scan->is_skipped)
			return true;
	}
	return false;
}

/* Allocate n_bytes of zeros. Returns NULL if memory ran out. */
static void *reserve_zeros(struct workspace *buffer, uint64_t n_bytes)
{
	void *bytes = n_bytes > SIZE_MAX ? NULL
	                                 : workspace_reserve(buffer, (size_t)n_bytes);

	return bytes ? memset(bytes, 0, (size_t)n_bytes) : NULL;
}

static bool reserve_coefficients(struct jpg_decoder *decoder, unsigned i)
{
	struct jpg_component *c = &decoder->component[i];
	struct component_buffers *buffers = &decoder->buffers[i];

	c->coefficients = reserve_zeros(&buffers->coefficients,
	                                coefficient_buffer_bytes(c));
	if (!c->coefficients)
		return false;
	if (!reads_ac(&decoder->file, i))
		return true;
	c->nonzero = reserve_zeros(&buffers->nonzero, n_blocks(c) * sizeof(uint64_t));
	return c->nonzero != NULL;
}

static bool begin_component(struct jpg_decoder *decoder, const struct jpg_header *header,
                            unsigned i, enum jpg_scale scale)
{
	struct jpg_component *c = &decoder->component[i];
	const uint16_t *quantization = decoder->file.component[i].quantization;
	uint64_t n_bytes;

	lay_out(c, header, i, scale);
	c->places = &decoder->places[scale];
	for (unsigned k = 0; k < JPG_BLOCK_SIZE; k++) {
		if (c->places->used >> k & 1)
			c->quantization[c->places->place[k]] = (int16_t)quantization[k];
	}
	n_bytes = sample_buffer_bytes(c);
	if (n_bytes > SIZE_MAX)
		return false;
	c->samples = workspace_reserve(&decoder->buffers[i].samples, (size_t)n_bytes);
	if (!c->samples)
		return false;
	c->samples += PLANE_MARGIN_ROWS * c->stride + PLANE_MARGIN_BYTES;
	return !decoder->file.is_progressive || reserve_coefficients(decoder, i);
}

static enum read_status status_of_scan(struct jpg_decoder *decoder,
                                       enum jpg_scan_status status)
{
	switch (status) {
	case JPG_SCAN_OK:
		return READ_OK;
	case JPG_SCAN_RAN_OUT:
		if (!decoder->file.has_end)
			return read_say(&decoder->read, READ_TRUNCATED,
			                "file ends inside a scan");
		return read_say(&decoder->read, READ_DAMAGED,
		                "scan ends before its last block");
	case JPG_SCAN_LEFT_OVER:
		return read_say(&decoder->read, READ_DAMAGED,
		                "scan continues after its last block");
	case JPG_SCAN_BAD_CODE:
		return read_say(&decoder->read, READ_DAMAGED, "scan has an invalid code");
	case JPG_SCAN_BAD_TABLE:
		return read_say(&decoder->read, READ_DAMAGED, "Huffman table is invalid");
	case JPG_SCAN_BAD_RESTART:
		return read_say(&decoder->read, READ_DAMAGED,
		                "restart marker is missing or out of order");
	default:
		return read_say(&decoder->read, READ_NO_MEMORY, "out of memory");
	}
}

static enum read_status read_scans(struct jpg_decoder *decoder)
{
	const struct jpg_file *file = &decoder->file;

	for (size_t i = 0; i < file->n_scans; i++) {
		const struct jpg_scan_job job = {
			.file = file,
			.scan = &file->scan[i],
			.component = decoder->component,
			.cache = &decoder->cache,
			.buffer = &decoder->entropy,
		};
		enum jpg_scan_status status;

		if (job.scan->is_skipped)
			continue;
		status = jpg_read_scan(&job);
		if (status != JPG_SCAN_OK)
			return status_of_scan(decoder, status);
	}
	return READ_OK;
}

/* Transform one block of a progressive file. All scans must have been read. */
static inline void transform(const struct jpg_component *c, const int16_t *block,
                             bool has_ac, uint8_t *samples)
{
	uint16_t mean;

	switch (c->scale) {
	case JPG_EIGHTH:
		mean = jpg_idct_1x1(block[0], c->quantization[0]);
		memcpy(samples, &mean, sizeof(mean));
		return;
	case JPG_QUARTER:
		jpg_idct_2x2(samples, c->stride, block, c->quantization);
		return;
	case JPG_HALF:
		if (has_ac)
			jpg_idct_4x4(samples, c->stride, block, c->quantization);
		break;
	default:
		if (has_ac)
			jpg_idct_8x8(samples, c->stride, block, c->quantization);
	}
	if (!has_ac)
		jpg_fill_block(samples, c->stride, c->side, block[0], c->quantization[0]);
}

static void transform_component(const struct jpg_component *c)
{
	for (uint32_t y = 0; y < c->n_own_blocks_y; y++) {
		size_t first = (size_t)y * c->n_blocks_x;
		const int16_t *block = c->coefficients + first * c->places->n_kept;
		uint8_t *samples = c->samples + (size_t)y * c->side * c->stride;

		for (uint32_t x = 0; x < c->n_own_blocks_x; x++) {
			bool has_ac = c->nonzero &&
			              c->nonzero[first + x] & c->places->used;

			transform(c, block, has_ac, samples);
			block += c->places->n_kept;
			samples += c->block_bytes;
		}
	}
}

static struct plane plane_of(const struct jpg_component *c,
                             const struct jpg_header *header)
{
	unsigned divisor = 1u << c->scale;
	uint32_t width = jpg_samples(header->width, c->h, header->h_max);
	uint32_t height = jpg_samples(header->height, c->v, header->v_max);

	return (struct plane){
		.width = (width + divisor - 1) / divisor,
		.height = (height + divisor - 1) / divisor,
		.true_width = (double)header->width * c->h / header->h_max / divisor,
		.true_height = (double)header->height * c->v / header->v_max / divisor,
		.n_bits = 8 * (unsigned)sample_bytes(c->scale),
		.stride = c->stride,
		.samples = c->samples,
		.has_margin = true,
	};
}

enum read_status jpg_decoder_decode(struct jpg_decoder *decoder,
                                    const struct jpg_request *request,
                                    struct jpg_picture *ret_picture)
{
	const struct jpg_file *file = &decoder->file;
	struct jpg_header header;
	enum read_status status;

	jpg_plan_scans(&decoder->file, request);
	header = header_of(file);
	for (unsigned i = 0; i < file->n_components; i++) {
		if (!begin_component(decoder, &header, i, request->scale[i]))
			return read_say(&decoder->read, READ_NO_MEMORY, "out of memory");
	}
	status = read_scans(decoder);
	if (status != READ_OK)
		return status;

	*ret_picture = (struct jpg_picture){.n_planes = file->n_components};
	for (unsigned i = 0; i < file->n_components; i++) {
		if (file->is_progressive)
			transform_component(&decoder->component[i]);
		ret_picture->plane[i] = plane_of(&decoder->component[i], &header);
	}
	for (size_t i = 0; i < file->n_scans; i++) {
		ret_picture->n_scans++;
		ret_picture->n_scans_skipped += file->scan[i].is_skipped;
	}
	return READ_OK;
}

/* ---- sharpening ---- */

static const float sharpness = 0.05f;

/* Sharpen one row horizontally. At the ends of the row, the first and the last sample stand in for
 * the missing neighbours. */
static void sharpen_row(float *restrict out, const uint16_t *restrict row, uint32_t width)
{
	const float centre = 1 + 2 * sharpness;
	uint32_t last = width - 1;

	if (width == 1) {
		out[0] = row[0];
		return;
	}
	out[0] = centre * row[0] - sharpness * (float)(row[0] + row[1]);
	for (uint32_t x = 1; x < last; x++)
		out[x] = centre * row[x] - sharpness * (float)(row[x - 1] + row[x + 1]);
	out[last] = centre * row[last] - sharpness * (float)(row[last - 1] + row[last]);
}

static void sharpen_column(uint16_t *restrict out, const float *restrict above,
                           const float *restrict here, const float *restrict below,
                           uint32_t width)
{
	const float centre = 1 + 2 * sharpness;

	for (uint32_t x = 0; x < width; x++) {
		float value = centre * here[x] - sharpness * (above[x] + below[x]) + 0.5f;

		value = value < 0 ? 0 : value > UINT16_MAX ? UINT16_MAX : value;
		out[x] = (uint16_t)(int)value;
	}
}

bool plane_sharpen(struct plane *plane, struct workspace *workspace)
{
	size_t row_floats = size_aligned(plane->width * sizeof(float)) / sizeof(float);
	float *rows = workspace_reserve(workspace,
	                                size_times(3 * sizeof(float), row_floats));
	float *above, *here, *below;

	if (!rows)
		return false;
	above = rows;
	here = rows + row_floats;
	below = rows + 2 * row_floats;
	sharpen_row(here, plane_row(plane, 0), plane->width);
	memcpy(above, here, plane->width * sizeof(float));
	for (uint32_t y = 0; y < plane->height; y++) {
		float *done = above;

		if (y + 1 < plane->height)
			sharpen_row(below, plane_row(plane, y + 1), plane->width);
		else
			memcpy(below, here, plane->width * sizeof(float));
		sharpen_column(plane_row(plane, y), above, here, below, plane->width);
		above = here;
		here = below;
		below = done;
	}
	return true;
}

/* ---- the reader ---- */

static enum read_status open_file(void *state, const uint8_t *bytes, size_t n_bytes,
                                  struct read_header *ret_header)
{
	struct jpg_header header;
	enum read_status status = jpg_decoder_open(state, bytes, n_bytes, &header);

	if (status != READ_OK)
		return status;
	*ret_header = (struct read_header){
		.size = {header.width, header.height},
		.is_grey = header.n_components == 1,
		.has_other_colours = header.has_other_colours,
	};
	return READ_OK;
}

/*
 * For each scale of the decoder: the decoded size must be at least the output size times this
 * ratio, so that the resampler has enough samples. Measurements show that with these ratios luma is
 * closer to an exact reduction than with libjpeg, which averages pixels down to twice the output
 * size. Chroma needs no more samples than the output has, because most outputs subsample it.
 */
static const double luma_left[N_JPG_SCALES] = {
	[JPG_EIGHTH] = 1.5, [JPG_QUARTER] = 1.25, [JPG_HALF] = 1.25};
static const double chroma_left[N_JPG_SCALES] = {
	[JPG_EIGHTH] = 1, [JPG_QUARTER] = 1, [JPG_HALF] = 1};
/* The same ratios for outputs in PNG, for luma and chroma. They are larger than those for lossy
 * formats, because PNG keeps details that a lossy encoder would hide. */
static const double lossless_left[N_JPG_SCALES] = {
	[JPG_EIGHTH] = 2, [JPG_QUARTER] = 2, [JPG_HALF] = 2};

/* The coarsest scale at which the resampler must still reduce by at least left[scale]; JPG_FULL if
 * no other scale leaves so much. `ratio` is the whole reduction: that of the decoder times that of
 * the resampler. */
static enum jpg_scale coarsest_scale(double ratio, const double left[N_JPG_SCALES])
{
	for (enum jpg_scale scale = JPG_EIGHTH; scale > JPG_FULL; scale--) {
		if (ratio / (1 << scale) >= left[scale])
			return scale;
	}
	return JPG_FULL;
}

/* Choose for each component the scale and the noise budget of the most demanding output. */
static void choose_scales(const struct read_request *from,
                          const struct jpg_header *header, struct jpg_request *request)
{
	for (unsigned i = 0; i < from->n_demands; i++) {
		const struct demand *demand = &from->demands[i];
		enum jpg_scale luma = JPG_FULL;

		for (unsigned j = 0; j < header->n_components; j++) {
			unsigned h = header->h_max / header->component[j].h;
			unsigned v = header->v_max / header->component[j].v;
			unsigned most = h > v ? h : v;
			const double *left = j ? chroma_left : luma_left;
			double ratio = demand->ratio / most;
			enum jpg_scale scale;

			if (j && demand->has_half_chroma)
				ratio *= 2;
			scale = coarsest_scale(ratio, demand->is_lossless ? lossless_left
			                                                  : left);
			if (j == 0)
				luma = scale;
			/* If the output subsamples chroma, chroma is not decoded at a finer scale
			 * than luma. The exception is chroma that has a third or a quarter of
			 * luma's samples on an axis, as in 4:1:1. */
			if (demand->has_half_chroma && most <= 2 && scale < luma)
				scale = luma;
			if (i == 0 || scale < request->scale[j])
				request->scale[j] = scale;
			if (i == 0 || demand->noise_budget < request->noise_budget[j])
				request->noise_budget[j] = demand->noise_budget;
		}
	}
	/* At full scale no noise is allowed, because noise is hidden only if samples are
	 * averaged. */
	for (unsigned j = 0; j < header->n_components; j++) {
		if (request->scale[j] == JPG_FULL)
			request->noise_budget[j] = 0;
	}
}

static enum read_status decode_file(void *state, const struct read_request *from,
                                    struct decoded *ret_decoded)
{
	struct jpg_decoder *decoder = state;
	struct jpg_header header = header_of(&decoder->file);
	struct jpg_request request = {.reads_everything = from->reads_everything};
	struct jpg_picture picture;
	enum read_status status;

	choose_scales(from, &header, &request);
	status = jpg_decoder_decode(decoder, &request, &picture);
	if (status != READ_OK)
		return status;
	*ret_decoded = (struct decoded){.n_planes = picture.n_planes,
	                                .size = {header.width, header.height},
	                                .orientation = 1,
	                                .is_damaged = decoder->file.has_stray};
	for (unsigned i = 0; i < picture.n_planes; i++)
		ret_decoded->planes[i] = picture.plane[i];
	if (request.scale[0] == JPG_EIGHTH &&
	    !plane_sharpen(&ret_decoded->planes[0], &decoder->sharpening))
		return read_say(&decoder->read, READ_NO_MEMORY, "out of memory");
	return READ_OK;
}

/* Estimate the memory before the segments of the file are read. The estimate assumes that chroma is
 * not subsampled, and that the largest scan has three bits for each pixel. */
static uint64_t memory_of_file(const struct picture_header *header,
                               const struct read_request *from)
{
	const struct jpg_header whole = {
		.width = header->size.width,
		.height = header->size.height,
		.is_progressive = header->n_coefficient_bytes > 0,
		.n_components = header->n_components == 4 ? 4 : 3,
		.h_max = 1,
		.v_max = 1,
		.component = {{1, 1}, {1, 1}, {1, 1}, {1, 1}},
	};
	uint64_t n_scan_bytes = (uint64_t)header->size.width * header->size.height / 8 *
	                        3;
	struct jpg_request request = {0};
	struct jpg_component luma;

	choose_scales(from, &whole, &request);
	lay_out(&luma, &whole, 0, request.scale[0]);
	/* The estimate includes the renderer's copy of a plane with margins, which are wide for a
	 * small output. The worst case is an output whose chroma is 6 samples wide and high: each
	 * margin has half of the plane's width or height, so the copy is twice as wide and twice as
	 * high as the plane. */
	return jpg_memory_estimate(&whole, &request, (size_t)n_scan_bytes) +
	       (luma.scale == JPG_EIGHTH ? sample_buffer_bytes(&luma) * 4 : 0);
}

const struct reader jpeg_reader = {
	.create = create,
	.destroy = destroy,
	.trim = trim,
	.open = open_file,
	.decode = decode_file,
	.reason = read_reason,
	.memory = memory_of_file,
};
