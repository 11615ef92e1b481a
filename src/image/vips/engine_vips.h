/*
 * The vips engine in parts, which meet here: engine_vips.c is the struct engine, pv_load.c
 * reads, pv_samples.c and pv_colour.c know spaces and depths, pv_geometry.c shapes, pv_filters.c has the
 * chain, pv_meta.c decides what metadata stays, pv_save.c writes, pv_check.c only looks.
 *
 * A step takes an image that it owns and leaves one in its place. When it fails, the reason
 * is in the job's failure or, for the caller to fetch, in libvips' error buffer.
 */
#ifndef PXP_ENGINE_VIPS_H
#define PXP_ENGINE_VIPS_H

#include "image/engine.h"

#include <vips/vips.h>

/* A source, from pv_claim_source() to pv_close_source(); or the pixels of another engine. */
struct pv_state {
	VipsSource *bytes; /* NULL when another engine decoded */
	/* What several outputs are derived from: all frames, in memory; else NULL. */
	VipsImage *decoded;
	uint32_t n_decoded;   /* frames in it */
	struct size stored;   /* of a frame, not turned */
	bool is_turned_by_us; /* libvips does not know the orientation */
	int orientation;      /* to be applied: 1 when the recipe leaves it alone */
	bool is_deep;         /* more than 8 bits a sample */
	bool is_light;        /* float RGB without alpha: light, which may be over 1 */
	bool is_cmyk, has_alpha;
	bool has_odd_samples; /* of 32 bit whole numbers, which libvips takes for 8 bit ones,
	                       * of packed Lab, of which it makes coarse colours, and others
	                       * whose most is not the most that it takes for it */
	double gain;          /* of the samples as they are read: 1 for most pictures */
	double true_width,
		true_height; /* of what is drawn: where stored had to be rounded up */
	void *unpacked;      /* what bytes are of, if not the source's own */
};

/* One output on its way through the steps. */
struct pv_job {
	const struct pv_state *state;
	enum image_format from; /* the input's format */
	const struct pixels
		*lent;     /* by the engine that decoded; NULL: this one decodes */
	struct size size;  /* of the picture, upright */
	uint32_t n_frames; /* that come out */
	const struct picture_variant *variant;
	const struct recipe *recipe; /* the variant's */
	struct failure *failure;
	const struct format_info *to; /* the output's format */
	struct filter_chain before, after;
	enum colour_space space; /* the recipe's, unless what comes out has to be sRGB */
	bool is_deep;            /* 16 bit come out */
	bool is_light;           /* float in linear light all the way */
	bool keeps_cmyk;

	struct layout layout;
	bool has_layout;
	struct area trimmed; /* what the first frame's trim left, for all frames */
	bool has_trimmed;
	int part_x, part_y; /* where the first frame's search found the part */
	bool has_part;

	enum profile_kind { PROFILE_NONE, PROFILE_SRGB, PROFILE_OTHER } profile;
	bool is_cmyk, is_grey;
	bool is_imported;   /* scaled in the profile's own linear space */
	bool is_tagged;     /* what comes out is not sRGB and carries its profile */
	bool shows_corners; /* a rotation left corners open */
};

/* An operation made *made of *image, or had an error: keep what it made, or *image. */
bool pv_replace(VipsImage **image, VipsImage **made, int error);

/* Turn libvips' error buffer into a failure (unless there is one already), and empty it. */
bool pv_fail(struct failure *ret_failure, const char *stage, enum fail_class otherwise);

/* Into memory, where it can be read in any order. */
bool pv_to_memory(VipsImage **image);

/* Set when libvips refused a size and went on without a failure: see engine_vips.c. */
extern bool pv_has_refused_size;

/* ---- pv_load.c ---- */

/* libvips' name of its loader, NULL where we do not ask it. */
const char *pv_loader_of(enum image_format format);
bool pv_reads(enum image_format format);
enum claim pv_claim_source(struct source *source, struct failure *ret_reason);
void pv_close_source(struct source *source);

/* Whether vips_thumbnail_source() would shrink while it loads only as much as leaves everything
 * where it was. */
bool pv_shrinks_exactly(const struct pv_job *job);

void pv_copy_metadata(VipsImage *image, enum image_format format);

/* The frames that an output gets, one below the other: from what was decoded or lent, or else from
 * the loader. A JPEG or WebP is shrunk by the loader where that leaves twice the size that it will
 * be scaled to. */
bool pv_load_frames(VipsImage **ret_image, const struct pv_job *job);

/* By how much the loader shrinks a JPEG or WebP: libjpeg by whole blocks, libwebp by any factor. 1:
 * not at all. */
double pv_loader_shrink(const struct pv_job *job);

/* Decode all frames for several outputs, shrunk by the loader, into the state. */
bool pv_decode_all(struct source *source, double shrink);

