/* Loading in the vips engine: which loader, what the header says, and the frames. */
#include "image/vips/engine_vips.h"

#include "image/header/header_quirks.h"
#include "image/header/metadata_scan.h"
#include "image/picture_metadata.h"
#include "image/vips/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The loaders of libvips that read from a source. */
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

/* Whether a loader decodes a small whole file. */
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

/* A loader that exists is enough, except for libheif, whose codecs are plugins. */
static bool find_loader(enum image_format format)
{
	if (raster_reads(format))
		return true;
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
	/* The result holds for the life of a process: 1, -1; 0: not yet tried. */
	static _Atomic signed char known[N_FORMATS];

	if (!known[format])
		known[format] = find_loader(format) ? 1 : -1;
	return known[format] > 0;
}

static VipsFailOn fail_on_of(const struct recipe *recipe)
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

static bool wants_frames(const struct source *source)
{
	for (unsigned i = 0; i < source->n_variants; i++) {
		if (format_info(source->variants[i].recipe->format)->has_frames)
			return true;
	}
	return false;
}

static void note_header(struct source *source, VipsImage *image)
{
	struct pv_state *state = source->state;
	int n_pages = vips_image_get_n_pages(image);

	state->stored = (struct size){(uint32_t)vips_image_get_width(image),
	                              (uint32_t)vips_image_get_height(image)};
	state->orientation = source->reading->no_rotate
	                             ? 1
	                             : vips_image_get_orientation(image);
	/* libvips does not see EXIF after the pixels of a PNG, nor EXIF in its text chunks. */
	if (source->format == FORMAT_PNG && !source->reading->no_rotate) {
		int known = state->orientation;

		state->orientation = (int)picture_metadata_orientation(source->metadata,
		                                                       (unsigned)known);
		state->is_turned_by_us = state->orientation != known;
	}
	/* The rows of a PFM go from the bottom up, which libvips ignores. */
	if (pv_is_pfm(image))
		state->orientation = 4;
	state->is_deep = pv_has_deep_samples(image);
	state->is_light = pv_has_light(image);
	state->is_cmyk = vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK;
	state->has_odd_samples = vips_image_get_format(image) == VIPS_FORMAT_UINT ||
	                         vips_image_get_coding(image) == VIPS_CODING_LABQ ||
	                         pv_has_plain_floats(image);
	state->has_alpha = vips_image_hasalpha(image);
	if (is_animated(source->format) && wants_frames(source) && n_pages > 1)
		source->n_frames = (uint32_t)n_pages;
}

/* Read the header of a picture that libvips does not load for us. */
static bool read_raster(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	struct raster *raster = &state->raster;

	if (!raster_open(raster, source->format, source->bytes, source->n_bytes,
	                 source->reading->fail_on == FAIL_ON_NONE, ret_failure))
		return false;
	state->stored = raster->size;
	state->is_deep = raster->n_bits > 8;
	state->has_alpha = raster->n_bands % 2 == 0;
	if (raster->size.width <= VIPS_MAX_COORD && raster->size.height <= VIPS_MAX_COORD)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "header: %u x %u, but the longest side of libvips is %d",
	                   raster->size.width, raster->size.height, VIPS_MAX_COORD);
}

