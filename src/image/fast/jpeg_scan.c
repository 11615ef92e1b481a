/*
 * Decodes the entropy-coded data of a scan (ITU-T T.81). The parts of this file are: Huffman
 * tables, which are kept between pictures; the segments between restart markers; sequential scans;
 * progressive scans.
 */
#include "image/fast/jpeg_scan.h"

#include "image/fast/jpeg_idct.h"
#include "image/fast/jpeg_plan.h"

#include <stdlib.h>
#include <string.h>

/* The bits of a scan stay in registers only if all functions that read them are inlined. */
#define ALWAYS_INLINE __attribute__((always_inline))

/* ---- Huffman tables ---- */

/* Symbols of AC tables (T.81, F.1.2.2.1). EOB is the end of a block, and ZRL is a run of sixteen
 * zeros. In the symbol of a coefficient, the bits in the mask SIZE are the number of additional
 * bits. */
enum { SYMBOL_EOB = 0x00, SYMBOL_ZRL = 0xf0, SYMBOL_SIZE = 0x0f };

void jpg_huffman_cache_fini(struct jpg_huffman_cache *cache)
{
	for (size_t i = 0; i < JPG_CACHED_TABLES; i++)
		free(cache->tables[i]);
	*cache = (struct jpg_huffman_cache){0};
}

void jpg_huffman_begin_scan(struct jpg_huffman_cache *cache)
{
	cache->in_use_since = ++cache->clock;
}

static void fill_windows(struct jpg_huffman *table, uint32_t code, unsigned length,
                         uint8_t symbol)
{
	unsigned shift = JPG_WINDOW_BITS - length;

	for (uint32_t window = code << shift; window < (code + 1) << shift; window++)
		table->code[window] = (struct jpg_code){(uint8_t)length, symbol};
}

/* Assign codes to symbols (figures C.1 to C.3). The codes of one length are consecutive numbers. If
 * n follows the last code of one length, 2 n is the first code of the next length. Returns false if
 * a length has more codes than its bits can express. */
static bool build_codes(struct jpg_huffman *table)
{
	const uint8_t *counts = table->bytes;
	uint32_t code = 0;
	unsigned symbol = 0;

	for (unsigned length = 1; length <= JPG_COUNTS; length++) {
		table->first_code[length] = (uint16_t)code;
		table->first_symbol[length] = (uint16_t)symbol;
		for (unsigned i = 0; i < counts[length - 1]; i++, code++, symbol++) {
			if (code >= UINT32_C(1) << length)
				return false;
			if (length <= JPG_WINDOW_BITS)
				fill_windows(table, code, length, table->symbols[symbol]);
		}
		table->limit[length] = code << (JPG_COUNTS - length);
		code <<= 1;
	}
	return true;
}

/* Check the symbols of a DC table. A symbol is a number of additional bits, at most 15. In an AC
 * table, every symbol is sound. */
static bool has_sound_symbols(const struct jpg_huffman *table, size_t n_symbols)
{
	if (table->class == JPG_AC)
		return true;
	for (size_t i = 0; i < n_symbols; i++) {
		if (table->symbols[i] > SYMBOL_SIZE)
			return false;
	}
	return true;
}

static bool build(struct jpg_huffman *table, enum jpg_table_class class,
                  struct jpg_table_bytes bytes)
{
	memset(table, 0, sizeof(*table));
	table->class = class;
	table->n_bytes = bytes.n_bytes;
	memcpy(table->bytes, bytes.bytes, bytes.n_bytes);
	memcpy(table->symbols, bytes.bytes + JPG_COUNTS, bytes.n_bytes - JPG_COUNTS);
	return has_sound_symbols(table, bytes.n_bytes - JPG_COUNTS) && build_codes(table);
}

struct jpg_code jpg_huffman_long_code(const struct jpg_huffman *table, uint32_t bits)
{
	for (unsigned length = JPG_WINDOW_BITS + 1; length <= JPG_COUNTS; length++) {
		if (bits < table->limit[length]) {
			unsigned i = (bits >> (JPG_COUNTS - length)) -
			             table->first_code[length] +
			             table->first_symbol[length];

			return (struct jpg_code){(uint8_t)length,
			                         table->symbols[i & 255]};
		}
	}
	return (struct jpg_code){0};
}

/* Find all complete symbols in a window. The search stops after an end of block. It also stops
 * before the symbols would code JPG_SKIP_END or more coefficients. */
