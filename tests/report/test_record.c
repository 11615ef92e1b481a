/* Tests of records. Most of them compare whole lines, because scripts depend on them. */
#include "report_fixture.h"

#include "report/record.h"

#include <string.h>

static const char *line_of(struct record record)
{
	static char line[1 << 16];
	struct text text = text_in(line, sizeof(line));

	record_line(&text, &record);
	EXPECT(!text.is_cut);
	return line;
}

TEST(record, the_record_of_a_success_has_both_sides_times_attempts_and_worker)
{
	EXPECT_STR(
		line_of(record_ok("photos/a.jpg", "thumbs/a.jpg")),
		"{\"input\":\"photos/a.jpg\",\"output\":\"thumbs/a.jpg\",\"status\":\"ok\","
		"\"engine\":\"jpeg\","
		"\"in\":{\"width\":6000,\"height\":4000,\"format\":\"jpeg\",\"bytes\":485921},"
		"\"out\":{\"width\":256,\"height\":171,\"format\":\"jpeg\",\"bytes\":9120},"
		"\"ms\":{\"queue\":1.2,\"read\":0.4,\"work\":31.0,\"commit\":0.2},"
		"\"attempts\":1,\"worker\":4711}\n");
}

TEST(record, the_record_of_a_failure_has_class_and_message)
{
	struct record record = record_failed("photos/b.jpg", FAIL_CRASHED,
	                                     "worker died of SIGSEGV while decoding");

	record.signal = 11;
	EXPECT_STR(
		line_of(record),
		"{\"input\":\"photos/b.jpg\",\"status\":\"failed\",\"class\":\"crashed\","
		"\"message\":\"worker died of SIGSEGV while decoding\",\"signal\":11,"
		"\"attempts\":2}\n");
}

TEST(record, the_log_of_a_dead_worker_is_in_the_detail_member_whatever_its_bytes)
{
	struct record record = record_failed("b.jpg", FAIL_CRASHED, "worker died");
	static const char log[] = "one\n\xff\0two\n\n";

	record.log = log;
	record.n_log = sizeof(log) - 1;
	EXPECT_STR(line_of(record),
	           "{\"input\":\"b.jpg\",\"status\":\"failed\",\"class\":\"crashed\","
	           "\"message\":\"worker died\",\"detail\":\"one\\n\xef\xbf\xbd?two\","
	           "\"attempts\":2}\n");
	record.n_log = 0;
	EXPECT(!strstr(line_of(record), "detail"));
}

TEST(record, the_record_of_a_failure_has_known_facts_of_the_input_but_no_output)
{
	struct record record = record_failed("b.jpg", FAIL_BAD_IMAGE, "not an image");

	record.output = "thumbs/b.jpg";
	record.in = (struct record_side){0, 0, "jpeg", 7};
	EXPECT_STR(line_of(record),
	           "{\"input\":\"b.jpg\",\"status\":\"failed\",\"class\":\"bad-image\","
	           "\"message\":\"not an image\","
	           "\"in\":{\"format\":\"jpeg\",\"bytes\":7},"
	           "\"attempts\":2}\n");
}

TEST(record, a_record_has_members_for_suffix_mismatch_damage_and_lost_metadata)
{
	static const char *const lost[] = {"alpha", "gainmap", NULL};
	struct record record = record_ok("photos/x/a.png", "out/x/a.png");

	record.name = "x/a.png";
	record.is_misnamed = record.is_damaged = true;
	record.lost = lost;
	record.queue_ms = record.read_ms = record.work_ms = record.commit_ms = -1;
	record.out.format = NULL;
	EXPECT_STR(
		line_of(record),
		"{\"input\":\"photos/x/a.png\",\"name\":\"x/a.png\","
		"\"output\":\"out/x/a.png\",\"status\":\"ok\",\"engine\":\"jpeg\","
		"\"in\":{\"width\":6000,\"height\":4000,\"format\":\"jpeg\",\"bytes\":485921},"
		"\"attempts\":1,\"worker\":4711,\"misnamed\":\"jpeg\",\"damaged\":true,"
		"\"lost\":[\"alpha\",\"gainmap\"]}\n");
}

