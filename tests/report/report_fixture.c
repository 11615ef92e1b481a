/* A fake clock, a file in memory, and sample records. */
#include "report_fixture.h"

#include "report/report_in.h"

#include <sys/mman.h>
#include <unistd.h>

int64_t fixture_now_ns = 1000000000;

static int64_t fixture_clock(void)
{
	return fixture_now_ns;
}

void fixture_advance_ms(int64_t ms)
{
	fixture_now_ns += ms * 1000000;
}

struct report *fixture_report_with(const struct report_options *options, int fd)
{
	struct report *report = report_create_in(
		options, &(struct report_world){fd, fixture_clock});

	REQUIRE(report != NULL);
	return report;
}

struct report *fixture_report(enum progress progress, int fd)
{
	return fixture_report_with(
		&(struct report_options){.progress = progress, .records = -1}, fd);
}

bool fixture_run(struct report *report)
{
	struct record ok = record_ok("photos/a.jpg", "thumbs/a.jpg");
	struct record failed = record_failed("photos/b c.jpg", FAIL_CRASHED,
	                                     "worker died of SIGSEGV");
	struct record skipped = record_skipped("photos/d.jpg");

	report_scanning(report, 3);
	report_ignored(report, "photos/notes.txt");
	report_planned(report, 4, 0);
	fixture_advance_ms(1600);
	report_add(report, &ok);
	report_add(report, &failed);
	fixture_advance_ms(1600);
	report_add(report, &skipped);
	report_say(report, "interrupted: %s", "stopping");
	report_cancel_rest(report);
	return report_finish(report, 130);
}

int capture_open(void)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

const char *capture_text(int fd)
{
	static char text[1 << 20];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	REQUIRE(n >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	text[n] = 0;
	return text;
}

struct record record_ok(const char *input, const char *output)
{
	return (struct record){
		.input = input,
		.output = output,
		.status = RECORD_OK,
		.engine = "jpeg",
		.in = {6000, 4000, "jpeg", 485921},
		.out = {256, 171, "jpeg", 9120},
		.queue_ms = 1.2,
		.read_ms = 0.4,
		.work_ms = 31.0,
		.commit_ms = 0.2,
		.attempts = 1,
		.worker = 4711,
	};
}

struct record record_failed(const char *input, enum fail_class class, const char *message)
{
	struct record record = {
		.input = input,
		.status = RECORD_FAILED,
		.queue_ms = -1,
		.read_ms = -1,
		.work_ms = -1,
		.commit_ms = -1,
		.attempts = 2,
		.worker = -1,
	};

	failure_set(&record.failure, class, "%s", message);
	return record;
}

struct record record_skipped(const char *input)
{
	return (struct record){
		.input = input, .status = RECORD_SKIPPED, .reason = "exists"};
}
