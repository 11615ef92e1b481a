/* Tests of records. They are compared as whole lines, because scripts depend on every member. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The engine that makes a JPEG from a JPEG, and the engine that makes a PNG from a JPEG. */
#ifdef PIXPOOL_VIPS
#define ENGINE        "fast"
#define ENGINE_TO_PNG "vips"
#else
#define ENGINE        "stb"
#define ENGINE_TO_PNG "stb"
#endif

#define OK_BY(engine, input, output, name)                                               \
	"{'input':'" input "','output':'" output "','status':'ok','engine':'" engine     \
	"',"                                                                             \
	"'in':{'width':640,'height':427,'format':'jpeg','bytes':20962},"                 \
	"'out':{'width':64,'height':43,'format':'" name "','bytes':#},"                  \
	"'ms':{'queue':#,'read':#,'work':#,'commit':#},'attempts':1,'worker':#}\n"
#define OK_OF(input, output, name) OK_BY(ENGINE, input, output, name)
#define END_OF_SUMMARY(recipe)                                                           \
	"'version':'" PIXPOOL_VERSION "','recipe':'" recipe "','fingerprint':'#'}}\n"

TEST(records, records_match_the_documented_format)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/sub/b.jpg");
	scratch_file("in/bad.jpg", "no image");
	scratch_file("in/notes.txt", "no image");
	EXPECT_EQ(run("pixpool resize -s 64 in -o out --report r").status, 1);
	EXPECT_STR(
		records("r"),
		OK_OF("in/a.jpg", "out/a.jpg",
	              "jpeg") "{'input':'in/bad.jpg','status':'failed','class':'bad-image','message':"
			      "'format: not an image of any known format','attempts':1}\n" OK_OF(
				      "in/sub/b.jpg", "out/sub/b.jpg",
				      "jpeg") "{'summary':{'inputs':3,'ok':2,'skipped':0,'failed':1,'cancelled':0,"
					      "'remembered':0,'ignored':1,'lost':0,'damaged':0,'bytes_in':41924,'bytes_out':#,'seconds':#,"
					      "'exit':1," END_OF_SUMMARY("size 64x64"));
	fixture_leave();
}

TEST(records, the_option_report_with_a_dash_prints_only_records)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	ended = run("pixpool resize -s 64 in -o out -f png --report -");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(
		records_in(ended.out),
		OK_BY(ENGINE_TO_PNG, "in/a.jpg", "out/a.png",
	              "png") "{'summary':{'inputs':1,'ok':1,'skipped':0,'failed':0,'cancelled':0,"
			     "'remembered':0,'ignored':0,'lost':0,'damaged':0,'bytes_in':20962,'bytes_out':#,"
			     "'seconds':#,'exit':0," END_OF_SUMMARY(
				     "size 64x64; format png"));
	EXPECT_STR(plain(ended.err),
	           "[1/1] in/a.jpg -> out/a.png (64x43, #)\n"
	           "1 image: 1 done in # s (# images/s), 21.0 kB -> #\n");
	fixture_leave();
}

TEST(records, a_report_file_never_replaces_an_image)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool verify a.jpg --report a.jpg");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err,
	           "pixpool: cannot write the report a.jpg: it is an image, which the "
	           "report would overwrite; give --report another FILE\n");
	EXPECT_EQ(run("pixpool verify a.jpg").status, 0);
	fixture_leave();
}

/* Check that a command refuses to replace this file by its report, and does not change the file. */
static void expect_spared(const char *line, const char *file, const char *says)
{
	struct ended ended = run("%s", line);

	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err, says), "%s", ended.err);
	EXPECT_STR(scratch_text(file), "in/a.jpg\n");
}

TEST(records, a_report_file_never_replaces_the_list_of_inputs)
{
	static const char says[] = "is the list of --files-from and would be overwritten";

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_file("list", "in/a.jpg\n");
	scratch_link("link", "list");
	expect_spared("pixpool verify --files-from list --report list", "list", says);
	expect_spared("pixpool verify --files-from list --report ./list", "list", says);
	expect_spared("pixpool verify --files-from list --report link", "list", says);
	expect_spared("pixpool verify --files-from - --report list < list", "list", says);
	EXPECT_EQ(run("pixpool verify --files-from list --report /dev/null").status, 0);
	fixture_leave();
}

TEST(records, a_report_file_never_replaces_the_output_file)
{
	static const char says[] = "is the output file and would be overwritten";
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	scratch_file("b.png", "in/a.jpg\n");
	expect_spared("pixpool thumb a.jpg -o b.png --report b.png", "b.png", says);
	expect_spared("pixpool thumb a.jpg -o b.png --report ./b.png", "b.png", says);
	/* A report under the name of the output file is refused even if this file does not exist
	 * yet. */
	ended = run("pixpool thumb a.jpg -o c.png --report ../$(basename $PWD)/c.png");
	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err, says), "%s", ended.err);
	ended = run("pixpool thumb a.jpg -f png -o - --report d.png > d.png");
	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err, says), "%s", ended.err);
	EXPECT_EQ(run("pixpool thumb a.jpg -f png -o - --report /dev/null > /dev/null")
	                  .status,
	          0);
	fixture_leave();
}

