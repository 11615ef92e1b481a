/* Writes files in the vips engine: calls the savers of libvips with the options of a recipe. */
#include "image/vips/engine_vips.h"

#include "base/fd.h"
#include "image/header/profile.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * ---- metadata that the savers add and that must be removed ----
 *
 * These functions change a complete file that a saver has written. A file with an unknown
 * structure stays unchanged.
 */

static size_t cut(uint8_t *bytes, size_t n, size_t at, size_t n_cut)
{
	memmove(bytes + at, bytes + at + n_cut, n - at - n_cut);
	return n - n_cut;
}

/* Remove the EXIF from a JPEG, in place. Returns the new length. */
static size_t jpeg_drop_exif(uint8_t *bytes, size_t n)
{
	enum { START = 2, APP0 = 0xe0, APP1 = 0xe1, APP15 = 0xef, COMMENT = 0xfe };
	size_t at = START;

	while (at < n && n - at >= 10 && bytes[at] == 0xff) {
		uint8_t marker = bytes[at + 1];
		size_t n_segment = 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]);

		/* This segment holds no metadata, or it is incomplete. No metadata follows it. */
		if (n_segment > n - at ||
		    ((marker < APP0 || marker > APP15) && marker != COMMENT))
			return n;
		if (marker == APP1 && memcmp(bytes + at + 4, "Exif\0\0", 6) == 0)
			n = cut(bytes, n, at, n_segment);
		else
			at += n_segment;
	}
	return n;
}

static size_t little_endian(const uint8_t *at)
{
	return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 |
	       (size_t)at[3] << 24;
}

static size_t webp_drop_exif(uint8_t *bytes, size_t n)
{
	enum { HEAD = 12, CHUNK_HEAD = 8, FLAG_EXIF = 0x08 };
	size_t at = HEAD;

	if (n < HEAD || memcmp(bytes, "RIFF", 4) != 0 ||
	    memcmp(bytes + 8, "WEBP", 4) != 0 || little_endian(bytes + 4) + 8 != n)
		return n;
	while (n - at >= CHUNK_HEAD) {
		size_t n_data = little_endian(bytes + at + 4), n_chunk;

		n_chunk = CHUNK_HEAD + n_data + (n_data & 1);
		if (n_chunk > n - at)
			break;
		if (memcmp(bytes + at, "VP8X", 4) == 0 && n_data > 0)
			bytes[at + CHUNK_HEAD] &= (uint8_t)~FLAG_EXIF;
		if (memcmp(bytes + at, "EXIF", 4) == 0)
			n = cut(bytes, n, at, n_chunk);
		else
			at += n_chunk;
	}
	for (int i = 0; i < 4; i++)
		bytes[4 + i] = (uint8_t)((n - 8) >> (8 * i));
	return n;
}

static size_t big_endian(const uint8_t *at)
{
	return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 |
	       (size_t)at[3];
}

/* Remove the density from a PNG, in place. Returns the new length. */
static size_t png_drop_density(uint8_t *bytes, size_t n)
{
	enum { HEAD = 8, CHUNK = 12 };
	size_t at = HEAD;

	while (at < n && n - at >= CHUNK) {
		size_t n_data = big_endian(bytes + at);

		/* The chunk with the density is always before the pixels. */
		if (n_data > n - at - CHUNK || memcmp(bytes + at + 4, "IDAT", 4) == 0)
			return n;
		if (memcmp(bytes + at + 4, "pHYs", 4) == 0)
			return cut(bytes, n, at, CHUNK + n_data);
		at += CHUNK + n_data;
	}
	return n;
}

/* ---- the savers ---- */

/* Convert an effort of 0 to 9 to the scale of a saver, which has the ends `least` and `most`. If
 * the recipe has no effort, returns `usual`, the saver's default. */
static int effort_of(const struct recipe *recipe, int least, int most, int usual)
{
	if (!recipe->has_effort)
		return usual;
	return least + (recipe->effort * (most - least) + 4) / 9;
}

static VipsForeignSubsample subsample_of(const struct recipe *recipe)
{
	static const VipsForeignSubsample modes[N_CHROMAS] = {
		[CHROMA_AUTO] = VIPS_FOREIGN_SUBSAMPLE_AUTO,
		[CHROMA_420] = VIPS_FOREIGN_SUBSAMPLE_ON,
		[CHROMA_444] = VIPS_FOREIGN_SUBSAMPLE_OFF,
	};

	return modes[recipe->chroma];
}

