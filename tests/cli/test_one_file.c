/* Tests of one file as output, and of standard input and output. Each test has one command and one
 * expected output. */
#include "cli_fixture.h"

#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Check that each command is refused with status 2 and this message. */
static void expect_refused(const char *line, const char *says)
{
	struct ended ended = run("%s", line);
	char want[512];

	snprintf(want, sizeof(want), "pixpool: %s\nTry 'pixpool thumb --help'.\n", says);
	EXPECT_EQ(ended.status, 2);
	EXPECT_STR(ended.err, want);
}

TEST(single_file, the_suffix_of_the_output_decides_its_format)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool resize -s 32 a.jpg -o b.png --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(plain(ended.err),
	           "[1/1] a.jpg -> b.png (32x21, #)\n"
	           "1 image: 1 done in # s (# images/s), 21.0 kB -> #\n");
	EXPECT(strstr(records("r"), "{'input':'a.jpg','output':'b.png','status':'ok',"));
	EXPECT_EQ(run("pixpool resize -s 32 a.jpg -o new/folder/b.JPEG -f jpg").status,
	          0);
	EXPECT_STR(tree("new"), "folder/\nfolder/b.JPEG jpeg 32x21\n");
	EXPECT(access(".pixpool.db", F_OK) != 0 && access("new/.pixpool.db", F_OK) != 0);
	fixture_leave();
}

TEST(single_file, a_single_output_file_is_always_made_and_replaces_an_existing_file)
{
	fixture_enter();
	sample("lake.jpg", "a.jpg");
	scratch_file("b.jpg", "precious");
	EXPECT_EQ(run("pixpool resize -s 32 a.jpg -o b.jpg").status, 0);
	EXPECT_EQ(run("touch -d 2001-01-01 b.jpg").status, 0);
	EXPECT_EQ(run("pixpool resize -s 32 a.jpg -o b.jpg").status, 0);
	EXPECT_STR(run("find b.jpg -newermt 2002-01-01").out, "b.jpg\n");
	EXPECT_EQ(run("pixpool resize -s 32 a.jpg -o b.jpg --overwrite always").status,
	          0);
	fixture_leave();
}

TEST(single_file, an_output_file_that_is_its_own_input_is_refused)
{
	fixture_enter();
	sample("lake.jpg", "a.jpg");
	scratch_link("link.jpg", "a.jpg");
	expect_refused("pixpool thumb a.jpg -o ./a.jpg",
	               "--output: './a.jpg' is the INPUT itself; choose another name, or "
	               "use --in-place");
	expect_refused(
		"pixpool thumb a.jpg -o link.jpg",
		"--output: 'link.jpg' is the INPUT itself; choose another name, or "
		"use --in-place");
	EXPECT_STR(tree("."), ".tmp/\na.jpg jpeg 640x427\nlink.jpg jpeg 640x427\n");
	fixture_leave();
}

TEST(single_file, an_existing_output_folder_with_an_image_suffix_is_used_as_a_folder)
{
	fixture_enter();
	sample("lake.jpg", "a.jpg");
	scratch_folder("album.jpg");
	EXPECT_EQ(run("pixpool resize -s 32 a.jpg -o album.jpg").status, 0);
	EXPECT_STR(tree("album.jpg"), "a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(single_file,
     a_misspelt_suffix_of_the_output_is_refused_and_the_right_suffix_is_suggested)
{
	static const char *const folders[] = {"v1.2", "a.old", "is.jpgg"};

	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	expect_refused("pixpool thumb in/a.jpg -o new.jpgg",
	               "--output: '.jpgg' is no suffix of an image format; did you mean "
	               "'.jpg'? For a folder of this name, write 'new.jpgg/'");
	expect_refused("pixpool thumb in/a.jpg -o new/b.JPGE",
	               "--output: '.JPGE' is no suffix of an image format; did you mean "
	               "'.jpg'? For a folder of this name, write 'new/b.JPGE/'");
	expect_refused("pixpool thumb in -o out.wepb",
	               "--output: '.wepb' is no suffix of an image format; did you mean "
	               "'.webp'? For a folder of this name, write 'out.wepb/'");
	EXPECT_STR(tree("."), ".tmp/\nin/\nin/a.jpg jpeg 640x427\n");
	scratch_folder("is.jpgg");
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		EXPECT_EQ(run("pixpool resize -s 32 in/a.jpg -o %s", folders[i]).status,
		          0);
		EXPECT_STR(tree(folders[i]), "a.jpg jpeg 32x21\n");
	}
	EXPECT_EQ(run("pixpool resize -s 32 in/a.jpg -o new.jpgg/").status, 0);
	EXPECT_STR(tree("new.jpgg"), "a.jpg jpeg 32x21\n");
	fixture_leave();
}

