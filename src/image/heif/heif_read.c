/*
 * The reader of HEIC and AVIF, based on libheif.
 *
 * libheif decodes each item (the colours, and alpha if the picture has it) as it is stored. The
 * code in this file applies the properties of items, because libheif 1.15 applies some of them
 * wrongly: it rotates the colours but not their alpha, scales samples of 10 and 12 bits by
 * shifting, does not expand the limited range of grey, and leaves colours multiplied by alpha.
 */
#include "image/hdr.h"
#include "image/icc.h"
#include "image/metadata/heif_properties.h"
#include "image/reader.h"

#include <libheif/heif.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A crop of a picture. `right` and `down` say how far the centre of the crop is to the right of the
 * picture's centre, and below it. */
struct cut {
	struct size size; /* 0 x 0: the picture is not cropped */
	double right, down;
};

/* The transformations of an item: first the crop, then the rotation and mirroring. */
struct transformations {
	unsigned orientation; /* rotation and mirroring: 1 to 8, as in EXIF */
	struct cut cut;
};

struct heif_state {
	struct heif_context *context;
	struct heif_image_handle *colours,
		*alpha; /* `alpha`: NULL if the picture is opaque */
	struct size stored;
	struct transformations transformations;
	struct cicp cicp;
	bool has_cicp, is_premultiplied, is_deep;
	/* The samples have the limited range of television. Only the stream says so; no box of the
	 * file states the range. */
	bool has_limited_stream;
};

/* Load libheif's plugins, in case its decoders are plugins. */
static bool heif_start(void)
{
	return heif_init(NULL).code == heif_error_Ok;
}

static bool heif_reads(enum image_format format)
{
	if (format == FORMAT_HEIC)
		return heif_have_decoder_for_format(heif_compression_HEVC);
	return format == FORMAT_AVIF &&
	       heif_have_decoder_for_format(heif_compression_AV1);
}

static bool fail(struct failure *ret_failure, const char *stage, struct heif_error error)
{
	enum fail_class class = FAIL_BAD_IMAGE;
	char text[FAILURE_TEXT_BYTES];

	if (error.code == heif_error_Unsupported_feature ||
	    error.code == heif_error_Unsupported_filetype)
		class = FAIL_UNSUPPORTED;
	else if (error.code == heif_error_Memory_allocation_error)
		class = error.subcode == heif_suberror_Security_limit_exceeded
		                ? FAIL_TOO_BIG
		                : FAIL_MEMORY;
	snprintf(text, sizeof(text), "%s",
	         error.message ? error.message : "libheif gives no reason");
	return failure_set(ret_failure, class, "%s: libheif: %s", stage,
	                   engine_one_line(text));
}

/* ---- transformations ---- */

/* Combine an orientation with n_turns counterclockwise quarter turns. If is_mirrored is true, left
 * and right are exchanged before these turns. Each orientation consists of an optional exchange of
 * left and right, and then counterclockwise quarter turns. */
static unsigned turned(unsigned orientation, unsigned n_turns, bool is_mirrored)
{
	static const unsigned of_turns[2][4] = {{1, 8, 3, 6}, {2, 5, 4, 7}};
	unsigned n = 0;
	bool was_mirrored = false;

	for (unsigned i = 0; i < 8; i++) {
		if (of_turns[i / 4][i % 4] == orientation) {
			n = i % 4;
			was_mirrored = i / 4;
		}
	}
	/* Exchanging left and right after a turn has the same effect as exchanging them before the
	 * opposite turn. */
	if (is_mirrored)
		n = 4 - n;
	return of_turns[was_mirrored != is_mirrored][(n + n_turns) % 4];
}

/* Read the signed fraction at offset `at` in the data of the clean aperture box "clap". */
static double fraction(struct bytes data, size_t at)
{
	int32_t above = (int32_t)bytes_be32(data, at);
	uint32_t below = bytes_be32(data, at + 4);

	return below ? above / (double)below : 0;
}

