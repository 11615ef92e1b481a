/*
 * Recipes as text: the fields of a recipe, and the canonical text of a recipe. The options of the
 * command line set these fields.
 */
#ifndef PXP_RECIPE_TEXT_H
#define PXP_RECIPE_TEXT_H

#include "recipe/recipe.h"

/* The fields, in the order of the canonical text. */
enum recipe_field {
	RECIPE_SIZE,
	RECIPE_NO_ENLARGE,
	RECIPE_NO_REDUCE,
	RECIPE_FIT,
	RECIPE_POSITION,
	RECIPE_KERNEL,
	RECIPE_LINEAR,
	RECIPE_NO_ROTATE,
	RECIPE_BACKGROUND,
	RECIPE_PROFILE,
	RECIPE_INTENT,
	RECIPE_DEPTH,
	RECIPE_FORMAT,
	RECIPE_QUALITY,
	RECIPE_EFFORT,
	RECIPE_LOSSLESS,
	RECIPE_PROGRESSIVE,
	RECIPE_CHROMA,
	RECIPE_KEEP,
	RECIPE_FILTER,
	RECIPE_ENGINE,
	RECIPE_FAIL_ON,
	RECIPE_LIMIT_PIXELS,
	RECIPE_LIMIT_FRAMES,
	RECIPE_LIMIT_FILE_BYTES,
	N_RECIPE_FIELDS
};

enum { RECIPE_WORD_BYTES = FILTERS_TEXT_BYTES, RECIPE_TEXT_BYTES = 2048 };

/* Whether the field has a value. A field that is only on or off has no value. */
bool recipe_field_has_value(enum recipe_field field);

/* Set a field to a value. If a field is only on or off, `value` is NULL, and the field becomes on.
 * If the value is invalid, returns false and leaves the recipe unchanged. The text of the failure
 * then says which values are valid. */
bool recipe_set(struct recipe *recipe, enum recipe_field field, const char *value,
                struct failure *ret_failure);

/*
 * Print and parse the canonical text of a recipe, such as "size 640x480; fit cover; format webp;
 * filter blur 1.5, flip". The text contains all fields that are not zero. There is exactly one way
 * to write each value. Parsing the text of a recipe gives the same recipe. recipe_print() may only
 * be called with a recipe from recipe_set(), recipe_parse() or recipe_unpack().
 */
void recipe_print(const struct recipe *recipe, char text[RECIPE_TEXT_BYTES]);
bool recipe_parse(struct recipe *ret_recipe, const char *words,
                  struct failure *ret_failure);

/* The version of the pictures. Increase it when the same recipe gives pictures that look
 * different. */
enum { RECIPE_PICTURE_VERSION = 2 };

/* A hash of the canonical text and of RECIPE_PICTURE_VERSION. The hash is the same on every
 * machine, whatever libraries are installed. Two different recipes have the same fingerprint only
 * with a probability of 1 in 2^64. */
uint64_t recipe_fingerprint(const struct recipe *recipe);

#endif
