/* Tests of whole reports, in each mode except the progress bar, which test_bar.c tests. */
#include "support/test.h"

#include "report_fixture.h"

#include "report/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *said_by(const struct report_options *options)
{
	int fd = capture_open();
	struct report *report = fixture_report_with(options, fd);
	const char *text;

	EXPECT(fixture_run(report));
	text = capture_text(fd);
	report_destroy(report);
	close(fd);
	return text;
}

static const char summary_text[] =
	"4 images: 1 done, 1 skipped, 1 failed, 1 not started in 3.2 s (0.6 images/s), "
	"485.9 kB -> 9.1 kB, 1 other file ignored\n"
	"failed:\n"
	"  1 crashed its decoder: 'photos/b c.jpg'\n";

static const char *with_summary(const char *lines)
{
	static char text[4096];

	snprintf(text, sizeof(text), "%s%s", lines, summary_text);
	return text;
}

TEST(report, plain_progress_prints_a_line_for_each_file)
{
	EXPECT_STR(
		said_by(&(struct report_options){.progress = PROGRESS_PLAIN,
	                                         .records = -1}),
		with_summary(
			"[1/4] photos/a.jpg -> thumbs/a.jpg (256x171, 9.1 kB)\n"
			"[2/4] 'photos/b c.jpg': failed: crashed its decoder: worker died of SIGSEGV\n"
			"[3/4] photos/d.jpg: skipped: exists\n"
			"pixpool: interrupted: stopping\n"));
}

TEST(report, progress_without_a_terminal_is_plain_lines)
{
	setenv("TERM", "xterm", 1);
	EXPECT(strncmp(said_by(&(struct report_options){.records = -1}), "[1/4] ", 6) ==
	       0);
}

TEST(report, the_option_progress_none_prints_only_messages_and_the_summary)
{
	EXPECT_STR(said_by(&(struct report_options){.progress = PROGRESS_NONE,
	                                            .records = -1}),
	           with_summary("pixpool: interrupted: stopping\n"));
}

TEST(report, verbose_mode_lists_ignored_files)
{
	EXPECT_STR(
		said_by(&(struct report_options){
			.progress = PROGRESS_NONE, .verbose = true, .records = -1}),
		with_summary(
			"ignored: photos/notes.txt\npixpool: interrupted: stopping\n"));
}

TEST(report, quiet_mode_still_prints_failures)
{
	static const enum progress all[] = {PROGRESS_AUTO, PROGRESS_BAR, PROGRESS_PLAIN,
	                                    PROGRESS_NONE};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct report_options options = {.progress = all[i],
		                                       .verbose = true,
		                                       .quiet = true,
		                                       .records = -1};

		EXPECT_STR(
			said_by(&options),
			"'photos/b c.jpg': failed: crashed its decoder: worker died of SIGSEGV\n"
			"pixpool: interrupted: stopping\n");
	}
}

static const char failed_record[] =
	"{\"input\":\"photos/b c.jpg\",\"status\":\"failed\","
	"\"class\":\"crashed\","
	"\"message\":\"worker died of SIGSEGV\",\"attempts\":2}\n";
static const char ok_record[] =
	"{\"input\":\"photos/a.jpg\",\"output\":\"thumbs/a.jpg\",\"status\":\"ok\","
	"\"engine\":\"jpeg\","
	"\"in\":{\"width\":6000,\"height\":4000,\"format\":\"jpeg\",\"bytes\":485921},"
	"\"out\":{\"width\":256,\"height\":171,\"format\":\"jpeg\",\"bytes\":9120},"
	"\"ms\":{\"queue\":1.2,\"read\":0.4,\"work\":31.0,\"commit\":0.2},"
	"\"attempts\":1,\"worker\":4711}\n";
static const char skipped_record[] =
	"{\"input\":\"photos/d.jpg\",\"status\":\"skipped\",\"reason\":\"exists\"}\n";
static const char summary_record[] =
	"{\"summary\":{\"inputs\":4,\"ok\":1,\"skipped\":1,\"failed\":1,\"cancelled\":1,"
	"\"remembered\":0,\"ignored\":1,\"lost\":0,\"damaged\":0,\"bytes_in\":485921,\"bytes_out\":9120,"
	"\"seconds\":3.20,\"exit\":130,\"version\":\"" PIXPOOL_VERSION "\"}}\n";

TEST(report, json_progress_prints_one_object_per_line)
{
	char want[4096];

	snprintf(
		want, sizeof(want), "%s%s%s%s%s%s%s%s",
		"{\"ignored\":\"photos/notes.txt\"}\n", ok_record,
		"{\"progress\":{\"done\":1,\"total\":4,\"failed\":0}}\n", failed_record,
		skipped_record,
		"{\"progress\":{\"done\":3,\"total\":4,\"failed\":1,\"images_per_second\":0.6,"
		"\"seconds_left\":2}}\n",
		"{\"message\":\"interrupted: stopping\"}\n", summary_record);
	EXPECT_STR(said_by(&(struct report_options){
			   .progress = PROGRESS_JSON, .verbose = true, .records = -1}),
	           want);
}

