#include "image/engine.h"

#include <string.h>

const struct engine *engine_of_tests;

const struct engine *const engines[] = {
#ifdef PIXPOOL_VIPS
	&engine_vips,
#endif
	&engine_stb,
	NULL,
};

static bool trusts_nobody;

void engine_trust_nobody(void)
{
	trusts_nobody = true;
}

bool engine_is_strict(void)
{
	return trusts_nobody;
}

bool engine_trusts(enum image_format format)
{
	switch (format) {
	case FORMAT_JPEG:
	case FORMAT_PNG:
	case FORMAT_WEBP:
	case FORMAT_GIF:
	case FORMAT_HEIC:
	case FORMAT_AVIF:
	case FORMAT_TIFF:
		return true;
	default:
		return !trusts_nobody;
	}
}

static bool is_chosen(const struct engine *engine, enum engine_choice choice)
{
	return choice == ENGINE_AUTO || engine->choice == choice;
}

const struct engine *engine_that_reads(enum image_format format,
                                       enum engine_choice choice)
{
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if (engine_trusts(format) && is_chosen(*engine, choice) &&
		    (*engine)->reads(format))
			return *engine;
	}
	return NULL;
}

const struct engine *engine_that_writes(enum image_format format,
                                        enum engine_choice choice)
{
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if (is_chosen(*engine, choice) && (*engine)->writes(format))
			return *engine;
	}
	return NULL;
}

char *engine_one_line(char *text)
{
	char *begin = text + strspn(text, " \t\r\n");
	size_t n = strcspn(begin, "\r\n");

	while (n > 0 && (begin[n - 1] == ' ' || begin[n - 1] == '\t'))
		n--;
	memmove(text, begin, n);
	text[n] = 0;
	return text;
}
