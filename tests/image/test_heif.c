/* Tests of the reader of HEIC and AVIF: the values of colours and alpha, and how pictures are
 * rotated and cropped. */
#include "support/test.h"

#include "heif_fixture.h"
#include "vips_fixture.h"

#include <stdlib.h>
#include <string.h>

static const enum image_format formats[] = {FORMAT_HEIC, FORMAT_AVIF};

/* Black, white, and two colours between them. */
static const struct quarters patches = {{{0, 0, 0, 255},
                                         {255, 255, 255, 255},
                                         {230, 120, 40, 255},
                                         {128, 128, 128, 255}}};

/* The x coordinate of the centre of a quarter of the picture. */
static int middle_x(int quarter)
{
	return HEIF_WIDTH / 4 + quarter % 2 * (HEIF_WIDTH / 2);
}

static int middle_y(int quarter)
{
	return HEIF_HEIGHT / 4 + quarter / 2 * (HEIF_HEIGHT / 2);
}

/* The AV1 encoder of Debian 12 cannot write 10 bits, and its HEVC encoder cannot write 12. */
static enum image_format format_of_bits(int n_bits)
{
	return n_bits == 10 ? FORMAT_HEIC : FORMAT_AVIF;
}

static VipsImage *read_heif(const struct heif_recipe *recipe, const char *words)
{
	struct blob blob = make_heif_picture(recipe);
	struct recipe to_png = recipe_of_words(words, FORMAT_PNG, ENGINE_VIPS);
	VipsImage *result = cooked(&blob, &to_png);

	blob_fini(&blob);
	return result;
}

static void expect_quarters(VipsImage *image, const struct quarters *quarters,
                            double factor, double tolerance)
{
	int n_bands = vips_image_get_bands(image);

	for (int quarter = 0; quarter < 4; quarter++) {
		double values[4];

		for (int i = 0; i < n_bands; i++)
			values[i] = quarters->colours[quarter][i] * factor;
		EXPECT(is_colour(image, middle_x(quarter), middle_y(quarter), values,
		                 tolerance * factor));
	}
}

