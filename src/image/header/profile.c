/* Tells sRGB profiles from others, by their description. */
#include "image/header/profile.h"

#include "common/hash.h"

#include <string.h>

enum {
	HEADER_BYTES = 128,
	SPACE_AT = 16,
	SIGNATURE_AT = 36,
	TAG_BYTES = 12,
	MAX_TAGS = 100,
	MAX_TEXT = 512
};

static uint32_t number_at(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
	       at[3];
}

bool profile_has_space(const void *profile, size_t n, const char *space)
{
	return n >= HEADER_BYTES &&
	       memcmp((const uint8_t *)profile + SPACE_AT, space, 4) == 0;
}

/* The *ret_n bytes of the description; NULL when there is none. */
static const uint8_t *find_description(const uint8_t *profile, size_t n, size_t *ret_n)
{
	uint32_t n_tags;

	if (n < HEADER_BYTES + 4)
		return NULL;
	n_tags = number_at(profile + HEADER_BYTES);
	for (uint32_t i = 0; i < n_tags && i < MAX_TAGS; i++) {
		size_t at = HEADER_BYTES + 4 + (size_t)i * TAG_BYTES;

		if (at + TAG_BYTES > n)
			return NULL;
		if (memcmp(profile + at, "desc", 4) != 0)
			continue;

		size_t offset = number_at(profile + at + 4),
		       length = number_at(profile + at + 8);

		if (offset > n || length > n - offset)
			return NULL;
		*ret_n = length < MAX_TEXT ? length : MAX_TEXT;
		return profile + offset;
	}
	return NULL;
}

/* Whether text contains an ASCII word, with one byte a letter or (UTF-16BE) two. */
static bool has_word(const uint8_t *text, size_t n, const char *word)
{
	size_t n_word = strlen(word);

	for (size_t step = 1; step <= 2; step++) {
		for (size_t at = 0; at + n_word * step <= n; at++) {
			size_t i = 0;

			while (i < n_word && text[at + i * step] == (uint8_t)word[i] &&
			       (step == 1 || i == 0 || text[at + i * step - 1] == 0))
				i++;
			if (i == n_word)
				return true;
		}
	}
	return false;
}

/* The name that libjxl gives the profile of a picture whose header says sRGB: white
 * point, primaries, intent, curve. */
static bool is_srgb_of_jxl(const uint8_t *text, size_t n)
{
	static const char *const words[] = {"RGB_D65_SRG_Rel_SRG", "RGB_D65_SRG_Per_SRG",
	                                    "RGB_D65_SRG_Sat_SRG", "RGB_D65_SRG_Abs_SRG"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (has_word(text, n, words[i]))
			return true;
	}
	return false;
}

bool profile_is_srgb(const void *profile, size_t n)
{
	size_t n_text;
	const uint8_t *text = find_description(profile, n, &n_text);

	if (!text || !profile_has_space(profile, n, "RGB "))
		return false;
	/* "Linear sRGB" and similar profiles share the primaries but not the curve. */
	return is_srgb_of_jxl(text, n_text) ||
	       (has_word(text, n_text, "sRGB") && !has_word(text, n_text, "inear") &&
	        !has_word(text, n_text, "g10"));
}

bool profile_can_be_output(const void *profile, size_t n)
{
	return n <= PROFILE_MAX_BYTES && profile_has_space(profile, n, "RGB ") &&
	       memcmp((const uint8_t *)profile + SIGNATURE_AT, "acsp", 4) == 0;
}

uint64_t profile_hash(const void *profile, size_t n)
{
	/* The key is not secret: the hash is the same everywhere, as is the fingerprint
	 * that contains it. */
	static const struct hash_key key = {{0x7069787072666c21, 1}};
	uint64_t hash = hash_bytes(&key, profile, n);

	return hash ? hash : 1;
}
