/* Tests of pixpool verify, which decodes every pixel, writes nothing, and lists broken images. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void gather(void)
{
	sample("lake.jpg", "in/good.jpg");
	sample("balloon.png", "in/sub/good.png");
	sample("lake.jpg", "in/broken.jpg");
	sample("balloon.png", "in/misnamed.jpg");
	scratch_file("in/empty.png", "");
	scratch_file("in/notes.txt", "no image");
	REQUIRE(truncate("in/broken.jpg", 15000) == 0);
}

/* The output of a command, with its lines sorted, because the command prints them in the order of
 * completion. */
static const char *sorted(const char *line)
{
	return run("%s | LC_ALL=C sort", line).out;
}

TEST(verify, the_command_verify_lists_only_broken_and_misnamed_images)
{
	struct ended ended;

	fixture_enter();
	gather();
	ended = run("pixpool verify in");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err, "5 images: 3 done, 2 failed in "), "%s", ended.err);
	EXPECT(strstr(ended.err, " kB, 1 other file ignored\n"), "%s", ended.err);
	EXPECT(!strstr(ended.err, " -> 0 B"), "%s", ended.err);
	EXPECT(strncmp(sorted("pixpool verify in 2> err"), "bad-image in/broken.jpg (",
	               25) == 0);
	EXPECT_STR(sorted("pixpool verify -Q in 2> err | grep -v broken"),
	           "bad-image in/empty.png (empty file)\n"
	           "misnamed in/misnamed.jpg (it is png)\n");
	EXPECT_STR(tree("in"),
	           "broken.jpg jpeg 640x427\nempty.png unknown\ngood.jpg jpeg "
	           "640x427\nmisnamed.jpg png 480x480\nnotes.txt unknown\nsub/\n"
	           "sub/good.png png 480x480\n");
	fixture_leave();
}

TEST(verify, the_command_verify_flags_a_misnamed_image_but_does_not_fail_the_image)
{
	struct ended ended;

	fixture_enter();
	sample("balloon.png", "in/a.jpg");
	ended = run("pixpool verify in --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.out, "misnamed in/a.jpg (it is png)\n");
	EXPECT(strstr(records("r"), "{'input':'in/a.jpg','status':'ok','engine':'"));
	EXPECT(strstr(records("r"), "'attempts':1,'worker':#,'misnamed':'png'}\n"), "%s",
	       records("r"));
	EXPECT(!strstr(records("r"), "'out'"), "there is no list");
	fixture_leave();
}

TEST(verify, the_record_of_a_resized_misnamed_image_names_its_actual_format)
{
	fixture_enter();
	sample("balloon.png", "in/a.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --report r").status, 0);
	EXPECT(strstr(records("r"), "'misnamed':'png'"), "%s", records("r"));
	sample("balloon.png", "in/a.png");
	EXPECT_EQ(run("pixpool resize -s 32 in/a.png -o out --report r").status, 0);
	EXPECT(!strstr(records("r"), "'misnamed'"), "%s", records("r"));
	fixture_leave();
}

TEST(verify, a_list_whose_reader_has_closed_the_pipe_ends_the_program_by_sigpipe)
{
	struct ended ended;

	fixture_enter();
	gather();
	/* The reader closes the pipe before the command starts. */
	ended = run("{ while [ ! -e closed ]; do :; done; "
	            "pixpool verify in --progress none; echo $? > status; } | "
	            "{ exec <&-; : > closed; }");
	EXPECT_STR(scratch_text("status"), "141\n");
	EXPECT_STR(ended.err, "");
	fixture_leave();
}

TEST(verify, if_the_list_cannot_be_written_the_exit_status_is_4_and_the_reason_is_printed)
{
	struct ended ended;

	fixture_enter();
	gather();
	ended = run("pixpool verify in -Q > /dev/full");
	EXPECT_EQ(ended.status, 4);
	EXPECT(strstr(ended.err, "pixpool: the list is incomplete: cannot write to "
	                         "standard output: No space left on device\n"),
	       "%s", ended.err);
	EXPECT(!strstr(ended.err, "report"), "%s", ended.err);
	fixture_leave();
}

TEST(verify, the_command_verify_prints_no_list_if_records_go_to_standard_output)
{
	struct ended ended;

	fixture_enter();
	gather();
	ended = run("pixpool verify in --report -");
	EXPECT_EQ(ended.status, 1);
	EXPECT(!strstr(ended.out, "misnamed in/"), "%s", ended.out);
	EXPECT(strstr(records_in(ended.out), "{'summary':{'inputs':5,'ok':3,'skipped':0,"
	                                     "'failed':2,"));
	fixture_leave();
}

TEST(verify, the_command_verify_has_the_same_exit_statuses_as_other_commands)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_folder("none");
	EXPECT_EQ(run("pixpool verify in").status, 0);
	EXPECT_EQ(run("pixpool verify none").status, 3);
	EXPECT_EQ(run("pixpool verify nowhere").status, 2);
	EXPECT_EQ(run("pixpool verify").status, 2);
	EXPECT_EQ(run("pixpool verify -o out in").status, 2);
	EXPECT_EQ(run("pixpool verify -s 10 in").status, 2);
	scratch_file("in/b.jpg", "");
	EXPECT_EQ(run("pixpool verify in > /dev/full").status, 4);
	EXPECT_STR(tree("out"), "");
	fixture_leave();
}

/* Two images whose names differ only in the suffix do not collide. An image that is named several
 * times is read once. */
