#include "recipe/recipe_text.h"

#include "common/hash.h"
#include "common/suggest.h"

#include <stdio.h>
#include <string.h>

void recipe_print(const struct recipe *recipe, char text[RECIPE_TEXT_BYTES])
{
	char word[RECIPE_WORD_BYTES];
	size_t n = 0;

	text[0] = 0;
	for (int i = 0; i < N_RECIPE_FIELDS && n < RECIPE_TEXT_BYTES; i++) {
		enum recipe_field field = (enum recipe_field)i;

		if (recipe_get(recipe, field, word))
			n += (size_t)snprintf(text + n, RECIPE_TEXT_BYTES - n, "%s%s%s%s",
			                      n > 0 ? "; " : "", recipe_field_name(field),
			                      word[0] ? " " : "", word);
	}
}

static bool find_field(const char *name, enum recipe_field *ret_field, char *text,
                       size_t n_text)
{
	const char *best = NULL;

	for (int i = 0; i < N_RECIPE_FIELDS; i++) {
		const char *known = recipe_field_name((enum recipe_field)i);

		if (strcmp(known, name) == 0) {
			*ret_field = (enum recipe_field)i;
			return true;
		}
		suggest_consider(&best, name, known);
	}
	if (best)
		snprintf(text, n_text, "'%s' is not in a recipe; did you mean '%s'?",
		         name, best);
	else
		snprintf(text, n_text, "'%s' is not in a recipe", name);
	return false;
}

static bool parse_field(struct recipe *recipe, char *words, char *text, size_t n_text)
{
	char *value = words + strcspn(words, " ");
	bool has_value = *value, wants_value;
	char why[512], argument[RECIPE_ARGUMENT_BYTES];
	enum recipe_field field;

	*value = 0;
	value += has_value;
	value += strspn(value, " ");
	if (!find_field(words, &field, text, n_text))
		return false;
	wants_value = recipe_field_argument(field, argument) != NULL;
	if (has_value != wants_value)
		snprintf(text, n_text, "%s %s", words,
		         wants_value ? "needs a value" : "takes no value");
	else if (recipe_set(recipe, field, value, why, sizeof(why)))
		return true;
	else
		snprintf(text, n_text, "%s: %s", words, why);
	return false;
}

bool recipe_parse(struct recipe *ret_recipe, const char *words, char *text, size_t n_text)
{
	struct recipe recipe = {0};
	char copy[RECIPE_TEXT_BYTES], *rest = copy, *field;

	if (strlen(words) >= sizeof(copy)) {
		snprintf(text, n_text, "longer than a recipe can be");
		return false;
	}
	memcpy(copy, words, strlen(words) + 1);
	while ((field = strsep(&rest, ";"))) {
		field += strspn(field, " ");
		if (!*field && !rest)
			break; /* the end, also of an empty text */
		if (!parse_field(&recipe, field, text, n_text))
			return false;
	}
	*ret_recipe = recipe;
	return true;
}

uint64_t recipe_fingerprint(const struct recipe *recipe)
{
	/* Not secret: the same everywhere. */
	static const struct hash_key key = {{0x706978706f6f6c21, RECIPE_PICTURE_VERSION}};
	char text[RECIPE_TEXT_BYTES];

	recipe_print(recipe, text);
	return hash_bytes(&key, text, strlen(text));
}
