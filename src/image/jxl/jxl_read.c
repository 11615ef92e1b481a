/*
 * The reader of JPEG XL, based on libjxl. It decodes the first frame and turns it upright.
 *
 * A lossy file stores its colours in XYB, a space of libjxl's own. If the file describes the
 * picture's colour space by enumerated values, libjxl converts the colours to this space. If the
 * file describes it by a profile, libjxl cannot convert, and gives linear light. Linear light of 8
 * bits has too few dark levels, so the code below reads floats, and converts them to the profile
 * with lcms2.
 */
#include "image/hdr.h"
#include "image/icc.h"
#include "image/reader.h"

#include <jxl/decode.h>
#include <lcms2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROFILE_BYTES = 4 << 20 };

struct jxl_state {
	const uint8_t *bytes;
	size_t n_bytes;
	JxlBasicInfo info;
	/* The code points of an HDR picture. transfer is 0 if the picture is not HDR. */
	struct cicp cicp;
};

/* Create a decoder and give it the whole file. Returns NULL on failure. */
static JxlDecoder *create_decoder(const uint8_t *bytes, size_t n, int events)
{
	JxlDecoder *decoder = JxlDecoderCreate(NULL);

	if (!decoder)
		return NULL;
	if (JxlDecoderSubscribeEvents(decoder, events) != JXL_DEC_SUCCESS ||
	    JxlDecoderSetUnpremultiplyAlpha(decoder, JXL_TRUE) != JXL_DEC_SUCCESS ||
	    JxlDecoderSetInput(decoder, bytes, n) != JXL_DEC_SUCCESS) {
		JxlDecoderDestroy(decoder);
		return NULL;
	}
	JxlDecoderCloseInput(decoder);
	return decoder;
}

static bool fail_of_status(struct failure *ret_failure, const char *stage,
                           JxlDecoderStatus status)
{
	if (status == JXL_DEC_NEED_MORE_INPUT)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "%s: the file is truncated", stage);
	return failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "%s: the file is damaged (libjxl)", stage);
}

static bool fail_of_memory(struct failure *ret_failure, const char *stage)
{
	return failure_set(ret_failure, FAIL_MEMORY, "%s: out of memory", stage);
}

/* ---- the header ---- */

static bool jxl_reads(enum image_format format)
{
	return format == FORMAT_JXL;
}

/* Refuse a file with a channel of black ink, spot colours or raw sensor samples. Alpha is read. Any
 * other extra channel is left out. */
static bool take_channels(const JxlDecoder *decoder, const JxlBasicInfo *info,
                          struct failure *ret_failure)
{
	for (uint32_t i = 0; i < info->num_extra_channels; i++) {
		JxlExtraChannelInfo extra;

		if (JxlDecoderGetExtraChannelInfo(decoder, i, &extra) != JXL_DEC_SUCCESS)
			continue;
		if (extra.type == JXL_CHANNEL_BLACK)
			return failure_set(ret_failure, FAIL_UNSUPPORTED,
			                   "header: JPEG XL in CMYK is not supported");
		if (extra.type == JXL_CHANNEL_SPOT_COLOR)
			return failure_set(
				ret_failure, FAIL_UNSUPPORTED,
				"header: JPEG XL with spot colours is not supported");
		if (extra.type == JXL_CHANNEL_CFA)
			return failure_set(ret_failure, FAIL_UNSUPPORTED,
			                   "header: JPEG XL with the raw samples of a "
			                   "camera is not supported");
	}
	return true;
}

/* The code point of CICP for the primaries and the white point. 0, which is reserved: CICP has no
 * code point for them. */
static unsigned primaries_of(const JxlColorEncoding *encoding)
{
	enum { BT_709 = 1, DCI_P3 = 11, DISPLAY_P3 = 12 };
	bool is_d65 = encoding->white_point == JXL_WHITE_POINT_D65;

	/* libjxl does not set the primaries of grey. A grey profile has no primaries. */
	if (encoding->color_space == JXL_COLOR_SPACE_GRAY)
		return BT_709;
	if (encoding->primaries == JXL_PRIMARIES_P3 && !is_d65)
		return encoding->white_point == JXL_WHITE_POINT_DCI ? DCI_P3 : 0;
	if (encoding->primaries == JXL_PRIMARIES_CUSTOM || !is_d65)
		return 0;
	/* libjxl's numbers for primaries are the code points of CICP, except for P3. */
	return encoding->primaries == JXL_PRIMARIES_P3 ? DISPLAY_P3
	                                               : (unsigned)encoding->primaries;
}

