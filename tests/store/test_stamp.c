/* Tests of stamps: they are read back as written, and other data is not accepted as a stamp. */
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "common/content_hash.h"
#include "store/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct stamp a_stamp(void)
{
	struct stamp stamp = {.recipe = 0x0123456789abcdefU,
	                      .in_bytes = UINT64_MAX,
	                      .in_mtime_ns = -1,
	                      .in_hash = {{1, 2, 3}},
	                      .out_bytes = 77,
	                      .out_mtime_ns = STAMP_NO_TIME,
	                      .out_hash = {{9, 8, 7}},
	                      .width = 640,
	                      .height = UINT32_MAX,
	                      .format = "webp",
	                      .root = UINT64_MAX - 1};

	stamp_set_names(&stamp, "sub/\xff\n.webp", "sub/\xff\n.png");
	return stamp;
}

static bool are_equal(const struct stamp *a, const struct stamp *b)
{
	return a->recipe == b->recipe && a->in_bytes == b->in_bytes &&
	       a->in_mtime_ns == b->in_mtime_ns && a->out_bytes == b->out_bytes &&
	       a->out_mtime_ns == b->out_mtime_ns && a->width == b->width &&
	       a->height == b->height && strcmp(a->format, b->format) == 0 &&
	       memcmp(&a->in_hash, &b->in_hash, sizeof(a->in_hash)) == 0 &&
	       memcmp(&a->out_hash, &b->out_hash, sizeof(a->out_hash)) == 0 &&
	       strcmp(a->output, b->output) == 0 && strcmp(a->source, b->source) == 0 &&
	       a->root == b->root;
}

TEST(stamp, a_stamp_decodes_to_the_values_that_were_encoded)
{
	struct stamp stamp = a_stamp(), back;
	unsigned char bytes[STAMP_MAX_BYTES];
	size_t n = stamp_encode(&stamp, bytes);

	REQUIRE(stamp_decode(bytes, n, &back));
	EXPECT(are_equal(&stamp, &back));
}

TEST(stamp, a_stamp_of_version_1_has_no_root)
{
	enum { CHECKSUM_BYTES = 8, ROOT_BYTES = 8 };
	struct stamp stamp = a_stamp(), back;
	unsigned char bytes[STAMP_MAX_BYTES];
	size_t n = stamp_encode(&stamp, bytes) - CHECKSUM_BYTES - ROOT_BYTES;
	struct input_hash sum;

	bytes[3] = 1;
	input_hash_of_bytes(bytes, n, &sum);
	memcpy(bytes + n, sum.bytes, CHECKSUM_BYTES);
	REQUIRE(stamp_decode(bytes, n + CHECKSUM_BYTES, &back));
	stamp.root = 0;
	EXPECT(are_equal(&stamp, &back));
}

TEST(stamp, a_stamp_with_a_changed_or_missing_byte_is_rejected)
{
	struct stamp stamp = a_stamp(), back;
	unsigned char bytes[STAMP_MAX_BYTES];
	size_t n = stamp_encode(&stamp, bytes);

	for (size_t i = 0; i < n; i++) {
		EXPECT(!stamp_decode(bytes, i, &back), "the first %zu bytes", i);
		bytes[i] ^= 1;
		EXPECT(!stamp_decode(bytes, n, &back), "byte %zu", i);
		bytes[i] ^= 1;
	}
	EXPECT(!stamp_decode(bytes, n + 1, &back));
	EXPECT(!stamp_decode(NULL, 0, &back));
}

