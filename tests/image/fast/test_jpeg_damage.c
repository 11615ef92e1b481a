/*
 * Tests that the scaled JPEG decoder refuses unsupported kinds of files, truncated files, and
 * damage in data that it reads. Damage in scans that it skips is accepted.
 */
#include "support/test.h"

#include "jpeg_fixture.h"

#include <stdlib.h>
#include <string.h>

enum {
	SOF0 = 0xc0,
	SOF2 = 0xc2,
	DHT = 0xc4,
	RST0 = 0xd0,
	EOI = 0xd9,
	SOS = 0xda,
	DQT = 0xdb,
	DNL = 0xdc,
	COM = 0xfe,
};

static const struct jpeg_settings plain = {.width = 70,
                                           .height = 50,
                                           .drawing = DRAWING_BUSY,
                                           .h = {2},
                                           .v = {2},
                                           .quality = 75};

static struct bytes encode_with(enum script script, unsigned restart)
{
	struct jpeg_settings settings = plain;

	settings.script = script;
	settings.restart = restart;
	return jpeg_encode(&settings);
}

/* The offset of the nth marker of this kind; n counts from 0. */
static size_t find_marker(struct bytes file, unsigned marker, unsigned nth)
{
	for (size_t i = 0; i + 1 < file.n; i++) {
		if (file.at[i] == 0xff && file.at[i + 1] == marker && nth-- == 0)
			return i;
	}
	REQUIRE(false, "no marker %x", marker);
	return 0;
}

/* Insert bytes at an offset. */
static struct bytes with(struct bytes file, size_t at, const void *bytes, size_t n)
{
	struct bytes longer = {malloc(file.n + n), file.n + n};

	REQUIRE(longer.at != NULL && at <= file.n);
	memcpy(longer.at, file.at, at);
	memcpy(longer.at + at, bytes, n);
	memcpy(longer.at + at + n, file.at + at, file.n - at);
	free(file.at);
	return longer;
}

static enum read_status status_at(struct bytes file, enum jpg_scale scale,
                                  bool everything)
{
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(scale);
	struct jpg_picture picture;
	enum read_status status;

	request.reads_everything = everything;
	status = decode(decoder, file, &request, &picture);
	EXPECT(status == READ_OK || jpeg_reader.reason(decoder)[0] != '\0');
	jpeg_reader.destroy(decoder);
	return status;
}

static enum read_status status_of_header(struct bytes file)
{
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_header header;
	enum read_status status = jpg_decoder_open(decoder, file.at, file.n, &header);

	jpeg_reader.destroy(decoder);
	return status;
}

/* Check that decoding ends with this status at every scale. */
static void expect_status(struct bytes file, enum read_status status)
{
	for (enum jpg_scale scale = 0; scale < N_JPG_SCALES; scale++)
		EXPECT_EQ(status_at(file, scale, false), status);
	free(file.at);
}

/* Check that the file is refused before anything is decoded. */
static void expect_refused(struct bytes file, enum read_status status)
{
	EXPECT_EQ(status_of_header(file), status);
	expect_status(file, status);
}

/* Check that the file is decoded. Its header must say that the planes are not luma and chroma if,
 * and only if, `are_other` is true. */
static void expect_colours(struct bytes file, bool are_other)
{
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_header header;

	EXPECT_EQ(jpg_decoder_open(decoder, file.at, file.n, &header), READ_OK);
	EXPECT_EQ(header.has_other_colours, are_other);
	jpeg_reader.destroy(decoder);
	expect_status(file, READ_OK);
}

TEST(jpeg_kinds, rgb_cmyk_and_ycck_files_are_decoded_and_reported_as_not_ycbcr)
{
	struct jpeg_settings settings = plain;

	expect_colours(jpeg_encode(&settings), false);
	settings.is_rgb = true;
	expect_colours(jpeg_encode(&settings), true);
	settings = plain;
	settings.is_cmyk = true;
	expect_colours(jpeg_encode(&settings), true);
	settings.is_cmyk = false;
	settings.is_ycck = true;
	expect_colours(jpeg_encode(&settings), true);
}

