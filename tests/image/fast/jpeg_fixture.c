/* JPEG files decoded by libjpeg and by our decoder, for comparison. */
#include "jpeg_fixture.h"

#include "support/test.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct errors {
	struct jpeg_error_mgr manager;
	jmp_buf jump;
};

static void on_error(j_common_ptr c)
{
	longjmp(((struct errors *)(void *)c->err)->jump, 1);
}

static void on_message(j_common_ptr c, int level)
{
	if (level < 0)
		c->err->num_warnings++;
}

static void begin_planes(struct jpeg_decompress_struct *c, struct reference *reference)
{
	unsigned n_x = (c->image_width + 8 * (unsigned)c->max_h_samp_factor - 1) /
	               (8 * (unsigned)c->max_h_samp_factor);
	unsigned n_y = (c->image_height + 8 * (unsigned)c->max_v_samp_factor - 1) /
	               (8 * (unsigned)c->max_v_samp_factor);

	reference->n_planes = (unsigned)c->num_components;
	for (unsigned i = 0; i < reference->n_planes; i++) {
		const jpeg_component_info *info = &c->comp_info[i];
		struct reference_plane *plane = &reference->plane[i];

		plane->side = (unsigned)info->DCT_scaled_size;
		plane->width = info->downsampled_width;
		plane->height = info->downsampled_height;
		plane->stride = n_x * (unsigned)info->h_samp_factor * plane->side;
		plane->samples = malloc(plane->stride * n_y *
		                        (unsigned)info->v_samp_factor * plane->side);
	}
}

static void read_planes(struct jpeg_decompress_struct *c, struct reference *reference)
{
	JSAMPROW rows[3][64];
	JSAMPARRAY planes[3] = {rows[0], rows[1], rows[2]};
	unsigned n_rows = (unsigned)c->max_v_samp_factor *
	                  (unsigned)c->min_DCT_scaled_size;
	unsigned y[3] = {0};

	while (c->output_scanline < c->output_height) {
		for (unsigned i = 0; i < reference->n_planes; i++) {
			struct reference_plane *plane = &reference->plane[i];
			unsigned n = (unsigned)c->comp_info[i].v_samp_factor *
			             plane->side;

			for (unsigned j = 0; j < n; j++)
				rows[i][j] = plane->samples + plane->stride * (y[i] + j);
			y[i] += n;
		}
		jpeg_read_raw_data(c, planes, n_rows);
	}
}

struct reference reference_decode(struct bytes file, unsigned denominator)
{
	struct jpeg_decompress_struct c;
	struct errors errors;
	struct reference reference = {0};

	c.err = jpeg_std_error(&errors.manager);
	errors.manager.error_exit = on_error;
	errors.manager.emit_message = on_message;
	jpeg_create_decompress(&c);
	if (setjmp(errors.jump) == 0) {
		jpeg_mem_src(&c, file.at, file.n);
		jpeg_read_header(&c, TRUE);
		if (c.num_components > 3)
			longjmp(errors.jump, 1);
		c.raw_data_out = TRUE;
		c.scale_num = 1;
		c.scale_denom = denominator;
		c.out_color_space = c.jpeg_color_space;
		c.dct_method = JDCT_ISLOW;
		c.do_block_smoothing = FALSE;
		jpeg_start_decompress(&c);
		begin_planes(&c, &reference);
		read_planes(&c, &reference);
		jpeg_finish_decompress(&c);
		reference.is_clean = errors.manager.num_warnings == 0;
	}
	jpeg_destroy_decompress(&c);
	return reference;
}

/* The largest dequantized coefficient in a row of blocks. */
static int largest_in_row(JBLOCKROW blocks, const jpeg_component_info *info)
{
	int largest = 0;

	for (unsigned i = 0; i < info->width_in_blocks * DCTSIZE2; i++) {
		int k = (int)(i % DCTSIZE2);
		int product = blocks[i / DCTSIZE2][k] * info->quant_table->quantval[k];

		if (abs(product) > largest)
			largest = abs(product);
	}
	return largest;
}

