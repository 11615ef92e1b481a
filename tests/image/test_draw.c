/*
 * Tests of SVG and PDF: their text is drawn, they are drawn at the size of the output, and a
 * drawing that would be incomplete fails. The tests write the inputs.
 */
#include "vips_fixture.h"

#include "support/scratch.h"
#include "support/test.h"

#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SVG "<svg xmlns='http://www.w3.org/2000/svg' "

static struct blob blob_of(const char *text)
{
	struct blob blob = {0};

	blob_append(&blob, text, strlen(text));
	return blob;
}

static struct outcome draw(const char *text, const char *name,
                           const struct recipe *recipe)
{
	struct blob blob = blob_of(text);
	struct outcome outcome;

	picture_set_drawing(DRAWING_HERE);
	outcome = run_picture(&blob, name, recipe);
	blob_fini(&blob);
	return outcome;
}

static struct recipe boxed(enum image_format format, uint32_t width, uint32_t height)
{
	struct recipe recipe = recipe_for(format, ENGINE_AUTO);

	recipe.geometry.width = width;
	recipe.geometry.height = height;
	return recipe;
}

/* The number of dark pixels in the output: red is below 128 and, in an output with alpha, alpha is
 * over 127. */
static int count_dark(const struct outcome *outcome)
{
	int n = 0, n_bands = outcome->n_bands;

	for (int i = 0; outcome->pixels && i < outcome->width * outcome->height; i++) {
		const uint8_t *pixel = outcome->pixels + (size_t)i * (size_t)n_bands;

		n += pixel[0] < 128 && (n_bands != 4 || pixel[3] > 127);
	}
	return n;
}

static int dark_of(const char *text, const char *name, uint32_t side)
{
	struct recipe recipe = boxed(FORMAT_PNG, side, side);
	struct outcome outcome = draw(text, name, &recipe);
	int n = count_dark(&outcome);

	EXPECT(outcome.is_done, "%s: %s", name, outcome.answer.failure.text);
	outcome_fini(&outcome);
	return n;
}

/* Check that the picture fails with this class and this text in the message. */
static void expect_failure(const char *text, const char *name,
                           const struct recipe *recipe, enum fail_class class,
                           const char *words)
{
	struct outcome outcome = draw(text, name, recipe);
	const struct failure *failure = &outcome.answer.failure;

	EXPECT(!outcome.is_done && failure->class == class &&
	               strstr(failure->text, words) != NULL,
	       "%s: %s: %s", name, fail_class_name(failure->class), failure->text);
	outcome_fini(&outcome);
}

/* ---- writing a PDF from its objects ---- */

/* A PDF with one page of 200 x 100 points. The page has this content. `more` has further objects of
 * the PDF. */
static const char *page(const char *content, const char *more)
{
	static char text[4096];

	snprintf(text, sizeof(text),
	         "%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
	         "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
	         "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 4 0 R"
	         "/Resources<</Font<</F1 5 0 R>>>>>>endobj\n"
	         "4 0 obj<</Length %zu>>stream\n%s\nendstream endobj\n%s"
	         "trailer<</Root 1 0 R>>\n%%%%EOF\n",
	         strlen(content), content, more);
	return text;
}

#define HELVETICA "5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
#define HELLO     "BT /F1 40 Tf 10 40 Td (Hello) Tj ET"

/* A font that is not embedded, for a script that needs a CMap. */
#define JAPANESE                                                                         \
	"5 0 obj<</Type/Font/Subtype/Type0/BaseFont/HeiseiKakuGo-W5/Encoding/"           \
	"UniJIS-UCS2-H/DescendantFonts[6 0 R]>>endobj\n"                                 \
	"6 0 obj<</Type/Font/Subtype/CIDFontType0/BaseFont/HeiseiKakuGo-W5/"             \
	"CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>/"               \
	"FontDescriptor 7 0 R>>endobj\n"                                                 \
	"7 0 obj<</Type/FontDescriptor/FontName/HeiseiKakuGo-W5/Flags 4>>endobj\n"

/* ---- text ---- */

TEST(draw, the_text_of_an_svg_is_drawn)
{
	int with = dark_of(SVG "width='200' height='100'>"
	                       "<text x='10' y='60' font-size='40'>Hello</text></svg>",
	                   "a.svg", 400);
	int without = dark_of(SVG "width='200' height='100'></svg>", "a.svg", 400);

	EXPECT_EQ(without, 0);
	EXPECT(with > 1500, "%d dark pixels", with);
}

