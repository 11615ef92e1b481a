/* The roots of inputs: hashes of the paths from the output folder to the folders of the INPUTs. */
#include "batch/roots.h"

#include "common/hash.h"
#include "common/hash_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct roots {
	const struct walk_options *inputs;
	char *output; /* the real path of the output folder; NULL: not known */
	/* The folder whose root was computed last, and the root. NULL: none. */
	char *last;
	uint64_t last_root;
	struct hash_set all; /* the roots of all INPUTs, once has_all is set */
	bool has_all;
};

/* The key is constant, because records are read on other machines. */
static const struct hash_key fixed_key = {{0x726f, 0x6f74}};

struct roots *roots_create(const struct walk_options *inputs, const char *output)
{
	struct roots *roots = calloc(1, sizeof(*roots));

	if (!roots)
		return NULL;
	roots->inputs = inputs;
	roots->output = output ? realpath(*output ? output : ".", NULL) : NULL;
	return roots;
}

void roots_destroy(struct roots *roots)
{
	if (!roots)
		return;
	free(roots->output);
	free(roots->last);
	hash_set_fini(&roots->all);
	free(roots);
}

/* Get the path from one folder to another one. Both are real paths. The caller frees it. Returns
 * NULL if memory ran out. */
static char *path_between(const char *from, const char *to)
{
	size_t n_same = 0, n_up = 0, n = 0;
	const char *rest;
	char *path;

	for (size_t i = 0; from[i] == to[i] || !from[i] || !to[i]; i++) {
		if ((!from[i] || from[i] == '/') && (!to[i] || to[i] == '/'))
			n_same = i;
		if (!from[i] || !to[i])
			break;
	}
	for (const char *c = from + n_same; *c; c++)
		n_up += c[0] == '/' && c[1];
	rest = to + n_same + (to[n_same] == '/');
	path = malloc(3 * n_up + strlen(rest) + 1);
	for (size_t i = 0; path && i < n_up; i++, n += 3)
		memcpy(path + n, "../", 3);
	if (path)
		memcpy(path + n, rest, strlen(rest) + 1);
	return path;
}

/* The hash of the path from the output folder to a folder, as records store it; 0: not known. */
static uint64_t root_of(struct roots *roots, const char *folder)
{
	char *real, *path;

	if (roots->last && strcmp(roots->last, folder) == 0)
		return roots->last_root;
	real = roots->output ? realpath(folder, NULL) : NULL;
	path = real ? path_between(roots->output, real) : NULL;
	roots->last_root = path ? hash_bytes(&fixed_key, path, strlen(path)) : 0;
	free(path);
	free(real);
	free(roots->last);
	roots->last = strdup(folder);
	return roots->last_root;
}

/* The root of an INPUT, or of a name in a list. */
static uint64_t root_of_input(struct roots *roots, const char *input, bool is_folder)
{
	const char *slash = strrchr(input, '/');
	uint64_t root;
	char *folder;

	if (roots->inputs->is_list)
		return root_of(roots, roots->inputs->base ? roots->inputs->base : ".");
	if (is_folder)
		return root_of(roots, input);
	folder = slash ? strndup(input, (size_t)(slash + 1 - input)) : strdup(".");
	root = folder ? root_of(roots, folder) : 0;
	free(folder);
	return root;
}

uint64_t roots_of_item(struct roots *roots, const struct walk_item *item)
{
	if (item->is_standard_input)
		return 0;
	return root_of_input(roots, roots->inputs->inputs[item->input], !item->is_named);
}

/* Compute the roots of all INPUTs. */
static void find_all(struct roots *roots)
{
	const struct walk_options *inputs = roots->inputs;
	struct stat st;

	for (size_t i = 0; i < inputs->n_inputs; i++) {
		const char *input = inputs->inputs[i];
		bool is_folder = stat(input, &st) == 0 && S_ISDIR(st.st_mode);
		uint64_t root = root_of_input(roots, input, is_folder);
		const struct hash_set *all = &roots->all;

		if (root != 0 && (all->n == 0 || all->hashes[all->n - 1] != root))
			(void)hash_set_append(&roots->all, root);
	}
	hash_set_sort(&roots->all);
	roots->has_all = true;
}

bool roots_have(struct roots *roots, uint64_t root)
{
	size_t index;

	if (!roots->has_all)
		find_all(roots);
	return root != 0 && hash_set_find(&roots->all, root, &index);
}
