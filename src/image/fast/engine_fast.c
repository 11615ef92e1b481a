/*
 * The fast engine: JPEG and PNG scaled to JPEG, PNG and WebP, with no more decoded, and no more in
 * memory, than the outputs need.
 *
 * Pictures are planes of Y, Cb and Cr from end to end. The engine takes a picture only where it can make all
 * of its outputs, and otherwise leaves it to the next engine: other formats and colours,
 * filters, canvases, linear light, profiles that are kept, and pictures that must be read
 * in spite of damage.
 *
 * What it decodes with, resamples with and writes with is a kit, kept between pictures.
 */
#include "image/engine.h"

#include "base/fd.h"
#include "image/fast/colour.h"
#include "image/fast/jpeg.h"
#include "image/fast/jpeg_write.h"
#include "image/fast/png_read.h"
#include "image/fast/png_write.h"
#include "image/fast/render.h"
#include "image/fast/webp_write.h"
#include "image/header/metadata_scan.h"
#include "image/header/profile.h"
#include "image/memory_estimate.h"
#include "image/picture_metadata.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Buffers of a kit that are larger are freed after the picture. */
#define KEPT_KIT_BYTES ((size_t)32 << 20)

struct kit {
	struct jpg_decoder *decoder;
	struct png_reader *png_reader;
	struct renderer *renderer;
	struct jpeg_writer *jpeg;
	struct webp_writer *webp;
	struct png_writer *png;
	struct converter *converter;
	struct renderer *finisher; /* of what was converted */
	struct workspace sharpening, profile;
	struct box pixels; /* of other engines, to be written */
};

/* The picture at hand, from claim_source() to close(). */
struct fast_state {
	struct kit *kit;
	struct jpg_header header;     /* of a JPEG */
	struct png_reader_header png; /* of a PNG */
	struct decoded decoded;
	bool is_converted; /* by the profile that the converter has chosen */
};

/* The kit that no picture uses. A worker has one picture at a time; where several threads have
 * one each, the others make kits of their own. */
static _Atomic(struct kit *) spare_kit;

static void kit_destroy(struct kit *kit)
{
	if (!kit)
		return;
	jpg_decoder_destroy(kit->decoder);
	png_reader_destroy(kit->png_reader);
	renderer_destroy(kit->renderer);
	renderer_destroy(kit->finisher);
	converter_destroy(kit->converter);
	jpeg_writer_destroy(kit->jpeg);
	webp_writer_destroy(kit->webp);
	png_writer_destroy(kit->png);
	box_fini(&kit->pixels);
	workspace_fini(&kit->sharpening);
	workspace_fini(&kit->profile);
	free(kit);
}

/* NULL when out of memory. */
static struct kit *kit_take(void)
{
	struct kit *kit = atomic_exchange(&spare_kit, NULL);

	if (kit)
		return kit;
	kit = calloc(1, sizeof(*kit));
	if (!kit)
		return NULL;
	kit->decoder = jpg_decoder_create();
	kit->png_reader = png_reader_create();
	kit->png = png_writer_create();
	kit->finisher = renderer_create();
	kit->converter = converter_create();
	kit->renderer = renderer_create();
	kit->jpeg = jpeg_writer_create();
	kit->webp = webp_writer_create();
	if (kit->decoder && kit->renderer && kit->jpeg && kit->webp && kit->png_reader &&
	    kit->png)
		return kit;
	kit_destroy(kit);
	return NULL;
}

