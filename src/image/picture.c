/*
 * The steps for one picture: read the header and request memory, read the input completely, find
 * the engines, compare the header with the limits, decode once, derive and encode each output. At
 * the first failure the picture fails. The code that finds a failure also decides its class.
 */
#include "image/picture.h"

#include "base/clock.h"
#include "base/fd.h"
#include "image/engine.h"
#include "image/memory_estimate.h"
#include "image/picture_metadata.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- why no engine reads a picture, and what the user can do ---- */

static const char *way_out_of_drawing(void)
{
	switch (engine_drawing()) {
	case DRAWING_ELSEWHERE:
		return "only a worker that may read fonts can render this format";
	case DRAWING_UNSAFE:
		return "its text needs fonts, and without Landlock a worker that reads "
		       "fonts could read every file: --sandbox off renders it anyway";
	default:
		return "this build cannot render this format: a libvips with librsvg and "
		       "poppler is needed";
	}
}

/* Why pictures of a known format cannot be read, and what the user can do. */
static const char *way_out(enum image_format format)
{
	switch (format) {
	case FORMAT_RAW:
		return "convert it first, e.g. with darktable-cli or dcraw -T";
	case FORMAT_SVG:
	case FORMAT_PDF:
		return way_out_of_drawing();
	case FORMAT_ICO:
	case FORMAT_EXR:
		return "convert it to PNG first, e.g. with ImageMagick";
	case FORMAT_HEIC:
		return "install libheif with its libde265 decoder";
	case FORMAT_AVIF:
		return "install libheif with its aom or dav1d decoder";
	default:
		return "this build needs a libvips that reads this format";
	}
}

bool picture_refuse_format(enum image_format format, struct failure *ret_failure)
{
	if (format == FORMAT_NONE)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "format: not an image of any known format");
	return failure_set(ret_failure, FAIL_UNSUPPORTED, "format: %s cannot be read: %s",
	                   format_info(format)->name, way_out(format));
}

/* Set the failure of a picture that no engine reads. The failure gives the reason, and says what
 * the user can do. Always returns false. */
static bool engine_unsupported(const struct source *source, struct failure *ret_failure)
{
	static const struct recipe any_engine;
	const char *name = format_info(source->format)->name;

	if (source->format == FORMAT_NONE)
		return picture_refuse_format(FORMAT_NONE, ret_failure);
	if (source->format != FORMAT_RAW && !engine_trusts(source->format))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "format: %s is not read with --untrusted", name);
	if (source->format != FORMAT_RAW && source->reading->engine[0] &&
	    engine_that_reads(source->format, &any_engine))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"format: %s cannot be read by the requested engine, %s", name,
			source->reading->engine);
	return picture_refuse_format(source->format, ret_failure);
}

/* ---- the plan: which engine decodes the picture, and which engines make each output ---- */

/* The plan: which engine decodes the picture, and which engines derive and encode each output. */
struct engine_plan {
	/* The engine that has opened the source. If engine_plan_make() failed: the engine that
	 * returned CLAIM_FAILED for the source, or NULL. */
	const struct engine *decoder;
	struct planned_output {
		const struct engine *deriver;
		const struct engine *encoder;
	} outputs[PICTURE_MAX_VARIANTS];
	unsigned n_outputs;
};

/* A function that is called before an engine opens the picture. It returns false with a failure if
 * the engine must not open the picture. */
typedef bool engine_may_open_fn(void *data, const struct engine *engine,
                                struct failure *ret_failure);

/* Keep only the first reason, because the first engine that is asked is the preferred one. */
static void keep_reason(struct failure *kept, const struct failure *reason)
{
	if (kept->class == FAIL_NONE)
		*kept = *reason;
}

static bool find_decoder(struct engine_plan *plan, struct source *source,
                         engine_may_open_fn *may_open, void *data,
                         struct failure *ret_failure)
{
	/* A picture of an unknown format is also offered to the engines, because an engine of a
	 * test program may accept any bytes. */
	bool may_read = source->format == FORMAT_NONE || engine_trusts(source->format);
	struct failure reasons = {0};

