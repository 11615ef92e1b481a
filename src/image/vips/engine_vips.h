/*
 * The parts of the vips engine: engine_vips.c is the struct engine and derives outputs: colour,
 * scaling, turning, placing, metadata; pv_load.c reads, checks and estimates; pv_draw.c draws SVG
 * and PDF; pv_filters.c has the filters; pv_save.c writes.
 *
 * A step takes an image that it owns and leaves another in its place. When a step fails,
 * the reason is in the job's failure or in libvips' error buffer, from which the caller
 * fetches it.
 */
#ifndef PXP_ENGINE_VIPS_H
#define PXP_ENGINE_VIPS_H

#include "image/raster/raster.h"
#include "image/reader.h"

#include <vips/vips.h>

/* A source, from pv_claim_source() to pv_close_source(), or the pixels of another engine. */
struct pv_state {
	/* NULL when another engine or a reader decodes */
	VipsSource *bytes;
	const struct reader *reader; /* NULL: libvips decodes */
	struct reading reading;      /* of the reader */
	/* the picture, if image/raster reads it; else its bytes are NULL */
	struct raster raster;
	/* What replaces the embedded profile, if has_own_colours: a profile made from other
	 * parts of the file; NULL: none, which means sRGB. */
	bool has_own_colours;
	uint8_t *profile;
	size_t n_profile;
	/* The transfer of HDR in CICP; 0: the picture is not HDR. */
	unsigned hdr_transfer;
	/* The decoded picture that several outputs are derived from: all frames, in
	 * memory. Else NULL. */
	VipsImage *decoded;
	uint32_t n_decoded; /* frames in it */
	/* Of a TIFF: the directories, and those before the first page. */
	uint32_t n_directories, first_page;
	struct size stored;   /* of a frame, not turned */
	bool is_turned_by_us; /* libvips does not know the orientation */
	int orientation;      /* to be applied; 1 with no_rotate */
	bool is_deep;         /* more than 8 bits per sample */
	/* float RGB without alpha: linear light, which may exceed 1 */
	bool is_light;
	bool is_cmyk, has_alpha;
	/* Samples that libvips would misread: 32-bit integers, which it takes for 8-bit
	 * ones, and packed Lab, from which it makes coarse colours. */
	bool has_odd_samples;
	/* An SVG: its RsvgHandle, and its exact size and place in CSS pixels; stored is rounded. */
	void *svg;
	double svg_width, svg_height, svg_x, svg_y;
	/* What a compressed SVG holds. */
	void *unpacked;
	size_t n_unpacked;
};

/* One output on its way through the steps. */
struct pv_job {
	const struct pv_state *state;
	enum image_format from; /* the input's format */
	const struct pixels
		/* The pixels that another engine decoded; NULL: this engine decodes. */
		*lent;
	struct size size;  /* of the upright picture */
	uint32_t n_frames; /* of the output */
	const struct picture_variant *variant;
	const struct recipe *recipe; /* the variant's */
	struct failure *failure;
	const struct format_info *to; /* the output's format */
	struct filter_chain before, after;
	/* that of the recipe, or sRGB where the output must be sRGB */
	enum colour_space space;
	bool is_deep;  /* the output has 16 bits */
	bool is_light; /* float in linear light from end to end */
	bool keeps_cmyk;

	struct layout layout;
	bool has_layout;
	/* The area that trim left of the first frame; all frames use it. */
	struct area trimmed;
	bool has_trimmed;
	int part_x, part_y; /* The place that the search in the first frame found. */
	bool has_part;

	enum profile_kind { PROFILE_NONE, PROFILE_SRGB, PROFILE_OTHER } profile;
	bool is_cmyk, is_grey;
	bool had_alpha; /* the picture, before anything was added or flattened */
	unsigned lost;  /* a mask of enum lost: what the output cannot hold */
	/* it was imported into the linear space of its profile for scaling */
	bool is_imported;
	bool is_tagged;     /* the output is not sRGB and carries its profile */
	bool shows_corners; /* a rotation left transparent corners */
};

