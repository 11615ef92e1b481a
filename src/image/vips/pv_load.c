/* The vips engine's way in: which loader, what its header says, and the frames. */
#include "image/vips/engine_vips.h"

#include "image/header/header_quirks.h"
#include "image/header/metadata_scan.h"
#include "image/vips/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* libvips' loaders from a source. */
static const char *const loaders[N_FORMATS] = {
	[FORMAT_JPEG] = "jpegload_source", [FORMAT_PNG] = "pngload_source",
	[FORMAT_WEBP] = "webpload_source", [FORMAT_GIF] = "gifload_source",
	[FORMAT_TIFF] = "tiffload_source", [FORMAT_HEIC] = "heifload_source",
	[FORMAT_AVIF] = "heifload_source", [FORMAT_JXL] = "jxlload_source",
	[FORMAT_JP2] = "jp2kload_source",  [FORMAT_PNM] = "ppmload_source",
	[FORMAT_HDR] = "radload_source",   [FORMAT_SVG] = "svgload_source",
	[FORMAT_PDF] = "pdfload_source",
};

const char *pv_loader_of(enum image_format format)
{
	return loaders[format];
}

static GType loader_type(enum image_format format)
{
	return loaders[format] ? vips_type_find("VipsForeignLoad", loaders[format]) : 0;
}

/* Whether a loader decodes this small whole file. */
static bool try_loader(const char *loader, const uint8_t *bytes, size_t n)
{
	VipsSource *source = vips_source_new_from_memory(bytes, n);
	VipsImage *image = NULL;
	double average;
	bool is_decoded = source && !vips_call(loader, source, &image, NULL) &&
	                  !vips_avg(image, &average, NULL);

	VIPS_UNREF(image);
	VIPS_UNREF(source);
	vips_error_clear();
	return is_decoded;
}

/* A loader's being there is enough, but for libheif's, which has its codecs as plugins. */
static bool find_loader(enum image_format format)
{
	if (!loader_type(format))
		return false;
	if (format_info(format)->is_drawn)
		return engine_drawing() == DRAWING_HERE;
	if (format == FORMAT_AVIF)
		return try_loader(loaders[format], sample_avif, sizeof(sample_avif));
	if (format == FORMAT_HEIC)
		return try_loader(loaders[format], sample_heic, sizeof(sample_heic));
	return true;
}

bool pv_reads(enum image_format format)
{
	/* What was found once holds for the life of a process: 1, -1, 0 not yet asked. */
	static _Atomic signed char known[N_FORMATS];

	if (!known[format])
		known[format] = find_loader(format) ? 1 : -1;
	return known[format] > 0;
}

VipsFailOn pv_fail_on(const struct recipe *recipe)
{
	static const VipsFailOn levels[N_FAIL_ONS] = {
		[FAIL_ON_ERROR] = VIPS_FAIL_ON_ERROR,
		[FAIL_ON_NONE] = VIPS_FAIL_ON_NONE,
		[FAIL_ON_TRUNCATED] = VIPS_FAIL_ON_TRUNCATED,
		[FAIL_ON_WARNING] = VIPS_FAIL_ON_WARNING,
	};

	return levels[recipe->fail_on];
}

static bool is_animated(enum image_format format)
{
	return format == FORMAT_GIF || format == FORMAT_WEBP;
}

/* The whitest that a PNM has becomes the most that its samples can be. */
static double gain_of(const struct source *source)
{
	unsigned white = 0, most;

	if (source->format == FORMAT_PNM)
		white = pnm_max_value(source->bytes, source->n_bytes);
	most = white > UINT8_MAX ? UINT16_MAX : UINT8_MAX;
	return white > 0 ? (double)most / white : 1;
}

static void note_header(struct source *source, const struct recipe *recipe,
                        VipsImage *image)
{
	struct pv_state *state = source->state;
	int n_pages = vips_image_get_n_pages(image);

	state->stored = (struct size){(uint32_t)vips_image_get_width(image),
	                              (uint32_t)vips_image_get_height(image)};
	state->orientation = recipe->no_rotate ? 1 : vips_image_get_orientation(image);
	/* From the bottom up, which libvips overlooks. */
	if (pv_is_pfm(image))
		state->orientation = 4;
	state->is_deep = pv_has_deep_samples(image);
	state->is_light = pv_has_light(image);
	state->is_cmyk = vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK;
	state->gain = gain_of(source);
	state->has_odd_samples = vips_image_get_format(image) == VIPS_FORMAT_UINT ||
	                         vips_image_get_coding(image) == VIPS_CODING_LABQ ||
	                         pv_has_plain_floats(image) || state->gain > 1;
	state->has_alpha = vips_image_hasalpha(image);
	if (is_animated(source->format) && format_info(recipe->format)->has_frames &&
	    n_pages > 1)
		source->n_frames = (uint32_t)n_pages;
}

