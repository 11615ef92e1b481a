/*
 * Encodes small JPEG files. For a thumbnail, libjpeg needs more time for its set-up and for its
 * search for the best Huffman tables than for all other work. Here the symbols of all blocks are
 * collected and counted, and written with tables made for them (T.81, annex K.2).
 */
#include "image/fast/jpeg_small.h"

#include "image/fast/jpeg_plan.h"

#include <string.h>

enum {
	BLOCK_SIDE = 8,
	BLOCK_SIZE = 64,
	N_TABLES = 4, /* the tables in order: luma DC, luma AC, chroma DC, chroma AC */
	N_SYMBOLS = 256,
	MAX_CODE_BITS = 16,
	/* more than the depth of any Huffman tree with a total weight of 2^32 */
	MAX_DEPTH = 64,
	MAX_AC = 1023, /* the largest AC coefficient of a baseline file */
	SYMBOL_EOB = 0,
	SYMBOL_16_ZEROS = 0xf0,
	MARKER_DHT = 0xc4,
	/* Apart from the data of the scan, a file has at most SOI, APP0, two DQT, SOF, one DHT with
	 * four tables, SOS and EOI. */
	MAX_SEGMENT_BYTES = 2000,
};

/* A Huffman symbol and the additional bits that follow it. */
struct token {
	uint8_t table, symbol;
	uint16_t extra;
};

/* A Huffman table: the counts and symbols of a DHT segment, and the code of each symbol. */
struct new_table {
	/* counts[i] is the number of codes with i + 1 bits. */
	uint8_t counts[MAX_CODE_BITS];
	unsigned n_symbols;
	/* The symbols in the order of their codes, beginning with the shortest code. */
	uint8_t symbols[N_SYMBOLS];
	uint16_t code[N_SYMBOLS];
	uint8_t length[N_SYMBOLS];
};

/* The state of encoding the blocks of a file. */
struct encoder {
	const struct rendered *rendered;
	/* The factors that quantize coefficients: first those of luma, then those of chroma. */
	float factors[2][BLOCK_SIZE];
	/* The index of each coefficient in a transposed block, in zigzag order. */
	uint8_t places[BLOCK_SIZE];
	int last_dc[COLOUR_PLANES];
	struct token *tokens;
	size_t n_tokens;
	uint32_t n_used[N_TABLES][N_SYMBOLS];
};

/* ---- the transform ---- */

/* One pass of the transform by Arai, Agui and Nakajima. It transforms the columns; the compiler
 * turns the loop over columns into SIMD. After the pass, each row must still be multiplied by a
 * number. make_factors() puts these numbers into the factors for quantization. */
static void transform_columns(float block[BLOCK_SIZE])
{
	for (unsigned x = 0; x < BLOCK_SIDE; x++) {
		float *at = block + x;
		float s0 = at[0] + at[56], d0 = at[0] - at[56];
		float s1 = at[8] + at[48], d1 = at[8] - at[48];
		float s2 = at[16] + at[40], d2 = at[16] - at[40];
		float s3 = at[24] + at[32], d3 = at[24] - at[32];
		float even0 = s0 + s3, even3 = s0 - s3, even1 = s1 + s2, even2 = s1 - s2;
		float turned = (even2 + even3) * 0.707106781f;
		float odd0 = d3 + d2, odd1 = d2 + d1, odd2 = d1 + d0;
		float z5 = (odd0 - odd2) * 0.382683433f;
		float z2 = 0.541196100f * odd0 + z5, z4 = 1.306562965f * odd2 + z5;
		float z3 = odd1 * 0.707106781f, z11 = d0 + z3, z13 = d0 - z3;

		at[0] = even0 + even1;
		at[32] = even0 - even1;
		at[16] = even3 + turned;
		at[48] = even3 - turned;
		at[40] = z13 + z2;
		at[24] = z13 - z2;
		at[8] = z11 + z4;
		at[56] = z11 - z4;
	}
}

static void transpose(float *restrict to, const float *restrict from)
{
	for (unsigned y = 0; y < BLOCK_SIDE; y++) {
		for (unsigned x = 0; x < BLOCK_SIDE; x++)
			to[y * BLOCK_SIDE + x] = from[x * BLOCK_SIDE + y];
	}
}

/* Compute the factors from the quantization steps. The block is transposed between the two passes
 * and not after them, so the factors are transposed too. */
