/*
 * The workers that process pictures. The main process packs the request of a task and checks the
 * answer; a worker unpacks the request and processes the pictures.
 */
#include "batch/picture_workers.h"

#include "base/clock.h"
#include "base/fd.h"
#include "batch/limits.h"
#include "batch/worker_question.h"
#include "common/path.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a picture's task ---- */

enum {
	BASE_TIMEOUT_MS = 60 * 1000,
	TIMEOUT_MS_PER_MEGAPIXEL = 2 * 1000,
	/* The time limit for reading a picture, unless the user has set a longer limit. The limit
	 * for processing begins when the picture has been read. */
	READ_TIMEOUT_MS = 60 * 1000,
	NAME_BYTES = 256,
};

/* The stage that a picture has reached. The worker reports it as the progress of the task, so that
 * it is known even if the worker dies. */
enum stage { STAGE_READING, STAGE_HEADER, STAGE_DECODING, STAGE_ENCODING, N_STAGES };

static const char *const stage_names[N_STAGES] = {
	[STAGE_READING] = "reading",
	[STAGE_HEADER] = "reading its header",
	[STAGE_DECODING] = "decoding",
	[STAGE_ENCODING] = "encoding",
};

/*
 * The request of a task as plain bytes: this struct, and then for each file a struct
 * packed_request. Each of these structs begins at a multiple of PACKED_ALIGNMENT.
 */
struct packed_task {
	uint64_t n_files;
	/* The memory that a worker has without asking for more; 0: no limit. */
	uint64_t memory_allowance;
};

/* The request for one file of a task. After this struct follow n_variants packed recipes, and then
 * the profile, which has n_profile bytes. */
struct packed_request {
	uint64_t n_bytes; /* the length of this request, without padding */
	uint64_t input_bytes;
	int64_t timeout_ms;
	uint64_t max_output;
	uint64_t n_profile;
	uint32_t n_variants;
	uint32_t decodes_only;
	uint32_t hashes_input;
	/* Padding, set to 0, because every byte of a request must be defined. */
	uint32_t reserved;
	/* the base name of the input; if it is too long, only its end with the suffix */
	char name[NAME_BYTES];
};

enum { PACKED_ALIGNMENT = 16 };

static size_t aligned(size_t n)
{
	return (n + PACKED_ALIGNMENT - 1) & ~(size_t)(PACKED_ALIGNMENT - 1);
}

/*
 * The result of a task as plain bytes: for each file the length of its answer in 64 bits, then the
 * answer, padded to a multiple of 8. If the file is left (see is_left in struct picture_taken), the
 * length is 0 and no answer follows.
 */
typedef uint64_t answer_head;

static size_t padded(size_t n)
{
	return (n + sizeof(answer_head) - 1) & ~(sizeof(answer_head) - 1);
}

/* The default time for one picture: 60 seconds plus 2 seconds for each megapixel. */
static int64_t timeout_ms_of(uint64_t n_pixels)
{
	uint64_t n_megapixels = n_pixels / 1000000;

	if (n_megapixels > INT32_MAX)
		n_megapixels = INT32_MAX;
	return BASE_TIMEOUT_MS + (int64_t)n_megapixels * TIMEOUT_MS_PER_MEGAPIXEL;
}

/* ---- in the worker ---- */

/* Whether workers may read fonts. Set in the fork server, and inherited by its workers. */
static bool reads_fonts;

/*
 * Remove the environment variables that change how libraries behave: some make them write files
 * (VIPS_PROFILE), abort at a warning (G_DEBUG), or start threads. Variables such as
 * FONTCONFIG_FILE, which only say where fonts are found, are kept.
 */
static void clean_environment(void)
{
	static const char *const prefixes[] = {
		"VIPS_", "IM_",     "G_DEBUG=",      "G_MESSAGES_DEBUG=",
		"GIO_",  "ORC_",    "OMP_",          "GOMP_",
		"RSVG_", "PANGO_",  "CAIRO_",        "FC_DEBUG=",
		"AOM_",  "MAGICK_", "MALLOC_TRACE=",
	};
	char **at = environ;

	while (at && *at) {
		bool is_removed = false;
		char *name;

		for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
			is_removed |= strncmp(*at, prefixes[i], strlen(prefixes[i])) == 0;
		name = is_removed ? strndup(*at, strcspn(*at, "=")) : NULL;
		/* unsetenv() moves the next variable to this position, so the loop stays here. */
		if (!name || unsetenv(name) != 0)
			at++;
		free(name);
	}
}

