/*
 * Tests of rendering decoded planes to an output (size, crop, orientation, and the position of
 * chroma samples), and of the JPEG and WebP writers. In most tests of rendering the picture is a
 * gradient, so that the level of a sample shows from which place it comes. /
 */
#include "support/test.h"

#include "heap.h"
#include "jpeg_fixture.h"

#include "image/fast/render.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>

#include <jpeglib.h>

enum { WIDTH = 203, HEIGHT = 101 };

/* A picture of WIDTH x HEIGHT whose samples are those of level_at(). Chroma is subsampled by 2. The
 * workspaces own the memory of the planes. */
struct slope {
	struct workspace workspaces[COLOUR_PLANES];
	struct decoded decoded;
};

static double level_at(double x, double y)
{
	return 20 + x * 0.6 + y * 0.8;
}

static void slope_init(struct slope *slope, unsigned n_bits, unsigned orientation)
{
	*slope = (struct slope){.decoded = {.n_planes = COLOUR_PLANES,
	                                    .size = {WIDTH, HEIGHT},
	                                    .orientation = orientation}};
	for (unsigned i = 0; i < COLOUR_PLANES; i++) {
		struct plane *plane = &slope->decoded.planes[i];
		unsigned step = i ? 2 : 1;

		REQUIRE(plane_reserve(plane, &slope->workspaces[i],
		                      (WIDTH + step - 1) / step,
		                      (HEIGHT + step - 1) / step, n_bits));
		plane->true_width = (double)WIDTH / step;
		plane->true_height = (double)HEIGHT / step;
		for (uint32_t y = 0; y < plane->height; y++) {
			for (uint32_t x = 0; x < plane->width; x++) {
				double level = level_at((x + 0.5) * step,
				                        (y + 0.5) * step);

				if (n_bits == 16)
					((uint16_t *)plane_row(plane, y))[x] =
						(uint16_t)(level * 257);
				else
					((uint8_t *)plane_row(plane, y))[x] =
						(uint8_t)(level + 0.5);
			}
		}
	}
}

static void slope_fini(struct slope *slope)
{
	for (unsigned i = 0; i < COLOUR_PLANES; i++)
		workspace_fini(&slope->workspaces[i]);
}

/* The position in the stored picture that corresponds to the point (x, y) of the upright
 * picture. */
static void to_stored(unsigned orientation, double *x, double *y)
{
	struct turn turn = turn_of(orientation);
	double width = turn.exchanges ? HEIGHT : WIDTH;
	double height = turn.exchanges ? WIDTH : HEIGHT;

	if (turn.mirrors_x)
		*x = width - *x;
	if (turn.mirrors_y)
		*y = height - *y;
	if (turn.exchanges) {
		double was = *x;

		*x = *y;
		*y = was;
	}
}

/* Check that every sample has the level of its position, except near the edges, where the gradient
 * ends. */
static void expect_in_place(const struct rendered *rendered, const struct layout *layout,
                            unsigned orientation)
{
	struct size upright = orientation > 4 ? (struct size){HEIGHT, WIDTH}
	                                      : (struct size){WIDTH, HEIGHT};
	double x_step = (double)upright.width / layout->scaled.width;
	double y_step = (double)upright.height / layout->scaled.height;
	double largest = 0;

	for (unsigned i = 0; i < rendered->n_planes; i++) {
		const struct plane *plane = &rendered->planes[i];
		unsigned step = i && rendered->has_half_chroma ? 2 : 1;

		EXPECT_EQ(plane->width, (layout->part.size.width + step - 1) / step);
		EXPECT_EQ(plane->height, (layout->part.size.height + step - 1) / step);
		for (uint32_t y = 4; y + 4 < plane->height; y++) {
			for (uint32_t x = 4; x + 4 < plane->width; x++) {
				double at_x = (layout->part.x + (x + 0.5) * step) *
				              x_step;
				double at_y = (layout->part.y + (y + 0.5) * step) *
				              y_step;
				int got = ((const uint8_t *)plane_row(plane, y))[x];

				to_stored(orientation, &at_x, &at_y);
				largest = fmax(largest, fabs(got - level_at(at_x, at_y)));
			}
		}
	}
	EXPECT(largest < 1.1, "orientation %u: off by %.2f", orientation, largest);
}

static struct layout layout_of(struct size scaled, struct area part)
{
	return (struct layout){.scaled = scaled, .part = part, .canvas = part.size};
}