static void kit_give_back(struct kit *kit)
{
	jpg_decoder_trim(kit->decoder, KEPT_KIT_BYTES);
	renderer_trim(kit->renderer, KEPT_KIT_BYTES);
	jpeg_writer_trim(kit->jpeg, KEPT_KIT_BYTES);
	webp_writer_trim(kit->webp, KEPT_KIT_BYTES);
	png_reader_trim(kit->png_reader, KEPT_KIT_BYTES);
	renderer_trim(kit->finisher, KEPT_KIT_BYTES);
	converter_trim(kit->converter, KEPT_KIT_BYTES);
	png_writer_trim(kit->png, KEPT_KIT_BYTES);
	if (box_bytes(&kit->pixels) > KEPT_KIT_BYTES)
		box_fini(&kit->pixels);
	if (kit->sharpening.n_bytes > KEPT_KIT_BYTES)
		workspace_fini(&kit->sharpening);
	kit_destroy(atomic_exchange(&spare_kit, kit));
}

static bool fast_reads(enum image_format format)
{
	return format == FORMAT_JPEG || format == FORMAT_PNG;
}

static bool fast_writes(enum image_format format)
{
	return format == FORMAT_JPEG || format == FORMAT_PNG || format == FORMAT_WEBP;
}

static bool cannot(struct failure *ret_reason, const char *reason)
{
	return failure_set(ret_reason, FAIL_UNSUPPORTED, "header: the fast engine %s",
	                   reason);
}

/* From quality 90 up chroma is kept whole, as libvips and others do. */
enum { QUALITY_OF_WHOLE_CHROMA = 90 };

static bool has_half_chroma(const struct recipe *recipe)
{
	if (recipe->format != FORMAT_JPEG)
		return recipe->format == FORMAT_WEBP;
	return recipe->chroma == CHROMA_420 ||
	       (recipe->chroma == CHROMA_AUTO &&
	        engine_quality(recipe) < QUALITY_OF_WHOLE_CHROMA);
}

static bool takes_filters(const struct filter_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (chain->at[i].kind != FILTER_FLATTEN)
			return false;
	}
	return true;
}

static bool takes_recipe(const struct recipe *recipe, struct failure *ret_reason)
{
	if (!fast_writes(recipe->format))
		return cannot(ret_reason, "does not write this format");
	if (!takes_filters(&recipe->filters))
		return cannot(ret_reason, "has no filters");
	if (recipe->linear || recipe->kernel != KERNEL_LANCZOS3)
		return cannot(ret_reason, "has no other way to scale than lanczos3");
	if (recipe->space != SPACE_SRGB && recipe->space != SPACE_KEEP)
		return cannot(ret_reason, "does not convert colours");
	if (recipe->format == FORMAT_WEBP &&
	    (recipe->lossless || recipe->chroma == CHROMA_444))
		return cannot(ret_reason, "writes WebP with loss and half chroma only");
	if (recipe->format == FORMAT_PNG &&
	    (recipe->progressive || recipe->depth == DEPTH_16))
		return cannot(ret_reason, "writes PNG of 8 bits in sequence only");
	return true;
}

/* A profile is applied or ignored, but not written. */
static bool takes_profile(const struct recipe *recipe, struct failure *ret_reason)
{
	if (recipe->space != SPACE_SRGB)
		return cannot(ret_reason, "converts colours to sRGB only");
	return !(recipe->keep & KEEP_ICC) ||
	       cannot(ret_reason, "does not keep colour profiles");
}

/* Inflate a PNG's profile into the kit; 0 bytes when that fails. */
static size_t inflate_profile(struct kit *kit, const struct metadata_scan *scan)
{
	struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
	void *profile = workspace_reserve(&kit->profile, PROFILE_MAX_BYTES);
	size_t n_bytes = 0;

	if (!decompressor || !profile ||
	    libdeflate_zlib_decompress(decompressor, scan->profile, scan->n_profile,
	                               profile, PROFILE_MAX_BYTES,
	                               &n_bytes) != LIBDEFLATE_SUCCESS)
		n_bytes = 0;
	if (decompressor)
		libdeflate_free_decompressor(decompressor);
	return n_bytes;
}

/* Choose how the embedded profile is applied. One that is for other pixels, or broken, counts as
 * none. */