TEST(verify, the_command_verify_accepts_inputs_whose_outputs_would_collide)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/a.png");
	EXPECT_EQ(run("pixpool verify in in/a.jpg in/a.jpg --report r").status, 0);
	EXPECT(strstr(records("r"), "{'summary':{'inputs':2,'ok':2,"));
	fixture_leave();
}

TEST(verify, the_command_verify_finds_a_truncation_that_other_commands_accept)
{
	fixture_enter();
	sample("pendulum.gif", "in/a.gif");
	REQUIRE(truncate("in/a.gif", 20000) == 0);
	EXPECT_EQ(run("pixpool resize -s 32 -f png --fail-on none in -o out").status, 0);
	EXPECT(strstr(run("pixpool verify in").out,
	              "bad-image in/a.gif (truncated GIF)\n"));
	fixture_leave();
}

TEST(verify, the_option_fail_on_decides_which_damage_the_command_verify_accepts)
{
	static const char *const names[] = {"lake.jpg", "balloon.png", "pendulum.gif",
	                                    "lighthouse.tiff", "meadow.webp"};
	const char *const list =
		"sed -n 's/.*\"name\":\"\\([^\"]*\\)\".*\"status\":\"\\([^\"]*\\)\".*/\\1 \\2/p'";
	char path[32];

	fixture_enter();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "in/%s", names[i]);
		sample(names[i], path);
		REQUIRE(truncate(path, 5000) == 0);
	}
	EXPECT(strstr(run("pixpool verify in --report r").err, ": 0 done, "));
	/* With the same --fail-on, verify accepts the same damaged images as resize. */
	run("pixpool resize -s 999 -f png in -o out --fail-on none --report a");
	run("pixpool verify in --fail-on none --report b");
	EXPECT_STR(run("%s a | sort > c; %s b | sort | diff c - && wc -l < c", list, list)
	                   .out,
	           "5\n");
	EXPECT(strstr(records("b"), "{'input':'in/lake.jpg','status':'ok',"), "%s",
	       records("b"));
	EXPECT(strstr(records("b"), "'damaged':true"), "%s", records("b"));
	fixture_leave();
}

TEST(verify, the_command_verify_fails_an_image_whose_worker_dies_or_hangs)
{
	struct ended ended;

	fixture_enter();
	write_script("in/a.png", "signal SIGSEGV");
	write_script("in/b.png", "hang asleep");
	write_script("in/c.png", "size 2 2");
	ended = run("pixpool-scripted verify --timeout 1 in --report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.out,
	              "crashed in/a.png (crashed its decoder: worker died of SIGSEGV while decoding"),
	       "%s", ended.out);
	EXPECT(strstr(ended.out, "timeout in/b.png ("), "%s", ended.out);
	EXPECT(strstr(records("r"),
	              "{'summary':{'inputs':3,'ok':1,'skipped':0,'failed':2,"));
	fixture_leave();
}

#ifdef PIXPOOL_VIPS
/* libvips decodes frames of a WebP in two threads at once, so it needs a multiple of the memory of
 * the decoded pixels. */
TEST(verify, a_large_webp_is_verified_within_the_memory_limit_of_its_worker)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("pixpool resize -s '4096x4096!' -f webp a.jpg -o out").status, 0);
	ended = run("pixpool verify out/a.webp");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.out, "");
	fixture_leave();
}

/* The names and statuses of the inputs of a report, one line for each input, sorted by name. */
static const char *statuses(const char *report)
{
	return run("grep -v summary %s | sed 's/.*\"name\":\"\\([^\"]*\\)\".*\"status\":\"\\([a-z]*\\)\".*/"
	           "\\1 \\2/' | LC_ALL=C sort",
	           report)
	        .out;
}

TEST(verify, the_commands_verify_and_convert_agree_on_which_images_are_broken)
{
	static const char *const samples[] = {"lake.jpg", "balloon.png", "pendulum.gif",
	                                      "meadow.webp", "lighthouse.tiff"};
	static const char *const formats[] = {"jpg", "png", "webp", "tiff"};
	char broken[4096];

	fixture_enter();
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		char whole[64];

		snprintf(whole, sizeof(whole), "in/%s", samples[i]);
		sample(samples[i], whole);
		EXPECT_EQ(run("head -c 3000 %s > in/cut-%s", whole, samples[i]).status,
		          0);
	}
	EXPECT_EQ(run("head -c -2 in/lake.jpg > in/without-end-marker.jpg; "
	              "printf 'P3 2 2 255 1 2 3 4 5 6 7' > in/cut.ppm; "
	              "printf 'P1 4 1 0101' > in/plain.pbm")
	                  .status,
	          0);
	EXPECT_EQ(run("pixpool verify in --report r").status, 1);
	snprintf(broken, sizeof(broken), "%s", statuses("r"));
	EXPECT_STR(broken, "balloon.png ok\ncut-balloon.png failed\ncut-lake.jpg failed\n"
	                   "cut-lighthouse.tiff failed\ncut-meadow.webp failed\n"
	                   "cut-pendulum.gif failed\ncut.ppm failed\nlake.jpg ok\n"
	                   "lighthouse.tiff ok\nmeadow.webp ok\npendulum.gif ok\n"
	                   "plain.pbm ok\nwithout-end-marker.jpg ok\n");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		EXPECT_EQ(run("pixpool convert -f %s in -o %s --on-collision keep-ext "
		              "--report r",
		              formats[i], formats[i])
		                  .status,
		          1);
		EXPECT_STR(statuses("r"), broken);
	}
	fixture_leave();
}
#endif
