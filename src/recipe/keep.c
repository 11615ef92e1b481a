/* Classes of metadata in words. */
#include "recipe/recipe_text.h"

#include "common/values.h"

#include <stdio.h>
#include <string.h>

static const struct choice kept[] = {
	{"copyright", KEEP_COPYRIGHT},
	{"exif", KEEP_EXIF},
	{"icc", KEEP_ICC},
	{"xmp", KEEP_XMP},
	{"iptc", KEEP_IPTC},
	{"gps", KEEP_GPS},
	{"all", KEEP_ALL},
	{"none", KEEP_NONE},
	{NULL, 0},
};

bool keep_parse(uint8_t *ret_keep, const char *value, struct failure *ret_failure)
{
	const char *next = value;
	int mask = 0, class;
	char word[32];

	for (;; next++) {
		int n = (int)strcspn(next, ",");

		snprintf(word, sizeof(word), "%.*s", n, next);
		if (!choice_parse(kept, word, &class, ret_failure))
			return false;
		/* all and none cannot be combined. */
		if ((class == KEEP_ALL || class == KEEP_NONE) && value[n]) {
			return failure_set(
				ret_failure, FAIL_USAGE,
				"'%s' cannot be combined with other classes, got '%.40s'",
				word, value);
		}
		mask |= class;
		next += n;
		if (!*next)
			break;
	}
	/* With all three blocks there is nothing that copyright would add. */
	if ((mask & (KEEP_EXIF | KEEP_XMP | KEEP_IPTC)) ==
	    (KEEP_EXIF | KEEP_XMP | KEEP_IPTC))
		mask |= KEEP_COPYRIGHT;
	*ret_keep = (uint8_t)mask;
	return true;
}

void keep_print(uint8_t keep, char text[KEEP_TEXT_BYTES])
{
	size_t n = 0;

	text[0] = 0;
	if (keep == KEEP_ALL) {
		snprintf(text, KEEP_TEXT_BYTES, "all");
		return;
	}
	for (const struct choice *class = kept; class->value != KEEP_ALL; class ++) {
		if (keep & class->value)
			n += (size_t)snprintf(text + n, KEEP_TEXT_BYTES - n, "%s%s",
			                      n > 0 ? "," : "", class->word);
	}
}