static void expect_all_orientations(struct size scaled, struct area part,
                                    bool has_half_chroma)
{
	const struct render_options options = {.has_half_chroma = has_half_chroma};
	struct layout layout = layout_of(scaled, part);
	struct renderer *renderer = renderer_create();

	REQUIRE(renderer != NULL);
	for (unsigned orientation = 1; orientation <= 8; orientation++) {
		for (unsigned n_bits = 8; n_bits <= 16; n_bits += 8) {
			struct rendered rendered;
			struct slope slope;

			slope_init(&slope, n_bits, orientation);
			REQUIRE(render(renderer, &slope.decoded, &layout, &options,
			               &rendered));
			expect_in_place(&rendered, &layout, orientation);
			slope_fini(&slope);
		}
	}
	renderer_destroy(renderer);
}

TEST(render, samples_are_at_the_right_place_in_every_orientation)
{
	expect_all_orientations((struct size){67, 71}, (struct area){0, 0, {67, 71}},
	                        false);
	expect_all_orientations((struct size){67, 71}, (struct area){0, 0, {67, 71}},
	                        true);
	expect_all_orientations((struct size){60, 80}, (struct area){0, 0, {60, 80}},
	                        true);
}

TEST(render, cropping_takes_the_requested_part_of_the_picture)
{
	expect_all_orientations((struct size){80, 90}, (struct area){11, 20, {45, 37}},
	                        true);
	expect_all_orientations((struct size){80, 90}, (struct area){7, 3, {44, 66}},
	                        false);
}

static double lanczos(double x)
{
	double pi_x = acos(-1) * x;

	if (x == 0)
		return 1;
	return fabs(x) < 3 ? 3 * sin(pi_x) * sin(pi_x / 3) / (pi_x * pi_x) : 0;
}

/* The expected value of the sample with the index `at`, if Lanczos3 reduces a row by this factor.
 * The first and last samples of the row are repeated beyond its ends. */
static double reduced_exactly(const uint8_t *row, int width, int factor, int at)
{
	double sum = 0, weights = 0, centre = (at + 0.5) * factor;

	for (int i = (int)centre - 3 * factor; i <= (int)centre + 3 * factor; i++) {
		double weight = lanczos((i + 0.5 - centre) / factor);

		sum += weight * row[i < 0 ? 0 : i < width ? i : width - 1];
		weights += weight;
	}
	return sum / weights;
}

/* Reduce a square whose first two columns and last column differ from the others. */
static void expect_edges(uint32_t side, uint32_t factor, bool has_margin)
{
	const struct render_options options = {0};
	struct size to = {side / factor, side / factor};
	struct layout layout = layout_of(to, (struct area){0, 0, to});
	struct decoded decoded = {.n_planes = 1, .size = {side, side}, .orientation = 1};
	struct renderer *renderer = renderer_create();
	struct workspace workspace = {0};
	struct rendered rendered;
	const uint8_t *got;

	REQUIRE(renderer != NULL);
	REQUIRE((has_margin ? plane_reserve_with_margin : plane_reserve)(
		&decoded.planes[0], &workspace, side, side, 8));
	/* The memory of the margin holds samples of an earlier picture. */
	memset(workspace.bytes, 255, workspace.n_bytes);
	for (uint32_t y = 0; y < side; y++) {
		uint8_t *row = plane_row(&decoded.planes[0], y);

		for (uint32_t x = 0; x < side; x++)
			row[x] = x < 2 ? 20 : x < side - 1 ? 100 : 240;
	}
	REQUIRE(render(renderer, &decoded, &layout, &options, &rendered));
	got = plane_row(&rendered.planes[0], 0);
	for (uint32_t x = 0; x < to.width; x++) {
		double want = reduced_exactly(decoded.planes[0].samples, (int)side,
		                              (int)factor, (int)x);

		EXPECT(fabs(got[x] - want) < 1, "%u by %u, margin %d, %u: %d, not %.1f",
		       side, factor, has_margin, x, got[x], want);
	}
	workspace_fini(&workspace);
	renderer_destroy(renderer);
}

TEST(render, details_at_the_edges_are_not_mirrored_by_resampling)
{
	expect_edges(90, 3, false);
	expect_edges(90, 3, true);
}

/* The kernel of an output of few samples reaches far beyond the edges of the plane. */
TEST(render, tiny_outputs_depend_on_no_sample_outside_the_picture)
{
	expect_edges(24, 4, false);
	expect_edges(24, 4, true);
	expect_edges(90, 15, true);
}

