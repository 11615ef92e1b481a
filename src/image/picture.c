/*
 * The way of one picture: read whole, gate, header against the limits, decode and scale,
 * encode. The first failure ends it, and its class is decided where it is found.
 */
#include "image/picture.h"

#include "base/clock.h"
#include "base/fd.h"
#include "image/engine.h"
#include "image/need.h"
#include "image/marks.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A buffer that grew beyond this for one huge file is given back after it. */
#define STUDIO_KEEPS_BYTES ((size_t)64 << 20)

struct studio {
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

bool picture_preload(char *text, size_t n_text)
{
	tune_memory();
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if ((*engine)->start && !(*engine)->start(text, n_text))
			return false;
	}
	return true;
}

struct studio *studio_create(void)
{
	return calloc(1, sizeof(struct studio));
}

void studio_destroy(struct studio *studio)
{
	if (!studio)
		return;
	free(studio->bytes);
	free(studio);
}

static bool studio_make_room(struct studio *studio, size_t n)
{
	if (n <= studio->n_bytes)
		return true;

	/* Not realloc: the old bytes are worth nothing, and need not be copied. */
	free(studio->bytes);
	studio->n_bytes = 0;
	studio->bytes = malloc(n);
	if (studio->bytes)
		studio->n_bytes = n;
	return studio->bytes != NULL;
}

static void studio_trim(struct studio *studio)
{
	if (studio->n_bytes <= STUDIO_KEEPS_BYTES)
		return;
	free(studio->bytes);
	studio->bytes = NULL;
	studio->n_bytes = 0;
}

/* Above this the allocator first gives back what it holds of pictures before. */
#define NEED_TRIMS_BYTES ((uint64_t)96 << 20)

static bool ask_for_memory(const struct picture_job *job,
                           const struct picture_facts *facts, uint64_t n_frames,
                           struct failure *ret_failure)
{
	uint64_t need = need_of(facts, job->recipe, job->input_bytes, n_frames);

	if (!job->on_need || !need_is_allowed(facts, job->recipe, job->input_bytes))
		return true;
#ifdef __GLIBC__
	if (need > NEED_TRIMS_BYTES)
		malloc_trim(0);
#endif
	return job->on_need(job->data, need, ret_failure);
}

/* By our own look at the header. */
static bool look_ahead(struct studio *studio, const struct picture_job *job,
                       struct failure *ret_failure)
{
	need_look(job->input, job->input_bytes, job->name, &studio->facts);
	return need_has_few_frames(&studio->facts, job->recipe, ret_failure) &&
	       ask_for_memory(job, &studio->facts, 1, ret_failure);
}

/* By the engine's word, where that says more. */
static bool look_again(struct studio *studio, const struct picture_job *job,
                       struct size size, uint64_t n_frames, struct failure *ret_failure)
{
	struct picture_facts *facts = &studio->facts;
	uint64_t before = (uint64_t)facts->size.width * facts->size.height;

	if (n_frames <= 1 && (uint64_t)size.width * size.height <= before)
		return true;
	facts->size = size;
	return ask_for_memory(job, facts, n_frames, ret_failure);
}

/* Read the input whole, which must be as long as it was when it was opened. */
static bool read_input(struct studio *studio, const struct picture_job *job,
                       struct failure *ret_failure)
{
	uint64_t cap = job->recipe->max_file_bytes;
	size_t n = (size_t)job->input_bytes;
	ssize_t got;

	if (!cap)
		cap = RECIPE_MAX_FILE_BYTES;
	if (job->input_bytes > cap)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "read: the file has %ju bytes, the limit is %ju",
		                   (uintmax_t)job->input_bytes, (uintmax_t)cap);
	if (n == SIZE_MAX || !studio_make_room(studio, n + 1))
		return failure_set(ret_failure, FAIL_MEMORY,
		                   "read: no memory for %zu bytes", n);

	/* One byte more than there should be tells a file that grew. */
	got = fd_pread_full(job->input, studio->bytes, n + 1, 0);
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

/* Both ends of the work, and why there is none. */
struct hands {
	const struct engine *reader, *writer;
};

static bool choose_hands(struct hands *ret_hands, const struct source *source,
                         const struct picture_job *job, struct failure *ret_failure)
{
	const struct recipe *recipe = job->recipe;
	const struct engine *test = engine_of_tests;

	ret_hands->reader = engine_that_reads(source->format, recipe->engine);
	ret_hands->writer = engine_that_writes(recipe->format, recipe->engine);
	if (test && test->claims(source->bytes, source->n_bytes))
		ret_hands->reader = test;

	if (!ret_hands->reader && source->format == FORMAT_NONE)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "gate: not a picture of any known format");
	if (!ret_hands->reader && source->format == FORMAT_RAW)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "gate: a camera's raw file, which is not read");
	if (!ret_hands->reader)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "gate: %s cannot be read %s",
		                   format_info(source->format)->name,
		                   recipe->engine ? "by the engine that was asked for"
		                                  : "by this build");
	if (!ret_hands->writer && !job->decodes_only)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "encode: %s cannot be written %s",
		                   format_info(recipe->format)->name,
		                   recipe->engine ? "by the engine that was asked for"
		                                  : "by this build");
	return true;
}

static bool size_fits(struct size size, uint64_t max_pixels, const char *stage,
                      struct failure *ret_failure)
{
	uint64_t n_pixels = (uint64_t)size.width * size.height;