static bool choose_colours(const struct source *source, struct fast_state *state,
                           const struct metadata_scan *scan, bool is_grey,
                           struct failure *ret_reason)
{
	struct kit *kit = state->kit;
	const uint8_t *profile = scan->profile;
	size_t n_bytes = scan->n_profile;
	enum intent intent = source->variants[0].recipe->intent;

	if (!scan->has_profile)
		return true;
	if (profile && scan->profile_is_deflated) {
		n_bytes = inflate_profile(kit, scan);
		profile = kit->profile.bytes;
	}
	if (!profile || n_bytes == 0 || n_bytes > PROFILE_MAX_BYTES)
		return cannot(ret_reason, "does not read this colour profile");
	for (unsigned i = 0; i < source->n_variants; i++) {
		if (!takes_profile(source->variants[i].recipe, ret_reason))
			return false;
		if (source->variants[i].recipe->intent != intent)
			return cannot(ret_reason,
			              "converts colours with one intent only");
	}
	if (!profile_is_srgb(profile, n_bytes) &&
	    profile_has_space(profile, n_bytes, is_grey ? "GRAY" : "RGB "))
		state->is_converted = converter_choose(kit->converter, profile, n_bytes,
		                                       is_grey, intent);
	return true;
}

static bool takes_layout(const struct source *source, const struct recipe *recipe,
                         struct failure *ret_reason)
{
	struct layout layout;

	return engine_layout(&layout, recipe, source->size, 1, ret_reason) &&
	       (render_takes_layout(&layout, source->size) ||
	        cannot(ret_reason, "neither enlarges, nor extends, nor searches"));
}

/* Chroma that is not halved again is nearer to other readers' when it is scaled up first, as they
 * do. So a JPEG becomes PNG here only where this engine is asked for. */
static bool takes_format(const struct source *source, const struct recipe *recipe,
                         struct failure *ret_reason)
{
	return source->format != FORMAT_JPEG || recipe->format != FORMAT_PNG ||
	       recipe->engine[0] ||
	       cannot(ret_reason, "leaves JPEG to PNG to others unless asked for");
}

static bool takes_outputs(const struct source *source, struct failure *ret_reason)
{
	for (unsigned i = 0; i < source->n_variants; i++) {
		const struct recipe *recipe = source->variants[i].recipe;

		if (!takes_recipe(recipe, ret_reason) ||
		    !takes_format(source, recipe, ret_reason) ||
		    !takes_layout(source, recipe, ret_reason))
			return false;
	}
	return true;
}

/* Everything is decoded only to be encoded here: damage that is to pass, and a check of every
 * pixel, are for other engines. */
static bool takes_reading(const struct source *source, struct failure *ret_reason)
{
	if (source->n_variants == 0)
		return cannot(ret_reason, "does not check whole files");
	if (source->reading->fail_on == FAIL_ON_NONE ||
	    source->reading->fail_on == FAIL_ON_TRUNCATED)
		return cannot(ret_reason, "does not read damaged files");
	return true;
}

/* What is damaged may still be readable in another engine's eyes. */
static bool open_jpeg(const struct source *source, struct fast_state *state,
                      struct metadata_scan *scan, struct size *ret_stored,
                      struct failure *ret_reason)
{
	struct jpg_decoder *decoder = state->kit->decoder;

	if (jpg_decoder_open(decoder, source->bytes, source->n_bytes, &state->header) !=
	    JPG_OK)
		return cannot(ret_reason, jpg_decoder_reason(decoder));
	metadata_scan_jpeg(scan, source->bytes, source->n_bytes);
	*ret_stored = (struct size){state->header.width, state->header.height};
	return true;
}

static bool open_png(const struct source *source, struct fast_state *state,
                     struct metadata_scan *scan, struct size *ret_stored,
                     struct failure *ret_reason)
{
	struct png_reader *reader = state->kit->png_reader;