static int save_jpeg(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                     bool strip)
{
	/* If the effort is 5 or more, the Huffman codes are optimised. This takes more time and
	 * makes smaller files. */
	return vips_jpegsave_target(image, target, "Q", (int)engine_quality(recipe),
	                            "optimize_coding",
	                            recipe->has_effort && recipe->effort >= 5,
	                            "interlace", recipe->progressive, "subsample_mode",
	                            subsample_of(recipe), "strip", strip, NULL);
}

static int save_png(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                    bool strip)
{
	return vips_pngsave_target(image, target, "compression",
	                           effort_of(recipe, 0, 9, 6), "interlace",
	                           recipe->progressive, "strip", strip, NULL);
}

static int save_webp(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                     bool strip)
{
	return vips_webpsave_target(image, target, "Q", (int)engine_quality(recipe),
	                            "effort", effort_of(recipe, 0, 6, 4), "lossless",
	                            recipe->lossless, "smart_subsample",
	                            recipe->chroma == CHROMA_444, "strip", strip, NULL);
}

static int save_heif(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                     bool strip)
{
	bool is_deep = vips_image_get_format(image) == VIPS_FORMAT_USHORT;
	VipsForeignSubsample subsample = recipe->lossless ? VIPS_FOREIGN_SUBSAMPLE_OFF
	                                                  : subsample_of(recipe);

	return vips_heifsave_target(
		image, target, "Q", (int)engine_quality(recipe), "compression",
		recipe->format == FORMAT_AVIF ? VIPS_FOREIGN_HEIF_COMPRESSION_AV1
					      : VIPS_FOREIGN_HEIF_COMPRESSION_HEVC,
		"effort", effort_of(recipe, 0, 9, 4), "lossless", recipe->lossless,
		"subsample_mode", subsample, "bitdepth", is_deep ? 12 : 8, "strip", strip,
		NULL);
}

static int save_jxl(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                    bool strip)
{
	return vips_jxlsave_target(image, target, "Q", (int)engine_quality(recipe),
	                           "effort", effort_of(recipe, 3, 9, 7), "lossless",
	                           recipe->lossless, "strip", strip, NULL);
}

static int save_tiff(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                     bool strip)
{
	(void)recipe;
	return vips_tiffsave_target(image, target, "compression",
	                            VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor",
	                            VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, "strip",
	                            strip, NULL);
}

static int save_gif(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                    bool strip)
{
	return vips_gifsave_target(image, target, "effort", effort_of(recipe, 1, 10, 7),
	                           "interlace", recipe->progressive, "strip", strip,
	                           NULL);
}

static int save_jp2(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                    bool strip)
{
	/* Chroma is never subsampled. libvips 8.14.1 cannot read files with subsampled chroma, and
	 * it aborts when it writes subsampled chroma for a picture that does not have three
	 * bands. */
	return vips_jp2ksave_target(image, target, "Q", (int)engine_quality(recipe),
	                            "lossless", recipe->lossless, "subsample_mode",
	                            VIPS_FOREIGN_SUBSAMPLE_OFF, "strip", strip, NULL);
}

static int save_pnm(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                    bool strip)
{
	(void)recipe;
	return vips_ppmsave_target(image, target, "format",
	                           vips_image_get_bands(image) < 3
	                                   ? VIPS_FOREIGN_PPM_FORMAT_PGM
	                                   : VIPS_FOREIGN_PPM_FORMAT_PPM,
	                           "strip", strip, NULL);
}

/* Save as HDR, which stores linear light: convert the samples first. */
static int save_hdr(VipsImage *image, VipsTarget *target, const struct recipe *recipe,
                    bool strip)
{
	VipsImage *light = NULL, *coded = NULL;
	int error = vips_colourspace(image, &light, VIPS_INTERPRETATION_scRGB, NULL) ||
	            vips_float2rad(light, &coded, NULL) ||
	            vips_radsave_target(coded, target, "strip", strip, NULL);

	(void)recipe;
	VIPS_UNREF(light);
	VIPS_UNREF(coded);
	return error;
}

