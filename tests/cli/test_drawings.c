/*
 * Tests of SVG and PDF with whole commands. Drawing workers draw these pictures with their text;
 * they may read fonts and no other files. A sanitizer build has no sandbox: there the tests draw
 * with --sandbox off, and skip whatever needs the sandbox.
 */
#include "cli_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SVG "<svg xmlns='http://www.w3.org/2000/svg' "
#define HELLO_SVG                                                                        \
	SVG "width='200' height='100'><text x='10' y='60' font-size='40'>Hello</text></svg>"
#define BLANK_SVG SVG "width='200' height='100'></svg>"

#define PDF(content)                                                                     \
	"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"                         \
	"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"                             \
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R"          \
	"/Resources<</Font<</F1 5 0 R>>>>>>endobj\n"                                     \
	"4 0 obj<</Length 36>>stream\n" content "\nendstream endobj\n"                   \
	"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"                 \
	"trailer<</Root 1 0 R>>\n%%EOF\n"
#define HELLO_PDF PDF("BT /F1 40 Tf 10 40 Td (Hello) Tj ET ")
#define BLANK_PDF PDF("                                    ")

/* Whether pixpool info says that libvips reads SVG. */
static bool is_drawn(const char *options)
{
	return strstr(run("pixpool info %s", options).out, "\n    svg      vips ") !=
	       NULL;
}

/* The options that drawing needs here: none if the sandbox is available. */
static const char *options_here(void)
{
	static const char *options;

	if (!options)
		options = is_drawn("") ? "" : "--sandbox off";
	return options;
}

static void write_text(const char *path, const char *text)
{
	scratch_bytes(path, text, strlen(text));
}

/* ---- text ---- */

TEST(drawings, text_of_a_drawing_is_drawn)
{
	fixture_enter();
	write_text("in/a.svg", HELLO_SVG);
	write_text("in/blank.svg", BLANK_SVG);
	write_text("in/b.pdf", HELLO_PDF);
	write_text("in/blank2.pdf", BLANK_PDF);
	EXPECT_EQ(run("pixpool resize -s 400 -f ppm in -o out %s", options_here()).status,
	          0);
	EXPECT_STR(run("head -q -n 2 out/*.ppm | tr '\\n' ' '").out,
	           "P6 400 200 P6 400 200 P6 400 200 P6 400 200 ");
	/* A pixel of value 0 is black. */
	EXPECT(strtol(run("tr -cd '\\000' < out/a.ppm | wc -c").out, NULL, 10) > 4000);
	EXPECT(strtol(run("tr -cd '\\000' < out/b.ppm | wc -c").out, NULL, 10) > 4000);
	EXPECT_STR(run("tr -cd '\\000' < out/blank.ppm | wc -c").out, "0\n");
	EXPECT_STR(run("tr -cd '\\000' < out/blank2.ppm | wc -c").out, "0\n");
	fixture_leave();
}

TEST(drawings, drawings_look_the_same_with_and_without_the_sandbox)
{
	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	write_text("in/a.svg", HELLO_SVG);
	write_text("in/b.pdf", HELLO_PDF);
	EXPECT_EQ(run("pixpool resize -s 300 in -o out").status, 0);
	EXPECT_EQ(run("pixpool resize -s 300 in -o free --sandbox off").status, 0);
	EXPECT_EQ(run("diff -r -x .pixpool.db out free").status, 0);
	fixture_leave();
}

/* librsvg decodes embedded pictures with modules that it opens on demand, and ignores pictures that
 * it cannot decode. */
TEST(drawings, pictures_embedded_in_a_drawing_are_drawn)
{
	static const char *const kinds[][2] = {{"png", "balloon.png"},
	                                       {"jpeg", "lake.jpg"},
	                                       {"gif", "pendulum.gif"},
	                                       {"tiff", "lighthouse.tiff"}};

	fixture_enter();
	write_text("in/none.svg", SVG "width='20' height='20'/>");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		run("{ printf '%%s' \"<svg xmlns='http://www.w3.org/2000/svg' "
		    "xmlns:xlink='http://www.w3.org/1999/xlink' width='20' height='20'>"
		    "<image width='20' height='20' xlink:href='data:image/%s;base64,\"; "
		    "base64 -w 0 \"$PIXPOOL_SAMPLES/pictures/%s\"; printf '%%s' "
		    "\"'/></svg>\"; } > in/%s.svg",
		    kinds[i][0], kinds[i][1], kinds[i][0]);
	EXPECT_EQ(run("pixpool convert -f ppm in -o out %s", options_here()).status, 0);
	EXPECT_STR(run("cd out; for i in *; do cmp -s $i none.ppm && echo $i; done").out,
	           "none.ppm\n");
	fixture_leave();
}

