#include "batch/picture_task.h"

#include "base/fd.h"
#include "common/path.h"
#include "batch/ask.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	BASE_TIMEOUT_MS = 60 * 1000,
	TIMEOUT_MS_PER_MEGAPIXEL = 2 * 1000,
	READ_TIMEOUT_MS = 60 * 1000, /* a picture's own time begins when it is read */
	NAME_BYTES = 256,
};

/* How far a picture is: told as the progress of its task, so that it is known of one whose
 * worker died. */
enum stage { STAGE_READING, STAGE_HEADER, STAGE_DECODING, STAGE_ENCODING, N_STAGES };

static const char *const stage_names[N_STAGES] = {
	[STAGE_READING] = "reading",
	[STAGE_HEADER] = "reading its header",
	[STAGE_DECODING] = "decoding",
	[STAGE_ENCODING] = "encoding",
};

/* What a worker is told, as plain bytes; the profile of the recipe, if any, follows. */
struct packed_request {
	uint64_t input_bytes;
	int64_t timeout_ms;
	uint64_t max_output;
	bool decodes_only;
	uint8_t recipe[RECIPE_PACKED_BYTES];
	char name[NAME_BYTES]; /* the last of the base name, where its suffix is */
};

/* 60 seconds and 2 for each megapixel. */
static int64_t timeout_ms_of(uint64_t n_pixels)
{
	uint64_t n_megapixels = n_pixels / 1000000;

	if (n_megapixels > INT32_MAX)
		n_megapixels = INT32_MAX;
	return BASE_TIMEOUT_MS + (int64_t)n_megapixels * TIMEOUT_MS_PER_MEGAPIXEL;
}

/* ---- in the worker ---- */

static enum pxp_status prepare(const void *bytes, size_t n, struct pxp_error *ret_error)
{
	struct picture_guard guard;

	if (n < sizeof(guard))
		return pxp_fail(ret_error, PXP_EINVAL, "the guard did not arrive");
	memcpy(&guard, bytes, sizeof(guard));
	if (guard.is_untrusted)
		picture_trust_nobody();
	picture_set_drawing((enum picture_drawing)guard.drawing);
	return lockdown_prepare(bytes, n, ret_error);
}

static enum pxp_status preload(struct pxp_error *ret_error)
{
	char text[PXP_ERROR_TEXT_BYTES];

	if (!picture_preload(text, sizeof(text)))
		return pxp_fail(ret_error, PXP_ETASK, "%s", text);
	return PXP_OK;
}

static enum pxp_status create_picture_worker(const void *bytes, size_t n,
                                             void **ret_context,
                                             struct pxp_error *ret_error)
{
	(void)bytes;
	(void)n;
	*ret_context = picture_worker_create();
	if (!*ret_context)
		return pxp_fail(ret_error, PXP_ENOMEM, "no memory for a worker");
	return PXP_OK;
}

static void destroy_picture_worker(void *context)
{
	picture_worker_destroy(context);
}

struct clocked_task {
	struct pxp_task *task;
	int64_t timeout_ms;
};

static void enter_stage(const struct clocked_task *clocked, enum stage stage)
{
	pxp_task_progress(clocked->task, (uint64_t)stage, N_STAGES);
}

static void on_read(void *data)
{
	const struct clocked_task *clocked = data;

	enter_stage(clocked, STAGE_HEADER);
	pxp_task_restart_deadline(clocked->task, clocked->timeout_ms > 0
	                                                 ? clocked->timeout_ms
	                                                 : BASE_TIMEOUT_MS);
}

static void on_header(void *data, uint64_t n_pixels)
{
	const struct clocked_task *clocked = data;

	enter_stage(clocked, STAGE_DECODING);
	if (clocked->timeout_ms == 0)
		pxp_task_restart_deadline(clocked->task, timeout_ms_of(n_pixels));
}

static void on_decoded(void *data)
{
	enter_stage(data, STAGE_ENCODING);
}

