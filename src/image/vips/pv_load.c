/* Loads pictures in the vips engine: chooses the loader, reads the header, loads frames, checks
 * every pixel, and estimates memory. */
#include "image/vips/engine_vips.h"

#include "image/hdr.h"
#include "image/header/header_quirks.h"
#include "image/header/metadata_scan.h"
#include "image/icc.h"
#include "image/memory_estimate.h"
#include "image/picture_metadata.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sample kinds: the many kinds in files are converted to a few ---- */

static bool is_signed(VipsImage *image)
{
	VipsBandFormat format = vips_image_get_format(image);

	return format == VIPS_FORMAT_CHAR || format == VIPS_FORMAT_SHORT ||
	       format == VIPS_FORMAT_INT;
}

static bool is_of_16_bit(VipsInterpretation space)
{
	return space == VIPS_INTERPRETATION_GREY16 ||
	       space == VIPS_INTERPRETATION_RGB16 || space == VIPS_INTERPRETATION_LABS;
}

static bool pv_is_pfm(VipsImage *image)
{
	return vips_image_get_typeof(image, "pfm-scale") != 0;
}

static bool is_float(VipsImage *image)
{
	return vips_image_get_format(image) == VIPS_FORMAT_FLOAT;
}

/* Whether the samples are linear light. This is true of three kinds of samples: all samples of an
 * HDR, RGB floats of a PFM, and RGB floats in the space scRGB. */
static bool pv_has_light(VipsImage *image)
{
	VipsInterpretation space = vips_image_guess_interpretation(image);

	return vips_image_get_coding(image) == VIPS_CODING_RAD ||
	       (is_float(image) && vips_image_get_bands(image) == 3 &&
	        (space == VIPS_INTERPRETATION_scRGB || pv_is_pfm(image)));
}

/* Whether the samples are floats of grey or RGB that are not declared as linear light. libvips
 * treats such floats as levels of 0 to 255. */
static bool pv_has_plain_floats(VipsImage *image)
{
	VipsInterpretation space = vips_image_guess_interpretation(image);

	return is_float(image) &&
	       (space == VIPS_INTERPRETATION_B_W || space == VIPS_INTERPRETATION_sRGB);
}

/* Whether the samples have more than 8 bits of information. If the colour space of signed samples
 * does not have 16 bits, they count as 8 bits: libvips and all tools based on libvips treat them as
 * levels of 0 to 255. */
static bool pv_has_deep_samples(VipsImage *image)
{
	if (vips_image_get_coding(image) != VIPS_CODING_NONE)
		return true;
	if (is_signed(image))
		return is_of_16_bit(vips_image_guess_interpretation(image));
	return vips_image_get_format(image) != VIPS_FORMAT_UCHAR;
}

/* Convert signed samples to unsigned samples. Values outside the range of the space are clipped.
 * *space becomes the space of the result. Samples of Lab (LABS) stay signed. */
static bool drop_sign(VipsImage **image, VipsInterpretation *space)
{
	VipsBandFormat format = VIPS_FORMAT_USHORT;
	VipsImage *made = NULL;

	if (*space == VIPS_INTERPRETATION_LABS)
		return true;
	if (!is_of_16_bit(*space)) {
		format = VIPS_FORMAT_UCHAR;
		*space = vips_image_get_bands(*image) < 3 ? VIPS_INTERPRETATION_B_W
		                                          : VIPS_INTERPRETATION_sRGB;
	}
	return pv_replace(image, &made, vips_cast(*image, &made, format, NULL));
}

/* Decode the packed formats of libvips. libvips itself would convert LABQ to sRGB with a table that
 * has only 6 bits for each sample. */
static bool uncode(VipsImage **image)
{
	VipsImage *made = NULL;

	switch (vips_image_get_coding(*image)) {
	case VIPS_CODING_RAD:
		return pv_replace(image, &made, vips_rad2float(*image, &made, NULL));
	case VIPS_CODING_LABQ:
		return pv_replace(image, &made, vips_LabQ2Lab(*image, &made, NULL));
	default:
		return true;
	}
}

/* Convert one band of linear light to grey. libvips can apply the sRGB curve only to RGB, so the
 * band is first copied to three bands. */
static bool make_grey_of_light(VipsImage **image)
{
	VipsImage *thrice[] = {*image, *image, *image}, *made = NULL;

	return pv_replace(image, &made, vips_bandjoin(thrice, &made, 3, NULL)) &&
	       pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation",
	                            VIPS_INTERPRETATION_scRGB, NULL)) &&
	       pv_replace(
		       image, &made,
		       vips_colourspace(*image, &made, VIPS_INTERPRETATION_GREY16, NULL));
}

/* If floats are linear light, declare RGB as linear light, and convert one band to grey. All floats
 * of a PFM are linear light. RGB floats of a TIFF are left unchanged. In a grey TIFF, some writers
 * store linear light from 0 to 1, and others store levels from 0 to 255. So one band of a TIFF
 * counts as linear light if no value exceeds 1. */
static bool light_up(VipsImage **image)
{
	VipsImage *made = NULL;
	double most = 0;

	if (vips_image_get_bands(*image) == 3)
		return !pv_is_pfm(*image) ||
		       pv_replace(image, &made,
		                  vips_copy(*image, &made, "interpretation",
		                            VIPS_INTERPRETATION_scRGB, NULL));
	if (vips_image_get_bands(*image) != 1)
		return true;
	if (!pv_is_pfm(*image) && (!pv_to_memory(image) || vips_max(*image, &most, NULL)))
		return false;
	return most > 1 || make_grey_of_light(image);
}

bool pv_normalise_samples(VipsImage **image)
{
	VipsInterpretation space;
	VipsImage *made = NULL;
	int n_bands, n_most;

	if (!uncode(image) || (pv_has_plain_floats(*image) && !light_up(image)))
		return false;
	n_bands = vips_image_get_bands(*image);
	space = vips_image_guess_interpretation(*image);
	if (vips_image_get_format(*image) == VIPS_FORMAT_UINT) {
		if (!pv_replace(image, &made,
		                vips_linear1(*image, &made, 1 / 65537.0, 0, NULL)) ||
		    !pv_replace(image, &made,
		                vips_cast(*image, &made, VIPS_FORMAT_USHORT, NULL)))
			return false;
		space = n_bands < 3 ? VIPS_INTERPRETATION_GREY16
		                    : VIPS_INTERPRETATION_RGB16;
	} else if (is_signed(*image)) {
		if (!drop_sign(image, &space))
			return false;
	} else if (space == VIPS_INTERPRETATION_MULTIBAND) {
		space = n_bands < 3 ? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	}
	n_most = space == VIPS_INTERPRETATION_CMYK ? 5 : n_bands < 3 ? 2 : 4;
	if (n_bands > n_most &&
	    !pv_replace(image, &made,
	                vips_extract_band(*image, &made, 0, "n", n_most, NULL)))
		return false;
	return pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation", space, NULL));
}

