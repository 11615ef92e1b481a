/*
 * Reads WebP with libwebp. Most files are lossy and have no alpha. They are decoded to planes,
 * without a conversion to RGB and back. Other still pictures are decoded to pixels, which are
 * reduced by a whole number. Animations are left to other engines.
 */
#include "image/fast/box.h"
#include "image/fast/codec.h"

#include <stdlib.h>
#include <webp/decode.h>
#include <webp/demux.h>

enum { PLANES = COLOUR_PLANES };

struct webp_reader {
	struct read_state read;
	/* The part of the file with the chunks of the picture: colours and alpha. */
	WebPData picture;
	struct size size;
	bool is_lossy, has_alpha;

	/* Memory that is kept between pictures. */
	struct workspace planes[PLANES], pixels;
	struct box box;
};

static void *create(void)
{
	return calloc(1, sizeof(struct webp_reader));
}

static void free_buffers(struct webp_reader *reader)
{
	for (unsigned i = 0; i < PLANES; i++)
		workspace_fini(&reader->planes[i]);
	workspace_fini(&reader->pixels);
	box_fini(&reader->box);
}

static void destroy(void *state)
{
	struct webp_reader *reader = state;

	if (!reader)
		return;
	free_buffers(reader);
	free(reader);
}

static void trim(void *state, size_t max_bytes)
{
	struct webp_reader *reader = state;
	size_t n_bytes = reader->pixels.n_bytes + box_bytes(&reader->box);

	for (unsigned i = 0; i < PLANES; i++)
		n_bytes += reader->planes[i].n_bytes;
	if (n_bytes > max_bytes)
		free_buffers(reader);
}

/* Whether the picture is decoded to planes, not to pixels. */
static bool has_planes(const struct webp_reader *reader)
{
	return reader->is_lossy && !reader->has_alpha;
}

/* Check the first frame of a file, and store its facts in the reader. Refuse an animation. */
static enum read_status take_frame(struct webp_reader *reader, WebPDemuxer *demuxer,
                                   const WebPIterator *frame)
{
	uint32_t flags = WebPDemuxGetI(demuxer, WEBP_FF_FORMAT_FLAGS);
	WebPBitstreamFeatures features;

	if (flags & ANIMATION_FLAG)
		return read_say(&reader->read, READ_CANNOT, "picture is animated");
	if (WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &features) !=
	            VP8_STATUS_OK ||
	    features.width != frame->width || features.height != frame->height)
		return read_say(&reader->read, READ_DAMAGED, "header is damaged");
	/* The stored picture has alpha, but the extended header does not announce it. Such alpha
	 * must be ignored, and libwebp does not ignore it. */
	if (features.has_alpha && !(flags & ALPHA_FLAG))
		return read_say(
			&reader->read, READ_CANNOT,
			"the picture has alpha, but its header does not announce it");
	reader->picture = frame->fragment;
	reader->size = (struct size){(uint32_t)features.width, (uint32_t)features.height};
	reader->is_lossy = features.format == 1;
	reader->has_alpha = features.has_alpha;
	return READ_OK;
}

static enum read_status open_file(void *state, const uint8_t *bytes, size_t n_bytes,
                                  struct read_header *ret_header)
{
	struct webp_reader *reader = state;
	const WebPData file = {bytes, n_bytes};
	WebPDemuxer *demuxer = WebPDemux(&file);
	enum read_status status;
	WebPIterator frame;

	if (!demuxer)
		return read_say(&reader->read, READ_DAMAGED,
		                "chunks are damaged or truncated");
	if (!WebPDemuxGetFrame(demuxer, 1, &frame)) {
		WebPDemuxDelete(demuxer);
		return read_say(&reader->read, READ_DAMAGED, "file has no picture");
	}
	status = take_frame(reader, demuxer, &frame);
	WebPDemuxReleaseIterator(&frame);
	WebPDemuxDelete(demuxer);
	*ret_header = (struct read_header){.size = reader->size,
	                                   .has_half_chroma = has_planes(reader)};
	return status;
}

