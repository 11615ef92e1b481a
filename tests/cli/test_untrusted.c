/* Tests of --untrusted: fewer formats, lower limits, and a worker for each image. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>

TEST(untrusted, untrusted_mode_reads_only_common_formats)
{
	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/b.png");
	run("pixpool resize -s 64 in -o out -f bmp");
	run("mv out/a.bmp out/b.tga in/; pixpool resize -s 64 in/a.jpg -o in -f tga");
	EXPECT_EQ(run("pixpool resize -s 64 in -o out2 --report r").status, 0);
	EXPECT_EQ(run("pixpool resize -s 64 in -o out3 --report r --untrusted").status,
	          1);
	EXPECT(strstr(records("r"),
	              "{'input':'in/a.bmp','status':'failed','class':"
	              "'unsupported','message':'format: bmp is not read with "
	              "--untrusted'"),
	       "%s", records("r"));
	EXPECT(strstr(records("r"), "'ok':2,'skipped':0,'failed':2,"), "%s",
	       records("r"));
	fixture_leave();
}

TEST(untrusted, info_lists_only_the_formats_that_untrusted_mode_reads)
{
	static const char list[] =
		"pixpool info --untrusted | "
		"grep -E '^    (jpeg|png|jxl|bmp|pnm|hdr) ' | cut -c 1-27 | "
		"sed 's/  *$//'";

	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
#ifdef PIXPOOL_VIPS
	EXPECT_STR(run(list).out, "    jpeg     fast vips stb\n"
	                          "    png      fast vips stb\n"
	                          "    jxl      -\n    pnm      -\n"
	                          "    bmp      -\n    hdr      -\n");
#else
	EXPECT_STR(run(list).out, "    jpeg     stb\n    png      stb\n"
	                          "    jxl      -\n    pnm      -\n"
	                          "    bmp      -\n    hdr      -\n");
#endif
	fixture_leave();
}

#ifdef PIXPOOL_VIPS
TEST(untrusted, untrusted_mode_reads_webp_tiff_and_gif_in_the_sandbox)
{
	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	sample("meadow.webp", "in/a.webp");
	sample("lighthouse.tiff", "in/b.tiff");
	sample("pendulum.gif", "in/c.gif");
	run("pixpool resize -s 64 in/a.webp -o in -f avif");
	run("pixpool resize -s 64 in/b.tiff -o in -f jxl");
	EXPECT_EQ(run("pixpool resize -s 64 in -o out --report r --untrusted").status, 1);
	EXPECT(strstr(records("r"), "'ok':3,'skipped':0,'failed':2,"), "%s",
	       records("r"));
	EXPECT(strstr(records("r"), "format: jxl is not read with --untrusted"));
	EXPECT(strstr(records("r"), "header: the image has 12 frames; the limit is 1"));
	EXPECT_EQ(run("pixpool resize -s 64 in/c.gif -f png -o out --untrusted").status,
	          0);
	fixture_leave();
}
#endif

/* How many workers processed more than one image. */
static const char *busy_workers(const char *option)
{
	return run("rm -rf out r; pixpool-scripted resize -s 8 -j 1 -Q in -o out --report r %s; "
	           "grep -o '\"worker\":[0-9]*' r | sort | uniq -d | wc -l",
	           option)
	        .out;
}

TEST(untrusted, untrusted_mode_gives_each_image_a_new_worker)
{
	char path[32];

	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "in/%d.png", i);
		write_script(path, "size 2 2");
	}
	EXPECT_STR(busy_workers("--untrusted"), "0\n");
	EXPECT_STR(busy_workers(""), "1\n");
	fixture_leave();
}

TEST(untrusted, untrusted_mode_limits_images_to_fifty_megapixels)
{
	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	write_script("in/big.png", "size 8001 6250\nfail io");
	write_script("in/fits.png", "size 8000 6250\nfail io");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --report r --untrusted")
	                  .status,
	          1);
	EXPECT(strstr(records("r"), "{'input':'in/big.png','status':'failed','class':"
	                            "'too-big'"),
	       "%s", records("r"));
	EXPECT(strstr(records("r"), "{'input':'in/fits.png','status':'failed','class':"
	                            "'io'"),
	       "%s", records("r"));
	fixture_leave();
}

/* The default time limit is over a minute, which is longer than a command in a test may take. */
TEST(untrusted, untrusted_mode_limits_each_image_to_ten_seconds)
{
	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	write_script("in/a.png", "hang asleep");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --report r --untrusted")
	                  .status,
	          1);
	EXPECT(strstr(records("r"), "{'input':'in/a.png','status':'failed','class':"
	                            "'timeout'"),
	       "%s", records("r"));
	fixture_leave();
}

TEST(untrusted, untrusted_mode_does_not_start_without_the_sandbox)
{
	struct ended ended;

	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	sample("lake.jpg", "in/a.jpg");
	ended = run("refuse landlock_create_ruleset=38 pixpool resize -s 64 in -o out "
	            "--untrusted");
	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err, "sandbox: required layers are missing: landlock"), "%s",
	       ended.err);
	EXPECT_STR(tree("out"), "");
	fixture_leave();
}

TEST(untrusted, untrusted_mode_with_the_sandbox_off_is_refused)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	ended = run("pixpool resize -s 64 in -o out --untrusted --sandbox off");
	EXPECT_EQ(ended.status, 2);
	EXPECT(strstr(ended.err, "--untrusted requires the sandbox"), "%s", ended.err);
	fixture_leave();
}