	if (png_reader_open(reader, source->bytes, source->n_bytes, &state->png) !=
	    PNG_READER_OK)
		return cannot(ret_reason, png_reader_reason(reader));
	metadata_scan_png(scan, source->bytes, source->n_bytes);
	*ret_stored = (struct size){state->png.width, state->png.height};
	return true;
}

static bool is_grey(const struct source *source, const struct fast_state *state)
{
	return source->format == FORMAT_JPEG ? state->header.n_components == 1
	                                     : state->png.n_bands < 3;
}

static bool open_source(struct source *source, struct fast_state *state,
                        struct failure *ret_reason)
{
	struct metadata_scan scan = {.orientation = 1};
	struct size stored = {0};

	if (!takes_reading(source, ret_reason) ||
	    !(source->format == FORMAT_JPEG
	              ? open_jpeg(source, state, &scan, &stored, ret_reason)
	              : open_png(source, state, &scan, &stored, ret_reason)))
		return false;
	source->n_frames = 1;
	source->orientation = source->reading->no_rotate
	                              ? 1
	                              : picture_metadata_orientation(source->metadata,
	                                                             scan.orientation);
	source->size = source->orientation > 4
	                       ? (struct size){stored.height, stored.width}
	                       : stored;
	return takes_outputs(source, ret_reason) &&
	       choose_colours(source, state, &scan, is_grey(source, state), ret_reason);
}

static void fast_close(struct source *source)
{
	struct fast_state *state = source->state;

	kit_give_back(state->kit);
	free(state);
	source->state = NULL;
}

static enum claim fast_claim_source(struct source *source, struct failure *ret_reason)
{
	struct fast_state *state;

	if (!fast_reads(source->format))
		return CLAIM_CANNOT;
	state = calloc(1, sizeof(*state));
	if (state)
		state->kit = kit_take();
	if (!state || !state->kit) {
		free(state);
		failure_set(ret_reason, FAIL_MEMORY, "header: out of memory");
		return CLAIM_FAILED;
	}
	source->state = state;
	if (open_source(source, state, ret_reason))
		return CLAIM_CAN;
	fast_close(source);
	return CLAIM_CANNOT;
}

/* claim_source() has looked at all outputs of its own source. */
static enum claim fast_claim_output(const struct source *source, bool is_lent,
                                    const struct recipe *recipe,
                                    struct failure *ret_reason)
{
	(void)source;
	if (is_lent) {
		cannot(ret_reason, "works on its own planes only");
		return CLAIM_CANNOT;
	}
	return takes_recipe(recipe, ret_reason) ? CLAIM_CAN : CLAIM_CANNOT;
}

/*
 * How much of the picture's resolution must be left after each scale of the decoder, for the
 * resampling to work on: measured, so that luma is nearer to a full reduction than with
 * libjpeg's averaging at twice the size. Chroma is halved once more in the output and
 * needs no more than its own samples.
 */
static const double luma_left[N_JPG_SCALES] = {
	[JPG_EIGHTH] = 1.5, [JPG_QUARTER] = 1.25, [JPG_HALF] = 1.25};
static const double chroma_left[N_JPG_SCALES] = {
	[JPG_EIGHTH] = 1, [JPG_QUARTER] = 1, [JPG_HALF] = 1};
/* PNG keeps what an encoder with loss would hide. */
static const double lossless_left[N_JPG_SCALES] = {
	[JPG_EIGHTH] = 2, [JPG_QUARTER] = 2, [JPG_HALF] = 2};

/* The coarsest scale that leaves enough of samples that are to be reduced by this ratio. */
static enum jpg_scale coarsest_scale(double ratio, const double left[N_JPG_SCALES])
{
	for (enum jpg_scale scale = JPG_EIGHTH; scale > JPG_FULL; scale--) {
		if (ratio / (1 << scale) >= left[scale])
			return scale;
	}
	return JPG_FULL;
}