static enum pxp_status prepare(const void *bytes, size_t n, struct pxp_error *ret_error)
{
	struct picture_guard guard;

	if (n < sizeof(guard))
		return pxp_fail(ret_error, PXP_EINVAL,
		                "internal: the settings of the workers are truncated");
	memcpy(&guard, bytes, sizeof(guard));
	if (guard.is_untrusted)
		picture_distrust_inputs();
	picture_set_drawing((enum picture_drawing)guard.drawing);
	reads_fonts = guard.drawing == DRAWING_HERE;
	clean_environment();
	lockdown_prepare(&guard.lockdown);
	return PXP_OK;
}

static enum pxp_status lock_down(struct pxp_error *ret_error)
{
	return lockdown_finish(reads_fonts ? picture_font_folders() : NULL, ret_error);
}

static enum pxp_status preload(struct pxp_error *ret_error)
{
	struct failure failure = {0};

	if (!picture_preload(&failure))
		return pxp_fail(ret_error, PXP_ETASK, "%s", failure.text);
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

/* A file of a task, while the worker processes the file. */
struct clocked_file {
	struct pxp_task *task;
	const struct packed_task *packed;
	const struct packed_request *request;
	uint64_t index;
	/* Whether the file must have a task of its own, because it needs more memory than the
	 * allowance. */
	bool needs_more;
};

static bool is_shared(const struct clocked_file *file)
{
	return file->packed->n_files > 1;
}

/* The progress of a task counts the stages of all its files. */
static void enter_stage(const struct clocked_file *file, enum stage stage)
{
	pxp_task_progress(file->task, file->index * N_STAGES + (uint64_t)stage,
	                  file->packed->n_files * N_STAGES);
}

/* The time limit while a picture is being read. */
static int64_t read_timeout_ms(int64_t timeout_ms)
{
	return timeout_ms > READ_TIMEOUT_MS ? timeout_ms : READ_TIMEOUT_MS;
}

static void on_read(void *data)
{
	const struct clocked_file *file = data;
	const int64_t timeout_ms = file->request->timeout_ms;

	enter_stage(file, STAGE_HEADER);
	pxp_task_restart_deadline(file->task,
	                          timeout_ms > 0 ? timeout_ms : BASE_TIMEOUT_MS);
}

static void on_header(void *data, uint64_t n_pixels)
{
	const struct clocked_file *file = data;

	enter_stage(file, STAGE_DECODING);
	if (file->request->timeout_ms == 0)
		pxp_task_restart_deadline(file->task, timeout_ms_of(n_pixels));
}

static void on_decoded(void *data)
{
	enter_stage(data, STAGE_ENCODING);
}

/* Request the memory that the picture needs, and wait for it. A file that shares its task does not
 * wait, because the other files of the task would have to wait, too. */
static bool on_need(void *data, uint64_t n_bytes, struct failure *ret_failure)
{
	struct clocked_file *file = data;
	const uint64_t allowance = file->packed->memory_allowance;
	enum pxp_status status = PXP_EAGAIN;

	if (!is_shared(file))
		status = pxp_task_need(file->task, n_bytes);
	else if (allowance == 0 || n_bytes <= allowance)
		status = PXP_OK;
	else
		file->needs_more = true;
	if (status == PXP_OK)
		return true;
	if (status == PXP_EMEMORY)
		return failure_set(
			ret_failure, FAIL_MEMORY,
			"the image needs about %ju MiB of memory, more than --memory allows",
			(uintmax_t)(n_bytes >> 20));
	return failure_set(ret_failure, FAIL_MEMORY, "cannot get %ju MiB of memory: %s",
	                   (uintmax_t)(n_bytes >> 20), pxp_status_name(status));
}

/* The variants of a request, with the recipes that they point to. */
struct unpacked {
	struct recipe recipes[PICTURE_MAX_VARIANTS];
	struct picture_variant variants[PICTURE_MAX_VARIANTS];
};

/* Unpack a request. Returns false if it is incomplete or invalid. */
static bool unpack(const struct packed_request *request, struct unpacked *ret_unpacked)
{
	const uint8_t *packed = (const uint8_t *)(request + 1);
	size_t n_recipes;

	if (request->n_variants > PICTURE_MAX_VARIANTS)
		return false;
	n_recipes = request->n_variants * (size_t)RECIPE_PACKED_BYTES;
	if (request->n_bytes != sizeof(*request) + n_recipes + request->n_profile)
		return false;
	for (size_t i = 0; i < request->n_variants; i++) {
		if (!recipe_unpack(&ret_unpacked->recipes[i],
		                   packed + i * RECIPE_PACKED_BYTES, RECIPE_PACKED_BYTES))
			return false;
		ret_unpacked->variants[i] = (struct picture_variant){
			.recipe = &ret_unpacked->recipes[i],
			.profile = request->n_profile > 0 ? packed + n_recipes : NULL,
			.n_profile = (size_t)request->n_profile,
		};
	}
	return true;
}

/* How many times a picture is tried if no thread could be started, and the pause between two tries.
 * Threads may be lacking for a moment, because the threads of the previous picture end a little
 * later than the picture. */
enum { THREAD_TRIES = 20, THREAD_PAUSE_MS = 50 };

static bool lacks_threads(const struct picture_answer *answer)
{
	return answer->failure.class == FAIL_MEMORY &&
	       strstr(answer->failure.text, "creating thread");
}

static void run_job(struct clocked_file *file, const struct unpacked *unpacked,
                    struct picture_answer *ret_answer)
{
	const struct timespec pause = clock_timespec((int64_t)THREAD_PAUSE_MS * 1000000);
	const struct packed_request *request = file->request;
	const int output = pxp_task_output(file->task);
	const off_t n_before = file->index > 0 ? lseek(output, 0, SEEK_END) : 0;
	const struct picture_job job = {
		.variants = unpacked->variants,
		.n_variants = request->n_variants,
		.name = request->name,
		.input = pxp_task_descriptor(file->task, (unsigned)file->index),
		.input_bytes = request->input_bytes,
		.output = output,
		.max_output = request->max_output,
		.on_need = on_need,
		.hashes_input = request->hashes_input,
		.decodes_only = request->decodes_only,
		.on_read = on_read,
		.on_header = on_header,
		.on_decoded = on_decoded,
		.data = file,
	};