TEST(draw, the_text_of_a_pdf_is_drawn)
{
	int with = dark_of(page(HELLO, HELVETICA), "a.pdf", 400);
	int without = dark_of(page("", HELVETICA), "a.pdf", 400);

	EXPECT_EQ(without, 0);
	EXPECT(with > 1500, "%d dark pixels", with);
}

TEST(draw, a_pdf_with_unknown_characters_is_unsupported)
{
	struct recipe recipe = boxed(FORMAT_PNG, 200, 200);

	if (access("/usr/share/poppler/cMap", F_OK) == 0)
		SKIP("poppler-data is installed here");
	expect_failure(page("BT /F1 40 Tf 10 40 Td <30423044> Tj ET", JAPANESE), "a.pdf",
	               &recipe, FAIL_UNSUPPORTED,
	               "cannot draw all text: Missing language pack for 'Adobe-Japan1' "
	               "mapping: install poppler-data");
	/* Missing text in one picture does not make the next picture fail. */
	EXPECT(dark_of(page(HELLO, HELVETICA), "a.pdf", 400) > 1500);
}

TEST(draw, a_pdf_with_text_but_without_a_font_is_a_bad_image)
{
	struct recipe recipe = boxed(FORMAT_PNG, 200, 200);

	expect_failure(page("BT 10 40 Td (Hello) Tj ET", HELVETICA), "a.pdf", &recipe,
	               FAIL_BAD_IMAGE, "cannot draw all text: No font in show");
}

TEST(draw, no_drawing_is_drawn_if_no_font_is_installed)
{
	struct recipe recipe = boxed(FORMAT_PNG, 200, 200);
	struct failure failure = {0};
	char *path;

	scratch_enter(NULL);
	scratch_file("fonts.conf", "<fontconfig><dir>/not/there</dir></fontconfig>");
	path = realpath("fonts.conf", NULL);
	REQUIRE(path && setenv("FONTCONFIG_FILE", path, 1) == 0);
	free(path);
	expect_failure(SVG "width='9' height='9'/>", "a.svg", &recipe, FAIL_UNSUPPORTED,
	               "no font is installed; install one");
	expect_failure(page(HELLO, HELVETICA), "a.pdf", &recipe, FAIL_UNSUPPORTED,
	               "no font is installed; install one");
	EXPECT(!picture_draws(FORMAT_SVG, &failure));
	scratch_leave();
}

TEST(draw, a_font_that_cannot_be_opened_fails_the_picture)
{
	struct recipe recipe = boxed(FORMAT_PNG, 200, 200);
	char *folder;

	scratch_enter(NULL);
	REQUIRE(system("font=$(fc-match -f '%{file}' sans) && mkdir fonts cache && "
	               "cp \"$font\" fonts/") == 0);
	folder = realpath(".", NULL);
	scratch_file("fonts.conf",
	             "<fontconfig><dir prefix='cwd'>fonts</dir>"
	             "<cachedir prefix='cwd'>cache</cachedir></fontconfig>");
	REQUIRE(setenv("FONTCONFIG_FILE", "fonts.conf", 1) == 0 &&
	        setenv("FONTCONFIG_PATH", folder, 1) == 0);
	EXPECT(dark_of(SVG "width='9' height='9'><text y='9'>M</text></svg>", "a.svg",
	               9) > 0);
	REQUIRE(system("rm fonts/*") == 0);
	expect_failure(SVG "width='9' height='9'/>", "a.svg", &recipe, FAIL_UNSUPPORTED,
	               ": No such file or directory");
	free(folder);
	scratch_leave();
}

/* ---- sizes ---- */