/* ---- loading ---- */

/* The loaders of libvips that this engine uses. They read from memory. */
static const char *const loaders[N_FORMATS] = {
	[FORMAT_JPEG] = "jpegload_source", [FORMAT_PNG] = "pngload_source",
	[FORMAT_WEBP] = "webpload_source", [FORMAT_GIF] = "gifload_source",
	[FORMAT_TIFF] = "tiffload_source", [FORMAT_JP2] = "jp2kload_source",
	[FORMAT_PNM] = "ppmload_source",   [FORMAT_HDR] = "radload_source",
	[FORMAT_SVG] = "svgload_source",   [FORMAT_PDF] = "pdfload_source",
};

/* Our readers for formats whose colours libvips does not read correctly. */
static const struct reader *const readers[N_FORMATS] = {
	[FORMAT_HEIC] = &reader_heif,
	[FORMAT_AVIF] = &reader_heif,
	[FORMAT_JXL] = &reader_jxl,
};

bool pv_start_readers(void)
{
	return reader_heif.start();
}

const char *pv_loader_of(enum image_format format)
{
	return loaders[format];
}

static GType loader_type(enum image_format format)
{
	return loaders[format] ? vips_type_find("VipsForeignLoad", loaders[format]) : 0;
}

static bool find_loader(enum image_format format)
{
	if (raster_reads(format))
		return true;
	if (readers[format])
		return readers[format]->reads(format);
	if (!loader_type(format))
		return false;
	return !format_info(format)->is_drawn || engine_drawing() == DRAWING_HERE;
}

bool pv_reads(enum image_format format)
{
	/* Whether the engine can read each format. 1: yes; -1: no; 0: not known yet. The answers
	 * are kept until the process ends. */
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

/* Whether at least one output can have several frames or pages of this source. */
static bool wants_frames(const struct source *source)
{
	const struct format_info *from = format_info(source->format);

	for (unsigned i = 0; i < source->n_variants; i++) {
		const struct format_info *to = format_info(
			source->variants[i].recipe->format);

		if ((from->has_frames && to->has_frames) ||
		    (from->has_pages && to->has_pages))
			return true;
	}
	return false;
}

/* Load a picture. Of several frames or pages, only the first is loaded. */
static bool load_one(VipsImage **ret_image, const struct pv_state *state,
                     enum image_format format, VipsFailOn fail_on)
{
	if (state->first_page > 0)
		return !vips_call(loaders[format], state->bytes, ret_image, "access",
		                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, "page",
		                  (int)state->first_page, NULL);
	return !vips_call(loaders[format], state->bytes, ret_image, "access",
	                  VIPS_ACCESS_SEQUENTIAL, "fail_on", fail_on, NULL);
}

/* Load n frames or pages, beginning with the first page. In the resulting image, they are one below
 * the other. */
static bool load_several(VipsImage **ret_image, const struct pv_state *state,
                         enum image_format format, VipsFailOn fail_on, uint32_t n)
{
	/* With sequential access, the TIFF loader of libvips cannot go back to a page that has only
	 * a few lines. */
	VipsAccess access = format == FORMAT_TIFF ? VIPS_ACCESS_RANDOM
	                                          : VIPS_ACCESS_SEQUENTIAL;

	return !vips_call(loaders[format], state->bytes, ret_image, "access", access,
	                  "fail_on", fail_on, "page", (int)state->first_page, "n", (int)n,
	                  NULL);
}

/* The number of pages that outputs get. If the pages are in adjacent directories and have the same
 * size and kind, libvips can load them together, and outputs get all pages. If not, outputs get 1
 * page. */
static uint32_t count_joined_pages(const struct source *source,
                                   const struct tiff_pages *pages)
{
	VipsImage *image = NULL;

	if (pages->n < 2 || !pages->are_adjacent)
		return 1;
	if (!load_several(&image, source->state, FORMAT_TIFF, fail_on_of(source->reading),
	                  pages->n)) {
		pv_clear_errors();
		return 1;
	}
	g_object_unref(image);
	return pages->n;
}

/* Count the colour samples of a TIFF with a palette. libvips makes 1 sample if the palette is grey,
 * and 3 if not. */
static void count_palette_samples(struct tiff_samples *samples, VipsImage *image)
{
	uint32_t n_bands = (uint32_t)vips_image_get_bands(image);

	if (!samples->has_palette || n_bands <= samples->n_extra)
		return;
	samples->n_colours = n_bands - samples->n_extra;
	samples->alpha += samples->alpha > 0 ? samples->n_colours - 1 : 0;
}

/* Whether libvips would misread the samples beyond the colours of a TIFF. libvips uses the first of
 * them as alpha, but the file may declare another sample as alpha, or no sample. */
static bool has_extra_samples(const struct pv_state *state, VipsImage *image)
{
	const struct tiff_samples *samples = &state->tiff_samples;
	uint32_t n_bands = (uint32_t)vips_image_get_bands(image);

	if (samples->n_colours == 0 || n_bands <= samples->n_colours)
		return false;
	return samples->alpha != samples->n_colours || n_bands > samples->n_colours + 1;
}

/* Drop all samples that are not colours, except the sample that the file declares as alpha. */
static bool drop_extra_samples(VipsImage **image, const struct pv_state *state)
{
	const struct tiff_samples *samples = &state->tiff_samples;
	VipsInterpretation space = vips_image_get_interpretation(*image);
	VipsImage *alpha = NULL, *made = NULL;
	bool has_alpha = samples->alpha > 0 &&
	                 (int)samples->alpha < vips_image_get_bands(*image);
	bool is_done;

	if (!has_extra_samples(state, *image))
		return true;
	is_done = (!has_alpha ||
	           !vips_extract_band(*image, &alpha, (int)samples->alpha, NULL)) &&
	          pv_replace(image, &made,
	                     vips_extract_band(*image, &made, 0, "n",
	                                       (int)samples->n_colours, NULL)) &&
	          (!alpha || pv_replace(image, &made,
	                                vips_bandjoin2(*image, alpha, &made, NULL))) &&
	          pv_replace(image, &made,
	                     vips_copy(*image, &made, "interpretation", space, NULL));
	VIPS_UNREF(alpha);
	return is_done;
}

/* Convert three bands of YCbCr (ITU-T T.871) to RGB. */
static bool make_rgb_of_ycc(VipsImage **image, double most)
{
	static const double rows[9] = {1, 0, 1.402, 1, -0.344136, -0.714136, 1, 1.772, 0};
	double half = (most + 1) / 2;
	double ones[] = {1, 1, 1}, offsets[] = {0, -half, -half};
	VipsImage *made = NULL;
	VipsImage *matrix = vips_image_new_matrix_from_array(3, 3, rows, 9);
	bool is_done = matrix &&
	               pv_replace(image, &made,
	                          vips_linear(*image, &made, ones, offsets, 3, NULL)) &&
	               pv_replace(image, &made,
	                          vips_recomb(*image, &made, matrix, NULL)) &&
	               pv_replace(image, &made, vips_rint(*image, &made, NULL));

	VIPS_UNREF(matrix);
	return is_done;
}

/* Convert the samples of a picture in YCbCr. Other samples, such as alpha, stay unchanged. */
static bool convert_ycc(VipsImage **image, const struct pv_state *state)
{
	VipsInterpretation space = vips_image_get_interpretation(*image);
	VipsBandFormat format = vips_image_get_format(*image);
	int n_bands = vips_image_get_bands(*image);
	VipsImage *rest = NULL, *made = NULL;
	bool is_done;

	if (!state->is_ycc || n_bands < 3 ||
	    (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT))
		return true;
	is_done = (n_bands == 3 ||
	           !vips_extract_band(*image, &rest, 3, "n", n_bands - 3, NULL)) &&
	          pv_replace(image, &made,
	                     vips_extract_band(*image, &made, 0, "n", 3, NULL)) &&
	          make_rgb_of_ycc(image,
	                          format == VIPS_FORMAT_UCHAR ? UINT8_MAX : UINT16_MAX) &&
	          pv_replace(image, &made, vips_cast(*image, &made, format, NULL)) &&
	          (!rest ||
	           pv_replace(image, &made, vips_bandjoin2(*image, rest, &made, NULL))) &&
	          pv_replace(image, &made,
	                     vips_copy(*image, &made, "interpretation", space, NULL));
	VIPS_UNREF(rest);
	return is_done;
}

static void note_header(struct source *source, VipsImage *image)
{
	struct pv_state *state = source->state;
	int n_pages = vips_image_get_n_pages(image);

	state->stored = (struct size){(uint32_t)vips_image_get_width(image),
	                              (uint32_t)vips_image_get_height(image)};
	state->chroma = (struct chroma_ratio){1, 1};
	if (source->format == FORMAT_JPEG)
		state->chroma = jpeg_chroma_ratio(source->bytes, source->n_bytes);
	state->orientation = source->reading->no_rotate
	                             ? 1
	                             : vips_image_get_orientation(image);
	/* libvips does not find all EXIF. It misses the EXIF of a PNG after the pixels or in a text
	 * chunk, and the EXIF of a WebP that the extended header does not announce. */
	if ((source->format == FORMAT_PNG || source->format == FORMAT_WEBP) &&
	    !source->reading->no_rotate) {
		int known = state->orientation;

		state->orientation = (int)picture_metadata_orientation(source->metadata,
		                                                       (unsigned)known);
		state->is_turned_by_us = state->orientation != known;
	}
	/* The first row of a PFM is the bottom row, and libvips does not reverse the rows.
	 * Orientation 4 reverses them. */
	if (pv_is_pfm(image))
		state->orientation = 4;
	count_palette_samples(&state->tiff_samples, image);
	state->is_deep = pv_has_deep_samples(image);
	state->is_light = pv_has_light(image);
	state->is_cmyk = vips_image_get_interpretation(image) == VIPS_INTERPRETATION_CMYK;
	state->has_odd_samples = vips_image_get_format(image) == VIPS_FORMAT_UINT ||
	                         vips_image_get_coding(image) == VIPS_CODING_LABQ ||
	                         pv_has_plain_floats(image) ||
	                         has_extra_samples(state, image) || state->is_ycc;
	state->has_alpha = state->tiff_samples.n_colours > 0
	                           ? state->tiff_samples.alpha > 0
	                           : vips_image_hasalpha(image);
	if (format_info(source->format)->has_frames && wants_frames(source) &&
	    n_pages > 1)
		source->n_frames = (uint32_t)n_pages;
}

/* Refuse a JPEG 2000 in YCbCr if its samples are signed or have more than 16 bits. */
static bool ycc_is_supported(const struct pv_state *state, VipsImage *image,
                             struct failure *ret_failure)
{
	VipsBandFormat format = vips_image_get_format(image);

	return !state->is_ycc || format == VIPS_FORMAT_UCHAR ||
	       format == VIPS_FORMAT_USHORT ||
	       failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "header: a JPEG 2000 in YCbCr is supported only with unsigned "
	                   "samples of at most 16 bits");
}