/* Record the primaries of the colours. If the transfer is PQ or HLG, record it too. With any other
 * transfer, a profile describes the colours, and the primaries are not used. */
static void read_transfer(const JxlDecoder *decoder, struct jxl_state *state)
{
	JxlColorEncoding encoding = {0};

	if (JxlDecoderGetColorAsEncodedProfile(decoder, NULL,
	                                       JXL_COLOR_PROFILE_TARGET_ORIGINAL,
	                                       &encoding) != JXL_DEC_SUCCESS)
		return;
	if (encoding.transfer_function == JXL_TRANSFER_FUNCTION_PQ)
		state->cicp.transfer = CICP_TRANSFER_PQ;
	if (encoding.transfer_function == JXL_TRANSFER_FUNCTION_HLG)
		state->cicp.transfer = CICP_TRANSFER_HLG;
	state->cicp.primaries = primaries_of(&encoding);
}

static bool read_header(struct jxl_state *state, struct failure *ret_failure)
{
	int events = JXL_DEC_BASIC_INFO | JXL_DEC_COLOR_ENCODING;
	JxlDecoder *decoder = create_decoder(state->bytes, state->n_bytes, events);
	JxlDecoderStatus status;
	bool is_done = false;

	if (!decoder)
		return fail_of_memory(ret_failure, "header");
	status = JxlDecoderProcessInput(decoder);
	if (status == JXL_DEC_BASIC_INFO &&
	    JxlDecoderGetBasicInfo(decoder, &state->info) == JXL_DEC_SUCCESS) {
		is_done = take_channels(decoder, &state->info, ret_failure);
		status = JxlDecoderProcessInput(decoder);
	}
	if (is_done && status == JXL_DEC_COLOR_ENCODING)
		read_transfer(decoder, state);
	else if (ret_failure->class == FAIL_NONE)
		is_done = fail_of_status(ret_failure, "header", status);
	JxlDecoderDestroy(decoder);
	return is_done;
}

static void jxl_close(struct reading *reading)
{
	free(reading->state);
	reading->state = NULL;
}

static bool is_hdr(const struct jxl_state *state)
{
	return cicp_is_hdr(&state->cicp);
}

static bool jxl_open(struct reading *ret_reading, const struct source *source,
                     struct failure *ret_failure)
{
	struct jxl_state *state = calloc(1, sizeof(*state));

	if (!state)
		return fail_of_memory(ret_failure, "header");
	state->bytes = source->bytes;
	state->n_bytes = source->n_bytes;
	if (!read_header(state, ret_failure)) {
		free(state);
		return false;
	}
	*ret_reading = (struct reading){
		.size = {state->info.xsize, state->info.ysize},
		.orientation = 1,
		.is_deep = state->info.bits_per_sample > 8 || is_hdr(state),
		.has_alpha = state->info.alpha_bits > 0,
		.lost = (is_hdr(state) ? LOST_HDR : 0U) |
	                (state->info.have_animation ? LOST_ANIMATION : 0U),
		.state = state,
	};
	return true;
}

/* ---- colours ---- */

struct profile {
	uint8_t *bytes;
	size_t n;
};

/* Get the file's profile for `target`. If the file has none, ret_profile->n is 0. Returns false if
 * memory ran out, or the profile has more than MAX_PROFILE_BYTES. */
static bool get_profile(const JxlDecoder *decoder, JxlColorProfileTarget target,
                        struct profile *ret_profile, struct failure *ret_failure)
{
	size_t n = 0;

	*ret_profile = (struct profile){0};
	if (JxlDecoderGetICCProfileSize(decoder, NULL, target, &n) != JXL_DEC_SUCCESS ||
	    n == 0)
		return true;
	if (n > MAX_PROFILE_BYTES)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"decode: a colour profile of more than 4 MiB is not supported");
	ret_profile->bytes = malloc(n);
	if (!ret_profile->bytes)
		return fail_of_memory(ret_failure, "decode");
	if (JxlDecoderGetColorAsICCProfile(decoder, NULL, target, ret_profile->bytes,
	                                   n) == JXL_DEC_SUCCESS) {
		ret_profile->n = n;
		return true;
	}
	free(ret_profile->bytes);
	ret_profile->bytes = NULL;
	return true;
}

static bool are_equal(const struct profile *a, const struct profile *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->bytes, b->bytes, a->n) == 0);
}