static void make_factors(float factors[BLOCK_SIZE], const uint16_t steps[BLOCK_SIZE])
{
	static const double scales[BLOCK_SIDE] = {1,           1.387039845, 1.306562965,
	                                          1.175875602, 1,           0.785694958,
	                                          0.541196100, 0.275899379};

	for (unsigned y = 0; y < BLOCK_SIDE; y++) {
		for (unsigned x = 0; x < BLOCK_SIDE; x++)
			factors[x * BLOCK_SIDE + y] =
				(float)(1 / (8 * scales[x] * scales[y] *
			                     steps[y * BLOCK_SIDE + x]));
	}
}

/* ---- blocks ---- */

/* Load a block of samples, and subtract 128 from each. Beyond the plane, the last samples are
 * repeated. */
static void load_block(float *restrict block, const struct plane *plane, uint32_t x0,
                       uint32_t y0)
{
	uint32_t n = plane->width - x0 < BLOCK_SIDE ? plane->width - x0 : BLOCK_SIDE;

	for (uint32_t y = 0; y < BLOCK_SIDE; y++) {
		uint32_t last = plane->height - 1;
		const uint8_t *row = plane_row(plane, y0 + y < last ? y0 + y : last);
		float *out = block + (size_t)y * BLOCK_SIDE;

		row += x0;
		for (uint32_t x = 0; x < n; x++)
			out[x] = (float)row[x] - 128;
		for (uint32_t x = n; x < BLOCK_SIDE; x++)
			out[x] = (float)row[n - 1] - 128;
	}
}

/* Quantize a transposed block. Each result is rounded to the nearest step. */
static void quantize(int16_t *restrict to, const float *restrict block,
                     const float *restrict factors)
{
	const float offset = 1 << 14;

	for (unsigned i = 0; i < BLOCK_SIZE; i++)
		to[i] = (int16_t)((int)(block[i] * factors[i] + offset + 0.5f) -
		                  (1 << 14));
}

static void add_token(struct encoder *encoder, unsigned table, unsigned symbol,
                      unsigned extra)
{
	encoder->tokens[encoder->n_tokens++] = (struct token){
		(uint8_t)table, (uint8_t)symbol, (uint16_t)extra};
	encoder->n_used[table][symbol]++;
}

/* Add a value after a run of zeros. The symbol consists of the length of the run and the number of
 * additional bits. */
static void add_value(struct encoder *encoder, unsigned table, unsigned run, int value)
{
	unsigned size = (unsigned)(value < 0 ? -value : value), n_bits = 0;
	unsigned bits = (unsigned)(value < 0 ? value - 1 : value);

	if (size)
		n_bits = 32 - (unsigned)__builtin_clz(size);
	add_token(encoder, table, run << 4 | n_bits, bits & ((1u << n_bits) - 1));
}

static int limited_ac(int value)
{
	return value > MAX_AC ? MAX_AC : value < -MAX_AC ? -MAX_AC : value;
}

/* Add the symbols of a transposed block. */
static void add_block(struct encoder *encoder, unsigned component,
                      const int16_t block[BLOCK_SIZE])
{
	unsigned table = component ? 2 : 0, next = 1;
	int16_t zigzag[BLOCK_SIZE];
	uint64_t nonzero = 0;

	for (unsigned k = 0; k < BLOCK_SIZE; k++) {
		zigzag[k] = block[encoder->places[k]];
		nonzero |= (uint64_t)(zigzag[k] != 0) << k;
	}
	add_value(encoder, table, 0, zigzag[0] - encoder->last_dc[component]);
	encoder->last_dc[component] = zigzag[0];
	for (nonzero &= ~UINT64_C(1); nonzero; nonzero &= nonzero - 1) {
		unsigned k = (unsigned)__builtin_ctzll(nonzero), run = k - next;

		for (; run >= 16; run -= 16)
			add_token(encoder, table + 1, SYMBOL_16_ZEROS, 0);
		add_value(encoder, table + 1, run, limited_ac(zigzag[k]));
		next = k + 1;
	}
	if (next < BLOCK_SIZE)
		add_token(encoder, table + 1, SYMBOL_EOB, 0);
}