/* Find the first page of a TIFF, and the number of pages that outputs get. */
static bool find_pages(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	struct tiff_pages pages;

	tiff_find_pages(source->bytes, source->n_bytes, &pages);
	if (!pages.is_whole && source->reading->fail_on != FAIL_ON_NONE)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the file ends early: a page or its "
		                   "colours are missing");
	if (pages.samples.is_grey_in_planes)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a TIFF in grey or with a palette is not "
		                   "supported if further samples are in separate planes");
	source->is_damaged |= !pages.is_whole;
	state->n_directories = pages.n_directories;
	state->first_page = pages.first;
	state->tiff_samples = pages.samples;
	source->n_stored = pages.n;
	if (wants_frames(source))
		source->n_frames = count_joined_pages(source, &pages);
	return true;
}

static bool fits_libvips(struct size size, struct failure *ret_failure)
{
	if (size.width <= VIPS_MAX_COORD && size.height <= VIPS_MAX_COORD)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "header: the image is %u x %u, but libvips allows sides of "
	                   "at most %d pixels",
	                   size.width, size.height, VIPS_MAX_COORD);
}

/* Make a profile for a BMP that describes its colours itself. Its white is D65. */
static bool take_calibration(struct pv_state *state, const struct raster *raster,
                             struct failure *ret_failure)
{
	struct png_gamma gamma = {raster->gamma, true, {31270, 32900}};

	if (raster->gamma == 0)
		return true;
	memcpy(gamma.xy + 2, raster->primaries, sizeof(raster->primaries));
	if (icc_of_png_gamma(&gamma, false, &state->profile, &state->n_profile) ==
	    ICC_NO_MEMORY)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	state->has_own_colours = true;
	return true;
}