static void expect_refused(const char *container, const char *options, const char *why)
{
	const char *text;

	EXPECT_EQ(
		run("%s pixpool resize -s 64 in -o out --report r %s", container, options)
			.status,
		1);
	text = records("r");
	EXPECT(strstr(text,
	              "{'input':'in/a.svg','status':'failed','class':'unsupported',"),
	       "%s", text);
	EXPECT(strstr(text,
	              "{'input':'in/b.pdf','status':'failed','class':'unsupported',"),
	       "%s", text);
	EXPECT(strstr(text, "'input':'in/c.png','output':'out/c.png','status':'ok'"),
	       "%s", text);
	EXPECT(strstr(text, why), "%s\n%s", why, text);
	run("rm -r out r");
}

/* Workers may read fonts only if a Landlock rule allows it. If the kernel refuses this rule,
 * drawings would lack their text, so the run must refuse all drawings. */
TEST(drawings, drawings_are_unsupported_if_workers_cannot_read_fonts)
{
	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	write_text("in/a.svg", HELLO_SVG);
	write_text("in/b.pdf", HELLO_PDF);
	sample("balloon.png", "in/c.png");
	expect_refused("refuse landlock_add_rule=0", "",
	               "cannot draw all text: cannot open the font ");
	expect_refused(
		"refuse landlock_add_rule=38", "",
		"SVG and PDF are drawn by separate workers, which cannot be started: ");
	expect_refused("refuse landlock_create_ruleset=38", "",
	               "--sandbox off renders it anyway");
	EXPECT(!strstr(run("refuse landlock_add_rule=0 pixpool info").out,
	               "\n    svg      vips "));
	fixture_leave();
}

TEST(drawings, drawings_are_unsupported_if_no_font_is_installed)
{
	fixture_enter();
	write_text("in/a.svg", HELLO_SVG);
	write_text("in/b.pdf", HELLO_PDF);
	sample("balloon.png", "in/c.png");
	scratch_file("fonts.conf", "<fontconfig><dir>/not/there</dir></fontconfig>");
	run("chmod 755 .");
	expect_refused("FONTCONFIG_FILE=$PWD/fonts.conf", options_here(),
	               "no font is installed; install one");
	fixture_leave();
}

TEST(drawings, drawings_are_drawn_with_the_sandbox_off)
{
	fixture_enter();
	write_text("in/a.svg", HELLO_SVG);
	EXPECT_EQ(
		run("refuse landlock_create_ruleset=38 pixpool resize -s 64 -Q in -o out "
	            "--sandbox off")
			.status,
		0);
	EXPECT_STR(tree("out"), "a.png png 64x32\n");
	fixture_leave();
}

TEST(drawings, untrusted_drawings_are_unsupported)
{
	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	write_text("in/a.svg", HELLO_SVG);
	write_text("in/b.pdf", HELLO_PDF);
	sample("balloon.png", "in/c.png");
	expect_refused("", "--untrusted", "is not read with --untrusted");
	fixture_leave();
}

/* ---- names ---- */

TEST(drawings, drawings_are_recognised_by_content_and_not_by_name)
{
	const char *text;

	fixture_enter();
	write_text("in/svg.jpg", HELLO_SVG);
	write_text("in/pdf.png", HELLO_PDF);
	write_text("in/none", HELLO_SVG);
	sample("lake.jpg", "in/jpeg.svg");
	sample("balloon.png", "in/last.png");
	EXPECT_EQ(run("pixpool resize -s 64 in -o out --report r %s", options_here())
	                  .status,
	          0);
	EXPECT_STR(tree("out"), "jpeg.png png 64x43\nlast.png png 64x64\n"
	                        "none.png png 64x32\npdf.png png 64x32\n"
	                        "svg.jpg jpeg 64x32\n");
	text = records("r");
	EXPECT(strstr(text, "{'summary':{'inputs':5,'ok':5,'skipped':0,'failed':0,"),
	       "%s", text);
	EXPECT(strstr(text, "{'input':'in/svg.jpg','output':'out/svg.jpg','status':'ok',"
	                    "'engine':'vips','in':{'width':200,'height':100,'format':"
	                    "'svg'"),
	       "%s", text);
	fixture_leave();
}