static struct jpg_skip skip_of_window(const struct jpg_huffman *table, unsigned window)
{
	unsigned n_bits = 0, advance = 0;

	while (advance < JPG_SKIP_END) {
		struct jpg_code code =
			table->code[(window << n_bits) & (JPG_N_WINDOWS - 1)];
		unsigned size = code.symbol & SYMBOL_SIZE;

		if (!code.length || n_bits + code.length + size > JPG_WINDOW_BITS)
			break;
		if (size == 0 && code.symbol != SYMBOL_ZRL) {
			n_bits += code.length;
			return (struct jpg_skip){(uint8_t)n_bits,
			                         (uint8_t)(JPG_SKIP_END + advance)};
		}
		if (advance + (code.symbol >> 4) + 1u >= JPG_SKIP_END)
			break;
		n_bits += code.length + size;
		advance += (code.symbol >> 4) + 1u;
	}
	if (n_bits == 0)
		return (struct jpg_skip){0, JPG_SKIP_STOP};
	return (struct jpg_skip){(uint8_t)n_bits, (uint8_t)advance};
}

static struct jpg_value value_of_window(const struct jpg_huffman *table, unsigned window)
{
	struct jpg_code code = table->code[window];
	unsigned size = code.symbol & SYMBOL_SIZE;
	unsigned n_bits = code.length + size;
	struct jpg_value value = {0};

	if (!code.length || n_bits > JPG_WINDOW_BITS)
		return value;
	if (size) {
		uint32_t additional = (window >> (JPG_WINDOW_BITS - n_bits)) &
		                      ((UINT32_C(1) << size) - 1);

		value.value = (int16_t)jpg_extend(additional, size);
		value.run = code.symbol >> 4;
	} else if (table->class == JPG_AC && code.symbol == SYMBOL_EOB) {
		value.run = JPG_RUN_END_OF_BLOCK;
	} else if (table->class == JPG_AC && code.symbol == SYMBOL_ZRL) {
		value.run = 15;
	} else if (table->class == JPG_AC) {
		/* The symbol is an end-of-band run, which only progressive scans have. The array
		 * `value` does not contain such runs. */
		return value;
	}
	value.n_bits = (uint8_t)n_bits;
	return value;
}

static void build_forms(struct jpg_huffman *table, bool with_skips, bool with_values)
{
	if (with_skips && !table->has_skips) {
		for (unsigned window = 0; window < JPG_N_WINDOWS; window++)
			table->skip[window] = skip_of_window(table, window);
		table->has_skips = true;
	}
	if (with_values && !table->has_values) {
		for (unsigned window = 0; window < JPG_N_WINDOWS; window++)
			table->value[window] = value_of_window(table, window);
		table->has_values = true;
	}
}

static bool is_table_of(const struct jpg_huffman *table, enum jpg_table_class class,
                        struct jpg_table_bytes bytes)
{
	return table->n_bytes == bytes.n_bytes && table->class == class &&
	       memcmp(table->bytes, bytes.bytes, bytes.n_bytes) == 0;
}

/* Find a place for a new table: a free place, or the place of the table that was used longest ago.
 * Tables of the current scan keep their places. A scan uses eight tables at most, so a place is
 * always found. */
static struct jpg_huffman **place_for_new(struct jpg_huffman_cache *cache)
{
	struct jpg_huffman **oldest = NULL;

	for (size_t i = 0; i < JPG_CACHED_TABLES; i++) {
		struct jpg_huffman **place = &cache->tables[i];

		if (!*place)
			return place;
		if ((*place)->last_used >= cache->in_use_since)
			continue;
		if (!oldest || (*place)->last_used < (*oldest)->last_used)
			oldest = place;
	}
	return oldest;
}