/* Open a picture that a reader of image/raster reads. */
static bool read_raster(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	struct raster *raster = &state->raster;

	if (!raster_open(raster, source->format, source->bytes, source->n_bytes,
	                 source->reading->fail_on == FAIL_ON_NONE ? &source->is_damaged
	                                                          : NULL,
	                 ret_failure))
		return false;
	state->stored = raster->size;
	state->is_deep = raster->n_bits > 8;
	state->has_alpha = raster->n_bands % 2 == 0;
	if (raster->profile) {
		state->profile = malloc(raster->n_profile);
		if (!state->profile)
			return failure_set(ret_failure, FAIL_MEMORY,
			                   "header: out of memory");
		memcpy(state->profile, raster->profile, raster->n_profile);
		state->n_profile = raster->n_profile;
		state->has_own_colours = true;
	}
	return take_calibration(state, raster, ret_failure) &&
	       fits_libvips(raster->size, ret_failure);
}

/* Refuse a JPEG 2000 that libvips would decode wrongly. If its samples are YCbCr, set is_ycc, so
 * that they are converted. */
static bool jp2_is_understood(const struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	const char *reason = NULL;

	switch (jp2_find_colours(source->bytes, source->n_bytes)) {
	case JP2_AS_READ:
		break;
	case JP2_YCC:
		state->is_ycc = true;
		break;
	case JP2_PALETTE:
		reason = "a palette";
		break;
	case JP2_OTHER_SPACE:
		reason = "this colour space";
		break;
	case JP2_COARSE:
		reason = "fewer samples than pixels";
		break;
	}
	return !reason ||
	       failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "header: a JPEG 2000 with %s is not supported", reason);
}

/* Refuse a file that libvips would decode wrongly. */
static bool is_understood(const struct source *source, struct failure *ret_failure)
{
	if (source->format == FORMAT_HDR &&
	    !hdr_is_rgb_from_top_left(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: an HDR file with XYZ colours, or with a "
		                   "first pixel that is not at the top left, is not "
		                   "supported");
	if (source->format == FORMAT_TIFF &&
	    tiff_is_raw_ycbcr(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: a TIFF in YCbCr is supported only with JPEG "
		                   "compression");
	return source->format != FORMAT_JP2 || jp2_is_understood(source, ret_failure);
}

/* Read the colours of a PNG. From cICP or gAMA a profile is made, because libvips ignores these
 * chunks. `has_profile` says whether libvips has found a profile. It does not find a profile that
 * comes after the chunk sRGB. */
static bool read_png_colours(struct source *source, bool is_grey, bool has_profile,
                             struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	enum icc_result result = ICC_SRGB;
	struct metadata_scan scan;
	struct cicp cicp;

	metadata_scan_png(&scan, source->bytes, source->n_bytes);
	state->has_own_colours = scan.colours != COLOUR_CHUNK_PROFILE || !has_profile;
	if (scan.colours == COLOUR_CHUNK_PROFILE && !has_profile && scan.profile) {
		if (!pv_inflate_profile(state, scan.profile, scan.n_profile))
			result = ICC_NO_MEMORY;
	} else if (scan.colours == COLOUR_CHUNK_CICP) {
		cicp = (struct cicp){scan.primaries, scan.transfer};
		result = icc_of_cicp(&cicp, is_grey, &state->profile, &state->n_profile);
		state->hdr_transfer = cicp_is_hdr(&cicp) ? cicp.transfer : 0;
		source->lost |= state->hdr_transfer ? LOST_HDR : 0;
	} else if (scan.colours == COLOUR_CHUNK_GAMMA) {
		struct png_gamma gamma = {scan.gamma, scan.has_chromaticities, {0}};

		memcpy(gamma.xy, scan.chromaticities, sizeof(gamma.xy));
		result = icc_of_png_gamma(&gamma, is_grey, &state->profile,
		                          &state->n_profile);
		/* Impossible values of gAMA and cHRM are ignored: the picture counts as sRGB. */
		result = result == ICC_UNKNOWN ? ICC_SRGB : result;
	}
	if (result == ICC_NO_MEMORY)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	if (result == ICC_UNKNOWN)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: colours with the primaries %u and the "
		                   "transfer %u of CICP are not supported",
		                   scan.primaries, scan.transfer);
	return true;
}

/* Read the header. No pixel is decoded. */
static bool read_header(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	const char *found = vips_foreign_find_load_source(state->bytes);
	VipsImage *image = NULL;
	bool is_grey, has_profile, is_supported;

	if (!found)
		return pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	if (strcmp(found, g_type_name(loader_type(source->format))) != 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the file begins like %s, but libvips takes "
		                   "it for another format",
		                   format_info(source->format)->name);
	if (!is_understood(source, ret_failure) ||
	    (source->format == FORMAT_TIFF && !find_pages(source, ret_failure)))
		return false;
	pv_has_refused_size = false;
	if (!load_one(&image, state, source->format, fail_on_of(source->reading)))
		return pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	note_header(source, image);
	is_grey = vips_image_get_bands(image) < 3;
	has_profile = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
	is_supported = ycc_is_supported(state, image, ret_failure);
	g_object_unref(image);
	if (!is_supported)
		return false;
	if (source->format == FORMAT_PNG &&
	    !read_png_colours(source, is_grey, has_profile, ret_failure))
		return false;
	if (pv_has_refused_size)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: a side is over %d, the maximum of libvips",
		                   VIPS_MAX_COORD);
	if (source->format != FORMAT_GIF || gif_is_whole(source->bytes, source->n_bytes))
		return true;
	source->is_damaged = true;
	return source->reading->fail_on == FAIL_ON_NONE ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "header: the GIF ends in the middle of a block");
}

/* If a JPEG has no end marker, let libvips read a copy with an end marker, because libjpeg warns
 * about a missing marker even if the picture is complete. A JPEG that also lacks scans fails,
 * except with FAIL_ON_NONE. */
static bool mend_jpeg(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	struct metadata_scan scan;
	bool is_lenient = source->reading->fail_on == FAIL_ON_NONE;
	uint8_t *mended;

	metadata_scan_jpeg(&scan, source->bytes, source->n_bytes);
	if (!scan.lacks_end)
		return true;
	if (!scan.has_all_scans && !is_lenient)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the JPEG ends early: some scans are missing");
	source->is_damaged |= !scan.has_all_scans;
	mended = malloc(source->n_bytes + 2);
	if (!mended)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	memcpy(mended, source->bytes, source->n_bytes);
	memcpy(mended + source->n_bytes, "\xff\xd9", 2);
	state->mended = mended;
	state->is_unproven = !is_lenient;
	VIPS_UNREF(state->bytes);
	state->bytes = vips_source_new_from_memory(mended, source->n_bytes + 2);
	return state->bytes != NULL ||
	       failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
}