TEST(drawings, a_gzip_compressed_svg_is_drawn)
{
	fixture_enter();
	write_text("in/a.svg", HELLO_SVG);
	run("gzip -c in/a.svg > in/b.svgz; cp in/b.svgz in/c.svg; cp in/b.svgz d.jpg");
	EXPECT_EQ(run("pixpool resize -s 64 in -o out %s", options_here()).status, 0);
	EXPECT_STR(tree("out"), "a.png png 64x32\nb.png png 64x32\nc.png png 64x32\n");
	EXPECT_EQ(run("pixpool resize -s 64 d.jpg -o out %s", options_here()).status, 1);
	fixture_leave();
}

TEST(drawings, the_verify_command_draws_svg_and_pdf_inputs)
{
	struct ended ended;

	fixture_enter();
	write_text("in/a.svg", HELLO_SVG);
	write_text("in/b.pdf", HELLO_PDF);
	write_text("in/c.png", HELLO_SVG);
	write_text("in/cut.svg", SVG "width='9' height='9'><rect");
	ended = run("pixpool verify -Q in %s | sort", options_here());
	EXPECT(strstr(ended.out, "bad-image in/cut.svg (truncated SVG)\n"), "%s",
	       ended.out);
	EXPECT(strstr(ended.out, "misnamed in/c.png (it is svg)\n"), "%s", ended.out);
	EXPECT(!strstr(ended.out, "in/a.svg") && !strstr(ended.out, "in/b.pdf"), "%s",
	       ended.out);
	fixture_leave();
}

TEST(drawings, drawings_with_existing_outputs_are_skipped)
{
	fixture_enter();
	write_text("in/a.svg", HELLO_SVG);
	sample("balloon.png", "in/b.png");
	run("pixpool resize -s 64 in -o out %s", options_here());
	EXPECT_EQ(run("pixpool resize -s 64 in -o out --report r --overwrite skip %s",
	              options_here())
	                  .status,
	          0);
	EXPECT(strstr(records("r"), "'ok':0,'skipped':2,'failed':0,"), "%s",
	       records("r"));
	fixture_leave();
}

/* ---- workers ---- */

TEST(drawings, each_drawing_gets_a_worker_of_its_own)
{
	char path[32];

	fixture_enter();
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "in/%d.svg", i);
		write_text(path, BLANK_SVG);
	}
	EXPECT_EQ(
		run("pixpool resize -s 8 -j 1 -Q in -o out --report r %s", options_here())
			.status,
		0);
	EXPECT_STR(run("grep -o '\"worker\":[0-9]*' r | sort -u | wc -l").out, "6\n");
	fixture_leave();
}

/* All workers for other images end before the first drawing is drawn, so there are never more
 * workers than -j allows. */
TEST(drawings, drawings_that_fit_the_queue_are_drawn_after_all_other_images)
{
	struct command command;

	fixture_enter();
	write_script("in/a.svg", "gate svg\nsize 2 2");
	write_script("in/b.png", "gate png\nsize 2 2");
	write_script("in/c.png", "size 2 2");
	command = begin("pixpool-scripted resize -s 8 -j 2 in -o out %s", options_here());
	await_gate("png");
	await_error(&command, "in/c.png -> out/c.png");
	EXPECT_EQ(count_processes("gate-svg"), 0);
	let_pass("in/b.png");
	await_gate("svg");
	EXPECT_EQ(count_processes("pxp-fork-server"), 1);
	let_pass("in/a.svg");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.png png 2x2\nc.png png 2x2\n");
	fixture_leave();
}

/* The limit on descriptors leaves room for about 20 deferred drawings. More drawings fit only if
 * the drawing workers get a turn in the middle of the walk. */
