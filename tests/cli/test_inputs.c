/* Tests of inputs: which files are processed as images, ignored or refused. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Check that the summary record of a report has these counts and this exit status. */
static void expect_summary(const char *report, unsigned inputs, unsigned ok,
                           unsigned failed, unsigned ignored, int status)
{
	const char *text = records(report), *summary = strstr(text, "{'summary'");
	char want[256], ignores[32], exits[32];

	REQUIRE(summary != NULL);
	snprintf(want, sizeof(want),
	         "{'summary':{'inputs':%u,'ok':%u,'skipped':0,'failed':%u,'cancelled':0,",
	         inputs, ok, failed);
	snprintf(ignores, sizeof(ignores), "'ignored':%u,", ignored);
	snprintf(exits, sizeof(exits), "'exit':%d,", status);
	EXPECT(strncmp(summary, want, strlen(want)) == 0, "%s", text);
	EXPECT(strstr(summary, ignores), "%s", text);
	EXPECT(strstr(summary, exits), "%s", text);
}

TEST(inputs, a_missing_input_is_refused_before_any_work)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool resize -s 32 a.jpg none 'no ne/x.jpg' -o out");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err, "pixpool: no such file or folder: none\n"
	                      "pixpool: no such file or folder: 'no ne/x.jpg'\n");
	EXPECT(access("out", F_OK) != 0);
	fixture_leave();
}

TEST(inputs, a_folder_without_images_exits_with_status_3)
{
	struct ended ended;

	fixture_enter();
	scratch_folder("in");
	scratch_folder("in/sub");
	ended = run("pixpool resize -s 32 in -o out --report r");
	EXPECT_EQ(ended.status, 3);
	EXPECT_STR(plain(ended.err), "pixpool: no images found in in\n");
	expect_summary("r", 0, 0, 0, 0, 3);
	EXPECT(access("out", F_OK) != 0);

	scratch_file("in/notes.txt", "no image");
	ended = run("pixpool resize -s 32 in -o out --report r");
	EXPECT_EQ(ended.status, 3);
	EXPECT_STR(plain(ended.err),
	           "pixpool: no images found in in; 1 other file ignored\n");
	expect_summary("r", 0, 0, 0, 1, 3);
	fixture_leave();
}

TEST(inputs,
     files_that_are_not_images_are_counted_as_ignored_and_listed_with_the_option_verbose)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_file("in/notes.txt", "no image");
	scratch_file("in/empty", "");
	scratch_bytes("in/x.gz", "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
	scratch_link("in/link.jpg", "a.jpg");
	REQUIRE(mkfifo("in/pipe.jpg", 0666) == 0);
	sample("lake.jpg", "in/.hidden.jpg");
	sample("lake.jpg", "in/.cache/b.jpg");

	ended = run("pixpool resize -s 32 in -o out --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	expect_summary("r", 1, 1, 0, 5, 0);
	EXPECT(!strstr(ended.err, "notes.txt"));
	EXPECT(strstr(ended.err, "5 other files ignored\n"));

	ended = run("pixpool resize -s 32 in -o out2 -v");
	EXPECT(strstr(ended.err, "ignored: in/notes.txt\n"));
	EXPECT(strstr(ended.err, "ignored: in/empty\n"));
	EXPECT(strstr(ended.err, "ignored: in/x.gz\n"));
	EXPECT(strstr(ended.err, "ignored: in/link.jpg\n"));
	EXPECT(strstr(ended.err, "ignored: in/pipe.jpg\n"));
	EXPECT(!strstr(ended.err, "hidden"));
	fixture_leave();
}

TEST(inputs, an_image_with_unknown_suffix_is_found_by_its_content)
{
	fixture_enter();
	sample("lake.jpg", "in/photo");
	sample("balloon.png", "in/photo.orig");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out").status, 0);
	EXPECT_STR(tree("out"), "photo.jpg jpeg 32x21\nphoto.orig.png png 32x32\n");
	fixture_leave();
}

TEST(inputs, a_file_given_on_the_command_line_is_processed_whatever_its_name)
{
	fixture_enter();
	scratch_file("notes.txt", "no image");
	scratch_file("empty", "");
	sample("lake.jpg", ".hidden.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 notes.txt -o out --report r").status, 1);
	EXPECT_STR(
		records("r"),
		"{'input':'notes.txt','status':'failed','class':'bad-image','message':"
		"'format: not an image of any known format','attempts':0}\n"
		"{'summary':{'inputs':1,'ok':0,'skipped':0,'failed':1,'cancelled':0,"
		"'remembered':0,'ignored':0,'lost':0,'damaged':0,'bytes_in':0,'bytes_out':0,'seconds':#,"
		"'exit':1,'version':'" PIXPOOL_VERSION "','recipe':'size 32x32',"
		"'fingerprint':'#'}}\n");
	EXPECT_EQ(run("pixpool resize -s 32 notes.txt empty -o out -f png --report r")
	                  .status,
	          1);
	expect_summary("r", 2, 0, 2, 0, 1);
	EXPECT_EQ(run("pixpool resize -s 32 .hidden.jpg -o out").status, 0);
	EXPECT_STR(tree("out"), ".hidden.jpg jpeg 32x21\n");
	fixture_leave();
}