/* Wait for the memory that the picture needs. */
static bool on_need(void *data, uint64_t n_bytes, struct failure *ret_failure)
{
	const struct clocked_task *clocked = data;
	enum pxp_status status = pxp_task_need(clocked->task, n_bytes);

	if (status == PXP_OK)
		return true;
	if (status == PXP_EMEMORY)
		return failure_set(ret_failure, FAIL_MEMORY,
		                   "it needs about %ju MiB, more than --memory leaves",
		                   (uintmax_t)(n_bytes >> 20));
	return failure_set(ret_failure, FAIL_MEMORY, "%ju MiB were not to be had: %s",
	                   (uintmax_t)(n_bytes >> 20), pxp_status_name(status));
}

static enum pxp_status run_picture(struct pxp_task *task)
{
	size_t n;
	const struct packed_request *request = pxp_task_input(task, &n);
	struct clocked_task clocked = {task, request->timeout_ms};
	struct picture_answer answer = {0};
	struct recipe recipe;

	if (!recipe_unpack(&recipe, request->recipe, sizeof(request->recipe)))
		return pxp_task_fail(task, FAIL_INTERNAL,
		                     "the recipe did not arrive whole");

	const struct picture_variant variant = {
		.recipe = &recipe,
		.profile = n > sizeof(*request) ? request + 1 : NULL,
		.n_profile = n - sizeof(*request),
	};
	const struct picture_job job = {
		.variants = &variant,
		.n_variants = 1,
		.name = request->name,
		.input = pxp_task_descriptor(task, 0),
		.input_bytes = request->input_bytes,
		.output = pxp_task_output(task),
		.max_output = request->max_output,
		.on_need = on_need,
		.decodes_only = request->decodes_only,
		.on_read = on_read,
		.on_header = on_header,
		.on_decoded = on_decoded,
		.data = &clocked,
	};

	picture_run(pxp_task_context(task), &job, &answer);
	/* The executor may have more for a second attempt. */
	if (answer.failure.class == FAIL_MEMORY) {
		pxp_task_fail(task, FAIL_MEMORY, "%s", answer.failure.text);
		return PXP_EMEMORY;
	}
	return pxp_task_return(task, &answer, picture_answer_bytes(answer.n_out));
}

/* ---- in the main process ---- */

struct picture_guard picture_guard_of(const struct lockdown *lockdown, bool is_untrusted)
{
	struct picture_guard guard = {.lockdown = *lockdown,
	                              .is_untrusted = is_untrusted,
	                              .drawing = DRAWING_ELSEWHERE};

	/* Who asked for no sandbox has it for these as well. */
	if (!picture_can_draw() || is_untrusted)
		guard.drawing = DRAWING_NONE;
	else if (lockdown->is_on && !(lockdown->layers & 1U << SANDBOX_LANDLOCK))
		guard.drawing = DRAWING_UNSAFE;
	return guard;
}

struct picture_guard picture_guard_to_draw(const struct picture_guard *guard)
{
	struct picture_guard to_draw = *guard;

	to_draw.drawing = DRAWING_HERE;
	to_draw.lockdown.reads_fonts = 1;
	return to_draw;
}

enum pxp_status picture_pool_create(unsigned n_workers, size_t max_pending,
                                    const struct picture_limits *limits,
                                    const struct picture_guard *guard,
                                    struct pxp_executor **ret_pool,
                                    struct pxp_error *ret_error)
{
	const struct pxp_executor_options options = {
		.size = sizeof(options),
		.kind = PXP_PROCESSES,
		.n_workers = n_workers,
		.max_pending = max_pending,
		.init_bytes = guard,
		.n_init_bytes = sizeof(*guard),
		/* Who was taken over shall not have another's picture: of those that draw it
		 * is less unlikely. */
		.max_tasks_per_worker = guard->is_untrusted ||
	                                                guard->drawing == DRAWING_HERE
	                                        ? 1
	                                        : limits->recycle,
		.memory_allowance = limits->memory_allowance,
		.memory_budget = limits->memory_budget,
		.max_output = limits->max_output,
		.prepare = prepare,
		.preload = preload,
		.initialise = create_picture_worker,
		.finalise = destroy_picture_worker,
		.lock_down = lockdown_finish,
	};

