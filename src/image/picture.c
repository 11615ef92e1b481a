/*
 * The way of one picture: read whole, gate, header against the limits, decode and scale,
 * encode. The first failure ends it, and its class is decided where it is found.
 */
#include "image/picture.h"

#include "base/clock.h"
#include "base/fd.h"
#include "image/engine.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A buffer that grew beyond this for one huge file is given back after it. */
#define STUDIO_KEEPS_BYTES ((size_t)64 << 20)

struct studio {
	uint8_t *bytes;
	size_t n_bytes;
};

/*
 * Memory that one picture gave back serves the next, instead of going to the system and
 * coming from it again page by page: a sixth of the CPU on large PNG files.
 */
static void tune_malloc(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
	mallopt(M_ARENA_MAX, 2);
#endif
}

void picture_trust_nobody(void)
{
	engine_trust_nobody();
}

bool picture_preload(char *text, size_t n_text)
{
	tune_malloc();
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
                         const struct recipe *recipe, struct failure *ret_failure)
{
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
	if (!ret_hands->reader && !engine_trusts(source->format))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "gate: %s is not read with --untrusted",
		                   format_info(source->format)->name);
	if (!ret_hands->reader)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "gate: %s cannot be read %s",
		                   format_info(source->format)->name,
		                   recipe->engine ? "by the engine that was asked for"
		                                  : "by this build");
	if (!ret_hands->writer)
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

	if (!format_info(recipe->format)->has_alpha)
		pixels_flatten(pixels);
	answer->out.width = pixels->size.width;
	answer->out.height = pixels->size.height;
	if (!writer->encode(pixels, recipe->format, quality_of(recipe), job->output,
	                    &answer->failure))
		return false;

	n_written = lseek(job->output, 0, SEEK_END);
	if (n_written <= 0)
		return failure_set(&answer->failure, FAIL_INTERNAL,
		                   "encode: no bytes came out");
	answer->out.bytes = (uint64_t)n_written;
	return true;
}

/* From an open header to the whole output. */
static bool work(const struct picture_job *job, const struct hands *hands,
                 struct source *source, struct picture_answer *answer)
{
	struct size to = geometry_size(&job->recipe->geometry, source->size);
	struct pixels pixels = {0};
	bool is_done;

	answer->in.width = source->size.width;
	answer->in.height = source->size.height;
	if (!check_limits(job->recipe, source->size, to, &answer->failure))
		return false;
	if (job->on_header)
		job->on_header(job->data,
		               (uint64_t)source->size.width * source->size.height);

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
	if (!choose_hands(&hands, &source, job->recipe, &answer->failure))
		return false;
	snprintf(answer->engine, sizeof(answer->engine), "%s", hands.reader->name);

	if (!hands.reader->open(&source, &answer->failure))
		return false;
	is_done = work(job, &hands, &source, answer);
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
	ret_answer->out.format = job->recipe->format;

	is_done = read_input(studio, job, &ret_answer->failure);
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
