/*
 * The way of one picture: read whole, gate, header against the limits, decode and scale,
 * encode. The first failure ends it, and its class is decided where it is found.
 */
#include "image/picture.h"

#include "base/clock.h"
#include "base/fd.h"
#include "image/engine.h"
#include "image/header/need.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A buffer that grew beyond this for one huge file is given back after it. */
#define KEPT_BUFFER_BYTES ((size_t)64 << 20)

struct picture_worker {
	uint8_t *bytes;
	size_t n_bytes;
	struct picture_facts facts; /* of the picture that is on */
};

/*
 * Memory that one picture gave back serves the next, instead of going to the system and
 * coming from it again page by page: a sixth of the CPU on large PNG files.
 */
static void tune_memory(void)
{
#ifdef __GLIBC__
	pthread_attr_t attributes;

	/* Stacks count in full against a memory limit. So much is the least that libvips asks
	 * for. */
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

void picture_trust_nobody(void)
{
	engine_trust_nobody();
}

void picture_set_drawing(enum picture_drawing drawing)
{
	engine_set_drawing(drawing);
}

bool picture_preload(char *text, size_t n_text)
{
	tune_memory();
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if ((*engine)->start && !(*engine)->start(text, n_text))
			return false;
	}
	return true;
}

struct picture_worker *picture_worker_create(void)
{
	return calloc(1, sizeof(struct picture_worker));
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

	/* Not realloc: the old bytes are worth nothing, and need not be copied. */
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

/* Above this the allocator first gives back what it holds of pictures before. */
#define NEED_TRIMS_BYTES ((uint64_t)96 << 20)

/* How the input is read: in this all recipes of a job agree. */
static const struct recipe *reading_of(const struct picture_job *job)
{
	return job->variants[0].recipe;
}

static bool reads_alike(const struct recipe *a, const struct recipe *b)
{
	return a->no_rotate == b->no_rotate && a->engine == b->engine &&
	       a->fail_on == b->fail_on && a->max_pixels == b->max_pixels &&
	       a->max_frames == b->max_frames && a->max_file_bytes == b->max_file_bytes;
}

static bool check_job(const struct picture_job *job, struct failure *ret_failure)
{
	if (job->n_variants < 1 || job->n_variants > PICTURE_MAX_VARIANTS)
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "internal: %u outputs, but a picture has 1 to %d",
		                   job->n_variants, PICTURE_MAX_VARIANTS);
	for (unsigned i = 1; i < job->n_variants; i++) {
		if (!reads_alike(job->variants[i].recipe, reading_of(job)))
			return failure_set(ret_failure, FAIL_INTERNAL,
			                   "internal: two outputs of one picture read it "
			                   "in two ways");
	}
	return true;
}

static bool ask_for_memory(const struct picture_job *job,
                           const struct picture_facts *facts, uint64_t n_frames,
                           struct failure *ret_failure)
{
	uint64_t need = 0;

	for (unsigned i = 0; i < job->n_variants; i++) {
		uint64_t n = need_of(facts, job->variants[i].recipe, job->input_bytes,
		                     n_frames);

		need = n > need ? n : need;
	}
	if (!job->on_need || !need_is_allowed(facts, reading_of(job), job->input_bytes))
		return true;
#ifdef __GLIBC__
	if (need > NEED_TRIMS_BYTES)
		malloc_trim(0);
#endif
	return job->on_need(job->data, need, ret_failure);
}

/* By our own look at the header. */
static bool look_ahead(struct picture_worker *worker, const struct picture_job *job,
                       struct failure *ret_failure)
{
	bool takes_frames = job->decodes_only;

	for (unsigned i = 0; i < job->n_variants; i++)
		takes_frames |= format_info(job->variants[i].recipe->format)->has_frames;
	need_look(job->input, job->input_bytes, job->name, &worker->facts);
	return (!takes_frames ||
	        need_has_few_frames(&worker->facts, reading_of(job), ret_failure)) &&
	       ask_for_memory(job, &worker->facts, 1, ret_failure);
}

/* What will be decoded: of what is drawn at the size that is asked for, that. */
static struct size size_to_decode(const struct picture_job *job,
                                  const struct recipe *recipe,
                                  const struct source *source)
{
	struct filter_chain before, after;

	filters_split(&recipe->filters, &before, &after);
	if (!format_info(source->format)->is_drawn || job->decodes_only || before.n > 0)
		return source->size;
	return geometry_size(&recipe->geometry, source->size);
}

/* By the engine's word, where that says more. */
static bool look_again(struct picture_worker *worker, const struct picture_job *job,
                       const struct recipe *recipe, const struct source *source,
                       struct failure *ret_failure)
{
	struct picture_facts *facts = &worker->facts;
	uint64_t before = (uint64_t)facts->size.width * facts->size.height;
	struct size size = source->size;

	if (source->n_frames <= 1 && (uint64_t)size.width * size.height <= before)
		return true;
	facts->size = size;
	facts->decoded = size_to_decode(job, recipe, source);
	return ask_for_memory(job, facts, source->n_frames, ret_failure);
}