TEST(jpeg_kinds, components_named_R_G_B_in_a_file_without_JFIF_are_rgb)
{
	struct jpeg_settings settings = plain;
	struct bytes file;
	size_t adobe;

	settings.is_rgb = true;
	file = jpeg_encode(&settings);
	adobe = find_marker(file, 0xee, 0);
	file.at[adobe + 1] = COM;
	expect_colours(file, true);

	/* If a component is not named R, G or B, the components are YCbCr. */
	file = jpeg_encode(&settings);
	file.at[find_marker(file, 0xee, 0) + 1] = COM;
	file.at[find_marker(file, SOF0, 0) + 10] = 'x';
	file.at[find_marker(file, SOS, 0) + 5] = 'x';
	expect_colours(file, false);

	/* Components are also YCbCr if an Adobe segment says so, whatever their names. */
	file = jpeg_encode(&settings);
	file.at[find_marker(file, 0xee, 0) + 4 + 11] = 1;
	expect_colours(file, false);
}

TEST(jpeg_kinds, arithmetic_coding_is_refused_after_the_header)
{
	struct jpeg_settings settings = plain;
	struct bytes file;

	settings.is_arithmetic = true;
	file = jpeg_encode(&settings);
	expect_refused(file, READ_CANNOT);
}

TEST(jpeg_kinds, unsupported_frame_types_are_refused_after_the_header)
{
	static const uint8_t markers[] = {0xc3, 0xc5, 0xc6, 0xc7, 0xc9,
	                                  0xca, 0xcb, 0xcd, 0xce, 0xcf};

	for (size_t i = 0; i < sizeof(markers); i++) {
		struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);

		file.at[find_marker(file, SOF0, 0) + 1] = markers[i];
		expect_refused(file, READ_CANNOT);
	}
}

TEST(jpeg_kinds, a_sample_depth_of_12_and_heights_set_after_the_first_scan_are_refused)
{
	static const uint8_t dnl[] = {0xff, DNL, 0, 4, 0, 50};
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);
	size_t frame = find_marker(file, SOF0, 0);

	file.at[frame + 4] = 12;
	expect_refused(file, READ_CANNOT);

	file = encode_with(SCRIPT_SEQUENTIAL, 0);
	file.at[frame + 5] = file.at[frame + 6] = 0;
	expect_refused(file, READ_CANNOT);

	file = encode_with(SCRIPT_SEQUENTIAL, 0);
	file = with(file, file.n - 2, dnl, sizeof(dnl));
	expect_refused(file, READ_CANNOT);
}

TEST(jpeg_kinds, extended_sequential_files_are_read)
{
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);

	file.at[find_marker(file, SOF0, 0) + 1] = 0xc1;
	expect_status(file, READ_OK);
}

TEST(jpeg_kinds, a_file_of_200_scans_is_read_and_a_file_of_201_scans_is_refused)
{
	struct jpeg_settings settings = plain;

	settings.script = SCRIPT_LONG;
	settings.n_scans = 200;
	expect_status(jpeg_encode(&settings), READ_OK);
	settings.n_scans = 201;
	expect_refused(jpeg_encode(&settings), READ_CANNOT);
}

TEST(jpeg_kinds, the_reason_says_that_a_component_of_a_sequential_file_has_two_scans)
{
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);
	size_t scan = find_marker(file, SOS, 0), n = file.n - 2 - scan;
	uint8_t *copy = malloc(n);
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_header header;

	REQUIRE(copy != NULL);
	memcpy(copy, file.at + scan, n);
	file = with(file, file.n - 2, copy, n);
	free(copy);
	EXPECT_EQ(jpg_decoder_open(decoder, file.at, file.n, &header), READ_DAMAGED);
	EXPECT_STR(jpeg_reader.reason(decoder), "a component has two scans");
	jpeg_reader.destroy(decoder);
	free(file.at);
}

/* Check that every truncation of the file is noticed. The exception is the end marker: if only this
 * marker or a half of it is missing, the picture is complete. */
static void expect_every_cut_noticed(struct bytes file)
{
	for (size_t n = 0; n < file.n - 2; n++) {
		struct bytes cut = {file.at, n};

		for (enum jpg_scale scale = 0; scale < N_JPG_SCALES; scale++) {
			enum read_status status = status_at(cut, scale, false);

			EXPECT(status == READ_TRUNCATED ||
			               (n < 2 && status == READ_CANNOT),
			       "status %d after %zu of %zu bytes", (int)status, n,
			       file.n);
		}
	}
	for (size_t n = file.n - 2; n < file.n; n++) {
		struct bytes cut = {file.at, n};

		EXPECT_EQ(status_at(cut, JPG_EIGHTH, false), READ_OK);
		EXPECT_EQ(status_at(cut, JPG_EIGHTH, true), READ_OK);
	}
	free(file.at);
}