TEST(heif, limited_range_grey_is_expanded_to_full_black_and_white)
{
	static const struct quarters greys = {{{0, 0, 0, 255},
	                                       {255, 255, 255, 255},
	                                       {64, 64, 64, 255},
	                                       {128, 0, 0, 255}}};

	for (int n_bits = 8; n_bits <= 12; n_bits += 2) {
		struct heif_recipe recipe = {format_of_bits(n_bits), 1, n_bits,
		                             .quarters = &greys};

		for (int is_limited = 0; is_limited < 2; is_limited++) {
			VipsImage *image;

			recipe.has_limited_range = is_limited;
			image = read_heif(&recipe, "depth keep");
			EXPECT_EQ(vips_image_get_bands(image), 1);
			EXPECT_EQ(vips_image_get_format(image),
			          n_bits > 8 ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
			expect_quarters(image, &greys, n_bits > 8 ? 257 : 1, 1.5);
			g_object_unref(image);
		}
	}
}

/* The HEVC encoder of Debian 12 does not write alpha of 10 bits. */
TEST(heif, white_and_opaque_samples_have_the_maximum_value_at_each_depth)
{
	for (int n_bits = 8; n_bits <= 12; n_bits += 2) {
		int n_bands = n_bits == 10 ? 3 : 4;
		struct heif_recipe recipe = {format_of_bits(n_bits), n_bands, n_bits,
		                             .quarters = &patches};
		double most = n_bits > 8 ? 65535 : 255;
		VipsImage *image = read_heif(&recipe, "depth keep");

		for (int band = 0; band < n_bands; band++)
			EXPECT_EQ(value_at(image, middle_x(1), middle_y(1), band), most);
		expect_quarters(image, &patches, most / 255, 2);
		g_object_unref(image);
	}
}

TEST(heif, premultiplied_colours_are_divided_by_alpha)
{
	static const struct quarters half = {{{128, 128, 128, 128},
	                                      {230, 120, 40, 128},
	                                      {40, 180, 90, 255},
	                                      {255, 255, 255, 64}}};

	for (size_t i = 0; i < 2; i++) {
		struct heif_recipe recipe = {formats[i], 4, 8, .is_premultiplied = true,
		                             .quarters = &half};
		VipsImage *image;

		if (!can_make_heif(formats[i]))
			continue;
		image = read_heif(&recipe, "");
		expect_quarters(image, &half, 1, 4);
		g_object_unref(image);
	}
}

/* Each case interprets the same samples by other code points. The primaries 9 are those of Rec.
 * 2020, and 12 those of Display P3. The transfer 8 is linear light, and 4 is a gamma of 2.2. The
 * member `values` has the colour after the conversion to sRGB. */
TEST(heif, colours_are_interpreted_by_the_codes_for_primaries_and_transfer)
{
	static const struct {
		unsigned primaries, transfer;
		double values[3];
	} cases[] = {
		{1, 13, {230, 120, 40}}, {2, 2, {230, 120, 40}},  {1, 1, {230, 120, 40}},
		{12, 13, {248, 112, 0}}, {12, 1, {248, 112, 0}},  {9, 13, {255, 95, 0}},
		{9, 14, {255, 95, 0}},   {1, 8, {244, 182, 111}}, {1, 4, {230, 119, 35}},
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct heif_recipe recipe = {formats[i % 2],
		                             3,
		                             8,
		                             .primaries = cases[i / 2].primaries,
		                             .transfer = cases[i / 2].transfer,
		                             .quarters = &patches};
		static const double white[] = {255, 255, 255};
		VipsImage *image;

		if (!can_make_heif(formats[i % 2]))
			continue;
		image = read_heif(&recipe, "profile srgb");
		EXPECT(is_colour(image, middle_x(2), middle_y(2), cases[i / 2].values, 3),
		       "%u/%u", recipe.primaries, recipe.transfer);
		EXPECT(is_colour(image, middle_x(1), middle_y(1), white, 1));
		EXPECT(!vips_image_get_typeof(image, VIPS_META_ICC_NAME));
		g_object_unref(image);
	}
}

TEST(heif, the_colour_codes_of_the_stream_are_used_if_there_is_no_colour_box)
{
	static const struct {
		unsigned primaries, transfer;
		double values[3];
	} cases[] = {{12, 13, {248, 112, 0}},
	             {9, 14, {255, 95, 0}},
	             {1, 8, {244, 182, 111}},
	             {2, 2, {230, 120, 40}}};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct heif_recipe recipe = {formats[i % 2],
		                             3,
		                             8,
		                             .primaries = cases[i / 2].primaries,
		                             .transfer = cases[i / 2].transfer,
		                             .has_colours_in_stream = true,
		                             .quarters = &patches};
		VipsImage *image;

		if (!can_make_heif(formats[i % 2]))
			continue;
		image = read_heif(&recipe, "profile srgb");
		EXPECT(is_colour(image, middle_x(2), middle_y(2), cases[i / 2].values, 3),
		       "%u/%u", recipe.primaries, recipe.transfer);
		g_object_unref(image);
	}
}

TEST(heif, the_range_of_grey_given_by_the_stream_is_used_if_there_is_no_colour_box)
{
	static const struct quarters greys = {{{0, 0, 0, 255},
	                                       {255, 255, 255, 255},
	                                       {64, 64, 64, 255},
	                                       {128, 0, 0, 255}}};

	for (size_t i = 0; i < 4; i++) {
		struct heif_recipe recipe = {formats[i % 2],
		                             1,
		                             8,
		                             .has_limited_range = i / 2,
		                             .primaries = 2,
		                             .transfer = 2,
		                             .has_colours_in_stream = true,
		                             .quarters = &greys};
		VipsImage *image;

		if (!can_make_heif(formats[i % 2]))
			continue;
		image = read_heif(&recipe, "");
		expect_quarters(image, &greys, 1, 1.5);
		g_object_unref(image);
	}
}

TEST(heif, hdr_in_the_stream_is_reported_lost_if_there_is_no_colour_box)
{
	static const struct quarters grey = {{{148, 148, 148, 255},
	                                      {148, 148, 148, 255},
	                                      {148, 148, 148, 255},
	                                      {148, 148, 148, 255}}};
	struct heif_recipe recipe = {FORMAT_AVIF,
	                             3,
	                             8,
	                             .primaries = 9,
	                             .transfer = 16,
	                             .has_colours_in_stream = true,
	                             .quarters = &grey};
	struct blob blob = make_heif_picture(&recipe);
	struct recipe to_png = recipe_of_words("profile srgb", FORMAT_PNG, ENGINE_VIPS);
	struct outcome outcome = run_picture(&blob, "a.avif", &to_png);

	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.out[0].lost, LOST_HDR);
	EXPECT(pixel_is_near(&outcome, middle_x(1), middle_y(1),
	                     (const uint8_t[]){250, 250, 250}));
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(heif, codes_for_primaries_and_transfer_become_a_profile_if_the_colours_are_kept)
{
	struct heif_recipe recipe = {
		FORMAT_AVIF, 3, 8, .primaries = 12, .transfer = 13, .quarters = &patches};
	VipsImage *image = read_heif(&recipe, "profile keep");

	EXPECT(vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0);
	expect_quarters(image, &patches, 1, 3);
	g_object_unref(image);
}

