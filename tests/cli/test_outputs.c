/* Tests of outputs: sizes, names, formats, and files that exist already. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TEST(outputs, outputs_mirror_the_input_tree_and_each_image_fits_the_box)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/lake.jpg");
	sample("balloon.png", "in/sub/balloon.png");
	sample("orientation/6.jpg", "in/sub/deep/6.jpg");
	scratch_folder("in/empty");
	ended = run("pixpool resize -s 64 -j 1 in -o out/new");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(ended.out, "");
	EXPECT_STR(tree("out"), "new/\n"
	                        "new/lake.jpg jpeg 64x43\n"
	                        "new/sub/\n"
	                        "new/sub/balloon.png png 64x64\n"
	                        "new/sub/deep/\n"
	                        "new/sub/deep/6.jpg jpeg 64x43\n");
	EXPECT_STR(plain(ended.err),
	           "[1/3] in/lake.jpg -> out/new/lake.jpg (64x43, #)\n"
	           "[2/3] in/sub/balloon.png -> out/new/sub/balloon.png (64x64, #)\n"
	           "[3/3] in/sub/deep/6.jpg -> out/new/sub/deep/6.jpg (64x43, #)\n"
	           "3 images: 3 done in # s (# images/s), 38.1 kB -> #\n");
	fixture_leave();
}

TEST(outputs, every_sample_picture_keeps_its_format)
{
	fixture_enter();
	sample("lake.jpg", "in/lake.jpg");
	sample("dunes.jpg", "in/dunes.jpg");
	sample("balloon.png", "in/balloon.png");
	EXPECT_EQ(run("pixpool resize -s 64 in -o out --report r").status, 0);
	EXPECT_STR(tree("out"), "balloon.png png 64x64\n"
	                        "dunes.jpg jpeg 64x40\n"
	                        "lake.jpg jpeg 64x43\n");
#ifdef PIXPOOL_VIPS
	sample("meadow.webp", "in2/meadow.webp");
	sample("pendulum.gif", "in2/pendulum.gif");
	sample("lighthouse.tiff", "in2/lighthouse.tiff");
	EXPECT_EQ(run("pixpool resize -s 64 in2 -o out2 --report r").status, 0);
	EXPECT_STR(tree("out2"), "lighthouse.tiff tiff\n"
	                         "meadow.webp webp\n"
	                         "pendulum.gif gif\n");
	EXPECT(strstr(records("r"), "'out':{'width':48,'height':64,'format':'tiff',"));
	EXPECT(strstr(records("r"), "'out':{'width':64,'height':43,'format':'webp',"));
	EXPECT(strstr(records("r"), "'out':{'width':64,'height':48,'format':'gif',"));
#endif
	fixture_leave();
}

TEST(outputs, images_of_every_orientation_become_upright)
{
	char name[32], path[32];

	fixture_enter();
	for (int i = 1; i <= 8; i++) {
		snprintf(name, sizeof(name), "orientation/%d.jpg", i);
		snprintf(path, sizeof(path), "in/%d.jpg", i);
		sample(name, path);
	}
	EXPECT_EQ(run("pixpool resize -s 60 in -o out").status, 0);
	EXPECT_STR(tree("out"), "1.jpg jpeg 60x40\n2.jpg jpeg 60x40\n"
	                        "3.jpg jpeg 60x40\n4.jpg jpeg 60x40\n"
	                        "5.jpg jpeg 60x40\n6.jpg jpeg 60x40\n"
	                        "7.jpg jpeg 60x40\n8.jpg jpeg 60x40\n");
	fixture_leave();
}

TEST(outputs, the_command_resize_enlarges_pictures_and_the_command_thumb_does_not)
{
	fixture_enter();
	sample("orientation/1.jpg", "small.jpg");
	sample("lake.jpg", "large.jpg");
	EXPECT_EQ(run("pixpool resize -s 240 small.jpg large.jpg -o resized").status, 0);
	EXPECT_EQ(run("pixpool thumb small.jpg large.jpg -o thumbs").status, 0);
	EXPECT_EQ(run("pixpool thumb -s 240 small.jpg large.jpg -o thumbs240").status, 0);
	EXPECT_STR(tree("resized"), "large.jpg jpeg 240x160\nsmall.jpg jpeg 240x160\n");
	EXPECT_STR(tree("thumbs"), "large.jpg jpeg 256x171\nsmall.jpg jpeg 120x80\n");
	EXPECT_STR(tree("thumbs240"), "large.jpg jpeg 240x160\nsmall.jpg jpeg 120x80\n");
	fixture_leave();
}

TEST(outputs, the_suffix_of_an_output_follows_its_format)
{
	fixture_enter();
	sample("lake.jpg", "in/A.JPG");
	sample("lake.jpg", "in/b.jpeg");
	sample("lake.jpg", "in/c.v1.2.jpg");
	sample("balloon.png", "in/d.png");
	sample("lake.jpg", "in/e.backup");
	sample("balloon.png", "in/f");
	EXPECT_EQ(run("pixpool resize -s 32 in -o same").status, 0);
	EXPECT_STR(tree("same"), "A.JPG jpeg 32x21\n"
	                         "b.jpeg jpeg 32x21\n"
	                         "c.v1.2.jpg jpeg 32x21\n"
	                         "d.png png 32x32\n"
	                         "e.backup.jpg jpeg 32x21\n"
	                         "f.png png 32x32\n");
	EXPECT_EQ(run("pixpool resize -s 32 in -o png -f png").status, 0);
	EXPECT_STR(tree("png"), "A.png png 32x21\n"
	                        "b.png png 32x21\n"
	                        "c.v1.2.png png 32x21\n"
	                        "d.png png 32x32\n"
	                        "e.backup.png png 32x21\n"
	                        "f.png png 32x32\n");
	EXPECT_EQ(run("pixpool resize -s 32 in -o same2 -f same").status, 0);
	EXPECT_STR(tree("same2"), tree("same"));
	fixture_leave();
}

TEST(outputs, the_output_of_a_single_file_is_written_directly_into_the_output_folder)
{
	fixture_enter();
	sample("lake.jpg", "in/sub/a.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 in/sub/a.jpg -o out/").status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	EXPECT_EQ(run("cd in/sub && pixpool resize -s 32 a.jpg -o ../../out3").status, 0);
	EXPECT_STR(tree("out3"), "a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(outputs, a_higher_quality_makes_a_larger_file)
{
	struct stat low, high;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("pixpool resize -s 200 a.jpg -o low -q 10").status, 0);
	EXPECT_EQ(run("pixpool resize -s 200 a.jpg -o high -q 95").status, 0);
	REQUIRE(stat("low/a.jpg", &low) == 0 && stat("high/a.jpg", &high) == 0);
	EXPECT(low.st_size * 2 < high.st_size);
	fixture_leave();
}

TEST(outputs, the_mode_of_an_output_follows_the_umask)
{
	struct stat stat_of_output;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("umask 027; pixpool resize -s 32 a.jpg -o out").status, 0);
	REQUIRE(stat("out/a.jpg", &stat_of_output) == 0);
	EXPECT_EQ(stat_of_output.st_mode & 07777, 0640);
	REQUIRE(stat("out", &stat_of_output) == 0);
	EXPECT_EQ(stat_of_output.st_mode & 07777, 0750);
	fixture_leave();
}

TEST(outputs, an_existing_output_is_kept_and_its_image_fails)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	scratch_folder("out");
	scratch_file("out/a.jpg", "precious");
	ended = run("pixpool resize -s 32 -j 1 in -o out --report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(scratch_text("out/a.jpg"), "precious");
	EXPECT_STR(tree("out"), "a.jpg unknown\nb.jpg jpeg 32x21\n");
	EXPECT(strstr(records("r"),
	              "{'input':'in/a.jpg','status':'failed','class':'exists',"));
	EXPECT(strstr(ended.err,
	              "failed:\n  1 output exists; see --overwrite: in/a.jpg\n"));
	fixture_leave();
}

TEST(outputs, existing_outputs_are_skipped_if_the_option_overwrite_is_skip)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	scratch_folder("out");
	scratch_file("out/a.jpg", "precious");
	ended = run("pixpool resize -s 32 -j 1 in -o out --overwrite skip --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(scratch_text("out/a.jpg"), "precious");
	EXPECT(strstr(records("r"), "{'input':'in/a.jpg','output':'out/a.jpg','status':"
	                            "'skipped','reason':'exists'}\n"));
	EXPECT_STR(plain(ended.err), "[1/2] in/a.jpg: skipped: exists\n"
	                             "[2/2] in/b.jpg -> out/b.jpg (32x21, #)\n"
	                             "2 images: 1 done, 1 skipped in # s (# images/s), "
	                             "21.0 kB -> #\n");
	ended = run("pixpool resize -s 32 in -o out --overwrite skip");
	EXPECT_EQ(ended.status, 0); /* a run with nothing left to do succeeds */
	fixture_leave();
}

