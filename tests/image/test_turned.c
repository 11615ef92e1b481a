/* Tests of the orientation of HEIC and AVIF. Boxes of the container rotate the picture. The EXIF
 * orientation describes the picture before that rotation and must be ignored. */
#include "support/test.h"

#include "image/engine.h"
#include "vips_fixture.h"

#include <stdio.h>
#include <string.h>

enum { SIDE = 64 };

/* Write rgbw in this format with this EXIF orientation. */
static struct blob quarters_with_exif(const char *suffix, int orientation)
{
	uint8_t bytes[SIDE * SIDE * 3], *to = bytes;
	VipsImage *image, *marked;
	struct blob blob;

	for (int i = 0; i < SIDE * SIDE; i++, to += 3) {
		int quarter = 2 * (i / SIDE >= SIDE / 2) + (i % SIDE >= SIDE / 2);

		memcpy(to, rgbw.colours[quarter], 3);
	}
	image = image_of_bytes(bytes, SIDE, SIDE, 3);
	REQUIRE(!vips_copy(image, &marked, NULL));
	vips_image_set_int(marked, VIPS_META_ORIENTATION, orientation);
	blob = encoded(marked, suffix);
	g_object_unref(marked);
	g_object_unref(image);
	return blob;
}

/* Replace the box "pixi" by a box that rotates or mirrors. The box "pixi" has the bit depths, which
 * no reader needs here. */
static void turn_by_box(struct blob *blob, const char *box, uint8_t how)
{
	uint8_t *at = memmem(blob->bytes, blob->n, "pixi", 4);

	REQUIRE(at != NULL);
	memcpy(at, box, 4);
	at[4] = how;
}

TEST(heif_orientation,
     a_rotation_box_rotates_the_picture_and_an_exif_orientation_does_not)
{
	/* Each box rotates or mirrors the picture; "free" does neither. `quarters` says which
	 * quarters of `rgbw` the result shows: top left, top right, bottom left, bottom right. */
	static const struct {
		const char *box;
		uint8_t how;
		int quarters[4];
	} cases[] = {{"irot", 1, {1, 3, 0, 2}},
	             {"irot", 2, {3, 2, 1, 0}},
	             {"imir", 1, {1, 0, 3, 2}},
	             {"free", 0, {0, 1, 2, 3}}};
	static const enum image_format formats[] = {FORMAT_AVIF, FORMAT_HEIC};

	vips_fixture_start();
	for (size_t i = 0; i < 4 * sizeof(cases) / sizeof(cases[0]); i++) {
		const struct format_info *info = format_info(formats[i % 2]);
		struct recipe recipe = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct quarters turned;
		struct outcome outcome;
		struct blob blob;
		char suffix[40];

		/* Decode once with scaling while loading, and once in full. */
		recipe.geometry.width = SIDE / 2;
		recipe.linear = i / 2 % 2;
		if (!engine_vips.writes(formats[i % 2]))
			continue;
		snprintf(suffix, sizeof(suffix), ".%s[Q=90,subsample_mode=off]",
		         info->extension);
		blob = quarters_with_exif(suffix, 6);
		EXPECT(blob_holds(&blob, "Exif"), "%s", info->name);
		turn_by_box(&blob, cases[i / 4].box, cases[i / 4].how);
		for (int quarter = 0; quarter < 4; quarter++)
			memcpy(turned.colours[quarter],
			       rgbw.colours[cases[i / 4].quarters[quarter]], 4);
		outcome = run_picture(&blob, "a", &recipe);
		EXPECT(shows_quarters(&outcome, &turned), "%s %s %u: %s", info->name,
		       cases[i / 4].box, cases[i / 4].how, outcome.answer.failure.text);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}