/* What an output asks of the decoder. */
struct demand {
	double ratio; /* of the picture to the output, on the axis that is reduced least */
	bool has_half_chroma;
	double noise_budget;
	const double *luma_left, *chroma_left;
};

/*
 * The noise that the output's own quantization hides. The steps of quality q are about
 * proportional to s = 2 - q / 50 in libjpeg's scale, and noise to their square; at quality 80,
 * where this is measured, a mean square of 4 costs 0.03 dB.
 */
static double noise_budget_of(const struct recipe *recipe)
{
	double at_80 = 0.4, steps = 2 - engine_quality(recipe) / 50.0;
	double budget = 4 * (steps / at_80) * (steps / at_80);

	if (recipe->format == FORMAT_PNG)
		return 0; /* it keeps all of it */
	return budget < 4 ? budget : 4;
}

static struct demand demand_of(const struct source *source, const struct recipe *recipe)
{
	struct size from = source->size;
	struct size to = geometry_layout(&recipe->geometry, from).scaled;
	double x = (double)from.width / to.width, y = (double)from.height / to.height;
	bool is_lossless = recipe->format == FORMAT_PNG;

	return (struct demand){
		.ratio = x < y ? x : y,
		.has_half_chroma = has_half_chroma(recipe),
		.noise_budget = noise_budget_of(recipe),
		.luma_left = is_lossless ? lossless_left : luma_left,
		.chroma_left = is_lossless ? lossless_left : chroma_left,
	};
}

/* The scales for the largest output. */
static void choose_scales(const struct source *source, const struct jpg_header *header,
                          struct jpg_request *request)
{
	for (unsigned i = 0; i < source->n_variants; i++) {
		struct demand demand = demand_of(source, source->variants[i].recipe);
		enum jpg_scale luma = coarsest_scale(demand.ratio, demand.luma_left);

		for (unsigned j = 0; j < header->n_components; j++) {
			unsigned h = header->h_max / header->component[j].h;
			unsigned v = header->v_max / header->component[j].v;
			double ratio = demand.ratio * (demand.has_half_chroma ? 2 : 1) /
			               (h > v ? h : v);
			enum jpg_scale scale =
				j == 0 ? luma : coarsest_scale(ratio, demand.chroma_left);

			/* Chroma is never decoded finer than luma. */
			scale = scale > luma ? scale : luma;
			if (i == 0 || scale < request->scale[j])
				request->scale[j] = scale;
			if (i == 0 || demand.noise_budget < request->noise_budget[j])
				request->noise_budget[j] = demand.noise_budget;
		}
	}
	/* At full scale nothing averages the noise away. */
	for (unsigned j = 0; j < header->n_components; j++) {
		if (request->scale[j] == JPG_FULL)
			request->noise_budget[j] = 0;
	}
}

static bool fail_decode(const struct jpg_decoder *decoder, enum jpg_status status,
                        struct failure *ret_failure)
{
	enum fail_class class = status == JPG_NO_MEMORY ? FAIL_MEMORY : FAIL_BAD_IMAGE;

	return failure_set(ret_failure, class, "decode: %s", jpg_decoder_reason(decoder));
}

static bool fail_memory(struct failure *ret_failure, const char *stage)
{
	return failure_set(ret_failure, FAIL_MEMORY, "%s: out of memory", stage);
}

static bool decode_jpeg(struct source *source, struct failure *ret_failure)
{
	struct fast_state *state = source->state;
	struct kit *kit = state->kit;
	struct decoded *decoded = &state->decoded;
	struct jpg_request request = {.reads_everything = source->reading->fail_on ==
	                                                  FAIL_ON_WARNING};
	struct jpg_picture picture;
	enum jpg_status status;

	choose_scales(source, &state->header, &request);
	status = jpg_decoder_decode(kit->decoder, &request, &picture);
	if (status != JPG_OK)
		return fail_decode(kit->decoder, status, ret_failure);
	*decoded = (struct decoded){.n_planes = picture.n_planes,
	                            .size = {state->header.width, state->header.height},
	                            .orientation = source->orientation};
	for (unsigned i = 0; i < picture.n_planes; i++)
		decoded->planes[i] = picture.plane[i];
	if (request.scale[0] == JPG_EIGHTH &&
	    !plane_sharpen(&decoded->planes[0], &kit->sharpening))
		return fail_memory(ret_failure, "decode");
	return true;
}