/* Replace *image by *made, the result of an operation; or keep *image when there was an
 * error. Returns whether there was none. */
bool pv_replace(VipsImage **image, VipsImage **made, int error);

/* Turn the error buffer of libvips into a failure, unless there is one already, and empty
 * the buffer. Always false. */
bool pv_fail(struct failure *ret_failure, const char *stage, enum fail_class otherwise);

/* Forget the errors and warnings of earlier steps. libvips keeps them until they are
 * cleared, and warnings about one picture would explain the failure of the next. */
void pv_forget_messages(void);

/* Copy the image into memory, where it can be read in any order. */
bool pv_to_memory(VipsImage **image);

/* Set when libvips refused a size without reporting an error: see engine_vips.c. */
extern bool pv_has_refused_size;

/* ---- engine_vips.c, for filters ---- */

/* Flatten alpha, if there is any, onto the background. */
bool pv_flatten_on_background(VipsImage **image, const struct pv_job *job);

bool pv_trim(VipsImage **image, struct pv_job *job, double threshold);
bool pv_rotate_by(VipsImage **image, struct pv_job *job, double degrees);

/* Call work for each of n_frames frames that stand one below the other. */
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

/* Load the frames of an output, one below the other: from the decoded or lent pixels, or
 * from the loader. The loader shrinks a JPEG or WebP where that leaves at least twice the
 * size that it will be scaled to. */
bool pv_load_frames(VipsImage **ret_image, const struct pv_job *job);

/* The factor by which the loader shrinks a JPEG or WebP: whole blocks for libjpeg, any
 * factor for libwebp; 1 for no shrinking. */
double pv_loader_shrink(const struct pv_job *job);

/* Give the image the colours that the state has for it. */
bool pv_set_colours(VipsImage **image, const struct pv_state *state);

/* Decode all frames into the state, shrunk by the loader, for several outputs. */
bool pv_decode_all(struct source *source, double shrink, struct failure *ret_failure);

uint64_t pv_decoder_memory(const struct picture_header *header,
                           const struct picture_variant *variants, unsigned n_variants);

bool pv_check(struct source *source, struct failure *ret_failure);

/* Convert the samples to plain kinds: packed codings are decoded, 32-bit integers become 16-bit
 * ones, signed samples become unsigned. Floats of a PFM, and grey floats without alpha whose
 * maximum is 1, are linear light. An image without a colour space gets one that fits its number
 * of bands. Bands beyond those of the space and one alpha are dropped. */
bool pv_normalise_samples(VipsImage **image);

/* ---- pv_draw.c: SVG and PDF ---- */

/* Find the fonts, if this process draws. It starts no thread. */
bool pv_draw_start(struct failure *ret_failure);
bool pv_draws(enum image_format format, struct failure *ret_failure);

/* The real folders of the fonts and of the CMap files of poppler, NULL at the end. */
const char *const *pv_font_folders(void);

/* The parts of pv_claim_source() and pv_load_frames() for drawings. */
bool pv_draw_open(struct source *source, struct failure *ret_failure);
void pv_draw_close(struct pv_state *state);
bool pv_draw_load(VipsImage **ret_image, const struct pv_job *job);

/* Look at a message of a library and remember it if it means that text was not drawn. */
void pv_draw_note_message(const char *domain, const char *message);
/* After drawing: whether no text is missing. Else a failure. */
bool pv_draw_has_all_text(enum image_format format, struct failure *ret_failure);

/* ---- pv_filters.c ---- */

/* The name of the first filter in a chain that the engine does not support; NULL if it supports
 * all. */
const char *pv_missing_filter(const struct filter_chain *chain);

/* Whether the output of the chain is grey; whether the chain also works on linear light above 1. */
bool pv_filters_make_grey(const struct filter_chain *chain);
bool pv_filters_keep_light(const struct filter_chain *chain);

/* Apply a chain to frames that stand one below the other. */
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
