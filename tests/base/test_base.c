/* Tests of errors, clocks and file descriptors. */
#include "support/test.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pixpool/status.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

TEST(status, error_text_is_one_line_and_is_truncated_to_its_buffer)
{
	struct pxp_error error;
	char longer[2 * PXP_ERROR_TEXT_BYTES];

	EXPECT_EQ(pxp_fail(&error, PXP_EINVAL, "%s", "a\nb\033[2J\x7f"), PXP_EINVAL);
	EXPECT_STR(error.text, "a?b?[2J?");

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	pxp_fail(&error, PXP_ETASK, "%s", longer);
	EXPECT_EQ(strlen(error.text), PXP_ERROR_TEXT_BYTES - 1);
}

TEST(status, a_failed_system_call_leaves_errno_and_its_text_in_the_error)
{
	struct pxp_error error;

	errno = ENOSPC;
	EXPECT_EQ(pxp_fail_errno(&error, "write %s", "x"), PXP_ESYS);
	EXPECT_EQ(error.sys_errno, ENOSPC);
	EXPECT_EQ(errno, ENOSPC);
	EXPECT_STR(error.text, "write x: No space left on device");
}

TEST(clock, deadlines_saturate_and_a_negative_timeout_never_expires)
{
	EXPECT_EQ(clock_deadline_ns(5, -1), -1);
	EXPECT_EQ(clock_deadline_ns(5, 2), 2000005);
	EXPECT_EQ(clock_deadline_ns(5, INT64_MAX), INT64_MAX);
	EXPECT_EQ(clock_poll_ms(10, -1), -1);
	EXPECT_EQ(clock_poll_ms(10, 10), 0);
	EXPECT_EQ(clock_poll_ms(10, 11), 1);
	EXPECT_EQ(clock_poll_ms(0, INT64_MAX), 2147483647);
}

TEST(fd, copying_content_fails_if_the_source_is_too_short)
{
	int from = memfd_create("from", MFD_CLOEXEC),
	    to = memfd_create("to", MFD_CLOEXEC);
	char got[8] = "";

	REQUIRE(from >= 0 && to >= 0);
	EXPECT(fd_write_all(from, "abcdef", 6));
	EXPECT(fd_copy(to, from, 2, 3));
	EXPECT_EQ(fd_pread_full(to, got, sizeof(got), 0), 3);
	EXPECT_STR(got, "cde");
	EXPECT(!fd_copy(to, from, 2, 5) && errno == ENODATA);
	fd_close(&from);
	fd_close(&to);
	EXPECT_EQ(from, -1);
}

TEST(fd, counting_bytes_stops_one_byte_above_the_given_maximum)
{
	int fd = memfd_create("bytes", MFD_CLOEXEC);
	uint64_t n;

	REQUIRE(fd >= 0 && ftruncate(fd, 50000) == 0);
	EXPECT(fd_count(fd, 50000, &n) && n == 50000);
	EXPECT(fd_count(fd, 49999, &n) && n == 50000);
	EXPECT(fd_count(fd, 7, &n) && n == 8);
	EXPECT(!fd_count(-1, 7, &n) && errno == EBADF);
	close(fd);
}

/* The kernel refuses sendfile() for a file that is open for appending. */
TEST(fd, copying_uses_read_and_write_if_sendfile_is_refused)
{
	enum { N = 100 * 1000 };
	static char bytes[N], got[N + 1];
	int from = memfd_create("from", MFD_CLOEXEC),
	    to = memfd_create("to", MFD_CLOEXEC);
	off_t offset = 0;

	REQUIRE(from >= 0 && to >= 0 && fcntl(to, F_SETFL, O_APPEND) == 0);
	for (size_t i = 0; i < N; i++)
		bytes[i] = (char)(i % 251);
	EXPECT(fd_write_all(from, bytes, N));
	EXPECT(sendfile(to, from, &offset, 1) < 0 && errno == EINVAL);
	EXPECT(fd_copy(to, from, 1, N - 1));
	EXPECT_EQ(fd_pread_full(to, got, N + 1, 0), N - 1);
	EXPECT(memcmp(got, bytes + 1, N - 1) == 0);
	EXPECT(!fd_copy(to, from, 1, N) && errno == ENODATA);
	close(from);
	close(to);
}