enum jpg_huffman_status jpg_huffman_get(struct jpg_huffman_cache *cache,
                                        enum jpg_table_class class,
                                        struct jpg_table_bytes bytes, bool with_skips,
                                        bool with_values,
                                        const struct jpg_huffman **ret_table)
{
	struct jpg_huffman *table = NULL, **place;

	for (size_t i = 0; i < JPG_CACHED_TABLES && cache->tables[i] && !table; i++) {
		if (is_table_of(cache->tables[i], class, bytes))
			table = cache->tables[i];
	}
	if (!table) {
		place = place_for_new(cache);
		if (!place)
			return JPG_HUFFMAN_NO_MEMORY;
		if (!*place)
			*place = malloc(sizeof(**place));
		table = *place;
		if (!table)
			return JPG_HUFFMAN_NO_MEMORY;
		if (!build(table, class, bytes)) {
			/* The bytes define no valid table. n_bytes 0 ensures that no search finds
			 * this table, and last_used 0 that its place is reused first. */
			table->n_bytes = 0;
			table->last_used = 0;
			return JPG_HUFFMAN_BAD;
		}
	}
	table->last_used = ++cache->clock;
	build_forms(table, with_skips, with_values);
	*ret_table = table;
	return JPG_HUFFMAN_OK;
}

static enum jpg_scan_status status_of_huffman(enum jpg_huffman_status status)
{
	switch (status) {
	case JPG_HUFFMAN_OK:
		return JPG_SCAN_OK;
	case JPG_HUFFMAN_BAD:
		return JPG_SCAN_BAD_TABLE;
	default:
		return JPG_SCAN_NO_MEMORY;
	}
}

/* ---- segments ---- */

enum { MARKER_RST0 = 0xd0, N_RESTARTS = 8 };

/* Reads the bits of a scan, one entropy-coded segment after the other. */
struct entropy {
	struct jpg_bits bits;
	uint32_t n_mcus_left; /* number of MCUs left in this segment */
	uint32_t restart_interval;
	unsigned next_restart;   /* the number m of the next restart marker RSTm */
	const uint8_t *at, *end; /* the remaining bytes of the scan */
	uint8_t *unstuffed;      /* a buffer that is large enough for every segment */
};

/* Copy the bytes of a segment to the buffer without the stuffed zeros (F.1.2.3). The segment ends
 * at the next restart marker or at the end of the scan. */
static void begin_segment(struct entropy *entropy)
{
	const uint8_t *at = entropy->at, *end = entropy->end;
	uint8_t *out = entropy->unstuffed;

	while (at < end) {
		const uint8_t *ff = memchr(at, 0xff, (size_t)(end - at));
		size_t n = (size_t)((ff ? ff : end) - at);

		memcpy(out, at, n);
		out += n;
		at += n;
		if (!ff)
			break;
		if (end - at < 2) {
			at = end; /* the file is truncated in the middle of a marker */
			break;
		}
		if (at[1] == 0) {
			*out++ = 0xff;
			at += 2;
		} else if (at[1] == 0xff) {
			at++; /* a fill byte in front of a marker */
		} else {
			break;
		}
	}
	entropy->at = at;
	jpg_bits_init(&entropy->bits, entropy->unstuffed,
	              (size_t)(out - entropy->unstuffed));
	entropy->n_mcus_left = entropy->restart_interval ? entropy->restart_interval
	                                                 : UINT32_MAX;
}

/* Begin the first segment of a scan. The buffer is borrowed until the scan ends. */
static enum jpg_scan_status entropy_begin(struct entropy *ret_entropy,
                                          const struct jpg_scan *scan,
                                          struct workspace *buffer)
{
	uint8_t *unstuffed = workspace_reserve(buffer, scan->n_bytes);

	if (!unstuffed)
		return JPG_SCAN_NO_MEMORY;
	*ret_entropy = (struct entropy){
		.restart_interval = scan->restart_interval,
		.at = scan->bytes,
		.end = scan->bytes + scan->n_bytes,
		.unstuffed = unstuffed,
	};
	begin_segment(ret_entropy);
	return JPG_SCAN_OK;
}

static enum jpg_scan_status end_segment(const struct entropy *entropy)
{
	if (jpg_bits_ran_out(&entropy->bits))
		return JPG_SCAN_RAN_OUT;
	if (jpg_bits_are_left(&entropy->bits))
		return JPG_SCAN_LEFT_OVER;
	return JPG_SCAN_OK;
}

/* Finish a segment after all its MCUs were read, and begin the next segment. */
static enum jpg_scan_status entropy_restart(struct entropy *entropy)
{
	enum jpg_scan_status status = end_segment(entropy);

	if (status != JPG_SCAN_OK)
		return status;
	if (entropy->end - entropy->at < 2)
		return JPG_SCAN_RAN_OUT;
	if (entropy->at[1] != MARKER_RST0 + entropy->next_restart)
		return JPG_SCAN_BAD_RESTART;
	entropy->next_restart = (entropy->next_restart + 1) % N_RESTARTS;
	entropy->at += 2;
	begin_segment(entropy);
	return JPG_SCAN_OK;
}