/* The state of decoding a picture. original: the profile in the file. given: the profile of the
 * samples that libjxl outputs. */
struct decoding {
	struct profile original, given;
	/* Converts floats from the profile `given` to the profile `original`. NULL: no conversion
	 * is necessary, and libjxl gives the final samples. */
	cmsHTRANSFORM transform;
	struct samples samples;
};

static void decoding_fini(struct decoding *decoding)
{
	free(decoding->original.bytes);
	free(decoding->given.bytes);
	if (decoding->transform)
		cmsDeleteTransform(decoding->transform);
	samples_fini(&decoding->samples);
}

static bool needs_conversion(const struct decoding *decoding)
{
	return decoding->original.n > 0 && decoding->given.n > 0 &&
	       !are_equal(&decoding->original, &decoding->given);
}

/* The pixel format of lcms2. If is_float is true, the samples are floats. If not, they are integers
 * of n_bytes. Alpha is declared as an extra channel. */
static cmsUInt32Number pixel_type(unsigned n_bands, bool is_float, unsigned n_bytes)
{
	unsigned n_colours = n_bands < 3 ? 1 : 3, space = n_bands < 3 ? PT_GRAY : PT_RGB;

	return FLOAT_SH(is_float ? 1U : 0U) | COLORSPACE_SH(space) |
	       EXTRA_SH(n_bands - n_colours) | CHANNELS_SH(n_colours) | BYTES_SH(n_bytes);
}

static unsigned sample_bytes(const struct samples *samples)
{
	return samples->is_deep ? 2 : 1;
}

static bool make_transform(struct decoding *decoding)
{
	const struct profile *from = &decoding->given, *to = &decoding->original;
	const struct samples *samples = &decoding->samples;
	cmsHPROFILE source = cmsOpenProfileFromMem(from->bytes, (cmsUInt32Number)from->n);
	cmsHPROFILE target = cmsOpenProfileFromMem(to->bytes, (cmsUInt32Number)to->n);

	if (source && target)
		decoding->transform = cmsCreateTransform(
			source, pixel_type(samples->n_bands, true, sizeof(float)), target,
			pixel_type(samples->n_bands, false, sample_bytes(samples)),
			INTENT_RELATIVE_COLORIMETRIC, cmsFLAGS_COPY_ALPHA);
	if (source)
		cmsCloseProfile(source);
	if (target)
		cmsCloseProfile(target);
	return decoding->transform != NULL;
}

/* Get both profiles, and allocate memory for the samples. Create the transform if the profiles
 * require a conversion. */
static bool prepare(const struct jxl_state *state, const JxlDecoder *decoder,
                    struct decoding *decoding, struct failure *ret_failure)
{
	const JxlBasicInfo *info = &state->info;
	unsigned n_bands = info->num_color_channels + (info->alpha_bits > 0 ? 1 : 0);
	bool is_deep = info->bits_per_sample > 8 || is_hdr(state);

	if (!get_profile(decoder, JXL_COLOR_PROFILE_TARGET_ORIGINAL, &decoding->original,
	                 ret_failure) ||
	    !get_profile(decoder, JXL_COLOR_PROFILE_TARGET_DATA, &decoding->given,
	                 ret_failure))
		return false;
	if (!samples_init(&decoding->samples, (struct size){info->xsize, info->ysize},
	                  n_bands, is_deep))
		return fail_of_memory(ret_failure, "decode");
	return !needs_conversion(decoding) || make_transform(decoding) ||
	       failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "decode: lcms2 cannot convert to the picture's profile");
}

/* Convert n_pixels of row y, beginning at column x. libjxl calls this function whenever it has
 * decoded a part of a row. */
static void take_floats(void *data, size_t x, size_t y, size_t n_pixels,
                        const void *floats)
{
	const struct decoding *decoding = data;
	const struct samples *samples = &decoding->samples;
	size_t at = (y * samples->size.width + x) * samples->n_bands;

	cmsDoTransform(decoding->transform, floats,
	               (uint8_t *)samples->bytes + at * sample_bytes(samples),
	               (cmsUInt32Number)n_pixels);
}