TEST(render, a_picture_of_the_right_size_is_not_resampled)
{
	const struct render_options options = {.has_half_chroma = true};
	struct layout layout = layout_of((struct size){WIDTH, HEIGHT},
	                                 (struct area){0, 0, {WIDTH, HEIGHT}});
	struct renderer *renderer = renderer_create();
	struct rendered rendered;
	struct slope slope;

	REQUIRE(renderer != NULL);
	slope_init(&slope, 8, 1);
	REQUIRE(render(renderer, &slope.decoded, &layout, &options, &rendered));
	for (unsigned i = 0; i < COLOUR_PLANES; i++)
		EXPECT(rendered.planes[i].samples == slope.decoded.planes[i].samples);
	slope_fini(&slope);
	renderer_destroy(renderer);
}

TEST(render, layouts_with_a_canvas_or_enlarging_or_a_content_dependent_crop_are_refused)
{
	struct size from = {100, 100};
	struct layout layout = layout_of((struct size){50, 50},
	                                 (struct area){0, 0, {50, 50}});

	EXPECT(render_takes_layout(&layout, from));
	layout.canvas.width = 60;
	EXPECT(!render_takes_layout(&layout, from));
	layout.canvas.width = 50;
	layout.is_searched = true;
	EXPECT(!render_takes_layout(&layout, from));
	layout.is_searched = false;
	layout.scaled.width = 101;
	EXPECT(!render_takes_layout(&layout, from));
}

TEST(render, a_renderer_still_works_after_trimming_has_freed_its_memory)
{
	const struct render_options options = {.has_half_chroma = true};
	struct layout layout = layout_of((struct size){50, 40},
	                                 (struct area){0, 0, {50, 40}});
	struct renderer *renderer = renderer_create();
	struct rendered rendered;
	struct slope slope;

	REQUIRE(renderer != NULL);
	slope_init(&slope, 16, 6);
	for (unsigned i = 0; i < 3; i++) {
		REQUIRE(render(renderer, &slope.decoded, &layout, &options, &rendered));
		expect_in_place(&rendered, &layout, 6);
		EXPECT_TRIMS(renderer_trim, renderer);
	}
	slope_fini(&slope);
	renderer_destroy(renderer);
	renderer_destroy(NULL);
}

TEST(render, sharpening_keeps_gradients_and_makes_edges_steeper)
{
	struct workspace samples = {0}, rows = {0};
	struct plane plane;
	uint16_t *row;

	REQUIRE(plane_reserve(&plane, &samples, 20, 9, 16));
	for (uint32_t y = 0; y < 9; y++) {
		row = plane_row(&plane, y);
		for (uint32_t x = 0; x < 20; x++)
			row[x] = (uint16_t)(x < 10 ? 1000 + 100 * x : 30000);
	}
	REQUIRE(plane_sharpen(&plane, &rows));
	row = plane_row(&plane, 4);
	EXPECT_EQ(row[5], 1500);
	EXPECT_EQ(row[15], 30000);
	EXPECT(row[9] < 1900);
	EXPECT(row[10] > 30000);
	workspace_fini(&samples);
	workspace_fini(&rows);
}

/* Make planes of a smooth picture. */
static void make_planes(struct plane planes[3], struct workspace workspaces[3],
                        unsigned width, unsigned height, bool has_half_chroma)
{
	for (unsigned i = 0; i < 3; i++) {
		unsigned step = i && has_half_chroma ? 2 : 1;

		REQUIRE(plane_reserve(&planes[i], &workspaces[i],
		                      (width + step - 1) / step,
		                      (height + step - 1) / step, 8));
		for (uint32_t y = 0; y < planes[i].height; y++) {
			uint8_t *row = plane_row(&planes[i], y);

			for (uint32_t x = 0; x < planes[i].width; x++)
				row[x] = (uint8_t)(60 + 20 * i + (x + y) * step);
		}
	}
}

/* Make a `struct rendered`, as a renderer returns it, from the first `n_planes` of `planes`. */
static struct rendered rendered_of(const struct plane planes[3], unsigned n_planes,
                                   bool has_half_chroma)
{
	struct rendered rendered = {.n_planes = n_planes,
	                            .has_half_chroma = has_half_chroma};

	memcpy(rendered.planes, planes, n_planes * sizeof(planes[0]));
	return rendered;
}

