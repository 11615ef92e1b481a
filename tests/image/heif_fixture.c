/* Makes HEIC and AVIF pictures through the encoder of libheif. */
#include "heif_fixture.h"

#include "support/test.h"

#include <libheif/heif.h>

#include <string.h>

static enum heif_compression_format codec_of(enum image_format format)
{
	return format == FORMAT_AVIF ? heif_compression_AV1 : heif_compression_HEVC;
}

bool can_make_heif(enum image_format format)
{
	return heif_init(NULL).code == heif_error_Ok &&
	       heif_have_encoder_for_format(codec_of(format));
}

static void require(struct heif_error error)
{
	REQUIRE(error.code == heif_error_Ok, "libheif: %s", error.message);
}

static const uint8_t *colour_at(const struct heif_recipe *recipe, int x, int y)
{
	return recipe->quarters
	        ->colours[2 * (y >= HEIF_HEIGHT / 2) + (x >= HEIF_WIDTH / 2)];
}

/* Convert a value from 0 to 255 to a sample of the picture. */
static unsigned sample_of(const struct heif_recipe *recipe, unsigned value)
{
	unsigned most = (1U << recipe->n_bits) - 1;
	unsigned shift = (unsigned)recipe->n_bits - 8;

	if (recipe->n_bands == 1 && recipe->has_limited_range)
		return (16U << shift) + ((219U << shift) * value + 127) / 255;
	return (most * value + 127) / 255;
}

