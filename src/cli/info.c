#include "cli/info.h"

#include "batch/batch.h"
#include "batch/picture_task.h"
#include "image/catalogue.h"

#include <stdio.h>
#include <string.h>

static void print_engines(const struct catalogue *catalogue)
{
	printf("engines, in the order in which they are asked:\n");
	for (uint32_t i = 0; i < catalogue->n_engines; i++)
		printf("    %-6s %s\n", catalogue->engines[i].name,
		       catalogue->engines[i].version);
}

/* The engines that do what of a format, in one word each. */
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
	printf("\nformats:\n    %-8s %-12s %-12s suffixes\n", "", "read by",
	       "written by");
	for (int i = FORMAT_NONE + 1; i < N_FORMATS; i++) {
		const struct format_info *info = format_info((enum image_format)i);
		char reads[32], writes[32];

		list_engines(catalogue, (enum image_format)i, false, reads,
		             sizeof(reads));
		list_engines(catalogue, (enum image_format)i, true, writes,
		             sizeof(writes));
		printf("    %-8s %-12s %-12s", info->name, reads, writes);
		for (const char *const *suffix = info->suffixes; *suffix; suffix++)
			printf(" %s", *suffix);
		printf("\n");
	}
}

/* What a layer does when it is there. */
static void say_layer(const struct sandbox_state *state, enum sandbox_layer layer,
                      char *text, size_t n_text)
{
	switch (layer) {
	case SANDBOX_USER:
		snprintf(text, n_text, "workers run as uid %u, without any capability",
		         state->uid);
		break;
	case SANDBOX_LANDLOCK:
		snprintf(text, n_text, "version %u: no file can be opened",
		         state->landlock_abi);
		break;
	default:
		snprintf(text, n_text,
		         "few system calls; what no decoder does kills the worker");
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

static void print_limits(void)
{
	printf("\nlimits of one image:\n"
	       "    pixels     %ju\n"
	       "    file size  %ju bytes\n"
	       "    time       60 s and 2 s for each megapixel, once it is read\n",
	       (uintmax_t)RECIPE_MAX_PIXELS, (uintmax_t)RECIPE_MAX_FILE_BYTES);
	printf("\nmachine:\n"
	       "    workers    %u by default, a process each\n",
	       pxp_default_workers());
	printf("\nversions:\n    pixpool    %s\n", PIXPOOL_VERSION);
}

int info_print(enum sandbox_mode mode)
{
	struct picture_guard guard = {0};
	struct sandbox_state state;
	struct catalogue catalogue;
	struct pxp_error error;

	if (lockdown_try(mode, &guard.lockdown, &state, &error) != PXP_OK ||
	    picture_catalogue(&guard, &catalogue, &error) != PXP_OK) {
		fprintf(stderr, "pixpool: info: %s\n", error.text);
		return EXIT_USAGE;
	}
	print_engines(&catalogue);
	print_formats(&catalogue);
	print_sandbox(&state);
	print_limits();
	return EXIT_DONE;
}
