/* The parts of the memory estimate that are the same for all engines. */
#include "image/memory_estimate.h"

static const uint64_t worker_bytes = (uint64_t)48 << 20;

uint64_t memory_product(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) || product > INT64_MAX / 16
	               ? INT64_MAX / 16
	               : product;
}

uint64_t memory_area(struct size size)
{
	return memory_product(size.width, size.height);
}

/* The number of bytes of memory for each byte of the output's pixels: that byte itself, and what
 * the encoder needs for it. */
static uint64_t encoder_factor(const struct recipe *recipe, unsigned n_bands)
{
	switch (recipe->format) {
	/* libwebp writes alpha without loss, even in a lossy file. Lossless encoding takes more
	 * memory. */
	case FORMAT_WEBP:
		return recipe->lossless || n_bands == 4 ? 11 : 5;
	case FORMAT_BMP:
	case FORMAT_TGA:
		return 5;
	case FORMAT_GIF:
		return 7;
	case FORMAT_HDR:
		return 8;
	case FORMAT_HEIC:
	case FORMAT_AVIF:
		return 12;
	case FORMAT_JXL:
	case FORMAT_JP2:
		return 24;
	default:
		return 3;
	}
}

uint64_t memory_of_output(const struct picture_header *header,
                          const struct recipe *recipe, uint64_t n_frames)
{
	struct layout layout = geometry_layout(&recipe->geometry, header->size);
	uint64_t n_searched_bytes = 0;
	bool has_canvas, has_alpha;
	struct size to;
	unsigned n_bands;

	geometry_focus(&layout, header->size);
	/* The engine searches the whole picture for the part to keep, so the whole picture must be
	 * in memory. */
	if (layout.is_focused && layout.is_searched)
		n_searched_bytes = memory_product(memory_area(header->size),
		                                  header->n_pixel_bytes);
	has_canvas = memory_area(layout.canvas) > memory_area(layout.scaled);
	to = has_canvas ? layout.canvas : layout.scaled;
	has_alpha = header->n_pixel_bytes >= 4 ||
	            (has_canvas && format_info(recipe->format)->has_alpha);
	n_bands = has_alpha ? 4 : 3;
	return n_searched_bytes +
	       memory_product(memory_product(memory_area(to), n_frames),
	                      n_bands * encoder_factor(recipe, n_bands));
}

uint64_t memory_estimate(const struct engine *decoder, const struct engine *deriver,
                         const struct picture_header *header,
                         const struct picture_variant *variants, unsigned n_variants,
                         uint64_t input_bytes, uint64_t n_frames)
{
	uint64_t estimate = worker_bytes + memory_product(input_bytes, 1), largest = 0;

	if (header->size.width == 0 || header->size.height == 0)
		return estimate;
	if (decoder)
		estimate += decoder->decoder_memory(header, variants, n_variants);
	for (unsigned i = 0; i < n_variants && deriver; i++) {
		uint64_t output = deriver->output_memory(header, variants[i].recipe,
		                                         n_frames);

		largest = output > largest ? output : largest;
	}
	return estimate + largest;
}