static struct bytes encode_small(enum script script, unsigned restart)
{
	struct jpeg_settings settings = {.width = 24,
	                                 .height = 20,
	                                 .drawing = DRAWING_BUSY,
	                                 .h = {2},
	                                 .quality = 60,
	                                 .restart = restart,
	                                 .script = script};

	return jpeg_encode(&settings);
}

TEST(jpeg_damage, a_truncated_sequential_file_is_detected)
{
	expect_every_cut_noticed(encode_small(SCRIPT_SEQUENTIAL, 0));
	expect_every_cut_noticed(encode_small(SCRIPT_SEQUENTIAL, 1));
	expect_every_cut_noticed(encode_small(SCRIPT_ONE_EACH, 0));
}

TEST(jpeg_damage, a_truncated_progressive_file_is_detected)
{
	expect_every_cut_noticed(encode_small(SCRIPT_USUAL, 0));
	expect_every_cut_noticed(encode_small(SCRIPT_USUAL, 2));
}

TEST(jpeg_damage, no_scan_is_skipped_in_a_file_without_an_end_marker)
{
	struct bytes file = encode_with(SCRIPT_USUAL, 0), cut = {file.at, file.n - 2};
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_EIGHTH);
	struct jpg_picture picture = decode_whole(decoder, file, &request);
	struct bytes want = samples_of(&picture), got;

	EXPECT(picture.n_scans_skipped > 0);
	picture = decode_whole(decoder, cut, &request);
	EXPECT_EQ(picture.n_scans_skipped, 0);
	got = samples_of(&picture);
	EXPECT(are_same(got, want));
	free(want.at);
	free(got.at);
	free(file.at);
	jpeg_reader.destroy(decoder);
}

/* A truncated file with an end marker appended: the decoder still runs out of data. */
TEST(jpeg_damage, a_truncated_scan_is_detected)
{
	static const uint8_t end[] = {0xff, EOI};
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);
	size_t scan = find_marker(file, SOS, 0) + 14;

	for (size_t n = scan; n < file.n - 3; n += 7) {
		struct bytes cut = {malloc(n), n};

		REQUIRE(cut.at != NULL);
		memcpy(cut.at, file.at, n);
		expect_status(with(cut, n, end, sizeof(end)), READ_DAMAGED);
	}
	free(file.at);
}

/* Overwrite the first bytes of the entropy-coded data of a scan with bits of value 1. No Huffman
 * table contains such a code. The number `nth` of the scan counts from 0. */
static void spoil_scan(struct bytes file, unsigned nth)
{
	size_t at = find_marker(file, SOS, nth);

	at += 2 + file.at[at + 3];
	for (unsigned i = 0; i < 8; i += 2) {
		file.at[at + i] = 0xff;
		file.at[at + i + 1] = 0;
	}
}

TEST(jpeg_damage, damage_in_a_skipped_scan_is_detected_only_if_all_scans_are_read)
{
	struct bytes file = encode_with(SCRIPT_USUAL, 0);

	/* This scan has the AC coefficients of Cb without their lowest bits. */
	spoil_scan(file, 3);
	EXPECT_EQ(status_at(file, JPG_EIGHTH, false), READ_OK);
	EXPECT_EQ(status_at(file, JPG_EIGHTH, true), READ_DAMAGED);
	EXPECT_EQ(status_at(file, JPG_FULL, false), READ_DAMAGED);
	free(file.at);
}

TEST(jpeg_damage, damage_in_a_decoded_scan_is_an_error)
{
	struct bytes file = encode_with(SCRIPT_USUAL, 0);

	spoil_scan(file, 0);
	expect_status(file, READ_DAMAGED);
	file = encode_with(SCRIPT_SEQUENTIAL, 0);
	spoil_scan(file, 0);
	expect_status(file, READ_DAMAGED);
}

TEST(jpeg_damage, bytes_after_the_last_block_of_a_scan_are_an_error)
{
	static const uint8_t zeros[3] = {0};
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);

	expect_status(with(file, file.n - 2, zeros, sizeof(zeros)), READ_DAMAGED);
}

TEST(jpeg_damage, missing_or_misordered_restart_markers_are_an_error)
{
	static const uint8_t one_more[] = {0xff, RST0 + 1};
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 2);
	size_t second = find_marker(file, RST0 + 1, 0);

	EXPECT_EQ(status_at(file, JPG_FULL, false), READ_OK);
	file.at[second + 1] = RST0 + 3;
	expect_status(file, READ_DAMAGED);

	file = encode_with(SCRIPT_SEQUENTIAL, 2);
	expect_status(with(file, second, one_more, 2), READ_DAMAGED);

	file = encode_with(SCRIPT_SEQUENTIAL, 2);
	memmove(file.at + second, file.at + second + 2, file.n - second - 2);
	file.n -= 2;
	expect_status(file, READ_DAMAGED);
}