static enum read_status decode(struct webp_reader *reader, WebPDecoderConfig *config)
{
	config->output.is_external_memory = 1;
	switch (WebPDecode(reader->picture.bytes, reader->picture.size, config)) {
	case VP8_STATUS_OK:
		return READ_OK;
	case VP8_STATUS_OUT_OF_MEMORY:
		return read_say(&reader->read, READ_NO_MEMORY, "out of memory");
	case VP8_STATUS_SUSPENDED:
	case VP8_STATUS_NOT_ENOUGH_DATA:
		return read_say(&reader->read, READ_TRUNCATED, "pixels end early");
	default:
		return read_say(&reader->read, READ_DAMAGED,
		                "compressed pixels are damaged");
	}
}

/*
 * The functions below convert levels from the limited range of WebP to the full range. v is level -
 * 16. Instead of a division they have a multiplication and shifts, which compilers convert to SIMD.
 * The result is exact.
 */

/* Luma: (level - 16) * 255 / 219, rounded. */
static void widen_luma(uint8_t *row, uint32_t n)
{
	for (uint32_t x = 0; x < n; x++) {
		uint8_t least = row[x] < 16 ? 16 : row[x];
		uint16_t v = (uint16_t)((least > 235 ? 235 : least) - 16);
		uint16_t parts = (uint16_t)(v * 36 + 109);

		row[x] = (uint8_t)(v + ((uint32_t)parts * 38305 >> 16 >> 7));
	}
}

/* Chroma: (level - 128) * 255 / 224 + 128, rounded. The result 256 becomes 255. */
static void widen_chroma(uint8_t *row, uint32_t n)
{
	for (uint32_t x = 0; x < n; x++) {
		uint8_t least = row[x] < 16 ? 16 : row[x];
		uint16_t v = (uint16_t)((least > 240 ? 240 : least) - 16);
		uint16_t parts = (uint16_t)(v * 31);
		uint16_t wide = (uint16_t)(v + 1 + ((uint32_t)parts * 37450 >> 16 >> 7));

		row[x] = (uint8_t)(wide > 255 ? 255 : wide);
	}
}

static void widen(const struct decoded *decoded)
{
	for (unsigned i = 0; i < PLANES; i++) {
		const struct plane *plane = &decoded->planes[i];

		for (uint32_t y = 0; y < plane->height; y++) {
			if (i == 0)
				widen_luma(plane_row(plane, y), plane->width);
			else
				widen_chroma(plane_row(plane, y), plane->width);
		}
	}
}

/* Which part of a chroma plane belongs to the picture along one axis, as a number from 0 to 1. The
 * picture has n pixels along this axis. */
static double part_of_chroma(uint32_t n)
{
	return (double)n / (n + n % 2);
}

/*
 * Make the planes of a picture that libwebp reduces by `factor`. libwebp reduces luma to the given
 * size, and chroma to half of this size, rounded up. If a side of the picture is odd, half of the
 * last stored sample of chroma is outside the picture, and libwebp reduces this half too.
 */
static bool reserve_planes(struct webp_reader *reader, unsigned factor,
                           struct decoded *decoded)
{
	uint32_t width = (reader->size.width + factor - 1) / factor;
	uint32_t height = (reader->size.height + factor - 1) / factor;

	for (unsigned i = 0; i < PLANES; i++) {
		struct plane *plane = &decoded->planes[i];

		if (!plane_reserve_with_margin(plane, &reader->planes[i],
		                               i ? (width + 1) / 2 : width,
		                               i ? (height + 1) / 2 : height, 8))
			return false;
		if (i) {
			plane->true_width *= part_of_chroma(reader->size.width);
			plane->true_height *= part_of_chroma(reader->size.height);
		}
	}
	return true;
}

static size_t room_of(const struct plane *plane)
{
	return plane->stride * (plane->height - 1) + plane->width;
}

static enum read_status decode_planes(struct webp_reader *reader, unsigned factor,
                                      struct decoded *ret_decoded)
{
	struct decoded decoded = {
		.n_planes = PLANES, .size = reader->size, .orientation = 1};
	const struct plane *planes = decoded.planes;
	enum read_status status;
	WebPDecoderConfig config;