	for (const struct engine *const *engine = engines; may_read && *engine;
	     engine++) {
		struct failure reason = {0};

		if (!engine_is_wanted(*engine, source->reading))
			continue;
		if (!may_open(data, *engine, ret_failure))
			return false;
		switch ((*engine)->claim_source(source, &reason)) {
		case CLAIM_CAN:
			plan->decoder = *engine;
			return true;
		case CLAIM_FAILED:
			plan->decoder = *engine;
			*ret_failure = reason;
			return false;
		case CLAIM_CANNOT:
			keep_reason(&reasons, &reason);
			break;
		}
	}
	if (reasons.class == FAIL_NONE)
		engine_unsupported(source, ret_failure);
	else
		*ret_failure = reasons;
	return false;
}

static const struct engine *find_deriver(const struct engine *decoder,
                                         const struct source *source,
                                         const struct recipe *recipe,
                                         struct failure *ret_failure)
{
	struct failure reasons = {0};

	for (const struct engine *const *engine = engines; *engine; engine++) {
		bool is_lent = *engine != decoder;
		struct failure reason = {0};

		if (!engine_is_wanted(*engine, recipe) ||
		    (is_lent && !decoder->lend_pixels))
			continue;
		switch ((*engine)->claim_output(source, is_lent, recipe, &reason)) {
		case CLAIM_CAN:
			return *engine;
		case CLAIM_FAILED:
			*ret_failure = reason;
			return NULL;
		case CLAIM_CANNOT:
			keep_reason(&reasons, &reason);
			break;
		}
	}
	*ret_failure = reasons;
	return NULL;
}

/* Find the engine that encodes an output: the engine that derives it, if this engine writes the
 * format, or else the first engine that writes the format. */
static const struct engine *find_encoder(const struct engine *deriver,
                                         const struct recipe *recipe,
                                         struct failure *ret_failure)
{
	const struct engine *encoder = deriver->writes(recipe->format)
	                                       ? deriver
	                                       : engine_that_writes(recipe->format,
	                                                            recipe);

	if (!encoder && recipe->engine[0])
		failure_set(ret_failure, FAIL_UNSUPPORTED,
		            "encode: %s cannot be written by the engine %s",
		            format_info(recipe->format)->name, recipe->engine);
	else if (!encoder)
		failure_set(ret_failure, FAIL_UNSUPPORTED,
		            "encode: %s cannot be written by this build",
		            format_info(recipe->format)->name);
	return encoder;
}

static bool plan_output(struct planned_output *ret_output, const struct engine *decoder,
                        const struct source *source, const struct recipe *recipe,
                        struct failure *ret_failure)
{
	ret_output->deriver = find_deriver(decoder, source, recipe, ret_failure);
	if (ret_output->deriver)
		ret_output->encoder = find_encoder(ret_output->deriver, recipe,
		                                   ret_failure);
	return ret_output->deriver && ret_output->encoder;
}

/*
 * Find out which engine does which part of the work. On success the source is open, and the caller
 * must close it with ret_plan->decoder->close(). If no engine accepts the picture or one of its
 * outputs, the source is closed, and the function returns false with a failure.
 */
static bool engine_plan_make(struct engine_plan *ret_plan, struct source *source,
                             engine_may_open_fn *may_open, void *data,
                             struct failure *ret_failure)
{
	*ret_plan = (struct engine_plan){0};
	if (!find_decoder(ret_plan, source, may_open, data, ret_failure))
		return false;
	for (unsigned i = 0; i < source->n_variants; i++) {
		if (!plan_output(&ret_plan->outputs[i], ret_plan->decoder, source,
		                 source->variants[i].recipe, ret_failure)) {
			ret_plan->decoder->close(source);
			ret_plan->decoder = NULL;
			return false;
		}
		ret_plan->n_outputs++;
	}
	return true;
}

/* ---- decode the picture and make the outputs ---- */