static const struct size_row {
	const char *svg;
	uint32_t width, height;         /* size of the drawing */
	uint32_t out_width, out_height; /* expected size in a box of 100 x 100 */
} size_rows[] = {
	{SVG "width='40' height='20'/>", 40, 20, 100, 50},
	{SVG "width='400' height='200'/>", 400, 200, 100, 50},
	{SVG "viewBox='0 0 300 200'/>", 300, 200, 100, 67},
	{SVG "width='100%' height='100%' viewBox='0 0 300 200'/>", 300, 200, 100, 67},
	{SVG "width='2in' height='1in'/>", 192, 96, 100, 50},
	{SVG "width='72pt' height='36pt'/>", 96, 48, 100, 50},
	{SVG "width='25.4mm' height='12.7mm'/>", 96, 48, 100, 50},
	{SVG "width='2.54cm' height='3pc'/>", 96, 48, 100, 50},
	{SVG "width='1in' viewBox='0 0 20 10'/>", 96, 48, 100, 50},
	{SVG "height='1in' viewBox='0 0 20 10'/>", 192, 96, 100, 50},
	{SVG "width='1in' height='1in' viewBox='0 0 20 10'/>", 96, 96, 100, 100},
	{SVG "><rect x='5' y='5' width='30' height='20'/></svg>", 30, 20, 100, 67},
	{SVG "viewBox='0 0 10.4 5.2'/>", 10, 5, 100, 50},
	{SVG "viewBox='0 0 24.5 24.5'/>", 25, 25, 100, 100},
	{SVG "width='100000' height='50000'/>", 100000, 50000, 100, 50},
	{SVG "width='1000000' height='1000'/>", 1000000, 1000, 100, 1},
};

TEST(draw, the_size_of_an_svg_follows_from_its_lengths_its_view_box_or_its_contents)
{
	struct recipe recipe = boxed(FORMAT_PNG, 100, 100);

	for (size_t i = 0; i < sizeof(size_rows) / sizeof(size_rows[0]); i++) {
		const struct size_row *row = &size_rows[i];
		struct outcome outcome = draw(row->svg, "a.svg", &recipe);
		const struct picture_answer *answer = &outcome.answer;

		EXPECT(outcome.is_done && answer->in.width == row->width &&
		               answer->in.height == row->height &&
		               (uint32_t)outcome.width == row->out_width &&
		               (uint32_t)outcome.height == row->out_height,
		       "%s: %u x %u -> %d x %d %s", row->svg, answer->in.width,
		       answer->in.height, outcome.width, outcome.height,
		       answer->failure.text);
		outcome_fini(&outcome);
	}
}

/* The left half of each drawing is red. The drawings state their lengths in different units. */
TEST(draw, lengths_in_an_svg_have_96_pixels_an_inch)
{
	static const char *const texts[] = {
		SVG
		"width='192' height='96'><rect width='1in' height='1in' fill='red'/></svg>",
		SVG
		"width='2in' height='1in'><rect width='96' height='96' fill='red'/></svg>",
		SVG "width='2in' height='1in'><rect width='72pt' height='6pc' "
		    "fill='red'/></svg>",
		SVG "width='144pt' height='72pt'><rect width='25.4mm' height='2.54cm' "
		    "fill='red'/></svg>",
		SVG "width='192' height='96' viewBox='0 0 192 96'>"
		    "<rect width='25.4mm' height='25.4mm' fill='red'/></svg>",
		SVG "width='50.8mm' height='25.4mm' viewBox='0 0 384 192'>"
		    "<rect width='50.8mm' height='50.8mm' fill='red'/></svg>",
		SVG
		"viewBox='0 0 192 96'><rect width='1in' height='1in' fill='red'/></svg>",
		SVG
		"viewBox='0 0 192 96'><rect width='50%' height='100%' fill='red'/></svg>",
	};

	for (size_t i = 0; i < 2 * sizeof(texts) / sizeof(texts[0]); i++) {
		/* Draw at the natural size, and at a size that needs several tiles. */
		struct recipe recipe = i % 2 ? boxed(FORMAT_PNG, 3072, 3072)
		                             : boxed(FORMAT_PNG, 0, 0);
		struct outcome outcome = draw(texts[i / 2], "a.svg", &recipe);
		int width = outcome.width, height = outcome.height;

		REQUIRE(outcome.is_done && width == (i % 2 ? 3072 : 192), "%s: %d %s",
		        texts[i / 2], width, outcome.answer.failure.text);
		EXPECT(pixel_is_near(&outcome, width / 2 - 2, height - 2,
		                     rgbw.colours[0]) &&
		               pixel_is_near(&outcome, 1, 1, rgbw.colours[0]) &&
		               outcome.pixels[(width / 2 + 2) * 4 + 3] == 0,
		       "%s", texts[i / 2]);
		outcome_fini(&outcome);
	}
}