TEST(jpeg_damage, fill_bytes_before_markers_are_accepted)
{
	static const uint8_t fill[] = {0xff, 0xff, 0xff};
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 2);

	file = with(file, file.n - 2, fill, sizeof(fill));
	file = with(file, find_marker(file, RST0 + 1, 0), fill, sizeof(fill));
	file = with(file, find_marker(file, SOS, 0), fill, sizeof(fill));
	file = with(file, find_marker(file, DQT, 0), fill, sizeof(fill));
	EXPECT_EQ(status_at(file, JPG_FULL, true), READ_OK);
	expect_status(file, READ_OK);
}

TEST(jpeg_damage, stray_bytes_between_segments_are_accepted_by_the_decoder)
{
	static const uint8_t stray[] = {1, 2, 3};
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);

	file = with(file, find_marker(file, DQT, 0), stray, sizeof(stray));
	EXPECT_EQ(status_at(file, JPG_FULL, true), READ_OK);
	expect_status(file, READ_OK);
}

TEST(jpeg_damage, bytes_after_the_end_marker_are_ignored)
{
	static const uint8_t more[] = {0xff, 0xd8, 0xff, 0xc0, 0, 99, 5};
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);

	file = with(file, file.n, more, sizeof(more));
	EXPECT_EQ(status_at(file, JPG_FULL, true), READ_OK);
	expect_status(file, READ_OK);
}

/* Changing any byte of the headers to several values must give a status and no crash. */
TEST(jpeg_damage, no_changed_header_byte_makes_the_decoder_crash)
{
	static const uint8_t values[] = {0, 1, 7, 0x11, 0x3f, 0x7f, 0x80, 0xff};
	struct bytes file = encode_small(SCRIPT_USUAL, 3);
	size_t n_headers = find_marker(file, SOS, 1) + 10;

	for (size_t i = 2; i < n_headers; i++) {
		uint8_t was = file.at[i];

		for (size_t j = 0; j < sizeof(values); j++) {
			file.at[i] = values[j];
			status_at(file, (enum jpg_scale)(j % N_JPG_SCALES), j % 2);
		}
		file.at[i] = was;
	}
	free(file.at);
}

static void expect_frame_refused(size_t offset, uint8_t value)
{
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);

	file.at[find_marker(file, SOF0, 0) + offset] = value;
	expect_status(file, READ_DAMAGED);
}

TEST(jpeg_damage, a_frame_that_contradicts_itself_is_refused)
{
	/* The frame header is too short for its components. */
	expect_frame_refused(3, 16);
	expect_frame_refused(11, 0);    /* a sampling factor of 0 */
	expect_frame_refused(11, 0x51); /* a sampling factor of 5 */
	expect_frame_refused(12, 4);    /* quantization table 4; only 0 to 3 exist */
	expect_frame_refused(13, 1);    /* the same component twice */
}

static void expect_scan_refused(size_t offset, uint8_t value)
{
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);

	file.at[find_marker(file, SOS, 0) + offset] = value;
	expect_status(file, READ_DAMAGED);
}

TEST(jpeg_damage, a_scan_that_contradicts_its_frame_is_refused)
{
	expect_scan_refused(4, 0);    /* no component */
	expect_scan_refused(5, 9);    /* a component that the frame does not have */
	expect_scan_refused(7, 1);    /* the same component twice */
	expect_scan_refused(6, 0x40); /* DC Huffman table 4; only 0 to 3 exist */
	expect_scan_refused(6, 0x22); /* a Huffman table that is not defined */
	/* a sequential scan that lacks some coefficients */
	expect_scan_refused(12, 5);
	/* a sequential scan that lacks some bits of its coefficients */
	expect_scan_refused(13, 0x01);
}

TEST(jpeg_damage, progressive_scans_out_of_order_are_refused)
{
	/* The scans of libjpeg's default script are: DC; luma 1-5; Cr; Cb; luma 6-63; ... */
	static const struct {
		unsigned scan;
		size_t offset;
		uint8_t value;
	} cases[] = {
		{1, 7, 0},    /* an AC scan that includes DC */
		{1, 8, 64},   /* a band that goes beyond the 64 coefficients of a block */
		{1, 9, 0x20}, /* a scan that refines two bits at once */
		{1, 9, 0x0e}, /* a bit position that no coefficient has */
		{4, 7, 5},    /* coefficient 5 is sent for the second time */
		{0, 12, 1},   /* a DC scan that includes AC coefficients */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes file = encode_with(SCRIPT_USUAL, 0);

		file.at[find_marker(file, SOS, cases[i].scan) + cases[i].offset] =
			cases[i].value;
		expect_status(file, READ_DAMAGED);
	}
}