/* Free the memory of a rendering. A rendering that is all zeros is allowed. */
static void rendering_fini(struct rendering *rendering)
{
	if (rendering->image)
		rendering->free_image(rendering->image);
	pixels_fini(&rendering->pixels);
	*rendering = (struct rendering){0};
}

/* A worker's input buffer that is larger than this is freed after the picture. */
#define KEPT_BUFFER_BYTES ((size_t)64 << 20)

struct picture_worker {
	uint8_t *bytes;
	size_t n_bytes;
	struct picture_header header; /* the header of the current picture */
	/* The limit RLIMIT_FSIZE. It is stored here because the sandbox allows no call that reads
	 * it. */
	uint64_t max_file;
};

/*
 * Let the allocator keep freed memory for the next picture. Without this, the memory would go back
 * to the system and come back page by page, which would cost a sixth of the CPU time on large PNG
 * files.
 */
static void tune_memory(void)
{
#ifdef __GLIBC__
	pthread_attr_t attributes;

	/* The whole stack of a thread counts against a memory limit, so use the smallest stacks
	 * that libvips allows. */
	if (pthread_attr_init(&attributes) == 0) {
		if (pthread_attr_setstacksize(&attributes, 2 << 20) == 0)
			pthread_setattr_default_np(&attributes);
		pthread_attr_destroy(&attributes);
	}
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_ARENA_MAX, 2);
#endif
}

bool picture_preload(struct failure *ret_failure)
{
	tune_memory();
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if ((*engine)->start && !(*engine)->start(ret_failure))
			return false;
	}
	return true;
}

struct picture_worker *picture_worker_create(void)
{
	struct picture_worker *worker = calloc(1, sizeof(*worker));
	struct rlimit limit;

	if (!worker)
		return NULL;
	worker->max_file = UINT64_MAX;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		worker->max_file = limit.rlim_cur;
	return worker;
}

void picture_worker_destroy(struct picture_worker *worker)
{
	if (!worker)
		return;
	free(worker->bytes);
	free(worker);
}

static bool make_room(struct picture_worker *worker, size_t n)
{
	if (n <= worker->n_bytes)
		return true;

	/* realloc() would copy the old bytes, but they are not needed. */
	free(worker->bytes);
	worker->n_bytes = 0;
	worker->bytes = malloc(n);
	if (worker->bytes)
		worker->n_bytes = n;
	return worker->bytes != NULL;
}

static void trim_buffer(struct picture_worker *worker)
{
	if (worker->n_bytes <= KEPT_BUFFER_BYTES)
		return;
	free(worker->bytes);
	worker->bytes = NULL;
	worker->n_bytes = 0;
}

/* If the estimate for a picture exceeds this number of bytes, the allocator first gives the memory
 * of earlier pictures back to the system. */
#define TRIMMED_ESTIMATE_BYTES ((uint64_t)96 << 20)

/* The recipe that determines how the input is read. All recipes of a job require the same way of
 * reading (see reads_alike()), so this is the first recipe. */
static const struct recipe *reading_of(const struct picture_job *job)
{
	return job->variants[0].recipe;
}

static bool reads_alike(const struct recipe *a, const struct recipe *b)
{
	return a->no_rotate == b->no_rotate && strcmp(a->engine, b->engine) == 0 &&
	       a->fail_on == b->fail_on && a->max_pixels == b->max_pixels &&
	       a->max_frames == b->max_frames && a->max_file_bytes == b->max_file_bytes;
}

static bool check_job(const struct picture_job *job, struct failure *ret_failure)
{
	if (job->n_variants < 1 || job->n_variants > PICTURE_MAX_VARIANTS)
		return failure_set(
			ret_failure, FAIL_INTERNAL,
			"internal: a picture must have 1 to %d outputs, got %u",
			PICTURE_MAX_VARIANTS, job->n_variants);
	for (unsigned i = 1; i < job->n_variants; i++) {
		if (!reads_alike(job->variants[i].recipe, reading_of(job)))
			return failure_set(
				ret_failure, FAIL_INTERNAL,
				"internal: the outputs of one picture need different "
				"ways of reading it");
	}
	return true;
}