TEST(outputs, existing_outputs_are_replaced_if_the_option_overwrite_is_always)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	scratch_folder("out");
	scratch_file("out/a.jpg", "gone soon");
	scratch_file("elsewhere", "precious");
	scratch_link("out/b.jpg", "../elsewhere");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --overwrite always").status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nb.jpg jpeg 32x21\n");
	EXPECT_STR(scratch_text("elsewhere"), "precious");
	fixture_leave();
}

TEST(outputs, an_input_is_not_replaced_by_its_output_by_default)
{
	struct stat before, after;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	REQUIRE(stat("in/a.jpg", &before) == 0);
	EXPECT_EQ(run("pixpool resize -s 32 in/a.jpg -o in").status, 1);
	REQUIRE(stat("in/a.jpg", &after) == 0);
	EXPECT_EQ(after.st_size, before.st_size);
	EXPECT_EQ(after.st_ino, before.st_ino);
	fixture_leave();
}

TEST(outputs, an_output_folder_inside_the_input_is_not_walked)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 in -o in/thumbs").status, 0);
	EXPECT_EQ(run("pixpool resize -s 32 in -o in/thumbs --overwrite always").status,
	          0);
	EXPECT_EQ(run("cd in && pixpool resize -s 32 . -o ./thumbs/../thumbs/ "
	              "--overwrite always")
	                  .status,
	          0);
	EXPECT_STR(tree("in"), "a.jpg jpeg 640x427\nthumbs/\nthumbs/a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(outputs, the_output_folder_of_another_run_is_reported_and_not_walked)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 in -o in/thumbs").status, 0);
	if (access("in/thumbs/.pixpool.db", F_OK) != 0) {
		fixture_leave();
		SKIP("this build keeps no state");
	}
	ended = run("pixpool resize -s 16 in -o out --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err,
	              "pixpool: not searched, because it is an output folder (it holds "
	              ".pixpool.db): in/thumbs; name it as INPUT to search it\n"),
	       "%s", ended.err);
	EXPECT_STR(tree("out"), "a.jpg jpeg 16x11\n");
	EXPECT(strstr(records("r"), "'summary':{'inputs':1,'ok':1,"), "%s", records("r"));
	EXPECT_EQ(run("pixpool resize -s 16 in/thumbs -o out2").status, 0);
	EXPECT_STR(tree("out2"), "a.jpg jpeg 16x11\n");
	fixture_leave();
}