static void expect_jpeg(unsigned width, unsigned height, bool has_half_chroma,
                        const struct write_options *options)
{
	struct workspace workspaces[3] = {{0}};
	struct plane planes[3];
	void *writer = jpeg_writer.create();
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_FULL);
	struct jpg_picture picture;
	struct written written;

	REQUIRE(writer != NULL);
	request.reads_everything = true;
	make_planes(planes, workspaces, width, height, has_half_chroma);
	for (unsigned n_planes = 1; n_planes <= 3; n_planes += 2) {
		struct rendered rendered = rendered_of(planes, n_planes, has_half_chroma);

		REQUIRE(jpeg_writer.write(writer, &rendered, options, &written));
		picture = decode_whole(
			decoder,
			(struct bytes){(uint8_t *)written.bytes, written.n_bytes},
			&request);
		EXPECT_EQ(picture.n_planes, n_planes);
		for (unsigned i = 0; i < n_planes; i++) {
			struct reference_plane want = {.stride = planes[i].stride,
			                               .samples = planes[i].samples};

			EXPECT_EQ(picture.plane[i].width, planes[i].width);
			EXPECT_EQ(picture.plane[i].height, planes[i].height);
			EXPECT(plane_difference(&picture.plane[i], &want) <= 4);
		}
	}
	for (unsigned i = 0; i < 3; i++)
		workspace_fini(&workspaces[i]);
	jpeg_writer.destroy(writer);
	jpeg_reader.destroy(decoder);
}

TEST(jpeg_write,
     planes_of_several_sizes_written_as_each_kind_of_jpeg_decode_to_similar_planes)
{
	static const unsigned sizes[][2] = {{1, 1}, {1, 9}, {15, 17}, {16, 16}, {33, 40}};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (unsigned kind = 0; kind < 8; kind++) {
			const struct write_options options = {
				.quality = 95,
				.is_progressive = kind & 1,
				.has_own_tables = kind & 2,
			};

			expect_jpeg(sizes[i][0], sizes[i][1], kind & 4, &options);
		}
	}
}

TEST(jpeg_write, a_writer_still_works_after_trimming_has_freed_its_memory)
{
	const struct write_options options = {.quality = 100};
	struct workspace workspaces[3] = {{0}};
	struct plane planes[3];
	void *writer = jpeg_writer.create();
	struct rendered rendered;
	struct written written;
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_FULL);
	struct jpg_picture picture;
	uint64_t state = 1;
	size_t n_large, n_small;

	REQUIRE(writer != NULL);
	make_planes(planes, workspaces, 600, 500, false);
	for (unsigned i = 0; i < 3; i++) {
		for (size_t j = 0; j < planes[i].stride * planes[i].height; j++)
			((uint8_t *)planes[i].samples)[j] = (uint8_t)random_below(&state,
			                                                          256);
	}
	rendered = rendered_of(planes, 3, false);
	REQUIRE(jpeg_writer.write(writer, &rendered, &options, &written));
	n_large = written.n_bytes;
	EXPECT(n_large > 200000);
	EXPECT_TRIMS(jpeg_writer.trim, writer);
	make_planes(planes, workspaces, 20, 20, false);
	rendered = rendered_of(planes, 3, false);
	REQUIRE(jpeg_writer.write(writer, &rendered, &options, &written));
	n_small = written.n_bytes;
	EXPECT(n_small < 2000);
	request.reads_everything = true;
	picture = decode_whole(decoder,
	                       (struct bytes){(uint8_t *)written.bytes, written.n_bytes},
	                       &request);
	EXPECT_EQ(picture.n_planes, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct reference_plane want = {.stride = planes[i].stride,
		                               .samples = planes[i].samples};

		REQUIRE(picture.plane[i].width == 20 && picture.plane[i].height == 20);
		EXPECT(plane_difference(&picture.plane[i], &want) <= 4);
	}
	jpeg_reader.destroy(decoder);
	for (unsigned i = 0; i < 3; i++)
		workspace_fini(&workspaces[i]);
	jpeg_writer.destroy(writer);
	jpeg_writer.destroy(NULL);
}

/* Huffman tables that libjpeg made for a flat picture lack codes for other pictures. A writer that
 * has written a flat picture must write the next one like a new writer. */
