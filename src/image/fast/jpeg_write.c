/* Writes JPEG from planes with libjpeg-turbo. */
#include "image/fast/codec.h"
#include "image/fast/jpeg_huffman.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { FIRST_BYTES = 1 << 16 };

struct jpeg_writer {
	struct jpeg_compress_struct compress;
	struct jpeg_error_mgr errors;
	jmp_buf on_error;
	/* The part of the file that was written so far, in a buffer that grows. */
	struct jpeg_destination_mgr destination;
	uint8_t *bytes;
	size_t n_bytes, n_written;
	/* The standard Huffman tables (annex K) for luma and chroma. libjpeg replaces its tables by
	 * those that it makes for a picture, so they are restored for each picture. */
	JHUFF_TBL dc_tables[2], ac_tables[2];
	/* The memory for encoding a small file a second time. */
	struct jpg_huffman_cache cache;
	struct workspace plain, tokens, recoded;
};

static struct jpeg_writer *writer_of(j_common_ptr compress)
{
	return compress->client_data;
}

/* libjpeg calls this on an error. The only possible error here is that memory ran out. */
_Noreturn static void on_error(j_common_ptr compress)
{
	longjmp(writer_of(compress)->on_error, 1);
}

static void on_message(j_common_ptr compress, int level)
{
	(void)compress;
	(void)level;
}

static void begin_bytes(j_compress_ptr compress)
{
	struct jpeg_writer *writer = writer_of((j_common_ptr)compress);

	writer->destination.next_output_byte = writer->bytes;
	writer->destination.free_in_buffer = writer->n_bytes;
}

/* libjpeg calls this when the buffer is full. */
static boolean grow_bytes(j_compress_ptr compress)
{
	struct jpeg_writer *writer = writer_of((j_common_ptr)compress);
	size_t n_before = writer->n_bytes;
	uint8_t *grown = realloc(writer->bytes, n_before * 2);

	if (!grown)
		on_error((j_common_ptr)compress);
	writer->bytes = grown;
	writer->n_bytes = n_before * 2;
	writer->destination.next_output_byte = grown + n_before;
	writer->destination.free_in_buffer = n_before;
	return TRUE;
}

static void end_bytes(j_compress_ptr compress)
{
	struct jpeg_writer *writer = writer_of((j_common_ptr)compress);

	writer->n_written = writer->n_bytes - writer->destination.free_in_buffer;
}

static bool start(struct jpeg_writer *writer)
{
	writer->compress.err = jpeg_std_error(&writer->errors);
	writer->compress.client_data = writer;
	writer->errors.error_exit = on_error;
	writer->errors.emit_message = on_message;
	writer->destination.init_destination = begin_bytes;
	writer->destination.empty_output_buffer = grow_bytes;
	writer->destination.term_destination = end_bytes;
	if (setjmp(writer->on_error))
		return false;
	jpeg_create_compress(&writer->compress);
	writer->compress.dest = &writer->destination;
	writer->compress.in_color_space = JCS_YCbCr;
	writer->compress.input_components = COLOUR_PLANES;
	jpeg_set_defaults(&writer->compress);
	for (size_t i = 0; i < 2; i++) {
		writer->dc_tables[i] = *writer->compress.dc_huff_tbl_ptrs[i];
		writer->ac_tables[i] = *writer->compress.ac_huff_tbl_ptrs[i];
	}
	return true;
}

static void free_recoding(struct jpeg_writer *writer)
{
	workspace_fini(&writer->plain);
	workspace_fini(&writer->tokens);
	workspace_fini(&writer->recoded);
}

static void destroy(void *state)
{
	struct jpeg_writer *writer = state;

	if (!writer)
		return;
	jpeg_destroy_compress(&writer->compress);
	jpg_huffman_cache_fini(&writer->cache);
	free_recoding(writer);
	free(writer->bytes);
	free(writer);
}

static void *create(void)
{
	struct jpeg_writer *writer = calloc(1, sizeof(*writer));

	if (writer && !start(writer)) {
		destroy(writer);
		return NULL;
	}
	return writer;
}

static void trim(void *state, size_t max_bytes)
{
	struct jpeg_writer *writer = state;

	if (writer->n_bytes + writer->plain.n_bytes + writer->tokens.n_bytes +
	            writer->recoded.n_bytes <=
	    max_bytes)
		return;
	free_recoding(writer);
	free(writer->bytes);
	writer->bytes = NULL;
	writer->n_bytes = 0;
}