TEST(records, a_report_with_the_suffix_of_an_image_is_refused)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	ended = run("pixpool resize -s 32 in -o out --report out/a.jpg");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err,
	           "pixpool: cannot write the report out/a.jpg: it has the suffix of an "
	           "image, so an output may replace it; give --report another FILE, such "
	           "as report.jsonl\n");
	EXPECT(access("out", F_OK) != 0);
	fixture_leave();
}

TEST(records, a_report_file_never_replaces_the_state)
{
	static const char says[] = "is the state and would be overwritten";
	static const char *const options[] = {
		"-o out --report out/.pixpool.db",
		"-o out --report ./out/.pixpool.db",
		"-o out --shard 1/2 --report out/.pixpool-1-of-2.db",
		"-o out --state s.db --report s.db",
	};

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_folder("out");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		struct ended ended = run("pixpool thumb in %s", options[i]);

		EXPECT_EQ(ended.status, 2);
		EXPECT(strstr(ended.err, says), "%s", ended.err);
	}
	EXPECT_EQ(run("pixpool thumb in -o out --state none --report out/.pixpool.db")
	                  .status,
	          0);
	fixture_leave();
}

TEST(records, a_report_file_replaces_an_earlier_report)
{
	fixture_enter();
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("seq -f line-%%g 9999 > r").status, 0);
	EXPECT_EQ(run("pixpool resize -s 64 a.jpg -o out --report r").status, 0);
	EXPECT(!strstr(records("r"), "line"));
	EXPECT_EQ(run("pixpool resize -s 64 a.jpg -o out --report a.jpg/r").status, 2);
	EXPECT_EQ(run("pixpool resize -s 64 a.jpg -o out --report .").status, 2);
	fixture_leave();
}

#ifdef PIXPOOL_VIPS /* stb refuses this file when it reads the header */
/* The record of a failure has the sizes that were known before the failure. */
TEST(records, a_failure_record_has_the_known_facts_of_the_image)
{
	fixture_enter();
	sample("lake.jpg", "in/cut.jpg");
	REQUIRE(truncate("in/cut.jpg", 10000) == 0);
	EXPECT_EQ(run("pixpool resize -s 640 in -o out --report r").status, 1);
	EXPECT(strstr(records("r"), "{'input':'in/cut.jpg','status':'failed','class':"
	                            "'bad-image','message':'decode: "),
	       "%s", records("r"));
	EXPECT(strstr(records("r"), "','in':{'width':640,'height':427,'format':'jpeg',"
	                            "'bytes':10000},'attempts':1}\n"),
	       "%s", records("r"));
	fixture_leave();
}
#endif

TEST(records, failure_records_use_the_documented_class_names)
{
	static const char *const classes[] = {
		"bad-image", "unsupported", "too-big",  "timeout", "memory",
		"crashed",   "violation",   "vanished", "io",      "permission",
		"exists",    "collision",   "internal",
	};
	char path[64], orders[64], want[160];

	fixture_enter();
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		snprintf(path, sizeof(path), "in/%s.png", classes[i]);
		snprintf(orders, sizeof(orders), "fail %s", classes[i]);
		write_script(path, orders);
	}
	EXPECT_EQ(run("pixpool-scripted resize -s 64 in -o out --report r").status, 1);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		snprintf(want, sizeof(want),
		         "{'input':'in/%s.png','status':'failed','class':'%s',"
		         "'message':'script: fail %s',",
		         classes[i], classes[i], classes[i]);
		EXPECT(strstr(records("r"), want), "%s", records("r"));
	}
	EXPECT(strstr(records("r"), "{'summary':{'inputs':13,'ok':0,'skipped':0,"
	                            "'failed':13,'cancelled':0,"));
	fixture_leave();
}

TEST(records, a_record_names_a_file_relative_to_its_input_argument)
{
	fixture_enter();
	write_script("in/sub/a.png", "size 2 2");
	write_script("in/b.png", "fail bad-image");
	run("pixpool-scripted resize -s 8 in/ -o out -Q --report r");
	EXPECT_STR(run("grep -o '\"input\":\"[^\"]*\",\"name\":\"[^\"]*\"' r | sort").out,
	           "\"input\":\"in/b.png\",\"name\":\"b.png\"\n"
	           "\"input\":\"in/sub/a.png\",\"name\":\"sub/a.png\"\n");
	run("pixpool-scripted resize -s 8 in/sub/a.png -o out2 -Q --report r");
	EXPECT_STR(run("grep -o '\"input\":\"[^\"]*\",\"name\":\"[^\"]*\"' r").out,
	           "\"input\":\"in/sub/a.png\",\"name\":\"a.png\"\n");
	fixture_leave();
}