TEST(stamp, names_up_to_the_maximum_length_are_stored_and_longer_names_become_hashes)
{
	char longest[STAMP_NAME_BYTES + 1], longer[STAMP_NAME_BYTES + 2];
	struct stamp stamp = a_stamp(), back;
	unsigned char bytes[STAMP_MAX_BYTES];

	memset(longest, 'a', STAMP_NAME_BYTES);
	longest[STAMP_NAME_BYTES] = 0;
	memset(longer, 'a', STAMP_NAME_BYTES + 1);
	longer[STAMP_NAME_BYTES + 1] = 0;

	stamp_set_names(&stamp, longest, longest);
	REQUIRE(stamp_decode(bytes, stamp_encode(&stamp, bytes), &back));
	EXPECT(strcmp(back.output, longest) == 0 && strcmp(back.source, longest) == 0);

	stamp_set_names(&stamp, longer, "b");
	REQUIRE(stamp_decode(bytes, stamp_encode(&stamp, bytes), &back));
	EXPECT(stamp_name_is(back.output, longer));
	EXPECT(!stamp_name_is(back.output, longest));
	EXPECT(strcmp(back.source, "b") == 0);
}

TEST(stamp, a_stamp_on_an_unnamed_file_stays_when_the_file_gets_its_name)
{
	struct stamp stamp = a_stamp(), back;
	char path[40];
	int fd;

	scratch_enter(NULL);
	fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || (!stamp_write(fd, &stamp) && errno == ENOTSUP)) {
		fd_close(&fd);
		scratch_leave();
		SKIP("this file system has no unnamed files or no user attributes");
		return;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	REQUIRE(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
	fd_close(&fd);
	fd = open("named", O_RDONLY | O_CLOEXEC);
	EXPECT(stamp_read(fd, &back) && are_equal(&stamp, &back));
	fd_close(&fd);
	scratch_file("plain", "x");
	fd = open("plain", O_RDONLY | O_CLOEXEC);
	EXPECT(!stamp_read(fd, &back), "a file without a stamp has none");
	fd_close(&fd);
	scratch_leave();
}

TEST(stamp, writing_a_stamp_to_a_file_system_without_attributes_fails_with_enotsup)
{
	struct stamp stamp = a_stamp();
	int fds[2];

	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	EXPECT(!stamp_write(fds[1], &stamp) && errno == ENOTSUP);
	fd_close(&fds[0]);
	fd_close(&fds[1]);
}

/* The expected values are those of xxhsum -H2 and b2sum -l 256. */
TEST(content_hash, content_hashes_equal_those_of_other_tools)
{
	static const unsigned char xxh3_of_abc[] = {0x06, 0xb0, 0x5a, 0xb6, 0x73, 0x3a,
	                                            0x61, 0x85, 0x78, 0xaf, 0x5f, 0x94,
	                                            0x89, 0x2f, 0x39, 0x50};
	static const unsigned char blake2b_of_abc[] = {
		0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
		0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
		0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19};
	struct input_hash in;
	struct output_hash out;
	int fd = fd_of_bytes("abc", MFD_CLOEXEC, "xabc", 4);

	REQUIRE(fd >= 0);
	input_hash_of_bytes("abc", 3, &in);
	EXPECT(memcmp(in.bytes, xxh3_of_abc, sizeof(xxh3_of_abc)) == 0);
	EXPECT(output_hash_of_range(fd, 1, 3, &out));
	EXPECT(memcmp(out.bytes, blake2b_of_abc, sizeof(blake2b_of_abc)) == 0);
	EXPECT(!output_hash_of_range(fd, 1, 4, &out) && errno == ENODATA);
	EXPECT(!input_hash_of_file(fd, 5, &in) && errno == ENODATA);
	fd_close(&fd);
}

TEST(content_hash, hashing_a_file_in_pieces_gives_the_same_hash)
{
	enum { N = 300000 };
	unsigned char *bytes = malloc(N);
	struct input_hash of_bytes, of_file;
	int fd;

	REQUIRE(bytes != NULL);
	for (int i = 0; i < N; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 251);
	fd = fd_of_bytes("long", MFD_CLOEXEC, bytes, N);
	REQUIRE(fd >= 0);
	input_hash_of_bytes(bytes, N, &of_bytes);
	EXPECT(input_hash_of_file(fd, N, &of_file));
	EXPECT(memcmp(&of_bytes, &of_file, sizeof(of_file)) == 0);
	fd_close(&fd);
	free(bytes);
}
