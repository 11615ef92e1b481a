/*
 * The vips engine: libvips with one thread, no cache, and the bytes of a picture given as
 * memory.
 *
 * There are two ways to make an output. The quick one is vips_thumbnail_source(), which
 * shrinks while it loads. It is told the size that we computed and to force it; fail_on
 * goes into the option string, because libvips 8.14.1 ignores the argument. It handles 8
 * bits and one frame, no filters before scaling and no other kernels. Everything else
 * takes the careful way, step by step. Both ways end in the same steps, and everything is
 * decoded into memory before anything is encoded.
 */
#include "image/vips/engine_vips.h"

#include "image/memory_estimate.h"
#include "image/vips/fonts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PIXPOOL_SANITIZE
/* x265 leaks a little for each picture, and the drawing libraries leak a little when they
 * start. These leaks are suppressed without a message, because any output of a sanitizer
 * fails a test. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:x265_malloc\nleak:libfontconfig.so\nleak:libpango\n"
	       "leak:librsvg-2.so\nleak:libpoppler\n";
}

const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}
#endif

bool pv_has_refused_size;

/* The last warning about the present picture. For a PNG, libvips reports the reason of a
 * failure by a warning only. */
static _Thread_local char last_warning[FAILURE_TEXT_BYTES];

void pv_forget_messages(void)
{
	vips_error_clear();
	last_warning[0] = 0;
}

/*
 * Libraries print warnings about things that are no failure. They are kept only until the
 * next picture. A side over VIPS_MAX_COORD is refused by a warning of GLib alone, and
 * libvips 8.14.1 goes on with a picture of one pixel.
 */
static void take_log(const char *domain, GLogLevelFlags level, const char *message,
                     void *data)
{
	(void)level;
	(void)data;
	if (domain && message)
		pv_draw_note_message(domain, message);
	if (domain && message && strcmp(domain, "VIPS") == 0)
		snprintf(last_warning, sizeof(last_warning), "%s", message);
	if (domain && message && strcmp(domain, "GLib-GObject") == 0 &&
	    strstr(message, "out of range for property"))
		pv_has_refused_size = true;
}

static bool pv_start(struct failure *ret_failure)
{
	/* Do not use temporary files: the memory limit decides. */
	setenv("VIPS_DISC_THRESHOLD", "16777216m", 1);
	/* Without this, OpenMP in the libraries of some loaders starts a thread for each
	 * processor. */
	setenv("OMP_NUM_THREADS", "1", 1);
	unsetenv("VIPS_MAX_THREADS");

	g_log_set_default_handler(take_log, NULL);
	if (vips_init("pixpool"))
		return pv_fail(ret_failure, "libvips does not start", FAIL_INTERNAL);
	vips_block_untrusted_set(engine_inputs_are_hostile());
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_cache_set_max_mem(0);
	vips_cache_set_max_files(0);
	if (!pv_start_readers())
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "libheif cannot load its plugins");
	return pv_draw_start(ret_failure);
}

/* The class of an error of libvips, and the line that explains it. Its errors are plain
 * text of several lines, and any of them may hold the reason. */
static enum fail_class class_of_text(const char **text, enum fail_class otherwise)
{
	static const struct {
		const char *words;
		enum fail_class class;
	} known[] = {
		{"Security limit exceeded", FAIL_TOO_BIG}, /* libheif's own limit */
		{"out of memory", FAIL_MEMORY},
		{"nsufficient memory", FAIL_MEMORY},
		{"emory allocation", FAIL_MEMORY},
		/* there is no memory for a stack */
		{"rror creating thread", FAIL_MEMORY},
		{"picture memory error", FAIL_MEMORY}, /* from libwebp */
		/* libvips does not give the reason of libwebp. Sides and options were
		 * checked before, so memory is left. */
		{"webpsave: unable to encode", FAIL_MEMORY},
		{"no known route", FAIL_UNSUPPORTED},
		{"nsupported codec", FAIL_UNSUPPORTED},
		{"nsupported JPEG process", FAIL_UNSUPPORTED},
		{"ompression scheme", FAIL_UNSUPPORTED},
		{"nsupported tiff", FAIL_UNSUPPORTED},
		{"nsupported feature", FAIL_UNSUPPORTED},
		{"separate planes not supported", FAIL_UNSUPPORTED},
		{"is encrypted", FAIL_UNSUPPORTED}, /* a PDF with a password */
		/* a TIFF of 64-bit or 12-bit samples */
		{"samples out of range", FAIL_UNSUPPORTED},
		{"not a whole number of bytes", FAIL_UNSUPPORTED},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *words = strstr(*text, known[i].words);

		if (!words)
			continue;
		while (words > *text && words[-1] != '\n')
			words--;
		*text = words;
		return known[i].class;
	}
	return otherwise;
}

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The line of libvips' errors that explains a failure. It is the first one, but libjpeg's
 * warnings stand before its error, and libheif's reader reports a read behind the end of the
 * file that does not matter. */
