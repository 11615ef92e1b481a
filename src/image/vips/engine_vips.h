/*
 * The parts of the vips engine: engine_vips.c is the struct engine and derives outputs: colour,
 * scaling, rotating, placing, metadata; pv_load.c loads, checks and estimates; pv_draw.c draws SVG
 * and PDF; pv_filters.c has the filters; pv_save.c writes.
 *
 * A step takes an image that it owns and leaves another in its place. If a step fails, the reason
 * is in the job's failure or in libvips' error buffer, from which the caller fetches it.
 */
#ifndef PXP_ENGINE_VIPS_H
#define PXP_ENGINE_VIPS_H

#include "image/header/metadata_scan.h"
#include "image/raster/raster.h"
#include "image/reader.h"

#include <vips/vips.h>

/* A source, from pv_claim_source() to pv_close_source(), or the pixels of another engine. */
struct pv_state {
	/* the libvips source; NULL if another engine or a reader decodes */
	VipsSource *bytes;
	const struct reader *reader; /* the reader; NULL: libvips decodes */
	struct reading reading;      /* the reader's picture */
	/* the picture, if image/raster reads it; otherwise its bytes are NULL */
	struct raster raster;
	/* The replacement of the embedded profile, if has_own_colours: a profile made from other
	 * parts of the file; NULL: the picture is sRGB. */
	bool has_own_colours;
	uint8_t *profile;
	size_t n_profile;
	/* The HDR transfer as in CICP; 0: the picture is not HDR. */
	unsigned hdr_transfer;
	/* The decoded picture, with all frames, from which several outputs are derived. Otherwise
	 * NULL. */
	VipsImage *decoded;
	uint32_t n_decoded; /* number of frames in the decoded picture */
	/* For a TIFF: the number of directories, and of those before the first page. */
	uint32_t n_directories, first_page;
	struct tiff_samples tiff_samples;
	/* The subsampling of the chroma of a JPEG. */
	struct chroma_ratio chroma;
	struct size stored;   /* size of a frame, not rotated */
	bool is_turned_by_us; /* libvips does not know the orientation */
	int orientation;      /* the orientation to apply; 1 with no_rotate */
	bool is_deep;         /* samples have more than 8 bits */
	/* samples are float RGB without alpha: linear light, which may exceed 1 */
	bool is_light;
	bool is_cmyk, has_alpha;
	/* Samples that libvips would misread: 32-bit integers, which it takes for 8-bit
	 * ones, and packed Lab, from which it makes coarse colours. */
	bool has_odd_samples;
	/* For an SVG: its RsvgHandle, and its exact size and position in CSS pixels; stored is
	 * rounded. */
	void *svg;
	double svg_width, svg_height, svg_x, svg_y;
	/* The uncompressed bytes of a compressed SVG, or a copy of a GIF with a transparent
	 * canvas. */
	void *unpacked;
	size_t n_unpacked;
	/* A JPEG without an end marker, and a copy of its bytes with one: the file is good only if
	 * all blocks of all scans are present. */
	bool is_unproven;
	uint8_t *mended;
};

/* One output that is being made. */
struct pv_job {
	const struct pv_state *state;
	enum image_format from; /* format of the input */
	const struct pixels
		/* The pixels that another engine decoded; NULL: this engine decodes. */
		*lent;
	struct size size;  /* size of the upright picture */
	uint32_t n_frames; /* layout of the output */
	const struct picture_variant *variant;
	const struct recipe *recipe; /* the profile of the variant */
	struct failure *failure;
	const struct format_info *to; /* format of the output */
	struct filter_chain before, after;
	/* colour space of the recipe, or sRGB if the output must be sRGB */
	enum colour_space space;
	bool is_deep;  /* the output has 16 bits */
	bool is_light; /* all steps work on floats in linear light */
	bool keeps_cmyk;

	struct layout layout;
	bool has_layout;
	/* The area that trim left in the first frame; all frames use it. */
	struct area trimmed;
	bool has_trimmed;
	int part_x, part_y; /* The position that the search in the first frame found. */
	bool has_part;

	enum profile_kind { PROFILE_NONE, PROFILE_SRGB, PROFILE_OTHER } profile;
	bool is_cmyk, is_grey;
	bool had_alpha; /* the picture, before anything was added or flattened */
	/* A mask of enum lost: the properties that the output cannot have. */
	unsigned lost;
	/* the picture was imported into the linear space of its profile for scaling */
	bool is_imported;
	bool is_tagged;     /* the output is not sRGB and carries its profile */
	bool shows_corners; /* a rotation left transparent corners */
};

/* Replace *image by *made, the result of an operation; or keep *image if there was an error.
 * Returns whether the operation succeeded. */
bool pv_replace(VipsImage **image, VipsImage **made, int error);

/* Convert the error buffer of libvips to a failure, unless there is one already, and empty the
 * buffer. Always returns false. */
bool pv_fail(struct failure *ret_failure, const char *stage, enum fail_class otherwise);

/* Forget the errors and warnings of earlier steps. libvips keeps them until they are
 * cleared, and warnings about one picture would explain the failure of the next. */