TEST(outputs, an_input_that_is_the_output_folder_is_reported_and_not_walked)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	ended = run("pixpool resize -s 32 in -o ./in/");
	EXPECT_EQ(ended.status, 3);
	EXPECT_STR(plain(ended.err),
	           "pixpool: not searched, because it is the output folder: in; choose "
	           "another one, or replace images with --in-place\n"
	           "pixpool: no images found in in\n");
	EXPECT_STR(tree("in"), "a.jpg jpeg 640x427\n");
	fixture_leave();
}

TEST(outputs, a_file_in_place_of_the_output_folder_is_refused)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	scratch_file("out", "precious");
	ended = run("pixpool resize -s 32 a.jpg -o out");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err,
	           "pixpool: out is a file; choose another output folder with -o\n");
	ended = run("pixpool resize -s 32 a.jpg -o out/below");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err, "pixpool: cannot make the output folder out/below: a part "
	                      "of its path is a file, not a folder\n");
	ended = run("pixpool resize -s 32 a.jpg -o out/below/more -n");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err, "pixpool: cannot make the output folder out/below/more: "
	                      "a part of its path is a file, not a folder\n");
	EXPECT_STR(scratch_text("out"), "precious");
	fixture_leave();
}

TEST(outputs, an_output_folder_that_is_a_dangling_link_is_refused)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	scratch_link("out", "nowhere");
	ended = run("pixpool resize -s 32 a.jpg -o out");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err,
	           "pixpool: cannot make the output folder out: it is a symbolic "
	           "link to a folder that does not exist\n");
	EXPECT(access("nowhere", F_OK) != 0);
	ended = run("pixpool resize -s 32 a.jpg -o /proc/out");
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err, "pixpool: cannot make the output folder /proc/out: No such "
	                      "file or directory\n");
	fixture_leave();
}