TEST(records, records_are_written_one_by_one_while_the_batch_runs)
{
	struct command command;
	const char *seen;

	fixture_enter();
	write_script("in/a.png", "size 2 2");
	write_script("in/b.png", "gate b");
	command = begin("pixpool-scripted resize -s 64 -j 1 in -o out --report r");
	await_gate("b");
	await_error(&command, "[1/2] in/a.png");
	seen = scratch_text("r");
	EXPECT(seen && strstr(seen, "{\"input\":\"in/a.png\"") == seen, "%s", seen);
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 0);
	fixture_leave();
}

/* The output of a.bmp is large, so writing it takes longer than the rest of the walk. */
TEST(records, records_are_written_in_order_of_completion)
{
	const char *said;

	fixture_enter();
	write_script("in/a.bmp", "size 4000 3000");
	write_script("in/b.bmp", "size 2 2");
	said = run("pixpool-scripted resize -s 64 -j 1 in -o out").err;
	EXPECT(strncmp(said, "[1/2] in/a.bmp -> ", 18) == 0, "%s", said);
	EXPECT(strstr(said, "\n[2/2] in/b.bmp -> "), "%s", said);
	fixture_leave();
}

TEST(records, json_progress_prints_the_same_records_on_standard_error)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_file("in/notes.txt", "no image");
	ended = run("pixpool resize -s 64 in -o out -v --progress json");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.out, "");
	EXPECT(strstr(records_in(ended.err), OK_OF("in/a.jpg", "out/a.jpg", "jpeg")));
	EXPECT(strstr(records_in(ended.err), "{'ignored':'in/notes.txt'}\n"));
	EXPECT(strstr(records_in(ended.err), "{'summary':{'inputs':1,'ok':1,"));
	fixture_leave();
}

/* A worker that crashes does not report the size of its image. The program must count the true
 * size, not the mean size of an image. */
TEST(records, json_progress_counts_the_true_size_of_an_image_whose_worker_crashed)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "size 2000 2000\nsignal SIGSEGV"); /* 47 bytes */
	write_script("in/b.png", "gate b\nsize 2 2");               /* 33 bytes */
	command = begin("pixpool-scripted resize -s 8 -j 2 in -o out --progress json");
	await_error(&command, "{\"progress\":{\"done\":1,\"total\":2,\"failed\":1,"
	                      "\"bytes_done\":47,\"bytes_total\":80");
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 1);
	fixture_leave();
}

TEST(records, quiet_mode_prints_only_failures)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	ended = run("pixpool resize -s 64 in -o out -Q");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.err, "");
	run("echo theirs > out/a.jpg");
	ended = run("pixpool resize -s 64 in -o out -Q");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(ended.err, "in/a.jpg: failed: output exists; see --overwrite\n");
	EXPECT_STR(run("pixpool resize -s 64 in -o out3 -v -Q").err, "");
	ended = run("pixpool resize -s 64 in -o out2 --progress none");
	EXPECT_STR(plain(ended.err),
	           "1 image: 1 done in # s (# images/s), 21.0 kB -> #\n");
	fixture_leave();
}

TEST(records, the_folder_of_the_report_file_is_created)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --report out/log/r.jsonl").status,
	          0);
	EXPECT(strstr(records("out/log/r.jsonl"), "'exit':0,"));
	EXPECT_EQ(run("pixpool verify in --report deep/er/r --progress none").status, 0);
	EXPECT(strstr(records("deep/er/r"), "'exit':0,"));
	EXPECT_STR(run("pixpool verify in --report in/a.jpg/r --progress none").err,
	           "pixpool: cannot write the report in/a.jpg/r: Not a directory\n");
	fixture_leave();
}

/* The worker that made the damaged image makes the intact image next. */
TEST(records, only_the_record_of_an_image_with_accepted_damage_says_damaged)
{
	const char *said;

	fixture_enter();
	sample("lake.jpg", "half.jpg");
	sample("lake.jpg", "whole.jpg");
	REQUIRE(truncate("half.jpg", 9000) == 0);
	EXPECT_EQ(run("pixpool thumb -j 1 half.jpg whole.jpg -o d --fail-on none "
	              "--report r")
	                  .status,
	          0);
	said = records("r");
	EXPECT(strstr(said, "'attempts':1,'worker':#,'damaged':true}\n"), "%s", said);
	EXPECT(strstr(said, "'attempts':1,'worker':#}\n"), "%s", said);
	EXPECT(strstr(said, "{'summary':{'inputs':2,'ok':2,") &&
	               strstr(said, "'lost':0,'damaged':1,"),
	       "%s", said);
	fixture_leave();
}