TEST(draw, an_svg_without_a_size_gets_the_size_of_its_contents)
{
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	struct outcome outcome = draw(
		SVG "><rect x='5' y='7' width='30' height='20' fill='red'/></svg>",
		"a.svg", &recipe);

	REQUIRE(outcome.is_done && outcome.width == 30, "%s",
	        outcome.answer.failure.text);
	EXPECT(pixel_is_near(&outcome, 0, 0, rgbw.colours[0]));
	EXPECT(pixel_is_near(&outcome, 29, 19, rgbw.colours[0]));
	outcome_fini(&outcome);
}

/* If a drawing were drawn at 10 x 10 pixels and then enlarged, its edge would be blurred over two
 * of the 10 pixels. */
TEST(draw, a_drawing_is_drawn_at_the_size_of_the_output)
{
	static const char *const texts[] = {
		SVG "width='10' height='10'><path d='M5 0h5v10h-5z'/></svg>",
		"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
		"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 10 10]/Contents 4 0 "
		"R>>endobj\n"
		"4 0 obj<</Length 11>>stream\n5 0 5 10re f\nendstream endobj\n"
		"trailer<</Root 1 0 R>>\n%%EOF\n"};

	for (int i = 0; i < 2; i++) {
		struct recipe recipe = boxed(FORMAT_JPEG, 400, 400);
		struct outcome outcome;

		recipe.quality = 100;
		outcome = draw(texts[i], i ? "a.pdf" : "a.svg", &recipe);
		REQUIRE(outcome.is_done && outcome.width == 400, "%s",
		        outcome.answer.failure.text);
		EXPECT(pixel_is_near(&outcome, 196, 200, rgbw.colours[3]));
		EXPECT(pixel_is_near(&outcome, 203, 200, (const uint8_t[4]){0}));
		outcome_fini(&outcome);
	}
}

TEST(draw, the_output_of_a_drawing_has_exactly_the_requested_size)
{
	static const enum fit fits[] = {FIT_FILL, FIT_COVER, FIT_CONTAIN};

	for (size_t i = 0; i < sizeof(fits) / sizeof(fits[0]); i++) {
		for (uint32_t side = 1; side < 400; side += 37) {
			struct recipe recipe = boxed(FORMAT_PNG, 251, side);
			struct outcome outcome;

			recipe.geometry.fit = fits[i];
			outcome = draw(SVG "viewBox='0 0 33.3 24.7'/>", "a.svg", &recipe);
			EXPECT(outcome.is_done && outcome.width == 251 &&
			               outcome.height == (int)side,
			       "fit %d, %u: %d x %d %s", (int)fits[i], side,
			       outcome.width, outcome.height,
			       outcome.answer.failure.text);
			outcome_fini(&outcome);
		}
	}
}

TEST(draw, a_drawing_is_trimmed_before_it_is_scaled)
{
	struct recipe recipe = boxed(FORMAT_PNG, 100, 100);
	struct outcome outcome;
	struct failure failure;

	REQUIRE(filters_parse(&recipe.filters, "trim", &failure), "%s", failure.text);
	outcome = draw(SVG "width='60' height='60'><rect x='10' y='20' width='40' "
	                   "height='20' fill='red'/></svg>",
	               "a.svg", &recipe);
	EXPECT(outcome.is_done && outcome.width == 100 && outcome.height == 50,
	       "%d x %d %s", outcome.width, outcome.height, outcome.answer.failure.text);
	outcome_fini(&outcome);
}

TEST(draw, size_limits_apply_to_the_drawn_size)
{
	struct recipe small = boxed(FORMAT_PNG, 64, 64), whole = boxed(FORMAT_PNG, 0, 0),
		      large = boxed(FORMAT_PNG, 3000, 3000);
	struct outcome outcome;
	const char *canvas = SVG "width='100000' height='100000'/>";

	outcome = draw(canvas, "a.svg", &small);
	EXPECT(outcome.is_done && outcome.width == 64, "%s", outcome.answer.failure.text);
	outcome_fini(&outcome);
	expect_failure(canvas, "a.svg", &whole, FAIL_TOO_BIG,
	               "header: 100000 x 100000 is 10000000000 pixels; the limit is");
	large.max_pixels = 1000000;
	expect_failure(SVG "width='9' height='9'/>", "a.svg", &large, FAIL_TOO_BIG,
	               "3000 x 3000 is 9000000 pixels; the limit is 1000000");
	expect_failure(SVG "width='1e9' height='1e9'/>", "a.svg", &small, FAIL_TOO_BIG,
	               "header: a side is over 10000000");
}