/* Read a crop from the clean aperture box "clap". Returns false if the size of the crop is not
 * valid. */
static bool take_cut(struct cut *cut, struct bytes data)
{
	double width = fraction(data, 0), height = fraction(data, 8);

	if (data.n < 32 || !(width >= 1 && height >= 1) || width > RECIPE_MAX_SIDE ||
	    height > RECIPE_MAX_SIDE)
		return false;
	cut->size = (struct size){(uint32_t)width, (uint32_t)height};
	cut->right = fraction(data, 16);
	cut->down = fraction(data, 24);
	return true;
}

/* Compute the position of the crop in a picture of this size. Returns false if the crop is not
 * inside the picture. */
static bool place_cut(const struct cut *cut, struct size from, struct area *ret_area)
{
	double left = ((double)from.width - cut->size.width) / 2 + cut->right;
	double top = ((double)from.height - cut->size.height) / 2 + cut->down;

	if (!(left >= 0 && top >= 0) || left + cut->size.width > from.width ||
	    top + cut->size.height > from.height)
		return false;
	*ret_area = (struct area){(uint32_t)left, (uint32_t)top, cut->size};
	return true;
}

static bool take_property(struct transformations *to, const struct box *box,
                          struct failure *ret_failure)
{
	unsigned number = (unsigned)bytes_number(box->data, 0, 1, true);

	if (box_is(box, "irot")) {
		to->orientation = turned(to->orientation, number & 3, false);
	} else if (box_is(box, "imir")) {
		/* Axis 1 exchanges left and right. Axis 0 exchanges top and bottom. To
		 * exchange top and bottom, exchange left and right and make a half turn. */
		to->orientation = turned(to->orientation, number & 1 ? 0 : 2, true);
	} else if (box_is(box, "clap") && to->orientation != 1) {
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"header: a crop after a rotation or a mirroring is not supported");
	} else if (box_is(box, "clap") && !take_cut(&to->cut, box->data)) {
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the clean aperture has no valid size");
	}
	return true;
}

/* Read the transformations of an item from the boxes, because libheif 1.15 does not report them. A
 * missing box is no error, because libheif has already checked the same boxes. */
static bool read_transformations(struct transformations *ret_to, struct bytes file,
                                 heif_item_id primary, struct failure *ret_failure)
{
	struct heif_properties properties;
	struct heif_item_properties item;
	struct heif_boxes boxes;

	*ret_to = (struct transformations){.orientation = 1};
	if (!heif_find_properties(file, &properties))
		return true;
	for (size_t at = 0; heif_next_item(&properties, &at, &item);) {
		if (item.id != primary)
			continue;
		heif_item_boxes(&properties, &item, &boxes);
		for (size_t i = 0; i < boxes.n; i++) {
			if (!take_property(ret_to, &boxes.at[i], ret_failure))
				return false;
		}
		return true;
	}
	return true;
}

/* ---- the header ---- */

static void close_state(struct heif_state *state)
{
	if (!state)
		return;
	if (state->alpha)
		heif_image_handle_release(state->alpha);
	if (state->colours)
		heif_image_handle_release(state->colours);
	if (state->context)
		heif_context_free(state->context);
	free(state);
}

static bool is_alpha(const struct heif_image_handle *handle)
{
	const char *type = NULL;
	struct heif_error error = heif_image_handle_get_auxiliary_type(handle, &type);
	bool is_it = error.code == heif_error_Ok && type &&
	             (strcmp(type, "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha") == 0 ||
	              strcmp(type, "urn:mpeg:hevc:2015:auxid:1") == 0);

	if (type)
		heif_image_handle_free_auxiliary_types(handle, &type);
	return is_it;
}