static const char *explaining_line(const char *said)
{
	const char *found = said;

	for (const char *line = said; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (begins_with(line, "VipsJpeg: "))
			found = line;
		else if (*line && begins_with(found, "source: bad seek"))
			found = line;
	}
	return found;
}

bool pv_fail(struct failure *ret_failure, const char *stage, enum fail_class otherwise)
{
	char text[FAILURE_TEXT_BYTES];
	const char *said = vips_error_buffer();
	enum fail_class class;

	if (!*said)
		said = last_warning;
	class = class_of_text(&said, otherwise);
	snprintf(text, sizeof(text), "%s",
	         class == otherwise ? explaining_line(said) : said);
	pv_forget_messages();
	if (ret_failure->class != FAIL_NONE)
		return false;
	engine_one_line(text);
	return failure_set(ret_failure, class, "%s: %s", stage,
	                   *text ? text : "libvips gives no reason");
}

bool pv_replace(VipsImage **image, VipsImage **made, int error)
{
	if (error)
		return false;
	g_object_unref(*image);
	*image = *made;
	*made = NULL;
	return true;
}

bool pv_to_memory(VipsImage **image)
{
	VipsImage *made = vips_image_copy_memory(*image);

	return pv_replace(image, &made, made == NULL);
}

/* Treat the pixels of another engine as a source of ours. */
static struct pv_state state_of_lent(const struct source *source,
                                     const struct pixels *lent)
{
	return (struct pv_state){.stored = lent->size,
	                         .orientation = (int)source->orientation};
}

static struct pv_job job_for(const struct source *source, const struct pv_state *state,
                             const struct picture_variant *variant,
                             struct failure *failure)
{
	const struct recipe *recipe = variant->recipe;
	struct pv_job job = {
		.state = state,
		.from = source->format,
		.size = source->size,
		.n_frames = source_frames(source, recipe),
		.variant = variant,
		.recipe = recipe,
		.failure = failure,
		.to = format_info(recipe->format),
		.space = recipe->space,
	};

	filters_split(&recipe->filters, &job.before, &job.after);
	/* Grey is sRGB grey: a profile for colours does not fit it. */
	if (pv_filters_make_grey(&job.after))
		job.space = SPACE_SRGB;
	/* HDR has one depth, and 8 bits would lose most of it. */
	job.is_light = recipe->format == FORMAT_HDR && state->is_light &&
	               pv_filters_keep_light(&recipe->filters);
	job.is_deep = recipe->format == FORMAT_HDR
	                      ? state->is_deep
	                      : job.to->has_depth &&
	                                (recipe->depth == DEPTH_16 ||
	                                 (recipe->depth == DEPTH_KEEP && state->is_deep));
	job.keeps_cmyk = state->is_cmyk && job.space == SPACE_KEEP &&
	                 recipe->filters.n == 0 && recipe->geometry.fit != FIT_CONTAIN &&
	                 (recipe->format == FORMAT_JPEG || recipe->format == FORMAT_TIFF);
	return job;
}

/* Find the layout now, where no filter before the scaling changes the size. */
static bool plan_layout(struct pv_job *job)
{
	if (job->before.n > 0)
		return true;
	job->has_layout = engine_layout(&job->layout, job->recipe, job->size,
	                                job->n_frames, job->failure);
	return job->has_layout;
}

static bool can_be_quick(const struct pv_job *job)
{
	const struct pv_state *state = job->state;
	struct size from = job->size, to = job->layout.scaled;

	/* vips_thumbnail_source() does not premultiply alpha when only one side changes. */
	bool is_uneven = (from.width == to.width) != (from.height == to.height);
	/* It shifts what it enlarges: see pv_geometry.c. */
	bool is_enlarged = to.width > from.width || to.height > from.height;

	/* It leaves all scaling of WebP to libwebp, and does it twice. */
	return !job->lent && !state->reader && !state->decoded && !state->raster.bytes &&
	       job->n_frames == 1 && !format_info(job->from)->is_drawn &&
	       job->from != FORMAT_WEBP && job->before.n == 0 && !job->recipe->linear &&
	       job->recipe->kernel == KERNEL_LANCZOS3 && !is_enlarged &&
	       !job->layout.is_focused && pv_shrinks_exactly(job) && !job->is_deep &&
	       !job->is_light && !state->is_cmyk && !state->has_odd_samples &&
	       !state->is_turned_by_us && !(state->has_alpha && is_uneven);
}