/* ---- colours ---- */

TEST(draw, an_svg_is_transparent_where_nothing_is_drawn_and_an_empty_pdf_page_is_white)
{
	const char *svg = SVG "width='20' height='20'><rect x='10' width='10' "
			      "height='20' fill='#f00'/></svg>";
	struct recipe png = boxed(FORMAT_PNG, 0, 0), jpeg = boxed(FORMAT_JPEG, 0, 0);
	const uint8_t blue[4] = {0, 0, 255, 255};
	struct outcome outcome = draw(svg, "a.svg", &png);

	EXPECT_EQ(outcome.n_bands, 4);
	EXPECT(outcome.pixels && outcome.pixels[3] == 0);
	EXPECT(pixel_is_near(&outcome, 15, 10, rgbw.colours[0]));
	outcome_fini(&outcome);

	jpeg.background = (struct colour){.is_set = true, .blue = 255, .alpha = 255};
	outcome = draw(svg, "a.svg", &jpeg);
	EXPECT(pixel_is_near(&outcome, 3, 10, blue));
	outcome_fini(&outcome);

	outcome = draw(page("", HELVETICA), "a.pdf", &png);
	EXPECT_EQ(outcome.n_bands, 3);
	EXPECT(pixel_is_near(&outcome, 3, 10, rgbw.colours[3]));
	outcome_fini(&outcome);
}

