/* Transfers metadata from an input to its outputs. Fields that describe the file itself, such as
 * its size, are set to the values of the output. The metadata is inserted into the encoded output
 * in the memfd. */
#include "image/picture_metadata.h"

#include "base/fd.h"
#include "image/header/metadata_scan.h"
#include "image/metadata/containers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool picture_metadata_open(struct metadata **ret_metadata, const struct source *source,
                           struct failure *ret_failure)
{
	const struct bytes file = {source->bytes, source->n_bytes};
	struct metadata *metadata = malloc(sizeof(*metadata));

	*ret_metadata = NULL;
	if (!metadata || !metadata_read(metadata, source->format, file)) {
		free(metadata);
		return failure_set(ret_failure, FAIL_MEMORY,
		                   "read: out of memory for metadata");
	}
	*ret_metadata = metadata;
	return true;
}

void picture_metadata_close(struct metadata *metadata)
{
	if (!metadata)
		return;
	metadata_fini(metadata);
	free(metadata);
}

unsigned picture_metadata_orientation(const struct metadata *metadata, unsigned otherwise)
{
	if (!metadata || metadata->exif.n == 0)
		return otherwise;
	return exif_orientation(metadata->exif.at, metadata->exif.n);
}

static const char *mime_of(enum image_format format)
{
	static const char *const mimes[N_FORMATS] = {
		[FORMAT_JPEG] = "image/jpeg", [FORMAT_PNG] = "image/png",
		[FORMAT_WEBP] = "image/webp", [FORMAT_GIF] = "image/gif",
		[FORMAT_TIFF] = "image/tiff", [FORMAT_HEIC] = "image/heic",
		[FORMAT_AVIF] = "image/avif", [FORMAT_JXL] = "image/jxl",
		[FORMAT_JP2] = "image/jp2",   [FORMAT_BMP] = "image/bmp",
	};

	return mimes[format];
}

/* Whether files of a format store the orientation outside EXIF, and decoders apply that
 * orientation. For such a format, the EXIF orientation is ignored. */
static bool turns_by_itself(enum image_format format)
{
	return format == FORMAT_HEIC || format == FORMAT_AVIF || format == FORMAT_JXL;
}

/* Whether EXIF is the only place where files of this format store the density. */
static bool has_density_in_exif(enum image_format format)
{
	return format == FORMAT_WEBP || format == FORMAT_HEIC || format == FORMAT_AVIF ||
	       format == FORMAT_JXL;
}

static bool moves_pixels(const struct filter_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		switch (chain->at[i].kind) {
		case FILTER_ROTATE:
		case FILTER_FLIP:
		case FILTER_FLOP:
		case FILTER_TRIM:
			return true;
		default:
			break;
		}
	}
	return false;
}

static bool is_size(struct size a, struct size b)
{
	return a.width == b.width && a.height == b.height;
}

/* Whether the output shows the whole picture and nothing else. */
static bool is_whole(const struct source *source, const struct recipe *recipe)
{
	struct layout layout = geometry_layout(&recipe->geometry, source->size);

	return !moves_pixels(&recipe->filters) &&
	       is_size(layout.part.size, layout.scaled) &&
	       is_size(layout.canvas, layout.scaled);
}

static struct metadata_target target_of(const struct source *source,
                                        const struct recipe *recipe,
                                        const struct output_facts *facts)
{
	static const enum metadata_colour colours[] = {
		[OUTPUT_SRGB] = COLOUR_SRGB,
		[OUTPUT_AS_INPUT] = COLOUR_KEPT,
		[OUTPUT_OTHER_SPACE] = COLOUR_OTHER,
	};
	bool is_turned = !recipe->no_rotate && !turns_by_itself(source->format);
	unsigned orientation = 1;
	struct size from = source->size;

	if (is_turned)
		orientation = picture_metadata_orientation(source->metadata, 1);
	if (orientation > 4)
		from = (struct size){from.height, from.width};
	return (struct metadata_target){
		.width = facts->size.width,
		.height = facts->size.height,
		.from_width = from.width,
		.from_height = from.height,
		.orientation = orientation,
		.is_as_stored = recipe->no_rotate && !turns_by_itself(source->format),
		.is_whole = is_whole(source, recipe),
		.colour = colours[facts->colour],
		.mime = mime_of(recipe->format),
		.density = source->metadata->density,
		.has_density_in_exif = has_density_in_exif(recipe->format),
	};
}