static void find_alpha(struct heif_state *state)
{
	enum { MAX_AUXILIARIES = 16 };
	heif_item_id ids[MAX_AUXILIARIES];
	int n = heif_image_handle_get_list_of_auxiliary_image_IDs(state->colours, 0, ids,
	                                                          MAX_AUXILIARIES);

	for (int i = 0; i < n && !state->alpha; i++) {
		struct heif_image_handle *handle = NULL;

		if (heif_image_handle_get_auxiliary_image_handle(state->colours, ids[i],
		                                                 &handle)
		            .code != heif_error_Ok)
			continue;
		if (is_alpha(handle))
			state->alpha = handle;
		else
			heif_image_handle_release(handle);
	}
}

/* Read the code points of CICP for the colours. If the picture has a profile, the profile takes
 * precedence, and the code points are not read. If no box has code points, those of the stream
 * apply. libheif 1.15 does not report the code points of the stream. */
static void read_cicp(struct heif_state *state, struct bytes file, heif_item_id primary)
{
	struct heif_stream stream;
	struct heif_color_profile_nclx *nclx = NULL;

	if (heif_image_handle_get_raw_color_profile_size(state->colours) > 0)
		return;
	if (heif_image_handle_get_nclx_color_profile(state->colours, &nclx).code ==
	            heif_error_Ok &&
	    nclx) {
		state->cicp = (struct cicp){(unsigned)nclx->color_primaries,
		                            (unsigned)nclx->transfer_characteristics};
		state->has_cicp = true;
	} else if (heif_read_stream(file, primary, &stream) && stream.has_colours) {
		state->cicp = (struct cicp){stream.primaries, stream.transfer};
		state->has_cicp = true;
		state->has_limited_stream = stream.has_limited_range;
	}
	state->is_deep |= state->has_cicp && cicp_is_hdr(&state->cicp);
	heif_nclx_color_profile_free(nclx);
}

static bool is_size(struct size a, struct size b)
{
	return a.width == b.width && a.height == b.height;
}

/* Some writers, such as libheif 1.15 itself, write the size after a quarter turn into the size box.
 * If the stream has that size with width and height exchanged, use the size of the stream. */
static void mend_size(struct heif_state *state, struct bytes file, heif_item_id primary)
{
	struct size turned_size = {state->stored.height, state->stored.width};
	struct heif_stream stream;

	if (state->transformations.orientation > 4 &&
	    heif_read_stream(file, primary, &stream) &&
	    is_size((struct size){stream.width, stream.height}, turned_size))
		state->stored = turned_size;
}

static bool open_items(struct heif_state *state, const struct source *source,
                       struct failure *ret_failure)
{
	struct bytes file = {source->bytes, source->n_bytes};
	heif_item_id primary;
	struct heif_error error;

	/* The limit RECIPE_MAX_SIDE holds for every picture. The recipe's limits are checked later,
	 * when the size is known. */
	heif_context_set_maximum_image_size_limit(state->context, RECIPE_MAX_SIDE);
	heif_context_set_max_decoding_threads(state->context, 0);
	error = heif_context_read_from_memory_without_copy(state->context, source->bytes,
	                                                   source->n_bytes, NULL);
	if (error.code == heif_error_Ok)
		error = heif_context_get_primary_image_ID(state->context, &primary);
	if (error.code == heif_error_Ok)
		error = heif_context_get_primary_image_handle(state->context,
		                                              &state->colours);
	if (error.code != heif_error_Ok)
		return fail(ret_failure, "header", error);
	state->stored = (struct size){
		(uint32_t)heif_image_handle_get_ispe_width(state->colours),
		(uint32_t)heif_image_handle_get_ispe_height(state->colours)};
	state->is_deep = heif_image_handle_get_luma_bits_per_pixel(state->colours) > 8;
	state->is_premultiplied = heif_image_handle_is_premultiplied_alpha(
		state->colours);
	find_alpha(state);
	read_cicp(state, file, primary);
	if (!read_transformations(&state->transformations, file, primary, ret_failure))
		return false;
	mend_size(state, file, primary);
	return true;
}