	return pxp_executor_create(&options, ret_pool, ret_error);
}

/* With what follows it, if anything does. */
static enum pxp_status submit_packed(struct pxp_executor *pool,
                                     const struct packed_request *packed,
                                     const struct picture_request *request,
                                     const struct pxp_task_options *options,
                                     struct pxp_future **ret_task)
{
	size_t n = sizeof(*packed) + request->n_profile;
	enum pxp_status status;
	uint8_t *bytes;

	if (request->n_profile == 0)
		return pxp_executor_submit(pool, run_picture, packed, sizeof(*packed),
		                           options, ret_task);
	bytes = malloc(n);
	if (!bytes)
		return PXP_ENOMEM;
	memcpy(bytes, packed, sizeof(*packed));
	memcpy(bytes + sizeof(*packed), request->profile, request->n_profile);
	status = pxp_executor_submit(pool, run_picture, bytes, n, options, ret_task);
	free(bytes);
	return status;
}

static int64_t longer(int64_t a_ms, int64_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

enum pxp_status picture_submit(struct pxp_executor *pool,
                               const struct picture_request *request,
                               struct pxp_future **ret_task)
{
	uint64_t max_pixels = request->recipe.max_pixels > 0 ? request->recipe.max_pixels
	                                                     : RECIPE_MAX_PIXELS;
	struct packed_request packed = {.input_bytes = request->input_bytes,
	                                .timeout_ms = request->timeout_ms,
	                                .max_output = request->max_output,
	                                .decodes_only = request->decodes_only};
	struct pxp_task_options options = {
		.size = sizeof(options),
		.descriptors = &request->input,
		.n_descriptors = 1,
		.output = !request->decodes_only,
		.retries = request->retries,
		.retry_memory = true,
		.deadline_ms = longer(READ_TIMEOUT_MS, request->timeout_ms),
		.max_deadline_ms = longer(timeout_ms_of(max_pixels), request->timeout_ms),
	};
	size_t n_base;
	const char *base = path_base(request->name, &n_base);
	size_t n_cut = n_base < NAME_BYTES ? 0 : n_base - (NAME_BYTES - 1);

	memcpy(packed.name, base + n_cut, n_base - n_cut);
	recipe_pack(&request->recipe, packed.recipe);
	return submit_packed(pool, &packed, request, &options, ret_task);
}

static enum fail_class class_of(const struct pxp_error *error)
{
	switch (error->status) {
	case PXP_EDEADLINE:
		return FAIL_TIMEOUT;
	case PXP_ECRASHED: /* SIGSYS is how the sandbox kills */
	case PXP_EPOISON:
		return error->signal == SIGSYS ? FAIL_VIOLATION : FAIL_CRASHED;
	case PXP_EMEMORY:
		return FAIL_MEMORY;
	case PXP_EPROTO:
		return FAIL_VIOLATION;
	default:
		return FAIL_INTERNAL;
	}
}

static bool side_is_sound(const struct picture_side *side)
{
	return (unsigned)side->format < N_FORMATS;
}

/* The bytes of an answer are whole numbers and texts that end; or a lie. */
static bool answer_is_sound(struct picture_answer *answer)
{
	answer->failure.text[sizeof(answer->failure.text) - 1] = 0;
	answer->engine[sizeof(answer->engine) - 1] = 0;
	for (const char *c = answer->engine; *c; c++) {
		if (*c < 'a' || *c > 'z')
			return false;
	}
	for (uint32_t i = 0; i < answer->n_out; i++) {
		if (!side_is_sound(&answer->out[i]))
			return false;
	}
	return (unsigned)answer->failure.class < N_FAIL_CLASSES &&
	       side_is_sound(&answer->in) && answer->read_ns >= 0 &&
	       answer->work_ns >= 0 && answer->is_to_draw <= 1 &&
	       (!answer->is_to_draw || answer->failure.class == FAIL_UNSUPPORTED);
}

/* The output is as long as it is said to be, and begins like its format. */
static bool output_is_sound(const struct picture_answer *answer, enum image_format format,
                            int output)
{
	uint8_t bytes[FORMAT_GATE_BYTES];
	char name[16];
	struct stat stat;
	ssize_t n;

	if (output < 0 || fstat(output, &stat) != 0 || answer->n_out != 1 ||
	    answer->out[0].format != format || answer->out[0].offset != 0 ||
	    answer->out[0].bytes != (uint64_t)stat.st_size)
		return false;
	/* Named, because TGA is known by its suffix alone. */
	snprintf(name, sizeof(name), "x.%s", format_info(format)->extension);
	n = fd_pread_full(output, bytes, sizeof(bytes), 0);
	return n > 0 && format_of_bytes(bytes, (size_t)n, name) == format;
}

/* The last line of what a worker wrote to standard error, as far as it goes into a
 * failure's text: ": free(): invalid pointer", or "". */
static void last_words(const struct pxp_outcome *outcome, char *text, size_t n_text)
{
	size_t end = outcome->log ? outcome->n_log : 0, begin;

	while (end > 0 && (unsigned char)outcome->log[end - 1] <= ' ')
		end--;
	for (begin = end; begin > 0 && outcome->log[begin - 1] != '\n'; begin--)
		;
	snprintf(text, n_text, "%s%.*s", end > begin ? ": " : "", (int)(end - begin),
	         outcome->log ? outcome->log + begin : "");
}

/* "worker died of SIGSEGV while decoding: free(): invalid pointer" */
static void take_error(const struct pxp_outcome *outcome, struct failure *failure)
{
	enum fail_class class = class_of(&outcome->error);
	uint64_t stage = outcome->progress.done;
	char words[FAILURE_TEXT_BYTES];

	last_words(outcome, words, sizeof(words));
	/* What ran out of memory and could say so named its stage itself. */
	if (class == FAIL_INTERNAL || stage >= N_STAGES ||
	    outcome->error.code == FAIL_MEMORY)
		failure_set(failure, class, "%s%s", outcome->error.text, words);
	else
		failure_set(failure, class, "%s while %s%s", outcome->error.text,
		            stage_names[stage], words);
}

void picture_collect(struct pxp_future *task, enum image_format format,
                     struct picture_answer *ret_answer, int *ret_output)
{
	struct failure *failure = &ret_answer->failure;
	void *bytes;
	size_t n;

	*ret_output = -1;
	memset(ret_answer, 0, sizeof(*ret_answer));
	if (pxp_future_result(task, 0, &bytes, &n, NULL) != PXP_OK) {
		take_error(pxp_future_outcome(task), failure);
		return;
	}
	if (n <= sizeof(*ret_answer))
		memcpy(ret_answer, bytes, n);
	free(bytes);

	if (ret_answer->n_out > 1 || n != picture_answer_bytes(ret_answer->n_out) ||
	    !answer_is_sound(ret_answer)) {
		memset(ret_answer, 0, sizeof(*ret_answer));
		failure_set(failure, FAIL_VIOLATION,
		            "the worker's answer makes no sense");
	} else if (failure->class != FAIL_NONE) {
		failure_set(failure, failure->class, "%s", strdupa(failure->text));
	} else if (format == FORMAT_NONE) {
		ret_answer->out[0] = (struct picture_side){0};
	} else {
		*ret_output = pxp_future_take_output(task);
		if (!output_is_sound(ret_answer, format, *ret_output)) {
			fd_close(ret_output);
			failure_set(failure, FAIL_VIOLATION,
			            "the output is not what the worker says");
		}
	}
}

static enum pxp_status run_nothing(struct pxp_task *task)
{
	return pxp_task_return(task, "", 1);
}

enum pxp_status picture_pool_try(struct pxp_executor *pool, struct pxp_error *ret_error)
{
	char nothing;

	return ask(pool, run_nothing, &nothing, 1, ret_error);
}
