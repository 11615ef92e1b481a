/*
 * The parts of the vips engine. engine_vips.c defines the struct engine and derives outputs:
 * colour, scaling, rotating, placing, metadata. pv_load.c loads and checks pictures and estimates
 * memory. pv_deflate.c decompresses profiles, and checks compressed pixels of a TIFF. pv_draw.c
 * draws SVG and PDF. pv_filters.c has the filters. pv_save.c writes files.
 *
 * A function for a step takes a pointer to an image. It releases this image and puts the resulting
 * image in its place. If a step fails, the reason is in the job's failure or in libvips' error
 * buffer. pv_fail() moves a reason from the error buffer to a failure.
 */
#ifndef PXP_ENGINE_VIPS_H
#define PXP_ENGINE_VIPS_H

#include "image/header/metadata_scan.h"
#include "image/raster/raster.h"
#include "image/reader.h"

#include <vips/vips.h>

/* The state of a source, from pv_claim_source() to pv_close_source(). If another engine has decoded
 * the pixels, only two members are set: `stored` and `orientation`. */
struct pv_state {
	/* The bytes of the file, for libvips. NULL: libvips does not load this file. */
	VipsSource *bytes;
	/* The reader that decodes the picture. NULL: no reader decodes it. */
	const struct reader *reader;
	struct reading reading; /* the picture that the reader has opened */
	/* The opened picture, if a reader of image/raster reads it. If not, raster.bytes is
	 * NULL. */
	struct raster raster;
	/* If has_own_colours is true, `profile` is used instead of the profile that libvips finds
	 * in the file, and a `profile` of NULL means that the picture is sRGB. */
	bool has_own_colours;
	uint8_t *profile;
	size_t n_profile;
	/* The transfer function of an HDR picture, as a number of CICP. 0: the picture is not
	 * HDR. */
	unsigned hdr_transfer;
	/* The decoded picture with all its frames. It is kept here if several outputs are derived
	 * from it. NULL: each output decodes the picture itself. */
	VipsImage *decoded;
	uint32_t n_decoded; /* the number of frames in the picture `decoded` */
	/* For a TIFF: the number of directories, and the index of the directory that has the first
	 * page. */
	uint32_t n_directories, first_page;
	struct tiff_samples tiff_samples;
	/* The subsampling of the chroma of a JPEG. */
	struct chroma_ratio chroma;
	struct size stored; /* size of a frame before it is turned upright */
	/* This engine turns the picture upright, because libvips does not find its orientation. */
	bool is_turned_by_us;
	/* The orientation to apply, as a number of EXIF. With no_rotate, an orientation in EXIF is
	 * not applied. An orientation that HEIC, AVIF, JPEG XL or PFM stores itself is always
	 * applied. */
	int orientation;
	bool is_deep; /* samples have more than 8 bits */
	/* The samples are linear light: float RGB without alpha, which may exceed 1. */
	bool is_light;
	bool is_cmyk, has_alpha;
	/* Before scaling, the samples must be converted, because libvips would misread them. It
	 * reads unsigned 32-bit integers as 8-bit integers, packed Lab with coarse colours, some
	 * floats as 0 to 255, YCbCr as RGB, and a sample that is not alpha as alpha. */
	bool has_odd_samples;
	/* For a JPEG 2000: the samples are YCbCr, and libvips does not convert them. */
	bool is_ycc;
	/* For an SVG: its RsvgHandle, and its exact size and position in CSS pixels. The member
	 * `stored` has the size in whole pixels. */
	void *svg;
	double svg_width, svg_height, svg_x, svg_y;
	/* The decompressed bytes of a compressed SVG, or the copy of a GIF that clear_canvas()
	 * makes. pv_close_source() frees them. */
	void *unpacked;
	size_t n_unpacked;
	/* For a JPEG without an end marker: it is not known yet whether its scans have all their
	 * blocks. If a block is missing, the picture fails. */
	bool is_unproven;
	/* For a JPEG without an end marker: a copy of its bytes, with an end marker added. */
	uint8_t *mended;
};

/* One output that is being made. */
struct pv_job {
	const struct pv_state *state;
	enum image_format from; /* format of the input */
	/* The pixels that another engine decoded; NULL: this engine decodes. */
	const struct pixels *lent;
	struct size size;  /* size of the upright input */
	uint32_t n_frames; /* number of frames of the output */
	const struct picture_variant *variant;
	const struct recipe *recipe; /* recipe of the variant */
	struct failure *failure;
	const struct format_info *to; /* format of the output */
	struct filter_chain before, after;
	/* The colour space of the output. It is the recipe's space, or sRGB if the output must be
	 * sRGB. */
	enum colour_space space;
	/* The rendering intent of the recipe, or another intent if the embedded profile has no
	 * table for the recipe's intent. */
	enum intent intent;
	bool is_deep;  /* the steps before encoding work on samples of 16 bits */
	bool is_light; /* all steps work on floats in linear light */
	bool keeps_cmyk;

