/* A report on a stage: what it writes is caught, its clock is ours. */
#ifndef PXP_TESTS_CAUGHT_H
#define PXP_TESTS_CAUGHT_H

#include "support/test.h"

#include "report/report.h"

#include <locale.h>
#include <stdint.h>

/* The clock that reports made here read. It moves when a test moves it. */
extern int64_t stage_now_ns;
void stage_pass_ms(int64_t ms);

/* A report that writes to fd. */
struct report *stage_report(enum progress progress, int fd);
struct report *stage_report_of(const struct report_options *options, int fd);

/* A batch of 3.2 seconds: one image of each outcome, one that was never reached, and a
 * file that is none. What report_finish() said. */
bool stage_run(struct report *report);

/* A file in memory, and what was written to it since the last call; static text. */
int caught_open(void);
const char *caught_text(int fd);

/* Records such as batches make. */
struct record record_ok(const char *input, const char *output);
struct record record_failed(const char *input, enum fail_class class,
                            const char *message);
struct record record_skipped(const char *input);

/* The locale of the tests that show more than ASCII; without this it is plain "C". */
static inline void use_utf8(void)
{
	REQUIRE(setlocale(LC_ALL, "C.UTF-8") != NULL);
}

#endif