void pv_forget_messages(void);

/* Forget the errors, except whether they tell of damage. */
void pv_clear_errors(void);

/* Whether a library has reported, since pv_forget_messages(), that pixels are missing or wrong. */
bool pv_has_damage(void);

/* Copy the image into memory, where it can be read in any order. */
bool pv_to_memory(VipsImage **image);

/* Set when libvips refused a size without reporting an error: see engine_vips.c. */
extern bool pv_has_refused_size;

/* ---- engine_vips.c, used by filters ---- */

/* Blend alpha, if there is any, with the background. */
bool pv_flatten_on_background(VipsImage **image, const struct pv_job *job);

bool pv_trim(VipsImage **image, struct pv_job *job, double threshold);
bool pv_rotate_by(VipsImage **image, struct pv_job *job, double degrees);

/* Call work for each of n_frames frames, which are stored one below the other. */
bool pv_each_frame(VipsImage **image, uint32_t n_frames,
                   bool (*work)(VipsImage **image, void *data), void *data);

/* ---- pv_load.c ---- */

/* Start the libraries of the readers. */
bool pv_start_readers(void);

/* The name of the libvips loader for a format; NULL if no loader reads it from memory. */
const char *pv_loader_of(enum image_format format);
bool pv_reads(enum image_format format);
enum claim pv_claim_source(struct source *source, struct failure *ret_reason);
void pv_close_source(struct source *source);

/* Whether vips_thumbnail_source() would shrink while loading without shifting the
 * picture. */
bool pv_shrinks_exactly(const struct pv_job *job);

/* Load the frames of an output, one below the other: from the decoded or lent pixels, or from the
 * loader. The loader shrinks a JPEG or WebP if that leaves at least twice the size to which it will
 * be scaled. */
bool pv_load_frames(VipsImage **ret_image, const struct pv_job *job);

/* The factor by which the loader shrinks a JPEG or WebP: whole blocks for libjpeg, any
 * factor for libwebp; 1 for no shrinking. */
double pv_loader_shrink(const struct pv_job *job);

/* Set the colours of the image to those in the state. */
bool pv_set_colours(VipsImage **image, const struct pv_state *state);

/* Whether only the end marker is missing in a JPEG. Every pixel is decoded to find out. */
bool pv_prove_whole(struct source *source, struct failure *ret_failure);

/* Decode all frames into the state, shrunk by the loader, for several outputs. */
bool pv_decode_all(struct source *source, double shrink, struct failure *ret_failure);

uint64_t pv_decoder_memory(const struct picture_header *header,
                           const struct picture_variant *variants, unsigned n_variants);

bool pv_check(struct source *source, struct failure *ret_failure);

/* Convert the samples to simple kinds: packed formats are decoded, 32-bit integers become 16-bit
 * ones, signed samples become unsigned. Floats of a PFM, and grey floats without alpha whose
 * maximum is 1, are linear light. An image without a colour space gets one that fits its number of
 * bands. Bands beyond those of the space and one alpha are dropped. */
bool pv_normalise_samples(VipsImage **image);

/* ---- pv_draw.c: SVG and PDF ---- */

/* Find the fonts, if this process draws. Starts no thread. */
bool pv_draw_start(struct failure *ret_failure);
bool pv_draws(enum image_format format, struct failure *ret_failure);

/* The real folders of the fonts and of the CMap files of poppler, ended by NULL. */
const char *const *pv_font_folders(void);

/* The parts of pv_claim_source() and pv_load_frames() for SVG and PDF. */
bool pv_draw_open(struct source *source, struct failure *ret_failure);
void pv_draw_close(struct pv_state *state);
bool pv_draw_load(VipsImage **ret_image, const struct pv_job *job);

/* Check a message of a library, and record it if it means that text was not drawn. */
void pv_draw_note_message(const char *domain, const char *message);
/* After drawing: whether all text was drawn; otherwise sets a failure. */
bool pv_draw_has_all_text(enum image_format format, struct failure *ret_failure);

/* ---- pv_filters.c ---- */

/* The name of the first filter in a chain that the engine does not support; NULL if it supports
 * all. */
const char *pv_missing_filter(const struct filter_chain *chain);

/* Whether the output of the chain is grey; whether the chain also works on linear light above 1. */
bool pv_filters_make_grey(const struct filter_chain *chain);
bool pv_filters_keep_light(const struct filter_chain *chain);

/* Apply a chain to frames that are stored one below the other. */
bool pv_filters_apply(VipsImage **image, struct pv_job *job,
                      const struct filter_chain *chain, uint32_t n_frames);

/* Call work with premultiplied colours if there is alpha. max_alpha is the value that
 * means opaque; 0: the default of libvips for the space. */
bool pv_with_alpha_in(VipsImage **image, double max_alpha,
                      bool (*work)(VipsImage **image, void *data), void *data);

/* ---- pv_save.c ---- */

bool pv_writes(enum image_format format);
bool pv_save(const struct rendering *rendering, const struct recipe *recipe, int output,
             struct failure *ret_failure);

#endif