TEST(outputs, a_link_with_the_name_of_a_folder_of_outputs_is_not_followed)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/sub/a.jpg");
	scratch_folder("elsewhere");
	scratch_folder("out");
	scratch_link("out/sub", "../elsewhere");
	ended = run("pixpool resize -s 32 in -o out");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err, "in/sub/a.jpg: failed: a file or a link has the name of "
	                         "the output folder\n"),
	       "%s", ended.err);
	EXPECT_STR(tree("elsewhere"), "");
	fixture_leave();
}

TEST(outputs, a_folder_with_the_name_of_an_output_is_never_replaced)
{
	static const char *const policies[] = {"own", "always"};

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	scratch_bytes("out/a.jpg/b", "precious", strlen("precious"));
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		struct ended ended = run("pixpool resize -s 32 in -o out --overwrite %s "
		                         "--report r",
		                         policies[i]);

		EXPECT_EQ(ended.status, 1);
		EXPECT(strstr(ended.err,
		              "in/a.jpg: failed: a folder has the name of the output\n"),
		       "%s", ended.err);
		EXPECT(strstr(records("r"), "'class':'exists',"), "%s", records("r"));
	}
	EXPECT_STR(scratch_text("out/a.jpg/b"), "precious");
	fixture_leave();
}

TEST(outputs, an_output_name_that_is_too_long_fails_its_image_with_a_hint)
{
	char path[300] = "in/";

	fixture_enter();
	memset(path + 3, 'a', 251);
	strcpy(path + 3 + 251, ".jpg");
	sample("lake.jpg", path);
	sample("lake.jpg", "in/b.jpg");
	EXPECT_EQ(run("pixpool thumb in -o out --name '{name}s.jpg' --report r").status,
	          1);
	EXPECT(strstr(records("r"),
	              "'class':'io','message':'publish: cannot link the output: "
	              "the name is longer than the file system allows; choose "
	              "a shorter one with --name'"),
	       "%s", records("r"));
	EXPECT_STR(tree("out"), "bs.jpg jpeg 256x171\n");
	fixture_leave();
}

/* ---- collisions ---- */

TEST(outputs, two_inputs_that_differ_only_in_suffix_collide_and_nothing_is_written)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/a.png");
	sample("lake.jpg", "in/b.jpg");
	ended = run("pixpool resize -s 32 in -o out -f webp --report r");
	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err,
	              "pixpool: 2 inputs would write the same output out/a.webp:\n"
	              "  in/a.jpg\n"
	              "  in/a.png\n"
	              "pixpool: nothing was done; leave inputs out with "
	              "--exclude, or keep their suffixes in the names of the "
	              "outputs with --on-collision keep-ext\n"));
	EXPECT(!strstr(ended.err, "b.jpg"));
	EXPECT(access("out", F_OK) != 0);
	EXPECT_STR(
		records("r"),
		"{'summary':{'inputs':3,'ok':0,'skipped':0,'failed':0,'cancelled':3,"
		"'remembered':0,'ignored':0,'lost':0,'damaged':0,'bytes_in':0,'bytes_out':0,'seconds':#,"
		"'exit':2,'version':'" PIXPOOL_VERSION
		"','recipe':'size 32x32; format webp',"
		"'fingerprint':'#'}}\n");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out -f jpg").status, 2);
	EXPECT(access("out", F_OK) != 0);
	EXPECT_EQ(run("pixpool resize -s 32 in -o out").status, 0);
	fixture_leave();
}

TEST(outputs, all_collisions_between_the_outputs_of_several_folders_are_listed)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "one/a.jpg");
	sample("lake.jpg", "two/a.jpg");
	sample("lake.jpg", "one/sub/b c.jpg");
	sample("lake.jpg", "two/sub/b c.jpg");
	sample("lake.jpg", "three/sub/b c.jpg");
	sample("lake.jpg", "two/only.jpg");
	ended = run("pixpool resize -s 32 one two three -o out");
	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err,
	              "pixpool: 2 inputs would write the same output out/a.jpg:\n"
	              "  one/a.jpg\n"
	              "  two/a.jpg\n"
	              "pixpool: 3 inputs would write the same output 'out/sub/b c.jpg':\n"
	              "  'one/sub/b c.jpg'\n"
	              "  'three/sub/b c.jpg'\n"
	              "  'two/sub/b c.jpg'\n"));
	EXPECT(!strstr(ended.err, "only"));
	EXPECT(access("out", F_OK) != 0);
	fixture_leave();
}