static bool ask_for_memory(const struct picture_job *job, const struct engine *decoder,
                           const struct picture_header *header, uint64_t n_frames,
                           struct failure *ret_failure)
{
	const struct engine *deriver = NULL;
	uint64_t estimate;

	if (!job->on_need ||
	    !picture_header_fits(header, reading_of(job), job->input_bytes))
		return true;
	for (size_t i = 0; engines[i] && !deriver && !job->decodes_only; i++)
		deriver = engine_is_wanted(engines[i], reading_of(job)) ? engines[i]
		                                                        : NULL;
	estimate = memory_estimate(decoder, deriver, header, job->variants,
	                           job->n_variants, job->input_bytes, n_frames);
#ifdef __GLIBC__
	if (estimate > TRIMMED_ESTIMATE_BYTES)
		malloc_trim(0);
#endif
	return job->on_need(job->data, estimate, ret_failure);
}

/* Read the header with our own code, before a library sees the input. Check the number of frames if
 * the output format has frames or the picture is only checked. Estimate from the header how much
 * memory the picture needs, and request this memory. */
static bool look_ahead(struct picture_worker *worker, const struct picture_job *job,
                       struct failure *ret_failure)
{
	struct picture_header *header = &worker->header;
	bool takes_frames = job->decodes_only;

	for (unsigned i = 0; i < job->n_variants; i++)
		takes_frames |= format_info(job->variants[i].recipe->format)->has_frames;
	picture_header_read(job->input, job->input_bytes, job->name, header);
	if (takes_frames &&
	    !picture_header_check_frames(header, reading_of(job), ret_failure))
		return false;
	return ask_for_memory(job, engine_that_reads(header->format, reading_of(job)),
	                      header, 1, ret_failure);
}

/* The size that the decoded picture has for an output. A drawing (SVG, PDF) is decoded at the
 * output's size, unless a filter comes before scaling. Every other picture counts with its own
 * size, even if a decoder reduces it. */
static struct size size_to_decode(const struct source *source,
                                  const struct recipe *recipe)
{
	struct filter_chain before, after;

	filters_split(&recipe->filters, &before, &after);
	if (!format_info(source->format)->is_drawn || source->n_variants == 0 ||
	    before.n > 0)
		return source->size;
	return geometry_size(&recipe->geometry, source->size);
}

static uint64_t area_of(struct size size)
{
	return (uint64_t)size.width * size.height;
}

/* The picture may be decoded at another size for each output. Returns the largest of these
 * sizes. */
static struct size largest_to_decode(const struct picture_job *job,
                                     const struct source *source)
{
	struct size largest = size_to_decode(source, job->variants[0].recipe);

	for (unsigned i = 1; i < job->n_variants; i++) {
		struct size size = size_to_decode(source, job->variants[i].recipe);

		if (area_of(size) > area_of(largest))
			largest = size;
	}
	return largest;
}

/* Request memory again if the picture is larger than its header said, if it has several frames, or
 * if look_ahead() expected another engine. */
static bool look_again(struct picture_worker *worker, const struct picture_job *job,
                       const struct engine *decoder, const struct source *source,
                       struct failure *ret_failure)
{
	struct picture_header *header = &worker->header;
	bool is_expected = decoder == engine_that_reads(header->format, reading_of(job));

	if (is_expected && source->n_frames <= 1 &&
	    area_of(source->size) <= area_of(header->size))
		return true;
	header->size = source->size;
	header->decoded = largest_to_decode(job, source);
	return ask_for_memory(job, decoder, header, source->n_frames, ret_failure);
}

static uint64_t max_input_bytes(const struct picture_job *job)
{
	uint64_t max = reading_of(job)->max_file_bytes;

	return max ? max : RECIPE_MAX_FILE_BYTES;
}

/* Find the size of the input. Some file systems report a size of 0 for a file until it is read. In
 * this case, the bytes are counted. */