TEST(jpeg_write, huffman_tables_made_for_one_picture_are_not_used_for_the_next)
{
	const struct write_options own = {.quality = 90, .has_own_tables = true};
	const struct write_options common = {.quality = 90};
	struct workspace workspaces[3] = {{0}};
	struct plane planes[3];
	void *writer = jpeg_writer.create(), *fresh = jpeg_writer.create();
	struct rendered rendered;
	struct written written, expected;
	uint64_t state = 3;

	REQUIRE(writer && fresh);
	make_planes(planes, workspaces, 40, 40, false);
	for (unsigned i = 0; i < 3; i++)
		memset(planes[i].samples, 100, planes[i].stride * planes[i].height);
	rendered = rendered_of(planes, 3, false);
	REQUIRE(jpeg_writer.write(writer, &rendered, &own, &written));
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *samples = planes[i].samples;

		for (size_t j = 0; j < planes[i].stride * planes[i].height; j++)
			samples[j] = (uint8_t)random_below(&state, 256);
	}
	REQUIRE(jpeg_writer.write(writer, &rendered, &common, &written));
	REQUIRE(jpeg_writer.write(fresh, &rendered, &common, &expected));
	EXPECT_EQ(written.n_bytes, expected.n_bytes);
	EXPECT(memcmp(written.bytes, expected.bytes, expected.n_bytes) == 0);
	jpeg_writer.destroy(fresh);
	for (unsigned i = 0; i < 3; i++)
		workspace_fini(&workspaces[i]);
	jpeg_writer.destroy(writer);
}

/* Read the coefficients of a JPEG: for each component, those of the blocks that show the picture.
 * The caller frees them. */
static int16_t *coefficients_of(const struct written *written, size_t *ret_n)
{
	struct jpeg_decompress_struct decompress;
	struct jpeg_error_mgr errors;
	jvirt_barray_ptr *arrays;
	int16_t *all = NULL;
	size_t n = 0;

	decompress.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&decompress);
	jpeg_mem_src(&decompress, written->bytes, (unsigned long)written->n_bytes);
	jpeg_read_header(&decompress, TRUE);
	arrays = jpeg_read_coefficients(&decompress);
	for (int i = 0; i < decompress.num_components; i++) {
		const jpeg_component_info *c = &decompress.comp_info[i];

		for (JDIMENSION y = 0; y < c->height_in_blocks; y++) {
			JBLOCKARRAY row = decompress.mem->access_virt_barray(
				(j_common_ptr)&decompress, arrays[i], y, 1, FALSE);
			size_t n_row = (size_t)c->width_in_blocks * DCTSIZE2;

			all = realloc(all, (n + n_row) * sizeof(*all));
			REQUIRE(all != NULL);
			memcpy(all + n, row[0], n_row * sizeof(*all));
			n += n_row;
		}
	}
	EXPECT_EQ(errors.num_warnings, 0);
	jpeg_finish_decompress(&decompress);
	jpeg_destroy_decompress(&decompress);
	*ret_n = n;
	return all;
}

/* Write the planes with the encoder for small files, and also with libjpeg's encoder, which rounds
 * in other places and uses the standard tables. Add the number of coefficients that differ to
 * *n_different. */
static void expect_encoded_alike(const struct plane planes[3], unsigned n_planes,
                                 unsigned quality, bool has_half_chroma,
                                 size_t *n_different)
{
	const struct write_options options[2] = {
		{.quality = quality, .has_own_tables = true},
		{.quality = quality},
	};
	int16_t *coefficients[2];
	size_t n[2], n_bytes[2];

	for (unsigned i = 0; i < 2; i++) {
		struct rendered rendered = rendered_of(planes, n_planes, has_half_chroma);
		void *writer = jpeg_writer.create();
		struct written written;

		REQUIRE(writer != NULL);
		REQUIRE(jpeg_writer.write(writer, &rendered, &options[i], &written));
		coefficients[i] = coefficients_of(&written, &n[i]);
		n_bytes[i] = written.n_bytes;
		jpeg_writer.destroy(writer);
	}
	EXPECT(n_bytes[0] <= n_bytes[1], "%zu bytes instead of %zu", n_bytes[0],
	       n_bytes[1]);
	REQUIRE(n[0] == n[1]);
	for (size_t i = 0; i < n[0]; i++) {
		int difference = abs(coefficients[0][i] - coefficients[1][i]);

		EXPECT(difference <= 1, "quality %u: %d", quality, difference);
		*n_different += difference > 0;
	}
	free(coefficients[0]);
	free(coefficients[1]);
}