	if (size.width > RECIPE_MAX_SIDE || size.height > RECIPE_MAX_SIDE)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "%s: %u x %u, but a side is at most %d", stage,
		                   size.width, size.height, RECIPE_MAX_SIDE);
	if (n_pixels <= max_pixels)
		return true;
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "%s: %u x %u is %ju pixels, the limit is %ju", stage,
	                   size.width, size.height, (uintmax_t)n_pixels,
	                   (uintmax_t)max_pixels);
}

static bool check_limits(const struct recipe *recipe, struct size from, struct size to,
                         struct failure *ret_failure)
{
	uint64_t max_pixels = recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS;
	const struct format_info *info = format_info(recipe->format);

	if (!size_fits(from, max_pixels, "header", ret_failure) ||
	    !size_fits(to, max_pixels, "size", ret_failure))
		return false;
	if (info->max_side && (to.width > info->max_side || to.height > info->max_side))
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "size: %u x %u, but a side of %s is at most %u",
		                   to.width, to.height, info->name, info->max_side);
	return true;
}

static unsigned quality_of(const struct recipe *recipe)
{
	if (recipe->quality)
		return recipe->quality;
	return recipe->format == FORMAT_AVIF || recipe->format == FORMAT_HEIC ? 50 : 80;
}

static bool encode(const struct picture_job *job, const struct engine *writer,
                   struct pixels *pixels, struct picture_answer *answer)
{
	const struct recipe *recipe = job->recipe;
	off_t n_written;
	bool is_done;

	if (!format_info(recipe->format)->has_alpha)
		pixels_flatten(pixels);
	answer->out.width = pixels->size.width;
	answer->out.height = pixels->size.height;
	is_done = writer->encode(pixels, recipe->format, quality_of(recipe), job->output,
	                         &answer->failure);
	n_written = lseek(job->output, 0, SEEK_END);
	if (!is_done && job->max_output && n_written >= (off_t)job->max_output)
		return failure_set(&answer->failure, FAIL_TOO_BIG,
		                   "encode: the output is over %ju bytes",
		                   (uintmax_t)job->max_output);
	if (!is_done)
		return false;
	if (n_written <= 0)
		return failure_set(&answer->failure, FAIL_INTERNAL,
		                   "encode: no bytes came out");
	answer->out.bytes = (uint64_t)n_written;
	return true;
}

static bool decode_whole(const struct engine *reader, struct source *source,
                         struct failure *ret_failure)
{
	struct pixels pixels = {0};
	bool is_whole;

	if (source->format == FORMAT_GIF && !gif_is_whole(source->bytes, source->n_bytes))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "decode: the GIF ends before its end marker");
	if (reader->check)
		return reader->check(source, ret_failure);
	is_whole = reader->render(source, source->size, &pixels, ret_failure);
	pixels_fini(&pixels);
	return is_whole;
}

/* From an open header to the whole output. */
static bool work(const struct picture_job *job, const struct hands *hands,
                 struct source *source, struct picture_answer *answer)
{
	struct size to = job->decodes_only
	                         ? source->size
	                         : geometry_size(&job->recipe->geometry, source->size);
	struct pixels pixels = {0};
	bool is_done;

	answer->in.width = source->size.width;
	answer->in.height = source->size.height;
	if (!check_limits(job->recipe, source->size, to, &answer->failure))
		return false;
	if (job->on_header)
		job->on_header(job->data,
		               (uint64_t)source->size.width * source->size.height);

	if (job->decodes_only)
		return decode_whole(hands->reader, source, &answer->failure);
	is_done = hands->reader->render(source, to, &pixels, &answer->failure);
	if (is_done && job->on_decoded)
		job->on_decoded(job->data);
	is_done = is_done && encode(job, hands->writer, &pixels, answer);
	pixels_fini(&pixels);
	return is_done;
}

static bool run(struct studio *studio, const struct picture_job *job,
                struct picture_answer *answer)
{
	struct source source = {
		.bytes = studio->bytes,
		.n_bytes = (size_t)job->input_bytes,
		.format = format_of_bytes(studio->bytes, (size_t)job->input_bytes,
	                                  job->name),
		.input = job->input,
	};
	struct hands hands;
	bool is_done;

	answer->in.format = source.format;
	if (!choose_hands(&hands, &source, job, &answer->failure))
		return false;
	snprintf(answer->engine, sizeof(answer->engine), "%s", hands.reader->name);

	if (!hands.reader->open(&source, &answer->failure))
		return false;
	is_done = look_again(studio, job, source.size, 1, &answer->failure) &&
	          work(job, &hands, &source, answer);
	hands.reader->close(&source);
	return is_done;
}

bool picture_run(struct studio *studio, const struct picture_job *job,
                 struct picture_answer *ret_answer)
{
	int64_t began_ns = clock_now_ns(), read_ns;
	bool is_done;

	memset(ret_answer, 0, sizeof(*ret_answer));
	ret_answer->in.bytes = job->input_bytes;
	ret_answer->out.format = job->decodes_only ? FORMAT_NONE : job->recipe->format;

	is_done = look_ahead(studio, job, &ret_answer->failure) &&
	          read_input(studio, job, &ret_answer->failure);
	read_ns = clock_now_ns();
	ret_answer->read_ns = read_ns - began_ns;
	if (is_done && job->on_read)
		job->on_read(job->data);
	if (is_done)
		is_done = run(studio, job, ret_answer);
	ret_answer->work_ns = clock_now_ns() - read_ns;
	studio_trim(studio);
	return is_done;
}