static void encode_block(struct encoder *encoder, unsigned component, uint32_t x,
                         uint32_t y)
{
	const struct plane *plane = &encoder->rendered->planes[component];
	unsigned table = component ? 2 : 0;
	float block[BLOCK_SIZE], turned[BLOCK_SIZE];
	int16_t quantized[BLOCK_SIZE];

	/* A block outside the picture fills up the last MCU. It becomes flat, with the level of the
	 * component's previous block, because this takes the fewest bits. */
	if (x >= plane->width || y >= plane->height) {
		add_token(encoder, table, 0, 0);
		add_token(encoder, table + 1, SYMBOL_EOB, 0);
		return;
	}
	load_block(block, plane, x, y);
	transform_columns(block);
	transpose(turned, block);
	transform_columns(turned);
	quantize(quantized, turned, encoder->factors[component > 0]);
	add_block(encoder, component, quantized);
}

static void encode_blocks(struct encoder *encoder)
{
	const struct rendered *rendered = encoder->rendered;
	const struct plane *luma = &rendered->planes[0];
	uint32_t factor = rendered->n_planes > 1 && rendered->has_half_chroma ? 2 : 1;
	uint32_t side = BLOCK_SIDE * factor;

	for (uint32_t y = 0; y < luma->height; y += side) {
		for (uint32_t x = 0; x < luma->width; x += side) {
			for (uint32_t i = 0; i < factor * factor; i++)
				encode_block(encoder, 0, x + i % factor * BLOCK_SIDE,
				             y + i / factor * BLOCK_SIDE);
			for (unsigned i = 1; i < rendered->n_planes; i++)
				encode_block(encoder, i, x / factor, y / factor);
		}
	}
}

/* ---- Huffman tables ---- */

/* Compute the lengths of a Huffman code for n symbols; n is at least 2. weights are the symbols'
 * weights in ascending order. ret_counts[i] becomes the number of codes with i bits. */
static void count_lengths(const uint32_t *weights, unsigned n,
                          unsigned ret_counts[MAX_DEPTH + 1])
{
	uint32_t weight[2 * N_SYMBOLS + 2];
	uint16_t parent[2 * N_SYMBOLS + 2], depth[2 * N_SYMBOLS + 2];
	unsigned leaf = 0, node = n, n_nodes = n;

	memcpy(weight, weights, n * sizeof(*weights));
	/* The leaves are in ascending order of weight, and inner nodes are made in ascending order
	 * of weight, too. So the lightest node without a parent is either the next leaf or the next
	 * inner node. */
	for (; n_nodes < 2 * n - 1; n_nodes++) {
		weight[n_nodes] = 0;
		for (unsigned i = 0; i < 2; i++) {
			bool is_leaf = node == n_nodes ||
			               (leaf < n && weight[leaf] <= weight[node]);
			unsigned lightest = is_leaf ? leaf++ : node++;

			weight[n_nodes] += weight[lightest];
			parent[lightest] = (uint16_t)n_nodes;
		}
	}
	memset(ret_counts, 0, (MAX_DEPTH + 1) * sizeof(*ret_counts));
	depth[n_nodes - 1] = 0;
	for (unsigned i = n_nodes - 1; i-- > 0;) {
		depth[i] = (uint16_t)(depth[parent[i]] + 1);
		if (i < n)
			ret_counts[depth[i]]++;
	}
}

/* Shorten all codes to at most 16 bits (T.81, figure K.3). */
static void limit_lengths(unsigned counts[MAX_DEPTH + 1])
{
	for (unsigned i = MAX_DEPTH; i > MAX_CODE_BITS; i--) {
		while (counts[i] > 0) {
			unsigned j = i - 2;

			while (counts[j] == 0)
				j--;
			counts[i] -= 2;
			counts[i - 1]++;
			counts[j + 1] += 2;
			counts[j]--;
		}
	}
}

static void make_table(const uint32_t n_used[N_SYMBOLS], struct new_table *table)
{
	/* Entry 0 has the smallest weight and is no symbol. It takes up the code that consists of
	 * ones only, which a JPEG file must not use. */
	uint32_t weights[N_SYMBOLS + 1] = {0};
	uint8_t symbols[N_SYMBOLS + 1];
	unsigned counts[MAX_DEPTH + 1], n = 1, longest = MAX_CODE_BITS, code = 0, at = 0;

	for (unsigned symbol = 0; symbol < N_SYMBOLS; symbol++) {
		unsigned i = n;

		if (!n_used[symbol])
			continue;
		for (; i > 1 && weights[i - 1] > n_used[symbol]; i--) {
			weights[i] = weights[i - 1];
			symbols[i] = symbols[i - 1];
		}
		weights[i] = n_used[symbol];
		symbols[i] = (uint8_t)symbol;
		n++;
	}
	table->n_symbols = n - 1;
	memset(table->counts, 0, sizeof(table->counts));
	if (n == 1)
		return;
	count_lengths(weights, n, counts);
	limit_lengths(counts);
	while (counts[longest] == 0)
		longest--;
	counts[longest]--;
	for (unsigned length = 1; length <= MAX_CODE_BITS; length++, code <<= 1) {
		table->counts[length - 1] = (uint8_t)counts[length];
		for (unsigned i = 0; i < counts[length]; i++, code++, at++) {
			uint8_t symbol = symbols[n - 1 - at];

			table->symbols[at] = symbol;
			table->code[symbol] = (uint16_t)code;
			table->length[symbol] = (uint8_t)length;
		}
	}
}

