/*
 * A variant is one output of an input: what it is made by, its name, and which bytes it is. Most
 * batches have one variant; several come from one decoding of the input.
 */
#ifndef PXP_VARIANT_H
#define PXP_VARIANT_H

#include "image/picture.h"
#include "recipe/recipe.h"

/* What is asked for, the same for every input of a batch. */
struct variant_rule {
	struct recipe recipe; /* its format is set for each input */
	/* Of the output; FORMAT_NONE: the same as the input. */
	enum image_format format;
	/* Put between the name and its extension, e.g. "-640"; NULL: nothing. */
	const char *tag;
};

/* One output of one input. */
struct variant {
	const struct variant_rule *rule; /* borrowed */
	/* Below the output folder, owned; NULL: there is no output, since none is asked for or
	 * the format of a named file could not be told. */
	char *name;
	enum image_format format; /* of the output; FORMAT_NONE with a NULL name */
	/* Once it is made: its size, and its range in the task's memfd. */
	struct picture_side side;
};

#endif