TEST(draw, an_svg_may_be_utf_16_in_either_byte_order)
{
	static const char svg[] = "<?xml version='1.0' encoding='UTF-16'?>\n" SVG
				  "width='20' height='20'><rect width='20' height='20' "
				  "fill='#f00'/></svg>";
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);

	picture_set_drawing(DRAWING_HERE);
	for (int is_big = 0; is_big <= 1; is_big++) {
		struct blob blob = blob_of(is_big ? "\xfe\xff" : "\xff\xfe");
		struct outcome outcome;

		for (size_t i = 0; i < sizeof(svg) - 1; i++) {
			const char pair[2] = {is_big ? 0 : svg[i], is_big ? svg[i] : 0};

			blob_append(&blob, pair, 2);
		}
		outcome = run_picture(&blob, "a", &recipe);
		EXPECT(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT(outcome.is_done &&
		       pixel_is_near(&outcome, 10, 10, rgbw.colours[0]));
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

/* ---- pages, damage, passwords, and names of other files ---- */

TEST(draw, the_first_page_of_a_pdf_is_drawn_and_other_pages_are_reported_lost)
{
	static const char two[] =
		"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
		"2 0 obj<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>endobj\n"
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 30 40]>>endobj\n"
		"4 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 70 80]>>endobj\n"
		"trailer<</Root 1 0 R>>\n%%EOF\n";
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	struct outcome outcome = draw(two, "a.pdf", &recipe);

	EXPECT(outcome.is_done && outcome.width == 30 && outcome.height == 40, "%s",
	       outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.out[0].lost, LOST_PAGES);
	outcome_fini(&outcome);
}

TEST(draw, a_pdf_that_is_truncated_or_has_no_page_is_a_bad_image)
{
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	char cut[4096];

	snprintf(cut, sizeof(cut), "%s", page(HELLO, HELVETICA));
	*strstr(cut, "%%EOF") = 0;
	expect_failure(cut, "a.pdf", &recipe, FAIL_BAD_IMAGE, "the PDF ends early");
	*strstr(cut, "endstream") = 0;
	expect_failure(cut, "a.pdf", &recipe, FAIL_BAD_IMAGE, "the PDF ends early");
	expect_failure("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
	               "2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
	               "trailer<</Root 1 0 R>>\n%%EOF\n",
	               "a.pdf", &recipe, FAIL_BAD_IMAGE, "header: ");
	expect_failure("%PDF-1.4\n%%EOF\n", "a.pdf", &recipe, FAIL_BAD_IMAGE, "header: ");
	recipe.fail_on = FAIL_ON_NONE;

	struct outcome outcome = draw(cut, "a.pdf", &recipe);

	EXPECT(outcome.answer.failure.class != FAIL_INTERNAL, "%s",
	       outcome.answer.failure.text);
	EXPECT(outcome.answer.is_damaged == outcome.is_done);
	outcome_fini(&outcome);
}

TEST(draw, a_pdf_may_have_other_bytes_before_and_after_it)
{
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	const char *whole = page(HELLO, HELVETICA);

	for (int i = 0; i < 4; i++) {
		struct blob blob = {0};
		struct outcome outcome;
		char other[3000];

		memset(other, i & 1 ? 0 : 'x', sizeof(other));
		if (i & 2)
			blob_append(&blob, other, 1000);
		blob_append(&blob, whole, strlen(whole));
		blob_append(&blob, other, sizeof(other));
		picture_set_drawing(DRAWING_HERE);
		outcome = run_picture(&blob, "a.pdf", &recipe);
		EXPECT(outcome.is_done && outcome.width == 200 &&
		               count_dark(&outcome) > 300,
		       "%d: %s", i, outcome.answer.failure.text);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(draw, a_pdf_truncated_inside_an_incremental_update_is_a_bad_image)
{
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	char text[5000];

	snprintf(text, sizeof(text), "%s5 0 obj<</Type/Font", page(HELLO, HELVETICA));
	expect_failure(text, "a.pdf", &recipe, FAIL_BAD_IMAGE, "the PDF ends early");
}

TEST(draw, a_pdf_with_a_password_is_unsupported)
{
	static const char locked[] =
		"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
		"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 30 40]>>endobj\n"
		"6 0 obj<</Filter/Standard/V 1/R 2/P -4"
		"/O(0123456789abcdef0123456789abcdef)"
		"/U(0123456789abcdef0123456789abcdef)>>endobj\n"
		"trailer<</Root 1 0 R/Encrypt 6 0 R"
		"/ID[(0123456789abcdef)(0123456789abcdef)]>>\n%%EOF\n";
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);

	expect_failure(locked, "a.pdf", &recipe, FAIL_UNSUPPORTED, "ncrypted");
}

TEST(draw, a_damaged_svg_is_a_bad_image)
{
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);

	expect_failure(SVG "width='9' height='9'><rect", "a.svg", &recipe, FAIL_BAD_IMAGE,
	               "header: ");
	expect_failure(SVG "/>", "a.svg", &recipe, FAIL_BAD_IMAGE, "has no size");
}

/* No other file is drawn, whatever name the drawing refers to. */
TEST(draw, a_drawing_never_shows_the_contents_of_other_files)
{
	struct blob png = make_png(8, 8, 3,
	                           &(const struct quarters){{{0}, {0}, {0}, {0}}});
	const char *font = "/usr/share/fonts";
	char text[2048], *folder;
	FILE *file;

	scratch_enter(NULL);
	folder = realpath(".", NULL);
	file = fopen("black.png", "we");
	REQUIRE(file && fwrite(png.bytes, 1, png.n, file) == png.n && fclose(file) == 0);
	scratch_file("secret", "MMMM");
	scratch_file("black.svg", SVG "width='64' height='64'><rect id='a' width='64' "
	                              "height='64'/></svg>");
	snprintf(text, sizeof(text),
	         SVG "xmlns:xlink='http://www.w3.org/1999/xlink' width='64' height='64'>"
	             "<image xlink:href='file://%s/black.png' width='64' height='64'/>"
	             "<image xlink:href='%s/black.png' width='64' height='64'/>"
	             "<image href='black.png' width='64' height='64'/>"
	             "<image href='%s/../../..%s/black.png' width='64' height='64'/>"
	             "<use href='file://%s/black.svg#a'/></svg>",
	         folder, folder, font, folder, folder);
	EXPECT_EQ(dark_of(text, "a.svg", 64), 0);
	snprintf(text, sizeof(text),
	         "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file://%s/secret'>]>" SVG
	         "width='64' height='64'><text y='50' font-size='50'>&x;</text></svg>",
	         folder);

	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	struct outcome outcome = draw(text, "a.svg", &recipe);

	EXPECT_EQ(count_dark(&outcome), 0);
	outcome_fini(&outcome);
	free(folder);
	blob_fini(&png);
	scratch_leave();
}

/* ---- compressed SVG ---- */

static struct blob packed(const void *bytes, size_t n)
{
	GZlibCompressor *gzip = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9);
	GConverterResult result = G_CONVERTER_CONVERTED;
	struct blob blob = {0};
	gsize at = 0, n_read, n_written;
	uint8_t room[4096];

	while (result == G_CONVERTER_CONVERTED) {
		result = g_converter_convert(G_CONVERTER(gzip),
		                             (const uint8_t *)bytes + at, n - at, room,
		                             sizeof(room), G_CONVERTER_INPUT_AT_END,
		                             &n_read, &n_written, NULL);
		blob_append(&blob, room, n_written);
		at += n_read;
	}
	REQUIRE(result == G_CONVERTER_FINISHED);
	g_object_unref(gzip);
	return blob;
}

