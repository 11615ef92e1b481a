/*
 * The test runner that replaces Criterion. Each test runs in a new process of this program, started
 * by fork and exec, so each test has a zygote of its own, which a constructor starts.
 */
#include "support/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct test *first_test;
static int n_failed_claims;

void test_register(struct test *test)
{
	test->next = first_test;
	first_test = test;
}

void test_expect(bool claim, bool required, const char *file, int line, const char *text,
                 const char *words, ...)
{
	va_list args;

	if (claim)
		return;
	fprintf(stderr, "%s:%d: failed: %s%s", file, line, text, *words ? ": " : "");
	va_start(args, words);
	vfprintf(stderr, words, args);
	va_end(args);
	fputc('\n', stderr);
	n_failed_claims++;
	if (required)
		exit(EXIT_FAILURE);
}

void test_skip(const char *why)
{
	fprintf(stderr, "skipped: %s\n", why);
	exit(EXIT_SUCCESS);
}

static int run_here(const char *suite, const char *name)
{
	for (struct test *test = first_test; test; test = test->next) {
		if (strcmp(test->suite, suite) != 0 || strcmp(test->name, name) != 0)
			continue;
		alarm(TEST_SECONDS);
		test_begin();
		test->run();
		test_end();
		return n_failed_claims ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	return EXIT_FAILURE;
}

static bool passes(const struct test *test)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/proc/self/exe", "test", test->suite, test->name, (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	int n_passed = 0, n_failed = 0;

	if (argc == 3)
		return run_here(argv[1], argv[2]);
	for (struct test *test = first_test; test; test = test->next) {
		bool passed = passes(test);

		printf("[%s] %s::%s\n", passed ? "PASS" : "FAIL", test->suite,
		       test->name);
		n_passed += passed;
		n_failed += !passed;
	}
	printf("%d passed, %d failed\n", n_passed, n_failed);
	return n_failed || !n_passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
