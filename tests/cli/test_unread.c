/* Tests of formats that no build can read: camera RAW, icons and EXR. They do not disturb a run
 * over a folder. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>

/* A TIFF with a DNG version, and a preview that must never be used as the picture. */
static void write_dng(const char *path)
{
	static const char bytes[] =
		"II*\0\10\0\0\0\1\0\x12\xc6\1\0\4\0\0\0\1\4\0\0\0\0\0\0";

	scratch_bytes(path, bytes, sizeof(bytes) - 1);
}

static void write_icon(const char *path)
{
	static const char bytes[] =
		"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0\0";

	scratch_bytes(path, bytes, sizeof(bytes) - 1);
}

#define IGNORED(input, name, format, bytes)                                              \
	"{'input':'" input "','status':'ignored','in':{'format':'" format                \
	"','bytes':" bytes "}}\n"

TEST(unreadable_formats, files_of_unreadable_formats_are_counted_and_claim_no_output)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	write_dng("in/a.dng");
	scratch_file("in/a.CR2", "raw");
	scratch_file("in/b.nef", "raw");
	write_icon("in/favicon.ico");
	scratch_file("in/pointer.cur", "cur");
	scratch_file("in/light.exr", "exr");
	scratch_file("in/notes.txt", "text");
	ended = run("pixpool resize -s 64 in -o out -f jpg --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err, ", 3 camera RAW files not read"), "%s", ended.err);
	EXPECT(strstr(ended.err, "2 ICO files not read"), "%s", ended.err);
	EXPECT(strstr(ended.err, "1 EXR file not read"), "%s", ended.err);
	EXPECT(strstr(ended.err, ", 1 other file ignored\n"), "%s", ended.err);
	EXPECT_STR(tree("out"), "a.jpg jpeg 64x43\n");
	EXPECT(strstr(records("r"), IGNORED("in/a.dng", "a.dng", "raw", "26")), "%s",
	       records("r"));
	EXPECT(strstr(records("r"), IGNORED("in/a.CR2", "a.CR2", "raw", "3")));
	EXPECT(strstr(records("r"),
	              IGNORED("in/favicon.ico", "favicon.ico", "ico", "23")));
	EXPECT(strstr(records("r"),
	              "{'summary':{'inputs':1,'ok':1,'skipped':0,'failed':0,"
	              "'cancelled':0,'remembered':0,'ignored':7,"));
	fixture_leave();
}

TEST(unreadable_formats, inputs_of_unreadable_formats_fail_as_unsupported)
{
	fixture_enter();
	write_dng("in/a.dng");
	write_dng("in/b.tif");
	write_icon("in/a.ico");
	scratch_file("list", "in/a.dng\nin/a.ico\n");
	EXPECT_EQ(run("pixpool resize -s 64 in/a.dng in/b.tif in/a.ico -o out --report r")
	                  .status,
	          1);
	EXPECT(strstr(records("r"), "{'input':'in/a.dng','status':'failed','class':"
	                            "'unsupported'"));
	EXPECT(strstr(records("r"), "{'input':'in/b.tif','status':'failed','class':"
	                            "'unsupported'"));
	EXPECT(strstr(records("r"), "'failed':3,"));
	EXPECT_EQ(run("pixpool verify --files-from list --report r").status, 1);
	EXPECT(strstr(records("r"), "'failed':2,"));
	fixture_leave();
}

TEST(unreadable_formats, the_plan_lists_inputs_of_unreadable_formats_as_unsupported)
{
	struct ended ended;

	fixture_enter();
	write_icon("a.ico");
	write_dng("b.dng");
	write_dng("c.tif");
	sample("lake.jpg", "d.jpg");
	scratch_file("notes.txt", "no image");
	ended = run("pixpool thumb a.ico b.dng c.tif d.jpg notes.txt -f png -o out -n "
	            "--report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(
		ended.out,
		"fail a.ico -> out/a.png (ICO is not supported)\n"
		"fail b.dng -> out/b.png (camera RAW is not supported; convert it first)\n"
		"fail c.tif -> out/c.png (camera RAW is not supported; convert it first)\n"
		"make d.jpg -> out/d.png (new)\n"
		"fail notes.txt -> out/notes.txt.png (not an image)\n");
	EXPECT(strstr(records("r"),
	              "{'input':'a.ico','status':'failed','class':'unsupported',"),
	       "%s", records("r"));
	fixture_leave();
}

TEST(unreadable_formats, a_folder_with_only_unreadable_formats_counts_as_having_no_image)
{
	struct ended ended;

	fixture_enter();
	write_dng("in/a.dng");
	scratch_file("in/notes.txt", "text");
	ended = run("pixpool resize -s 64 in -o out");
	EXPECT_EQ(ended.status, 3);
	EXPECT(strstr(ended.err, "no images found in in; 1 camera RAW file not read; "
	                         "1 other file ignored\n"),
	       "%s", ended.err);
	EXPECT(strstr(run("pixpool verify in -v").err, "ignored: in/a.dng"));
	fixture_leave();
}

TEST(unreadable_formats, the_camera_raw_suffixes_of_every_maker_are_recognised)
{
	static const char *const suffixes[] = {
		"cr2", "cr3", "nef", "nrw", "arw", "sr2", "dng", "orf", "rw2",
		"raf", "pef", "srw", "x3f", "3fr", "iiq", "mrw", "kdc", "dcr",
		"erf", "rwl", "CR2", "crw", "mef", "mos", "fff", "gpr",
	};
	char path[32];

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		snprintf(path, sizeof(path), "in/a.%s", suffixes[i]);
		scratch_file(path, "raw");
	}
	EXPECT_EQ(run("pixpool convert in -o out -f png --report r").status, 0);
	EXPECT(strstr(records("r"), "'ignored':26,"), "%s", records("r"));
	fixture_leave();
}
