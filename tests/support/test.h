/*
 * A test is a sentence: TEST(suite, what_it_claims) { ... EXPECT(...) ... }
 *
 * Tests run under Criterion. If PIXPOOL_CRITERION is off, they run under the runner in runner.c,
 * because Criterion 2.4.1 aborts at start in a ThreadSanitizer build. In both cases each test has a
 * process and a time limit of its own, so that a test that hangs fails.
 *
 * EXPECT records a failure and continues; REQUIRE ends the test.
 */
#ifndef PXP_TEST_H
#define PXP_TEST_H

#include <stdint.h>

enum { TEST_SECONDS = 120 };

#ifdef PIXPOOL_CRITERION

#include <criterion/criterion.h>

/* Criterion's fixtures are not used: an EXPECT that fails in a fixture does not fail the test. */
#define TEST(suite, name)                                                                \
	static void suite##_##name(void);                                                \
	Test(suite, name, .timeout = TEST_SECONDS)                                       \
	{                                                                                \
		test_begin();                                                            \
		suite##_##name();                                                        \
		test_end();                                                              \
	}                                                                                \
	static void suite##_##name(void)
#define EXPECT(...)  cr_expect(__VA_ARGS__)
#define REQUIRE(...) cr_assert(__VA_ARGS__)
#define SKIP(why)    cr_skip_test(why)

#else

#include <stdbool.h>

#define EXPECT(...)  TEST_CLAIM(false, __VA_ARGS__, "")
#define REQUIRE(...) TEST_CLAIM(true, __VA_ARGS__, "")
/* EXPECT and REQUIRE add an empty string at the end. It is the message if the test gives no
 * message. */
#define TEST_CLAIM(required, claim, ...)                                                 \
	test_expect((claim), required, __FILE__, __LINE__, #claim, __VA_ARGS__)

/* Print why the test cannot run here, and end the test. */
#define SKIP(why) test_skip(why)
void test_skip(const char *why);

struct test {
	const char *suite, *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *test);
void test_expect(bool claim, bool required, const char *file, int line, const char *text,
                 const char *words, ...);

#define TEST(suite, name)                                                                \
	static void suite##_##name(void);                                                \
	__attribute__((constructor)) static void register_##suite##_##name(void)         \
	{                                                                                \
		static struct test test = {#suite, #name, suite##_##name, 0};            \
		test_register(&test);                                                    \
	}                                                                                \
	static void suite##_##name(void)

#endif

/* Every test begins and ends with these calls. test_end() fails a test that leaves a thread,
 * process, descriptor or shared memory behind (residue.h). In an AddressSanitizer build it also
 * fails a test that leaks memory. Criterion alone would let such a test pass. */
void test_begin(void);
void test_end(void);

/* Compare two numbers or two strings. If they differ, print both. */
#define EXPECT_EQ(got, want)                                                             \
	test_expect_eq((intmax_t)(got), (intmax_t)(want), __FILE__, __LINE__, #got)
#define EXPECT_STR(got, want) test_expect_str((got), (want), __FILE__, __LINE__, #got)

void test_expect_eq(intmax_t got, intmax_t want, const char *file, int line,
                    const char *text);
void test_expect_str(const char *got, const char *want, const char *file, int line,
                     const char *text);

#endif
