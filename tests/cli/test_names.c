/* Tests of the names of outputs: --flat, --name, --on-collision, and files that are named twice.
 * Each test has one command and one expected output. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

TEST(output_names, the_flat_option_puts_all_outputs_into_one_folder)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/sub/deep/b.png");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --flat").status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nb.png png 32x32\n");
	fixture_leave();
}

TEST(output_names, collisions_caused_by_the_option_flat_are_found_before_any_work)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/one/a.jpg");
	sample("lake.jpg", "in/two/a.jpg");
	ended = run("pixpool resize -s 32 in -o out --flat");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(
		ended.err,
		"pixpool: 2 inputs would write the same output out/a.jpg:\n"
		"  in/one/a.jpg\n"
		"  in/two/a.jpg\n"
		"pixpool: nothing was done; leave inputs out with --exclude, or remove "
		"--flat to keep the folders of the inputs\n");
	EXPECT(access("out", F_OK) != 0);
	fixture_leave();
}

TEST(output_names, the_advice_about_collisions_lists_only_ways_that_help)
{
	static const struct {
		const char *options, *advice;
	} cases[] = {
		{"in -f webp",
	         ", or keep their suffixes in the names of the outputs with "
	         "--on-collision keep-ext"},
		{"in --name 'x.{ext}' -f webp", ", or put {name} into --name"},
		{"in --name 'x.{ext}' -f webp --on-collision keep-ext",
	         ", or put {name} into --name"},
		{"in/sub --flat", ", or remove --flat to keep the folders of the inputs"},
		{"in/sub --flat --on-collision keep-ext",
	         ", or remove --flat to keep the folders of the inputs"},
#ifdef PIXPOOL_STATE
		{"in/sub --flat --name '{name}-{hash}.{ext}'",
	         ", or remove --flat to keep the folders of the inputs"},
#endif
		{"in -f webp --flat",
	         ", or keep their suffixes in the names of the outputs with "
	         "--on-collision keep-ext, or remove --flat to keep the folders of the inputs"},
		{"in/a.jpg in/sub/1/a.jpg",
	         ", or run the command once for each INPUT, with different -o"},
		{"in/sub/1 in/sub/2 --flat --on-collision keep-ext",
	         ", or run the command once for each INPUT, with different -o"},
	};

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/a.png");
	sample("lake.jpg", "in/sub/1/a.jpg");
	sample("lake.jpg", "in/sub/2/a.jpg");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ended ended = run("pixpool thumb -o out %s", cases[i].options);
		const char *advice = strstr(ended.err, "pixpool: nothing was done");
		char want[256];

		snprintf(want, sizeof(want),
		         "pixpool: nothing was done; leave inputs out with --exclude%s\n",
		         cases[i].advice);
		EXPECT_EQ(ended.status, 2);
		EXPECT_STR(advice ? advice : ended.err, want);
	}
	fixture_leave();
}

TEST(output_names, the_name_option_names_outputs_by_a_template)
{
	static const struct {
		const char *options, *outputs;
	} cases[] = {
		{"--name '{name}-small.{ext}'", "a.b-small.jpg jpeg 32x21\n"
	                                        "sub/\nsub/c-small.png png 32x32\n"},
		{"--name 'x{name}.{ext}' -f png", "sub/\nsub/xc.png png 32x32\n"
	                                          "xa.b.png png 32x21\n"},
		{"--name '{ext}-{name}{name}.png' --flat",
	         "png-a.ba.b.png png 32x21\npng-cc.png png 32x32\n"},
		{"--name 't_{name}.{ext}' --on-collision keep-ext -f jpg",
	         "sub/\nsub/t_c.png.jpg jpeg 32x32\nt_a.b.jpg.jpg jpeg 32x21\n"},
	};

	fixture_enter();
	sample("lake.jpg", "in/a.b.jpg");
	sample("balloon.png", "in/sub/c.png");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EXPECT_EQ(
			run("pixpool resize -s 32 in -o out %s", cases[i].options).status,
			0);
		EXPECT_STR(tree("out"), cases[i].outputs);
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	fixture_leave();
}

TEST(output_names, an_invalid_template_is_refused)
{
	static const struct {
		const char *options, *says;
	} cases[] = {
		{"--name ''", "--name: must end in .{ext} or in the suffix of a format "
	                      "such as .webp, got ''"},
		{"--name '{name}'", "--name: must end in .{ext} or in the suffix of a "
	                            "format such as .webp, got '{name}'"},
		{"--name '{nam}.{ext}'",
	         "--name: '{nam}' is not a field; did you mean '{name}'?"},
		{"--name '{frobnicate}.{ext}'",
	         "--name: '{frobnicate}' is not a field; "
	         "a template may contain the fields {name}, {ext} and {hash}"},
		{"--name '{name.{ext}'",
	         "--name: '{name.{ext}' is not a field; a template may contain the fields {name}, {ext} and {hash}"},
		{"--name '{hash}.{ext}'",
	         "--name: {hash} may occur only once, and only together with {name}, got '{hash}.{ext}'"},
		{"--name '{name}{hash}{hash}.{ext}'",
	         "--name: {hash} may occur only once, and only together with {name}, got "
	         "'{name}{hash}{hash}.{ext}'"},
		{"--name '{name'", "--name: '{' needs a matching '}'"},
		{"--name 'name}.{ext}'", "--name: '}' needs a matching '{'"},
		{"--name 'small/{name}.{ext}'", "--name: must be a file name without "
	                                        "'/', got 'small/{name}.{ext}'"},
		{"--name '{name}.webp' -f png",
	         "--format and --name '{name}.webp' request different formats; end "
	         "the template with .{ext}"},
		{"--on-collision keep",
	         "--on-collision: must be one of stop, keep-ext; got 'keep'"},
	};
	char want[512];

	fixture_enter();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ended ended = run("pixpool thumb in -o out %s", cases[i].options);

		snprintf(want, sizeof(want), "pixpool: %s\nTry 'pixpool thumb --help'.\n",
		         cases[i].says);
		EXPECT_EQ(ended.status, 2);
		EXPECT_STR(ended.err, want);
	}
	fixture_leave();
}

TEST(output_names, the_option_on_collision_keep_ext_keeps_the_suffix_of_every_input)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/a.png");
	sample("lake.jpg", "in/b");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out -f jpg").status, 2);
	EXPECT_EQ(run("pixpool resize -s 32 in -o out -f jpg --on-collision keep-ext")
	                  .status,
	          0);
	EXPECT_STR(tree("out"), "a.jpg.jpg jpeg 32x21\n"
	                        "a.png.jpg jpeg 32x32\n"
	                        "b.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(output_names, an_input_given_twice_is_processed_once)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_link("link", "in");
	scratch_link("b.jpg", "in/a.jpg");
	ended = run("pixpool resize -s 32 in/a.jpg ./in/a.jpg in link link/a.jpg -o out");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(plain(ended.err),
	           "[1/1] in/a.jpg -> out/a.jpg (32x21, #)\n"
	           "1 image: 1 done in # s (# images/s), 21.0 kB -> #\n");
	/* A link with another name has its own output. */
	EXPECT_EQ(run("pixpool resize -s 32 in/a.jpg b.jpg -o out2").status, 0);
	EXPECT_STR(tree("out2"), "a.jpg jpeg 32x21\nb.jpg jpeg 32x21\n");
	ended = run("printf 'in/a.jpg\\n./in//a.jpg\\n' | "
	            "pixpool verify --files-from -");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, "\n1 image: 1 done in "));
	fixture_leave();
}