	for (int i = 0; i < THREAD_TRIES; i++) {
		picture_run(pxp_task_context(file->task), &job, ret_answer);
		if (!lacks_threads(ret_answer) || lseek(output, 0, SEEK_END) > n_before)
			return;
		nanosleep(&pause, NULL);
	}
}

/* Whether a picture that has failed in a shared task may have another outcome in a task of its own.
 * Such a task may get more memory, and the outputs of the picture may fill the whole memfd, whose
 * length is limited. */
static bool may_succeed_alone(const struct clocked_file *file,
                              const struct picture_answer *answer)
{
	return is_shared(file) &&
	       (file->needs_more || answer->failure.class == FAIL_MEMORY ||
	        answer->failure.class == FAIL_IO ||
	        (answer->failure.class == FAIL_TOO_BIG && file->index > 0));
}

/* Whether the task must begin no other file: it was asked to end, or its files so far took too
 * long. */
static bool ends_here(const struct pxp_task *task, int64_t began_ns)
{
	/* The worker has stored the file that it is about to begin, and now loads the request to
	 * end. The main process does the two in the opposite order, with a fence as well: see
	 * take_out() in group.c. */
	atomic_thread_fence(memory_order_seq_cst);
	return pxp_task_is_cancelled(task) ||
	       clock_now_ns() - began_ns > limits_group_max_ns();
}

/* Append an answer of n bytes to the results. If n is 0, the file has no answer and must be
 * submitted again. */
static size_t put_answer(uint8_t *results, size_t at, const struct picture_answer *answer,
                         size_t n)
{
	const answer_head head = n;

	memcpy(results + at, &head, sizeof(head));
	at += sizeof(head);
	memset(results + at, 0, padded(n));
	if (n > 0)
		memcpy(results + at, answer, n);
	return at + padded(n);
}

/* Process one file of a task, and append its answer. Returns PXP_OK, or the status with which the
 * task fails. */
static enum pxp_status run_file(struct clocked_file *file, struct unpacked *unpacked,
                                uint8_t *results, size_t *at)
{
	struct picture_answer answer = {0};

	if (!unpack(file->request, unpacked))
		return pxp_task_fail(file->task, FAIL_INTERNAL,
		                     "internal: the request is incomplete");
	run_job(file, unpacked, &answer);
	if (may_succeed_alone(file, &answer)) {
		*at = put_answer(results, *at, &answer, 0);
		return PXP_OK;
	}
	/* With PXP_EMEMORY the executor may try the task again with more memory. */
	if (answer.failure.class == FAIL_MEMORY) {
		pxp_task_fail(file->task, FAIL_MEMORY, "%s", answer.failure.text);
		return PXP_EMEMORY;
	}
	*at = put_answer(results, *at, &answer, picture_answer_bytes(answer.n_out));
	return PXP_OK;
}

static enum pxp_status run_files(struct pxp_task *task, const struct packed_task *packed,
                                 struct unpacked *unpacked, uint8_t *results)
{
	const uint8_t *next = (const uint8_t *)(packed + 1);
	const int64_t began_ns = clock_now_ns();
	enum pxp_status status = PXP_OK;
	size_t n_results = 0;

