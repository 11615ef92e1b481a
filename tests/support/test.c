/*
 * The code that runs before and after every test, and comparisons that print both values.
 */
#include "support/test.h"

#include "support/residue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PIXPOOL_SANITIZE_ADDRESS
#include <sanitizer/lsan_interface.h>
#endif

void test_begin(void)
{
	residue_begin();
}

void test_end(void)
{
	EXPECT(residue_end(), "the test left something running, open or mapped");
#ifdef PIXPOOL_SANITIZE_ADDRESS
	EXPECT(__lsan_do_recoverable_leak_check() == 0, "the test leaks");
#endif
}

void test_expect_eq(intmax_t got, intmax_t want, const char *file, int line,
                    const char *text)
{
	EXPECT(got == want, "%s is %jd, expected %jd (%s:%d)", text, got, want, file,
	       line);
}

void test_expect_str(const char *got, const char *want, const char *file, int line,
                     const char *text)
{
	bool same = got && want && strcmp(got, want) == 0;

	EXPECT(same, "%s is \"%s\", expected \"%s\" (%s:%d)", text, got ? got : "(null)",
	       want ? want : "(null)", file, line);
}