/* Finish the last segment: check that no whole byte of it is left, and that no other segment
 * follows. */
static enum jpg_scan_status entropy_end(const struct entropy *entropy)
{
	enum jpg_scan_status status = end_segment(entropy);

	if (status == JPG_SCAN_OK && entropy->at != entropy->end)
		return JPG_SCAN_BAD_RESTART;
	return status;
}

/* The number of MCUs of a scan on both axes (A.2). */
static void count_mcus(const struct jpg_scan_job *job, uint32_t *ret_x, uint32_t *ret_y)
{
	const struct jpg_component *component = &job->component[job->scan->component[0]];

	if (job->scan->n_components == 1) {
		*ret_x = component->n_own_blocks_x;
		*ret_y = component->n_own_blocks_y;
		return;
	}
	*ret_x = component->n_blocks_x / component->h;
	*ret_y = component->n_blocks_y / component->v;
}

/* Decode a DC difference and add it to the prediction *dc (F.2.2.1). The sum wraps at 16 bits. */
ALWAYS_INLINE static inline bool read_dc(struct jpg_bits *bits,
                                         const struct jpg_huffman *table, int16_t *dc)
{
	struct jpg_value value;
	struct jpg_code code;
	int difference = 0;

	jpg_bits_refill(bits);
	value = table->value[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
	if (__builtin_expect(value.n_bits != 0, 1)) {
		*dc = (int16_t)(*dc + value.value);
		jpg_bits_drop(bits, value.n_bits);
		return true;
	}
	code = jpg_huffman_peek(table, bits);
	if (!code.length)
		return false;
	jpg_bits_drop(bits, code.length);
	if (code.symbol)
		difference = jpg_extend(jpg_bits_take(bits, code.symbol), code.symbol);
	*dc = (int16_t)(*dc + difference);
	return true;
}

/*
 * ---- sequential scans (F.2) ----
 *
 * Every block is transformed as soon as it is read, so coefficients are not stored. Coefficients
 * that the scale does not use are skipped, several symbols at a time.
 */

/* A block of the current MCU in a sequential scan. */
struct mcu_block {
	struct scan_component *component;
	uint8_t *samples;
	/* Distance in bytes from the samples of this block to the samples of the same block in the
	 * next MCU. */
	size_t step;
};

struct scan_component {
	const struct jpg_huffman *dc_table, *ac_table;
	/* the prediction: the DC coefficient of the component's previous block */
	int16_t dc;
	enum jpg_scale scale;
	unsigned last; /* the last coefficient that the scale uses, in zigzag order */
	const uint8_t *place;
	const int16_t *quantization;
	size_t stride;
};

/* Skip the symbols for the AC coefficients after coefficient k of a block. */
ALWAYS_INLINE static inline bool skip_ac(struct jpg_bits *bits,
                                         const struct jpg_huffman *table, unsigned k)
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

		/* A full block has no end-of-block symbol. So if the symbols so far fill the block,
		 * bits that look like an end of block belong to the next block. */
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

/* Read the AC coefficients of a block up to coefficient `last`, and skip the coefficients after it
 * (F.2.2.2). */
ALWAYS_INLINE static inline bool read_ac(struct jpg_bits *bits,
                                         const struct jpg_huffman *table, int16_t *block,
                                         const uint8_t *place, unsigned last)
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

/* Whether the first AC symbol of the block is the end of block, so that the block has no AC
 * coefficients. In this case, the symbol is consumed. */
ALWAYS_INLINE static inline bool has_dc_only(struct jpg_bits *bits,
                                             const struct jpg_huffman *table)
{
	struct jpg_value value;

	jpg_bits_need(bits, 32);
	value = table->value[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
	if (value.run != JPG_RUN_END_OF_BLOCK)
		return false;
	jpg_bits_drop(bits, value.n_bits);
	return true;
}

ALWAYS_INLINE static inline bool read_block_full(struct jpg_bits *bits,
                                                 struct scan_component *c,
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

ALWAYS_INLINE static inline bool read_block_half(struct jpg_bits *bits,
                                                 struct scan_component *c,
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

ALWAYS_INLINE static inline bool read_block_quarter(struct jpg_bits *bits,
                                                    struct scan_component *c,
                                                    uint8_t *samples)
{
	int16_t block[8] = {c->dc};

	if (!read_ac(bits, c->ac_table, block, c->place, c->last))
		return false;
	jpg_idct_2x2(samples, c->stride, block, c->quantization);
	return true;
}

ALWAYS_INLINE static inline bool read_block_eighth(struct jpg_bits *bits,
                                                   struct scan_component *c,
                                                   uint8_t *samples)
{
	uint16_t sample = jpg_idct_1x1(c->dc, c->quantization[0]);

	memcpy(samples, &sample, sizeof(sample));
	return skip_ac(bits, c->ac_table, 0);
}

ALWAYS_INLINE static inline bool read_block(struct jpg_bits *bits,
                                            struct mcu_block *block)
{
	struct scan_component *c = block->component;
	uint8_t *samples = block->samples;

	block->samples += block->step;
	if (!read_dc(bits, c->dc_table, &c->dc))
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
	return status_of_huffman(status);
}

static enum jpg_scan_status begin_sequential(
	const struct jpg_scan_job *job,
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

/* List the blocks of the first MCU in row y of MCUs, in the order of the scan (A.2.3): first all
 * blocks of the first component, row by row, then those of the next component. Returns the number
 * of blocks. */
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

static enum jpg_scan_status read_row(struct entropy *entropy, uint32_t n_mcus,
                                     struct scan_component *components,
                                     struct mcu_block *blocks, unsigned n_blocks)
{
	/* `bits` is a local copy, so that the compiler can keep its members in registers. */
	struct jpg_bits bits = entropy->bits;

	for (uint32_t x = 0; x < n_mcus; x++) {
		if (__builtin_expect(entropy->n_mcus_left == 0, 0)) {
			enum jpg_scan_status status;

			entropy->bits = bits;
			status = entropy_restart(entropy);
			if (status != JPG_SCAN_OK)
				return status;
			bits = entropy->bits;
			reset_predictions(components);
		}
		entropy->n_mcus_left--;
		for (unsigned i = 0; i < n_blocks; i++) {
			if (!read_block(&bits, &blocks[i])) {
				entropy->bits = bits;
				return JPG_SCAN_BAD_CODE;
			}
		}
	}
	entropy->bits = bits;
	return jpg_bits_ran_out(&entropy->bits) ? JPG_SCAN_RAN_OUT : JPG_SCAN_OK;
}

static enum jpg_scan_status read_sequential_scan(const struct jpg_scan_job *job)
{
	struct scan_component components[JPG_MAX_COMPONENTS] = {0};
	struct mcu_block blocks[JPG_MCU_BLOCKS];
	struct entropy entropy;
	uint32_t n_x, n_y;
	enum jpg_scan_status status = begin_sequential(job, components);

	if (status == JPG_SCAN_OK)
		status = entropy_begin(&entropy, job->scan, job->buffer);
	if (status != JPG_SCAN_OK)
		return status;
	count_mcus(job, &n_x, &n_y);
	for (uint32_t y = 0; y < n_y; y++) {
		unsigned n_blocks = begin_row(job, y, components, blocks);

		status = read_row(&entropy, n_x, components, blocks, n_blocks);
		/* If the segment has ended, an invalid code means only that the scan has too few
		 * bits. */
		if (status == JPG_SCAN_BAD_CODE && jpg_bits_ran_out(&entropy.bits))
			return JPG_SCAN_RAN_OUT;
		if (status != JPG_SCAN_OK)
			return status;
	}
	return entropy_end(&entropy);
}

/*
 * ---- progressive scans (annex G) ----
 *
 * Each scan sends some bits of some coefficients. Coefficients are stored until the last scan has
 * been read. A refinement scan has correction bits for the coefficients that are not 0 so far. At a
 * smaller scale, some of these coefficients are not stored. So each block has a mask that says
 * which of its 64 coefficients are not 0.
 */

/* A block of the current MCU in a DC scan. */
struct dc_block {
	int16_t *coefficient;
	/* distance in coefficients to the same block in the next MCU */
	size_t step;
	unsigned i; /* index of the block's component in the scan */
};

/* The tables and predictions of a DC scan's components. */
struct dc_scan {
	const struct jpg_huffman *table[JPG_MAX_COMPONENTS];
	int16_t dc[JPG_MAX_COMPONENTS];
	unsigned ah, al;
};

static inline int16_t shifted(int value, unsigned al)
{
	return (int16_t)(value * (1 << al));
}

/* Read one block of a DC scan (G.1.2.1). */
static inline bool read_dc_block(struct jpg_bits *bits, struct dc_scan *dc,
                                 struct dc_block *block)
{
	int16_t *coefficient = block->coefficient;

	block->coefficient += block->step;
	if (dc->ah) {
		jpg_bits_need(bits, 1);
		if (jpg_bits_take(bits, 1))
			*coefficient = (int16_t)(*coefficient | 1 << dc->al);
		return true;
	}
	if (!read_dc(bits, dc->table[block->i], &dc->dc[block->i]))
		return false;
	*coefficient = shifted(dc->dc[block->i], dc->al);
	return true;
}

static unsigned begin_dc_row(const struct jpg_scan_job *job, uint32_t y,
                             struct dc_block *blocks)
{
	bool is_interleaved = job->scan->n_components > 1;
	unsigned n = 0;

	for (unsigned i = 0; i < job->scan->n_components; i++) {
		const struct jpg_component *c = &job->component[job->scan->component[i]];
		unsigned h = is_interleaved ? c->h : 1, v = is_interleaved ? c->v : 1;

		for (unsigned j = 0; j < h * v; j++) {
			size_t row = (size_t)y * v + j / h;

			blocks[n++] = (struct dc_block){
				.coefficient = c->coefficients +
			                       (row * c->n_blocks_x + j % h) *
			                               c->places->n_kept,
				.step = (size_t)h * c->places->n_kept,
				.i = i,
			};
		}
	}
	return n;
}

static enum jpg_scan_status read_dc_row(struct entropy *entropy, uint32_t n_mcus,
                                        struct dc_scan *dc, struct dc_block *blocks,
                                        unsigned n_blocks)
{
	for (uint32_t x = 0; x < n_mcus; x++) {
		if (__builtin_expect(entropy->n_mcus_left == 0, 0)) {
			enum jpg_scan_status status = entropy_restart(entropy);

			if (status != JPG_SCAN_OK)
				return status;
			memset(dc->dc, 0, sizeof(dc->dc));
		}
		entropy->n_mcus_left--;
		for (unsigned i = 0; i < n_blocks; i++) {
			if (!read_dc_block(&entropy->bits, dc, &blocks[i]))
				return JPG_SCAN_BAD_CODE;
		}
	}
	return jpg_bits_ran_out(&entropy->bits) ? JPG_SCAN_RAN_OUT : JPG_SCAN_OK;
}

static enum jpg_scan_status read_dc_scan(const struct jpg_scan_job *job,
                                         struct entropy *entropy)
{
	struct dc_scan dc = {.ah = job->scan->ah, .al = job->scan->al};
	struct dc_block blocks[JPG_MCU_BLOCKS];
	uint32_t n_x, n_y;

	for (unsigned i = 0; i < job->scan->n_components && !dc.ah; i++) {
		enum jpg_huffman_status status = jpg_huffman_get(
			job->cache, JPG_DC, job->scan->dc[i], false, true, &dc.table[i]);

		if (status != JPG_HUFFMAN_OK)
			return status_of_huffman(status);
	}
	count_mcus(job, &n_x, &n_y);
	for (uint32_t y = 0; y < n_y; y++) {
		unsigned n_blocks = begin_dc_row(job, y, blocks);
		enum jpg_scan_status status = read_dc_row(entropy, n_x, &dc, blocks,
		                                          n_blocks);

		if (status != JPG_SCAN_OK)
			return status;
	}
	return JPG_SCAN_OK;
}

/* The state of an AC scan. Its band goes from coefficient ss to se. al is the lowest bit that the
 * scan sends. eob_run is the number of blocks, from the current block on, that send no further new
 * coefficient in the band. */
struct ac_scan {
	const struct jpg_huffman *table;
	const uint8_t *place;
	unsigned n_kept;
	unsigned ss, se, al;
	uint32_t eob_run;
};

/* Read the length of an end-of-band run after the symbol EOBn (G.1.2.2): 2^n plus the number in the
 * next n bits. In the current block and the following blocks of the run, the band has no more new
 * coefficients. */
static inline uint32_t read_eob_run(struct jpg_bits *bits, unsigned n)
{
	return (UINT32_C(1) << n) + (n ? jpg_bits_take(bits, n) : 0);
}

static inline void store(const struct ac_scan *scan, int16_t *block, unsigned k,
                         int value)
{
	unsigned place = scan->place[k];

	if (place < scan->n_kept)
		block[place] = (int16_t)value;
}

/* Read one block of a first AC scan (figure G.3). The block must not be inside an end-of-band
 * run. */
static inline bool read_ac_first_block(struct jpg_bits *bits, struct ac_scan *scan,
                                       int16_t *block, uint64_t *nonzero)
{
	uint64_t found = 0;
	unsigned k = scan->ss;

	while (k <= scan->se) {
		struct jpg_value value;
		struct jpg_code code;
		unsigned size, run;

		jpg_bits_need(bits, 32);
		value = scan->table->value[jpg_bits_peek(bits, JPG_WINDOW_BITS)];
		if (__builtin_expect(value.n_bits != 0, 1)) {
			jpg_bits_drop(bits, value.n_bits);
			k += value.run;
			if (value.value) {
				store(scan, block, k, shifted(value.value, scan->al));
				found |= UINT64_C(1) << (k & 63);
			}
			k++;
			continue;
		}
		code = jpg_huffman_peek(scan->table, bits);
		size = code.symbol & 15u;
		run = code.symbol >> 4;
		if (!code.length)
			return false;
		jpg_bits_drop(bits, code.length);
		if (size == 0 && run != 15) {
			scan->eob_run = read_eob_run(bits, run) - 1;
			break;
		}
		k += run;
		if (size) {
			int ac = jpg_extend(jpg_bits_take(bits, size), size);

			store(scan, block, k, shifted(ac, scan->al));
			found |= UINT64_C(1) << (k & 63);
		}
		k++;
	}
	*nonzero |= found;
	return k <= scan->se + 1 || k > JPG_RUN_END_OF_BLOCK;
}

/* Read a correction bit (G.1.2.3) for each coefficient in the mask `history`. If the bit is set,
 * the coefficient moves away from 0 by 2^al. */
static inline void correct(struct jpg_bits *bits, const struct ac_scan *scan,
                           int16_t *block, uint64_t history)
{
	/* Changed in place of a coefficient that the block does not store. Its value is not
	 * used. */
	int16_t unwanted = 0;

	while (history) {
		unsigned n = (unsigned)__builtin_popcountll(history);
		unsigned n_here = n > 32 ? 32 : n;
		uint32_t corrections;

		jpg_bits_need(bits, n_here);
		corrections = jpg_bits_take(bits, n_here);
		if (!corrections && n == n_here)
			return;
		for (unsigned i = n_here; i-- > 0; history &= history - 1) {
			unsigned place = scan->place[__builtin_ctzll(history)];
			int16_t *coefficient = place < scan->n_kept ? &block[place]
			                                            : &unwanted;
			/* The bits are almost random, so a branch on them would be slow. This code
			 * has no branch. */
			int mask = -(int)(corrections >> i & 1);
			int sign = *coefficient >> 15;
			int step = (((1 << scan->al) ^ sign) - sign) & mask;

			*coefficient = (int16_t)(*coefficient + step);
		}
	}
}

/* Skip `run` coefficients that are 0, from coefficient k on, and find the next coefficient that is
 * 0. The coefficients in the mask `history` are not 0. Returns the index of the found coefficient,
 * or se + 1 if the band has too few coefficients that are 0. */
static inline unsigned skip_zeros(const struct ac_scan *scan, uint64_t history,
                                  unsigned k, unsigned run)
{
	uint64_t zeros = ~history & jpg_band(k, scan->se);

	for (unsigned i = 0; i < run && zeros; i++)
		zeros &= zeros - 1;
	return zeros ? (unsigned)__builtin_ctzll(zeros) : scan->se + 1;
}

/* Read one block of a refinement AC scan (figure G.7). */
static inline bool read_ac_refinement_block(struct jpg_bits *bits, struct ac_scan *scan,
                                            int16_t *block, uint64_t *nonzero)
{
	uint64_t history = *nonzero, found = 0;
	unsigned k = scan->ss;

	while (scan->eob_run == 0 && k <= scan->se) {
		struct jpg_code code;
		unsigned run, to;
		int value = 0;

		jpg_bits_need(bits, 32);
		code = jpg_huffman_peek(scan->table, bits);
		run = code.symbol >> 4;
		if (!code.length || (code.symbol & 15) > 1)
			return false;
		jpg_bits_drop(bits, code.length);
		if ((code.symbol & 15) == 0 && run != 15) {
			scan->eob_run = read_eob_run(bits, run);
			break;
		}
		if ((code.symbol & 15) == 1)
			value = jpg_bits_take(bits, 1) ? 1 << scan->al : -(1 << scan->al);
		to = skip_zeros(scan, history, k, run);
		if (to > scan->se && value)
			return false;
		if (to > k)
			correct(bits, scan, block, history & jpg_band(k, to - 1));
		if (value) {
			store(scan, block, to, value);
			found |= UINT64_C(1) << to;
		}
		k = to + 1;
	}
	if (scan->eob_run) {
		if (k <= scan->se)
			correct(bits, scan, block, history & jpg_band(k, scan->se));
		scan->eob_run--;
	}
	*nonzero = history | found;
	return true;
}

static inline bool read_ac_block(struct jpg_bits *bits, struct ac_scan *scan,
                                 bool is_refinement, int16_t *block, uint64_t *nonzero)
{
	if (is_refinement)
		return read_ac_refinement_block(bits, scan, block, nonzero);
	if (scan->eob_run) {
		scan->eob_run--;
		return true;
	}
	return read_ac_first_block(bits, scan, block, nonzero);
}

static enum jpg_scan_status restart_ac(struct entropy *entropy, struct ac_scan *scan)
{
	/* An end-of-band run must not continue after a restart marker. */
	if (scan->eob_run)
		return JPG_SCAN_BAD_CODE;
	return entropy_restart(entropy);
}

static enum jpg_scan_status read_ac_scan(const struct jpg_scan_job *job,
                                         struct entropy *entropy)
{
	const struct jpg_component *c = &job->component[job->scan->component[0]];
	bool is_refinement = job->scan->ah != 0;
	struct ac_scan scan = {
		.place = c->places->place,
		.n_kept = c->places->n_kept,
		.ss = job->scan->ss,
		.se = job->scan->se,
		.al = job->scan->al,
	};
	enum jpg_huffman_status status = jpg_huffman_get(
		job->cache, JPG_AC, job->scan->ac[0], false, !is_refinement, &scan.table);

	if (status != JPG_HUFFMAN_OK)
		return status_of_huffman(status);
	for (uint32_t y = 0; y < c->n_own_blocks_y; y++) {
		size_t row = (size_t)y * c->n_blocks_x;
		int16_t *block = c->coefficients + row * c->places->n_kept;
		uint64_t *nonzero = c->nonzero + row;

		for (uint32_t x = 0; x < c->n_own_blocks_x; x++) {
			if (__builtin_expect(entropy->n_mcus_left == 0, 0)) {
				enum jpg_scan_status restarted = restart_ac(entropy,
				                                            &scan);

				if (restarted != JPG_SCAN_OK)
					return restarted;
			}
			entropy->n_mcus_left--;
			if (!read_ac_block(&entropy->bits, &scan, is_refinement, block,
			                   nonzero))
				return JPG_SCAN_BAD_CODE;
			block += c->places->n_kept;
			nonzero++;
		}
		if (jpg_bits_ran_out(&entropy->bits))
			return JPG_SCAN_RAN_OUT;
	}
	return scan.eob_run ? JPG_SCAN_BAD_CODE : JPG_SCAN_OK;
}

static enum jpg_scan_status read_progressive_scan(const struct jpg_scan_job *job)
{
	struct entropy entropy;
	enum jpg_scan_status status = entropy_begin(&entropy, job->scan, job->buffer);

	if (status != JPG_SCAN_OK)
		return status;
	jpg_huffman_begin_scan(job->cache);
	status = job->scan->ss ? read_ac_scan(job, &entropy)
	                       : read_dc_scan(job, &entropy);
	if (status == JPG_SCAN_BAD_CODE && jpg_bits_ran_out(&entropy.bits))
		return JPG_SCAN_RAN_OUT;
	return status == JPG_SCAN_OK ? entropy_end(&entropy) : status;
}

enum jpg_scan_status jpg_read_scan(const struct jpg_scan_job *job)
{
	return job->file->is_progressive ? read_progressive_scan(job)
	                                 : read_sequential_scan(job);
}