TEST(single_file, options_without_effect_on_a_single_output_are_refused)
{
	fixture_enter();
	sample("lake.jpg", "a.jpg");
	expect_refused("pixpool thumb a.jpg -o b.jpg --flat",
	               "--flat needs an output folder, got -o b.jpg");
	expect_refused("pixpool thumb a.jpg -o b.jpg --name '{name}.{ext}'",
	               "--name needs an output folder, got -o b.jpg");
	expect_refused("pixpool thumb a.jpg -o b.jpg --shard 0/2",
	               "--shard needs an output folder, got -o b.jpg");
	expect_refused("pixpool thumb a.jpg -o b.jpg --overwrite skip",
	               "-o b.jpg is always replaced; remove --overwrite");
	expect_refused("pixpool thumb a.jpg -o b.jpg --state s.db",
	               "no state is kept for the single output -o b.jpg; remove --state");
	expect_refused("pixpool thumb a.jpg -o b.jpg -f png",
	               "--format png and -o 'b.jpg' request different formats");
	expect_refused("pixpool thumb a.jpg -o b.svg",
	               "--output: no image can be written as '.svg'; choose another "
	               "suffix, such as .jpg, .png or .webp");
	expect_refused("pixpool thumb a.jpg -o b.CR2",
	               "--output: no image can be written as '.CR2'; choose another "
	               "suffix, such as .jpg, .png or .webp");
	fixture_leave();
}

TEST(single_file, a_failing_input_keeps_the_old_output)
{
	fixture_enter();
	scratch_file("a.jpg", "no image");
	scratch_file("b.png", "precious");
	EXPECT_EQ(run("pixpool resize -s 32 a.jpg -o b.png").status, 1);
	EXPECT_STR(scratch_text("b.png"), "precious");
	EXPECT_STR(run("pixpool resize -s 32 gone.jpg -o b.png").err,
	           "pixpool: no such file or folder: gone.jpg\n");
	fixture_leave();
}

/* ---- standard input ---- */

TEST(single_file, an_image_can_be_read_from_standard_input)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	EXPECT_EQ(run("cat a.jpg | pixpool resize -s 32 - -o b.png").status, 0);
	EXPECT_EQ(run("pixpool resize -s 32 - -o c.png < a.jpg").status, 0);
	EXPECT_EQ(run("cmp b.png c.png").status, 0);
	ended = run("cat a.jpg | pixpool resize -s 32 - -o out --report r");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(tree("out"), "stdin.jpg jpeg 32x21\n");
	EXPECT(strstr(records("r"), "{'input':'-','output':'out/stdin.jpg',"));
	EXPECT_EQ(run("cat a.jpg | pixpool verify -").status, 0);
	EXPECT_EQ(run("head -c 9000 a.jpg | pixpool verify -").status, 1);
	EXPECT(strstr(run("pixpool thumb - -o out2 < /dev/null").err,
	              "-: failed: not an image\n"));
	fixture_leave();
}

TEST(single_file, the_limit_on_file_sizes_applies_to_standard_input)
{
	struct ended ended;

	fixture_enter();
	ended = run("head -c 3000 /dev/zero | "
	            "pixpool thumb - -f jpg -o out --max-file-size 2K");
	EXPECT_EQ(ended.status, 1);
	EXPECT(strstr(ended.err, "-: failed: "), "%s", ended.err);
	fixture_leave();
}

TEST(single_file, a_file_named_with_a_single_dash_can_be_given_as_dot_slash_dash)
{
	fixture_enter();
	sample("lake.jpg", "-");
	EXPECT_EQ(run("pixpool resize -s 32 ./- -o out < /dev/null").status, 0);
	EXPECT_STR(tree("out"), "-.jpg jpeg 32x21\n");
	expect_refused("pixpool thumb - --in-place --no-backup < /dev/null",
	               "--in-place needs files, not standard input");
	fixture_leave();
}