TEST(jpeg_write, the_writer_of_small_pictures_gives_nearly_the_coefficients_of_libjpeg)
{
	static const unsigned sizes[][2] = {
		{1, 1}, {8, 8}, {17, 40}, {64, 43}, {256, 256}};
	struct workspace workspaces[3] = {{0}};
	struct plane planes[3];
	uint64_t state = 7;
	size_t n_different = 0, n = 0;

	for (unsigned i = 0; i < 60; i++) {
		const unsigned *size = sizes[i % 5];
		bool has_half_chroma = i & 1;
		unsigned noise = (unsigned[]){0, 3, 40, 256}[i % 4];

		make_planes(planes, workspaces, size[0], size[1], has_half_chroma);
		for (unsigned j = 0; j < 3 && noise; j++) {
			uint8_t *samples = planes[j].samples;

			for (size_t k = 0; k < planes[j].stride * planes[j].height; k++)
				samples[k] = (uint8_t)(samples[k] +
				                       random_below(&state, noise));
		}
		expect_encoded_alike(planes, i % 3 ? 3 : 1, 1 + random_below(&state, 100),
		                     has_half_chroma, &n_different);
		n += (size_t)size[0] * size[1];
	}
	/* The coefficients differ only where a value is close to the middle between two
	 * quantization steps. Such values are rare. */
	EXPECT(n_different * 200 < n, "%zu of more than %zu", n_different, n);
	for (unsigned i = 0; i < 3; i++)
		workspace_fini(&workspaces[i]);
}

/* Patterns of the samples 0 and 255 give the largest coefficients that a baseline JPEG can hold. */
TEST(jpeg_write, the_writer_of_small_pictures_can_encode_the_largest_coefficients)
{
	struct workspace workspaces[3] = {{0}};
	struct plane planes[3];
	size_t n_different = 0;

	make_planes(planes, workspaces, 64, 64, false);
	for (unsigned kind = 0; kind < 4; kind++) {
		for (unsigned i = 0; i < 3; i++) {
			for (uint32_t y = 0; y < planes[i].height; y++) {
				uint8_t *row = plane_row(&planes[i], y);

				for (uint32_t x = 0; x < planes[i].width; x++)
					row[x] = (x >> kind ^ y >> kind) & 1 ? 255 : 0;
			}
		}
		expect_encoded_alike(planes, 3, 100, false, &n_different);
	}
	for (unsigned i = 0; i < 3; i++)
		workspace_fini(&workspaces[i]);
}

/* Check that a plane of a WebP is nearly the plane that was written. The writer converts chroma
 * from the range 0 to 255 to the range 16 to 240. */
static void expect_webp_plane(const uint8_t *got, int stride, const struct plane *written,
                              bool is_chroma)
{
	double largest = 0;

	for (uint32_t y = 0; y < written->height; y++) {
		const uint8_t *row = plane_row(written, y);

		for (uint32_t x = 0; x < written->width; x++) {
			double want = is_chroma ? (row[x] - 128) * 224 / 255.0 + 128
			                        : row[x];

			largest = fmax(largest, fabs(got[y * (size_t)stride + x] - want));
		}
	}
	EXPECT(largest <= 5, "chroma %d: off by %.1f", is_chroma, largest);
}

/* libwebp can decode to planes. Luma must be as it was written. */
TEST(webp_write, written_planes_decode_to_similar_planes)
{
	const struct write_options options = {.quality = 95, .effort = 6};
	struct workspace workspaces[3] = {{0}};
	struct plane planes[3];
	void *writer = webp_writer.create();

	REQUIRE(writer != NULL);
	for (unsigned n_planes = 1; n_planes <= 3; n_planes += 2) {
		int width, height, stride, chroma_stride;
		uint8_t *luma, *cb, *cr;
		struct rendered rendered;
		struct written written;

		make_planes(planes, workspaces, 35, 51, true);
		rendered = rendered_of(planes, n_planes, true);
		REQUIRE(webp_writer.write(writer, &rendered, &options, &written));
		luma = WebPDecodeYUV(written.bytes, written.n_bytes, &width, &height, &cb,
		                     &cr, &stride, &chroma_stride);
		REQUIRE(luma != NULL);
		EXPECT_EQ(width, 35);
		EXPECT_EQ(height, 51);
		expect_webp_plane(luma, stride, &planes[0], false);
		if (n_planes == 1) {
			EXPECT(abs(cb[0] - 128) <= 1);
		} else {
			expect_webp_plane(cb, chroma_stride, &planes[1], true);
			expect_webp_plane(cr, chroma_stride, &planes[2], true);
		}
		WebPFree(luma);
	}
	for (unsigned i = 0; i < 3; i++)
		workspace_fini(&workspaces[i]);
	webp_writer.destroy(writer);
	webp_writer.destroy(NULL);
}