/* Read the input whole, which must be as long as it was when it was opened. */
static bool read_input(struct picture_worker *worker, const struct picture_job *job,
                       struct failure *ret_failure)
{
	uint64_t cap = reading_of(job)->max_file_bytes;
	size_t n = (size_t)job->input_bytes;
	ssize_t got;

	if (!cap)
		cap = RECIPE_MAX_FILE_BYTES;
	if (job->input_bytes > cap)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "read: the file has %ju bytes, the limit is %ju",
		                   (uintmax_t)job->input_bytes, (uintmax_t)cap);
	if (n == SIZE_MAX || !make_room(worker, n + 1))
		return failure_set(ret_failure, FAIL_MEMORY,
		                   "read: no memory for %zu bytes", n);

	/* One byte more than there should be tells a file that grew. */
	got = fd_pread_full(job->input, worker->bytes, n + 1, 0);
	if (got < 0)
		return failure_set(ret_failure, fail_class_of_input_errno(errno),
		                   "read: %s", strerrordesc_np(errno));
	if ((size_t)got != n)
		return failure_set(ret_failure, FAIL_VANISHED,
		                   "read: the file changed its length while it was read");
	if (n == 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "read: the file is empty");
	return true;
}

/* Who does the work, and why nobody does. */
struct hands {
	const struct engine *decoder; /* NULL: the worker itself */
	const struct engine *worker, *writer;
};

/* The engine that reads does the rest too; but where another one is better at it, and the
 * choice is ours, it only decodes. */
static void share_work(struct hands *hands, const struct source *source,
                       const struct recipe *recipe)
{
	if (recipe->engine != ENGINE_AUTO || hands->worker == engines[0] ||
	    !hands->worker->decode || engines[0]->reads(source->format))
		return;
	hands->decoder = hands->worker;
	hands->worker = engines[0];
}

static bool choose_hands(struct hands *ret_hands, const struct source *source,
                         const struct picture_job *job, const struct recipe *recipe,
                         struct failure *ret_failure)
{
	const struct engine *test = engine_of_tests;
	struct hands hands = {
		.worker = engine_that_reads(source->format, recipe->engine),
		.writer = engine_that_writes(recipe->format, recipe->engine),
	};

	if (test && test->claims(source->bytes, source->n_bytes))
		hands.worker = test;
	if (!hands.worker)
		return engine_unsupported(source, recipe, ret_failure);
	if (!hands.writer && !job->decodes_only)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "encode: %s cannot be written %s",
		                   format_info(recipe->format)->name,
		                   recipe->engine ? "by the engine that was asked for"
		                                  : "by this build");
	if (!job->decodes_only)
		share_work(&hands, source, recipe);
	if (hands.worker->takes && !hands.worker->takes(recipe, ret_failure))
		return false;
	*ret_hands = hands;
	return true;
}

/* The header against the limits. */
static bool check_header(const struct recipe *recipe, const struct source *source,
                         struct size size, struct failure *ret_failure)
{
	uint64_t max_pixels = recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS;
	uint64_t n_pixels = (uint64_t)size.width * size.height;

	if (size.width == 0 || size.height == 0)
		return failure_set(ret_failure, FAIL_BAD_IMAGE, "header: a side of 0");
	if (recipe->max_frames && source->n_frames > recipe->max_frames)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: %u frames, the limit is %u", source->n_frames,
		                   recipe->max_frames);
	if (size.width > RECIPE_MAX_SIDE || size.height > RECIPE_MAX_SIDE)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: %u x %u, but a side is at most %d",
		                   size.width, size.height, RECIPE_MAX_SIDE);
	if (__builtin_mul_overflow(n_pixels, source->n_frames, &n_pixels))
		n_pixels = UINT64_MAX;
	if (n_pixels <= max_pixels)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "header: %u x %u%s is %ju pixels, the limit is %ju",
	                   size.width, size.height,
	                   source->n_frames > 1 ? " in all frames" : "",
	                   (uintmax_t)n_pixels, (uintmax_t)max_pixels);
}

/* The size of the output, said before the work where it is known: a border that is cut off
 * and an odd angle are known only after. */
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
		if (fmod(before.at[i].number[0], 90) != 0)
			return true;
		if (fmod(before.at[i].number[0], 180) != 0)
			from = (struct size){from.height, from.width};
	}
	return engine_layout(&layout, recipe, from, source->n_frames, ret_failure);
}

/* Encode to the end of the memfd. */
static bool encode(const struct picture_job *job, const struct hands *hands,
                   struct rendering *rendering, const struct recipe *recipe,
                   struct picture_side *ret_out, struct failure *ret_failure)
{
	off_t n_before = lseek(job->output, 0, SEEK_END), n_after;
	bool is_done;

