/* Prints the tables of `pixpool info`, or the same data as JSON. */
#include "cli/info.h"

#include "base/cpus.h"
#include "batch/batch.h"
#include "batch/limits.h"
#include "batch/picture_workers.h"
#include "image/catalogue.h"
#include "report/json.h"

#include <stdio.h>
#include <string.h>

static void print_engines(const struct catalogue *catalogue)
{
	printf("engines, in the order in which they are tried:\n");
	for (uint32_t i = 0; i < catalogue->n_engines; i++)
		printf("    %-6s %s\n", catalogue->engines[i].name,
		       catalogue->engines[i].version);
}

/* Write the names of the engines that read or write a format. Write "-" if there is no such
 * engine. */
static void list_engines(const struct catalogue *catalogue, enum image_format format,
                         bool writes, char *text, size_t n_text)
{
	size_t n = 0;

	snprintf(text, n_text, "-");
	for (uint32_t i = 0; i < catalogue->n_engines && n < n_text; i++) {
		const struct catalogue_engine *engine = &catalogue->engines[i];

		if (writes ? engine->writes[format] : engine->reads[format])
			n += (size_t)snprintf(text + n, n_text - n, "%s%s",
			                      n > 0 ? " " : "", engine->name);
	}
}

static void print_formats(const struct catalogue *catalogue)
{
	printf("\nformats:\n    %-8s %-14s %-14s suffixes\n", "", "read by",
	       "written by");
	for (int i = FORMAT_NONE + 1; i < N_FORMATS; i++) {
		const struct format_info *info = format_info((enum image_format)i);
		char reads[32], writes[32];

		list_engines(catalogue, (enum image_format)i, false, reads,
		             sizeof(reads));
		list_engines(catalogue, (enum image_format)i, true, writes,
		             sizeof(writes));
		printf("    %-8s %-14s %-14s", info->name, reads, writes);
		for (const char *const *suffix = info->suffixes; *suffix; suffix++)
			printf(" %s", *suffix);
		printf("\n");
	}
}

/* Describe the effect of a layer of the sandbox that is in force. */
static void say_layer(const struct sandbox_state *state, enum sandbox_layer layer,
                      char *text, size_t n_text)
{
	switch (layer) {
	case SANDBOX_USER:
		snprintf(text, n_text, "workers run as uid %u, without any capability",
		         state->uid);
		break;
	case SANDBOX_LANDLOCK:
		snprintf(
			text, n_text,
			"version %u: workers cannot open files, except fonts for svg and "
			"pdf",
			state->landlock_abi);
		break;
	default:
		snprintf(
			text, n_text,
			"only a few system calls are allowed; any other kills the worker");
	}
}

static void print_sandbox(const struct sandbox_state *state)
{
	printf("\nsandbox:\n");
	if (state->wanted == 0)
		printf("    off\n");
	for (int i = 0; i < N_SANDBOX_LAYERS; i++) {
		enum sandbox_layer layer = (enum sandbox_layer)i;
		char does[128];

		if (!(state->wanted & 1U << i))
			continue;
		if (state->in_force & 1U << i)
			say_layer(state, layer, does, sizeof(does));
		else
			snprintf(does, sizeof(does), "missing: %s", state->reasons[i]);
		printf("    %-10s %s\n", sandbox_layer_name(layer), does);
	}
}

static uintmax_t mib(uint64_t n_bytes)
{
	return (uintmax_t)(n_bytes >> 20);
}

static void print_limits(const struct batch_options *options)
{
	const struct recipe *recipe = &options->recipe;
	struct limits limits = limits_make(options->memory, options->n_workers);

	printf("\nlimits of one image:\n"
	       "    pixels     %ju\n",
	       (uintmax_t)(recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS));
	if (recipe->max_frames)
		printf("    frames     %u\n", recipe->max_frames);
	else
		printf("    frames     no limit\n");
	printf("    file size  %ju bytes\n"
	       "    output     %ju MiB\n",
	       (uintmax_t)(recipe->max_file_bytes ? recipe->max_file_bytes
	                                          : RECIPE_MAX_FILE_BYTES),
	       mib(limits.max_output));
	if (pxp_memory_is_limited())
		printf("    memory     %ju MiB: %ju MiB reserved, the rest on request\n",
		       mib(limits_of_picture(&limits)), mib(limits.allowance));
	else
		printf("    memory     no limit, because this build has sanitizers\n");
	if (options->timeout_ms > 0)
		printf("    time       at most %.3f s, counted after the image has been read\n",
		       (double)options->timeout_ms / 1000);
	else
		printf("    time       at most 60 s plus 2 s per megapixel, counted after its header has been read\n");

	printf("\nmachine:\n    memory     %ju MiB for all processes of a run together\n    processors %u usable, by affinity and CPU quota\n    workers    %u processes, each replaced after %u images\n",
	       mib(limits.memory), cpus_usable(""), limits.n_workers,
	       options->recycle ? options->recycle : RECYCLE_IMAGES);
	printf("\nversions:\n    pixpool    %s\n", PIXPOOL_VERSION);
}

