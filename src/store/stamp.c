/* Stamps: the record of an output, in an extended attribute of that output. */
#include "store/stamp.h"

#include "store/store_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

static const char magic[3] = {'p', 'x', 'p'};

enum {
	VERSION = 2,
	VERSION_WITHOUT_ROOT = 1,
	CHECKSUM_BYTES = 8,
	ROOT_BYTES = 8,
	NAMES_AT = (int)sizeof(magic) + 1 + 5 * 8 + 2 * 4 + STAMP_FORMAT_BYTES +
	           INPUT_HASH_BYTES + OUTPUT_HASH_BYTES + 2 * 2,
	/* A name that is too long for a stamp is stored as its hash: this character, with which no
	 * name begins, and then the hash in hexadecimal. */
	HASHED_NAME_SIGN = '/',
	HASHED_NAME_BYTES = 1 + 2 * INPUT_HASH_BYTES
};
_Static_assert(NAMES_AT + 2 * STAMP_NAME_BYTES + ROOT_BYTES + CHECKSUM_BYTES <=
                       STAMP_MAX_BYTES,
               "a stamp fits into its attribute");

/* ---- names ---- */

static void hash_name(const char *name, char hashed[HASHED_NAME_BYTES + 1])
{
	static const char digits[] = "0123456789abcdef";
	struct input_hash hash;

	input_hash_of_bytes(name, strlen(name), &hash);
	*hashed++ = HASHED_NAME_SIGN;
	for (int i = 0; i < INPUT_HASH_BYTES; i++) {
		*hashed++ = digits[hash.bytes[i] >> 4];
		*hashed++ = digits[hash.bytes[i] & 15];
	}
	*hashed = 0;
}

void stamp_keep_name(const char *name, char ret_kept[STAMP_NAME_BYTES + 1])
{
	size_t n = strlen(name);

	if (n <= STAMP_NAME_BYTES)
		memcpy(ret_kept, name, n + 1);
	else
		hash_name(name, ret_kept);
}

void stamp_set_names(struct stamp *stamp, const char *output, const char *source)
{
	stamp_keep_name(output, stamp->output);
	stamp_keep_name(source, stamp->source);
}

bool stamp_name_is(const char *in_stamp, const char *name)
{
	char kept[STAMP_NAME_BYTES + 1];

	stamp_keep_name(name, kept);
	return strcmp(in_stamp, kept) == 0;
}

bool stamp_name_is_whole(const char *in_stamp)
{
	return in_stamp[0] != HASHED_NAME_SIGN;
}

/* ---- bytes ---- */

/* A cursor: the position of the next bytes to write or to read. */
struct cursor {
	unsigned char *to;
	const unsigned char *from;
};

static void put(struct cursor *cursor, const void *bytes, size_t n)
{
	memcpy(cursor->to, bytes, n);
	cursor->to += n;
}

static void put_number(struct cursor *cursor, uint64_t number, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*cursor->to++ = (unsigned char)(number >> (8 * i));
}

static void take(struct cursor *cursor, void *ret_bytes, size_t n)
{
	memcpy(ret_bytes, cursor->from, n);
	cursor->from += n;
}

static uint64_t take_number(struct cursor *cursor, size_t n)
{
	uint64_t number = 0;

	for (size_t i = 0; i < n; i++)
		number |= (uint64_t)*cursor->from++ << (8 * i);
	return number;
}

size_t stamp_encode(const struct stamp *stamp, unsigned char bytes[STAMP_MAX_BYTES])
{
	size_t n_output = strlen(stamp->output), n_source = strlen(stamp->source);
	struct cursor cursor = {.to = bytes};
	struct input_hash sum;

	put(&cursor, magic, sizeof(magic));
	put_number(&cursor, VERSION, 1);
	put_number(&cursor, stamp->recipe, 8);
	put_number(&cursor, stamp->in_bytes, 8);
	put_number(&cursor, (uint64_t)stamp->in_mtime_ns, 8);
	put_number(&cursor, stamp->out_bytes, 8);
	put_number(&cursor, (uint64_t)stamp->out_mtime_ns, 8);
	put_number(&cursor, stamp->width, 4);
	put_number(&cursor, stamp->height, 4);
	put(&cursor, stamp->format, STAMP_FORMAT_BYTES);
	put(&cursor, stamp->in_hash.bytes, INPUT_HASH_BYTES);
	put(&cursor, stamp->out_hash.bytes, OUTPUT_HASH_BYTES);
	put_number(&cursor, n_output, 2);
	put_number(&cursor, n_source, 2);
	put(&cursor, stamp->output, n_output);
	put(&cursor, stamp->source, n_source);
	put_number(&cursor, stamp->root, ROOT_BYTES);

	input_hash_of_bytes(bytes, (size_t)(cursor.to - bytes), &sum);
	put(&cursor, sum.bytes, CHECKSUM_BYTES);
	return (size_t)(cursor.to - bytes);
}

