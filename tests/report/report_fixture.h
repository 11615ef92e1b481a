/*
 * What the tests of reports share: a report that writes to a file in memory and reads a clock that
 * the test sets, and sample records.
 */
#ifndef PXP_REPORT_FIXTURE_H
#define PXP_REPORT_FIXTURE_H

#include "support/test.h"

#include "report/report.h"

#include <locale.h>
#include <stdint.h>

/* The clock of these reports. Only the test moves it. */
extern int64_t fixture_now_ns;
void fixture_advance_ms(int64_t ms);

/* A report that writes to fd. The caller destroys it. */
struct report *fixture_report(enum progress progress, int fd);
struct report *fixture_report_with(const struct report_options *options, int fd);

/* Report a batch of four images that takes 3.2 seconds: one image is ok, one fails, one is skipped,
 * and one is not started. There is also a file that is not an image, and a message. Returns what
 * report_finish() returned. */
bool fixture_run(struct report *report);

/* Open a file in memory. capture_text() returns the text that was written to it since the last
 * call, in static memory. */
int capture_open(void);
const char *capture_text(int fd);

/* Sample records like those of a real batch. */
struct record record_ok(const char *input, const char *output);
struct record record_failed(const char *input, enum fail_class class,
                            const char *message);
struct record record_skipped(const char *input);

/* Set a UTF-8 locale. The default in tests is "C". */
static inline void use_utf8(void)
{
	REQUIRE(setlocale(LC_ALL, "C.UTF-8") != NULL);
}

#endif
