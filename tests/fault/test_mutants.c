/*
 * A test of thousands of damaged pictures with the whole command: each is done, or fails alone with
 * a correct failure class. A few may crash a codec; these are listed.
 *
 * PIXPOOL_MUTANTS is the number of damaged copies of each picture, PIXPOOL_SEED the seed of the
 * damage.
 */
#include "hostile_fixture.h"
#include "mutants.h"

#include "cli/cli_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
#ifdef PIXPOOL_SANITIZE
	/* The default number of damaged copies of each picture. With a sanitizer a copy takes three
	 * times as long. */
	MUTANTS = 20,
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

/* Write damaged copies of each picture of `paths` to the folder "in": the copies with the numbers
 * from `first` to last - 1. */
static void make_mutants(const glob_t *paths, size_t first, size_t last)
{
	uint64_t seed = number_of("PIXPOOL_SEED", 1);

	for (size_t i = 0; i < paths->gl_pathc; i++) {
		struct blob whole = hostile_read(paths->gl_pathv[i]);
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

/* How many outputs of this format the last run made. */
static unsigned long n_done_of(const char *format)
{
	return strtoul(
		run("grep '\"status\":\"ok\"' r | grep -c '\"format\":\"%s\"'", format)
			.out,
		NULL, 10);
}

TEST(mutants, none_of_thousands_of_randomly_damaged_pictures_disturbs_another)
{
	size_t n_mutants = number_of("PIXPOOL_MUTANTS", MUTANTS), n_at_once, n_failed;
	unsigned long n_svg = 0, n_pdf = 0;
	struct tally tally = {0};
	bool are_drawn;
	glob_t paths;

	fixture_enter();
	are_drawn = strstr(run("pixpool info").out, "\n    svg      vips ") != NULL;
	hostile_seeds(&paths);
	n_at_once = AT_ONCE / paths.gl_pathc + 1;
	for (size_t first = 0; first < n_mutants; first += n_at_once) {
		size_t last = first + n_at_once;

		make_mutants(&paths, first, last < n_mutants ? last : n_mutants);
		hostile_run(&tally, "--retries 0");
		n_svg += n_done_of("svg");
		n_pdf += n_done_of("pdf");
		REQUIRE(run("rm -r in out").status == 0);
	}
	tally_print(&tally, "mutants");
	EXPECT_EQ(tally.n_inputs, n_mutants * paths.gl_pathc);
	hostile_expect_known_outcomes(&tally);
	/* The decoders notice much of the damage, but not all: both cases are tested. */
	n_failed = tally.n_inputs - tally_of(&tally, "ok");
	EXPECT(n_failed > tally.n_inputs / 4 && n_failed < tally.n_inputs);
	EXPECT(tally_of(&tally, "crashed") * 100 <= tally.n_inputs,
	       "a codec crashed too often");
	if (are_drawn) {
		EXPECT(n_svg > 0, "no SVG was drawn");
		EXPECT(n_pdf > 0, "no PDF was drawn");
	}
	globfree(&paths);
	fixture_leave();
}
