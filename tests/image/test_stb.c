/* The stb engine: what it says it does not do. */
#include "support/test.h"

#include "lab.h"

#include <string.h>

TEST(stb, names_each_word_that_it_does_not_do)
{
	static const struct {
		enum image_format format;
		const char *words, *says;
	} cases[] = {
		{FORMAT_PNG, "position entropy", "position entropy"},
		{FORMAT_PNG, "position attention", "position attention"},
		{FORMAT_PNG, "kernel nearest", "kernel nearest"},
		{FORMAT_PNG, "kernel lanczos2", "kernel lanczos2"},
		{FORMAT_PNG, "profile p3", "profile p3"},
		{FORMAT_PNG, "profile file:0000000000000001", "profile FILE"},
		{FORMAT_PNG, "depth 16", "depth 16"},
		{FORMAT_PNG, "progressive", "progressive"},
		{FORMAT_JPEG, "progressive", "progressive"},
		{FORMAT_JPEG, "chroma 444", "chroma 444 below"},
		{FORMAT_JPEG, "chroma 444; quality 90", "chroma 444 below"},
		{FORMAT_JPEG, "chroma 420; quality 91", "chroma 420 above"},
	};
	struct blob png = make_png(64, 64, 3, &rgbw);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct recipe recipe = recipe_of_words(cases[i].words, cases[i].format,
		                                       ENGINE_STB);
		struct outcome outcome = run_picture(&png, "a.png", &recipe);

		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text, cases[i].says) != NULL,
		       "%s: %s", cases[i].words, outcome.answer.failure.text);
		outcome_fini(&outcome);
	}
	blob_fini(&png);
}
