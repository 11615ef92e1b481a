/* Writes PNG from planes. */
#include "image/fast/codec.h"
#include "image/fast/png_read.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* An effort of 0 to 9 is a compression level of libdeflate. MAX_LEVEL is the highest level that is
 * used. */
enum { MAX_LEVEL = 9, MAX_BANDS = 4, CHUNK_BYTES = 12, HEADER_BYTES = 13 };

struct png_writer {
	/* One compressor for each level, created when it is first used. */
	struct libdeflate_compressor *compressors[MAX_LEVEL + 1];
	struct workspace rows; /* the filtered rows, each with a filter byte in front */
	/* Memory for struct line: the current row, the row above it, and the current row as each
	 * filter changes it. */
	struct workspace tried;
	struct workspace file;
};

static void *create(void)
{
	return calloc(1, sizeof(struct png_writer));
}

static void free_buffers(struct png_writer *writer)
{
	workspace_fini(&writer->rows);
	workspace_fini(&writer->tried);
	workspace_fini(&writer->file);
}

static void destroy(void *state)
{
	struct png_writer *writer = state;

	if (!writer)
		return;
	for (unsigned level = 0; level <= MAX_LEVEL; level++)
		libdeflate_free_compressor(writer->compressors[level]);
	free_buffers(writer);
	free(writer);
}

static void trim(void *state, size_t max_bytes)
{
	struct png_writer *writer = state;

	if (writer->rows.n_bytes + writer->tried.n_bytes + writer->file.n_bytes >
	    max_bytes)
		free_buffers(writer);
}

/* ---- from planes to pixels ---- */

/* Convert sample x of a row to a level of 0 to 255. */
static inline float level_of(const void *row, uint32_t x, unsigned n_bits)
{
	return n_bits == 8 ? (float)((const uint8_t *)row)[x]
	                   : (float)((const uint16_t *)row)[x] / 257;
}

/* Convert chroma sample x of a row to its distance from neutral, in levels. */
static inline float chroma_of(const void *row, uint32_t x, unsigned n_bits)
{
	return n_bits == 8 ? (float)((const uint8_t *)row)[x] - 128
	                   : plane_chroma(((const uint16_t *)row)[x]) / 257;
}

static inline uint8_t to_byte(float level)
{
	level += 0.5f;
	level = level < 0 ? 0 : level > 255 ? 255 : level;
	return (uint8_t)(int)level;
}

/* Convert luma and chroma to RGB with the formula of JFIF. cb and cr are distances from neutral.
 * The result is multiplied by `factor`, to undo the multiplication of the colours by alpha. */
static inline void put_rgb(uint8_t *out, float y, float cb, float cr, float factor)
{
	out[0] = to_byte((y + 1.402f * cr) * factor);
	out[1] = to_byte((y - 0.344136286f * cb - 0.714136286f * cr) * factor);
	out[2] = to_byte((y + 1.772f * cb) * factor);
}

/* n_planes, n_bits and has_alpha are constants wherever this function is inlined. */
static inline void make_row(const struct rendered *rendered, uint32_t y, uint8_t *out,
                            unsigned n_planes, unsigned n_bits, bool has_alpha)
{
	const void *rows[MAX_PLANES];
	unsigned n_bands = n_planes + has_alpha;

	for (unsigned i = 0; i < n_planes; i++)
		rows[i] = plane_row(&rendered->planes[i], y);
	if (has_alpha)
		rows[ALPHA] = plane_row(&rendered->planes[ALPHA], y);
	for (uint32_t x = 0; x < rendered->planes[0].width; x++, out += n_bands) {
		float luma = level_of(rows[0], x, n_bits), factor = 1;

		if (has_alpha) {
			float alpha = level_of(rows[ALPHA], x, n_bits);

			out[n_bands - 1] = to_byte(alpha);
			factor = out[n_bands - 1] ? 255 / alpha : 0;
		}
		if (n_planes == 1)
			out[0] = to_byte(luma * factor);
		else
			put_rgb(out, luma, chroma_of(rows[1], x, n_bits),
			        chroma_of(rows[2], x, n_bits), factor);
	}
}