static bool find_size(struct picture_job *job, struct failure *ret_failure)
{
	return job->input_bytes > 0 ||
	       fd_count(job->input, max_input_bytes(job), &job->input_bytes) ||
	       failure_set(ret_failure, fail_class_of_input_errno(errno), "read: %s",
	                   strerrordesc_np(errno));
}

/* Read the whole input. Fails if the file's length has changed since the file was opened. */
static bool read_input(struct picture_worker *worker, const struct picture_job *job,
                       struct failure *ret_failure)
{
	uint64_t cap = max_input_bytes(job);
	size_t n = (size_t)job->input_bytes;
	ssize_t got;

	if (job->input_bytes > cap)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "read: the file has %ju bytes; the limit is %ju",
		                   (uintmax_t)job->input_bytes, (uintmax_t)cap);
	if (n == SIZE_MAX || !make_room(worker, n + 1))
		return failure_set(ret_failure, FAIL_MEMORY,
		                   "read: no memory for %zu bytes", n);

	/* Reading one more byte shows whether the file has grown. */
	got = fd_pread_full(job->input, worker->bytes, n + 1, 0);
	if (got < 0)
		return failure_set(ret_failure, fail_class_of_input_errno(errno),
		                   "read: %s", strerrordesc_np(errno));
	if ((size_t)got != n)
		return failure_set(
			ret_failure, FAIL_VANISHED,
			"read: the length of the file changed while it was being read");
	if (n == 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "read: the file is empty");
	return true;
}

/* Check the size and the number of frames against the limits. */
static bool check_header(const struct source *source, struct size size,
                         struct failure *ret_failure)
{
	const struct recipe *recipe = source->reading;
	uint64_t max_pixels = recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS;
	uint64_t n_pixels = area_of(size);

	if (size.width == 0 || size.height == 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the width or the "
		                   "height is 0");
	if (recipe->max_frames && source->n_frames > recipe->max_frames)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the image has %u frames; the limit is %u",
		                   source->n_frames, recipe->max_frames);
	if (size.width > RECIPE_MAX_SIDE || size.height > RECIPE_MAX_SIDE)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the image is %u x %u, but a side can have "
		                   "at most %d pixels",
		                   size.width, size.height, RECIPE_MAX_SIDE);
	if (__builtin_mul_overflow(n_pixels, source->n_frames, &n_pixels))
		n_pixels = UINT64_MAX;
	if (n_pixels <= max_pixels)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "header: %u x %u%s is %ju pixels; the limit is %ju",
	                   size.width, size.height,
	                   source->n_frames > 1 ? " in all frames" : "",
	                   (uintmax_t)n_pixels, (uintmax_t)max_pixels);
}

/* Check the size of an output before the picture is decoded. If the recipe trims or rotates by an
 * angle other than a quarter turn, the size is not known yet. In this case, the size is checked
 * after these filters. */
static bool check_output(const struct recipe *recipe, const struct source *source,
                         struct failure *ret_failure)
{
	struct size from = source->size;
	struct filter_chain before, after;
	struct layout layout;

	filters_split(&recipe->filters, &before, &after);
	for (size_t i = 0; i < before.n; i++) {
		if (before.at[i].kind == FILTER_TRIM)
			return true;
		if (before.at[i].kind != FILTER_ROTATE)
			continue;
		if (!filter_is_quarter_turn(&before.at[i]))
			return true;
		if (fmod(before.at[i].number[0], 180) != 0)
			from = (struct size){from.height, from.width};
	}
	return engine_layout(&layout, recipe, from, source_frames(source, recipe),
	                     ret_failure);
}

static bool check_sizes(const struct picture_job *job, const struct source *source,
                        struct failure *ret_failure)
{
	if (!check_header(source, largest_to_decode(job, source), ret_failure))
		return false;
	for (unsigned i = 0; i < source->n_variants; i++) {
		if (!check_output(source->variants[i].recipe, source, ret_failure))
			return false;
	}
	return true;
}

/* The number of pixels from which the deadline is computed: the decoded pixels, plus the pixels of
 * each output except the first. */