	if (!WebPInitDecoderConfig(&config) || !reserve_planes(reader, factor, &decoded))
		return read_say(&reader->read, READ_NO_MEMORY, "out of memory");
	config.options.use_scaling = factor > 1;
	config.options.scaled_width = (int)planes[0].width;
	config.options.scaled_height = (int)planes[0].height;
	config.output.colorspace = MODE_YUV;
	config.output.u.YUVA = (WebPYUVABuffer){
		.y = planes[0].samples,
		.u = planes[1].samples,
		.v = planes[2].samples,
		.y_stride = (int)planes[0].stride,
		.u_stride = (int)planes[1].stride,
		.v_stride = (int)planes[2].stride,
		.y_size = room_of(&planes[0]),
		.u_size = room_of(&planes[1]),
		.v_size = room_of(&planes[2]),
	};
	status = decode(reader, &config);
	if (status != READ_OK)
		return status;
	widen(&decoded);
	*ret_decoded = decoded;
	return READ_OK;
}

static enum read_status decode_pixels(struct webp_reader *reader, unsigned factor,
                                      struct decoded *ret_decoded)
{
	const uint32_t width = reader->size.width, height = reader->size.height;
	unsigned n_bands = reader->has_alpha ? 4 : 3;
	size_t row_bytes = size_times(width, n_bands);
	size_t n_bytes = size_times(row_bytes, height);
	uint8_t *pixels = workspace_reserve(&reader->pixels, n_bytes);
	WebPDecoderConfig config;
	enum read_status status;

	if (!pixels || !WebPInitDecoderConfig(&config) ||
	    !box_begin(&reader->box, width, height, n_bands, factor))
		return read_say(&reader->read, READ_NO_MEMORY, "out of memory");
	config.output.colorspace = reader->has_alpha ? MODE_RGBA : MODE_RGB;
	config.output.u.RGBA = (WebPRGBABuffer){pixels, (int)row_bytes, n_bytes};
	status = decode(reader, &config);
	if (status != READ_OK)
		return status;
	for (uint32_t y = 0; y < height; y++)
		box_add_row(&reader->box, pixels + y * row_bytes);
	*ret_decoded = box_decoded(&reader->box);
	return READ_OK;
}

/*
 * The factor by which libwebp reduces planes while it decodes them. A large reduction costs no
 * time. libwebp averages samples, so the factor is a whole number. The reduced planes still have at
 * least four times the resolution of the largest output, unless the picture itself has less. After
 * resampling, the result is as good as without reduction. If the planes had only twice the
 * resolution, the result would be 0.2 dB worse.
 */
static unsigned plane_factor(const struct read_request *request)
{
	unsigned half = box_factor(request) / 2;

	return half > 1 ? half : 1;
}

static enum read_status decode_file(void *state, const struct read_request *request,
                                    struct decoded *ret_decoded)
{
	struct webp_reader *reader = state;

	if (has_planes(reader))
		return decode_planes(reader, plane_factor(request), ret_decoded);
	return decode_pixels(reader, box_factor(request), ret_decoded);
}

/* The number of bytes of the planes of luma and chroma, with their margins. */
static uint64_t plane_memory(struct size size, unsigned factor)
{
	uint64_t width = size.width / factor + 4 * PLANE_MARGIN_BYTES;
	uint64_t height = size.height / factor + 4 * PLANE_MARGIN_ROWS;

	return width * height * 3 / 2;
}

/*
 * The estimate includes the planes. If planes are reduced by the largest factor, the renderer may
 * need a copy of a plane with wide margins. So the estimate then includes this copy. To decode
 * a lossless picture, libwebp needs 4 bytes per pixel in addition to its result. A picture with
 * alpha counts as lossless.
 */
static uint64_t memory_of_file(const struct picture_header *header,
                               const struct read_request *request)
{
	uint64_t n_pixels = (uint64_t)header->size.width * header->size.height;
	unsigned factor = plane_factor(request);

	if (header->n_pixel_bytes < 4)
		return plane_memory(header->size, factor) *
		       (factor < BOX_MAX_FACTOR / 2 ? 1 : 3);
	return n_pixels * 8 + box_memory(header->size.width, header->size.height, 4,
	                                 box_factor(request));
}

const struct reader webp_reader = {
	.create = create,
	.destroy = destroy,
	.trim = trim,
	.open = open_file,
	.decode = decode_file,
	.reason = read_reason,
	.memory = memory_of_file,
};