/* Write one DHT segment with all tables. Returns the end of the written bytes. */
static uint8_t *put_tables(uint8_t *at, const struct new_table tables[N_TABLES],
                           unsigned n_tables)
{
	static const uint8_t names[N_TABLES] = {0x00, 0x10, 0x01, 0x11};
	uint8_t *segment = at;
	size_t n_bytes;

	at += 4;
	for (unsigned i = 0; i < n_tables; i++) {
		*at++ = names[i];
		memcpy(at, tables[i].counts, MAX_CODE_BITS);
		memcpy(at + MAX_CODE_BITS, tables[i].symbols, tables[i].n_symbols);
		at += MAX_CODE_BITS + tables[i].n_symbols;
	}
	n_bytes = (size_t)(at - segment) - 2;
	segment[0] = 0xff;
	segment[1] = MARKER_DHT;
	segment[2] = (uint8_t)(n_bytes >> 8);
	segment[3] = (uint8_t)n_bytes;
	return at;
}

/* Write the data of the scan. Returns the end of the written bytes. */
static uint8_t *put_tokens(uint8_t *at, const struct encoder *encoder,
                           const struct new_table tables[N_TABLES])
{
	uint64_t window = 0;
	unsigned n_bits = 0;

	for (size_t i = 0; i < encoder->n_tokens; i++) {
		const struct token *token = &encoder->tokens[i];
		const struct new_table *table = &tables[token->table];
		unsigned n_extra = token->symbol & 15u;

		window = window << table->length[token->symbol] |
		         table->code[token->symbol];
		window = window << n_extra | token->extra;
		n_bits += table->length[token->symbol] + n_extra;
		/* The unused bits of the last byte are ones. */
		if (i + 1 == encoder->n_tokens && n_bits % 8) {
			window = window << (8 - n_bits % 8) |
			         ((1u << (8 - n_bits % 8)) - 1);
			n_bits += 8 - n_bits % 8;
		}
		for (; n_bits >= 8; n_bits -= 8) {
			uint8_t byte = (uint8_t)(window >> (n_bits - 8));

			*at++ = byte;
			if (byte == 0xff)
				*at++ = 0;
		}
	}
	return at;
}

/* The number of bytes of the scan with these tables, without stuffed zeros. */
static uint64_t scan_bytes(const struct encoder *encoder,
                           const struct new_table tables[N_TABLES], unsigned n_tables)
{
	uint64_t n_bits = 0;

	for (unsigned i = 0; i < n_tables; i++) {
		for (unsigned symbol = 0; symbol < N_SYMBOLS; symbol++) {
			if (encoder->n_used[i][symbol])
				n_bits += (uint64_t)encoder->n_used[i][symbol] *
				          (tables[i].length[symbol] + (symbol & 15u));
		}
	}
	return (n_bits + 7) / 8;
}

/* ---- the file ---- */