TEST(drawings,
     some_drawings_are_drawn_before_other_images_if_not_all_drawings_fit_the_queue)
{
	struct ended ended;
	char path[32];

	fixture_enter();
	for (int i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "in/%02d.svg", i);
		write_script(path, "size 2 2");
	}
	write_script("in/25.png.png", "size 2 2");
	write_script("in/59.png.png", "size 2 2");
	write_text("in/30.gif", SVG "width='2' height='2'></svg>");
	ended = run("ulimit -n 100; pixpool-scripted resize -s 8 -j 1 in -o out "
	            "--report r %s",
	            options_here());
	EXPECT_EQ(ended.status, 0);
	EXPECT(strstr(records("r"), "'inputs':63,'ok':63,'skipped':0,"), "%s",
	       records("r"));
	/* Some drawings were finished before the last of the other images. */
	EXPECT(strtol(run("grep -n 59.png.png r | cut -d: -f1").out, NULL, 10) > 30, "%s",
	       run("cut -c1-60 r").out);
	fixture_leave();
}

/* A worker returns the descriptor that it received, so the drawing is not opened by name again: the
 * name may belong to another file by then. */
TEST(drawings, a_drawing_that_moves_to_a_drawing_worker_is_not_reopened_by_name)
{
	struct command command;

	fixture_enter();
	write_text("in/a.png", SVG "width='20' height='10'></svg>");
	write_script("in/b.png", "gate png\nsize 2 2");
	write_text("other.svg", SVG "width='30' height='30'></svg>");
	command = begin("pixpool-scripted convert -j 1 in -o out %s", options_here());
	await_gate("png");
	REQUIRE(rename("other.svg", "in/a.png") == 0);
	let_pass("in/b.png");
	EXPECT_EQ(end(&command).status, 0);
	EXPECT_STR(tree("out"), "a.png png 20x10\nb.png png 2x2\n");
	fixture_leave();
}

TEST(drawings, a_crash_or_hang_of_a_drawing_worker_fails_only_its_drawing)
{
	const char *text;

	fixture_enter();
	write_script("in/a.svg", "signal SIGSEGV");
	write_script("in/b.svg", "hang asleep");
	write_script("in/c.svg", "size 2 2");
	write_script("in/d.pdf", "size 2 2");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 in -o out --report r --timeout 1 %s",
	              options_here())
	                  .status,
	          1);
	text = records("r");
	EXPECT(strstr(text, "{'input':'in/a.svg','status':'failed','class':'crashed'"),
	       "%s", text);
	EXPECT(strstr(text, "'attempts':2"), "%s", text);
	EXPECT(strstr(text, "{'input':'in/b.svg','status':'failed','class':'timeout'"),
	       "%s", text);
	EXPECT(strstr(text, "'ok':2,'skipped':0,'failed':2,"), "%s", text);
	fixture_leave();
}

/* The memory that a drawing needs depends on the size at which it is drawn. */
TEST(drawings, a_drawing_that_needs_too_much_memory_fails_before_it_is_drawn)
{
#ifdef PIXPOOL_SANITIZE
	SKIP("a sanitizer build cannot run under a memory limit");
#endif
	fixture_enter();
	write_text("in/a.svg", HELLO_SVG);
	EXPECT_EQ(run("pixpool resize -s 9000 in -o out --memory 200M --report r %s",
	              options_here())
	                  .status,
	          1);
	EXPECT(strstr(records("r"), "'class':'memory','message':'the image needs about "),
	       "%s", records("r"));
	EXPECT_EQ(run("pixpool resize -s 90 in -o out --memory 200M %s", options_here())
	                  .status,
	          0);
	fixture_leave();
}

static struct command begin_at_gate(void)
{
	struct command command;

	write_script("in/a.png", "size 2 2");
	write_script("in/b.svg", "gate svg\nsize 2 2");
	write_script("in/c.svg", "size 2 2");
	write_script("in/d.svg", "size 2 2");
	command = begin("pixpool-scripted resize -s 8 -j 1 in -o out --report r %s",
	                options_here());
	await_gate("svg");
	return command;
}

