/* Writes JPEG from planes with libjpeg-turbo. */
#include "image/fast/codec.h"
#include "image/fast/jpeg_small.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { FIRST_BYTES = 1 << 16, SMALL_PIXELS = 1 << 16 };

struct jpeg_writer {
	struct jpeg_compress_struct compress;
	struct jpeg_error_mgr errors;
	jmp_buf on_error;
	/* The part of the file that was written so far, in a buffer that grows. */
	struct jpeg_destination_mgr destination;
	uint8_t *bytes;
	size_t n_bytes, n_written;
	/* The standard Huffman tables (annex K) for luma and chroma. They are copied to libjpeg
	 * before each picture, because libjpeg overwrites its tables when it makes tables for a
	 * picture. */
	JHUFF_TBL dc_tables[2], ac_tables[2];
	struct jpeg_small small;
	/* The quantization tables of small files, first for luma, then for chroma. */
	uint16_t steps[2][DCTSIZE2];
	/* The quality for which `steps` was made. -1: `steps` was not made yet. */
	int quality;
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
	writer->quality = -1;
	for (size_t i = 0; i < 2; i++) {
		writer->dc_tables[i] = *writer->compress.dc_huff_tbl_ptrs[i];
		writer->ac_tables[i] = *writer->compress.ac_huff_tbl_ptrs[i];
	}
	return true;
}

static void free_small(struct jpeg_writer *writer)
{
	workspace_fini(&writer->small.tokens);
	workspace_fini(&writer->small.file);
}

static void destroy(void *state)
{
	struct jpeg_writer *writer = state;

	if (!writer)
		return;
	jpeg_destroy_compress(&writer->compress);
	free_small(writer);
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

	if (writer->n_bytes + writer->small.tokens.n_bytes + writer->small.file.n_bytes <=
	    max_bytes)
		return;
	free_small(writer);
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

/* Extend each row to `width` samples by repeating its last sample. The stride has room for `width`
 * samples. */
static void extend_rows(struct plane *plane, uint32_t width)
{
	for (uint32_t y = 0; y < plane->height && width > plane->width; y++) {
		uint8_t *row = plane_row(plane, y);

		memset(row + plane->width, row[plane->width - 1], width - plane->width);
	}
}

/* Pass all planes to libjpeg, one row of MCUs at a time. Where the MCUs reach below a plane, its
 * last row is repeated. */
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

static bool is_small(const struct write_options *options, struct size size)
{
	return options->has_own_tables && !options->is_progressive &&
	       (uint64_t)size.width * size.height <= SMALL_PIXELS;
}

static bool write_small(struct jpeg_writer *writer, const struct rendered *rendered,
                        const struct write_options *options, struct written *ret_written)
{
	struct jpeg_compress_struct *compress = &writer->compress;
	const uint16_t *steps[2] = {writer->steps[0], writer->steps[1]};

	if (writer->quality != (int)options->quality) {
		jpeg_set_quality(compress, (int)options->quality, TRUE);
		for (unsigned i = 0; i < 2; i++)
			memcpy(writer->steps[i], compress->quant_tbl_ptrs[i]->quantval,
			       sizeof(writer->steps[i]));
		writer->quality = (int)options->quality;
	}
	return jpeg_small_write(&writer->small, rendered, steps, ret_written);
}

static bool write_file(void *state, struct rendered *rendered,
                       const struct write_options *options, struct written *ret_written)
{
	struct jpeg_writer *writer = state;
	struct jpeg_compress_struct *compress = &writer->compress;
	struct plane *planes = rendered->planes;
	unsigned luma_side, n_mcus;

	if (is_small(options, (struct size){planes[0].width, planes[0].height}))
		return write_small(writer, rendered, options, ret_written);
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
	luma_side = (unsigned)compress->comp_info[0].h_samp_factor * DCTSIZE;
	n_mcus = (planes[0].width + luma_side - 1) / luma_side;
	for (unsigned i = 0; i < rendered->n_planes; i++)
		extend_rows(&planes[i], n_mcus * (i ? DCTSIZE : luma_side));

	jpeg_start_compress(compress, TRUE);
	write_rows(compress, planes, rendered->n_planes);
	jpeg_finish_compress(compress);
	*ret_written = (struct written){writer->bytes, writer->n_written};
	return true;
}

const struct writer jpeg_writer = {create, destroy, trim, write_file};