/* A PNG is reduced by the largest whole number that leaves twice the resolution of the largest
 * output: stripes and drawings, which PNG often has, need more than photographs. */
static unsigned box_factor(const struct source *source)
{
	const double left = 2;
	double ratio = BOX_MAX_FACTOR * left;

	for (unsigned i = 0; i < source->n_variants; i++) {
		struct demand demand = demand_of(source, source->variants[i].recipe);

		ratio = demand.ratio < ratio ? demand.ratio : ratio;
	}
	return ratio < left ? 1 : (unsigned)(ratio / left);
}

/* The planes of a box, which stay the box's. */
static struct decoded decoded_of(const struct box *box, unsigned orientation)
{
	struct decoded decoded = {
		.n_planes = box->n_planes,
		.has_alpha = box->has_alpha && !box->is_opaque,
		.size = {box->width, box->height},
		.orientation = orientation,
	};

	for (unsigned i = 0; i < box->n_planes; i++)
		decoded.planes[i] = box->planes[i];
	if (decoded.has_alpha)
		decoded.planes[ALPHA] = box->planes[BOX_ALPHA];
	return decoded;
}

static bool decode_png(struct source *source, struct failure *ret_failure)
{
	struct fast_state *state = source->state;
	struct png_reader *reader = state->kit->png_reader;
	const struct box *box;
	enum png_reader_status status = png_reader_decode(reader, box_factor(source),
	                                                  &box);

	if (status != PNG_READER_OK)
		return failure_set(ret_failure,
		                   status == PNG_READER_NO_MEMORY ? FAIL_MEMORY
		                                                  : FAIL_BAD_IMAGE,
		                   "decode: %s", png_reader_reason(reader));
	state->decoded = decoded_of(box, source->orientation);
	return true;
}

static bool fast_decode(struct source *source, struct failure *ret_failure)
{
	return source->format == FORMAT_JPEG ? decode_jpeg(source, ret_failure)
	                                     : decode_png(source, ret_failure);
}

/* A rendering's image: planes that belong to the kit. It is used up before the next output is
 * derived. */
struct fast_image {
	struct rendered rendered;
	struct kit *kit;
};

/* Alpha goes onto the background, white unless one is set, where the format has no alpha or a
 * filter says so. */
static bool is_flattened(const struct recipe *recipe)
{
	return !format_info(recipe->format)->has_alpha || recipe->filters.n > 0;
}

static struct render_options options_of(const struct recipe *recipe)
{
	const struct colour *colour = &recipe->background;
	float red = colour->is_set ? colour->red : 255;
	float green = colour->is_set ? colour->green : 255;
	float blue = colour->is_set ? colour->blue : 255;
	float luma = 0.299f * red + 0.587f * green + 0.114f * blue;

	return (struct render_options){
		.has_half_chroma = has_half_chroma(recipe),
		.is_limited = recipe->format == FORMAT_WEBP,
		.is_deep = recipe->format == FORMAT_PNG,
		.is_flattened = is_flattened(recipe),
		.background = {luma, (blue - luma) / 1.772f + 128,
	                       (red - luma) / 1.402f + 128},
	};
}

/* Scale the planes to the output size and convert their colours at 16 bits, then reduce them to the
 * layout and depth that the writer needs. */