static bool give_buffer(JxlDecoder *decoder, struct decoding *decoding)
{
	const struct samples *samples = &decoding->samples;
	JxlPixelFormat format = {
		.num_channels = samples->n_bands,
		.data_type = decoding->transform ? JXL_TYPE_FLOAT
	                     : samples->is_deep  ? JXL_TYPE_UINT16
	                                         : JXL_TYPE_UINT8,
		.endianness = JXL_NATIVE_ENDIAN,
	};
	size_t n = (size_t)samples->size.width * samples->size.height * samples->n_bands *
	           sample_bytes(samples);
	size_t n_wanted = 0;

	if (decoding->transform)
		return JxlDecoderSetImageOutCallback(decoder, &format, take_floats,
		                                     decoding) == JXL_DEC_SUCCESS;
	return JxlDecoderImageOutBufferSize(decoder, &format, &n_wanted) ==
	               JXL_DEC_SUCCESS &&
	       n_wanted <= n &&
	       JxlDecoderSetImageOutBuffer(decoder, &format, samples->bytes, n) ==
	               JXL_DEC_SUCCESS;
}

/* Convert the samples of an HDR picture to SDR. The file's profile is left out, because it does not
 * describe the SDR colours. */
static bool make_sdr(const struct jxl_state *state, struct decoding *decoding,
                     struct failure *ret_failure)
{
	struct samples *samples = &decoding->samples;
	size_t n_pixels = (size_t)samples->size.width * samples->size.height;
	enum icc_result result = icc_of_cicp(&state->cicp, samples->n_bands < 3,
	                                     &samples->profile, &samples->n_profile);

	if (result == ICC_UNKNOWN)
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"decode: HDR with custom primaries or a custom white point is not supported");
	if (result == ICC_NO_MEMORY ||
	    !hdr_to_sdr(samples->bytes, n_pixels, samples->n_bands, state->cicp.transfer))
		return fail_of_memory(ret_failure, "decode");
	return true;
}

static bool set_colours(const struct jxl_state *state, struct decoding *decoding,
                        struct failure *ret_failure)
{
	if (is_hdr(state))
		return make_sdr(state, decoding, ret_failure);
	/* The profile now belongs to the samples. */
	decoding->samples.profile = decoding->original.bytes;
	decoding->samples.n_profile = decoding->original.n;
	decoding->original = (struct profile){0};
	return true;
}

/* ---- decoding ---- */

/* Decode the first frame. If reading->reads_everything is true, decode all frames; each frame
 * overwrites the frame before it. */
static bool run(const struct reading *reading, JxlDecoder *decoder,
                struct decoding *decoding, struct failure *ret_failure)
{
	const struct jxl_state *state = reading->state;

	for (;;) {
		JxlDecoderStatus status = JxlDecoderProcessInput(decoder);

		switch (status) {
		case JXL_DEC_COLOR_ENCODING:
			if (!prepare(state, decoder, decoding, ret_failure))
				return false;
			break;
		case JXL_DEC_NEED_IMAGE_OUT_BUFFER:
			if (!give_buffer(decoder, decoding))
				return fail_of_status(ret_failure, "decode",
				                      JXL_DEC_ERROR);
			break;
		case JXL_DEC_FULL_IMAGE:
			if (!reading->reads_everything)
				return true;
			break;
		case JXL_DEC_SUCCESS:
			return true;
		default:
			return fail_of_status(ret_failure, "decode", status);
		}
	}
}

static bool jxl_decode(struct reading *reading, struct samples *ret_samples,
                       struct failure *ret_failure)
{
	const struct jxl_state *state = reading->state;
	JxlDecoder *decoder = create_decoder(state->bytes, state->n_bytes,
	                                     JXL_DEC_COLOR_ENCODING | JXL_DEC_FULL_IMAGE);
	struct decoding decoding = {0};
	bool is_done;

	*ret_samples = (struct samples){0};
	if (!decoder)
		return fail_of_memory(ret_failure, "decode");
	is_done = run(reading, decoder, &decoding, ret_failure);
	JxlDecoderDestroy(decoder);
	if (is_done && set_colours(state, &decoding, ret_failure)) {
		*ret_samples = decoding.samples;
		decoding.samples = (struct samples){0};
	} else {
		is_done = false;
	}
	decoding_fini(&decoding);
	return is_done;
}

static void jxl_say_version(char *text, size_t n_text)
{
	uint32_t version = JxlDecoderVersion();

	snprintf(text, n_text, "libjxl %u.%u.%u", version / 1000000,
	         version / 1000 % 1000, version % 1000);
}

const struct reader reader_jxl = {
	.version = jxl_say_version,
	.reads = jxl_reads,
	.open = jxl_open,
	.decode = jxl_decode,
	.close = jxl_close,
};
