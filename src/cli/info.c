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

static void print_limits(void)
{
	printf("\nlimits of one image:\n"
	       "    pixels     %ju\n"
	       "    file size  %ju bytes\n"
	       "    time       60 s and 2 s for each megapixel, once it is read\n",
	       (uintmax_t)RECIPE_MAX_PIXELS, (uintmax_t)RECIPE_MAX_FILE_BYTES);
	printf("\nmachine:\n"
	       "    workers    %u by default, a process each\n"
	       "    sandbox    none beyond that: a worker has the rights of who runs it\n",
	       pxp_default_workers());
	printf("\nversions:\n    pixpool    %s\n", PIXPOOL_VERSION);
}

int info_print(void)
{
	struct catalogue catalogue;
	struct pxp_error error;

	if (picture_catalogue(&catalogue, &error) != PXP_OK) {
		fprintf(stderr, "pixpool: info: %s\n", error.text);
		return EXIT_USAGE;
	}
	print_engines(&catalogue);
	print_formats(&catalogue);
	print_limits();
	return EXIT_DONE;
}