	for (uint64_t i = 0; i < packed->n_files && status == PXP_OK; i++) {
		struct clocked_file file = {
			.task = task,
			.packed = packed,
			.request = (const void *)next,
			.index = i,
		};

		enter_stage(&file, STAGE_READING);
		if (i > 0 && ends_here(task, began_ns)) {
			for (; i < packed->n_files; i++)
				n_results = put_answer(results, n_results, NULL, 0);
			break;
		}
		if (i > 0)
			pxp_task_restart_deadline(
				task, read_timeout_ms(file.request->timeout_ms));
		status = run_file(&file, unpacked, results, &n_results);
		next += aligned((size_t)file.request->n_bytes);
	}
	return status == PXP_OK ? pxp_task_return(task, results, n_results) : status;
}

/* The function of a task with one picture, or with several small pictures. */
static enum pxp_status run_pictures(struct pxp_task *task)
{
	const struct packed_task *packed = pxp_task_input(task, NULL);
	const size_t n_answer = sizeof(answer_head) + sizeof(struct picture_answer);
	struct unpacked *unpacked = malloc(sizeof(*unpacked));
	uint8_t *results = malloc((size_t)packed->n_files * n_answer);
	enum pxp_status status = PXP_EMEMORY;

	if (unpacked && results)
		status = run_files(task, packed, unpacked, results);
	free(unpacked);
	free(results);
	return status;
}

/* ---- in the main process ---- */

struct picture_guard picture_guard_of(const struct lockdown *lockdown, bool is_untrusted)
{
	struct picture_guard guard = {
		.lockdown = *lockdown,
		.is_untrusted = is_untrusted,
		.drawing = DRAWING_ELSEWHERE,
	};

	if (!picture_can_draw() || is_untrusted)
		guard.drawing = DRAWING_NONE;
	else if (!lockdown_confines_files(lockdown))
		guard.drawing = DRAWING_UNSAFE;
	return guard;
}

struct picture_guard picture_guard_to_draw(const struct picture_guard *guard)
{
	struct picture_guard to_draw = *guard;