/* The format detection of libvips 8.14.1 hangs on these 33 bytes. */
static const unsigned char gzip[33] = {0x1f, 0x8b, 8,    0,    0,    0,    0,    0,   0,
                                       3,    0x4b, 0x4c, 0x4a, 0x4e, 0x49, 0x4d, 0x4b};

TEST(inputs, a_bad_image_fails_alone)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/good.jpg");
	scratch_bytes("in/gzip.jpg", gzip, sizeof(gzip));
	scratch_file("in/empty.jpg", "");
	scratch_file("in/text.png", "no image");
	sample("lake.jpg", "in/truncated.jpg");
	REQUIRE(truncate("in/truncated.jpg", 10000) == 0);
	sample("balloon.png", "in/header.png");
	REQUIRE(truncate("in/header.png", 30) == 0);

	ended = run("pixpool resize -s 32 in -o out --timeout 20 --report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(tree("out"), "good.jpg jpeg 32x21\n");
	expect_summary("r", 6, 1, 5, 0, 1);
	for (const char *const *name =
	             (const char *const[]){"gzip.jpg", "empty.jpg", "text.png",
	                                   "truncated.jpg", "header.png", NULL};
	     *name; name++) {
		char want[128];

		snprintf(want, sizeof(want),
		         "{'input':'in/%s','status':'failed','class':'bad-image',",
		         *name);
		EXPECT(strstr(records("r"), want), "%s: %s", *name, records("r"));
		snprintf(want, sizeof(want), "in/%s: failed: ", *name);
		EXPECT(strstr(ended.err, want), "%s: %s", *name, ended.err);
	}
	fixture_leave();
}

TEST(inputs, an_image_with_the_wrong_suffix_is_resized)
{
	fixture_enter();
	sample("pendulum.gif", "in/gif.jpg");
	sample("balloon.png", "in/png.jpeg");
	sample("lake.jpg", "in/jpeg.png");
	EXPECT_EQ(run("pixpool resize -s 64 in -o out --report r").status, 0);
	EXPECT_STR(tree("out"), "gif.jpg jpeg 64x48\n"
	                        "jpeg.png png 64x43\n"
	                        "png.jpeg jpeg 64x64\n");
	EXPECT(strstr(records("r"), "'in':{'width':320,'height':240,'format':'gif',"));
	fixture_leave();
}

TEST(inputs, a_camera_raw_is_unsupported_although_it_holds_a_preview)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_bytes("in/b.nef", "II*\0\x08\0\0\0\0\0\0\0\0\0\0\0", 16);
	EXPECT_EQ(run("pixpool resize -s 32 in/a.jpg in/b.nef -o out --report r").status,
	          1);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	EXPECT(strstr(records("r"),
	              "{'input':'in/b.nef','status':'failed','class':'unsupported',"),
	       "%s", records("r"));
	fixture_leave();
}

TEST(inputs, a_fifo_among_the_inputs_never_blocks)
{
	fixture_enter();
	scratch_folder("in");
	REQUIRE(mkfifo("in/pipe.jpg", 0666) == 0);
	EXPECT_EQ(run("pixpool resize -s 32 in -o out").status, 3);
	EXPECT_EQ(run("pixpool resize -s 32 in/pipe.jpg -o out --report r").status, 1);
	EXPECT_STR(
		records("r"),
		"{'input':'in/pipe.jpg','status':'failed','class':'unsupported',"
		"'message':'open: not a regular file','attempts':0}\n"
		"{'summary':{'inputs':1,'ok':0,'skipped':0,'failed':1,'cancelled':0,"
		"'remembered':0,'ignored':0,'lost':0,'damaged':0,'bytes_in':0,'bytes_out':0,'seconds':#,"
		"'exit':1,'version':'" PIXPOOL_VERSION "','recipe':'size 32x32',"
		"'fingerprint':'#'}}\n");
	/* The program reads the first bytes of a file with an unknown suffix, but it must not open
	 * a pipe or a device to do so. */
	REQUIRE(rename("in/pipe.jpg", "in/pipe") == 0);
	EXPECT_EQ(run("pixpool resize -s 32 in/pipe -o out").status, 1);
	EXPECT_EQ(run("pixpool resize -s 32 /dev/zero -o out -f png").status, 1);
	fixture_leave();
}

