/* Tests of how a report writes: each line by one write(2). If standard error cannot be written, the
 * report continues. If a record cannot be written, no more records are written. */
#include "report_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A pair of sockets that keeps the boundaries of writes. */
static void packets_open(int ends[2])
{
	REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	                   ends) == 0);
}

/* The text of the next write, in static memory; "" if nothing more was written. */
static const char *packet_from(int fd)
{
	static char text[1 << 16];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	return text;
}

TEST(report, each_record_is_written_by_a_single_write_call)
{
	static char name[4097];
	int ends[2], fd = capture_open();
	struct report *report;
	struct record ok = record_ok("photos/a.jpg", "thumbs/a.jpg");
	const char *record;

	packets_open(ends);
	memset(name, 'x', sizeof(name) - 1);
	report = fixture_report_with(
		&(struct report_options){.progress = PROGRESS_NONE, .records = ends[1]},
		fd);
	report_add(report, &ok);
	report_add(report, &(struct record){.input = name, .status = RECORD_CANCELLED});
	record = packet_from(ends[0]);
	EXPECT(strstr(record, "photos/a.jpg") &&
	       strchr(record, '\n') == strrchr(record, '\n'));
	EXPECT_EQ(strlen(packet_from(ends[0])),
	          4096 + strlen("{\"input\":\"\",\"status\":\"cancelled\"}\n"));
	EXPECT(report_finish(report, 0));
	EXPECT(strncmp(packet_from(ends[0]), "{\"summary\":{", 12) == 0);
	EXPECT_STR(packet_from(ends[0]), "");
	report_destroy(report);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

TEST(report, lines_and_progress_bar_are_written_by_a_single_write_call)
{
	int ends[2];
	struct report *report;
	struct record failed = record_failed("b.jpg", FAIL_IO, "why");

	setenv("COLUMNS", "12", 1);
	packets_open(ends);
	report = fixture_report(PROGRESS_BAR, ends[1]);
	report_planned(report, 4, 0);
	fixture_advance_ms(100);
	report_tick(report);
	EXPECT_STR(packet_from(ends[0]), "\r  0%  0/4\033[K");
	report_add(report, &failed);
	EXPECT_STR(packet_from(ends[0]),
	           "\r\033[Kb.jpg: failed: cannot be read: why\n\r 25%  1/4\033[K");
	report_finish(report, 1);
	EXPECT_STR(packet_from(ends[0]), "\r\033[K");
	EXPECT(strncmp(packet_from(ends[0]), "1 image: 0 done, 1 failed", 25) == 0);
	EXPECT_STR(packet_from(ends[0]), "");
	report_destroy(report);
	close(ends[0]);
	close(ends[1]);
}

static int broken_pipe(void)
{
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	close(ends[0]);
	return ends[1];
}

TEST(report, a_closed_standard_error_stops_neither_report_nor_batch)
{
	static const enum progress all[] = {PROGRESS_BAR, PROGRESS_PLAIN, PROGRESS_JSON,
	                                    PROGRESS_NONE};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int records = capture_open(), fd = broken_pipe();
		struct report *report = fixture_report_with(
			&(struct report_options){.progress = all[i], .records = records},
			fd);

		EXPECT(fixture_run(report));
		EXPECT_EQ(report_counts(report).ok, 1);
		EXPECT(strstr(capture_text(records),
		              "\n{\"summary\":{\"inputs\":4,\"ok\":1,") != NULL);
		report_destroy(report);
		close(records);
		close(fd);
	}
}

TEST(report, a_record_that_could_not_be_written_fails_the_report_at_the_end)
{
	int fd = capture_open(), records = broken_pipe();
	struct report *report = fixture_report_with(
		&(struct report_options){.progress = PROGRESS_PLAIN, .records = records},
		fd);

	EXPECT(!fixture_run(report));
	EXPECT(strstr(capture_text(fd), "4 images: 1 done") != NULL);
	report_destroy(report);
	close(records);
	close(fd);
}

/* If a record is cut short, no other record may follow on the same line. */
TEST(report, after_a_failed_write_no_further_record_is_written)
{
	int fd = capture_open(), records = capture_open();
	struct report *report = fixture_report_with(
		&(struct report_options){.progress = PROGRESS_NONE, .records = records},
		fd);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), kept = dup(records);

	REQUIRE(full >= 0 && kept >= 0);
	REQUIRE(dup2(full, records) == records);
	report_add(report, &(struct record){.input = "a.jpg", .status = RECORD_SKIPPED});
	REQUIRE(dup2(kept, records) == records);
	report_add(report, &(struct record){.input = "b.jpg", .status = RECORD_SKIPPED});
	EXPECT(!report_finish(report, 0));
	EXPECT_STR(capture_text(records), "");
	report_destroy(report);
	close(full);
	close(kept);
	close(records);
	close(fd);
}

struct reader {
	int fd;
	size_t n_bytes, n_lines;
};

static void *read_all(void *data)
{
	struct reader *reader = data;
	char bytes[4096];
	ssize_t n;

	while ((n = read(reader->fd, bytes, sizeof(bytes))) > 0) {
		reader->n_bytes += (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			reader->n_lines += bytes[i] == '\n';
	}
	return NULL;
}

TEST(report, a_report_waits_until_a_full_nonblocking_pipe_has_room)
{
	enum { N_RECORDS = 5000 };
	int ends[2], fd = capture_open();
	struct reader reader = {0};
	struct report *report;
	pthread_t thread;

	REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
	REQUIRE(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
	reader.fd = ends[0];
	report = fixture_report_with(
		&(struct report_options){.progress = PROGRESS_NONE, .records = ends[1]},
		fd);
	/* Fill the pipe. The reader counts these newlines too, so its counts begin below 0. */
	while (write(ends[1], "\n", 1) == 1)
		reader.n_lines--;
	reader.n_bytes = reader.n_lines;
	REQUIRE(pthread_create(&thread, NULL, read_all, &reader) == 0);
	for (int i = 0; i < N_RECORDS; i++)
		report_add(report,
		           &(struct record){.input = "a.jpg", .status = RECORD_SKIPPED});
	EXPECT(report_finish(report, 0));
	close(ends[1]);
	REQUIRE(pthread_join(thread, NULL) == 0);
	EXPECT_EQ(reader.n_lines, N_RECORDS + 1);
	EXPECT(reader.n_bytes >
	       N_RECORDS * strlen("{\"input\":\"a.jpg\",\"status\":\"skipped\"}\n"));
	report_destroy(report);
	close(ends[0]);
	close(fd);
}
