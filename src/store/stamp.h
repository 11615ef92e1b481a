/*
 * The record of one output: the input and the recipe that it was made from, and its size, time and
 * content hash.
 *
 * The same record is kept in two places: as a stamp on the output itself (the extended attribute
 * "user.pixpool"), and as a row of the state (state.h). Either alone is enough to know whether an
 * output is fresh. freshness.h decides whether to trust a record.
 *
 * A stamp is untrusted input: anybody who can write to the output folder can write one. It is
 * accepted only if it is complete and its checksum matches, and everything that it claims is
 * checked against the files. The format is documented at stamp_encode().
 */
#ifndef PXP_STAMP_H
#define PXP_STAMP_H

#include "common/content_hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STAMP_MAX_BYTES = 1024,
	STAMP_NAME_BYTES = 384, /* maximum length of a name, without its final zero */
	STAMP_FORMAT_BYTES = 8
};

struct stamp {
	/* Fingerprint of the recipe. It also depends on RECIPE_PICTURE_VERSION. */
	uint64_t recipe;

	uint64_t in_bytes;
	/* Modification time; STAMP_NO_TIME: the time is unreliable, so the content must be
	 * compared. */
	int64_t in_mtime_ns;
	struct input_hash in_hash;

	uint64_t out_bytes;
	int64_t out_mtime_ns;
	struct output_hash out_hash;
	uint32_t width, height;
	char format[STAMP_FORMAT_BYTES]; /* format name, such as "webp" */

	/* The name of the output is relative to the output folder, the name of the source to the
	 * INPUT. A name that is too long is stored as its hash. stamp_name_is() compares a stored
	 * name with a name of any length. */
	char output[STAMP_NAME_BYTES + 1], source[STAMP_NAME_BYTES + 1];
	/* A hash of the folder to which `source` is relative; 0: not known. */
	uint64_t root;
};

/* The recorded time of a file that had changed just before it was read. Its real time is not
 * reliable, because a later change may give the file the same time. */
#define STAMP_NO_TIME INT64_MIN

/* Convert a name to the form that stamps and rows store: the name itself, or its hash if it is
 * too long. */
void stamp_keep_name(const char *name, char ret_kept[STAMP_NAME_BYTES + 1]);

/* Set both names of a stamp. */
void stamp_set_names(struct stamp *stamp, const char *output, const char *source);

/* Whether `in_stamp` is what a stamp stores for `name`: the name itself or its hash. */
bool stamp_name_is(const char *in_stamp, const char *name);

/* Whether a name is stored in a stamp as the name itself, not as its hash. */
bool stamp_name_is_whole(const char *in_stamp);

/*
 * Encode a stamp. Version 2, little-endian, without padding: "pxp" and a byte of 2; recipe,
 * in_bytes, in_mtime_ns, out_bytes, out_mtime_ns (8 bytes each); width, height (4 each); format
 * (8); in_hash (16); out_hash (32); the lengths of output and source (2 each); these names; root
 * (8); the first 8 bytes of the XXH3-128 of all that comes before. Version 1 has no root.
 *
 * Returns the number of bytes.
 */
size_t stamp_encode(const struct stamp *stamp, unsigned char bytes[STAMP_MAX_BYTES]);

/* Decode a stamp. Returns false if the bytes are not a complete stamp of a known version; then
 * *ret_stamp is undefined. */
bool stamp_decode(const void *bytes, size_t n, struct stamp *ret_stamp);

/* Write the stamp to an open file, which need not have a name yet. Returns false with errno on
 * failure. ENOTSUP: the file system does not support extended attributes, or the file has no space
 * for another one; the file is a valid output without the stamp. ENOSYS, EPERM and EACCES are
 * reported as ENOTSUP too. */
bool stamp_write(int fd, const struct stamp *stamp);

/* Read the stamp of an open file. Returns false if the file has no valid stamp. */
bool stamp_read(int fd, struct stamp *ret_stamp);

#endif