static bool has_box(const struct source *source, const char *type)
{
	struct bytes file = {source->bytes, source->n_bytes};
	struct box box;

	return box_find(file, type, &box);
}

static bool heif_open(struct reading *ret_reading, const struct source *source,
                      struct failure *ret_failure)
{
	struct heif_state *state;

	/* The box "moov" contains an image sequence, and the box "meta" a still picture. */
	if (has_box(source, "moov") && !has_box(source, "meta"))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: an image sequence without a still picture is "
		                   "not supported");
	state = calloc(1, sizeof(*state));
	if (state)
		state->context = heif_context_alloc();
	if (!state || !state->context) {
		close_state(state);
		return failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
	}
	if (!open_items(state, source, ret_failure)) {
		close_state(state);
		return false;
	}
	*ret_reading = (struct reading){
		.size = state->transformations.cut.size.width
	                        ? state->transformations.cut.size
	                        : state->stored,
		.orientation = state->transformations.orientation,
		.is_deep = state->is_deep,
		.has_alpha = state->alpha != NULL,
		.lost = (has_box(source, "moov") ? LOST_ANIMATION : 0U) |
	                (state->has_cicp && cicp_is_hdr(&state->cicp) ? LOST_HDR : 0U),
		.state = state,
	};
	return true;
}

static void heif_close(struct reading *reading)
{
	close_state(reading->state);
	reading->state = NULL;
}

/* ---- samples ---- */

/* One channel of a decoded item. */
struct channel {
	const uint8_t *bytes;
	size_t stride;
	struct size size;
	unsigned n_bits;
	/* A table that maps each sample to its value in the result. channels_fini() frees it. */
	uint16_t *levels;
};

/* Make the table of a channel. The samples `black` and `white` mean black and white. In the result,
 * they become 0 and `most`. */
static bool make_levels(struct channel *channel, unsigned black, unsigned white,
                        unsigned most)
{
	unsigned n = 1U << (channel->n_bits > 8 ? channel->n_bits : 8);
	unsigned range = white - black;

	channel->levels = malloc(n * sizeof(*channel->levels));
	for (unsigned i = 0; channel->levels && i < n; i++) {
		unsigned above = i < black ? 0 : i > white ? range : i - black;

		channel->levels[i] = (uint16_t)(((uint64_t)above * most + range / 2) /
		                                range);
	}
	return channel->levels != NULL;
}

static bool find_channel(struct channel *ret_channel, const struct heif_image *image,
                         enum heif_channel channel)
{
	int stride = 0, n_bits = heif_image_get_bits_per_pixel_range(image, channel);
	int width = heif_image_get_width(image, channel);
	int height = heif_image_get_height(image, channel);
	const uint8_t *bytes = heif_image_get_plane_readonly(image, channel, &stride);

	if (!bytes || width <= 0 || height <= 0 || n_bits < 1 || n_bits > 16 ||
	    stride < width * (n_bits > 8 ? 2 : 1))
		return false;
	*ret_channel = (struct channel){.bytes = bytes,
	                                .stride = (size_t)stride,
	                                .size = {(uint32_t)width, (uint32_t)height},
	                                .n_bits = (unsigned)n_bits};
	return true;
}

static unsigned sample_at(const struct channel *channel, uint32_t x, uint32_t y)
{
	const uint8_t *row = channel->bytes + y * channel->stride;
	uint16_t wide;

	if (channel->n_bits <= 8)
		return channel->levels[row[x]];
	memcpy(&wide, row + (size_t)2 * x, sizeof(wide));
	return channel->levels[wide & ((1U << channel->n_bits) - 1)];
}

/* The channels of a picture: colours, then alpha. */
struct channels {
	struct channel at[4];
	unsigned n_colours;
	bool has_alpha;
};

static void channels_fini(struct channels *channels)
{
	for (unsigned i = 0; i < 4; i++)
		free(channels->at[i].levels);
}

