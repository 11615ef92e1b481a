/*
 * A variant is one output of an input: its recipe, its name, its size and its range of bytes. Most
 * batches have one variant. Several variants are made from a single decoding of the input.
 */
#ifndef PXP_VARIANT_H
#define PXP_VARIANT_H

#include "image/picture.h"
#include "recipe/recipe.h"

/* How outputs are named. All zeros: like their inputs, with the extension of their format. */
struct naming_style {
	/* The pattern of file names, with {name}, {ext} and {hash} (naming_check_pattern()); NULL:
	 * the name of the input, the tag and the extension. */
	const char *pattern;
	bool is_flat;      /* all outputs are directly in the output folder */
	bool keeps_suffix; /* {name} is the whole name of the input: "a.png.webp" */
	/* The name of the only output, whatever the input is called; NULL: by the input's name. */
	const char *file_name;
};

/* The rule that makes one output of every input of a batch. */
struct variant_rule {
	struct recipe recipe; /* the recipe; its format is set for each input */
	/* Format of the output; FORMAT_NONE: the same as the input. */
	enum image_format format;
	/* A tag between the name and its extension, e.g. "-640"; NULL: nothing. */
	const char *tag;
	struct naming_style style;
	/* The output replaces its input, and format is FORMAT_NONE. */
	bool in_place;
	/* With --in-place: the original is kept under its name with this suffix; NULL: it is
	 * removed. */
	const char *backup_suffix;
};

/* One output of one input. */
struct variant {
	const struct variant_rule *rule; /* borrowed */
	/* The name relative to the output folder; with --in-place the path of the input. Owned.
	 * NULL: no output, because none is requested, or because the format of an INPUT is
	 * unknown. */
	char *name;
	/* The name contains "{hash}" at offset hash_at, until naming_fill_hash() inserts the hash
	 * of the output. */
	bool has_hash;
	size_t hash_at;
	enum image_format format; /* format of the output; FORMAT_NONE with a NULL name */
	/* Set once the output is made: its size, and its range in the task's memfd. */
	struct picture_side side;
};

#endif