static uint64_t count_pixels(const struct picture_job *job, const struct source *source)
{
	uint64_t n_pixels = area_of(largest_to_decode(job, source)) * source->n_frames;

	for (unsigned i = 1; i < source->n_variants; i++) {
		const struct recipe *recipe = source->variants[i].recipe;

		n_pixels += area_of(geometry_size(&recipe->geometry, source->size)) *
		            source_frames(source, recipe);
	}
	return n_pixels;
}

/* Whether the memfd has reached its maximum length. If it has, a failure to encode means that the
 * output is too long. */
static bool is_too_long(const struct picture_job *job)
{
	off_t end = lseek(job->output, 0, SEEK_END);
	uint64_t n = (uint64_t)end;

	return end >= 0 &&
	       ((job->max_output > 0 && n >= job->max_output) || n >= job->max_file);
}

/* Set the failure of an output that is too long. If the limit was inherited (ulimit -f), the class
 * is FAIL_IO: the picture is not to blame, so the failure is not remembered for the next batch. */
static bool fail_of_length(const struct picture_job *job, struct failure *ret_failure)
{
	if (job->max_output > 0 && job->max_output <= job->max_file)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "encode: the output has more than %ju bytes",
		                   (uintmax_t)job->max_output);
	return failure_set(ret_failure, FAIL_IO,
	                   "publish: the output has more than %ju bytes, which is "
	                   "the limit on file sizes (ulimit -f)",
	                   (uintmax_t)job->max_file);
}

/* Encode an output and append it to the memfd. */
static bool encode(const struct picture_job *job, const struct planned_output *planned,
                   struct rendering *rendering, const struct recipe *recipe,
                   struct picture_side *ret_out, struct failure *ret_failure)
{
	off_t n_before = lseek(job->output, 0, SEEK_END), n_after;
	bool is_done;

	if (rendering->image && planned->encoder != planned->deriver &&
	    !planned->deriver->make_plain(rendering, ret_failure))
		return false;
	ret_out->width = rendering->size.width;
	ret_out->height = rendering->size.height;
	is_done = planned->encoder->encode(rendering, recipe, job->output, ret_failure);
	n_after = lseek(job->output, 0, SEEK_END);
	if (!is_done && is_too_long(job))
		return fail_of_length(job, ret_failure);
	if (!is_done)
		return false;
	if (n_after <= n_before)
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "encode: the encoder wrote nothing");
	ret_out->offset = (uint64_t)n_before;
	ret_out->bytes = (uint64_t)(n_after - n_before);
	return true;
}

static bool add_metadata(const struct picture_job *job, const struct source *source,
                         const struct recipe *recipe, const struct output_facts *facts,
                         struct picture_side *out, struct failure *ret_failure)
{
	if (picture_metadata_write(source, recipe, facts, job->output, out, ret_failure))
		return true;
	if (is_too_long(job))
		return fail_of_length(job, ret_failure);
	return false;
}

/* Whether an output gets fewer frames or pages than the picture has. Returns LOST_PAGES or
 * LOST_ANIMATION, or 0 if the output gets all of them. */
static uint32_t find_lost_frames(const struct source *source, const struct recipe *recipe)
{
	if (source->n_stored <= source_frames(source, recipe))
		return 0;
	return source->format == FORMAT_TIFF || source->format == FORMAT_PDF
	               ? LOST_PAGES
	               : LOST_ANIMATION;
}

static bool make_output(const struct picture_job *job, const struct engine_plan *plan,
                        struct source *source, unsigned i, struct picture_answer *answer)
{
	const struct picture_variant *variant = &source->variants[i];
	const struct planned_output *planned = &plan->outputs[i];
	const struct pixels *lent = NULL;
	struct rendering rendering = {0};
	struct output_facts facts;
	bool is_last = i + 1 == source->n_variants, is_done;