static void make_any_row(const struct rendered *rendered, uint32_t y, uint8_t *out)
{
	bool is_deep = rendered->planes[0].n_bits == 16;

	if (rendered->has_alpha && rendered->n_planes == 1)
		make_row(rendered, y, out, 1, 16, true);
	else if (rendered->has_alpha)
		make_row(rendered, y, out, 3, 16, true);
	else if (rendered->n_planes == 1 && is_deep)
		make_row(rendered, y, out, 1, 16, false);
	else if (rendered->n_planes == 1)
		make_row(rendered, y, out, 1, 8, false);
	else if (is_deep)
		make_row(rendered, y, out, 3, 16, false);
	else
		make_row(rendered, y, out, 3, 8, false);
}

/* ---- filters (PNG specification, 9.2) ---- */

static void filter_sub(uint8_t *restrict out, const uint8_t *restrict row, size_t n,
                       unsigned step)
{
	memcpy(out, row, step);
	for (size_t i = step; i < n; i++)
		out[i] = (uint8_t)(row[i] - row[i - step]);
}

static void filter_up(uint8_t *restrict out, const uint8_t *restrict row,
                      const uint8_t *restrict above, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(row[i] - above[i]);
}

static void filter_average(uint8_t *restrict out, const uint8_t *restrict row,
                           const uint8_t *restrict above, size_t n, unsigned step)
{
	for (size_t i = 0; i < step; i++)
		out[i] = (uint8_t)(row[i] - above[i] / 2);
	for (size_t i = step; i < n; i++)
		out[i] = (uint8_t)(row[i] - (row[i - step] + above[i]) / 2);
}

static inline int distance(int a, int b)
{
	return a < b ? b - a : a - b;
}

static void filter_paeth(uint8_t *restrict out, const uint8_t *restrict row,
                         const uint8_t *restrict above, size_t n, unsigned step)
{
	for (size_t i = 0; i < step; i++)
		out[i] = (uint8_t)(row[i] - above[i]);
	for (size_t i = step; i < n; i++) {
		int left = row[i - step], up = above[i], corner = above[i - step];
		int to_left = distance(up, corner), to_up = distance(left, corner);
		int to_corner = distance(left + up, 2 * corner);
		int nearest = to_up <= to_corner ? up : corner;

		nearest = to_left <= to_up && to_left <= to_corner ? left : nearest;
		out[i] = (uint8_t)(row[i] - nearest);
	}
}

/* The cost of a filtered row: its bytes count as signed numbers, and the cost is the sum of their
 * absolute values. A row with a lower cost usually compresses better. */
static uint32_t cost_of(const uint8_t *row, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += row[i] < 128 ? row[i] : 256u - row[i];
	return sum;
}

/* The rows that are needed to choose the filter of one row. */
struct line {
	uint8_t *row, *above;
	uint8_t *filtered[N_PNG_FILTERS];
	size_t n_bytes;
	unsigned n_bands;
};

static bool reserve_line(struct png_writer *writer, struct line *ret_line, size_t n_bytes,
                         unsigned n_bands)
{
	size_t room = size_aligned(n_bytes + PNG_ROW_ROOM);
	uint8_t *at = workspace_reserve(&writer->tried,
	                                size_times(room, 2 + N_PNG_FILTERS));

	if (!at)
		return false;
	*ret_line = (struct line){
		.row = at, .above = at + room, .n_bytes = n_bytes, .n_bands = n_bands};
	for (unsigned i = 0; i < N_PNG_FILTERS; i++)
		ret_line->filtered[i] = at + (2 + i) * room;
	memset(ret_line->above, 0, n_bytes);
	return true;
}

/* Choose the filter with the lowest cost. Write its filter byte and the filtered row. Then make the
 * current row the row above. */
static void filter_row(struct line *line, uint8_t *out)
{
	enum png_filter best = PNG_FILTER_NONE;
	uint32_t lowest = cost_of(line->row, line->n_bytes);
	uint8_t *was_above = line->above;

	filter_sub(line->filtered[PNG_FILTER_SUB], line->row, line->n_bytes,
	           line->n_bands);
	filter_up(line->filtered[PNG_FILTER_UP], line->row, line->above, line->n_bytes);
	filter_average(line->filtered[PNG_FILTER_AVERAGE], line->row, line->above,
	               line->n_bytes, line->n_bands);
	filter_paeth(line->filtered[PNG_FILTER_PAETH], line->row, line->above,
	             line->n_bytes, line->n_bands);
	for (enum png_filter i = PNG_FILTER_SUB; i < N_PNG_FILTERS; i++) {
		uint32_t cost = cost_of(line->filtered[i], line->n_bytes);

		if (cost < lowest) {
			lowest = cost;
			best = i;
		}
	}
	out[0] = (uint8_t)best;
	memcpy(out + 1, best == PNG_FILTER_NONE ? line->row : line->filtered[best],
	       line->n_bytes);
	line->above = line->row;
	line->row = was_above;
}

