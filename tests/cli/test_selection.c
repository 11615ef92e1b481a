/* Tests of which files a command selects: patterns, depth, links, hidden names and lists. Each test
 * has one command and one expected output. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Make the tree of these tests. */
static void make_tree(void)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("balloon.png", "in/b.png");
	sample("lake.jpg", "in/2009/c.jpg");
	sample("lake.jpg", "in/2009/cache/d.jpg");
	sample("lake.jpg", "in/.hidden.jpg");
	sample("lake.jpg", "in/.trash/e.jpg");
}

/* Resize the tree with these options, and compare the names of the outputs. */
static void expect_outputs(const char *options, const char *outputs)
{
	struct ended ended = run("pixpool resize -s 32 in -o out %s", options);

	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("out"), outputs);
	EXPECT_EQ(run("rm -rf out").status, 0);
}

TEST(selection, the_option_include_selects_only_files_that_match_its_pattern)
{
	make_tree();
	expect_outputs("--include '*.png'", "b.png png 32x32\n");
	expect_outputs("--include='[ac].jpg'", "2009/\n2009/c.jpg jpeg 32x21\n"
	                                       "a.jpg jpeg 32x21\n");
	expect_outputs("--include 'cache/*'", "2009/\n2009/cache/\n"
	                                      "2009/cache/d.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(selection, the_option_exclude_leaves_out_files_that_match_its_pattern)
{
	make_tree();
	expect_outputs("--exclude '*.jpg'", "b.png png 32x32\n");
	expect_outputs("--exclude 'in/2009/*'", "a.jpg jpeg 32x21\nb.png png 32x32\n");
	expect_outputs("--exclude a.jpg --exclude c.jpg --exclude '*/d.jpg'",
	               "b.png png 32x32\n");
	fixture_leave();
}

TEST(selection, the_last_pattern_that_matches_decides)
{
	make_tree();
	expect_outputs("--exclude '*.jpg' --include 'c.*'",
	               "2009/\n2009/c.jpg jpeg 32x21\nb.png png 32x32\n");
	expect_outputs("--include '*.jpg' --exclude '2009/*' --include d.jpg",
	               "2009/\n2009/cache/\n2009/cache/d.jpg jpeg 32x21\n"
	               "a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(selection, patterns_apply_to_files_given_as_inputs_too)
{
	make_tree();
	EXPECT_EQ(run("pixpool thumb in/a.jpg in/b.png -o out --exclude '*.png'").status,
	          0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 256x171\n");
	EXPECT_STR(run("pixpool thumb in/b.png -o out --exclude '*.png'").err,
	           "pixpool: --include and --exclude left out 1 file\n"
	           "pixpool: no images found in in/b.png\n");
	fixture_leave();
}

TEST(selection, if_patterns_leave_no_image_the_message_says_how_many_files_they_left_out)
{
	struct ended ended;

	make_tree();
	ended = run("pixpool resize -s 32 in -o out --include '*.tif'");
	EXPECT_EQ(ended.status, 3);
	EXPECT_STR(ended.err, "pixpool: --include and --exclude left out 4 files\n"
	                      "pixpool: no images found in in\n");
	fixture_leave();
}

TEST(selection, the_option_max_depth_limits_the_levels_of_folders)
{
	make_tree();
	expect_outputs("--max-depth 1", "a.jpg jpeg 32x21\nb.png png 32x32\n");
	expect_outputs("--max-depth 2", "2009/\n2009/c.jpg jpeg 32x21\n"
	                                "a.jpg jpeg 32x21\nb.png png 32x32\n");
	EXPECT_EQ(run("pixpool resize -s 32 in -o out --max-depth 0").status, 3);
	EXPECT_EQ(run("pixpool resize -s 32 in/a.jpg -o out --max-depth 0").status, 0);
	fixture_leave();
}

TEST(selection, the_option_hidden_selects_names_that_begin_with_a_dot)
{
	make_tree();
	scratch_bytes("in/.pixpool-0123456789abcdef.tmp", "x", 1);
	expect_outputs("--hidden --exclude '2009/*'",
	               ".hidden.jpg jpeg 32x21\n.trash/\n.trash/e.jpg jpeg 32x21\n"
	               "a.jpg jpeg 32x21\nb.png png 32x32\n");
	EXPECT_EQ(unlink("in/.pixpool-0123456789abcdef.tmp"), 0);
	fixture_leave();
}

TEST(selection, the_follow_option_follows_links_and_detects_loops)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "elsewhere/a.jpg");
	scratch_folder("in");
	scratch_link("in/file.jpg", "../elsewhere/a.jpg");
	scratch_link("in/folder", "../elsewhere");
	scratch_link("in/here", ".");
	scratch_link("in/dangling.jpg", "nowhere");
	for (const char *const *option = (const char *const[]){"-L", "--follow", NULL};
	     *option; option++) {
		ended = run("pixpool resize -s 32 in -o out %s", *option);
		EXPECT_EQ(ended.status, 0);
		EXPECT_STR(tree("out"), "file.jpg jpeg 32x21\nfolder/\n"
		                        "folder/a.jpg jpeg 32x21\n");
		EXPECT(strstr(ended.err, "pixpool: in/here is a symbolic link to a "
		                         "folder that contains it; not followed\n"));
		EXPECT(strstr(ended.err, ", 2 other files ignored\n"));
		EXPECT_EQ(run("rm -rf out").status, 0);
	}
	fixture_leave();
}

TEST(selection, for_a_folder_that_holds_only_links_the_message_suggests_the_option_follow)
{
	fixture_enter();
	sample("lake.jpg", "elsewhere/a.jpg");
	scratch_folder("in");
	scratch_link("in/a.jpg", "../elsewhere/a.jpg");
	scratch_link("in/b.jpg", "../elsewhere/a.jpg");
	EXPECT_STR(run("pixpool resize -s 32 in -o out").err,
	           "pixpool: 2 symbolic links were not followed; --follow follows them\n"
	           "pixpool: no images found in in; 2 other files ignored\n");
	fixture_leave();
}

TEST(selection, the_option_one_file_system_skips_mounted_file_systems)
{
	struct ended ended;

	if (geteuid() != 0) {
		scratch_skip("mounts in an INPUT", "needs root");
		return;
	}
	make_tree();
	scratch_folder("in/mount");
	ended = run("unshare -m sh -c 'mount -t tmpfs none in/mount && "
	            "cp in/a.jpg in/mount/m.jpg && "
	            "pixpool resize -s 32 in -o all --include m.jpg && "
	            "pixpool resize -s 32 in -o out --one-file-system "
	            "--include [ma].jpg' 2>&1");
	if (strstr(ended.out, "unshare") || strstr(ended.out, "mount:"))
		scratch_skip("mounts in an INPUT", "cannot mount here");
	else
		EXPECT_STR(tree("all"), "mount/\nmount/m.jpg jpeg 32x21\n");
	if (*tree("all"))
		EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(selection, a_folder_that_is_given_twice_in_two_spellings_is_searched_once)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/sub/a.jpg");
	scratch_file("in/notes.txt", "no image");
	scratch_link("link", "in");
	scratch_file("list", "a.jpg\n");
	ended = run("pixpool resize -s 32 in/. in link in/ in/sub -o out");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nsub/\nsub/a.jpg jpeg 32x21\n");
	EXPECT(strstr(ended.err, "2 images: 2 done in "), "%s", ended.err);
	EXPECT(strstr(ended.err, ", 1 other file ignored\n"), "%s", ended.err);
	EXPECT(strstr(run("pixpool verify in/. in").err, ", 1 other file ignored\n"));
#ifdef PIXPOOL_STATE
	EXPECT_EQ(run("mv in/sub/a.jpg in/sub/b.jpg").status, 0);
	ended = run("pixpool resize -s 32 in/. in -o out --prune");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(ended.err,
	              "pixpool: pruned 1 output whose input no longer exists\n"),
	       "%s", ended.err);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\nsub/\nsub/b.jpg jpeg 32x21\n");
#endif
	fixture_leave();
}

/* ---- lists ---- */

TEST(selection, outputs_of_listed_files_keep_their_folders)
{
	struct ended ended;

	make_tree();
	scratch_file("list", "in/a.jpg\n\nin/2009/c.jpg\n./in/b.png");
	ended = run("pixpool resize -s 32 --files-from list -o out");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("out"), "in/\nin/2009/\nin/2009/c.jpg jpeg 32x21\n"
	                        "in/a.jpg jpeg 32x21\nin/b.png png 32x32\n");

	ended = run("printf 'a.jpg\\n2009/c.jpg\\n' | "
	            "pixpool resize -s 32 in --files-from - -o below --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("below"), "2009/\n2009/c.jpg jpeg 32x21\na.jpg jpeg 32x21\n");
	EXPECT(strstr(run("cat r").out, "{\"input\":\"in/2009/c.jpg\","
	                                "\"name\":\"2009/c.jpg\","));

	ended = run("find in/2009 -name '*.jpg' | "
	            "pixpool resize -s 32 in --files-from - -o found");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("found"), "2009/\n2009/c.jpg jpeg 32x21\n"
	                          "2009/cache/\n2009/cache/d.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(selection, the_names_in_a_list_may_end_with_a_NUL)
{
	fixture_enter();
	sample("lake.jpg", "in/new\nline.jpg");
	sample("lake.jpg", "in/ a.jpg");
	EXPECT_EQ(run("find in -type f -print0 | "
	              "pixpool resize -s 32 --files-from - -0 -o out")
	                  .status,
	          0);
	EXPECT_STR(tree("out"), "in/\nin/ a.jpg jpeg 32x21\n"
	                        "in/new\nline.jpg jpeg 32x21\n");
	EXPECT_EQ(run("find in -type f -print0 | "
	              "pixpool verify --null --files-from=- -Q")
	                  .status,
	          0);
	EXPECT_STR(run("find in -type f -print0 | pixpool verify --files-from -").err,
	           "pixpool: --files-from: '-' has NUL characters; add -0 if a NUL "
	           "character ends each name\nTry 'pixpool verify --help'.\n");
	fixture_leave();
}

TEST(selection, a_list_with_the_line_ends_and_the_byte_order_mark_of_windows_is_accepted)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	EXPECT_EQ(run("printf '\\357\\273\\277in/a.jpg\\r\\n\\r\\nin/b.jpg\\r\\n' | "
	              "pixpool resize -s 32 --files-from - -o out")
	                  .status,
	          0);
	EXPECT_STR(tree("out"), "in/\nin/a.jpg jpeg 32x21\nin/b.jpg jpeg 32x21\n");
	EXPECT_STR(run("printf '\\377\\376a\\0' | pixpool verify --files-from -").err,
	           "pixpool: --files-from: '-' is in UTF-16; save it as UTF-8\n"
	           "Try 'pixpool verify --help'.\n");
	/* If only some lines of a list end with a carriage return, this character belongs to the
	 * name. */
	sample("lake.jpg", "in/c.jpg\r");
	ended = run("printf 'in/c.jpg\\r\\nin/a.jpg\\n' | pixpool verify --files-from -");
	EXPECT_EQ(ended.status, 0);
	fixture_leave();
}

TEST(selection, a_list_of_lines_is_refused_if_the_option_null_is_given)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	sample("lake.jpg", "in/b.jpg");
	EXPECT_STR(run("find in -type f | pixpool verify --files-from - -0").err,
	           "pixpool: --files-from: '-' has no NUL characters; remove -0 if each "
	           "name is on its own line\nTry 'pixpool verify --help'.\n");
	EXPECT_EQ(run("printf in/a.jpg | pixpool verify --files-from - -0").status, 0);
	fixture_leave();
}

TEST(selection, an_empty_list_exits_with_status_0)
{
	struct ended ended;

	fixture_enter();
	ended = run("pixpool resize -s 32 --files-from /dev/null -o out");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(plain(ended.err), "0 images: 0 done in # s\n");
	EXPECT(access("out", F_OK) != 0);
	EXPECT_EQ(run("printf '\\n\\n' | pixpool verify --files-from -").status, 0);
	fixture_leave();
}

TEST(selection, a_listed_file_that_is_missing_fails_alone)
{
	struct ended ended;

	make_tree();
	ended = run("printf 'a.jpg\\ngone.jpg\\nnotes.txt\\n' | "
	            "pixpool resize -s 32 in --files-from - -o out --report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(tree("out"), "a.jpg jpeg 32x21\n");
	EXPECT(strstr(records("r"),
	              "{'input':'in/gone.jpg','status':'failed','class':'vanished',"),
	       "%s", records("r"));
	fixture_leave();
}

TEST(selection,
     the_message_about_a_listed_file_that_is_missing_names_the_line_of_the_list)
{
	struct ended ended;

	make_tree();
	ended = run("printf 'in/a.jpg\\n\\ngone.jpg\\nin/a.jpg/b.jpg\\n' | "
	            "pixpool resize -s 32 --files-from - -o out --report r");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err, "gone.jpg: failed: no such file or folder "
	                         "(line 3 of the list)\n"),
	       "%s", ended.err);
	EXPECT(strstr(ended.err, "failed:\n  2 no such file or folder: gone.jpg, "
	                         "in/a.jpg/b.jpg\n"),
	       "%s", ended.err);
	EXPECT(strstr(records("r"),
	              "{'input':'gone.jpg','status':'failed','class':'vanished',"
	              "'message':'no such file or folder (line 3 of the list)',"),
	       "%s", records("r"));

	/* The list may have the line ends of Windows, or a NUL after each name. */
	EXPECT(strstr(run("printf 'in/a.jpg\\r\\n\\r\\ngone.jpg\\r\\n' | "
	                  "pixpool verify --files-from - --progress plain")
	                      .err,
	              "no such file or folder (line 3 of the list)\n"));
	EXPECT(strstr(run("printf 'in/a.jpg\\0gone.jpg\\0' | "
	                  "pixpool verify --files-from - -0 --progress plain")
	                      .err,
	              "gone.jpg: failed: no such file or folder (name 2 of the list)\n"));
	fixture_leave();
}