static bool write_at(int file, const uint8_t *bytes, size_t n, off_t at)
{
	while (n > 0) {
		ssize_t n_written = pwrite(file, bytes, n, at);

		if (n_written < 0 && errno == EINTR)
			continue;
		if (n_written <= 0)
			return false;
		bytes += n_written;
		n -= (size_t)n_written;
		at += n_written;
	}
	return true;
}

/* Move n bytes of a file from one offset to another. The ranges may overlap. */
static bool move_bytes(int file, off_t from, off_t to, uint64_t n)
{
	enum { STEP = 16 << 10 };
	uint8_t step[STEP];
	bool is_up = to > from;
	uint64_t n_done = 0;

	if (from == to)
		return true;
	while (n_done < n) {
		size_t n_step = n - n_done < STEP ? (size_t)(n - n_done) : STEP;
		off_t at = (off_t)(is_up ? n - n_done - n_step : n_done);

		if (fd_pread_full(file, step, n_step, from + at) != (ssize_t)n_step ||
		    !write_at(file, step, n_step, to + at))
			return false;
		n_done += n_step;
	}
	return true;
}

/* Apply the splice to the output at the end of the memfd. Fails if the output would become shorter,
 * because the sandbox does not allow a process to shorten the memfd. */
static bool apply(const struct splice *splice, int output, struct picture_side *out)
{
	const struct block *head = &splice->head, *tail = &splice->tail;
	off_t begin = (off_t)out->offset, middle = begin + (off_t)head->n;
	uint64_t n_middle = splice->until - splice->from;
	off_t end = middle + (off_t)n_middle + (off_t)tail->n;

	if ((uint64_t)(end - begin) < out->bytes) {
		errno = ENOTSUP;
		return false;
	}
	if (!move_bytes(output, begin + (off_t)splice->from, middle, n_middle) ||
	    !write_at(output, head->at, head->n, begin) ||
	    !write_at(output, tail->at, tail->n, middle + (off_t)n_middle))
		return false;
	out->bytes = (uint64_t)(end - begin);
	return lseek(output, end, SEEK_SET) == end;
}

static bool fail_of_memory(struct failure *ret_failure)
{
	return failure_set(ret_failure, FAIL_MEMORY,
	                   "encode: out of memory for metadata");
}

static bool put_in(const struct metadata *metadata, enum image_format format, int output,
                   struct picture_side *out, struct failure *ret_failure)
{
	size_t n = (size_t)out->bytes;
	uint8_t *bytes = malloc(n);
	struct splice splice = {.until = n};
	bool is_done;

	if (!bytes)
		return fail_of_memory(ret_failure);
	if (fd_pread_full(output, bytes, n, (off_t)out->offset) != (ssize_t)n) {
		free(bytes);
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "encode: the output cannot be read back: %s",
		                   strerrordesc_np(errno));
	}
	is_done = metadata_write(&splice, format, (struct bytes){bytes, n}, metadata,
	                         &out->lost);
	free(bytes);
	if (!is_done)
		return fail_of_memory(ret_failure);
	is_done = apply(&splice, output, out);
	splice_fini(&splice);
	return is_done || engine_fail_to_write(ret_failure);
}

bool picture_metadata_write(const struct source *source, const struct recipe *recipe,
                            const struct output_facts *facts, int output,
                            struct picture_side *out, struct failure *ret_failure)
{
	struct metadata_target target;
	struct metadata metadata;
	bool is_done;

	if (!source->metadata)
		return true;
	target = target_of(source, recipe, facts);
	if (!metadata_filter(&metadata, source->metadata, recipe->keep, &target))
		return fail_of_memory(ret_failure);
	out->lost |= metadata.lost;
	is_done = put_in(&metadata, recipe->format, output, out, ret_failure);
	metadata_fini(&metadata);
	return is_done;
}
