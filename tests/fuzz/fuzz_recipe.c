/*
 * Fuzz target: recipes from hostile text and bytes. An accepted recipe is valid. Its text and its
 * packed form can be read back unchanged. Its layout is valid for any picture size.
 */
#include "fuzz.h"

#include "recipe/recipe_text.h"

#include <stdlib.h>
#include <string.h>

/* Check that the error message is not empty. */
static void check_message(const char text[FAILURE_TEXT_BYTES])
{
	CLAIM(text[0] != 0 && memchr(text, 0, FAILURE_TEXT_BYTES) != NULL);
}

static void check_layout(const struct geometry *geometry, struct feed *feed)
{
	struct size from = {(uint32_t)feed_number(feed, 4) | 1,
	                    (uint32_t)feed_number(feed, 3) | 1};
	struct layout l = geometry_layout(geometry, from);
	struct size part = l.part.size;

	CLAIM(l.scaled.width && l.scaled.height && part.width && part.height);
	CLAIM(part.width <= l.scaled.width && part.height <= l.scaled.height);
	CLAIM(l.part.x <= l.scaled.width - part.width);
	CLAIM(l.part.y <= l.scaled.height - part.height);
	CLAIM(part.width <= l.canvas.width && part.height <= l.canvas.height);
	CLAIM(l.x <= l.canvas.width - part.width);
	CLAIM(l.y <= l.canvas.height - part.height);
	CLAIM(!geometry->no_enlarge ||
	      (l.scaled.width <= from.width && l.scaled.height <= from.height));
	CLAIM(!geometry->no_reduce ||
	      (l.scaled.width >= from.width && l.scaled.height >= from.height));
}

/* Check that an accepted recipe is unchanged after a round trip as text and in its packed form. */
static void check_recipe(const struct recipe *recipe)
{
	char text[RECIPE_TEXT_BYTES], again[RECIPE_TEXT_BYTES];
	struct failure failure;
	uint8_t bytes[RECIPE_PACKED_BYTES];
	struct recipe parsed, unpacked;

	recipe_print(recipe, text);
	CLAIM(memchr(text, 0, sizeof(text)) != NULL && !strchr(text, '?'));
	CLAIM(recipe_parse(&parsed, text, &failure));
	recipe_print(&parsed, again);
	CLAIM(strcmp(text, again) == 0);
	CLAIM(recipe_fingerprint(recipe) == recipe_fingerprint(&parsed));

	parsed.format = FORMAT_PNG; /* only a recipe with a format can be packed */
	recipe_pack(&parsed, bytes);
	CLAIM(recipe_unpack(&unpacked, bytes, sizeof(bytes)));
	recipe_print(&parsed, text);
	recipe_print(&unpacked, again);
	CLAIM(strcmp(text, again) == 0);
}

static void try_words(struct feed *feed)
{
	char *words = feed_string(feed, feed->n);
	struct failure failure = {0};
	struct recipe recipe = {0};
	struct geometry geometry;
	struct filter_chain chain;

	if (recipe_parse(&recipe, words, &failure))
		check_recipe(&recipe);
	else
		check_message(failure.text);
	for (int field = 0; field < N_RECIPE_FIELDS; field++) {
		recipe = (struct recipe){0};
		if (!recipe_field_has_value((enum recipe_field)field))
			continue;
		failure.text[0] = 0;
		if (recipe_set(&recipe, (enum recipe_field)field, words, &failure))
			check_recipe(&recipe);
		else
			check_message(failure.text);
	}
	if (filters_parse(&chain, words, &failure))
		CLAIM(filters_are_sound(&chain) && chain.n > 0);
	if (geometry_parse(&geometry, words, &failure))
		check_layout(&geometry,
		             &(struct feed){(const uint8_t *)words, strlen(words)});
	free(words);
}

static void try_bytes(struct feed *feed)
{
	uint8_t whole[RECIPE_PACKED_BYTES] = {0}, again[RECIPE_PACKED_BYTES];
	size_t n;
	const uint8_t *bytes = feed_bytes(feed, sizeof(whole), &n);
	struct recipe recipe;
	uint8_t *copy = fuzz_copy(bytes, n);

	CLAIM(!recipe_unpack(&recipe, copy, n) || n == sizeof(whole));
	free(copy);
	/* The rest of whole[] stays zero, because most bytes of a recipe are zero. */
	memcpy(whole, bytes, n);
	if (!recipe_unpack(&recipe, whole, sizeof(whole)))
		return;
	recipe_pack(&recipe, again);
	CLAIM(memcmp(whole, again, sizeof(whole)) == 0);
	check_recipe(&recipe);
	check_layout(&recipe.geometry, feed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};

	if (feed_byte(&feed) % 2 == 0)
		try_words(&feed);
	else
		try_bytes(&feed);
	return 0;
}