	if (rendering->image && hands->writer != hands->worker &&
	    !hands->worker->make_plain(rendering, ret_failure))
		return false;
	ret_out->width = rendering->size.width;
	ret_out->height = rendering->size.height;
	is_done = hands->writer->encode(rendering, recipe, job->output, ret_failure);
	n_after = lseek(job->output, 0, SEEK_END);
	if (!is_done && job->max_output && n_after >= (off_t)job->max_output)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "encode: the output is over %ju bytes",
		                   (uintmax_t)job->max_output);
	if (!is_done)
		return false;
	if (n_after <= n_before)
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "encode: no bytes came out");
	ret_out->offset = (uint64_t)n_before;
	ret_out->bytes = (uint64_t)(n_after - n_before);
	return true;
}

static bool decode_whole(const struct engine *reader, struct source *source,
                         const struct recipe *recipe, struct failure *ret_failure)
{
	struct rendering rendering = {0};
	bool is_whole;

	if (reader->check)
		return reader->check(source, ret_failure);
	is_whole = reader->decode
	                   ? reader->decode(source, &rendering.pixels, ret_failure)
	                   : reader->render(source, recipe, &rendering, ret_failure);
	rendering_fini(&rendering);
	return is_whole;
}

/* From an open header to the whole output of variant i. */
static bool work(const struct picture_job *job, unsigned i, const struct hands *hands,
                 struct source *source, struct picture_answer *answer)
{
	const struct recipe *recipe = job->variants[i].recipe;
	struct size size = size_to_decode(job, recipe, source);
	struct rendering rendering = {0};
	bool is_done;

	answer->in.width = source->size.width;
	answer->in.height = source->size.height;
	if (!check_header(recipe, source, size, &answer->failure) ||
	    (!job->decodes_only && !check_output(recipe, source, &answer->failure)))
		return false;
	if (i == 0 && job->on_header)
		job->on_header(job->data,
		               (uint64_t)size.width * size.height * source->n_frames);

	if (job->decodes_only)
		return decode_whole(hands->worker, source, recipe, &answer->failure);
	is_done = hands->worker->render(source, recipe, &rendering, &answer->failure);
	if (is_done && i == 0 && job->on_decoded)
		job->on_decoded(job->data);
	is_done = is_done && encode(job, hands, &rendering, recipe, &answer->out[i],
	                            &answer->failure);
	rendering_fini(&rendering);
	return is_done;
}

static bool run(struct picture_worker *worker, const struct picture_job *job, unsigned i,
                struct picture_answer *answer)
{
	const struct picture_variant *variant = &job->variants[i];
	struct source source = {
		.bytes = worker->bytes,
		.n_bytes = (size_t)job->input_bytes,
		.format = format_of_bytes(worker->bytes, (size_t)job->input_bytes,
	                                  job->name),
		.input = job->input,
		.profile = variant->profile,
		.n_profile = variant->n_profile,
		.n_frames = 1,
	};
	struct hands hands = {0};
	bool is_done;

	answer->in.format = source.format;
	if (!choose_hands(&hands, &source, job, variant->recipe, &answer->failure) ||
	    !hands.worker) {
		answer->is_to_draw = format_info(source.format)->is_drawn &&
		                     engine_trusts(source.format) &&
		                     engine_drawing() == DRAWING_ELSEWHERE;
		return false;
	}
	source.decoder = hands.decoder;
	snprintf(answer->engine, sizeof(answer->engine), "%s",
	         hands.decoder ? hands.decoder->name : hands.worker->name);

	if (!hands.worker->open(&source, variant->recipe, &answer->failure))
		return false;
	is_done = look_again(worker, job, variant->recipe, &source, &answer->failure) &&
	          work(job, i, &hands, &source, answer);
	hands.worker->close(&source);
	return is_done;
}

size_t picture_answer_bytes(uint32_t n_out)
{
	return offsetof(struct picture_answer, out) + n_out * sizeof(struct picture_side);
}

bool picture_run(struct picture_worker *worker, const struct picture_job *job,
                 struct picture_answer *ret_answer)
{
	int64_t began_ns = clock_now_ns(), read_ns;
	bool is_done;

	memset(ret_answer, 0, sizeof(*ret_answer));
	ret_answer->in.bytes = job->input_bytes;
	if (!check_job(job, &ret_answer->failure))
		return false;
	ret_answer->n_out = job->decodes_only ? 0 : job->n_variants;
	for (unsigned i = 0; i < ret_answer->n_out; i++)
		ret_answer->out[i].format = job->variants[i].recipe->format;

	is_done = look_ahead(worker, job, &ret_answer->failure) &&
	          read_input(worker, job, &ret_answer->failure);
	read_ns = clock_now_ns();
	ret_answer->read_ns = read_ns - began_ns;
	if (is_done && job->on_read)
		job->on_read(job->data);
	for (unsigned i = 0; i < job->n_variants && is_done; i++)
		is_done = run(worker, job, i, ret_answer);
	ret_answer->work_ns = clock_now_ns() - read_ns;
	trim_buffer(worker);
	return is_done;
}
