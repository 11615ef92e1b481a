/*
 * Thousands of damaged pictures through the whole command: each costs itself, with a class
 * that is true of it. A codec that dies of one is allowed, and listed.
 *
 * PIXPOOL_MUTANTS says how many there are of each picture, PIXPOOL_SEED which.
 */
#include "gallery.h"
#include "mutants.h"

#include "cli/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
#ifdef PIXPOOL_SANITIZE
	MUTANTS = 20, /* of each, unless said otherwise: each takes three times as long */
#else
	MUTANTS = 60,
#endif
	AT_ONCE = 500,
};

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
	const char *value = getenv(variable);

	return value ? strtoul(value, NULL, 10) : otherwise;
}

/* Mutants first to last of each picture, in a folder of their own. */
static void breed(const glob_t *paths, size_t first, size_t last)
{
	uint64_t seed = number_of("PIXPOOL_SEED", 1);

	for (size_t i = 0; i < paths->gl_pathc; i++) {
		struct blob whole = gallery_read(paths->gl_pathv[i]);
		enum image_format format = format_of_bytes(whole.bytes, whole.n,
		                                           paths->gl_pathv[i]);

		for (size_t k = first; k < last; k++) {
			struct dice dice = {seed << 32 | i << 24 | k};
			struct blob mutant = mutate(&whole, format, &dice);
			char path[64];

			snprintf(path, sizeof(path), "in/%02zu-%05zu.%s", i, k,
			         format_info(format)->extension);
			scratch_bytes(path, mutant.bytes, mutant.n);
			blob_fini(&mutant);
		}
		blob_fini(&whole);
	}
}

/* How many of a format came out of the run before. */
static unsigned long n_done_of(const char *format)
{
	return strtoul(
		run("grep '\"status\":\"ok\"' r | grep -c '\"format\":\"%s\"'", format)
			.out,
		NULL, 10);
}

TEST(mutants, in_their_thousands_cost_themselves)
{
	size_t n_mutants = number_of("PIXPOOL_MUTANTS", MUTANTS), n_at_once, n_failed;
	unsigned long n_svg = 0, n_pdf = 0;
	struct tally tally = {0};
	bool are_drawn;
	glob_t paths;

	stage_enter();
	are_drawn = strstr(run("pixpool info").out, "\n    svg      vips ") != NULL;
	gallery_gather(&paths);
	n_at_once = AT_ONCE / paths.gl_pathc + 1;
	for (size_t first = 0; first < n_mutants; first += n_at_once) {
		size_t last = first + n_at_once;

		breed(&paths, first, last < n_mutants ? last : n_mutants);
		gallery_run(&tally, "--retries 0");
		n_svg += n_done_of("svg");
		n_pdf += n_done_of("pdf");
		REQUIRE(run("rm -r in out").status == 0);
	}
	tally_say(&tally, "mutants");
	EXPECT_EQ(tally.n_inputs, n_mutants * paths.gl_pathc);
	gallery_expect_true(&tally);
	/* It is damage that was done, and yet not all is refused: both ways are tried. */
	n_failed = tally.n_inputs - tally_of(&tally, "ok");
	EXPECT(n_failed > tally.n_inputs / 4 && n_failed < tally.n_inputs);
	EXPECT(tally_of(&tally, "crashed") * 100 <= tally.n_inputs,
	       "a codec that dies so often "
	       "is no codec");
	if (are_drawn) {
		EXPECT(n_svg > 0, "no SVG was drawn");
		EXPECT(n_pdf > 0, "no PDF was drawn");
	}
	globfree(&paths);
	stage_leave();
}