static bool open_reading(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	struct reading *reading = &state->reading;
	const struct reader *reader = readers[source->format];

	if (!reader->open(reading, source, ret_failure))
		return false;
	state->reader = reader;
	state->stored = reading->size;
	/* The orientation that the reader found is stored in the format itself, and not in EXIF.
	 * Every program applies it, so it is applied even with no_rotate. */
	state->orientation = (int)reading->orientation;
	state->is_deep = reading->is_deep;
	state->has_alpha = reading->has_alpha;
	source->lost |= reading->lost;
	return fits_libvips(reading->size, ret_failure);
}

/* ---- the canvas of a GIF ---- */

/*
 * A copy of a GIF for libvips. In a GIF, parts of the canvas that no frame draws are transparent.
 * When a frame is cleared, its part of the canvas becomes transparent too. If the frames have no
 * transparent colour, libvips 8.14.1 makes these parts opaque. So in the copy, each frame with at
 * most 128 colours gets a transparent colour: index 255, which none of its pixels has.
 */
struct gif_copy {
	const uint8_t *bytes;
	/* `n` is the length of the file. `at` is the offset of the next block to copy. */
	size_t n, at;
	uint8_t *to;
	size_t n_to;
	/* The offset of the control extension of the next frame, in the copy. 0: the next frame has
	 * no control extension. */
	size_t control_at;
	uint32_t width, height;
	unsigned n_frames;
	/* Parts of the canvas are visible, because the first frame does not cover the whole canvas,
	 * or because a frame is cleared. */
	bool shows_canvas;
};

enum {
	GIF_EXTENSION = 0x21,
	GIF_CONTROL = 0xf9,
	GIF_CONTROL_BYTES = 8,
	GIF_IMAGE = 0x2c,
	GIF_IMAGE_BYTES = 10,
	GIF_TRANSPARENT = 1,
};

static uint32_t gif_number(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8;
}

static size_t gif_table_bytes(uint8_t flags)
{
	return flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;
}

/* Copy the bytes up to the offset `until` of the file. Returns false if the file is shorter. */
static bool copy_until(struct gif_copy *copy, size_t until)
{
	if (until > copy->n)
		return false;
	memcpy(copy->to + copy->n_to, copy->bytes + copy->at, until - copy->at);
	copy->n_to += until - copy->at;
	copy->at = until;
	return true;
}

/* Copy everything up to the end of the data blocks that begin at offset `at`. A block is a length
 * byte and data. The last block is empty. */
static bool copy_blocks(struct gif_copy *copy, size_t at)
{
	while (at < copy->n && copy->bytes[at] > 0)
		at += 1 + (size_t)copy->bytes[at];
	return copy_until(copy, at + 1);
}

/* Make sure that the next frame has a transparent colour. A frame without one gets the index 255,
 * which none of its pixels has. */
static void mark_frame(struct gif_copy *copy)
{
	static const uint8_t control[GIF_CONTROL_BYTES] = {
		GIF_EXTENSION, GIF_CONTROL, 4, GIF_TRANSPARENT, 0, 0, 255, 0};
	uint8_t *at = copy->to + copy->control_at;

	if (copy->control_at == 0) {
		memcpy(copy->to + copy->n_to, control, sizeof(control));
		copy->n_to += sizeof(control);
	} else if (!(at[3] & GIF_TRANSPARENT)) {
		at[3] |= GIF_TRANSPARENT;
		at[6] = 255;
	}
}

static bool copy_image(struct gif_copy *copy)
{
	enum { CLEARED_AWAY = 2, MAX_CODE_BITS = 7 };
	const uint8_t *image = copy->bytes + copy->at;
	size_t code_at;
	bool is_cleared;

	if (copy->n - copy->at <= GIF_IMAGE_BYTES)
		return false;
	code_at = copy->at + GIF_IMAGE_BYTES + gif_table_bytes(image[9]);
	if (code_at >= copy->n)
		return false;
	is_cleared = copy->control_at > 0 &&
	             (copy->to[copy->control_at + 3] >> 2 & 7) == CLEARED_AWAY;
	copy->shows_canvas |= is_cleared;
	if (copy->n_frames++ == 0)
		copy->shows_canvas |= gif_number(image + 1) > 0 ||
		                      gif_number(image + 3) > 0 ||
		                      gif_number(image + 5) < copy->width ||
		                      gif_number(image + 7) < copy->height;
	if (copy->bytes[code_at] <= MAX_CODE_BITS)
		mark_frame(copy);
	copy->control_at = 0;
	return copy_blocks(copy, code_at + 1);
}

static bool copy_extension(struct gif_copy *copy)
{
	if (copy->n - copy->at >= GIF_CONTROL_BYTES &&
	    copy->bytes[copy->at + 1] == GIF_CONTROL && copy->bytes[copy->at + 2] == 4)
		copy->control_at = copy->n_to;
	return copy_blocks(copy, copy->at + 2);
}

/* Copy a GIF. In the copy, each frame with at most 128 colours has a transparent colour. */
static void copy_gif(struct gif_copy *copy)
{
	enum { HEAD_BYTES = 13, FLAGS_AT = 10 };
	bool goes_on = copy->n >= HEAD_BYTES;

	if (goes_on) {
		copy->width = gif_number(copy->bytes + 6);
		copy->height = gif_number(copy->bytes + 8);
		goes_on = copy_until(copy,
		                     HEAD_BYTES + gif_table_bytes(copy->bytes[FLAGS_AT]));
	}
	while (goes_on && copy->at < copy->n) {
		if (copy->bytes[copy->at] == GIF_IMAGE)
			goes_on = copy_image(copy);
		else if (copy->bytes[copy->at] == GIF_EXTENSION)
			goes_on = copy_extension(copy);
		else
			break;
	}
	(void)copy_until(copy, copy->n);
}

/* If the frames of a GIF leave parts of its canvas uncovered, let libvips read the copy that
 * copy_gif() makes. In the copy the uncovered parts are transparent, unless a frame has more than
 * 128 colours. */
static bool clear_canvas(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	struct gif_copy copy = {.bytes = source->bytes, .n = source->n_bytes};

	/* The copy has less than twice the length of the file: a frame has at least 12 bytes, and
	 * grows by 8 bytes at most. */
	copy.to = malloc(2 * copy.n + 1);
	if (!copy.to)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	copy_gif(&copy);
	if (!copy.shows_canvas) {
		free(copy.to);
		return true;
	}
	state->unpacked = copy.to;
	state->n_unpacked = copy.n_to;
	VIPS_UNREF(state->bytes);
	state->bytes = vips_source_new_from_memory(copy.to, copy.n_to);
	return state->bytes ||
	       failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
}