	if (planned->deriver != plan->decoder) {
		lent = plan->decoder->lend_pixels(source, &answer->failure);
		if (!lent)
			return false;
	}
	is_done = planned->deriver->derive(source, lent, variant, is_last, &rendering,
	                                   &answer->failure);
	if (is_done && i == 0 && job->on_decoded)
		job->on_decoded(job->data);
	is_done = is_done && encode(job, planned, &rendering, variant->recipe,
	                            &answer->out[i], &answer->failure);
	facts = (struct output_facts){rendering.size, rendering.colour};
	answer->out[i].lost |= source->lost | rendering.lost |
	                       find_lost_frames(source, variant->recipe);
	/* Free the rendering before add_metadata(), which needs memory for the encoded file. */
	rendering_fini(&rendering);
	return is_done && add_metadata(job, source, variant->recipe, &facts,
	                               &answer->out[i], &answer->failure);
}

/* The argument `data` of may_open(). */
struct opening {
	struct picture_worker *worker;
	const struct picture_job *job;
};

/* An engine is going to open the picture. If look_ahead() expected another engine, request the
 * memory that this engine needs. */
static bool may_open(void *data, const struct engine *engine, struct failure *ret_failure)
{
	const struct opening *opening = data;
	const struct picture_header *header = &opening->worker->header;
	const struct recipe *reading = reading_of(opening->job);

	return engine == engine_that_reads(header->format, reading) ||
	       !engine->reads(header->format) ||
	       ask_for_memory(opening->job, engine, header, 1, ret_failure);
}

/* Find the engine that checks JPEGs strictly, and that the recipe allows. Returns NULL if there is
 * none. */
static const struct engine *strict_engine(const struct recipe *reading)
{
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if ((*engine)->is_strict && engine_is_wanted(*engine, reading) &&
		    (*engine)->reads(FORMAT_JPEG))
			return *engine;
	}
	return NULL;
}

/* Let the strict engine check a JPEG that another engine is going to decode, so that all commands
 * agree about which pictures are broken. If fail_on accepts damage, or the strict engine does not
 * read the JPEG, there is no check. Sets is_proved of the source if the strict engine has found no
 * missing or wrong pixel. Returns false with a failure if it has found one. */
static bool check_strictly(struct picture_worker *worker, const struct picture_job *job,
                           struct source *source, struct failure *ret_failure)
{
	const struct engine *strict = strict_engine(source->reading);
	struct opening opening = {worker, job};
	struct source checked = *source;
	struct failure failure = {0};

	if (source->format != FORMAT_JPEG || !strict ||
	    source->reading->fail_on == FAIL_ON_NONE ||
	    source->reading->fail_on == FAIL_ON_TRUNCATED)
		return true;
	checked.n_variants = 0; /* without outputs, the engine only checks the picture */
	checked.state = NULL;
	if (!may_open(&opening, strict, &failure) ||
	    strict->claim_source(&checked, &failure) != CLAIM_CAN)
		return true;
	source->is_proved = strict->check(&checked, &failure);
	strict->close(&checked);
	source->is_damaged |= checked.is_damaged;
	if (source->is_proved || failure.class != FAIL_BAD_IMAGE)
		return true;
	*ret_failure = failure;
	return false;
}

/* Process a picture that is open: check its pixels, or make its outputs. */
static bool work(struct picture_worker *worker, const struct picture_job *job,
                 const struct engine_plan *plan, struct source *source,
                 struct picture_answer *answer)
{
	answer->in.width = source->size.width;
	answer->in.height = source->size.height;
	if (!check_sizes(job, source, &answer->failure))
		return false;
	if (job->on_header)
		job->on_header(job->data, count_pixels(job, source));

	if (job->decodes_only)
		return plan->decoder->check(source, &answer->failure);
	if (!plan->decoder->is_strict &&
	    !check_strictly(worker, job, source, &answer->failure))
		return false;
	if (!plan->decoder->decode(source, &answer->failure))
		return false;
	for (unsigned i = 0; i < plan->n_outputs; i++) {
		if (!make_output(job, plan, source, i, answer))
			return false;
	}
	return true;
}