TEST(report, json_progress_has_bytes_and_the_slowest_image)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_JSON, fd);
	struct record ok = record_ok("a.jpg", "b.jpg");

	report_planned(report, 4, 2000000);
	fixture_advance_ms(1000);
	report_slowest(report, "in/slow.jpg", 12.2);
	report_add(report, &ok);
	capture_text(fd);
	report_ending(report);
	fixture_advance_ms(1000);
	report_add(report, &ok);
	EXPECT(strstr(
		capture_text(fd),
		"{\"progress\":{\"done\":2,\"total\":4,\"failed\":0,\"bytes_done\":971842,"
		"\"bytes_total\":2000000,\"images_per_second\":1.0,"
		"\"bytes_per_second\":485921,"
		"\"slowest\":{\"input\":\"in/slow.jpg\",\"seconds\":12},"
		"\"ending\":true}}\n"));
	report_destroy(report);
	close(fd);
}

TEST(report, json_progress_in_quiet_mode_has_only_messages_and_records_of_failures)
{
	char want[1024];

	snprintf(want, sizeof(want), "%s%s", failed_record,
	         "{\"message\":\"interrupted: stopping\"}\n");
	EXPECT_STR(said_by(&(struct report_options){
			   .progress = PROGRESS_JSON, .quiet = true, .records = -1}),
	           want);
}

TEST(report, json_progress_while_scanning_is_printed_once_a_second)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_JSON, fd);

	EXPECT_EQ(report_tick_ms(report), 1000);
	for (uint64_t n = 1; n <= 200; n++) {
		fixture_advance_ms(10);
		report_scanning(report, n);
	}
	EXPECT_STR(capture_text(fd), "{\"progress\":{\"scanned\":100}}\n"
	                             "{\"progress\":{\"scanned\":200}}\n");
	report_destroy(report);
	close(fd);
}

TEST(report, records_are_written_one_by_one_and_end_with_the_summary)
{
	int records = capture_open(), fd = capture_open();
	struct report *report = fixture_report_with(
		&(struct report_options){.quiet = true, .records = records}, fd);
	char want[4096];

	EXPECT(fixture_run(report));
	snprintf(want, sizeof(want), "%s%s%s%s", ok_record, failed_record, skipped_record,
	         summary_record);
	EXPECT_STR(capture_text(records), want);
	report_destroy(report);
	close(records);
	close(fd);
}

TEST(report, counts_in_the_summary_match_the_records)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_NONE, fd);
	struct report_counts counts;

	fixture_run(report);
	counts = report_counts(report);
	EXPECT_EQ(counts.inputs, 4);
	EXPECT_EQ(counts.inputs,
	          counts.ok + counts.skipped + counts.failed + counts.cancelled);
	EXPECT_EQ(counts.ignored, 1);
	EXPECT_EQ(counts.bytes_in, 485921);
	EXPECT_EQ(counts.bytes_out, 9120);
	report_destroy(report);
	close(fd);
}

TEST(report, all_images_count_as_not_started_after_an_interrupt_during_planning)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_NONE, fd);

	report_scanning(report, 12345);
	fixture_advance_ms(1000);
	report_cancel_rest(report);
	EXPECT(report_finish(report, 130));
	EXPECT_STR(capture_text(fd),
	           "12,345 images: 0 done, 12,345 not started in 1.0 s\n");
	report_destroy(report);
	close(fd);
}

static void add_failures(struct report *report, const char *name, enum fail_class class,
                         const char *text, int n)
{
	for (int i = 0; i < n; i++) {
		char numbered[64];
		struct record record;

		snprintf(numbered, sizeof(numbered), "%s%d.jpg", name, i);
		record = record_failed(numbered, class, text);
		record.in.format = "jpeg";
		report_add(report, &record);
	}
}

TEST(report, the_summary_groups_failures_by_reason_with_the_most_frequent_first)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_NONE, fd);

	add_failures(report, "empty", FAIL_BAD_IMAGE, "read: the file is empty", 1);
	add_failures(report, "cut", FAIL_BAD_IMAGE, "decode: x: Premature end of file",
	             2);
	add_failures(report, "big", FAIL_TOO_BIG, "header: 9 pixels; the limit is 1",
	             1234);
	add_failures(report, "cut again", FAIL_BAD_IMAGE, "decode: y: ends early", 2);
	fixture_advance_ms(1000);
	report_finish(report, 1);
	EXPECT_STR(
		capture_text(fd),
		"1,239 images: 0 done, 1,239 failed in 1.0 s (1239.0 images/s)\n"
		"failed:\n"
		"  1,234 more pixels than --max-pixels: big0.jpg, big1.jpg, big2.jpg, ...\n"
		"      4 truncated JPEG: cut0.jpg, cut1.jpg, 'cut again0.jpg', ...\n"
		"      1 empty file: empty0.jpg\n"
		"  (--report FILE lists them all)\n");
	report_destroy(report);
	close(fd);
}

/* Failures with the same reason are grouped. A reason can contain a format name that a worker sent,
 * so a hostile worker could cause any number of groups. */