static int (*const savers[N_FORMATS])(VipsImage *image, VipsTarget *target,
                                      const struct recipe *recipe, bool strip) = {
	[FORMAT_JPEG] = save_jpeg, [FORMAT_PNG] = save_png,   [FORMAT_WEBP] = save_webp,
	[FORMAT_HEIC] = save_heif, [FORMAT_AVIF] = save_heif, [FORMAT_JXL] = save_jxl,
	[FORMAT_TIFF] = save_tiff, [FORMAT_GIF] = save_gif,   [FORMAT_JP2] = save_jp2,
	[FORMAT_PNM] = save_pnm,   [FORMAT_HDR] = save_hdr,
};

/* Make an image that borrows plain pixels. */
static VipsImage *image_of_pixels(const struct pixels *pixels)
{
	size_t n = (size_t)pixels->size.width * pixels->size.height * pixels->n_bands;
	VipsImage *image = vips_image_new_from_memory(
		pixels->bytes, n, (int)pixels->size.width, (int)pixels->size.height,
		(int)pixels->n_bands, VIPS_FORMAT_UCHAR);

	if (image)
		image->Type = pixels->n_bands < 3 ? VIPS_INTERPRETATION_B_W
		                                  : VIPS_INTERPRETATION_sRGB;
	return image;
}

static bool has_profile(VipsImage *image)
{
	return vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0;
}

/* Remove the metadata that libvips 8.14.1 always writes, whether or not it was requested: EXIF in a
 * JPEG that is not stripped, EXIF in every WebP, a density in every PNG. It is removed before the
 * file is written, because the memfd cannot become shorter. Returns the new length. */
static size_t drop_inventions(const struct recipe *recipe, uint8_t *bytes, size_t n)
{
	switch (recipe->format) {
	case FORMAT_JPEG:
		return jpeg_drop_exif(bytes, n);
	case FORMAT_WEBP:
		return webp_drop_exif(bytes, n);
	case FORMAT_PNG:
		return png_drop_density(bytes, n);
	default:
		return n;
	}
}

/* Whether at least one pixel of the image is not opaque. */
static bool is_transparent(VipsImage *image)
{
	double opaque = vips_image_get_format(image) == VIPS_FORMAT_USHORT ? UINT16_MAX
	                                                                   : UINT8_MAX;
	VipsImage *alpha = NULL;
	double least = opaque;

	if (vips_image_hasalpha(image) &&
	    !vips_extract_band(image, &alpha, vips_image_get_bands(image) - 1, NULL))
		(void)vips_min(alpha, &least, NULL);
	VIPS_UNREF(alpha);
	return least < opaque;
}

/* Set the alpha flag of a WebP animation that has transparent pixels. libwebp crops transparent
 * borders from the frames. If the cropped frames have no transparent pixel, libwebp does not set
 * the flag, and readers show an opaque canvas. */
static void mark_transparent(VipsImage *image, const struct recipe *recipe,
                             uint8_t *bytes, size_t n)
{
	enum { FLAGS_AT = 20, FLAG_ANIMATION = 0x02, FLAG_ALPHA = 0x10 };

	if (recipe->format == FORMAT_WEBP && n > FLAGS_AT &&
	    memcmp(bytes + 12, "VP8X", 4) == 0 && bytes[FLAGS_AT] & FLAG_ANIMATION &&
	    is_transparent(image))
		bytes[FLAGS_AT] |= FLAG_ALPHA;
}

static bool has_inventions(const struct recipe *recipe, bool strip)
{
	return recipe->format == FORMAT_WEBP || recipe->format == FORMAT_PNG ||
	       (recipe->format == FORMAT_JPEG && !strip);
}

/* Whether the output begins at offset 0 of the descriptor. Only then may a saver write to the
 * descriptor itself, because the savers of TIFF and JPEG 2000 seek to offsets from the beginning of
 * the descriptor. */
static bool is_first_output(int output)
{
	return lseek(output, 0, SEEK_CUR) == 0;
}

static bool save_by_memory(VipsImage *image, const struct recipe *recipe, bool strip,
                           int output)
{
	VipsTarget *target = vips_target_new_to_memory();
	VipsBlob *blob = NULL;
	uint8_t *bytes;
	bool is_saved = target && !savers[recipe->format](image, target, recipe, strip);
	size_t n;

	/* The blob is read as a property. vips_target_steal() of libvips 8.14.1 would crash here,
	 * because the saver has already ended the target. */
	if (is_saved)
		g_object_get(target, "blob", &blob, NULL);
	VIPS_UNREF(target);
	if (!blob)
		return false;
	bytes = VIPS_AREA(blob)->data;
	n = VIPS_AREA(blob)->length;
	n = drop_inventions(recipe, bytes, n);
	mark_transparent(image, recipe, bytes, n);
	is_saved = fd_write_all(output, bytes, n);
	if (!is_saved) {
		struct failure failure;

		engine_fail_to_write(&failure);
		vips_error("write", "%s", failure.text);
	}
	vips_area_unref(VIPS_AREA(blob));
	return is_saved;
}

