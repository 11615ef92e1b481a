/*
 * The words of the fields that are neither a choice nor on or off. Setting is false with a message
 * in text of n_text bytes, and leaves the recipe as it was; printing writes nothing when the field
 * is zero.
 */
#ifndef PXP_RECIPE_WORDS_H
#define PXP_RECIPE_WORDS_H

#include "recipe/recipe.h"

#include <stddef.h>

bool recipe_set_size(struct recipe *recipe, const char *value,
                     struct failure *ret_failure);
void recipe_print_size(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_background(struct recipe *recipe, const char *value,
                           struct failure *ret_failure);
void recipe_print_background(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_profile(struct recipe *recipe, const char *value,
                        struct failure *ret_failure);
void recipe_print_profile(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_format(struct recipe *recipe, const char *value,
                       struct failure *ret_failure);
void recipe_print_format(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_quality(struct recipe *recipe, const char *value,
                        struct failure *ret_failure);
void recipe_print_quality(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_effort(struct recipe *recipe, const char *value,
                       struct failure *ret_failure);
void recipe_print_effort(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_keep(struct recipe *recipe, const char *value,
                     struct failure *ret_failure);
void recipe_print_keep(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_filter(struct recipe *recipe, const char *value,
                       struct failure *ret_failure);
void recipe_print_filter(const struct recipe *recipe, char *text, size_t n_text);
/* auto, or a word of letters: whether there is such an engine, the program decides. */
bool recipe_set_engine(struct recipe *recipe, const char *value,
                       struct failure *ret_failure);
void recipe_print_engine(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_max_pixels(struct recipe *recipe, const char *value,
                           struct failure *ret_failure);
void recipe_print_max_pixels(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_max_frames(struct recipe *recipe, const char *value,
                           struct failure *ret_failure);
void recipe_print_max_frames(const struct recipe *recipe, char *text, size_t n_text);
bool recipe_set_max_file_bytes(struct recipe *recipe, const char *value,
                               struct failure *ret_failure);
void recipe_print_max_file_bytes(const struct recipe *recipe, char *text, size_t n_text);

#endif