TEST(record, several_outputs_are_written_as_a_list)
{
	static const struct record_output outputs[] = {
		{"a-400.jpg", {400, 300, "jpeg", 9000}},
		{"\xff.webp", {800, 600, "webp", 12000}},
	};
	struct record record = record_ok("a.jpg", NULL);

	record.out.format = NULL;
	record.outputs = outputs;
	record.n_outputs = 2;
	EXPECT(strstr(line_of(record),
	              "\"outputs\":[{\"output\":\"a-400.jpg\",\"width\":400,\"height\":300,"
	              "\"format\":\"jpeg\",\"bytes\":9000},{\"output_b64\":\"/y53ZWJw\","
	              "\"width\":800,\"height\":600,\"format\":\"webp\",\"bytes\":12000}],"
	              "\"ms\":"),
	       "%s", line_of(record));
}

TEST(record, records_of_skipped_and_cancelled_images_have_only_the_members_that_apply)
{
	struct record record = record_skipped("a.jpg");

	record.output = "t/a.jpg";
	EXPECT_STR(line_of(record), "{\"input\":\"a.jpg\",\"output\":\"t/a.jpg\","
	                            "\"status\":\"skipped\",\"reason\":\"exists\"}\n");
	record.status = RECORD_CANCELLED;
	EXPECT_STR(line_of(record), "{\"input\":\"a.jpg\",\"status\":\"cancelled\"}\n");
}

TEST(record, members_with_unknown_values_are_left_out)
{
	struct record record = record_ok("a.jpg", "b.jpg");

	record.queue_ms = record.read_ms = record.commit_ms = -1;
	record.worker = -1;
	record.in.format = record.out.format = NULL;
	EXPECT_STR(line_of(record),
	           "{\"input\":\"a.jpg\",\"output\":\"b.jpg\",\"status\":\"ok\","
	           "\"engine\":\"jpeg\",\"ms\":{\"work\":31.0},\"attempts\":1}\n");
	record.work_ms = -1;
	record.engine = NULL;
	EXPECT_STR(line_of(record),
	           "{\"input\":\"a.jpg\",\"output\":\"b.jpg\",\"status\":\"ok\","
	           "\"attempts\":1}\n");
}

TEST(record, paths_that_are_not_utf8_are_written_in_base64)
{
	struct record record = record_skipped("\xff.jpg");

	record.output = "\xed\xa0\x80";
	EXPECT_STR(line_of(record), "{\"input_b64\":\"/y5qcGc=\",\"output_b64\":\"7aCA\","
	                            "\"status\":\"skipped\",\"reason\":\"exists\"}\n");
}

TEST(record, paths_of_4096_bytes_are_written_completely)
{
	char name[4097];
	const char *line;

	memset(name, '\001', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	line = line_of(record_ok(name, name));
	EXPECT(strlen(line) > 2 * 6 * 4096);
	EXPECT(strstr(line, "\"worker\":4711}\n") != NULL);
}

TEST(record, the_summary_record_has_the_documented_members)
{
	const struct report_counts counts = {.inputs = 2,
	                                     .ok = 1,
	                                     .failed = 1,
	                                     .ignored = 3,
	                                     .lost = 2,
	                                     .damaged = 4,
	                                     .bytes_in = 1,
	                                     .bytes_out = 1};
	const struct report_options options = {.recipe = "size 9x9",
	                                       .fingerprint = "00ff"};
	char line[512];
	struct text text = text_in(line, sizeof(line));

	record_summary_line(&text, &counts, 0.0421, 1, &options);
	EXPECT_STR(
		line,
		"{\"summary\":{\"inputs\":2,\"ok\":1,\"skipped\":0,\"failed\":1,"
		"\"cancelled\":0,\"remembered\":0,\"ignored\":3,\"lost\":2,\"damaged\":4,\"bytes_in\":1,"
		"\"bytes_out\":1,\"seconds\":0.04,\"exit\":1,"
		"\"version\":\"" PIXPOOL_VERSION "\",\"recipe\":\"size 9x9\","
		"\"fingerprint\":\"00ff\"}}\n");
}