/* ---- standard output ---- */

TEST(single_file, standard_output_gets_the_image_and_nothing_else)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool resize -s 32 -f png a.jpg -o - --report r > b.png");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(plain(ended.err),
	           "[1/1] a.jpg -> - (32x21, #)\n"
	           "1 image: 1 done in # s (# images/s), 21.0 kB -> #\n");
	EXPECT(strstr(records("r"), "{'input':'a.jpg','output':'-','status':'ok',"));
	EXPECT_EQ(run("pixpool resize -s 32 a.jpg -o c.png").status, 0);
	EXPECT_EQ(run("cmp b.png c.png").status, 0);
	/* A pipeline has the status of its last program. */
	run("{ pixpool resize -s 900 -f png - -o - < a.jpg; echo $? > status; } | cat > d.png");
	EXPECT_STR(run("cat status").out, "0\n");
	EXPECT_EQ(run("pixpool resize -s 900 a.jpg -o e.png && cmp d.png e.png").status,
	          0);
	fixture_leave();
}

TEST(single_file, output_to_standard_output_needs_a_format_and_a_single_input)
{
	fixture_enter();
	sample("lake.jpg", "in/a.jpg");
	expect_refused("pixpool thumb in/a.jpg -o -",
	               "-o - needs -f FORMAT, such as -f jpg, because standard output "
	               "has no suffix");
	expect_refused("pixpool thumb in/a.jpg -o - -f same",
	               "-o - needs the name of a format, such as -f jpg; got -f same");
	expect_refused("pixpool thumb in -o - -f jpg",
	               "--output: '-' (standard output) needs exactly one file as "
	               "INPUT; for a folder named '-', write './-'");
	expect_refused("pixpool thumb in/a.jpg -o - -f jpg --report -",
	               "-o - and --report - cannot both use standard output");
	fixture_leave();
}

TEST(single_file, an_unwritable_standard_output_exits_with_status_4)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("pixpool resize -s 32 -f png a.jpg -o - > /dev/full");
	EXPECT_EQ(ended.status, 4);
	EXPECT(strstr(ended.err, "pixpool: stopped: cannot write to standard output: No "
	                         "space left on device\n"),
	       "%s", ended.err);
	fixture_leave();
}

TEST(single_file, a_closed_pipe_ends_the_program_quietly_by_sigpipe)
{
	struct ended ended;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	ended = run("{ pixpool resize -s 900 -f png a.jpg -o - --report r; "
	            "echo $? > status; } | head -c 1 > /dev/null");
	EXPECT_EQ(ended.status, 0);
	EXPECT_STR(scratch_text("status"), "141\n");
	EXPECT_STR(ended.err, "");
	EXPECT(strstr(records("r"), "{'input':'a.jpg','status':'cancelled'}\n"), "%s",
	       records("r"));
	EXPECT(strstr(records("r"), "'cancelled':1,"), "%s", records("r"));
	EXPECT(strstr(records("r"), "'exit':141,"), "%s", records("r"));
	fixture_leave();
}

TEST(single_file, a_failing_image_writes_nothing_to_standard_output)
{
	struct ended ended;

	fixture_enter();
	scratch_file("a.jpg", "no image");
	ended = run("pixpool resize -s 32 -f png a.jpg -o -");
	EXPECT_EQ(ended.status, 1);
	EXPECT_STR(ended.out, "");
	fixture_leave();
}

TEST(single_file, two_interrupts_end_a_run_that_waits_on_a_full_output_pipe)
{
	struct command command;
	struct ended ended;
	int pipe, n_bytes = 0;

	fixture_enter();
	sample("lake.jpg", "a.jpg");
	REQUIRE(mkfifo("pipe", 0666) == 0);
	pipe = open("pipe", O_RDWR | O_CLOEXEC); /* nobody reads from the pipe */
	command = begin("pixpool resize -s 900 -f png a.jpg -o - > pipe");
	while (n_bytes < 65536 - 4096)
		REQUIRE(ioctl(pipe, FIONREAD, &n_bytes) == 0);
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted");
	kill(command.pid, SIGINT);
	ended = end(&command);
	EXPECT_EQ(ended.status, 128 + SIGINT);
	EXPECT(!strstr(ended.err, "cannot write"), "%s", ended.err);
	fd_close(&pipe);
	fixture_leave();
}
