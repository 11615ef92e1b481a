/*
 * Undamaged pictures that tests damage, and a run over the damaged pictures.
 */
#include "hostile_fixture.h"

#include "base/fd.h"
#include "cli/cli_fixture.h"

#include <fcntl.h>
#include <stdlib.h>

enum { MAX_BYTES = 256 * 1024 };

struct blob hostile_read(const char *path)
{
	static uint8_t bytes[MAX_BYTES];
	struct blob blob = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd_pread_full(fd, bytes, sizeof(bytes), 0);

	fd_close(&fd);
	REQUIRE(n > 0 && n < MAX_BYTES, "%s", path);
	blob_append(&blob, bytes, (size_t)n);
	return blob;
}

/* An SVG and a PDF with text, shapes and colours in few bytes. */
static void add_drawings(void)
{
	static const char svg[] =
		"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg' "
		"width='60' height='40' viewBox='0 0 60 40'><defs><linearGradient "
		"id='g'><stop offset='0' stop-color='#f00'/><stop offset='1' "
		"stop-color='#00f'/></linearGradient></defs><rect width='60' height='40' "
		"fill='url(#g)'/><path d='M5 5C20 30 40 30 55 5z' opacity='.5'/>"
		"<g transform='rotate(10)'><text x='9' y='30' font-size='12'>Hello</text>"
		"</g></svg>\n";
	static const char pdf[] =
		"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
		"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
		"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 60 40]/Contents 4 0 R"
		"/Resources<</Font<</F1 5 0 R>>>>>>endobj\n"
		"4 0 obj<</Length 72>>stream\n"
		"1 0 0 rg 5 5 30 20 re f 0 0 1 RG 2 w 0 0 m 60 40 l S "
		"BT /F1 9 Tf 9 9 Td (Hi) Tj ET\nendstream endobj\n"
		"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
		"trailer<</Root 1 0 R>>\n%%EOF\n";

	scratch_bytes("whole/drawing.svg", svg, sizeof(svg) - 1);
	scratch_bytes("whole/page.pdf", pdf, sizeof(pdf) - 1);
}

void hostile_seeds(glob_t *ret_paths)
{
	static const char *const written[] = {"jpg",  "png",  "webp", "gif", "tiff",
	                                      "heic", "avif", "jxl",  "jp2", "pnm",
	                                      "bmp",  "tga",  "hdr",  NULL};
	const char *samples = getenv("PIXPOOL_SAMPLES");

	REQUIRE(samples != NULL);
	REQUIRE(run("mkdir whole && cp '%s'/pictures/*.[jptwg]* '%s'/pictures/orientation/* "
	            "whole/",
	            samples, samples)
	                .status == 0);
	for (size_t i = 0; written[i]; i++)
		run("pixpool resize -s 64 -f %s whole/lake.jpg -o made", written[i]);
	add_drawings();
	REQUIRE(glob("whole/*", 0, NULL, ret_paths) == 0);
	REQUIRE(glob("made/*", GLOB_APPEND, NULL, ret_paths) == 0);
	REQUIRE(ret_paths->gl_pathc >= 16, "%zu", ret_paths->gl_pathc);
}

void hostile_run(struct tally *tally, const char *options)
{
#ifdef PIXPOOL_SANITIZE
	const int timeout = 50;
#else
	const int timeout = 20;
#endif
	struct ended ended = run("pixpool resize -s 32 -f png -j 2 --timeout %d %s "
	                         "--progress none --report r in -o out",
	                         timeout, options);

	EXPECT(ended.status == 0 || ended.status == 1, "status %d: %s", ended.status,
	       ended.err);
	tally_add(tally, "r");
}

void hostile_expect_known_outcomes(const struct tally *tally)
{
	size_t n = 0;
	/* "ignored": this build cannot read the format. */
	static const char *const outcomes[] = {"ok",          "bad-image", "too-big",
	                                       "unsupported", "memory",    "crashed",
	                                       "ignored",     NULL};

	for (size_t i = 0; outcomes[i]; i++)
		n += tally_of(tally, outcomes[i]);
	EXPECT_EQ(n, tally->n_inputs);
}