/* Decode, turn and scale in one call. */
static bool load_quickly(VipsImage **ret_image, struct pv_job *job)
{
	static const char *const options[N_FAIL_ONS] = {
		[FAIL_ON_ERROR] = "[fail_on=error]",
		[FAIL_ON_NONE] = "[fail_on=none]",
		[FAIL_ON_TRUNCATED] = "[fail_on=truncated]",
		[FAIL_ON_WARNING] = "[fail_on=warning]",
	};
	const struct pv_state *state = job->state;
	struct size to = job->layout.scaled;

	if (vips_thumbnail_source(state->bytes, ret_image, (int)to.width, "height",
	                          (int)to.height, "size", VIPS_SIZE_FORCE, "no_rotate",
	                          job->recipe->no_rotate, "option_string",
	                          options[job->recipe->fail_on], NULL))
		return false;
	return pv_colour_begin(ret_image, job);
}

/* Compute the layout from the size that the filters before scaling left. */
static bool find_layout(VipsImage *image, struct pv_job *job)
{
	const struct size size = {(uint32_t)vips_image_get_width(image),
	                          (uint32_t)vips_image_get_height(image)};

	if (job->has_layout)
		return true;
	job->has_layout = engine_layout(&job->layout, job->recipe, size, job->n_frames,
	                                job->failure);
	return job->has_layout;
}

/* Make an output frame of a stored frame, up to the filters after scaling. */
static bool make_frame(VipsImage **image, void *data)
{
	struct pv_job *job = data;
	const struct pv_state *state = job->state;
	/* Which of two pixels is the nearest depends on the direction. */
	bool is_turned_first = job->before.n > 0 ||
	                       job->recipe->kernel == KERNEL_NEAREST ||
	                       (job->has_layout && job->layout.is_focused);
	struct size to;

	if (!pv_colour_begin(image, job))
		return false;
	if (is_turned_first && (!pv_turn_upright(image, state->orientation) ||
	                        !pv_filters_apply(image, job, &job->before, 1)))
		return false;
	if (!find_layout(*image, job))
		return false;
	if (!pv_focus(image, job))
		return false;
	/* Turning after scaling is cheaper, and lets the large picture stream. */
	to = job->layout.scaled;
	if (!is_turned_first && state->orientation > 4)
		to = (struct size){to.height, to.width};
	return (!job->recipe->linear || pv_colour_linear(image, job)) &&
	       pv_scale_to(image, job, to) && pv_colour_finish(image, job) &&
	       (is_turned_first || pv_turn_upright(image, state->orientation)) &&
	       pv_place(image, job);
}

static bool load_carefully(VipsImage **ret_image, struct pv_job *job)
{
	return pv_load_frames(ret_image, job) &&
	       pv_each_frame(ret_image, job->n_frames, make_frame, job);
}

/* Leave only the metadata that the output gets. */
static void label(VipsImage *image, const struct pv_job *job)
{
	uint32_t n_frames = job->n_frames;

	pv_meta_filter(image, job);
	if (n_frames == 1) {
		vips_image_remove(image, VIPS_META_PAGE_HEIGHT);
		vips_image_remove(image, VIPS_META_N_PAGES);
		vips_image_remove(image, "delay");
		vips_image_remove(image, "loop");
		return;
	}
	vips_image_set_int(image, VIPS_META_PAGE_HEIGHT,
	                   vips_image_get_height(image) / (int)n_frames);
	vips_image_set_int(image, VIPS_META_N_PAGES, (int)n_frames);
}

static bool make_image(VipsImage **ret_image, struct pv_job *job)
{
	uint32_t n_frames = job->n_frames;

	if (job->has_layout && can_be_quick(job)) {
		if (!load_quickly(ret_image, job) || !pv_colour_finish(ret_image, job) ||
		    !pv_place(ret_image, job))
			return false;
	} else if (!load_carefully(ret_image, job)) {
		return false;
	}
	if (job->after.n > 0 &&
	    (!pv_to_memory(ret_image) ||
	     !pv_filters_apply(ret_image, job, &job->after, n_frames)))
		return false;
	if ((!job->to->has_alpha ||
	     (job->shows_corners && job->recipe->background.is_set)) &&
	    !pv_flatten_on_background(ret_image, job))
		return false;
	return pv_to_memory(ret_image);
}