static bool render_converted(struct fast_state *state, const struct layout *layout,
                             const struct render_options *options,
                             struct rendered *ret_rendered)
{
	const struct render_options deep = {.is_deep = true};
	const struct layout as_it_is = {.scaled = layout->canvas,
	                                .part = {0, 0, layout->canvas},
	                                .canvas = layout->canvas};
	struct kit *kit = state->kit;
	struct rendered raw, converted;
	struct decoded decoded = {.size = layout->canvas, .orientation = 1};

	if (!render(kit->renderer, &state->decoded, layout, &deep, &raw) ||
	    !converter_convert(kit->converter, &raw, &converted))
		return false;
	decoded.n_planes = converted.n_planes;
	decoded.has_alpha = converted.has_alpha;
	memcpy(decoded.planes, converted.planes, sizeof(decoded.planes));
	return render(kit->finisher, &decoded, &as_it_is, options, ret_rendered);
}

static bool fast_derive(struct source *source, const struct pixels *lent,
                        const struct picture_variant *variant, bool is_last,
                        struct rendering *ret_rendering, struct failure *ret_failure)
{
	struct fast_state *state = source->state;
	const struct render_options options = options_of(variant->recipe);
	struct fast_image *image;
	struct layout layout;
	bool is_rendered;

	(void)lent;
	(void)is_last;
	if (!engine_layout(&layout, variant->recipe, source->size, 1, ret_failure))
		return false;
	image = calloc(1, sizeof(*image));
	if (!image)
		return fail_memory(ret_failure, "decode");
	image->kit = state->kit;
	is_rendered = state->is_converted ? render_converted(state, &layout, &options,
	                                                     &image->rendered)
	                                  : render(state->kit->renderer, &state->decoded,
	                                           &layout, &options, &image->rendered);
	if (!is_rendered) {
		free(image);
		return fail_memory(ret_failure, "decode");
	}
	*ret_rendering = (struct rendering){
		.size = layout.canvas, .n_frames = 1, .image = image, .free_image = free};
	return true;
}

/* Huffman tables of their own make a file 4 to 6 % smaller. At 256 pixels they cost nothing that
 * can be measured, at 1600 an eighth of the time of the whole. */
enum { SIDE_OF_OWN_TABLES = 2048 };

static bool wants_own_tables(const struct recipe *recipe, struct size size)
{
	if (recipe->has_effort)
		return recipe->effort >= 5;
	return size.width <= SIDE_OF_OWN_TABLES && size.height <= SIDE_OF_OWN_TABLES;
}

static bool write_jpeg(struct fast_image *image, const struct recipe *recipe,
                       struct size size, struct written *ret_written)
{
	const struct jpeg_options options = {
		.quality = engine_quality(recipe),
		.is_progressive = recipe->progressive,
		.has_own_tables = wants_own_tables(recipe, size),
		.has_half_chroma = image->rendered.has_half_chroma,
	};

	return jpeg_writer_write(image->kit->jpeg, image->rendered.planes,
	                         image->rendered.n_planes, &options, NULL, 0,
	                         ret_written);
}

static bool write_webp(struct fast_image *image, const struct recipe *recipe,
                       struct written *ret_written)
{
	struct rendered *rendered = &image->rendered;
	const struct webp_options options = {
		.quality = engine_quality(recipe),
		.method = recipe->has_effort ? (recipe->effort * 6u + 4) / 9 : 4,
	};

	return webp_writer_write(image->kit->webp, rendered->planes, rendered->n_planes,
	                         rendered->has_alpha ? &rendered->planes[ALPHA] : NULL,
	                         &options, ret_written);
}

static bool write_image(struct fast_image *image, const struct recipe *recipe,
                        struct size size, struct written *ret_written)
{
	switch (recipe->format) {
	case FORMAT_WEBP:
		return write_webp(image, recipe, ret_written);
	case FORMAT_PNG:
		return png_writer_write(image->kit->png, &image->rendered,
		                        recipe->has_effort ? recipe->effort : 6,
		                        ret_written);
	default:
		return write_jpeg(image, recipe, size, ret_written);
	}
}