TEST(jpeg_damage, impossible_tables_are_refused)
{
	struct bytes file = encode_with(SCRIPT_SEQUENTIAL, 0);
	size_t table = find_marker(file, DHT, 0);

	file.at[table + 5] = 3; /* a Huffman table with three codes of one bit */
	file.at[table + 7] -= 3;
	expect_status(file, READ_DAMAGED);

	file = encode_with(SCRIPT_SEQUENTIAL, 0);
	file.at[table + 4] = 0x20; /* a table class that does not exist */
	expect_status(file, READ_DAMAGED);

	file = encode_with(SCRIPT_SEQUENTIAL, 0);
	file.at[table + 21] = 16; /* a DC difference of 16 bits */
	expect_status(file, READ_DAMAGED);

	file = encode_with(SCRIPT_SEQUENTIAL, 0);
	file.at[find_marker(file, DQT, 0) + 5] = 0; /* a quantization step of 0 */
	expect_status(file, READ_DAMAGED);
}

/* Quantization tables may change between scans. A component keeps the table of its first scan. */
TEST(jpeg_damage, a_table_that_is_redefined_between_scans_does_not_apply_to_earlier_scans)
{
	struct bytes file = encode_with(SCRIPT_ONE_EACH, 0), want;
	struct jpg_decoder *decoder = decoder_new();
	struct jpg_request request = request_of(JPG_FULL);
	struct jpg_picture picture = decode_whole(decoder, file, &request);
	uint8_t other[69] = {0xff, DQT, 0, 67, 0};
	struct bytes got;

	want = samples_of(&picture);
	memset(other + 5, 99, 64);
	/* Change table 0 before the second scan. Only luma uses table 0, and the first scan is that
	 * of luma. */
	file = with(file, find_marker(file, SOS, 1), other, sizeof(other));
	picture = decode_whole(decoder, file, &request);
	got = samples_of(&picture);
	EXPECT(are_same(got, want));
	free(want.at);
	free(got.at);
	free(file.at);
	jpeg_reader.destroy(decoder);
}

/* Whether the decoder accepts the header of a damaged file, and the picture is small enough for
 * this test. */
static bool is_small(struct jpg_decoder *decoder, struct bytes file)
{
	struct jpg_header header;

	return jpg_decoder_open(decoder, file.at, file.n, &header) == READ_OK &&
	       header.width * header.height < 1000000;
}

/* Decode the file with our decoder and with libjpeg. If both accept the file without complaint, and
 * no coefficient is too large, compare the pictures. Returns whether they were compared. */
static bool compare(struct jpg_decoder *decoder, struct bytes file)
{
	struct jpg_request request = request_of(JPG_FULL);
	struct jpg_picture picture = {0};
	enum read_status status = decode(decoder, file, &request, &picture);
	struct reference reference = reference_decode(file, 1);
	bool are_both_clean = status == READ_OK && reference.is_clean &&
	                      largest_coefficient(file) < 8192;

	if (are_both_clean) {
		REQUIRE(reference.n_planes == picture.n_planes);
		for (unsigned i = 0; i < picture.n_planes; i++)
			EXPECT_EQ(
				plane_difference(&picture.plane[i], &reference.plane[i]),
				0);
	}
	reference_free(&reference);
	return are_both_clean;
}

/* Random bits are changed in complete files. If neither decoder finds damage, both must give the
 * same picture. */
TEST(jpeg_damage, damaged_files_accepted_by_both_decoders_decode_to_the_same_picture)
{
	struct jpg_decoder *decoder = decoder_new();
	uint64_t state = 5;
	unsigned n_compared = 0;

	for (unsigned i = 0; i < 6000; i++) {
		struct bytes file = encode_small((enum script)(i % 4),
		                                 i % 3 == 0 ? 2 : 0);

		for (unsigned j = 0; j < 1 + i % 3; j++)
			file.at[random_below(&state, (unsigned)file.n)] ^=
				(uint8_t)(1u << random_below(&state, 8));
		if (is_small(decoder, file))
			n_compared += compare(decoder, file);
		free(file.at);
	}
	EXPECT(n_compared > 500);
	jpeg_reader.destroy(decoder);
}