/* ---- chunks ---- */

static void put32(uint8_t *at, uint32_t number)
{
	at[0] = (uint8_t)(number >> 24);
	at[1] = (uint8_t)(number >> 16);
	at[2] = (uint8_t)(number >> 8);
	at[3] = (uint8_t)number;
}

/* Write the header and the checksum of a chunk whose data is already in place, 8 bytes after `at`.
 * Returns the end of the chunk. */
static uint8_t *put_chunk(uint8_t *at, const char type[5], uint32_t n_bytes)
{
	put32(at, n_bytes);
	memcpy(at + 4, type, 4);
	put32(at + 8 + n_bytes, libdeflate_crc32(0, at + 4, (size_t)n_bytes + 4));
	return at + CHUNK_BYTES + n_bytes;
}

static uint8_t *put_header(uint8_t *at, uint32_t width, uint32_t height, unsigned n_bands)
{
	static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	static const uint8_t colour_types[MAX_BANDS + 1] = {0, 0, 4, 2, 6};

	memcpy(at, signature, sizeof(signature));
	at += sizeof(signature);
	put32(at + 8, width);
	put32(at + 12, height);
	memcpy(at + 16, (uint8_t[]){8, colour_types[n_bands], 0, 0, 0}, 5);
	return put_chunk(at, "IHDR", HEADER_BYTES);
}

static struct libdeflate_compressor *compressor_of(struct png_writer *writer,
                                                   unsigned level)
{
	if (!writer->compressors[level])
		writer->compressors[level] = libdeflate_alloc_compressor((int)level);
	return writer->compressors[level];
}

static bool compress_rows(struct png_writer *writer, const struct rendered *rendered,
                          size_t n_bytes, unsigned n_bands, unsigned level,
                          struct written *ret_written)
{
	struct libdeflate_compressor *compressor = compressor_of(writer, level);
	size_t bound, n_compressed;
	uint8_t *file, *at;

	if (!compressor)
		return false;
	bound = libdeflate_zlib_compress_bound(compressor, n_bytes);
	file = workspace_reserve(&writer->file,
	                         bound + 8 + (size_t)3 * CHUNK_BYTES + HEADER_BYTES);
	if (!file)
		return false;
	at = put_header(file, rendered->planes[0].width, rendered->planes[0].height,
	                n_bands);
	n_compressed = libdeflate_zlib_compress(compressor, writer->rows.bytes, n_bytes,
	                                        at + 8, bound);
	if (n_compressed == 0 || n_compressed > INT32_MAX)
		return false;
	at = put_chunk(at, "IDAT", (uint32_t)n_compressed);
	at = put_chunk(at, "IEND", 0);
	*ret_written = (struct written){file, (size_t)(at - file)};
	return true;
}

static bool write_file(void *state, struct rendered *rendered,
                       const struct write_options *options, struct written *ret_written)
{
	struct png_writer *writer = state;
	unsigned n_bands = rendered->n_planes + rendered->has_alpha;
	size_t row_bytes = size_times(rendered->planes[0].width, n_bands);
	uint32_t height = rendered->planes[0].height;
	size_t n_bytes = size_times(row_bytes + 1, height);
	uint8_t *rows = workspace_reserve(&writer->rows, n_bytes);
	struct line line;

	if (!rows || !reserve_line(writer, &line, row_bytes, n_bands))
		return false;
	for (uint32_t y = 0; y < height; y++) {
		make_any_row(rendered, y, line.row);
		filter_row(&line, rows + y * (row_bytes + 1));
	}
	return compress_rows(writer, rendered, n_bytes, n_bands, options->effort,
	                     ret_written);
}

const struct writer png_writer = {create, destroy, trim, write_file};