/* White paper is at 58 % of the PQ range and 75 % of the HLG range. A picture without brighter
 * parts keeps its brightness. */
TEST(heif, an_hdr_heif_is_converted_to_sdr_and_the_loss_is_reported)
{
	static const struct {
		unsigned transfer;
		uint8_t white;
	} cases[] = {{16, 148}, {18, 191}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t w = cases[i].white;
		const struct quarters quarters = {
			{{0, 0, 0, 255}, {w, w, w, 255}, {w, w, w, 255}, {w, w, w, 255}}};
		struct heif_recipe recipe = {FORMAT_HEIC,
		                             3,
		                             10,
		                             .primaries = 9,
		                             .transfer = cases[i].transfer,
		                             .quarters = &quarters};
		struct blob blob = make_heif_picture(&recipe);
		struct recipe to_png = recipe_of_words("profile srgb", FORMAT_PNG,
		                                       ENGINE_VIPS);
		struct outcome outcome = run_picture(&blob, "a.avif", &to_png);

		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT_EQ(outcome.answer.out[0].lost, LOST_HDR);
		EXPECT(pixel_is_near(&outcome, middle_x(1), middle_y(1),
		                     (const uint8_t[]){250, 250, 250}));
		EXPECT(pixel_is_near(&outcome, middle_x(0), middle_y(0),
		                     (const uint8_t[]){0, 0, 0}));
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

/* places[o][i] is the quarter of `rgbw` that is shown at position i after the orientation o was
 * applied. */
static const int places[9][4] = {
	[1] = {0, 1, 2, 3}, [2] = {1, 0, 3, 2}, [3] = {3, 2, 1, 0}, [4] = {2, 3, 0, 1},
	[5] = {0, 2, 1, 3}, [6] = {2, 0, 3, 1}, [7] = {3, 1, 2, 0}, [8] = {1, 3, 0, 2}};

static struct quarters turned(unsigned orientation)
{
	struct quarters quarters;

	for (int i = 0; i < 4; i++)
		memcpy(quarters.colours[i], rgbw.colours[places[orientation][i]], 4);
	return quarters;
}

TEST(heif, rotation_boxes_are_applied_even_with_the_option_no_rotate)
{
	for (unsigned orientation = 1; orientation <= 8; orientation++) {
		struct heif_recipe recipe = {
			FORMAT_AVIF, 3, 8, .orientation = orientation, .quarters = &rgbw};
		struct quarters upright = turned(orientation);
		struct blob blob = make_heif_picture(&recipe);

		for (int no_rotate = 0; no_rotate < 2; no_rotate++) {
			struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
			struct outcome outcome;

			to_png.no_rotate = no_rotate;
			outcome = run_picture(&blob, "a.avif", &to_png);
			REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
			EXPECT_EQ(outcome.width,
			          orientation > 4 ? HEIF_HEIGHT : HEIF_WIDTH);
			EXPECT(shows_quarters(&outcome, &upright), "orientation %u",
			       orientation);
			outcome_fini(&outcome);
		}
		blob_fini(&blob);
	}
}

/* Find the list of the properties of an item in the box "ipma". The result points to the number of
 * properties. The indexes of the properties follow the number. */
static uint8_t *associations_of(const struct blob *blob, unsigned item)
{
	uint8_t *at = memmem(blob->bytes, blob->n, "ipma", 4);
	unsigned n_items;

	REQUIRE(at != NULL && at[7] == 0, "no short associations");
	n_items = at[11];
	at += 12;
	for (; n_items > 0; n_items--) {
		if ((unsigned)(at[0] << 8 | at[1]) == item)
			return at + 2;
		at += 3 + at[2];
	}
	return NULL;
}

/* Find the index of the first property of a type among the boxes of "ipco". */
static unsigned property_index(const struct blob *blob, const char *type)
{
	const uint8_t *at = memmem(blob->bytes, blob->n, "ipco", 4);

	REQUIRE(at != NULL);
	at += 4;
	for (unsigned i = 1; at + 8 < blob->bytes + blob->n; i++) {
		if (memcmp(at + 4, type, 4) == 0)
			return i;
		at += (size_t)at[2] << 8 | at[3];
	}
	return 0;
}

static int find_association(const uint8_t *list, unsigned index)
{
	for (int i = 1; i <= list[0]; i++) {
		if ((list[i] & 0x7f) == index)
			return i;
	}
	return 0;
}

/* Some writers associate irot (the rotation) with the colours only, and not with alpha. */
TEST(heif, alpha_is_rotated_even_if_only_the_colours_have_a_rotation_box)
{
	static const struct quarters corner = {{{255, 0, 0, 0},
	                                        {0, 255, 0, 255},
	                                        {0, 0, 255, 255},
	                                        {255, 255, 255, 255}}};
	struct heif_recipe recipe = {FORMAT_AVIF, 4, 8, .orientation = 6,
	                             .quarters = &corner};
	struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	struct blob blob = make_heif_picture(&recipe);
	unsigned irot = property_index(&blob, "irot");
	uint8_t *list = associations_of(&blob, 2);
	struct outcome outcome;

	REQUIRE(list != NULL && irot > 0);
	for (int i = find_association(list, irot); i > 0;
	     i = find_association(list, irot))
		list[i] = list[1];
	outcome = run_picture(&blob, "a.avif", &to_png);
	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.n_bands, 4);
	/* The rotation moves the transparent quarter from the top left to the top right. */
	for (int quarter = 0; quarter < 4; quarter++) {
		int x = outcome.width / 4 + quarter % 2 * (outcome.width / 2);
		int y = outcome.height / 4 + quarter / 2 * (outcome.height / 2);
		const uint8_t *pixel = outcome.pixels +
		                       4 * ((size_t)y * (size_t)outcome.width +
		                            (size_t)x);

		EXPECT_EQ(pixel[3], quarter == 1 ? 0 : 255);
	}
	outcome_fini(&outcome);
	blob_fini(&blob);
}

/* The encoder cavif associates irot (the rotation) before ispe (the size). */
TEST(heif, a_rotation_box_may_be_associated_before_the_size_box)
{
	struct heif_recipe recipe = {FORMAT_AVIF, 3, 8, .orientation = 8,
	                             .quarters = &rgbw};
	struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	struct quarters upright = turned(8);
	struct blob blob = make_heif_picture(&recipe);
	uint8_t *list = associations_of(&blob, 1), kept;
	struct outcome outcome;
	int irot, ispe;

	REQUIRE(list != NULL);
	irot = find_association(list, property_index(&blob, "irot"));
	ispe = find_association(list, property_index(&blob, "ispe"));
	REQUIRE(irot > 0 && ispe > 0);
	if (ispe < irot) {
		kept = list[irot];
		list[irot] = list[ispe];
		list[ispe] = kept;
	}
	outcome = run_picture(&blob, "a.avif", &to_png);
	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT(shows_quarters(&outcome, &upright));
	outcome_fini(&outcome);
	blob_fini(&blob);
}

/* Add n bytes to the length that a box states. */
static void grow_box(struct blob *blob, const char *type, unsigned n)
{
	uint8_t *at = memmem(blob->bytes, blob->n, type, 4);

	REQUIRE(at != NULL && at[-4] == 0 && at[-3] == 0);
	put_big_endian(at - 4, ((unsigned)at[-2] << 8 | at[-1]) + n, 4);
}

/* The bytes of the picture move by n bytes, so add n to their offset in the box "iloc". */
static void move_item(struct blob *blob, unsigned n)
{
	const uint8_t *data = memmem(blob->bytes, blob->n, "mdat", 4);
	uint8_t *iloc = memmem(blob->bytes, blob->n, "iloc", 4), offset[4], *found;

	REQUIRE(iloc != NULL && data != NULL && data > iloc);
	put_big_endian(offset, (unsigned)(data + 4 - blob->bytes), 4);
	found = memmem(iloc, (size_t)(data - iloc), offset, 4);
	REQUIRE(found != NULL);
	put_big_endian(found, (unsigned)(data + 4 - blob->bytes) + n, 4);
}

/* Add a box "clap", which crops the picture to its top right quarter. Put it into the list of the
 * picture's properties before the property of this type. If type is NULL, put it at the end. */
static void add_crop(struct blob *blob, const char *type)
{
	/* The size is 32 x 24. The centre is 16 pixels to the right and 12 pixels up. */
	static const uint8_t crop[] = {0, 0,  0,   40,  'c', 'l', 'a', 'p', 0, 0,
	                               0, 32, 0,   0,   0,   1,   0,   0,   0, 24,
	                               0, 0,  0,   1,   0,   0,   0,   16,  0, 0,
	                               0, 1,  255, 255, 255, 244, 0,   0,   0, 1};
	uint8_t *ipma, *list, index;
	int place;

	move_item(blob, sizeof(crop) + 1);
	grow_box(blob, "meta", sizeof(crop) + 1);
	grow_box(blob, "iprp", sizeof(crop) + 1);
	grow_box(blob, "ipco", sizeof(crop));
	grow_box(blob, "ipma", 1);
	ipma = memmem(blob->bytes, blob->n, "ipma", 4);
	blob_insert(blob, (size_t)(ipma - 4 - blob->bytes), crop, sizeof(crop));
	list = associations_of(blob, 1);
	REQUIRE(list != NULL);
	place = type ? find_association(list, property_index(blob, type)) : list[0] + 1;
	REQUIRE(place > 0);
	list[0]++;
	index = (uint8_t)property_index(blob, "clap") | 0x80;
	blob_insert(blob, (size_t)(list + place - blob->bytes), &index, 1);
}

TEST(heif, a_crop_box_cuts_the_picture_before_rotation_and_mirroring)
{
	static const struct {
		unsigned orientation;
		const char *type; /* the box that turns the picture */
	} turns[] = {{1, NULL}, {2, "imir"}, {6, "irot"}};

	for (size_t i = 0; i < 3; i++) {
		struct heif_recipe recipe = {FORMAT_AVIF, 3, 8,
		                             .orientation = turns[i].orientation,
		                             .quarters = &rgbw};
		struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
		struct blob blob = make_heif_picture(&recipe);
		bool is_rotated = turns[i].orientation > 4;
		struct outcome outcome;

		add_crop(&blob, turns[i].type);
		outcome = run_picture(&blob, "a.avif", &to_png);
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT_EQ(outcome.width, (is_rotated ? HEIF_HEIGHT : HEIF_WIDTH) / 2);
		EXPECT_EQ(outcome.height, (is_rotated ? HEIF_WIDTH : HEIF_HEIGHT) / 2);
		for (int corner = 0; corner < 4; corner++)
			EXPECT(pixel_is_near(&outcome, corner % 2 * (outcome.width - 1),
			                     corner / 2 * (outcome.height - 1),
			                     rgbw.colours[1]),
			       "turn %zu, corner %d", i, corner);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(heif, a_crop_box_after_a_rotation_or_a_mirroring_is_unsupported)
{
	static const unsigned orientations[] = {2, 6};

	for (size_t i = 0; i < 2; i++) {
		struct heif_recipe recipe = {FORMAT_AVIF, 3, 8,
		                             .orientation = orientations[i],
		                             .quarters = &rgbw};
		struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
		struct blob blob = make_heif_picture(&recipe);
		struct outcome outcome;

		add_crop(&blob, NULL);
		outcome = run_picture(&blob, "a.avif", &to_png);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT_STR(
			outcome.answer.failure.text,
			"header: a crop after a rotation or a mirroring is not supported");
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

/* Exchange width and height in the size boxes. */
static void exchange_sides(struct blob *blob)
{
	const uint8_t *end = blob->bytes + blob->n;
	uint8_t *ispe = blob->bytes;

	while ((ispe = memmem(ispe, (size_t)(end - ispe), "ispe", 4))) {
		put_big_endian(ispe + 8, HEIF_HEIGHT, 4);
		put_big_endian(ispe + 12, HEIF_WIDTH, 4);
		ispe += 4;
	}
}

/* libheif 1.15 writes the size after the rotation into ispe. */
TEST(heif, a_size_box_may_hold_the_size_after_the_rotation)
{
	for (unsigned i = 0; i < 2 * 8; i++) {
		unsigned orientation = i / 2 + 1;
		struct heif_recipe recipe = {formats[i % 2], 3, 8,
		                             .orientation = orientation,
		                             .quarters = &rgbw};
		struct quarters upright = turned(orientation);
		struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
		struct outcome outcome;
		struct blob blob;

		if (orientation < 5 || !can_make_heif(formats[i % 2]))
			continue;
		blob = make_heif_picture(&recipe);
		exchange_sides(&blob);
		outcome = run_picture(&blob, "a.avif", &to_png);
		REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
		EXPECT_EQ(outcome.width, HEIF_HEIGHT);
		EXPECT(shows_quarters(&outcome, &upright), "orientation %u", orientation);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

/* The size box has width and height exchanged, but no box rotates the picture. */
TEST(heif, a_size_box_that_contradicts_the_stream_is_a_bad_image)
{
	struct heif_recipe recipe = {FORMAT_AVIF, 3, 8, .quarters = &rgbw};
	struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	struct blob blob = make_heif_picture(&recipe);
	struct outcome outcome;

	exchange_sides(&blob);
	outcome = run_picture(&blob, "a.avif", &to_png);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_BAD_IMAGE);
	outcome_fini(&outcome);
	blob_fini(&blob);
}

/* Make a box that consists only of its header, of a type such as "moov". */
static void append_empty_box(struct blob *blob, const char *type)
{
	const uint8_t length[4] = {0, 0, 0, 8};

	blob_append(blob, length, 4);
	blob_append(blob, type, 4);
}

TEST(heif, the_still_picture_of_a_sequence_is_read_and_the_animation_is_reported_lost)
{
	struct heif_recipe recipe = {FORMAT_AVIF, 3, 8, .quarters = &rgbw};
	struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	struct blob blob = make_heif_picture(&recipe);
	struct outcome outcome;

	memcpy(blob.bytes + 8, "avis", 4);
	append_empty_box(&blob, "moov");
	outcome = run_picture(&blob, "a.avif", &to_png);
	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT(shows_quarters(&outcome, &rgbw));
	EXPECT_EQ(outcome.answer.out[0].lost, LOST_ANIMATION);
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(heif, the_video_of_a_motion_photo_is_reported_lost)
{
	struct heif_recipe recipe = {FORMAT_HEIC, 3, 8, .quarters = &rgbw};
	struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	struct blob blob = make_heif_picture(&recipe);
	struct outcome outcome;

	append_empty_box(&blob, "mpvd");
	outcome = run_picture(&blob, "a.heic", &to_png);
	REQUIRE(outcome.is_done, "%s", outcome.answer.failure.text);
	EXPECT_EQ(outcome.answer.out[0].lost, LOST_VIDEO);
	outcome_fini(&outcome);
	blob_fini(&blob);
}

TEST(heif, a_sequence_without_a_still_picture_is_unsupported)
{
	static const char *const brands[] = {"avis", "hevc", "msf1"};

	for (size_t i = 0; i < sizeof(brands) / sizeof(brands[0]); i++) {
		struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_AUTO);
		struct outcome outcome;
		struct blob blob = {0};

		append_empty_box(&blob, "ftyp");
		blob.bytes[3] = 16;
		blob_append(&blob, brands[i], 4);
		blob_append(&blob, "\0\0\0", 4);
		append_empty_box(&blob, "moov");
		append_empty_box(&blob, "mdat");
		outcome = run_picture(&blob, "a.heics", &to_png);
		EXPECT_EQ(outcome.answer.failure.class, FAIL_UNSUPPORTED);
		EXPECT(strstr(outcome.answer.failure.text, "sequence") != NULL, "%s",
		       outcome.answer.failure.text);
		outcome_fini(&outcome);
		blob_fini(&blob);
	}
}

TEST(heif, a_truncated_heif_is_a_bad_image_with_the_reason_of_libheif)
{
	struct heif_recipe recipe = {FORMAT_AVIF, 3, 8, .quarters = &rgbw};
	struct recipe to_png = recipe_for(FORMAT_PNG, ENGINE_VIPS);
	struct blob blob = make_heif_picture(&recipe);
	struct outcome outcome;

	blob.n -= 20;
	outcome = run_picture(&blob, "a.avif", &to_png);
	EXPECT(!outcome.is_done);
	EXPECT_EQ(outcome.answer.failure.class, FAIL_BAD_IMAGE);
	EXPECT(strstr(outcome.answer.failure.text, "libheif") != NULL, "%s",
	       outcome.answer.failure.text);
	outcome_fini(&outcome);
	blob_fini(&blob);
}