static bool open_bytes(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;

	if (readers[source->format])
		return open_reading(source, ret_failure);
	state->bytes = vips_source_new_from_memory(source->bytes, source->n_bytes);
	if (!state->bytes)
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	if (format_info(source->format)->is_drawn)
		return pv_draw_open(source, ret_failure);
	if (raster_reads_file(source->format, source->bytes, source->n_bytes))
		return read_raster(source, ret_failure);
	if ((source->format == FORMAT_JPEG && !mend_jpeg(source, ret_failure)) ||
	    (source->format == FORMAT_GIF && !clear_canvas(source, ret_failure)))
		return false;
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

	if (state->reader)
		state->reader->close(&state->reading);
	VIPS_UNREF(state->decoded);
	VIPS_UNREF(state->bytes);
	free(state->profile);
	free(state->mended);
	pv_draw_close(state);
	free(state->unpacked);
	free(state);
	source->state = NULL;
}

/* For each axis: the length of the stored picture divided by the length after scaling. */
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

/* The largest factor by which a loader may shrink. The loaded picture must have at least twice the
 * size of the scaled picture; then scaling gives the same quality as scaling the full picture. */
static double find_shrink(const struct pv_job *job)
{
	struct factors factors;

	if (!job->has_layout || job->layout.is_focused ||
	    job->recipe->kernel == KERNEL_NEAREST)
		return 1;
	factors = factors_of(job);
	return fmax(1, fmin(factors.across, factors.down) / 2);
}

/* libjpeg shrinks each block of pixels to one pixel. If a side is not a multiple of the block, the
 * last block lies partly outside the picture. libjpeg makes a whole pixel of this block too, so
 * scaling shifts the picture. Returns true if the shift is at most 1/32 of an output pixel. */
static bool divides(uint32_t side, unsigned block, double factor)
{
	double most_moved = 1 / 32.0;
	unsigned n_over = side % block ? block - side % block : 0;

	return n_over / factor <= most_moved;
}

/*
 * The largest factor by which libjpeg may shrink so that chroma keeps at least twice the samples of
 * the output. If chroma is subsampled by the same factor on both axes, as in 4:2:0, libjpeg shrinks
 * chroma less than luma. In 4:2:2, 4:4:0 and 4:1:1 it shrinks both by the same factor.
 */
static double find_chroma_shrink(const struct chroma_ratio *chroma,
                                 const struct factors *factors)
{
	unsigned least = chroma->across < chroma->down ? chroma->across : chroma->down;
	unsigned both = least >= 4 ? 4 : least >= 2 ? 2 : 1;

	return fmin(factors->across * both / chroma->across,
	            factors->down * both / chroma->down) /
	       2;
}

/* The side of the largest block that libjpeg may shrink to one pixel: 1, 2, 4 or 8.
 * vips_thumbnail_source() chooses a block only by the size of the picture. *ret_is_largest becomes
 * true if vips_thumbnail_source() would choose the same block as this function. */
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
		       (block > find_chroma_shrink(&state->chroma, &factors) ||
		        !divides(state->stored.width, block, factors.across) ||
		        !divides(state->stored.height, block, factors.down)))
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

/* Load a JPEG or WebP shrunk by a factor. For a JPEG the factor must be 2, 4 or 8. */
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

/* Make an image that borrows samples. */
static VipsImage *image_of_samples(const void *samples, struct size size,
                                   unsigned n_bands, bool is_deep)
{
	size_t n = (size_t)size.width * size.height * n_bands * (is_deep ? 2 : 1);
	VipsImage *image = vips_image_new_from_memory(
		samples, n, (int)size.width, (int)size.height, (int)n_bands,
		is_deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);

	if (!image)
		return NULL;
	if (n_bands < 3)
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

/* Decode a picture that a reader of image/raster has opened. */
static bool pv_load_raster(VipsImage **ret_image, const struct raster *raster,
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
	*ret_image = image_of_samples(samples ? samples : raster->ready, raster->size,
	                              raster->n_bands, raster->n_bits > 8);
	if (*ret_image && samples)
		g_signal_connect(*ret_image, "postclose", G_CALLBACK(free_samples),
		                 samples);
	else
		free(samples);
	return *ret_image != NULL;
}

/* Make an image that borrows the pixels that another engine has decoded. */
static bool load_lent(VipsImage **ret_image, const struct pixels *pixels)
{
	*ret_image = image_of_samples(pixels->bytes, pixels->size, pixels->n_bands,
	                              false);
	return *ret_image != NULL;
}

/* Make an image from samples, which then belong to the image. */
static bool take_samples(VipsImage **ret_image, struct samples *samples)
{
	VipsImage *image = image_of_samples(samples->bytes, samples->size,
	                                    samples->n_bands, samples->is_deep);

	if (!image)
		return false;
	g_signal_connect(image, "postclose", G_CALLBACK(free_samples), samples->bytes);
	samples->bytes = NULL;
	if (samples->profile)
		vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, samples->profile,
		                         samples->n_profile);
	*ret_image = image;
	return true;
}

static bool read_samples(VipsImage **ret_image, const struct reader *reader,
                         const struct reading *opened, struct failure *ret_failure)
{
	struct reading reading = *opened;
	struct samples samples;
	bool is_done = reader->decode(&reading, &samples, ret_failure);

	is_done = is_done && take_samples(ret_image, &samples);
	samples_fini(&samples);
	return is_done;
}

/* Convert the samples of an HDR picture to SDR. The result has 16 bits. */
static bool make_sdr(VipsImage **image, unsigned transfer)
{
	VipsImage *made = NULL;
	bool is_deep = vips_image_get_format(*image) == VIPS_FORMAT_USHORT;
	int n_bands = vips_image_get_bands(*image);
	size_t n_pixels;

	if (!is_deep && !pv_widen(image, VIPS_INTERPRETATION_RGB16))
		return false;
	if (!pv_to_memory(image))
		return false;
	n_pixels = (size_t)vips_image_get_width(*image) *
	           (size_t)vips_image_get_height(*image);
	if (!hdr_to_sdr((void *)(*image)->data, n_pixels, (unsigned)n_bands, transfer))
		return false;
	return pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation",
	                            n_bands < 3 ? VIPS_INTERPRETATION_GREY16
	                                        : VIPS_INTERPRETATION_RGB16,
	                            NULL));
}

bool pv_set_colours(VipsImage **image, const struct pv_state *state)
{
	VipsImage *made = NULL;

	if (!state->has_own_colours)
		return true;
	if ((state->hdr_transfer && !make_sdr(image, state->hdr_transfer)) ||
	    !pv_replace(image, &made, vips_copy(*image, &made, NULL)))
		return false;
	vips_image_remove(*image, VIPS_META_ICC_NAME);
	if (state->profile)
		vips_image_set_blob_copy(*image, VIPS_META_ICC_NAME, state->profile,
		                         state->n_profile);
	return true;
}