/* Whether the bytes are a stamp of a known version: the length fields match the number of bytes,
 * and the checksum matches. */
static bool is_whole(const unsigned char *bytes, size_t n)
{
	struct cursor lengths = {.from = bytes + NAMES_AT - 4};
	struct input_hash sum;
	size_t n_output, n_source, n_root;

	if (n < NAMES_AT + CHECKSUM_BYTES || n > STAMP_MAX_BYTES ||
	    memcmp(bytes, magic, sizeof(magic)) != 0 ||
	    (bytes[sizeof(magic)] != VERSION &&
	     bytes[sizeof(magic)] != VERSION_WITHOUT_ROOT))
		return false;
	n_root = bytes[sizeof(magic)] == VERSION ? ROOT_BYTES : 0;
	n_output = (size_t)take_number(&lengths, 2);
	n_source = (size_t)take_number(&lengths, 2);
	if (n_output > STAMP_NAME_BYTES || n_source > STAMP_NAME_BYTES ||
	    n != NAMES_AT + n_output + n_source + n_root + CHECKSUM_BYTES)
		return false;
	input_hash_of_bytes(bytes, n - CHECKSUM_BYTES, &sum);
	return memcmp(bytes + n - CHECKSUM_BYTES, sum.bytes, CHECKSUM_BYTES) == 0;
}

/* Read a name. Returns false for a name that contains a zero byte. */
static bool take_name(struct cursor *cursor, char *ret_name, size_t n)
{
	take(cursor, ret_name, n);
	ret_name[n] = 0;
	return strlen(ret_name) == n;
}

bool stamp_decode(const void *bytes, size_t n, struct stamp *ret_stamp)
{
	struct cursor cursor = {.from = bytes};
	size_t n_output, n_source;
	bool has_root;

	if (!is_whole(bytes, n))
		return false;
	cursor.from += sizeof(magic);
	has_root = take_number(&cursor, 1) == VERSION;
	ret_stamp->recipe = take_number(&cursor, 8);
	ret_stamp->in_bytes = take_number(&cursor, 8);
	ret_stamp->in_mtime_ns = (int64_t)take_number(&cursor, 8);
	ret_stamp->out_bytes = take_number(&cursor, 8);
	ret_stamp->out_mtime_ns = (int64_t)take_number(&cursor, 8);
	ret_stamp->width = (uint32_t)take_number(&cursor, 4);
	ret_stamp->height = (uint32_t)take_number(&cursor, 4);
	take(&cursor, ret_stamp->format, STAMP_FORMAT_BYTES);
	take(&cursor, ret_stamp->in_hash.bytes, INPUT_HASH_BYTES);
	take(&cursor, ret_stamp->out_hash.bytes, OUTPUT_HASH_BYTES);
	n_output = (size_t)take_number(&cursor, 2);
	n_source = (size_t)take_number(&cursor, 2);
	if (ret_stamp->format[STAMP_FORMAT_BYTES - 1] != 0 ||
	    !take_name(&cursor, ret_stamp->output, n_output) ||
	    !take_name(&cursor, ret_stamp->source, n_source))
		return false;
	ret_stamp->root = has_root ? take_number(&cursor, ROOT_BYTES) : 0;
	return true;
}

/* ---- files ---- */

bool stamp_write(int fd, const struct stamp *stamp)
{
	unsigned char bytes[STAMP_MAX_BYTES];
	size_t n = stamp_encode(stamp, bytes);

	if (fsetxattr(fd, STAMP_ATTRIBUTE, bytes, n, 0) == 0)
		return true;
	/* Like ENOTSUP, these errors mean that the file cannot have the attribute. EPERM: the mount
	 * has no user attributes. EACCES: the umask has made the file read-only. ENOSPC, ERANGE and
	 * E2BIG: the file system limits the size of a file's attributes. ENOSPC can also mean that
	 * the disk is full, but then the next write fails with ENOSPC too. */
	if (errno == ENOSYS || errno == EPERM || errno == EACCES || errno == ENOSPC ||
	    errno == ERANGE || errno == E2BIG)
		errno = ENOTSUP;
	return false;
}

bool stamp_read(int fd, struct stamp *ret_stamp)
{
	unsigned char bytes[STAMP_MAX_BYTES];
	ssize_t n = fgetxattr(fd, STAMP_ATTRIBUTE, bytes, sizeof(bytes));

	return n > 0 && stamp_decode(bytes, (size_t)n, ret_stamp);
}
