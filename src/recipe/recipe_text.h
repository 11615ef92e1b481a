/*
 * A recipe in words: one table of its fields, from which the command's options, their
 * help, and the canonical text of a recipe come.
 */
#ifndef PXP_RECIPE_TEXT_H
#define PXP_RECIPE_TEXT_H

#include "recipe/recipe.h"

/* In the order of the canonical text. */
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

/* False for a field that is on or not. */
bool recipe_field_has_value(enum recipe_field field);

/* Set a field to a word; value is NULL for one that is on or not. False with a message
 * that names what is wrong and what would be right; the recipe is then as it was. */
bool recipe_set(struct recipe *recipe, enum recipe_field field, const char *value,
                struct failure *ret_failure);

/*
 * The canonical text: "size 640x480; fit cover; format webp; filter blur 1.5, flip", the
 * fields that are not zero, in one way each. Parsing it gives the same recipe. The recipe
 * is one that recipe_set() or recipe_unpack() made.
 */
void recipe_print(const struct recipe *recipe, char text[RECIPE_TEXT_BYTES]);
bool recipe_parse(struct recipe *ret_recipe, const char *words,
                  struct failure *ret_failure);

/* Raised when the same recipe gives pictures that look different. */
enum { RECIPE_PICTURE_VERSION = 1 };

/* A number that differs, as good as surely, when the recipe does or the version: the same
 * on every machine, whatever libraries are there. */
uint64_t recipe_fingerprint(const struct recipe *recipe);

/* Classes of metadata, with commas between; or none, or all. */
bool keep_parse(uint8_t *ret_keep, const char *value, struct failure *ret_failure);

enum { KEEP_TEXT_BYTES = 32 };
/* "" for none. */
void keep_print(uint8_t keep, char text[KEEP_TEXT_BYTES]);

/* A colour: a name, or # and 3, 4, 6 or 8 hexadecimal digits, alpha last. */
bool colour_parse(struct colour *ret_colour, const char *word,
                  struct failure *ret_failure);

enum { COLOUR_TEXT_BYTES = 10 };
void colour_print(const struct colour *colour, char text[COLOUR_TEXT_BYTES]);

#endif