/* What libvips would read, but wrongly. */
static bool is_understood(const struct source *source, struct failure *ret_failure)
{
	if (source->format == FORMAT_HDR &&
	    !hdr_is_rgb_from_top_left(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: an HDR of XYZ, or whose first pixel is not "
		                   "at the top left, is not read");
	if (source->format == FORMAT_TIFF &&
	    tiff_is_raw_ycbcr(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a TIFF of YCbCr is read only when it is "
		                   "compressed as JPEG");
	return true;
}

/* The header alone: nothing is decoded. */
static bool read_header(struct source *source, const struct recipe *recipe,
                        struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	const char *found = vips_foreign_find_load_source(state->bytes);
	VipsImage *image = NULL;

	if (!found)
		return pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	if (strcmp(found, g_type_name(loader_type(source->format))) != 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: it begins as %s but is not one",
		                   format_info(source->format)->name);
	if (!is_understood(source, ret_failure))
		return false;
	pv_has_refused_size = false;
	if (vips_call(loaders[source->format], state->bytes, &image, "access",
	              VIPS_ACCESS_SEQUENTIAL, "fail_on", pv_fail_on(recipe), NULL))
		return pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	note_header(source, recipe, image);
	g_object_unref(image);
	if (pv_has_refused_size)
		return failure_set(
			ret_failure, FAIL_TOO_BIG,
			"header: a side is over %d, the most that libvips takes",
			VIPS_MAX_COORD);
	if (source->format == FORMAT_GIF && recipe->fail_on != FAIL_ON_NONE &&
	    !gif_is_whole(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the GIF ends in the middle of a block");
	return true;
}

/* Another engine decodes: its header is ours. */
static bool borrow_header(struct source *source, const struct recipe *recipe,
                          struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	struct source lent = *source;

	lent.state = NULL;
	if (!lent.decoder->open(&lent, recipe, ret_failure))
		return false;
	state->stored = lent.size;
	lent.decoder->close(&lent);
	return true;
}

bool pv_open_source(struct source *source, const struct recipe *recipe,
                    struct failure *ret_failure)
{
	struct pv_state *state = calloc(1, sizeof(*state));
	bool is_open;

	source->state = state;
	source->n_frames = 1;
	if (!state)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	state->orientation = 1;
	if (!source->decoder)
		state->bytes = vips_source_new_from_memory(source->bytes,
		                                           source->n_bytes);
	if (!source->decoder && !state->bytes)
		is_open = failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	else if (source->decoder)
		is_open = borrow_header(source, recipe, ret_failure);
	else if (format_info(source->format)->is_drawn)
		is_open = pv_draw_open(source, recipe, ret_failure);
	else
		is_open = read_header(source, recipe, ret_failure);
	if (!is_open) {
		pv_close_source(source);
		return false;
	}
	source->size = state->orientation > 4
	                       ? (struct size){state->stored.height, state->stored.width}
	                       : state->stored;
	return true;
}

void pv_close_source(struct source *source)
{
	struct pv_state *state = source->state;

	if (!state)
		return;
	VIPS_UNREF(state->bytes);
	free(state->unpacked);
	free(state);
	source->state = NULL;
}

/* By how much each side is to become smaller as it is stored. */
struct factors {
	double across, down;
};

static struct factors factors_of(const struct pv_job *job)
{
	const struct pv_state *state = job->source->state;
	struct size to = job->layout.scaled, from = state->stored;

	if (state->orientation > 4)
		to = (struct size){to.height, to.width};
	return (struct factors){(double)from.width / to.width,
	                        (double)from.height / to.height};
}

/* By how much a loader may shrink: what is left must be twice what it is scaled to, for the
 * scaling to be as good as without. */
static double find_shrink(const struct pv_job *job)
{
	struct factors factors;

	if (!job->has_layout || job->layout.is_focused)
		return 1;
	factors = factors_of(job);
	return fmax(1, fmin(factors.across, factors.down) / 2);
}

/* Of a side that is no multiple of the block, libjpeg rounds up: the last pixel is only partly
 * of the picture, and what is scaled to fit moves by that part, in pixels of the output. */
static bool divides(uint32_t side, unsigned block, double factor)
{
	double most_moved = 1 / 32.0;
	unsigned n_over = side % block ? block - side % block : 0;

	return n_over / factor <= most_moved;
}

/* The largest block that libjpeg may shrink by; *ret_is_largest: that thumbnails of libvips,
 * who looks at the size alone, would have the same. */
static unsigned find_block(const struct pv_job *job, bool *ret_is_largest)
{
	const struct pv_state *state = job->source->state;
	double shrink = find_shrink(job);
	struct factors factors;
	unsigned largest = shrink >= 8 ? 8 : shrink >= 4 ? 4 : shrink >= 2 ? 2 : 1;
	unsigned block = largest;

	if (largest > 1) {
		factors = factors_of(job);
		while (block > 1 &&
		       !(divides(state->stored.width, block, factors.across) &&
		         divides(state->stored.height, block, factors.down)))
			block /= 2;
	}
	*ret_is_largest = block == largest;
	return block;
}

bool pv_shrinks_truly(const struct pv_job *job)
{
	bool is_largest = true;

	if (job->source->format == FORMAT_JPEG)
		find_block(job, &is_largest);
	return is_largest;
}

/* libjpeg shrinks by whole blocks, libwebp by any factor. */
static int load_shrunk(VipsImage **ret_image, const struct pv_job *job)
{
	const struct pv_state *state = job->source->state;
	const char *loader = loaders[job->source->format];
	VipsFailOn fail_on = pv_fail_on(job->recipe);
	bool is_largest;

	if (job->source->format == FORMAT_WEBP)
		return vips_call(loader, state->bytes, ret_image, "access",
		                 VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, "scale",
		                 1 / find_shrink(job), NULL);
	return vips_call(loader, state->bytes, ret_image, "access",
	                 VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, "shrink",
	                 (int)find_block(job, &is_largest), NULL);
}

/* What another engine decoded, as an image. */
static bool load_borrowed(VipsImage **ret_image, const struct pv_job *job)
{
	struct source lent = *job->source;
	struct pixels pixels = {0};
	VipsImage *image;
	bool is_decoded;

	lent.state = NULL;
	if (!lent.decoder->open(&lent, job->recipe, job->failure))
		return false;
	is_decoded = lent.decoder->decode(&lent, &pixels, job->failure);
	lent.decoder->close(&lent);
	if (!is_decoded)
		return false;

	image = vips_image_new_from_memory_copy(
		pixels.bytes,
		(size_t)pixels.size.width * pixels.size.height * pixels.n_bands,
		(int)pixels.size.width, (int)pixels.size.height, (int)pixels.n_bands,
		VIPS_FORMAT_UCHAR);
	if (image)
		image->Type = pixels.n_bands < 3 ? VIPS_INTERPRETATION_B_W
		                                 : VIPS_INTERPRETATION_sRGB;
	pixels_fini(&pixels);
	*ret_image = image;
	return image != NULL;
}

static bool load_frames(VipsImage **ret_image, const struct pv_job *job, bool may_shrink)
{
	const struct pv_state *state = job->source->state;
	const char *loader = loaders[job->source->format];
	bool is_shrinker = job->source->format == FORMAT_JPEG ||
	                   job->source->format == FORMAT_WEBP;
	VipsFailOn fail_on = pv_fail_on(job->recipe);

	if (job->source->decoder)
		return load_borrowed(ret_image, job);
	if (format_info(job->source->format)->is_drawn)
		return pv_draw_load(ret_image, job);
	if (job->source->n_frames > 1)
		return !vips_call(loader, state->bytes, ret_image, "access",
		                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, "n", -1,
		                  NULL);
	if (may_shrink && is_shrinker && find_shrink(job) > 1)
		return !load_shrunk(ret_image, job);
	return !vips_call(loader, state->bytes, ret_image, "access",
	                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, NULL);
}

/* What libvips 8.14.1 reads of the metadata of HEIC and AVIF lies in memory of the picture that
 * was opened, and is freed with it, whoever has it by then: give this one, and all that come
 * from it, their own. */
void pv_own_metadata(VipsImage *image, enum image_format format)
{
	bool is_borrowed = format == FORMAT_HEIC || format == FORMAT_AVIF;
	char **names = is_borrowed ? vips_image_get_fields(image) : NULL;

	for (char **name = names; name && *name; name++) {
		const void *bytes;
		size_t n;

		if (vips_image_get_typeof(image, *name) == VIPS_TYPE_BLOB &&
		    !vips_image_get_blob(image, *name, &bytes, &n))
			vips_image_set_blob_copy(image, *name, bytes, n);
	}
	g_strfreev(names);
}

/* With a half, since a cast does not round. */
static bool apply_gain(VipsImage **image, double gain)
{
	VipsBandFormat format = vips_image_get_format(*image);
	VipsInterpretation space = vips_image_get_interpretation(*image);
	VipsImage *made = NULL;

	return pv_take(image, &made, vips_linear1(*image, &made, gain, 0.5, NULL)) &&
	       pv_take(image, &made, vips_cast(*image, &made, format, NULL)) &&
	       pv_take(image, &made,
	               vips_copy(*image, &made, "interpretation", space, NULL));
}

bool pv_load_frames(VipsImage **ret_image, const struct pv_job *job, bool may_shrink)
{
	const struct pv_state *state = job->source->state;

	if (!load_frames(ret_image, job, may_shrink))
		return false;
	pv_own_metadata(*ret_image, job->source->format);
	return state->gain <= 1 || apply_gain(ret_image, state->gain);
}