static void set_up(struct jpeg_writer *writer, const struct rendered *rendered,
                   const struct write_options *options)
{
	struct jpeg_compress_struct *compress = &writer->compress;
	const struct plane *planes = rendered->planes;
	unsigned n_planes = rendered->n_planes;
	int luma_factor = n_planes > 1 && rendered->has_half_chroma ? 2 : 1;

	compress->image_width = planes[0].width;
	compress->image_height = planes[0].height;
	compress->input_components = (int)n_planes;
	compress->in_color_space = n_planes == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
	jpeg_set_defaults(compress);
	for (size_t i = 0; i < 2; i++) {
		*compress->dc_huff_tbl_ptrs[i] = writer->dc_tables[i];
		*compress->ac_huff_tbl_ptrs[i] = writer->ac_tables[i];
	}
	jpeg_set_quality(compress, (int)options->quality, TRUE);
	compress->raw_data_in = TRUE;
	compress->optimize_coding = options->has_own_tables;
	compress->dct_method = JDCT_ISLOW;
	compress->comp_info[0].h_samp_factor = luma_factor;
	compress->comp_info[0].v_samp_factor = luma_factor;
	if (options->is_progressive)
		jpeg_simple_progression(compress);
}

/* Extend each row to `width` samples by repeating its last sample. The stride has room for them. */
static void extend_rows(struct plane *plane, uint32_t width)
{
	for (uint32_t y = 0; y < plane->height && width > plane->width; y++) {
		uint8_t *row = plane_row(plane, y);

		memset(row + plane->width, row[plane->width - 1], width - plane->width);
	}
}

/* Pass all planes to libjpeg, one row of MCUs at a time. Rows below a plane are copies of its last
 * row. */
static void write_rows(struct jpeg_compress_struct *compress, struct plane *planes,
                       unsigned n_planes)
{
	JSAMPROW rows[COLOUR_PLANES][2 * DCTSIZE];
	JSAMPARRAY arrays[COLOUR_PLANES] = {rows[0], rows[1], rows[2]};
	unsigned n_luma_rows = (unsigned)compress->comp_info[0].v_samp_factor * DCTSIZE;

	for (uint32_t y = 0; y < planes[0].height; y += n_luma_rows) {
		for (unsigned i = 0; i < n_planes; i++) {
			uint32_t n = i ? DCTSIZE : n_luma_rows;
			uint32_t first = y / n_luma_rows * n, last = planes[i].height - 1;

			for (uint32_t j = 0; j < n; j++)
				rows[i][j] = plane_row(
					&planes[i], first + j < last ? first + j : last);
		}
		jpeg_write_raw_data(compress, arrays, n_luma_rows);
	}
}

/*
 * ---- small files, recoded ----
 *
 * For a thumbnail, libjpeg's search for the best Huffman tables takes longer than the rest of its
 * work. So libjpeg writes a small file with the standard tables. Then the code below reads and
 * counts the symbols of this file, makes tables for them (T.81, annex K.2), and writes the symbols
 * with these tables.
 */

enum {
	RECODED_PIXELS = 1 << 16,
	N_TABLES = 4, /* luma DC, luma AC, chroma DC, chroma AC */
	N_SYMBOLS = 256,
	MAX_CODE_BITS = 16,
	/* more than the depth of any Huffman tree with a total weight of 2^32 */
	MAX_DEPTH = 64,
	SYMBOL_EOB = 0,
	MARKER_DHT = 0xc4,
	MARKER_SOS = 0xda,
	MAX_TABLE_BYTES = 1 + MAX_CODE_BITS + N_SYMBOLS,
	LOAD_ROOM = 8,
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
	/* in the order of their codes, beginning with the shortest code */
	uint8_t symbols[N_SYMBOLS];
	uint16_t code[N_SYMBOLS];
	uint8_t length[N_SYMBOLS];
};

static bool get_standard_tables(struct jpeg_writer *writer,
                                const struct jpg_huffman *ret_tables[N_TABLES])
{
	jpg_huffman_begin_scan(&writer->cache);
	for (unsigned i = 0; i < N_TABLES; i++) {
		const JHUFF_TBL *table = i % 2 ? &writer->ac_tables[i / 2]
		                               : &writer->dc_tables[i / 2];
		uint8_t bytes[MAX_CODE_BITS + N_SYMBOLS];
		size_t n = MAX_CODE_BITS;

		memcpy(bytes, table->bits + 1, MAX_CODE_BITS);
		for (unsigned length = 1; length <= MAX_CODE_BITS; length++)
			n += table->bits[length];
		memcpy(bytes + MAX_CODE_BITS, table->huffval, n - MAX_CODE_BITS);
		if (jpg_huffman_get(&writer->cache, i % 2 ? JPG_AC : JPG_DC,
		                    (struct jpg_table_bytes){bytes, n}, false, false,
		                    &ret_tables[i]) != JPG_HUFFMAN_OK)
			return false;
	}
	return true;
}