/* Nothing to do for one output: derive() decodes while it works. A drawing is drawn again
 * for each output, at its size. */
static bool pv_decode(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	double shrink = HUGE_VAL;

	if (source->n_variants < 2 || format_info(source->format)->is_drawn)
		return true;
	for (unsigned i = 0; i < source->n_variants; i++) {
		struct pv_job job = job_for(source, state, &source->variants[i],
		                            ret_failure);

		if (!plan_layout(&job))
			return false;
		shrink = fmin(shrink, pv_loader_shrink(&job));
	}
	return pv_decode_all(source, shrink, ret_failure) ||
	       pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
}

static bool render(struct pv_job *job, struct rendering *ret_rendering)
{
	VipsImage *image = NULL;

	if (!plan_layout(job))
		return false;
	if (!make_image(&image, job)) {
		VIPS_UNREF(image);
		return pv_fail(job->failure, "decode", FAIL_BAD_IMAGE);
	}
	if (!pv_draw_has_all_text(job->from, job->failure)) {
		g_object_unref(image);
		return false;
	}
	label(image, job);
	ret_rendering->size = (struct size){(uint32_t)vips_image_get_width(image),
	                                    (uint32_t)vips_image_get_height(image) /
	                                            job->n_frames};
	ret_rendering->n_frames = job->n_frames;
	ret_rendering->image = image;
	if (job->is_tagged)
		ret_rendering->colour = job->space == SPACE_KEEP ? OUTPUT_AS_INPUT
		                                                 : OUTPUT_OTHER_SPACE;
	ret_rendering->free_image = g_object_unref;
	return true;
}

static bool pv_derive(struct source *source, const struct pixels *lent,
                      const struct picture_variant *variant, bool is_last,
                      struct rendering *ret_rendering, struct failure *ret_failure)
{
	struct pv_state of_lent = {0};
	struct pv_job job;

	(void)is_last;
	if (lent)
		of_lent = state_of_lent(source, lent);
	job = job_for(source, lent ? &of_lent : source->state, variant, ret_failure);
	job.lent = lent;
	return render(&job, ret_rendering);
}

static enum claim pv_claim_output(const struct source *source, bool is_lent,
                                  const struct recipe *recipe, struct failure *ret_reason)
{
	const char *missing = pv_missing_filter(&recipe->filters);

	(void)source;
	(void)is_lent;
	if (!missing)
		return CLAIM_CAN;
	failure_set(ret_reason, FAIL_UNSUPPORTED, "the vips engine has no filter '%s'",
	            missing);
	return CLAIM_CANNOT;
}

/* Convert to 8 bits; it has 1 to 4 bands. */
static bool pv_make_plain(struct rendering *rendering, struct failure *ret_failure)
{
	VipsImage *image = rendering->image, *plain = NULL;
	struct pixels *pixels = &rendering->pixels;
	size_t n;

	if (vips_cast(image, &plain, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
		return pv_fail(ret_failure, "decode", FAIL_INTERNAL);
	*pixels = (struct pixels){
		.size = rendering->size,
		.n_bands = (unsigned)vips_image_get_bands(plain),
		.bytes = vips_image_write_to_memory(plain, &n),
		.free_bytes = g_free,
	};
	g_object_unref(plain);
	if (!pixels->bytes)
		return pv_fail(ret_failure, "decode", FAIL_MEMORY);
	g_object_unref(image);
	rendering->image = NULL;
	return true;
}

static void pv_say_version(char *text, size_t n_text)
{
	snprintf(text, n_text, "libvips %s", vips_version_string());
}

const struct engine engine_vips = {
	.name = "vips",
	.version = pv_say_version,
	.start = pv_start,
	.reads = pv_reads,
	.writes = pv_writes,
	.claim_source = pv_claim_source,
	.claim_output = pv_claim_output,
	.decoder_memory = pv_decoder_memory,
	.output_memory = memory_of_output,
	.decode = pv_decode,
	.check = pv_check,
	.derive = pv_derive,
	.close = pv_close_source,
	.make_plain = pv_make_plain,
	.encode = pv_save,
	.font_folders = fonts_folders,
	.draws = pv_draws,
};