static void put_16(uint8_t *at, unsigned number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

/* Samples of more than 8 bits are in the byte order of the machine in a grey plane, and big-endian
 * in a colour plane. */
static void put_sample(uint8_t *row, int at, const struct heif_recipe *recipe,
                       unsigned value)
{
	uint16_t wide = (uint16_t)value;

	if (recipe->n_bits <= 8)
		row[at] = (uint8_t)value;
	else if (recipe->n_bands == 1)
		memcpy(row + 2 * (size_t)at, &wide, sizeof(wide));
	else
		put_16(row + 2 * (size_t)at, value);
}

static void fill(struct heif_image *image, const struct heif_recipe *recipe,
                 enum heif_channel channel)
{
	int stride;
	uint8_t *bytes = heif_image_get_plane(image, channel, &stride);

	for (int y = 0; y < HEIF_HEIGHT; y++) {
		for (int i = 0; i < HEIF_WIDTH * recipe->n_bands; i++) {
			int band = i % recipe->n_bands;
			const uint8_t *colour = colour_at(recipe, i / recipe->n_bands, y);
			unsigned value = colour[band];

			if (recipe->is_premultiplied && band < 3)
				value = (value * colour[3] + 127) / 255;
			put_sample(bytes + (size_t)y * (size_t)stride, i, recipe,
			           sample_of(recipe, value));
		}
	}
}

static struct heif_image *make_image(const struct heif_recipe *recipe)
{
	bool is_deep = recipe->n_bits > 8, is_grey = recipe->n_bands == 1;
	enum heif_chroma rgb = is_deep ? heif_chroma_interleaved_RRGGBB_BE
	                               : heif_chroma_interleaved_RGB;
	enum heif_chroma rgba = is_deep ? heif_chroma_interleaved_RRGGBBAA_BE
	                                : heif_chroma_interleaved_RGBA;
	enum heif_channel channel = is_grey ? heif_channel_Y : heif_channel_interleaved;
	struct heif_image *image;

	require(heif_image_create(HEIF_WIDTH, HEIF_HEIGHT,
	                          is_grey ? heif_colorspace_monochrome
	                                  : heif_colorspace_RGB,
	                          is_grey                ? heif_chroma_monochrome
	                          : recipe->n_bands == 4 ? rgba
	                                                 : rgb,
	                          &image));
	require(heif_image_add_plane(image, channel, HEIF_WIDTH, HEIF_HEIGHT,
	                             recipe->n_bits));
	fill(image, recipe, channel);
	heif_image_set_premultiplied_alpha(image, recipe->is_premultiplied);
	return image;
}

static struct heif_error append(struct heif_context *context, const void *bytes, size_t n,
                                void *blob)
{
	struct heif_error ok = {heif_error_Ok, heif_suberror_Unspecified, "Success"};

	(void)context;
	blob_append(blob, bytes, n);
	return ok;
}

/* The numbers of the colour primaries, curve and matrix (CICP) that libheif must write into the
 * stream. If the result is NULL, libheif chooses them. */
static struct heif_color_profile_nclx *make_code_points(const struct heif_recipe *recipe)
{
	struct heif_color_profile_nclx *nclx;

	if (!recipe->has_colours_in_stream)
		return NULL;
	nclx = heif_nclx_color_profile_alloc();
	REQUIRE(nclx != NULL);
	nclx->color_primaries = (enum heif_color_primaries)recipe->primaries;
	nclx->transfer_characteristics =
		(enum heif_transfer_characteristics)recipe->transfer;
	nclx->matrix_coefficients = heif_matrix_coefficients_ITU_R_BT_601_6;
	nclx->full_range_flag = !recipe->has_limited_range;
	return nclx;
}

static void encode(struct heif_context *context, struct heif_image *image,
                   const struct heif_recipe *recipe)
{
	struct heif_encoding_options *options = heif_encoding_options_alloc();
	struct heif_color_profile_nclx *nclx = make_code_points(recipe);
	struct heif_encoder *encoder;

	require(heif_context_get_encoder_for_format(context, codec_of(recipe->format),
	                                            &encoder));
	require(heif_encoder_set_lossy_quality(encoder, 95));
	heif_encoder_set_parameter_string(encoder, "chroma", "444");
	options->macOS_compatibility_workaround = 0;
	options->macOS_compatibility_workaround_no_nclx_profile = 0;
	options->output_nclx_profile = nclx;
	if (nclx)
		require(heif_image_set_nclx_color_profile(image, nclx));
	if (recipe->orientation)
		options->image_orientation = (enum heif_orientation)recipe->orientation;
	require(heif_context_encode_image(context, image, encoder, options, NULL));
	heif_encoder_release(encoder);
	heif_encoding_options_free(options);
	heif_nclx_color_profile_free(nclx);
}

/* Correct two errors of libheif 1.15. It writes no numbers of the primaries and of the transfer
 * curve into the colours "nclx". The box "ispe" of a rotated picture must have the size before the
 * rotation, but libheif writes the size after the rotation. If only the stream may have the
 * colours, the box of the colours becomes a box "free", which readers ignore. */
static void correct(struct blob *blob, const struct heif_recipe *recipe)
{
	const uint8_t *end = blob->bytes + blob->n;
	uint8_t *nclx = memmem(blob->bytes, blob->n, "nclx", 4), *ispe = blob->bytes;

	REQUIRE(nclx != NULL);
	put_16(nclx + 4, recipe->primaries ? recipe->primaries : 1);
	put_16(nclx + 6, recipe->transfer ? recipe->transfer : 13);
	nclx[10] = recipe->has_limited_range ? 0 : 0x80;
	if (recipe->has_colours_in_stream)
		memcpy(nclx - 4, "free", 4);
	while ((ispe = memmem(ispe, (size_t)(end - ispe), "ispe", 4))) {
		put_16(ispe + 10, HEIF_WIDTH);
		put_16(ispe + 14, HEIF_HEIGHT);
		ispe += 4;
	}
}

struct blob make_heif_picture(const struct heif_recipe *recipe)
{
	struct heif_writer writer = {.writer_api_version = 1, .write = append};
	struct heif_context *context = heif_context_alloc();
	struct heif_image *image = make_image(recipe);
	struct blob blob = {0};

	REQUIRE(context != NULL);
	encode(context, image, recipe);
	require(heif_context_write(context, &writer, &blob));
	correct(&blob, recipe);
	heif_image_release(image);
	heif_context_free(context);
	return blob;
}