/* Process a source with the first engine that accepts it. */
static bool run_engine(struct picture_worker *worker, const struct picture_job *job,
                       struct source *source, struct picture_answer *answer)
{
	struct opening opening = {worker, job};
	struct engine_plan plan;
	bool is_planned, is_done;

	is_planned = engine_plan_make(&plan, source, may_open, &opening,
	                              &answer->failure);
	if (plan.decoder)
		snprintf(answer->engine, sizeof(answer->engine), "%s",
		         plan.decoder->name);
	if (!is_planned || !plan.decoder) {
		answer->is_to_draw = !plan.decoder &&
		                     format_info(source->format)->is_drawn &&
		                     engine_trusts(source->format) &&
		                     engine_drawing() == DRAWING_ELSEWHERE;
		return false;
	}
	is_done = look_again(worker, job, plan.decoder, source, &answer->failure) &&
	          work(worker, job, &plan, source, answer);
	plan.decoder->close(source);
	return is_done;
}

/* Process a source whose metadata has been read. A damaged picture fails if fail_on is
 * FAIL_ON_WARNING. */
static bool run_source(struct picture_worker *worker, const struct picture_job *job,
                       struct source *source, struct picture_answer *answer)
{
	bool is_done = run_engine(worker, job, source, answer);

	if (is_done && source->is_damaged && source->reading->fail_on == FAIL_ON_WARNING)
		return failure_set(&answer->failure, FAIL_BAD_IMAGE,
		                   "decode: the file is damaged");
	return is_done;
}

static bool run(struct picture_worker *worker, const struct picture_job *job,
                struct picture_answer *answer)
{
	struct source source = {
		.bytes = worker->bytes,
		.n_bytes = (size_t)job->input_bytes,
		.input = job->input,
		.format = format_of_bytes(worker->bytes, (size_t)job->input_bytes,
	                                  job->name),
		.reading = reading_of(job),
		.variants = job->variants,
		.n_variants = job->decodes_only ? 0 : job->n_variants,
		.orientation = 1,
		.n_frames = 1,
		.n_stored = worker->header.n_frames,
	};
	struct metadata *metadata;
	bool is_done;

	answer->in.format = source.format;
	if (!picture_metadata_open(&metadata, &source, &answer->failure))
		return false;
	source.metadata = metadata;
	is_done = run_source(worker, job, &source, answer);
	answer->is_damaged = is_done && source.is_damaged;
	picture_metadata_close(metadata);
	return is_done;
}

size_t picture_answer_bytes(uint32_t n_out)
{
	return offsetof(struct picture_answer, out) + n_out * sizeof(struct picture_side);
}

bool picture_run(struct picture_worker *worker, const struct picture_job *asked,
                 struct picture_answer *ret_answer)
{
	int64_t began_ns = clock_now_ns(), read_ns;
	struct picture_job sized = *asked;
	const struct picture_job *job = &sized;
	bool is_done;

	sized.max_file = worker->max_file;
	memset(ret_answer, 0, sizeof(*ret_answer));
	if (!check_job(job, &ret_answer->failure) ||
	    !find_size(&sized, &ret_answer->failure))
		return false;
	ret_answer->in.bytes = job->input_bytes;
	ret_answer->n_out = job->decodes_only ? 0 : job->n_variants;
	for (unsigned i = 0; i < ret_answer->n_out; i++)
		ret_answer->out[i].format = job->variants[i].recipe->format;

	is_done = look_ahead(worker, job, &ret_answer->failure) &&
	          read_input(worker, job, &ret_answer->failure);
	read_ns = clock_now_ns();
	ret_answer->read_ns = read_ns - began_ns;
	if (is_done && job->hashes_input && content_hash_is_built()) {
		input_hash_of_bytes(worker->bytes, (size_t)job->input_bytes,
		                    &ret_answer->in_hash);
		ret_answer->has_in_hash = 1;
	}
	if (is_done && job->on_read)
		job->on_read(job->data);
	if (is_done)
		is_done = run(worker, job, ret_answer);
	ret_answer->work_ns = clock_now_ns() - read_ns;
	trim_buffer(worker);
	return is_done;
}