/* The state while the tokens of a scan are read. */
struct token_reader {
	const struct jpg_huffman *tables[N_TABLES];
	struct jpg_bits bits;
	struct token *tokens;
	size_t n_tokens;
	uint32_t n_used[N_TABLES][N_SYMBOLS];
};

static bool read_token(struct token_reader *reader, unsigned table, uint8_t *ret_symbol)
{
	struct jpg_code code;
	unsigned n_extra;
	uint32_t extra = 0;

	jpg_bits_need(&reader->bits, 32);
	code = jpg_huffman_peek(reader->tables[table], &reader->bits);
	n_extra = code.symbol & 15u;
	if (!code.length || jpg_bits_ran_out(&reader->bits))
		return false;
	jpg_bits_drop(&reader->bits, code.length);
	if (n_extra)
		extra = jpg_bits_take(&reader->bits, n_extra);
	reader->tokens[reader->n_tokens++] = (struct token){(uint8_t)table, code.symbol,
	                                                    (uint16_t)extra};
	reader->n_used[table][code.symbol]++;
	*ret_symbol = code.symbol;
	return true;
}

static bool read_block(struct token_reader *reader, bool is_chroma)
{
	unsigned table = is_chroma ? 2 : 0, k = 1;
	uint8_t symbol;

	if (!read_token(reader, table, &symbol))
		return false;
	while (k < DCTSIZE2) {
		if (!read_token(reader, table + 1, &symbol))
			return false;
		if (symbol == SYMBOL_EOB)
			break;
		k += (symbol >> 4) + 1u;
	}
	return true;
}

/* Read the tokens of a scan that libjpeg has just written. bytes are the scan's data. */
static bool read_tokens(struct jpeg_writer *writer, const uint8_t *bytes, size_t n_bytes,
                        struct token_reader *reader)
{
	const struct jpeg_compress_struct *compress = &writer->compress;
	const jpeg_component_info *luma = &compress->comp_info[0];
	unsigned n_luma = (unsigned)(luma->h_samp_factor * luma->v_samp_factor);
	unsigned n_blocks = n_luma + (unsigned)compress->num_components - 1;
	unsigned n_mcus = compress->MCUs_per_row * compress->MCU_rows_in_scan;
	uint8_t *plain = workspace_reserve(&writer->plain, n_bytes + LOAD_ROOM);
	size_t n_plain = 0;

	/* Every code of the standard tables has at least two bits, so a byte has 4 tokens at
	 * most. */
	reader->tokens = workspace_reserve(
		&writer->tokens, size_times(n_bytes + 1, 4 * sizeof(struct token)));
	reader->n_tokens = 0;
	memset(reader->n_used, 0, sizeof(reader->n_used));
	if (!plain || !reader->tokens || !get_standard_tables(writer, reader->tables))
		return false;
	for (size_t i = 0; i < n_bytes; i++) {
		plain[n_plain++] = bytes[i];
		i += bytes[i] == 0xff; /* skip the stuffed 0 */
	}
	jpg_bits_init(&reader->bits, plain, n_plain);
	for (unsigned i = 0; i < n_mcus * n_blocks; i++) {
		if (!read_block(reader, i % n_blocks >= n_luma))
			return false;
	}
	return true;
}

/* Compute the lengths of a Huffman code for n symbols; n is at least 2. weights are the symbols'
 * weights in ascending order. ret_counts[i] becomes the number of codes with i bits. */
