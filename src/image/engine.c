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

static bool is_chosen(const struct engine *engine, enum engine_choice choice)
{
	return choice == ENGINE_AUTO || engine->choice == choice;
}

const struct engine *engine_that_reads(enum image_format format,
                                       enum engine_choice choice)
{
	for (const struct engine *const *engine = engines; *engine; engine++) {
		if (is_chosen(*engine, choice) && (*engine)->reads(format))
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