/* ---- pv_memory.c ---- */

uint64_t pv_decoder_memory(const struct picture_header *header,
                           const struct picture_variant *variants, unsigned n_variants);

/* ---- pv_draw.c: SVG and PDF ---- */

/* Where this process draws, find the fonts; it makes no thread. */
bool pv_draw_start(struct failure *ret_failure);
bool pv_draws(enum image_format format, struct failure *ret_failure);

/* A drawing's part in pv_claim_source() and pv_load_frames(). */
bool pv_draw_open(struct source *source, struct failure *ret_failure);
bool pv_draw_load(VipsImage **ret_image, const struct pv_job *job);

/* A message of a library: whether it means that text was not drawn is remembered. */
void pv_draw_note_message(const char *domain, const char *message);
/* Once all is drawn: whether the text is there too. */
bool pv_draw_has_all_text(enum image_format format, struct failure *ret_failure);

/* ---- pv_check.c ---- */

bool pv_check(struct source *source, struct failure *ret_failure);

/* ---- pv_samples.c ---- */

/* Whether they are light itself: as in HDR, and float ones of TIFF and PFM. */
bool pv_has_light(VipsImage *image);

bool pv_is_pfm(VipsImage *image);

/* Floats that do not say that they are light. libvips takes them for 0 to 255. */
bool pv_has_plain_floats(VipsImage *image);

/* Whether its samples say more than 8 bits do. Of most signed ones libvips, and so every tool
 * made with it, takes 0 to 255. */
bool pv_has_deep_samples(VipsImage *image);

/* Codings become plain numbers, 32 bit whole ones 16 bit, signed ones lose their sign; floats
 * of PFM, and grey ones without alpha that are 1 at most, are light; what has no space gets one
 * by its bands; of more bands than a space has only its own and one alpha are kept. */
bool pv_normalise_samples(VipsImage **image);

/* ---- pv_colour.c ---- */

/* To the space to work in: grey, RGB or CMYK, 8 or 16 bit. Notes its profile. */
bool pv_colour_begin(VipsImage **image, struct pv_job *job);
/* Around scaling in linear light. */
bool pv_colour_linear(VipsImage **image, struct pv_job *job);
/* To the space that comes out. */
bool pv_colour_finish(VipsImage **image, struct pv_job *job);

/* The values of a colour, alpha behind them, in the finished image's space and depth; image
 * is made RGB when it is grey and the colour is not. */
bool pv_colour_values(VipsImage **image, const struct pv_job *job,
                      const struct colour *colour, double values[5]);

/* The background, or white. */
struct colour pv_background(const struct pv_job *job);

/* Put alpha, if there is any, on the background. */
bool pv_flatten_on_background(VipsImage **image, const struct pv_job *job);

/* ---- pv_geometry.c ---- */

bool pv_scale_to(VipsImage **image, const struct pv_job *job, struct size to);
bool pv_turn_upright(VipsImage **image, int orientation);
/* Where little of what all would be scaled to is kept, go on with what that comes from. */
bool pv_focus(VipsImage **image, struct pv_job *job);
/* Cut the part out and put it on the canvas. */
bool pv_place(VipsImage **image, struct pv_job *job);
bool pv_trim(VipsImage **image, struct pv_job *job, double threshold);
bool pv_rotate_by(VipsImage **image, struct pv_job *job, double degrees);

/* Do something to each of the frames that stand one below the other. */
bool pv_each_frame(VipsImage **image, uint32_t n_frames,
                   bool (*work)(VipsImage **image, void *data), void *data);

/* ---- pv_filters.c ---- */

/* The first filter of a chain that this engine does not take, or NULL. */
const char *pv_missing_filter(const struct filter_chain *chain);

/* Whether the chain leaves nothing but grey; whether it works on light over 1 as well. */
bool pv_filters_make_grey(const struct filter_chain *chain);
bool pv_filters_keep_light(const struct filter_chain *chain);

/* Apply a chain to frames that stand one below the other. */
bool pv_filters_apply(VipsImage **image, struct pv_job *job,
                      const struct filter_chain *chain, uint32_t n_frames);

/* Do something with alpha multiplied in, where there is alpha. max_alpha is what covers; 0: what
 * libvips takes for that by the space. */
bool pv_with_alpha_in(VipsImage **image, double max_alpha,
                      bool (*work)(VipsImage **image, void *data), void *data);

/* ---- pv_meta.c ---- */

/* Take off an image, which is nobody else's, all metadata but what shall stay. */
void pv_meta_filter(VipsImage *image, const struct pv_job *job);

/* ---- pv_save.c ---- */

bool pv_writes(enum image_format format);
bool pv_save(const struct rendering *rendering, const struct recipe *recipe, int output,
             struct failure *ret_failure);

#endif
