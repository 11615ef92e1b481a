/*
 * Scans of sequential files (ITU T.81, F.2): every block is transformed where it is read,
 * and no coefficient is kept. Coefficients beyond those that a scale uses are skipped,
 * several symbols at a time.
 */
#include "image/fast/jpeg_idct.h"
#include "image/fast/jpeg_scan.h"

/* A block of the MCU at hand: which component it belongs to, and where its samples go. */
struct mcu_block {
	struct scan_component *component;
	uint8_t *samples;
	size_t step; /* to the samples of the same block in the next MCU */
};

struct scan_component {
	const struct jpg_huffman *dc_table, *ac_table;
	int16_t dc; /* of the block before: the prediction */
	enum jpg_scale scale;
	unsigned last; /* the last coefficient in zigzag order that is used */
	const uint8_t *place;
	const int16_t *quantization;
	size_t stride;
};

/* Skip the AC symbols of a block behind coefficient k. */
static inline bool skip_ac(struct jpg_bits *bits, const struct jpg_huffman *table,
                           unsigned k)
{
	enum { WINDOWS = 4, LAST = JPG_BLOCK_SIZE - 1 };

	while (k < LAST) {
		struct jpg_skip skip = {0};
		struct jpg_code code;
		unsigned size, i;

		jpg_bits_refill(bits);
#pragma GCC unroll 4
		for (i = 0; i < WINDOWS; i++) {
			skip = table->skip[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
			if (k + skip.advance >= LAST)
				break;
			k += skip.advance;
			jpg_bits_drop(bits, skip.n_bits);
		}
		if (i == WINDOWS)
			continue;

		/* An end of block counts only if the block was not full before: a full
		 * block has none, and what looks like one belongs to the next block. */
		if (skip.advance >= JPG_SKIP_END &&
		    k + skip.advance - JPG_SKIP_END < LAST) {
			jpg_bits_drop(bits, skip.n_bits);
			return true;
		}
		jpg_bits_need(bits, 32);
		code = jpg_huffman_peek(table, bits);
		size = code.symbol & 15u;
		if (!code.length)
			return false;
		jpg_bits_drop(bits, code.length + size);
		if (size == 0 && code.symbol >> 4 != 15)
			return true;
		k += (code.symbol >> 4) + 1u;
	}
	return k == LAST;
}

/* Read the AC coefficients up to the last one wanted, and skip the others (F.2.2.2). */
static inline bool read_ac(struct jpg_bits *bits, const struct jpg_huffman *table,
                           int16_t *block, const uint8_t *place, unsigned last)
{
	unsigned k = 1;

	while (k <= last) {
		struct jpg_value value;
		struct jpg_code code;
		unsigned size;

		jpg_bits_need(bits, 32);
		value = table->value[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
		if (__builtin_expect(value.n_bits != 0, 1)) {
			k += value.run;
			block[place[k]] = value.value;
			k++;
			jpg_bits_drop(bits, value.n_bits);
			continue;
		}
		code = jpg_huffman_peek(table, bits);
		size = code.symbol & 15u;
		if (!code.length)
			return false;
		jpg_bits_drop(bits, code.length);
		if (size == 0 && code.symbol >> 4 != 15)
			return true;
		k += code.symbol >> 4;
		if (size)
			block[place[k]] = (int16_t)jpg_extend(jpg_bits_take(bits, size),
			                                      size);
		k++;
	}
	if (k > JPG_RUN_END_OF_BLOCK)
		return true;
	return k <= JPG_BLOCK_SIZE && skip_ac(bits, table, k - 1);
}

/* Whether the block has no AC coefficient: its first AC symbol is the end of block. */
static inline bool has_dc_only(struct jpg_bits *bits, const struct jpg_huffman *table)
{
	struct jpg_value value;

	jpg_bits_need(bits, 32);
	value = table->value[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
	if (value.run != JPG_RUN_END_OF_BLOCK)
		return false;
	jpg_bits_drop(bits, value.n_bits);
	return true;
}

static bool read_block_full(struct jpg_bits *bits, struct scan_component *c,
                            uint8_t *samples)
{
	_Alignas(16) int16_t block[JPG_BLOCK_ROOM];

	if (has_dc_only(bits, c->ac_table)) {
		jpg_fill_block(samples, c->stride, 8, c->dc, c->quantization[0]);
		return true;
	}
	memset(block, 0, JPG_BLOCK_SIZE * sizeof(block[0]));
	block[0] = c->dc;
	if (!read_ac(bits, c->ac_table, block, c->place, JPG_BLOCK_SIZE - 1))
		return false;
	jpg_idct_8x8(samples, c->stride, block, c->quantization);
	return true;
}

static bool read_block_half(struct jpg_bits *bits, struct scan_component *c,
                            uint8_t *samples)
{
	_Alignas(16) int16_t block[16 + 8];

	if (has_dc_only(bits, c->ac_table)) {
		jpg_fill_block(samples, c->stride, 4, c->dc, c->quantization[0]);
		return true;
	}
	memset(block, 0, 16 * sizeof(block[0]));
	block[0] = c->dc;
	if (!read_ac(bits, c->ac_table, block, c->place, c->last))
		return false;
	jpg_idct_4x4(samples, c->stride, block, c->quantization);
	return true;
}

static bool read_block_quarter(struct jpg_bits *bits, struct scan_component *c,
                               uint8_t *samples)
{
	int16_t block[8] = {c->dc};

	if (!read_ac(bits, c->ac_table, block, c->place, c->last))
		return false;
	jpg_idct_2x2(samples, c->stride, block, c->quantization);
	return true;
}

static inline bool read_block_eighth(struct jpg_bits *bits, struct scan_component *c,
                                     uint8_t *samples)
{
	uint16_t sample = jpg_idct_1x1(c->dc, c->quantization[0]);

	memcpy(samples, &sample, sizeof(sample));
	return skip_ac(bits, c->ac_table, 0);
}

static inline bool read_block(struct jpg_bits *bits, struct mcu_block *block)
{
	struct scan_component *c = block->component;
	uint8_t *samples = block->samples;

	block->samples += block->step;
	if (!jpg_read_dc(bits, c->dc_table, &c->dc))
		return false;
	switch (c->scale) {
	case JPG_EIGHTH:
		return read_block_eighth(bits, c, samples);
	case JPG_QUARTER:
		return read_block_quarter(bits, c, samples);
	case JPG_HALF:
		return read_block_half(bits, c, samples);
	default:
		return read_block_full(bits, c, samples);
	}
}

static enum jpg_scan_status get_tables(const struct jpg_scan_job *job, unsigned i,
                                       struct scan_component *c)
{
	enum jpg_huffman_status status = jpg_huffman_get(
		job->cache, JPG_DC, job->scan->dc[i], false, true, &c->dc_table);

	if (status == JPG_HUFFMAN_OK)
		status = jpg_huffman_get(job->cache, JPG_AC, job->scan->ac[i],
		                         c->scale != JPG_FULL, c->scale != JPG_EIGHTH,
		                         &c->ac_table);
	if (status == JPG_HUFFMAN_OK)
		return JPG_SCAN_OK;
	return status == JPG_HUFFMAN_BAD ? JPG_SCAN_BAD_TABLE : JPG_SCAN_NO_MEMORY;
}

static enum jpg_scan_status begin(const struct jpg_scan_job *job,
                                  struct scan_component components[JPG_MAX_COMPONENTS])
{
	jpg_huffman_begin_scan(job->cache);
	for (unsigned i = 0; i < job->scan->n_components; i++) {
		const struct jpg_component *from =
			&job->component[job->scan->component[i]];
		enum jpg_scan_status status;

		components[i] = (struct scan_component){
			.scale = from->scale,
			.last = from->places->last,
			.place = from->places->place,
			.quantization = from->quantization,
			.stride = from->stride,
		};
		status = get_tables(job, i, &components[i]);
		if (status != JPG_SCAN_OK)
			return status;
	}
	return JPG_SCAN_OK;
}

/* The blocks of the first MCU in row y, in the order of the scan (A.2.3): row by row of
 * each component. Returns how many. */
static unsigned begin_row(const struct jpg_scan_job *job, uint32_t y,
                          struct scan_component *components, struct mcu_block *blocks)
{
	bool is_interleaved = job->scan->n_components > 1;
	unsigned n = 0;

	for (unsigned i = 0; i < job->scan->n_components; i++) {
		const struct jpg_component *c = &job->component[job->scan->component[i]];
		unsigned h = is_interleaved ? c->h : 1, v = is_interleaved ? c->v : 1;
		size_t row_bytes = c->stride * c->side;

		for (unsigned j = 0; j < h * v; j++) {
			size_t row = (size_t)y * v + j / h;

			blocks[n++] = (struct mcu_block){
				.component = &components[i],
				.samples = c->samples + row * row_bytes +
			                   j % h * c->block_bytes,
				.step = h * c->block_bytes,
			};
		}
	}
	return n;
}

static void reset_predictions(struct scan_component components[JPG_MAX_COMPONENTS])
{
	for (unsigned i = 0; i < JPG_MAX_COMPONENTS; i++)
		components[i].dc = 0;
}

static enum jpg_scan_status read_row(struct jpg_entropy *entropy, uint32_t n_mcus,
                                     struct scan_component *components,
                                     struct mcu_block *blocks, unsigned n_blocks)
{
	for (uint32_t x = 0; x < n_mcus; x++) {
		if (__builtin_expect(entropy->n_mcus_left == 0, 0)) {
			enum jpg_scan_status status = jpg_entropy_restart(entropy);

			if (status != JPG_SCAN_OK)
				return status;
			reset_predictions(components);
		}
		entropy->n_mcus_left--;
		for (unsigned i = 0; i < n_blocks; i++) {
			if (!read_block(&entropy->bits, &blocks[i]))
				return JPG_SCAN_BAD_CODE;
		}
	}
	return jpg_bits_ran_out(&entropy->bits) ? JPG_SCAN_RAN_OUT : JPG_SCAN_OK;
}

enum jpg_scan_status jpg_read_sequential_scan(const struct jpg_scan_job *job)
{
	struct scan_component components[JPG_MAX_COMPONENTS] = {0};
	struct mcu_block blocks[JPG_MCU_BLOCKS];
	struct jpg_entropy entropy;
	uint32_t n_x, n_y;
	enum jpg_scan_status status = begin(job, components);

	if (status == JPG_SCAN_OK)
		status = jpg_entropy_begin(&entropy, job->scan, job->buffer);
	if (status != JPG_SCAN_OK)
		return status;
	jpg_count_mcus(job, &n_x, &n_y);
	for (uint32_t y = 0; y < n_y; y++) {
		unsigned n_blocks = begin_row(job, y, components, blocks);

		status = read_row(&entropy, n_x, components, blocks, n_blocks);
		/* An invalid code behind the end means that the segment ends early. */
		if (status == JPG_SCAN_BAD_CODE && jpg_bits_ran_out(&entropy.bits))
			return JPG_SCAN_RAN_OUT;
		if (status != JPG_SCAN_OK)
			return status;
	}
	return jpg_entropy_end(&entropy);
}