/* Whether samples have the limited range of television. With 8 bits this range is 16 to 235. */
static bool has_limited_range(const struct heif_image *image)
{
	struct heif_color_profile_nclx *nclx = NULL;
	bool is_limited = heif_image_get_nclx_color_profile(image, &nclx).code ==
	                          heif_error_Ok &&
	                  nclx && !nclx->full_range_flag;

	heif_nclx_color_profile_free(nclx);
	return is_limited;
}

/* Find the colour channels of a decoded item. */
static bool find_colours(struct channels *channels, const struct heif_image *image)
{
	static const enum heif_channel rgb[] = {heif_channel_R, heif_channel_G,
	                                        heif_channel_B};

	if (heif_image_get_colorspace(image) == heif_colorspace_monochrome) {
		channels->n_colours = 1;
		return find_channel(&channels->at[0], image, heif_channel_Y);
	}
	channels->n_colours = 3;
	for (unsigned i = 0; i < 3; i++) {
		if (!find_channel(&channels->at[i], image, rgb[i]))
			return false;
	}
	return true;
}

static bool make_all_levels(struct channels *channels, bool is_limited, unsigned most)
{
	unsigned n = channels->n_colours + (channels->has_alpha ? 1 : 0);

	for (unsigned i = 0; i < n; i++) {
		struct channel *channel = &channels->at[i];
		unsigned black = 0, white = (1U << channel->n_bits) - 1;

		if (is_limited && n - i > channels->has_alpha && channel->n_bits >= 8) {
			black = 16U << (channel->n_bits - 8);
			white = 235U << (channel->n_bits - 8);
		}
		if (!make_levels(channel, black, white, most))
			return false;
	}
	return true;
}

static void put(const struct samples *samples, size_t i, unsigned value)
{
	if (samples->is_deep)
		((uint16_t *)samples->bytes)[i] = (uint16_t)value;
	else
		((uint8_t *)samples->bytes)[i] = (uint8_t)value;
}

/* Divide a colour by alpha, to undo the multiplication of a file with premultiplied alpha. */
static unsigned divide(unsigned colour, unsigned alpha, unsigned most)
{
	uint64_t divided;

	if (alpha == 0)
		return 0;
	divided = ((uint64_t)colour * most + alpha / 2) / alpha;
	return divided > most ? most : (unsigned)divided;
}

static unsigned sample_of(const struct samples *samples, size_t i)
{
	return samples->is_deep ? ((const uint16_t *)samples->bytes)[i]
	                        : ((const uint8_t *)samples->bytes)[i];
}

/* Write the samples of one colour into a row of the result, beginning at index `at`. The samples
 * are those of row y of the stored picture, beginning at column x. */
static void put_colour(const struct channel *channel, const struct samples *samples,
                       size_t at, uint32_t x, uint32_t y)
{
	uint32_t width = samples->size.width;
	const uint8_t *from = channel->bytes + y * channel->stride + x;

	if (channel->n_bits > 8 || samples->is_deep) {
		for (uint32_t i = 0; i < width; i++, at += samples->n_bands)
			put(samples, at, sample_at(channel, x + i, y));
		return;
	}
	for (uint32_t i = 0; i < width; i++, at += samples->n_bands)
		((uint8_t *)samples->bytes)[at] = (uint8_t)channel->levels[from[i]];
}

/* Write the samples of alpha into a row of the result, beginning at index `at`. The sizes of the
 * alpha plane and of the colour planes may differ. */
static void put_alpha(const struct channel *alpha, struct size colours,
                      const struct samples *samples, size_t at, uint32_t x, uint32_t y)
{
	uint64_t width = alpha->size.width, height = alpha->size.height;
	uint32_t from_y = (uint32_t)(y * height / colours.height);

	for (uint64_t i = x; i < (uint64_t)x + samples->size.width; i++) {
		uint32_t from_x = (uint32_t)(i * width / colours.width);

		put(samples, at, sample_at(alpha, from_x, from_y));
		at += samples->n_bands;
	}
}