TEST(inputs, a_folder_named_like_an_image_is_walked)
{
	fixture_enter();
	sample("lake.jpg", "in/album.jpg/a.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out").status, 0);
	EXPECT_STR(tree("out"), "album.jpg/\nalbum.jpg/a.jpg jpeg 32x21\n");
	EXPECT_EQ(run("pixpool resize -s 32 in/album.jpg -o out2").status, 0);
	EXPECT_STR(tree("out2"), "a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(inputs, links_named_as_inputs_are_followed_and_links_in_folders_are_not)
{
	fixture_enter();
	sample("lake.jpg", "elsewhere/a.jpg");
	scratch_folder("in");
	scratch_link("in/file.jpg", "../elsewhere/a.jpg");
	scratch_link("in/folder", "../elsewhere");
	scratch_link("in/loop", ".");
	scratch_link("in/dangling.jpg", "nowhere");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --report r").status, 3);
	expect_summary("r", 0, 0, 0, 4, 3);
	EXPECT_EQ(run("pixpool resize -s 32 in/file.jpg -o out").status, 0);
	EXPECT_STR(tree("out"), "file.jpg jpeg 32x21\n");
	EXPECT_EQ(run("pixpool resize -s 32 in/folder -o out2").status, 0);
	EXPECT_STR(tree("out2"), "a.jpg jpeg 32x21\n");
	EXPECT_EQ(run("pixpool resize -s 32 in/dangling.jpg -o out3").status, 2);
	fixture_leave();
}

TEST(inputs, an_unreadable_file_or_folder_gets_a_failed_record)
{
	const char *nobody;
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/locked.jpg");
	sample("lake.jpg", "in/unknown");
	sample("lake.jpg", "in/vault/b.jpg");
	REQUIRE(chmod("in/locked.jpg", 0) == 0 && chmod("in/unknown", 0) == 0 &&
	        chmod("in/vault", 0) == 0);
	scratch_folder("out");
	REQUIRE(chmod("out", 0777) == 0);
	nobody = as_nobody();
	if (nobody) {
		ended = run("%spixpool resize -s 32 in -o out --report out/r", nobody);
		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(ended.err,
		              "in/locked.jpg: failed: no permission to read\n"));
		EXPECT(strstr(ended.err,
		              "in/vault: failed: folder without permission to read\n"));
		EXPECT(strstr(records("out/r"), "{'input':'in/vault','status':'failed',"
		                                "'class':'permission',"));
		/* A file whose first bytes cannot be read does not count as an image. */
		expect_summary("out/r", 3, 1, 2, 1, 1);

		ended = run("%spixpool resize -s 32 in/vault in/vault/b.jpg -o out",
		            nobody);
		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(ended.err,
		              "in/vault/b.jpg: failed: no permission to read\n"));
	}
	REQUIRE(chmod("in/vault", 0700) == 0);
	fixture_leave();
}

TEST(inputs, file_names_that_are_not_utf8_are_processed)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/caf\xe9.jpg");
	sample("lake.jpg", "in/new\nline [strip,Q=1] %s.jpg");
	sample("lake.jpg", "in/-rf.jpg");
	ended = run("pixpool resize -s 32 in -o out --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("out"), "-rf.jpg jpeg 32x21\n"
	                        "caf\xe9.jpg jpeg 32x21\n"
	                        "new\nline [strip,Q=1] %s.jpg jpeg 32x21\n");
	EXPECT(strstr(ended.err, "'in/caf'$'\\351''.jpg' -> 'out/caf'$'\\351''.jpg' ("));
	EXPECT(strstr(records("r"), "{'input_b64':'aW4vY2Fm6S5qcGc=','output_b64':"
	                            "'b3V0L2NhZukuanBn','status':'ok',"));
	EXPECT(strstr(records("r"), "{'input':'in/new\\nline [strip,Q=1] %s.jpg',"));
	fixture_leave();
}
