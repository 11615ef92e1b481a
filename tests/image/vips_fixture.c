/* Pictures that only libvips can make or compare. */
#include "vips_fixture.h"

#include "support/test.h"

#include <math.h>
#include <string.h>

void vips_fixture_start(void)
{
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
}

VipsImage *image_of_bytes(const uint8_t *bytes, int width, int height, int n_bands)
{
	VipsImage *image;

	vips_fixture_start();
	image = vips_image_new_from_memory_copy(
		bytes, (size_t)width * (size_t)height * (size_t)n_bands, width, height,
		n_bands, VIPS_FORMAT_UCHAR);
	REQUIRE(image != NULL);
	image->Type = n_bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	return image;
}

struct blob encoded(VipsImage *image, const char *suffix)
{
	struct blob blob = {0};
	void *bytes = NULL;
	size_t n = 0;

	REQUIRE(!vips_image_write_to_buffer(image, suffix, &bytes, &n, NULL), "%s: %s",
	        suffix, vips_error_buffer());
	blob_append(&blob, bytes, n);
	g_free(bytes);
	return blob;
}

VipsImage *decoded(const struct blob *blob)
{
	VipsImage *opened, *image;
	const char *loader = vips_foreign_find_load_buffer(blob->bytes, blob->n);
	bool is_animated = loader && (strstr(loader, "Gif") || strstr(loader, "Webp") ||
	                              strstr(loader, "Nsgif"));

	opened = vips_image_new_from_buffer(blob->bytes, blob->n,
	                                    is_animated ? "[n=-1]" : "", NULL);
	REQUIRE(opened != NULL, "%s", vips_error_buffer());
	image = vips_image_copy_memory(opened);
	REQUIRE(image != NULL, "%s", vips_error_buffer());
	/* The copy of a HEIC or AVIF refers to metadata that the opened image owns. So the opened
	 * image must live as long as the copy. */
	g_object_set_data_full(G_OBJECT(image), "opened", opened, g_object_unref);
	return image;
}

double value_at(VipsImage *image, int x, int y, int band)
{
	size_t width = (size_t)vips_image_get_width(image);
	size_t n_bands = (size_t)vips_image_get_bands(image);
	size_t at = ((size_t)y * width + (size_t)x) * n_bands + (size_t)band;

	REQUIRE(x >= 0 && y >= 0 && x < vips_image_get_width(image) &&
	        y < vips_image_get_height(image) && band < vips_image_get_bands(image) &&
	        image->data != NULL);
	switch (vips_image_get_format(image)) {
	case VIPS_FORMAT_UCHAR:
		return ((const uint8_t *)image->data)[at];
	case VIPS_FORMAT_USHORT:
		return ((const uint16_t *)(const void *)image->data)[at];
	default:
		REQUIRE(vips_image_get_format(image) == VIPS_FORMAT_FLOAT);
		return (double)((const float *)(const void *)image->data)[at];
	}
}

bool is_colour(VipsImage *image, int x, int y, const double *values, double tolerance)
{
	bool is_near = true;

	for (int band = 0; band < vips_image_get_bands(image); band++) {
		double value = value_at(image, x, y, band);

		is_near &= fabs(value - values[band]) <= tolerance;
		EXPECT(fabs(value - values[band]) <= tolerance,
		       "band %d at %d, %d is %g, not %g", band, x, y, value,
		       values[band]);
	}
	return is_near;
}

VipsImage *cooked(const struct blob *blob, const struct recipe *recipe)
{
	struct outcome outcome = run_picture(blob, "a", recipe);
	VipsImage *image;

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	image = decoded(&outcome.output);
	EXPECT_EQ(outcome.answer.out[0].width, vips_image_get_width(image));
	EXPECT_EQ(outcome.answer.out[0].height, vips_image_get_page_height(image));
	outcome_fini(&outcome);
	return image;
}

double psnr(VipsImage *a, VipsImage *b)
{
	VipsImage *difference = NULL, *square = NULL;
	double mean = 0;

	REQUIRE(!vips_subtract(a, b, &difference, NULL) &&
	                !vips_multiply(difference, difference, &square, NULL) &&
	                !vips_avg(square, &mean, NULL),
	        "%s", vips_error_buffer());
	g_object_unref(difference);
	g_object_unref(square);
	return mean > 0 ? 10 * log10(255 * 255 / mean) : 99;
}