/* Divide the colours of a row by their alpha. `at` is the index of the row's first sample. */
static void divide_row(const struct samples *samples, size_t at)
{
	unsigned most = samples->is_deep ? UINT16_MAX : UINT8_MAX;
	unsigned n_bands = samples->n_bands;

	for (uint32_t x = 0; x < samples->size.width; x++, at += n_bands) {
		unsigned alpha = sample_of(samples, at + n_bands - 1);

		for (unsigned i = 0; i + 1 < n_bands; i++)
			put(samples, at + i,
			    divide(sample_of(samples, at + i), alpha, most));
	}
}

static void put_row(const struct heif_state *state, const struct channels *channels,
                    const struct samples *samples, size_t at, uint32_t x, uint32_t y)
{
	unsigned n_colours = channels->n_colours;

	for (unsigned i = 0; i < n_colours; i++)
		put_colour(&channels->at[i], samples, at + i, x, y);
	if (!channels->has_alpha)
		return;
	put_alpha(&channels->at[n_colours], channels->at[0].size, samples, at + n_colours,
	          x, y);
	if (state->is_premultiplied)
		divide_row(samples, at);
}

/* Find the part of the decoded picture that is shown. Without a crop, the decoded size must be the
 * size in the header. With a crop, the two sizes are not compared, because some writers put the
 * size of the crop into the header. */
static bool find_shown(const struct heif_state *state, const struct channels *channels,
                       struct area *ret_shown, struct failure *ret_failure)
{
	const struct cut *cut = &state->transformations.cut;
	struct size size = channels->at[0].size, stored = state->stored;

	for (unsigned i = 1; i < channels->n_colours; i++) {
		if (!is_size(channels->at[i].size, size))
			return failure_set(
				ret_failure, FAIL_UNSUPPORTED,
				"decode: libheif returned colour channels of different sizes");
	}
	*ret_shown = (struct area){0, 0, size};
	if (cut->size.width)
		return place_cut(cut, size, ret_shown) ||
		       failure_set(
			       ret_failure, FAIL_BAD_IMAGE,
			       "decode: the clean aperture is not inside the picture");
	if (state->transformations.orientation > 4 && size.width == stored.height &&
	    size.height == stored.width && !is_size(size, stored))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"decode: the header gives the size of the rotated picture "
			"instead of the stored one, which is not supported");
	return is_size(size, stored) ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "decode: the picture is %u x %u, but its header says %u x %u",
	                   size.width, size.height, stored.width, stored.height);
}

static bool put_samples(const struct heif_state *state, const struct channels *channels,
                        struct samples *ret_samples, struct failure *ret_failure)
{
	unsigned n_bands = channels->n_colours + (channels->has_alpha ? 1 : 0);
	struct area shown = {0};

	if (!find_shown(state, channels, &shown, ret_failure))
		return false;
	if (!samples_init(ret_samples, shown.size, n_bands, state->is_deep))
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	for (uint32_t y = 0; y < shown.size.height; y++)
		put_row(state, channels, ret_samples,
		        (size_t)y * shown.size.width * n_bands, shown.x, shown.y + y);
	return true;
}

/* Decode an item as it is stored, without its transformations. */
static struct heif_error decode_item(const struct heif_image_handle *handle,
                                     struct heif_image **ret_image)
{
	struct heif_decoding_options *options = heif_decoding_options_alloc();
	struct heif_error error = {heif_error_Memory_allocation_error,
	                           heif_suberror_Unspecified, "out of memory"};

	*ret_image = NULL;
	if (!options)
		return error;
	options->ignore_transformations = 1;
	error = heif_decode_image(handle, ret_image, heif_colorspace_undefined,
	                          heif_chroma_undefined, options);
	heif_decoding_options_free(options);
	return error;
}

/* ---- colours ---- */