/* Refuse files that libvips would decode wrongly. */
static bool is_understood(const struct source *source, struct failure *ret_failure)
{
	if (source->format == FORMAT_HDR &&
	    !hdr_is_rgb_from_top_left(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: an HDR in XYZ, or whose first pixel is not "
		                   "at the top left, is not supported");
	if (source->format == FORMAT_TIFF &&
	    tiff_is_raw_ycbcr(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a TIFF in YCbCr is supported only with JPEG "
		                   "compression");
	return true;
}

/* Read the header; nothing is decoded. */
static bool read_header(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	const char *found = vips_foreign_find_load_source(state->bytes);
	VipsImage *image = NULL;

	if (!found)
		return pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	if (strcmp(found, g_type_name(loader_type(source->format))) != 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the file begins like %s but is not one",
		                   format_info(source->format)->name);
	if (!is_understood(source, ret_failure))
		return false;
	pv_has_refused_size = false;
	if (vips_call(loaders[source->format], state->bytes, &image, "access",
	              VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on_of(source->reading),
	              NULL))
		return pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	note_header(source, image);
	g_object_unref(image);
	if (pv_has_refused_size)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: a side is over %d, the maximum of libvips",
		                   VIPS_MAX_COORD);
	if (source->format == FORMAT_GIF && source->reading->fail_on != FAIL_ON_NONE &&
	    !gif_is_whole(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the GIF ends in the middle of a block");
	return true;
}

static bool open_bytes(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;

	state->bytes = vips_source_new_from_memory(source->bytes, source->n_bytes);
	if (!state->bytes)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	if (format_info(source->format)->is_drawn)
		return pv_draw_open(source, ret_failure);
	if (raster_reads_file(source->format, source->bytes, source->n_bytes))
		return read_raster(source, ret_failure);
	return read_header(source, ret_failure);
}

enum claim pv_claim_source(struct source *source, struct failure *ret_reason)
{
	struct pv_state *state;

	if (!pv_reads(source->format))
		return CLAIM_CANNOT;
	state = calloc(1, sizeof(*state));
	if (!state) {
		failure_set(ret_reason, FAIL_MEMORY, "header: out of memory");
		return CLAIM_FAILED;
	}
	pv_forget_messages();
	state->orientation = 1;
	source->state = state;
	source->n_frames = 1;
	if (!open_bytes(source, ret_reason)) {
		pv_close_source(source);
		return CLAIM_FAILED;
	}
	source->size = state->orientation > 4
	                       ? (struct size){state->stored.height, state->stored.width}
	                       : state->stored;
	return CLAIM_CAN;
}

void pv_close_source(struct source *source)
{
	struct pv_state *state = source->state;

	VIPS_UNREF(state->decoded);
	VIPS_UNREF(state->bytes);
	free(state->unpacked);
	free(state);
	source->state = NULL;
}

/* The factor by which each stored side shrinks. */
struct factors {
	double across, down;
};

static struct factors factors_of(const struct pv_job *job)
{
	const struct pv_state *state = job->state;
	struct size to = job->layout.scaled, from = state->stored;

	if (state->orientation > 4)
		to = (struct size){to.height, to.width};
	return (struct factors){(double)from.width / to.width,
	                        (double)from.height / to.height};
}

/* The factor by which a loader may shrink: twice the final size must be left, so that
 * scaling is as good as from the full size. */
static double find_shrink(const struct pv_job *job)
{
	struct factors factors;

	if (!job->has_layout || job->layout.is_focused)
		return 1;
	factors = factors_of(job);
	return fmax(1, fmin(factors.across, factors.down) / 2);
}

/* Whether shrinking by blocks shifts the picture by too little to matter. If a side is no
 * multiple of the block, libjpeg rounds up: the last pixel covers only part of the
 * picture, and scaling shifts everything by that part, in pixels of the output. */
static bool divides(uint32_t side, unsigned block, double factor)
{
	double most_moved = 1 / 32.0;
	unsigned n_over = side % block ? block - side % block : 0;

	return n_over / factor <= most_moved;
}

/* The largest block that libjpeg may shrink by. *ret_is_largest: vips_thumbnail_source(),
 * which looks only at the size, would choose the same. */
static unsigned find_block(const struct pv_job *job, bool *ret_is_largest)
{
	const struct pv_state *state = job->state;
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

bool pv_shrinks_exactly(const struct pv_job *job)
{
	bool is_largest = true;

	if (job->from == FORMAT_JPEG)
		find_block(job, &is_largest);
	return is_largest;
}

double pv_loader_shrink(const struct pv_job *job)
{
	bool is_largest;

	if (job->recipe->linear || find_shrink(job) <= 1)
		return 1;
	if (job->from == FORMAT_JPEG)
		return find_block(job, &is_largest);
	return job->from == FORMAT_WEBP ? find_shrink(job) : 1;
}

/* libjpeg shrinks by whole blocks, libwebp by any factor. */
static bool load_shrunk(VipsImage **ret_image, const struct pv_state *state,
                        enum image_format format, VipsFailOn fail_on, double shrink)
{
	if (format == FORMAT_WEBP)
		return !vips_call(loaders[format], state->bytes, ret_image, "access",
		                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, "scale",
		                  1 / shrink, NULL);
	return !vips_call(loaders[format], state->bytes, ret_image, "access",
	                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, "shrink",
	                  (int)shrink, NULL);
}

static VipsImage *image_of_samples(const void *samples, const struct raster *raster)
{
	bool is_deep = raster->n_bits > 8;
	VipsImage *image = vips_image_new_from_memory(
		samples, (size_t)raster_bytes(raster), (int)raster->size.width,
		(int)raster->size.height, (int)raster->n_bands,
		is_deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);

	if (!image)
		return NULL;
	if (raster->n_bands < 3)
		image->Type = is_deep ? VIPS_INTERPRETATION_GREY16
		                      : VIPS_INTERPRETATION_B_W;
	else
		image->Type = is_deep ? VIPS_INTERPRETATION_RGB16
		                      : VIPS_INTERPRETATION_sRGB;
	return image;
}

static void free_samples(VipsImage *image, void *samples)
{
	(void)image;
	free(samples);
}

bool pv_load_raster(VipsImage **ret_image, const struct raster *raster,
                    struct failure *ret_failure)
{
	void *samples = NULL;

	if (!raster->ready) {
		samples = calloc((size_t)raster_bytes(raster), 1);
		if (!samples)
			return failure_set(ret_failure, FAIL_MEMORY,
			                   "decode: out of memory");
		if (!raster_decode(raster, samples, ret_failure)) {
			free(samples);
			return false;
		}
	}
	*ret_image = image_of_samples(samples ? samples : raster->ready, raster);
	if (*ret_image && samples)
		g_signal_connect(*ret_image, "postclose", G_CALLBACK(free_samples),
		                 samples);
	else
		free(samples);
	return *ret_image != NULL;
}

/* Wrap the pixels of another engine in an image that borrows them. */
static bool load_lent(VipsImage **ret_image, const struct pixels *pixels)
{
	VipsImage *image = vips_image_new_from_memory(
		pixels->bytes,
		(size_t)pixels->size.width * pixels->size.height * pixels->n_bands,
		(int)pixels->size.width, (int)pixels->size.height, (int)pixels->n_bands,
		VIPS_FORMAT_UCHAR);

	if (image)
		image->Type = pixels->n_bands < 3 ? VIPS_INTERPRETATION_B_W
		                                  : VIPS_INTERPRETATION_sRGB;
	*ret_image = image;
	return image != NULL;
}

static bool load(VipsImage **ret_image, const struct pv_state *state,
                 enum image_format format, const struct recipe *reading, double shrink,
                 uint32_t n_frames)
{
	VipsFailOn fail_on = fail_on_of(reading);

	if (n_frames > 1)
		return !vips_call(loaders[format], state->bytes, ret_image, "access",
		                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, "n", -1,
		                  NULL);
	if (shrink > 1)
		return load_shrunk(ret_image, state, format, fail_on, shrink);
	return !vips_call(loaders[format], state->bytes, ret_image, "access",
	                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, NULL);
}

/* Give the image its own copy of the metadata. libvips 8.14.1 leaves the metadata of HEIC
 * and AVIF in memory of the opened image, and frees them with it, even if another image
 * uses them. */
void pv_copy_metadata(VipsImage *image, enum image_format format)
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

/* Take all frames, or the first, of the picture that was decoded for several outputs. */
static bool take_decoded(VipsImage **ret_image, const struct pv_job *job)
{
	VipsImage *decoded = job->state->decoded;
	int height = vips_image_get_height(decoded);

	if (job->n_frames == 1)
		height /= (int)job->state->n_decoded;
	return !vips_crop(decoded, ret_image, 0, 0, vips_image_get_width(decoded), height,
	                  NULL);
}

bool pv_load_frames(VipsImage **ret_image, const struct pv_job *job)
{
	const struct pv_state *state = job->state;

	if (job->lent)
		return load_lent(ret_image, job->lent);
	if (state->decoded)
		return take_decoded(ret_image, job);
	if (state->raster.bytes)
		return pv_load_raster(ret_image, &state->raster, job->failure);
	if (format_info(job->from)->is_drawn) {
		if (!pv_draw_load(ret_image, job))
			return false;
	} else if (!load(ret_image, state, job->from, job->recipe, pv_loader_shrink(job),
	                 job->n_frames)) {
		return false;
	}
	pv_copy_metadata(*ret_image, job->from);
	return true;
}

bool pv_decode_all(struct source *source, double shrink, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	VipsImage *image = NULL;

	if (state->raster.bytes ? !pv_load_raster(&image, &state->raster, ret_failure)
	                        : !load(&image, state, source->format, source->reading,
	                                shrink, source->n_frames))
		return false;
	pv_copy_metadata(image, source->format);
	if (!pv_to_memory(&image)) {
		g_object_unref(image);
		return false;
	}
	state->decoded = image;
	state->n_decoded = source->n_frames;
	return true;
}
