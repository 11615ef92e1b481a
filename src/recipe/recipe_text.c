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

static bool find_field(const char *name, enum recipe_field *ret_field,
                       struct failure *ret_failure)
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
		return failure_set(ret_failure, FAIL_USAGE,
		                   "'%s' is not in a recipe; did you mean '%s'?", name,
		                   best);
	return failure_set(ret_failure, FAIL_USAGE, "'%s' is not in a recipe", name);
}

static bool parse_field(struct recipe *recipe, char *words, struct failure *ret_failure)
{
	char *value = words + strcspn(words, " ");
	bool has_value = *value, wants_value;
	enum recipe_field field = N_RECIPE_FIELDS;

	*value = 0;
	value += has_value;
	value += strspn(value, " ");
	if (!find_field(words, &field, ret_failure))
		return false;
	wants_value = recipe_field_has_value(field);
	if (has_value != wants_value)
		return failure_set(ret_failure, FAIL_USAGE, "%s %s", words,
		                   wants_value ? "needs a value" : "takes no value");
	return recipe_set(recipe, field, value, ret_failure) ||
	       failure_prepend(ret_failure, "%s: ", words);
}

bool recipe_parse(struct recipe *ret_recipe, const char *words,
                  struct failure *ret_failure)
{
	struct recipe recipe = {0};
	char copy[RECIPE_TEXT_BYTES], *rest = copy, *field;

	if (strlen(words) >= sizeof(copy))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "longer than a recipe can be");
	memcpy(copy, words, strlen(words) + 1);
	while ((field = strsep(&rest, ";"))) {
		field += strspn(field, " ");
		if (!*field && !rest)
			break; /* the end, also of an empty text */
		if (!parse_field(&recipe, field, ret_failure))
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