static bool save_image(VipsImage *image, const struct recipe *recipe, int output)
{
	/* The profile is the only metadata that a saver may write. */
	bool strip = !has_profile(image);
	VipsTarget *target;
	bool is_saved;

	if (has_inventions(recipe, strip) || !is_first_output(output))
		return save_by_memory(image, recipe, strip, output);
	target = vips_target_new_to_descriptor(output);
	is_saved = target && !savers[recipe->format](image, target, recipe, strip);
	VIPS_UNREF(target);
	return is_saved;
}

/* Whether the error text says that memory or threads were lacking. If so, the failure does not show
 * whether the saver has its codec. */
static bool is_lack_of_resources(const char *errors)
{
	/* parts of messages of libvips and its libraries */
	return strstr(errors, "creating thread") || strstr(errors, "memory") ||
	       strstr(errors, "webpsave: unable to encode");
}

/* Find out whether a saver works: let it write a small picture. A saver may exist without its
 * codec, because the codecs of libheif are plugins. Returns 1 if the saver works, -1 if it does
 * not, and 0 if memory or threads were lacking, so that the answer is not known. */
static signed char try_saver(enum image_format format)
{
	static uint8_t black[64 * 64 * 3];
	const struct pixels pixels = {.size = {64, 64}, .n_bands = 3, .bytes = black};
	const struct recipe recipe = {.format = format};
	VipsImage *image;
	VipsTarget *target;
	signed char result;

	if (!savers[format])
		return -1;
	image = image_of_pixels(&pixels);
	target = vips_target_new_to_memory();
	result = image && target && !savers[format](image, target, &recipe, true) ? 1
	                                                                          : -1;
	if (result < 0 &&
	    (!image || !target || is_lack_of_resources(vips_error_buffer())))
		result = 0;
	VIPS_UNREF(target);
	VIPS_UNREF(image);
	vips_error_clear();
	return result;
}

bool pv_writes(enum image_format format)
{
	/* Whether the engine can write each format. 1: yes; -1: no; 0: not known yet, which counts
	 * as yes. The answers 1 and -1 are kept until the process ends. */
	static _Atomic signed char known[N_FORMATS];

	if (!known[format])
		known[format] = try_saver(format);
	return known[format] >= 0;
}

bool pv_writes_profile(enum image_format format, const void *profile, size_t n)
{
	static uint8_t black[8 * 8 * 3];
	const struct pixels pixels = {
		.size = {8, 8},
		.n_bands = profile_has_space(profile, n, "GRAY") ? 1 : 3,
		.bytes = black,
	};
	const struct recipe recipe = {.format = format, .has_effort = true, .effort = 3};
	VipsImage *image;
	VipsTarget *target;
	VipsBlob *blob = NULL;
	bool is_written;

	if (format != FORMAT_PNG && format != FORMAT_JXL)
		return true;
	image = image_of_pixels(&pixels);
	target = vips_target_new_to_memory();
	if (image)
		vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, n);
	is_written = image && target && !savers[format](image, target, &recipe, false);
	if (is_written && format == FORMAT_PNG) {
		g_object_get(target, "blob", &blob, NULL);
		is_written = blob && memmem(VIPS_AREA(blob)->data,
		                            VIPS_AREA(blob)->length, "iCCP", 4);
	}
	if (blob)
		vips_area_unref(VIPS_AREA(blob));
	VIPS_UNREF(target);
	VIPS_UNREF(image);
	pv_clear_errors();
	return is_written;
}

bool pv_save(const struct rendering *rendering, const struct recipe *recipe, int output,
             struct failure *ret_failure)
{
	VipsImage *image = rendering->image;
	bool is_saved;

	pv_forget_messages();
	if (image)
		g_object_ref(image);
	else
		image = image_of_pixels(&rendering->pixels);
	is_saved = image && save_image(image, recipe, output);
	VIPS_UNREF(image);
	return is_saved || pv_fail(ret_failure, "encode", FAIL_INTERNAL);
}