static bool load(VipsImage **ret_image, const struct pv_state *state,
                 enum image_format format, const struct recipe *reading, double shrink,
                 uint32_t n_frames)
{
	VipsFailOn fail_on = fail_on_of(reading);
	bool is_loaded;

	if (n_frames > 1)
		is_loaded = load_several(ret_image, state, format, fail_on, n_frames);
	else if (shrink > 1)
		is_loaded = load_shrunk(ret_image, state, format, fail_on, shrink);
	else
		is_loaded = load_one(ret_image, state, format, fail_on);
	if (is_loaded &&
	    (!drop_extra_samples(ret_image, state) || !convert_ycc(ret_image, state))) {
		VIPS_UNREF(*ret_image);
		is_loaded = false;
	}
	return is_loaded;
}

bool pv_prove_whole(struct source *source, struct failure *ret_failure)
{
	const char *cut = "premature end of data segment"; /* a warning of libjpeg */
	struct pv_state *state = source->state;
	VipsImage *image = NULL;
	double average;
	bool is_whole;

	if (!state || !state->is_unproven)
		return true;
	pv_forget_messages();
	is_whole = load(&image, state, source->format, source->reading, 1, 1) &&
	           !vips_avg(image, &average, NULL);
	VIPS_UNREF(image);
	if (!is_whole)
		return pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
	if (strstr(vips_error_buffer(), cut))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "decode: the JPEG ends early: %s", cut);
	state->is_unproven = false;
	return true;
}

/* Take the frames of an output from the decoded picture: all frames if the output has several
 * frames, and the first frame if not. */
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
		return pv_load_raster(ret_image, &state->raster, job->failure) &&
		       pv_set_colours(ret_image, state);
	if (state->reader)
		return read_samples(ret_image, state->reader, &state->reading,
		                    job->failure);
	if (format_info(job->from)->is_drawn)
		return pv_draw_load(ret_image, job);
	return load(ret_image, state, job->from, job->recipe, pv_loader_shrink(job),
	            job->n_frames) &&
	       pv_set_colours(ret_image, state);
}

bool pv_decode_all(struct source *source, double shrink, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	VipsImage *image = NULL;

	if (state->reader) {
		state->n_decoded = 1;
		return read_samples(&state->decoded, state->reader, &state->reading,
		                    ret_failure);
	}
	if (state->raster.bytes ? !pv_load_raster(&image, &state->raster, ret_failure)
	                        : !load(&image, state, source->format, source->reading,
	                                shrink, source->n_frames))
		return false;
	if (!pv_set_colours(&image, state) || !pv_to_memory(&image)) {
		g_object_unref(image);
		return false;
	}
	state->decoded = image;
	state->n_decoded = source->n_frames;
	return true;
}

/*
 * ---- checking ----
 *
 * A check decodes every pixel of a picture and keeps no pixel. The loader must not shrink the
 * picture, because a loader that shrinks skips some data. Most formats are decoded row by row, with
 * only a few rows in memory.
 */

/* Decode all pixels of the pages that the option string selects. *ret_n_pages becomes the number of
 * pages of the file. Returns false if a page cannot be decoded. */
static bool decode(const struct source *source, const char *options, int *ret_n_pages)
{
	const struct pv_state *state = source->state;
	VipsSource *bytes =
		state->mended
			? vips_source_new_from_memory(state->mended, source->n_bytes + 2)
			: vips_source_new_from_memory(source->bytes, source->n_bytes);
	VipsImage *image = NULL;
	double average;
	bool is_whole = false;

	if (bytes)
		image = vips_image_new_from_source(bytes, options, "access",
		                                   VIPS_ACCESS_SEQUENTIAL, "fail_on",
		                                   fail_on_of(source->reading), NULL);
	if (image) {
		*ret_n_pages = vips_image_get_n_pages(image);
		is_whole = !vips_avg(image, &average, NULL);
	}
	VIPS_UNREF(image);
	VIPS_UNREF(bytes);
	return is_whole;
}

static bool check_raster(const struct source *source, struct failure *ret_failure)
{
	const struct pv_state *state = source->state;
	VipsImage *image = NULL;

	if (!pv_load_raster(&image, &state->raster, ret_failure))
		return pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
	g_object_unref(image);
	return true;
}

/* Draw an SVG, or the first page of a PDF. The other pages of a PDF are not checked. */
static bool draw(const struct source *source)
{
	const struct recipe as_it_is = {0};
	const struct pv_job job = {
		.state = source->state, .from = source->format, .recipe = &as_it_is};
	VipsImage *image = NULL;
	double average;
	bool is_whole = pv_draw_load(&image, &job) && !vips_avg(image, &average, NULL);

	VIPS_UNREF(image);
	return is_whole;
}

static bool check_reading(struct pv_state *state, struct failure *ret_failure)
{
	struct samples samples;
	bool is_whole;

	state->reading.reads_everything = true;
	is_whole = state->reader->decode(&state->reading, &samples, ret_failure);
	samples_fini(&samples);
	return is_whole;
}

static bool check(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	/* Frames of an animation build on each other, so they are decoded together. Pages are
	 * decoded one by one, because libvips cannot load pages of different sizes together. */
	bool is_animation = source->format == FORMAT_GIF || source->format == FORMAT_WEBP;
	bool is_whole;
	int n_pages = 1;

	if (state->raster.bytes)
		return check_raster(source, ret_failure);
	if (state->is_unproven)
		return pv_prove_whole(source, ret_failure);
	if (!pv_prove_strips(source, UINT32_MAX, ret_failure))
		return false;
	if (state->reader)
		return check_reading(state, ret_failure);
	if (format_info(source->format)->is_drawn)
		return draw(source) ? pv_draw_has_all_text(source->format, ret_failure)
		                    : pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
	is_whole = decode(source, is_animation ? "[n=-1]" : "", &n_pages);
	for (int page = 1; is_whole && !is_animation && page < n_pages; page++) {
		char options[32];

		snprintf(options, sizeof(options), "[page=%d]", page);
		is_whole = decode(source, options, &n_pages);
	}
	return is_whole || pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
}

bool pv_check(struct source *source, struct failure *ret_failure)
{
	return check(source, ret_failure) && pv_accepts_damage(source, ret_failure);
}