TEST(drawings, drawings_in_progress_are_finished_after_the_first_interrupt)
{
	struct command command;

	fixture_enter();
	command = begin_at_gate();
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	let_pass("in/b.svg");
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	EXPECT_STR(tree("out"), "a.png png 2x2\nb.png png 2x2\n");
	EXPECT(strstr(records("r"),
	              "'inputs':4,'ok':2,'skipped':0,'failed':0,'cancelled':2,"),
	       "%s", records("r"));
	fixture_leave();
}

TEST(drawings, the_second_interrupt_kills_drawings_in_progress)
{
	struct command command;

	fixture_enter();
	command = begin_at_gate();
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	kill(command.pid, SIGINT);
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	fixture_leave();
}

/* An interrupt arrives while pictures are decoded. No drawing starts after the interrupt. */
TEST(drawings, no_drawing_starts_after_an_interrupt)
{
	struct command command;

	fixture_enter();
	write_script("in/a.png", "gate png\nsize 2 2");
	write_script("in/b.svg", "size 2 2");
	command = begin("pixpool-scripted resize -s 8 in -o out --report r %s",
	                options_here());
	await_gate("png");
	kill(command.pid, SIGINT);
	await_error(&command, "interrupted: ");
	let_pass("in/a.png");
	EXPECT_EQ(end(&command).status, 128 + SIGINT);
	EXPECT_STR(tree("out"), "a.png png 2x2\n");
	EXPECT(strstr(records("r"),
	              "'inputs':2,'ok':1,'skipped':0,'failed':0,'cancelled':1,"),
	       "%s", records("r"));
	fixture_leave();
}

TEST(drawings, workers_that_draw_are_suspended_with_the_program)
{
	struct command command;
	pid_t worker;

	fixture_enter();
	command = begin_at_gate();
	worker = await_process("gate-svg");
	kill(command.pid, SIGTSTP);
	await_state(worker, "T");
	await_state(command.pid, "T");
	kill(command.pid, SIGCONT);
	await_state(worker, "SDR");
	let_pass("in/b.svg");
	EXPECT_EQ(end(&command).status, 0);
	fixture_leave();
}

/* ---- attacks: drawing workers have only a few more rights than other workers ---- */

static void expect_attack(const char *order, const char *class, const char *message)
{
	char want[128];
	const char *text;

	fixture_enter();
	write_script("in/bad.svg", order);
	write_script("in/good.svg", "size 2 2");
	scratch_file("secret", "not for pictures");
	run("chmod 777 .; chmod 644 in/bad.svg");
	EXPECT_EQ(run("pixpool-scripted resize -s 8 -Q in -o out --report r").status, 1);
	text = records("r");
	snprintf(want, sizeof(want), "'in/bad.svg','status':'failed','class':'%s'",
	         class);
	EXPECT(strstr(text, want) && strstr(text, message), "%s:\n%s", order, text);
	EXPECT_STR(tree("out"), "good.png png 2x2\n");
	EXPECT_STR(run("stat -c %%a in/bad.svg; ls made 2>&1 | wc -l").out, "644\n1\n");
	fixture_leave();
}

TEST(drawings, a_worker_that_draws_is_killed_for_forbidden_system_calls)
{
	static const char *const orders[] = {"socket", "exec", "fork", "chmod",
	                                     "kill main"};

	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	fixture_leave();
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		expect_attack(orders[i], "violation", "worker died of SIGSYS");
}

TEST(drawings, a_worker_that_draws_can_read_fonts_and_no_other_files)
{
	char order[256];

	if (!fixture_enter_whole())
		SKIP("the sandbox is not complete here");
	snprintf(order, sizeof(order), "open %s",
	         run("printf %%s \"$(fc-match -f '%%{file}')\"").out);
	fixture_leave();
	/* The script reports "got through" if the worker opened the file. Only fonts may be
	 * opened. */
	expect_attack(order, "internal", "script: open: got through");
	expect_attack("open secret", "bad-image", "script: open: Permission denied");
	expect_attack("open /etc/passwd", "bad-image", "script: open: Permission denied");
	expect_attack("open in/good.svg", "bad-image", "script: open: Permission denied");
	expect_attack("create made", "bad-image",
	              "script: create: Operation not permitted");
}
