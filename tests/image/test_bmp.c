/* BMP by bytes: which way up, and what is not read. */
#include "support/test.h"

#include "image_fixture.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 8 };

static void append_number(struct blob *blob, uint32_t number, unsigned n)
{
	uint8_t bytes[4] = {(uint8_t)number, (uint8_t)(number >> 8),
	                    (uint8_t)(number >> 16), (uint8_t)(number >> 24)};

	blob_append(blob, bytes, n);
}

/* The quarters of rgbw in 24 bits, under a header of n_header bytes. */
static struct blob bmp_of(uint32_t n_header, uint32_t compression, bool is_top_down)
{
	struct blob blob = {0};

	blob_append(&blob, "BM", 2);
	append_number(&blob, 14 + n_header + SIDE * SIDE * 3, 4);
	append_number(&blob, 0, 4);
	append_number(&blob, 14 + n_header, 4);
	append_number(&blob, n_header, 4);
	append_number(&blob, SIDE, 4);
	append_number(&blob, is_top_down ? (uint32_t)-SIDE : SIDE, 4);
	append_number(&blob, 1, 2);
	append_number(&blob, 24, 2);
	append_number(&blob, compression, 4);
	while (blob.n < 14 + n_header)
		append_number(&blob, 0, 4);
	for (int i = 0; i < SIDE * SIDE; i++) {
		int x = i % SIDE, y = is_top_down ? i / SIDE : SIDE - 1 - i / SIDE;
		const uint8_t *colour =
			rgbw.colours[2 * (y >= SIDE / 2) + (x >= SIDE / 2)];
		const uint8_t bgr[3] = {colour[2], colour[1], colour[0]};

		blob_append(&blob, bgr, 3);
	}
	return blob;
}

TEST(bmp, bmp_files_are_read_whether_stored_top_down_or_bottom_up)
{
	for (int i = 0; i < 8; i++) {
		struct blob blob = bmp_of(i & 2 ? 124 : 40, 0, i & 1);
		struct recipe recipe = recipe_for(FORMAT_PNG,
		                                  i & 4 ? ENGINE_STB : ENGINE_AUTO);
		struct outcome outcome = run_picture(&blob, "a.bmp", &recipe);

		EXPECT(outcome.is_done, "%d: %s", i, outcome.answer.failure.text);
		EXPECT_EQ(outcome.answer.in.height, SIDE);
		EXPECT(outcome.is_done && shows_quarters(&outcome, &rgbw), "%d", i);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(bmp, run_length_encoded_and_unusual_bmp_files_are_unsupported)
{
	static const struct {
		uint32_t n_header, compression;
	} cases[] = {{40, 1}, {40, 2}, {40, 4}, {40, 5}, {56, 3}, {64, 0}, {52, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob blob = bmp_of(cases[i].n_header, cases[i].compression, false);
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct outcome outcome = run_picture(&blob, "a.bmp", &recipe);

		EXPECT_STR(fail_class_name(outcome.answer.failure.class), "unsupported");
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}