#ifdef PIXPOOL_STATE
/* The hash in the name of the only file of a folder: the part between the first hyphen and the
 * suffix. The text is in a static buffer. */
static const char *hash_in(const char *folder)
{
	static char hash[32];
	const char *name = run("ls %s", folder).out, *minus = strchr(name, '-');

	REQUIRE(minus != NULL, "%s", name);
	snprintf(hash, sizeof(hash), "%.*s", (int)strcspn(minus + 1, "."), minus + 1);
	return hash;
}

TEST(output_names, the_hash_in_an_output_name_is_the_hash_of_the_output_content)
{
	static const char command[] =
		"pixpool resize -s 32 in -o out --name '{name}-{hash}.{ext}' --report r";
	char first[32];
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a{hash}.jpg");
	EXPECT_STR(run("%s -n", command).out,
	           "make in/a{hash}.jpg -> out/a{hash}-{hash}.jpg (new)\n");
	EXPECT_EQ(run("%s", command).status, 0);
	snprintf(first, sizeof(first), "%s", hash_in("out"));
	EXPECT_EQ(strlen(first), 16);
	EXPECT_EQ(strspn(first, "0123456789abcdef"), 16);
	ended = run("b2sum -l 256 out/*.jpg");
	EXPECT(strncmp(ended.out, first, 16) == 0, "%s", ended.out);
	EXPECT(strstr(records("r"), first));

	/* A second run skips the output, which is up to date. When a run makes the same bytes
	 * again, the output keeps its name. */
	ended = run("%s", command);
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, "1 image: 0 done, 1 skipped in "), "%s", ended.err);
	EXPECT(strstr(records("r"), first));
	EXPECT_EQ(run("%s --redo", command).status, 0);
	EXPECT_EQ(run("rm out/.pixpool.db && %s", command).status, 0);
	EXPECT_EQ(run("%s --state none", command).status, 0);
	EXPECT_STR(hash_in("out"), first);
	EXPECT_STR(run("ls out | wc -l").out, "1\n");
	fixture_leave();
}

TEST(output_names, changed_contents_get_another_hash_and_the_old_file_is_kept)
{
	static const char command[] =
		"pixpool resize -s 32 in -o out --name '{name}-{hash}.{ext}'";

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("%s", command).status, 0);
	EXPECT_EQ(run("%s -q 20", command).status, 0);
	EXPECT_STR(run("ls out | wc -l").out, "2\n");
	EXPECT_EQ(run("rm in/a.jpg").status, 0);
	sample("dunes.jpg", "in/a.jpg");
	EXPECT_EQ(run("%s", command).status, 0);
	EXPECT_STR(run("ls out | wc -l").out, "3\n");
	fixture_leave();
}

TEST(output_names, an_existing_file_with_the_hashed_name_but_other_bytes_is_kept)
{
	static const char command[] =
		"pixpool resize -s 32 in -o out --name '{name}-{hash}.{ext}'";

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("%s", command).status, 0);
	EXPECT_EQ(run("for f in out/a-*.jpg; do printf x >> $f; done").status, 0);
	EXPECT_EQ(run("%s", command).status, 1);
	EXPECT_STR(run("tail -c 1 out/a-*.jpg").out, "x");
	fixture_leave();
}
#endif