static void count_lengths(const uint32_t *weights, unsigned n,
                          unsigned ret_counts[MAX_DEPTH + 1])
{
	uint32_t weight[2 * N_SYMBOLS + 2];
	uint16_t parent[2 * N_SYMBOLS + 2], depth[2 * N_SYMBOLS + 2];
	unsigned leaf = 0, node = n, n_nodes = n;

	memcpy(weight, weights, n * sizeof(*weights));
	/* The leaves are in ascending order of weight, and inner nodes are also made in ascending
	 * order of weight. So the lightest node without a parent is either the next leaf or the
	 * next inner node. */
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
static uint8_t *put_tokens(uint8_t *at, const struct token_reader *reader,
                           const struct new_table tables[N_TABLES])
{
	uint64_t window = 0;
	unsigned n_bits = 0;

	for (size_t i = 0; i < reader->n_tokens; i++) {
		const struct token *token = &reader->tokens[i];
		const struct new_table *table = &tables[token->table];
		unsigned n_extra = token->symbol & 15u;

		window = window << table->length[token->symbol] |
		         table->code[token->symbol];
		window = window << n_extra | token->extra;
		n_bits += table->length[token->symbol] + n_extra;
		/* The unused bits of the last byte are ones. */
		if (i + 1 == reader->n_tokens && n_bits % 8) {
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
static uint64_t scan_bytes(const struct token_reader *reader,
                           const struct new_table tables[N_TABLES], unsigned n_tables)
{
	uint64_t n_bits = 0;

	for (unsigned i = 0; i < n_tables; i++) {
		for (unsigned symbol = 0; symbol < N_SYMBOLS; symbol++) {
			if (reader->n_used[i][symbol])
				n_bits += (uint64_t)reader->n_used[i][symbol] *
				          (tables[i].length[symbol] + (symbol & 15u));
		}
	}
	return (n_bits + 7) / 8;
}

/* Find the first SOS segment of a file that libjpeg has just written. */
static const uint8_t *find_scan(const uint8_t *file)
{
	const uint8_t *at = file + 2;

	while (at[1] != MARKER_SOS)
		at += 2 + ((size_t)at[2] << 8 | at[3]);
	return at;
}

/* Copy the file's segments up to SOS, with the new tables instead of the standard tables. Returns
 * the end of the written bytes. */
static uint8_t *put_segments(uint8_t *at, const uint8_t *file,
                             const struct new_table tables[N_TABLES], unsigned n_tables)
{
	const uint8_t *from = file + 2;

	memcpy(at, file, 2);
	at += 2;
	for (bool is_last = false; !is_last;) {
		size_t n = 2 + ((size_t)from[2] << 8 | from[3]);

		is_last = from[1] == MARKER_SOS;
		if (is_last)
			at = put_tables(at, tables, n_tables);
		if (from[1] != MARKER_DHT) {
			memcpy(at, from, n);
			at += n;
		}
		from += n;
	}
	return at;
}

/* Encode the file again into another buffer, with Huffman tables made for this file. libjpeg's file
 * has a known structure: segments up to SOS, one scan, and EOI. Returns false if the new file is
 * larger or memory ran out. libjpeg's file is not changed. */
static bool recode(struct jpeg_writer *writer, struct written *ret_written)
{
	const uint8_t *scan = find_scan(writer->bytes);
	const uint8_t *end = writer->bytes + writer->n_written - 2;
	unsigned n_tables = writer->compress.num_components > 1 ? N_TABLES : 2;
	struct new_table tables[N_TABLES];
	struct token_reader reader;
	uint8_t *file, *at;

	scan += 2 + ((size_t)scan[2] << 8 | scan[3]);
	if (!read_tokens(writer, scan, (size_t)(end - scan), &reader))
		return false;
	for (unsigned i = 0; i < n_tables; i++)
		make_table(reader.n_used[i], &tables[i]);
	if (scan_bytes(&reader, tables, n_tables) > writer->n_written)
		return false;
	/* In the worst case a stuffed zero follows every byte of the scan. */
	file = workspace_reserve(&writer->recoded,
	                         size_times(writer->n_written, 3) +
	                                 (size_t)N_TABLES * MAX_TABLE_BYTES);
	if (!file)
		return false;
	at = put_segments(file, writer->bytes, tables, n_tables);
	at = put_tokens(at, &reader, tables);
	memcpy(at, end, 2);
	*ret_written = (struct written){file, (size_t)(at + 2 - file)};
	return ret_written->n_bytes <= writer->n_written;
}

static bool write_file(void *state, struct rendered *rendered,
                       const struct write_options *options, struct written *ret_written)
{
	struct jpeg_writer *writer = state;
	struct jpeg_compress_struct *compress = &writer->compress;
	struct plane *planes = rendered->planes;
	bool is_recoded = options->has_own_tables && !options->is_progressive &&
	                  (uint64_t)planes[0].width * planes[0].height <= RECODED_PIXELS;
	unsigned luma_side, n_mcus;

	if (!writer->bytes) {
		writer->bytes = malloc(FIRST_BYTES);
		if (!writer->bytes)
			return false;
		writer->n_bytes = FIRST_BYTES;
	}
	if (setjmp(writer->on_error)) {
		jpeg_abort_compress(compress);
		return false;
	}
	set_up(writer, rendered, options);
	if (is_recoded)
		compress->optimize_coding = FALSE;
	luma_side = (unsigned)compress->comp_info[0].h_samp_factor * DCTSIZE;
	n_mcus = (planes[0].width + luma_side - 1) / luma_side;
	for (unsigned i = 0; i < rendered->n_planes; i++)
		extend_rows(&planes[i], n_mcus * (i ? DCTSIZE : luma_side));

	jpeg_start_compress(compress, TRUE);
	write_rows(compress, planes, rendered->n_planes);
	jpeg_finish_compress(compress);
	if (!is_recoded || !recode(writer, ret_written))
		*ret_written = (struct written){writer->bytes, writer->n_written};
	return true;
}

const struct writer jpeg_writer = {create, destroy, trim, write_file};