	struct layout layout;
	bool has_layout;
	/* The area that the trim filter kept of the first frame. All other frames are cropped to
	 * this area, too. */
	struct area trimmed;
	bool has_trimmed;
	/* The position of the part to keep, as found in the first frame. It is set if has_part is
	 * true. */
	int part_x, part_y;
	bool has_part;

	enum profile_kind { PROFILE_NONE, PROFILE_SRGB, PROFILE_OTHER } profile;
	bool is_cmyk, is_grey;
	bool had_alpha; /* the input has alpha */
	/* A mask of enum lost: the properties that the output cannot have. */
	unsigned lost;
	/* The picture was converted through its profile to linear light, for scaling. */
	bool is_imported;
	bool is_tagged;     /* the output is not sRGB and contains its profile */
	bool shows_corners; /* a rotation left transparent corners */
};

/* Finish an operation of libvips that has put its result into *made. `error` is the value that the
 * operation returned. If it is 0, *image is released and replaced by *made, and the function
 * returns true. If not, *image stays, and the function returns false. */
bool pv_replace(VipsImage **image, VipsImage **made, int error);

/* Convert samples of 8 bits to 16 bits. `space` becomes the space of the image. The sample 255
 * becomes 65535. libvips itself makes 65280 of it in RGB and CMYK. */
bool pv_widen(VipsImage **image, VipsInterpretation space);

/* Convert the error buffer of libvips to a failure, and empty the buffer. A failure that is already
 * set does not change. If the text of the error is not known, the failure has the class
 * `otherwise`. Always returns false. */
bool pv_fail(struct failure *ret_failure, const char *stage, enum fail_class otherwise);

/* Forget all errors and warnings of this picture. Without this, they could be reported as the
 * reason for the failure of the next picture. */
void pv_forget_messages(void);

/* Forget all errors, but remember whether one of them means that the picture is damaged. */
void pv_clear_errors(void);

/* Judge the damage that libraries have reported since pv_forget_messages(). Sets is_damaged of the
 * source. If pixels are missing or wrong and fail_on does not accept that, the function sets a
 * failure and returns false. */
bool pv_accepts_damage(struct source *source, struct failure *ret_failure);

/* Copy the image into memory, so that its rows can be read in any order. */
bool pv_to_memory(VipsImage **image);

/* Whether libvips has refused a size without reporting an error. See take_log() in
 * engine_vips.c. */
extern bool pv_has_refused_size;

/* ---- engine_vips.c, used by filters ---- */

/* Blend an image with the background of the recipe, so that it has no alpha. */
bool pv_flatten_on_background(VipsImage **image, const struct pv_job *job);

bool pv_trim(VipsImage **image, struct pv_job *job, double threshold);
bool pv_rotate_by(VipsImage **image, struct pv_job *job, double degrees);

/* Call work() for each of the n_frames frames of an image, which are one below the other. */
bool pv_each_frame(VipsImage **image, uint32_t n_frames,
                   bool (*work)(VipsImage **image, void *data), void *data);

/* ---- pv_load.c ---- */

/* Start the libraries of the readers. */
bool pv_start_readers(void);

/* The name of the libvips loader that this engine uses for a format; NULL if it uses none. */
const char *pv_loader_of(enum image_format format);
bool pv_reads(enum image_format format);
enum claim pv_claim_source(struct source *source, struct failure *ret_reason);
void pv_close_source(struct source *source);

/* Whether vips_thumbnail_source() can shrink the picture during loading without shifting its
 * contents and without losing chroma that the output needs. */
bool pv_shrinks_exactly(const struct pv_job *job);

/* Load the frames of an output, one below the other. If this engine or another engine has already
 * decoded the picture, its pixels are used. If not, a loader reads the frames. A loader shrinks a
 * JPEG or WebP, but leaves at least twice the size to which the picture will be scaled. */
bool pv_load_frames(VipsImage **ret_image, const struct pv_job *job);

/* The factor by which the loader shrinks a JPEG or WebP with a single frame. For a JPEG the factor
 * is 1, 2, 4 or 8. For a WebP it is any number that is at least 1. 1: the loader does not
 * shrink. */
double pv_loader_shrink(const struct pv_job *job);

/* If state->has_own_colours is true, convert an HDR picture to SDR, and replace the profile of the
 * image by state->profile. If state->profile is NULL, the image then has no profile. */