/* ---- the same data as JSON ---- */

static void add_engines(struct json *json, const struct catalogue *catalogue)
{
	json_open_list(json, "engines");
	for (uint32_t i = 0; i < catalogue->n_engines; i++) {
		json_open(json, NULL);
		json_string(json, "name", catalogue->engines[i].name);
		json_string(json, "version", catalogue->engines[i].version);
		json_close(json);
	}
	json_close_list(json);
}

/* Add a list with the names of the engines that read or write a format. */
static void add_claims(struct json *json, const char *key,
                       const struct catalogue *catalogue, int format, bool writes)
{
	json_open_list(json, key);
	for (uint32_t i = 0; i < catalogue->n_engines; i++) {
		const struct catalogue_engine *engine = &catalogue->engines[i];

		if (writes ? engine->writes[format] : engine->reads[format])
			json_string(json, NULL, engine->name);
	}
	json_close_list(json);
}

static void add_formats(struct json *json, const struct catalogue *catalogue)
{
	json_open_list(json, "formats");
	for (int i = FORMAT_NONE + 1; i < N_FORMATS; i++) {
		const struct format_info *info = format_info((enum image_format)i);

		json_open(json, NULL);
		json_string(json, "name", info->name);
		add_claims(json, "read_by", catalogue, i, false);
		add_claims(json, "written_by", catalogue, i, true);
		json_open_list(json, "suffixes");
		for (const char *const *suffix = info->suffixes; *suffix; suffix++)
			json_string(json, NULL, *suffix);
		json_close_list(json);
		json_close(json);
	}
	json_close_list(json);
}

/* Add a list of the requested layers. It says for each layer that the layer is in force, or why it
 * is missing. */
static void add_sandbox(struct json *json, const struct sandbox_state *state)
{
	json_open_list(json, "sandbox");
	for (int i = 0; i < N_SANDBOX_LAYERS; i++) {
		if (!(state->wanted & 1U << i))
			continue;
		json_open(json, NULL);
		json_string(json, "layer", sandbox_layer_name((enum sandbox_layer)i));
		if (state->in_force & 1U << i)
			json_true(json, "in_force");
		else
			json_string(json, "missing", state->reasons[i]);
		json_close(json);
	}
	json_close_list(json);
}

static void add_limits(struct json *json, const struct batch_options *options)
{
	const struct recipe *recipe = &options->recipe;
	struct limits limits = limits_make(options->memory, options->n_workers);

	json_open(json, "limits");
	json_whole(json, "pixels",
	           recipe->max_pixels ? recipe->max_pixels : RECIPE_MAX_PIXELS);
	if (recipe->max_frames)
		json_whole(json, "frames", recipe->max_frames);
	json_whole(json, "file_bytes",
	           recipe->max_file_bytes ? recipe->max_file_bytes
	                                  : RECIPE_MAX_FILE_BYTES);
	json_whole(json, "output_bytes", limits.max_output);
	if (pxp_memory_is_limited())
		json_whole(json, "memory_bytes", limits_of_picture(&limits));
	if (options->timeout_ms > 0)
		json_decimal(json, "timeout_seconds", (double)options->timeout_ms / 1000,
		             3);
	json_close(json);
	json_open(json, "machine");
	json_whole(json, "memory_bytes", limits.memory);
	json_whole(json, "processors", cpus_usable(""));
	json_whole(json, "workers", limits.n_workers);
	json_whole(json, "recycle", options->recycle ? options->recycle : RECYCLE_IMAGES);
	json_close(json);
}

/* Print one line of JSON. If a limit is not set, the JSON has no member for the limit. */
static void print_json(const struct batch_options *options,
                       const struct catalogue *catalogue,
                       const struct sandbox_state *state)
{
	struct text text = TEXT_EMPTY;
	struct json json = {.text = &text};

	json_open(&json, NULL);
	json_string(&json, "version", PIXPOOL_VERSION);
	add_engines(&json, catalogue);
	add_formats(&json, catalogue);
	add_sandbox(&json, state);
	add_limits(&json, options);
	json_close(&json);
	printf("%s\n", text.bytes ? text.bytes : "");
	text_fini(&text);
}

int info_print(const struct batch_options *options, bool as_json)
{
	struct picture_guard guard;
	struct lockdown lockdown;
	struct sandbox_state state;
	struct catalogue catalogue;
	struct failure failure;
	bool is_answered = lockdown_try(options->sandbox, &lockdown, &state, &failure);

	guard = picture_guard_of(&lockdown, options->is_untrusted);
	if (!is_answered || !picture_catalogue(&guard, &catalogue, &failure)) {
		fprintf(stderr, "pixpool: info: %s\n", failure.text);
		return EXIT_USAGE;
	}
	if (as_json) {
		print_json(options, &catalogue, &state);
		return EXIT_DONE;
	}
	print_engines(&catalogue);
	print_formats(&catalogue);
	print_sandbox(&state);
	print_limits(options);
	return EXIT_DONE;
}