static bool copy_profile(const struct heif_state *state, struct samples *samples)
{
	size_t n = heif_image_handle_get_raw_color_profile_size(state->colours);

	if (n == 0)
		return true;
	samples->profile = malloc(n);
	if (!samples->profile)
		return false;
	if (heif_image_handle_get_raw_color_profile(state->colours, samples->profile)
	            .code == heif_error_Ok) {
		samples->n_profile = n;
		return true;
	}
	free(samples->profile);
	samples->profile = NULL;
	return true;
}

static bool set_colours(const struct heif_state *state, struct samples *samples,
                        struct failure *ret_failure)
{
	bool is_grey = samples->n_bands < 3;
	size_t n_pixels = (size_t)samples->size.width * samples->size.height;
	enum icc_result result = ICC_SRGB;

	if (!copy_profile(state, samples))
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	if (samples->profile || !state->has_cicp)
		return true;
	result = icc_of_cicp(&state->cicp, is_grey, &samples->profile,
	                     &samples->n_profile);
	if (result == ICC_NO_MEMORY)
		return failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	if (result == ICC_UNKNOWN)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"decode: colours with the primaries %u and the transfer "
			"%u of CICP are not supported",
			state->cicp.primaries, state->cicp.transfer);
	return !cicp_is_hdr(&state->cicp) ||
	       hdr_to_sdr(samples->bytes, n_pixels, samples->n_bands,
	                  state->cicp.transfer) ||
	       failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
}

/* Make samples from the decoded items. alpha is NULL if the picture has no alpha, or if the image
 * of the colours also contains alpha. */
static bool join_items(const struct heif_state *state, struct samples *ret_samples,
                       const struct heif_image *colours, const struct heif_image *alpha,
                       struct failure *ret_failure)
{
	struct channels channels = {0};
	unsigned most = state->is_deep ? UINT16_MAX : UINT8_MAX;
	bool is_limited, is_done;

	if (!find_colours(&channels, colours))
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "decode: libheif returned neither grey nor RGB");
	/* libheif expands samples to the full range while it applies the colour matrix. Grey has no
	 * colour matrix, so libheif expands only RGB. */
	is_limited = channels.n_colours == 1 &&
	             (has_limited_range(colours) || state->has_limited_stream);
	channels.has_alpha = state->alpha &&
	                     find_channel(&channels.at[channels.n_colours],
	                                  alpha ? alpha : colours,
	                                  alpha ? heif_channel_Y : heif_channel_Alpha);
	is_done = make_all_levels(&channels, is_limited, most) ||
	          failure_set(ret_failure, FAIL_MEMORY, "decode: out of memory");
	is_done = is_done && put_samples(state, &channels, ret_samples, ret_failure);
	channels_fini(&channels);
	return is_done;
}

static bool heif_decode(struct reading *reading, struct samples *ret_samples,
                        struct failure *ret_failure)
{
	struct heif_state *state = reading->state;
	struct heif_image *colours = NULL, *alpha = NULL;
	struct heif_error error = decode_item(state->colours, &colours);
	bool is_done;

	*ret_samples = (struct samples){0};
	if (error.code == heif_error_Ok && state->alpha &&
	    !heif_image_has_channel(colours, heif_channel_Alpha))
		error = decode_item(state->alpha, &alpha);
	is_done = error.code == heif_error_Ok
	                  ? join_items(state, ret_samples, colours, alpha, ret_failure)
	                  : fail(ret_failure, "decode", error);
	if (alpha)
		heif_image_release(alpha);
	if (colours)
		heif_image_release(colours);
	is_done = is_done && set_colours(state, ret_samples, ret_failure);
	if (!is_done)
		samples_fini(ret_samples);
	return is_done;
}

static void heif_say_version(char *text, size_t n_text)
{
	snprintf(text, n_text, "libheif %s", heif_get_version());
}

const struct reader reader_heif = {
	.version = heif_say_version,
	.start = heif_start,
	.reads = heif_reads,
	.open = heif_open,
	.decode = heif_decode,
	.close = heif_close,
};