static void expect_packed(struct blob *blob, enum fail_class class, const char *words)
{
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	struct outcome outcome;

	picture_set_drawing(DRAWING_HERE);
	outcome = run_picture(blob, "a.svgz", &recipe);
	EXPECT(outcome.answer.failure.class == class &&
	               strstr(outcome.answer.failure.text, words),
	       "%s", outcome.answer.failure.text);
	if (class == FAIL_NONE)
		EXPECT(outcome.width == 20 && outcome.answer.in.format == FORMAT_SVG);
	outcome_fini(&outcome);
	blob_fini(blob);
}

TEST(draw, a_compressed_svg_is_decompressed_up_to_a_limit)
{
	static const char svg[] = SVG "width='20' height='20'/>";
	const size_t n_bomb = 100 << 20;
	char *spaces = malloc(n_bomb);
	struct blob blob = packed(svg, sizeof(svg) - 1), twice;

	REQUIRE(spaces != NULL);
	memset(spaces, ' ', n_bomb);
	expect_packed(&blob, FAIL_NONE, "");
	blob = packed(svg, sizeof(svg) - 1);
	twice = packed(blob.bytes, blob.n);
	expect_packed(&twice, FAIL_BAD_IMAGE,
	              "the gzip-compressed file does not contain an SVG");
	blob.n -= 9;
	expect_packed(&blob, FAIL_BAD_IMAGE, "the compressed SVG is damaged");
	blob = packed(spaces, n_bomb);
	expect_packed(&blob, FAIL_TOO_BIG, "larger than 64 MiB");
	blob = packed("hello", 5);
	blob_append(&blob, "junkjunk", 8);
	expect_packed(&blob, FAIL_BAD_IMAGE,
	              "the gzip-compressed file does not contain an SVG");
	free(spaces);
}

/* ---- workers that draw ---- */

static void expect_refused(enum picture_drawing drawing, bool is_to_draw,
                           const char *words)
{
	struct blob blob = blob_of(SVG "width='9' height='9'/>");
	struct recipe recipe = boxed(FORMAT_PNG, 0, 0);
	struct outcome outcome;

	picture_set_drawing(drawing);
	outcome = run_picture(&blob, "a.jpg", &recipe);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
	EXPECT_EQ(outcome.answer.is_to_draw, is_to_draw);
	EXPECT(strstr(outcome.answer.failure.text, words), "%s",
	       outcome.answer.failure.text);
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(draw, an_ordinary_worker_reports_that_a_drawing_needs_a_drawing_worker)
{
	expect_refused(DRAWING_ELSEWHERE, true, "a worker that may read fonts");
}

TEST(draw, the_failure_of_a_drawing_says_why_no_worker_can_draw)
{
	expect_refused(DRAWING_UNSAFE, false, "--sandbox off renders it anyway");
	expect_refused(DRAWING_NONE, false, "this build cannot render this format");
}

TEST(draw, drawings_are_refused_in_untrusted_mode)
{
	picture_distrust_inputs();
	expect_refused(DRAWING_ELSEWHERE, false, "is not read with --untrusted");
}

TEST(draw, a_drawing_worker_reports_that_it_can_draw)
{
	struct failure failure = {0};

	picture_set_drawing(DRAWING_HERE);
	vips_fixture_start();
	EXPECT(picture_draws(FORMAT_SVG, &failure), "%s", failure.text);
	EXPECT(picture_draws(FORMAT_PDF, &failure), "%s", failure.text);
	EXPECT(picture_font_folders() != NULL && picture_font_folders()[0] != NULL);
}