bool pv_set_colours(VipsImage **image, const struct pv_state *state);

/* If the source is a JPEG with is_unproven, decode every pixel. Returns false with a failure if
 * more than the end marker is missing. Returns true for all other sources. */
bool pv_prove_whole(struct source *source, struct failure *ret_failure);

/* Decode all frames into state->decoded, for several outputs. If there is a single frame, the
 * loader shrinks it by the factor `shrink`. */
bool pv_decode_all(struct source *source, double shrink, struct failure *ret_failure);

uint64_t pv_decoder_memory(const struct picture_header *header,
                           const struct picture_variant *variants, unsigned n_variants);

bool pv_check(struct source *source, struct failure *ret_failure);

/* Convert the samples to simple kinds. Packed formats are decoded, unsigned 32-bit integers become
 * 16-bit integers, signed samples become unsigned, except those of Lab. Floats of a PFM are
 * converted as linear light. Grey floats without alpha are converted as linear light too, if no
 * sample exceeds 1. An image without a colour space gets one that fits its number of bands. At most
 * one band beyond the colours is kept, as alpha. */
bool pv_normalise_samples(VipsImage **image);

/* ---- pv_deflate.c ---- */

/* Decompress the profile of a PNG into state->profile, which is NULL if the profile is damaged or
 * too long. Returns false if memory ran out. */
bool pv_inflate_profile(struct pv_state *state, const uint8_t *bytes, size_t n);

/* If the source is a TIFF, check the strips and tiles that are compressed with deflate, because
 * libtiff does not read every checksum. At most n_directories directories are checked, beginning
 * with the first page. If a strip or tile is damaged, sets is_damaged of the source, and returns
 * false with a failure if fail_on does not accept that. */
bool pv_prove_strips(struct source *source, uint32_t n_directories,
                     struct failure *ret_failure);

/* ---- pv_draw.c: SVG and PDF ---- */

/* If this process draws, find the fonts and load the libraries that draw. The function starts no
 * thread. */
bool pv_draw_start(struct failure *ret_failure);
bool pv_draws(enum image_format format, struct failure *ret_failure);

/* The folders of the fonts and of poppler's CMap files. Symbolic links in the paths are resolved.
 * The list ends with NULL. */
const char *const *pv_font_folders(void);

/* These functions do for SVG and PDF what pv_claim_source(), pv_close_source() and pv_load_frames()
 * do for other formats. */
bool pv_draw_open(struct source *source, struct failure *ret_failure);
void pv_draw_close(struct pv_state *state);
bool pv_draw_load(VipsImage **ret_image, const struct pv_job *job);

/* Check a message that a library logs. Record it if it says that some text was not drawn. */
void pv_draw_note_message(const char *domain, const char *message);
/* Call this after drawing. Returns true if all text was drawn. If not, sets a failure and returns
 * false. */
bool pv_draw_has_all_text(enum image_format format, struct failure *ret_failure);

/* ---- pv_filters.c ---- */

/* The name of the first filter in a chain that the engine does not support. NULL: the engine
 * supports all of them. */
const char *pv_missing_filter(const struct filter_chain *chain);

/* pv_filters_make_grey(): whether a filter of the chain makes the output grey.
 * pv_filters_keep_light(): whether all filters of the chain also work on samples of linear light
 * that are greater than 1. */
bool pv_filters_make_grey(const struct filter_chain *chain);
bool pv_filters_keep_light(const struct filter_chain *chain);

/* Apply a chain to an image in which the frames are one below the other. */
bool pv_filters_apply(VipsImage **image, struct pv_job *job,
                      const struct filter_chain *chain, uint32_t n_frames);

/* Call work() for an image. If the image has alpha, its colours are multiplied by alpha before the
 * call and divided by alpha after it. max_alpha is the value of opaque alpha; 0: libvips' default
 * for the colour space. */
bool pv_with_alpha_in(VipsImage **image, double max_alpha,
                      bool (*work)(VipsImage **image, void *data), void *data);

/* ---- pv_save.c ---- */

/* Whether the saver of a format works. Also returns true as long as memory or threads were lacking
 * at each try, so that the answer is not known. */
bool pv_writes(enum image_format format);

/* Whether the saver of a format writes this profile. libpng leaves out a profile that it finds
 * invalid, and libjxl refuses it, although lcms2 may accept it. So the saver of PNG or JPEG XL
 * writes a small picture to find out. */
bool pv_writes_profile(enum image_format format, const void *profile, size_t n);

bool pv_save(const struct rendering *rendering, const struct recipe *recipe, int output,
             struct failure *ret_failure);

#endif