/* A user may give any file as the list by mistake, such as 3 MB without a line end. If the time
 * were quadratic in the length of a name, this test would take minutes. */
TEST(selection, a_name_of_millions_of_characters_in_a_list_fails_alone)
{
	fixture_enter();
	EXPECT_EQ(run("head -c 3000000 /dev/zero | tr '\\0' a | "
	              "pixpool verify --files-from - > list 2> errors")
	                  .status,
	          1);
	EXPECT_EQ(run("grep -c '1 image: 0 done, 1 failed' errors").status, 0);
	fixture_leave();
}

TEST(selection, invalid_uses_of_the_options_that_select_inputs_are_refused)
{
	static const struct {
		const char *line, *says;
	} refusals[] = {
		{"pixpool thumb -0 in -o out", "-0 needs --files-from"},
		{"pixpool thumb --files-from none -o out",
	         "--files-from: cannot read 'none': No such file or directory"},
		{"pixpool thumb --files-from in -o out",
	         "--files-from: cannot read 'in': Is a directory"},
		{"pixpool thumb --files-from '' -o out",
	         "--files-from: must be the name of a file, or '-' for standard input; "
	         "got ''"},
		{"pixpool thumb in 2009 --files-from list -o out",
	         "--files-from takes at most one INPUT, the folder that listed names are relative to; got "
	         "'in' and '2009'"},
		{"pixpool thumb in/a.jpg --files-from list -o out",
	         "with --files-from, INPUT must be a folder, got 'in/a.jpg'"},
		{"pixpool thumb in -o out --include ''",
	         "--include: must be a pattern such as '*.jpg' or 'cache/*', got ''"},
		{"pixpool thumb in -o out --max-depth -1",
	         "--max-depth: must be a whole number from 0 to 1000000, got '-1'"},
	};
	char want[512];

	make_tree();
	scratch_file("list", "a.jpg\n");
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct ended ended = run("%s", refusals[i].line);

		snprintf(want, sizeof(want), "pixpool: %s\nTry 'pixpool thumb --help'.\n",
		         refusals[i].says);
		EXPECT_EQ(ended.status, 2);
		EXPECT_STR(ended.err, want);
	}
	fixture_leave();
}
