/*
 * A variant is one output of an input: its recipe, its name, its size and its range of bytes. Most
 * batches have one variant. Several variants are made from a single decoding of the input.
 */
#ifndef PXP_VARIANT_H
#define PXP_VARIANT_H

#include "image/picture.h"
#include "recipe/recipe.h"

/* How outputs are named. If all members are zero, an output has the name of its input, with the
 * extension of its format. */
struct naming_style {
	/* The pattern of file names, with {name}, {ext} and {hash} (naming_check_pattern()); NULL:
	 * a name consists of the name of the input, the tag and the extension. */
	const char *pattern;
	bool is_flat; /* whether all outputs are directly in the output folder */
	/* Whether {name} includes the suffix of the input, as in "a.png.webp". */
	bool keeps_suffix;
	/* If the batch has only one output: its name. NULL: the name depends on that of the
	 * input. */
	const char *file_name;
};

/* The rule that makes one output of every input of a batch. */
struct variant_rule {
	struct recipe recipe; /* the recipe; its format is set anew for each input */
	/* The format of the output; FORMAT_NONE: the same as that of the input. */
	enum image_format format;
	/* A text between the name and the extension, e.g. "-640"; NULL: no text. */
	const char *tag;
	struct naming_style style;
	/* If true, the output replaces its input. Then `format` is FORMAT_NONE. */
	bool in_place;
	/* With --in-place: the original is kept under its name with this suffix appended. NULL: the
	 * original is removed. */
	const char *backup_suffix;
};

/* One output of one input. */
struct variant {
	const struct variant_rule *rule; /* borrowed */
	/* The name relative to the output folder; with --in-place the path of the input. The
	 * variant owns it. NULL: this output is not made, because none is requested, or because the
	 * format of an INPUT is unknown. */
	char *name;
	/* Whether the name still contains "{hash}", at offset hash_at. naming_fill_hash() replaces
	 * it by the hash of the output and sets has_hash to false. */
	bool has_hash;
	size_t hash_at;
	/* the format of the output; FORMAT_NONE if `name` is NULL */
	enum image_format format;
	/* The properties of the output once it is made: its size, and its range in the task's
	 * memfd. */
	struct picture_side side;
};

#endif