static uint8_t *put(uint8_t *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

static uint8_t *put_quantization(uint8_t *at, unsigned i,
                                 const uint16_t steps[BLOCK_SIZE])
{
	const uint8_t head[5] = {0xff, 0xdb, 0, 3 + BLOCK_SIZE, (uint8_t)i};

	at = put(at, head, sizeof(head));
	for (unsigned k = 0; k < BLOCK_SIZE; k++)
		*at++ = (uint8_t)steps[jpg_natural_order[k]];
	return at;
}

/* Write the frame header, SOF. */
static uint8_t *put_frame(uint8_t *at, const struct rendered *rendered)
{
	unsigned n = rendered->n_planes;
	uint32_t width = rendered->planes[0].width, height = rendered->planes[0].height;
	uint8_t factors = n > 1 && rendered->has_half_chroma ? 0x22 : 0x11;
	const uint8_t head[10] = {0xff,
	                          0xc0,
	                          0,
	                          (uint8_t)(8 + 3 * n),
	                          8,
	                          (uint8_t)(height >> 8),
	                          (uint8_t)height,
	                          (uint8_t)(width >> 8),
	                          (uint8_t)width,
	                          (uint8_t)n};

	at = put(at, head, sizeof(head));
	for (unsigned i = 0; i < n; i++) {
		const uint8_t component[3] = {(uint8_t)(i + 1), i ? 0x11 : factors,
		                              i > 0};

		at = put(at, component, sizeof(component));
	}
	return at;
}

static uint8_t *put_scan_head(uint8_t *at, unsigned n_components)
{
	const uint8_t head[5] = {0xff, 0xda, 0, (uint8_t)(6 + 2 * n_components),
	                         (uint8_t)n_components};
	const uint8_t tail[3] = {0, 63, 0};

	at = put(at, head, sizeof(head));
	for (unsigned i = 0; i < n_components; i++) {
		*at++ = (uint8_t)(i + 1);
		*at++ = i ? 0x11 : 0;
	}
	return put(at, tail, sizeof(tail));
}

/* Write the file at the address `at`. Returns the address after its last byte. */
static uint8_t *put_file(uint8_t *at, const struct encoder *encoder,
                         const uint16_t *const steps[2],
                         const struct new_table tables[N_TABLES])
{
	/* SOI, and APP0 as libjpeg writes it: JFIF 1.1 without a density. */
	static const uint8_t begin[] = {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F',
	                                0,    1,    1,    0,    0, 1,  0,   1,   0,   0};
	static const uint8_t end[2] = {0xff, 0xd9};
	unsigned n = encoder->rendered->n_planes;

	at = put(at, begin, sizeof(begin));
	for (unsigned i = 0; i < (n > 1 ? 2 : 1); i++)
		at = put_quantization(at, i, steps[i]);
	at = put_frame(at, encoder->rendered);
	at = put_tables(at, tables, n > 1 ? N_TABLES : 2);
	at = put_scan_head(at, n);
	at = put_tokens(at, encoder, tables);
	return put(at, end, sizeof(end));
}

/* An upper bound of the number of blocks, including those that fill up the last MCUs. */
static size_t count_blocks(const struct rendered *rendered)
{
	size_t side = rendered->has_half_chroma ? 2 * BLOCK_SIDE : BLOCK_SIDE;
	size_t n_mcus = (rendered->planes[0].width + side - 1) / side *
	                ((rendered->planes[0].height + side - 1) / side);

	return n_mcus * (4 + COLOUR_PLANES - 1);
}

bool jpeg_small_write(struct jpeg_small *small, const struct rendered *rendered,
                      const uint16_t *const steps[2], struct written *ret_written)
{
	struct encoder encoder = {.rendered = rendered};
	unsigned n_tables = rendered->n_planes > 1 ? N_TABLES : 2;
	struct new_table tables[N_TABLES];
	uint8_t *file, *end;

	/* A block has at most 64 symbols and an end-of-block symbol. */
	encoder.tokens = workspace_reserve(&small->tokens, count_blocks(rendered) *
	                                                           (BLOCK_SIZE + 1) *
	                                                           sizeof(struct token));
	if (!encoder.tokens)
		return false;
	for (unsigned i = 0; i < n_tables / 2; i++)
		make_factors(encoder.factors[i], steps[i]);
	for (unsigned k = 0; k < BLOCK_SIZE; k++) {
		unsigned place = jpg_natural_order[k];

		encoder.places[k] = (uint8_t)(place % BLOCK_SIDE * BLOCK_SIDE +
		                              place / BLOCK_SIDE);
	}
	encode_blocks(&encoder);
	for (unsigned i = 0; i < n_tables; i++)
		make_table(encoder.n_used[i], &tables[i]);
	/* In the worst case a stuffed zero follows every byte of the scan. */
	file = workspace_reserve(&small->file,
	                         MAX_SEGMENT_BYTES +
	                                 2 * scan_bytes(&encoder, tables, n_tables));
	if (!file)
		return false;
	end = put_file(file, &encoder, steps, tables);
	*ret_written = (struct written){file, (size_t)(end - file)};
	return true;
}