TEST(report, the_list_of_failures_in_the_summary_is_bounded)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_NONE, fd);
	const char *text;
	int n_lines = 0;

	for (int i = 0; i < MAX_FAILURE_GROUPS + 7; i++) {
		struct record record = record_failed("a.jpg", FAIL_BAD_IMAGE, "");
		char format[16];

		snprintf(format, sizeof(format), "f%d", i);
		record.in.format = format;
		report_add(report, &record);
	}
	report_finish(report, 1);
	text = capture_text(fd);
	for (const char *c = text; *c; c++)
		n_lines += *c == '\n';
	EXPECT_EQ(n_lines, 2 + MAX_FAILURE_GROUPS + 2);
	EXPECT(strstr(text, "\n  and 7 for other reasons\n"
	                    "  (--report FILE lists them all)\n"));
	report_destroy(report);
	close(fd);
}

TEST(report, a_failure_of_unknown_class_is_reported_as_internal_error)
{
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_PLAIN, fd);
	struct record record = record_failed("a.jpg", (enum fail_class)99, "why");

	report_add(report, &record);
	report_finish(report, 1);
	EXPECT_STR(capture_text(fd), "a.jpg: failed: internal error: why\n"
	                             "1 image: 0 done, 1 failed in 0.00 s\n"
	                             "failed:\n  1 internal error: a.jpg\n");
	report_destroy(report);
	close(fd);
}

TEST(report, images_that_were_cancelled_while_they_were_processed_are_counted_apart)
{
	const struct report_options options = {.progress = PROGRESS_NONE,
	                                       .records = -1,
	                                       .how_to_continue = "run it again"};
	const struct record record = {.input = "a.jpg", .status = RECORD_CANCELLED};
	int fd = capture_open();
	struct report *report = fixture_report_with(&options, fd);
	const char *text;

	report_planned(report, 7, 0);
	report_add(report, &record);
	report_cancel_rest(report);
	report_finish(report, 130);
	text = capture_text(fd);
	EXPECT(strstr(text, "6 not started, 1 cancelled; run it again\n"), "%s", text);
	report_destroy(report);
	close(fd);

	fd = capture_open();
	report = fixture_report_with(&options, fd);
	report_planned(report, 1, 0);
	report_add(report, &record);
	report_finish(report, 130);
	text = capture_text(fd);
	EXPECT(strstr(text, "\n1 cancelled; run it again\n"), "%s", text);
	report_destroy(report);
	close(fd);
}

TEST(report, a_run_that_stopped_early_says_how_to_continue)
{
	const struct report_options options = {.progress = PROGRESS_NONE,
	                                       .records = -1,
	                                       .how_to_continue = "run it again"};
	static const struct {
		int status;
		const char *says;
	} ends[] = {
		{130, "7 not started; run it again\n"},
		{EXIT_STOPPED, "7 not started; run it again\n"},
		{EXIT_SOME_FAILED, NULL},
	};

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		int fd = capture_open();
		struct report *report = fixture_report_with(&options, fd);
		const char *text;

		report_planned(report, 7, 0);
		report_cancel_rest(report);
		report_finish(report, ends[i].status);
		text = capture_text(fd);
		if (ends[i].says)
			EXPECT(strstr(text, ends[i].says), "%s", text);
		else
			EXPECT(!strstr(text, "run it again"), "%s", text);
		report_destroy(report);
		close(fd);
	}
}

TEST(report, verbose_mode_names_damage_and_lost_metadata)
{
	static const char *const lost[] = {"alpha", "exif", NULL};
	int fd = capture_open();
	struct report *report = fixture_report_with(
		&(struct report_options){
			.progress = PROGRESS_PLAIN, .verbose = true, .records = -1},
		fd);
	struct record record = record_ok("a.jpg", "b.jpg");

	record.is_damaged = true;
	record.lost = lost;
	report_add(report, &record);
	report_finish(report, 0);
	EXPECT_STR(
		capture_text(fd),
		"a.jpg -> b.jpg (256x171, 9.1 kB), damaged, lost alpha exif\n"
		"1 image: 1 done in 0.00 s, 485.9 kB -> 9.1 kB, 1 damaged, 1 with losses\n");
	report_destroy(report);
	close(fd);
}

TEST(report, a_line_for_an_image_with_several_outputs_names_all_of_them)
{
	static const struct record_output outputs[] = {
		{"a-400.jpg", {400, 300, "jpeg", 9000}},
		{"a-800.webp", {800, 600, "webp", 12000}},
	};
	int fd = capture_open();
	struct report *report = fixture_report(PROGRESS_PLAIN, fd);
	struct record record = record_ok("a.jpg", NULL);

	record.out = (struct record_side){0};
	record.outputs = outputs;
	record.n_outputs = 2;
	report_add(report, &record);
	report_finish(report, 0);
	EXPECT_STR(capture_text(fd),
	           "a.jpg -> a-400.jpg (400x300, 9.0 kB), a-800.webp (800x600, 12.0 kB)\n"
	           "1 image: 1 done in 0.00 s, 485.9 kB -> 21.0 kB\n");
	report_destroy(report);
	close(fd);
}

TEST(report, destroying_a_null_report_does_nothing)
{
	report_destroy(NULL);
}