int largest_coefficient(struct bytes file)
{
	struct jpeg_decompress_struct c;
	struct errors errors;
	jvirt_barray_ptr *arrays;
	volatile int largest = INT16_MAX;

	c.err = jpeg_std_error(&errors.manager);
	errors.manager.error_exit = on_error;
	errors.manager.emit_message = on_message;
	jpeg_create_decompress(&c);
	if (setjmp(errors.jump) == 0) {
		jpeg_mem_src(&c, file.at, file.n);
		jpeg_read_header(&c, TRUE);
		arrays = jpeg_read_coefficients(&c);
		largest = 0;
		for (int i = 0; i < c.num_components; i++) {
			const jpeg_component_info *info = &c.comp_info[i];

			for (unsigned y = 0; y < info->height_in_blocks; y++) {
				JBLOCKARRAY row = c.mem->access_virt_barray(
					(j_common_ptr)&c, arrays[i], y, 1, FALSE);
				int here = largest_in_row(row[0], info);

				if (here > largest)
					largest = here;
			}
		}
	}
	jpeg_destroy_decompress(&c);
	return largest;
}

void reference_free(struct reference *reference)
{
	for (unsigned i = 0; i < reference->n_planes; i++)
		free(reference->plane[i].samples);
	*reference = (struct reference){0};
}

unsigned plane_sample(const struct plane *plane, unsigned x, unsigned y)
{
	const uint8_t *row = (const uint8_t *)plane->samples + plane->stride * y;
	uint16_t sample;

	if (plane->n_bits == 8)
		return row[x];
	memcpy(&sample, row + x * sizeof(sample), sizeof(sample));
	return (sample + 128u) / 257u;
}

unsigned plane_difference(const struct plane *plane,
                          const struct reference_plane *reference)
{
	unsigned largest = 0;

	for (unsigned y = 0; y < plane->height; y++) {
		for (unsigned x = 0; x < plane->width; x++) {
			int ours = (int)plane_sample(plane, x, y);
			int theirs = reference->samples[y * reference->stride + x];
			unsigned difference = (unsigned)abs(ours - theirs);

			if (difference > largest)
				largest = difference;
		}
	}
	return largest;
}

struct jpg_decoder *decoder_new(void)
{
	struct jpg_decoder *decoder = jpeg_reader.create();

	REQUIRE(decoder != NULL);
	return decoder;
}

struct jpg_request request_of(enum jpg_scale scale)
{
	return (struct jpg_request){.scale = {scale, scale, scale}};
}

enum read_status decode(struct jpg_decoder *decoder, struct bytes file,
                        const struct jpg_request *request,
                        struct jpg_picture *ret_picture)
{
	uint8_t *copy = malloc(file.n ? file.n : 1);
	struct jpg_header header;
	enum read_status status;

	REQUIRE(copy != NULL);
	memcpy(copy, file.at, file.n);
	status = jpg_decoder_open(decoder, copy, file.n, &header);
	if (status == READ_OK)
		status = jpg_decoder_decode(decoder, request, ret_picture);
	free(copy);
	return status;
}

struct jpg_picture decode_whole(struct jpg_decoder *decoder, struct bytes file,
                                const struct jpg_request *request)
{
	struct jpg_picture picture = {0};
	enum read_status status = decode(decoder, file, request, &picture);

	REQUIRE(status == READ_OK, "%s", jpeg_reader.reason(decoder));
	return picture;
}

struct bytes samples_of(const struct jpg_picture *picture)
{
	struct bytes all = {0};

	for (unsigned i = 0; i < picture->n_planes; i++) {
		const struct plane *plane = &picture->plane[i];
		size_t row_bytes = plane->width * plane->n_bits / 8;
		uint8_t *grown = realloc(all.at, all.n + row_bytes * plane->height);

		REQUIRE(grown != NULL);
		all.at = grown;
		for (unsigned y = 0; y < plane->height; y++, all.n += row_bytes)
			memcpy(all.at + all.n,
			       (const uint8_t *)plane->samples + plane->stride * y,
			       row_bytes);
	}
	return all;
}

bool are_same(struct bytes a, struct bytes b)
{
	return a.n == b.n && memcmp(a.at, b.at, a.n) == 0;
}