/*
 * ---- memory ----
 *
 * The functions below estimate from the header how much memory the vips engine needs to decode a
 * picture.
 *
 * In the table below, "lines" means 2048 lines of the picture, or the whole picture if it has
 * fewer. When libvips reads a picture from top to bottom, it buffers that many lines.
 *
 *   JPEG                   512 lines, because the loader shrinks while it loads
 *   JPEG in several scans  512 lines, and 2 bytes for each coefficient
 *   PNG, TIFF              lines; for a TIFF with high tiles also two rows of tiles
 *   PNM, PFM, PAM, PSD     8 bytes a pixel: four samples of 16 bits
 *   BMP, TGA               4 bytes a pixel
 *   PNG interlaced         the whole picture
 *   WebP                   20 bytes a pixel
 *   GIF                    8 bytes a pixel; 12 in an animation
 *   HEIC, AVIF             20 bytes a pixel
 *   JXL                    14 bytes a pixel
 *   JP2                    24 bytes a pixel
 *   HDR                    20 bytes a pixel
 *   SVG                    8 MiB, and 8 bytes for each pixel of the drawing
 *   PDF                    8 MiB, and 4 bytes for each pixel of the drawing
 *
 * If a picture has several outputs, memory for the decoded picture is added.
 *
 * The figures were measured with libvips 8.14.1. For synthetic pictures of 17, 24 and 100 megapixels, a
 * figure is the largest data size of a worker (the sixth number of /proc/PID/statm), which
 * RLIMIT_DATA limits. For photographs, a figure is the lowest RLIMIT_DATA under which the picture
 * can be processed. The figures do not include the worker itself and the input. In MiB:
 *
 *   24 megapixels   JPEG: baseline 11; progressive 72 in 4:2:0, 140 in 4:4:4
 *                   PNG: 30; interlaced 82; RGBA of 16 bits 81, the same interlaced 162
 *                   TIFF: in strips 24; in tiles 31; of 16 bits 82
 *                   GIF: 173. HEIC: 146. AVIF: 156; of 12 bits with alpha 478
 *                   JPEG XL: 103; lossy with a profile 109
 *   17 megapixels   WebP: 240
 *   100 megapixels  JPEG: baseline 8; progressive 4:2:0 294. PNG: 44. TIFF: in tiles 36
 *
 * Two drawings were written as PNM: an SVG with text and two translucent groups, and a PDF with
 * text. At 16 megapixels they took 250 and 125 MiB in all; at 36 megapixels 523 and 263 MiB.
 */

enum {
	LINES = 2048,
	FEW_LINES = 512,
	GIF_PIXEL_BYTES = 8,
	/* While libvips decodes a WebP, it holds four pictures, each with up to 4 bytes for each
	 * pixel: a frame of the loader that read the header, a frame of the loader that reads the
	 * pixels, the frame that was decoded last, and the output. For a lossless picture, and for
	 * one with alpha, libwebp takes up to 3 bytes more. */
	WEBP_PIXEL_BYTES = 20,
	ANIMATED_PIXEL_BYTES = 12,
};

/* Memory for fonts and shapes, in bytes. */
static const uint64_t drawing_bytes = (uint64_t)8 << 20;

static uint64_t lines_of(const struct picture_header *header, uint64_t n_lines)
{
	uint64_t n_tile_lines = (uint64_t)2 * header->tile_height;

	n_lines += n_tile_lines > n_lines ? n_tile_lines : 0;
	if (n_lines > header->size.height)
		n_lines = header->size.height;
	return memory_product(memory_product(header->size.width, n_lines),
	                      header->n_pixel_bytes);
}

static uint64_t loader_memory(const struct picture_header *header)
{
	uint64_t n_pixels = memory_area(header->size);

	switch (header->format) {
	case FORMAT_JPEG:
		return lines_of(header, FEW_LINES) + header->n_coefficient_bytes;
	case FORMAT_PNG:
		return header->is_interlaced
		               ? memory_product(n_pixels, header->n_pixel_bytes)
		               : lines_of(header, LINES);
	case FORMAT_WEBP:
		return memory_product(n_pixels, WEBP_PIXEL_BYTES);
	case FORMAT_GIF:
		return memory_product(n_pixels, header->n_frames > 1
		                                        ? ANIMATED_PIXEL_BYTES
		                                        : GIF_PIXEL_BYTES);
	case FORMAT_HEIC:
	case FORMAT_AVIF:
		return memory_product(n_pixels, 20);
	case FORMAT_JXL:
		return memory_product(n_pixels, 14);
	case FORMAT_JP2:
		return memory_product(n_pixels, 24);
	case FORMAT_PNM:
	case FORMAT_PAM:
	case FORMAT_PSD:
		return memory_product(n_pixels, 8);
	case FORMAT_BMP:
	case FORMAT_TGA:
		return memory_product(n_pixels, 4);
	case FORMAT_HDR:
		return memory_product(n_pixels, 20);
	case FORMAT_SVG:
	case FORMAT_PDF:
		n_pixels = memory_area(header->decoded);
		return drawing_bytes +
		       memory_product(n_pixels, header->format == FORMAT_SVG ? 8 : 4);
	default:
		return lines_of(header, LINES);
	}
}

/* Estimate the factor by which a JPEG is shrunk when it is decoded for several outputs. The loader
 * shrinks by at most the largest factor that leaves twice the size of the largest scaled picture.
 * The estimate is half of this factor, because find_block() may halve the factor. It may halve the
 * factor more than once, so the loader may also shrink less than estimated. */
static unsigned shrink_for(struct size from, const struct picture_variant *variants,
                           unsigned n_variants)
{
	unsigned shrink = 4;

	for (unsigned i = 0; i < n_variants; i++) {
		struct size to =
			geometry_layout(&variants[i].recipe->geometry, from).scaled;

		while (shrink > 1 && (from.width / 4 / shrink < to.width ||
		                      from.height / 4 / shrink < to.height))
			shrink /= 2;
	}
	return shrink;
}

static uint64_t decoded_memory(const struct picture_header *header,
                               const struct picture_variant *variants,
                               unsigned n_variants)
{
	uint64_t n_bytes = memory_product(
		memory_product(memory_area(header->size), header->n_frames),
		header->n_pixel_bytes);
	unsigned shrink = 1;

	if (header->format == FORMAT_SVG || header->format == FORMAT_PDF)
		return 0;
	if (header->format == FORMAT_JPEG)
		shrink = shrink_for(header->size, variants, n_variants);
	return n_bytes / ((uint64_t)shrink * shrink);
}

uint64_t pv_decoder_memory(const struct picture_header *header,
                           const struct picture_variant *variants, unsigned n_variants)
{
	return loader_memory(header) +
	       (n_variants > 1 ? decoded_memory(header, variants, n_variants) : 0);
}