/* The pixels that another engine has rendered become an image of ours. */
static bool render_pixels(struct fast_image *image, const struct pixels *pixels,
                          const struct recipe *recipe)
{
	const struct render_options options = options_of(recipe);
	const struct layout layout = {.scaled = pixels->size,
	                              .part = {0, 0, pixels->size},
	                              .canvas = pixels->size};
	struct box *box = &image->kit->pixels;
	size_t row_bytes = (size_t)pixels->size.width * pixels->n_bands;
	struct decoded decoded;

	if (!box_begin(box, pixels->size.width, pixels->size.height, pixels->n_bands, 1))
		return false;
	for (uint32_t y = 0; y < pixels->size.height; y++)
		box_add_row(box, pixels->bytes + y * row_bytes);
	decoded = decoded_of(box, 1);
	return render(image->kit->renderer, &decoded, &layout, &options,
	              &image->rendered);
}

static bool put(int output, const struct written *written, struct failure *ret_failure)
{
	if (fd_write_all(output, written->bytes, written->n_bytes))
		return true;
	return failure_set(ret_failure, errno == ENOMEM ? FAIL_MEMORY : FAIL_INTERNAL,
	                   "encode: %s", strerrordesc_np(errno));
}

static bool encode_pixels(const struct rendering *rendering, const struct recipe *recipe,
                          int output, struct failure *ret_failure)
{
	struct fast_image image = {.kit = kit_take()};
	struct written written;
	bool is_done;

	if (!image.kit)
		return fail_memory(ret_failure, "encode");
	if (render_pixels(&image, &rendering->pixels, recipe) &&
	    write_image(&image, recipe, rendering->size, &written))
		is_done = put(output, &written, ret_failure);
	else
		is_done = fail_memory(ret_failure, "encode");
	kit_give_back(image.kit);
	return is_done;
}

static bool fast_encode(const struct rendering *rendering, const struct recipe *recipe,
                        int output, struct failure *ret_failure)
{
	struct written written;

	if (!rendering->image)
		return encode_pixels(rendering, recipe, output, ret_failure);
	return (write_image(rendering->image, recipe, rendering->size, &written) ||
	        fail_memory(ret_failure, "encode")) &&
	       put(output, &written, ret_failure);
}

/* Without the file: its sampling is not known yet, so chroma is taken for whole, and the largest
 * scan for three bits a pixel. */
static uint64_t fast_decoder_memory(const struct picture_header *header,
                                    const struct picture_variant *variants,
                                    unsigned n_variants)
{
	const struct source source = {
		.size = header->size, .variants = variants, .n_variants = n_variants};
	struct jpg_header whole = {
		.width = header->size.width,
		.height = header->size.height,
		.is_progressive = header->n_coefficient_bytes > 0,
		.n_components = JPG_MAX_COMPONENTS,
		.h_max = 1,
		.v_max = 1,
		.component = {{1, 1}, {1, 1}, {1, 1}},
	};
	const struct png_reader_header png = {header->size.width, header->size.height, 4};
	struct jpg_request request = {0};

	if (header->format == FORMAT_PNG)
		return png_reader_memory(&png, box_factor(&source));
	choose_scales(&source, &whole, &request);
	return jpg_memory_estimate(&whole, &request,
	                           (size_t)(memory_area(header->size) * 3 / 8));
}

static void fast_say_version(char *text, size_t n_text)
{
	snprintf(text, n_text, "libjpeg-turbo, libwebp, ISA-L, libdeflate, zimg");
}

const struct engine engine_fast = {
	.name = "fast",
	.version = fast_say_version,
	.reads = fast_reads,
	.writes = fast_writes,
	.claim_source = fast_claim_source,
	.claim_output = fast_claim_output,
	.decoder_memory = fast_decoder_memory,
	.output_memory = memory_of_output,
	.decode = fast_decode,
	.derive = fast_derive,
	.close = fast_close,
	.encode = fast_encode,
};
