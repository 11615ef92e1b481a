/*
 * Tests of several outputs for each input, through the whole chain: plan, workers, committer and
 * report. No command has an option for several outputs yet, so these tests run the batch directly.
 */
#include "support/scratch.h"
#include "support/test.h"

#include "batch/batch.h"

#include <pixpool/pixpool.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Write a PPM of this size that is grey everywhere. */
static void make_ppm(const char *path, unsigned width, unsigned height)
{
	FILE *file = fopen(path, "we");

	REQUIRE(file != NULL);
	fprintf(file, "P6 %u %u 255\n", width, height);
	for (unsigned i = 0; i < width * height * 3; i++)
		fputc(128, file);
	REQUIRE(fclose(file) == 0);
}

/* Run a batch from the folder "in" to the folder "out", with its records in the file "report". */
static int run_batch(struct batch_options options)
{
	static const char *const inputs[] = {"in"};
	int records = open("report", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	const struct report_options report_options = {
		.progress = PROGRESS_NONE, .quiet = true, .records = records};
	struct report *report = report_create(&report_options);
	bool is_stuck;
	sigset_t taken;
	int status;

	REQUIRE(records >= 0 && report != NULL);
	sigemptyset(&taken);
	sigaddset(&taken, SIGINT);
	sigaddset(&taken, SIGTERM);
	sigaddset(&taken, SIGHUP);
	sigaddset(&taken, SIGTSTP);
	sigprocmask(SIG_BLOCK, &taken, NULL);
	options.walk.inputs = inputs;
	options.walk.n_inputs = 1;
	options.output = "out";
	options.n_workers = 1;
	status = batch_run(&options, report, &is_stuck);
	report_finish(report, status);
	report_destroy(report);
	close(records);
	return status;
}

/* The records of the last run. The text is in a static buffer. */
static const char *records(void)
{
	static char text[8192];
	FILE *file = fopen("report", "re");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	text[n] = 0;
	if (file)
		fclose(file);
	return text;
}

static struct variant_rule rule_of(unsigned side, enum image_format format,
                                   const char *tag)
{
	return (struct variant_rule){
		.recipe.geometry = {.width = side, .height = side},
		.format = format,
		.tag = tag,
	};
}

/* The zygote must be started before this process has a second thread. Criterion creates a second
 * thread before it runs a test, so a constructor starts the zygote. */
__attribute__((constructor)) static void start_zygote(void)
{
	struct pxp_error error;

	if (pxp_zygote_start(&error) != PXP_OK) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
}

static void enter(void)
{
	scratch_enter(NULL);
	scratch_folder("in");
}

TEST(variants, all_variants_of_an_input_are_written_under_their_names_and_share_a_record)
{
	struct variant_rule rules[] = {rule_of(16, FORMAT_NONE, "-16"),
	                               rule_of(8, FORMAT_PNG, NULL)};
	const char *report;

	enter();
	scratch_folder("in/sub");
	make_ppm("in/a.ppm", 40, 20);
	make_ppm("in/sub/b.ppm", 20, 40);
	EXPECT_EQ(run_batch((struct batch_options){.variants = rules, .n_variants = 2}),
	          0);
	EXPECT(strncmp(scratch_text("out/a-16.ppm"), "P6\n16 8\n", 8) == 0 ||
	       strncmp(scratch_text("out/a-16.ppm"), "P6 16 8", 7) == 0);
	EXPECT(memcmp(scratch_text("out/a.png"), "\x89PNG", 4) == 0);
	EXPECT(memcmp(scratch_text("out/sub/b-16.ppm"), "P6", 2) == 0);
	EXPECT(memcmp(scratch_text("out/sub/b.png"), "\x89PNG", 4) == 0);
	report = records();
	EXPECT(strstr(report, "\"outputs\":[{\"output\":\"out/a-16.ppm\",\"width\":16,"
	                      "\"height\":8,\"format\":\"pnm\",") != NULL,
	       "%s", report);
	EXPECT(strstr(report, "{\"output\":\"out/a.png\",\"width\":8,\"height\":4,"
	                      "\"format\":\"png\",") != NULL,
	       "%s", report);
	EXPECT(strstr(report, "\"summary\":{\"inputs\":2,\"ok\":2,") != NULL, "%s",
	       report);
	scratch_leave();
}

TEST(variants,
     a_variant_with_the_output_name_of_another_input_is_reported_before_any_work)
{
	struct variant_rule rules[] = {rule_of(16, FORMAT_NONE, NULL),
	                               rule_of(8, FORMAT_PNG, NULL)};

	enter();
	make_ppm("in/a.ppm", 4, 4);
	scratch_file("in/a.png", "");
	EXPECT_EQ(run_batch((struct batch_options){.variants = rules, .n_variants = 2}),
	          2);
	EXPECT(access("out", F_OK) != 0);
	scratch_leave();
}

TEST(variants, two_variants_of_one_input_with_the_same_name_collide)
{
	struct variant_rule rules[] = {rule_of(16, FORMAT_PNG, NULL),
	                               rule_of(8, FORMAT_PNG, NULL)};

	enter();
	make_ppm("in/a.ppm", 4, 4);
	EXPECT_EQ(run_batch((struct batch_options){.variants = rules, .n_variants = 2}),
	          2);
	EXPECT(access("out", F_OK) != 0);
	scratch_leave();
}

/* The second output is wider than JPEG allows. */
TEST(variants, a_picture_fails_if_one_of_its_variants_cannot_be_made)
{
	struct variant_rule rules[] = {rule_of(16, FORMAT_PNG, NULL),
	                               rule_of(66000, FORMAT_JPEG, NULL)};

	enter();
	make_ppm("in/a.ppm", 400, 1);
	EXPECT_EQ(run_batch((struct batch_options){.variants = rules, .n_variants = 2}),
	          1);
	EXPECT(access("out/a.png", F_OK) != 0);
	EXPECT(strstr(records(), "\"class\":\"too-big\"") != NULL, "%s", records());
	scratch_leave();
}

TEST(variants, variants_are_skipped_only_if_all_of_them_exist)
{
	struct variant_rule rules[] = {rule_of(16, FORMAT_PNG, "-16"),
	                               rule_of(8, FORMAT_PNG, "-8")};
	const struct batch_options options = {
		.variants = rules,
		.n_variants = 2,
		.overwrite = OVERWRITE_SKIP,
	};

	enter();
	make_ppm("in/a.ppm", 40, 20);
	scratch_folder("out");
	scratch_file("out/a-8.png", "theirs");
	EXPECT_EQ(run_batch(options), 0);
	EXPECT(memcmp(scratch_text("out/a-16.png"), "\x89PNG", 4) == 0);
	EXPECT_STR(scratch_text("out/a-8.png"), "theirs");
	EXPECT_EQ(run_batch(options), 0);
	EXPECT(strstr(records(), "\"status\":\"skipped\"") != NULL, "%s", records());
	scratch_leave();
}