	to_draw.drawing = DRAWING_HERE;
	return to_draw;
}

struct pxp_executor_options picture_pool_options(unsigned n_workers, size_t max_pending,
                                                 const struct picture_limits *limits,
                                                 const struct picture_guard *guard)
{
	/* A worker that an attacker has taken over must not see another picture. So workers are
	 * replaced after each picture if the inputs are untrusted. Drawing workers are always
	 * replaced, because attacks on them are more likely. */
	const bool is_used_once = guard->is_untrusted || guard->drawing == DRAWING_HERE;

	return (struct pxp_executor_options){
		.size = sizeof(struct pxp_executor_options),
		.kind = PXP_PROCESSES,
		.n_workers = n_workers,
		.max_pending = max_pending,
		.init_bytes = guard,
		.n_init_bytes = sizeof(*guard),
		.max_tasks_per_worker = is_used_once ? 1 : limits->recycle,
		.memory_allowance = limits->memory_allowance,
		.memory_budget = limits->memory_budget,
		.max_output = limits->max_output,
		.survive_signals = true,
		.prepare = prepare,
		.preload = preload,
		.initialise = create_picture_worker,
		.finalise = destroy_picture_worker,
		.lock_down = lock_down,
	};
}

static size_t packed_bytes(const struct picture_request *request)
{
	return sizeof(struct packed_request) + request->n_variants * RECIPE_PACKED_BYTES +
	       request->n_profile;
}

/* Write a request as bytes into zeroed memory. */
static void pack(const struct picture_request *request, struct packed_request *packed)
{
	const size_t n_recipes = request->n_variants * RECIPE_PACKED_BYTES;
	size_t n_base, n_cut;
	const char *base = path_base(request->name, &n_base);
	uint8_t *rest = (uint8_t *)(packed + 1);

	packed->n_bytes = packed_bytes(request);
	packed->input_bytes = request->input_bytes;
	packed->timeout_ms = request->timeout_ms;
	packed->max_output = request->max_output;
	packed->n_profile = request->n_profile;
	packed->n_variants = (uint32_t)request->n_variants;
	packed->decodes_only = request->decodes_only;
	packed->hashes_input = request->hashes_input;
	n_cut = n_base < NAME_BYTES ? 0 : n_base - (NAME_BYTES - 1);
	memcpy(packed->name, base + n_cut, n_base - n_cut);
	for (size_t i = 0; i < request->n_variants; i++) {
		struct recipe recipe = request->variants[i].rule->recipe;

		/* Without a format the recipe would be invalid, so set one even if nothing is
		 * written. */
		recipe.format = request->decodes_only ? FORMAT_PNG
		                                      : request->variants[i].format;
		recipe_pack(&recipe, rest + i * RECIPE_PACKED_BYTES);
	}
	if (request->n_profile > 0)
		memcpy(rest + n_recipes, request->profile, request->n_profile);
}

/* Make the input of a task, which the caller frees. Returns NULL if memory ran out. */
static struct packed_task *pack_all(const struct picture_request *requests, size_t n,
                                    uint64_t memory_allowance, size_t *ret_n)
{
	struct packed_task *packed;
	uint8_t *next;

	*ret_n = sizeof(*packed);
	for (size_t i = 0; i < n; i++)
		*ret_n += aligned(packed_bytes(&requests[i]));
	packed = calloc(1, *ret_n);
	if (!packed)
		return NULL;
	packed->n_files = n;
	packed->memory_allowance = memory_allowance;
	next = (uint8_t *)(packed + 1);
	for (size_t i = 0; i < n; i++) {
		pack(&requests[i], (void *)next);
		next += aligned(packed_bytes(&requests[i]));
	}
	return packed;
}

static int64_t max_ms(int64_t a_ms, int64_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

enum pxp_status picture_submit(struct pxp_executor *pool,
                               const struct picture_request *requests, size_t n,
                               uint64_t memory_allowance, struct pxp_future **ret_task)
{
	/* For each file the worker restarts the deadline at most three times: when it begins to
	 * read the file, when the file was read, and when the header is known. */
	enum { RESTARTS_PER_FILE = 3 };
	const struct picture_request *first = &requests[0];
	const struct recipe *recipe = &first->variants[0].rule->recipe;
	uint64_t max_pixels = recipe->max_pixels > 0 ? recipe->max_pixels
	                                             : RECIPE_MAX_PIXELS;
	int inputs[PICTURE_MAX_FILES];
	const struct pxp_task_options options = {
		.size = sizeof(options),
		.descriptors = inputs,
		.n_descriptors = (unsigned)n,
		.keep_descriptors = true,
		.output = !first->decodes_only,
		.retries = n == 1 ? first->retries : 0,
		.retry_memory = n == 1,
		.deadline_ms = read_timeout_ms(first->timeout_ms),
		.max_deadline_ms = max_ms(timeout_ms_of(max_pixels), first->timeout_ms),
		.max_restarts = n == 1 ? 0 : (unsigned)n * RESTARTS_PER_FILE,
		.counts_as = (unsigned)n,
	};
	size_t n_packed;
	struct packed_task *packed = pack_all(requests, n, memory_allowance, &n_packed);
	enum pxp_status status;

	*ret_task = NULL;
	if (!packed)
		return PXP_ENOMEM;
	for (size_t i = 0; i < n; i++)
		inputs[i] = requests[i].input;
	status = pxp_executor_submit(pool, run_pictures, packed, n_packed, &options,
	                             ret_task);
	free(packed);
	return status;
}

static enum fail_class class_of(const struct pxp_error *error)
{
	switch (error->status) {
	case PXP_EDEADLINE:
		return FAIL_TIMEOUT;
	case PXP_ECRASHED: /* SIGSYS: the sandbox has killed the worker */
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

/* ---- the answer of a worker ---- */

static bool side_is_sound(const struct picture_side *side)
{
	return (unsigned)side->format < N_FORMATS;
}

/* Whether an answer of n bytes is valid: its length, its numbers and the characters of the engine's
 * name. Adds the final zeros of its texts. */
static bool answer_is_sound(struct picture_answer *answer, size_t n)
{
	answer->failure.text[sizeof(answer->failure.text) - 1] = 0;
	answer->engine[sizeof(answer->engine) - 1] = 0;
	for (const char *c = answer->engine; *c; c++) {
		if (*c < 'a' || *c > 'z')
			return false;
	}
	if (answer->n_out > PICTURE_MAX_VARIANTS ||
	    n != picture_answer_bytes(answer->n_out))
		return false;
	for (uint32_t i = 0; i < answer->n_out; i++) {
		if (!side_is_sound(&answer->out[i]))
			return false;
	}
	return (unsigned)answer->failure.class < N_FAIL_CLASSES &&
	       side_is_sound(&answer->in) && answer->read_ns >= 0 &&
	       answer->work_ns >= 0 && answer->has_in_hash <= 1 &&
	       answer->is_to_draw <= 1 && answer->is_damaged <= 1 &&
	       (!answer->is_damaged || answer->failure.class == FAIL_NONE) &&
	       (!answer->is_to_draw || answer->failure.class == FAIL_UNSUPPORTED);
}

/* Whether the first bytes of an output are those of its format. */
static bool output_is_sound(const struct picture_side *side, int output)
{
	uint8_t bytes[FORMAT_SNIFF_BYTES];
	size_t n_bytes = side->bytes < sizeof(bytes) ? (size_t)side->bytes
	                                             : sizeof(bytes);
	char name[16];
	ssize_t n;

	/* The name is needed because TGA is recognised only by its suffix. */
	snprintf(name, sizeof(name), "x.%s", format_info(side->format)->extension);
	n = fd_pread_full(output, bytes, n_bytes, (off_t)side->offset);
	return n > 0 && format_of_bytes(bytes, (size_t)n, name) == side->format;
}

/* Whether the outputs of a file have the requested formats, and follow one another without gaps
 * from *offset, which is moved past them. n_there: the length of the memfd. may_skip: true if an
 * earlier file of the task has failed or is left. Such a file may have written some bytes into the
 * memfd. */
static bool outputs_are_sound(const struct picture_taken *file, int output,
                              uint64_t n_there, bool may_skip, uint64_t *offset)
{
	const struct picture_answer *answer = &file->answer;

	if (output < 0 || answer->n_out != file->n_variants)
		return false;
	if (may_skip && answer->out[0].offset > *offset &&
	    answer->out[0].offset <= n_there)
		*offset = answer->out[0].offset;
	for (size_t i = 0; i < file->n_variants; i++) {
		const struct picture_side *side = &answer->out[i];

		if (side->format != file->variants[i].format || side->offset != *offset ||
		    side->bytes > n_there - *offset || !output_is_sound(side, output))
			return false;
		*offset += side->bytes;
	}
	return true;
}

/* Write the last line of a worker's standard error into `text`, after a colon (": free(): invalid
 * pointer"), cut to n_text bytes. If the worker wrote nothing, `text` is "". */
static void last_line(const struct pxp_outcome *outcome, char *text, size_t n_text)
{
	size_t end = outcome->log ? outcome->n_log : 0, begin;

	while (end > 0 && (unsigned char)outcome->log[end - 1] <= ' ')
		end--;
	for (begin = end; begin > 0 && outcome->log[begin - 1] != '\n'; begin--)
		;
	snprintf(text, n_text, "%s%.*s", end > begin ? ": " : "", (int)(end - begin),
	         outcome->log ? outcome->log + begin : "");
}

/* Make the failure of a task without an answer: for example "worker died of SIGSEGV while decoding:
 * free(): invalid pointer". */
static void take_error(const struct pxp_outcome *outcome, size_t n_files,
                       struct failure *failure)
{
	enum fail_class class = class_of(&outcome->error);
	uint64_t stage = outcome->progress.done;
	char line[FAILURE_TEXT_BYTES];

	last_line(outcome, line, sizeof(line));
	/* If the task itself reported the lack of memory, the text of its error names the stage. */
	if (class == FAIL_INTERNAL || stage >= n_files * N_STAGES ||
	    outcome->error.code == FAIL_MEMORY)
		failure_set(failure, class, "%s%s", outcome->error.text, line);
	else
		failure_set(failure, class, "%s while %s%s", outcome->error.text,
		            stage_names[stage % N_STAGES], line);
}

/* Whether a task that ended with this status failed because of its current file. After a breach of
 * the protocol any file may be the reason, because the worker continues until the pool has noticed
 * the breach. */
static bool is_of_file_at_work(enum pxp_status status)
{
	return status == PXP_ECRASHED || status == PXP_EPOISON ||
	       status == PXP_EDEADLINE || status == PXP_EMEMORY;
}

/* Give the failure of a task to its files. If the pool is broken or the task was cancelled, all
 * files get the failure. Otherwise at most the current file of a shared task gets it, and the other
 * files are left. A hostile worker can make another file of its task the current one, but no file
 * of another task. */
static void take_failure(const struct pxp_outcome *outcome, struct picture_taken *files,
                         size_t n_files)
{
	const enum pxp_status status = outcome->error.status;
	const bool is_for_all = n_files == 1 || status == PXP_EBROKEN ||
	                        status == PXP_ECANCELLED;
	const uint64_t at_work = outcome->progress.done / N_STAGES;

	for (size_t i = 0; i < n_files; i++) {
		if (is_for_all || (is_of_file_at_work(status) && i == at_work))
			take_error(outcome, n_files, &files[i].answer.failure);
		else
			files[i].is_left = true;
	}
}

/* Read the answer at an offset of the results. Returns false if it is not valid. */
static bool read_answer(struct picture_taken *file, const uint8_t *results, size_t n,
                        size_t *at)
{
	answer_head length;

	if (n - *at < sizeof(length))
		return false;
	memcpy(&length, results + *at, sizeof(length));
	*at += sizeof(length);
	if (length > sizeof(file->answer) || padded((size_t)length) > n - *at)
		return false;
	memcpy(&file->answer, results + *at, (size_t)length);
	*at += padded((size_t)length);
	file->is_left = length == 0 || file->is_taken_out;
	if (!file->is_left)
		return answer_is_sound(&file->answer, (size_t)length);
	memset(&file->answer, 0, sizeof(file->answer));
	return true;
}

/* Read all answers, and check them against the memfd. Returns NULL if they are valid; if not, a
 * text that says how they break the rules. */
static const char *read_answers(struct picture_taken *files, size_t n_files,
                                const uint8_t *results, size_t n, int output)
{
	static const char no_match[] = "the output does not match the worker's answer";
	struct stat stat = {0};
	uint64_t offset = 0;
	bool may_skip = false, is_made = false;
	size_t at = 0;

	for (size_t i = 0; i < n_files; i++) {
		if (!read_answer(&files[i], results, n, &at) ||
		    (files[i].is_left && n_files == 1))
			return "the worker's answer is not valid";
	}
	if (at != n)
		return "the worker's answer is not valid";
	if (output >= 0 && fstat(output, &stat) != 0)
		return no_match;
	for (size_t i = 0; i < n_files; i++) {
		if (files[i].is_left || files[i].answer.failure.class != FAIL_NONE) {
			may_skip = n_files > 1;
			continue;
		}
		if (files[i].n_variants == 0)
			continue;
		if (!outputs_are_sound(&files[i], output, (uint64_t)stat.st_size,
		                       may_skip, &offset))
			return no_match;
		is_made = true;
	}
	return !is_made || may_skip || offset == (uint64_t)stat.st_size ? NULL : no_match;
}

/* Forget the answers of a task, because they break the rules. If the task has one file, that file
 * fails. If it has several files, all must be submitted again, because it is not known which file
 * caused the wrong answers. */
static void refuse_answers(struct picture_taken *files, size_t n_files,
                           const char *breach)
{
	for (size_t i = 0; i < n_files; i++) {
		memset(&files[i].answer, 0, sizeof(files[i].answer));
		files[i].is_left = n_files > 1;
		if (n_files == 1)
			failure_set(&files[i].answer.failure, FAIL_VIOLATION, "%s",
			            breach);
	}
}

/* Accept the answer of a file. Returns whether the file has outputs. */
static bool accept_answer(struct picture_taken *file)
{
	struct failure *failure = &file->answer.failure;

	/* failure_set() removes control characters, which must not reach a terminal. */
	if (failure->class != FAIL_NONE)
		failure_set(failure, failure->class, "%s", strdupa(failure->text));
	if (file->is_left || failure->class != FAIL_NONE)
		return false;
	for (size_t i = 0; i < file->n_variants; i++)
		file->variants[i].side = file->answer.out[i];
	return file->n_variants > 0;
}

void picture_collect(struct pxp_future *task, struct picture_taken *files, size_t n_files,
                     int *ret_output)
{
	const char *breach;
	bool is_made = false;
	void *results;
	size_t n;

	*ret_output = -1;
	for (size_t i = 0; i < n_files; i++) {
		memset(&files[i].answer, 0, sizeof(files[i].answer));
		files[i].is_left = false;
	}
	if (pxp_future_result(task, 0, &results, &n, NULL) != PXP_OK) {
		take_failure(pxp_future_outcome(task), files, n_files);
		return;
	}
	*ret_output = pxp_future_take_output(task);
	breach = read_answers(files, n_files, results, n, *ret_output);
	free(results);
	if (breach)
		refuse_answers(files, n_files, breach);
	for (size_t i = 0; i < n_files && !breach; i++)
		is_made |= accept_answer(&files[i]);
	if (!is_made)
		fd_close(ret_output);
}

size_t picture_at_work(struct pxp_future *task)
{
	return (size_t)(pxp_future_progress(task).done / N_STAGES);
}

/* ---- the formats that the engines can read and write, which workers find out by trying ---- */

static enum pxp_status run_catalogue(struct pxp_task *task)
{
	struct catalogue catalogue;

	memset(&catalogue, 0, sizeof(catalogue));
	catalogue_fill(&catalogue);
	return pxp_task_return(task, &catalogue, sizeof(catalogue));
}

static bool ask_catalogue(const struct picture_guard *guard,
                          struct catalogue *ret_catalogue, struct failure *ret_failure)
{
	const struct picture_limits no_limits = {0};
	const struct pxp_executor_options options = picture_pool_options(1, 1, &no_limits,
	                                                                 guard);

	return worker_ask_once(&options, run_catalogue, ret_catalogue,
	                       sizeof(*ret_catalogue), ret_failure);
}

/* Copy the formats of drawings from the drawing workers' catalogue, because only drawing workers
 * can test them. */
static void take_drawn(struct catalogue *catalogue, const struct catalogue *drawers)
{
	for (uint32_t i = 0; i < catalogue->n_engines; i++) {
		for (int format = 0; format < N_FORMATS; format++) {
			if (format_info((enum image_format)format)->is_drawn)
				catalogue->engines[i].reads[format] =
					drawers->engines[i].reads[format];
		}
	}
}

bool picture_catalogue(const struct picture_guard *guard, struct catalogue *ret_catalogue,
                       struct failure *ret_failure)
{
	struct picture_guard to_draw;
	struct catalogue drawers;
	struct failure ignored;

	if (!ask_catalogue(guard, ret_catalogue, ret_failure))
		return false;
	if (guard->drawing != DRAWING_ELSEWHERE)
		return true;
	/* If the drawing workers cannot be started, the catalogue says that drawings cannot be
	 * read. */
	to_draw = picture_guard_to_draw(guard);
	if (ask_catalogue(&to_draw, &drawers, &ignored))
		take_drawn(ret_catalogue, &drawers);
	return true;
}
