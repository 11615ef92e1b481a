/*
 * The test engine: its input is orders, one a line, after a first line "pixpool-obey".
 * It is linked into test programs only, and then reads such a file as if it were a
 * picture. Unknown orders fail as bad-image.
 *
 *   gate NAME      be called gate-NAME and wait until the input's first byte is not 'p'
 *   signal SIGSEGV die of it: also SIGABRT, SIGBUS, SIGKILL, SIGSTOP, SIGTERM
 *   exit N         leave with that status
 *   hang busy      burn the processor for ever; or: hang asleep
 *   allocate BYTES have so much memory, and write to it; fail as memory without it
 *   leak BYTES     the same, and keep it
 *   stderr BYTES   print so much, in numbered lines
 *   fail CLASS     fail with a class of cli.md
 *   size W H       the size of the picture that comes out, 32 x 24 unless said
 *
 * The first byte is free to be anything, so that a gate that was opened stays open for
 * the second attempt at the same input.
 */
#include "image/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static bool obey_claims(const uint8_t *bytes, size_t n)
{
	static const char magic[] = "ixpool-obey\n";

	return n > sizeof(magic) - 1 && memcmp(bytes + 1, magic, sizeof(magic) - 1) == 0;
}

static bool obey_reads(enum image_format format)
{
	(void)format;
	return false;
}

static void wait_at_gate(int input, const char *name)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	char kept[16] = "", mine[16], first;

	prctl(PR_GET_NAME, kept);
	snprintf(mine, sizeof(mine), "gate-%s", name);
	prctl(PR_SET_NAME, mine);
	while (pread(input, &first, 1, 0) == 1 && first == 'p')
		nanosleep(&moment, NULL);
	prctl(PR_SET_NAME, kept);
}

static void die_of(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} signals[] = {
		{"SIGSEGV", SIGSEGV}, {"SIGABRT", SIGABRT}, {"SIGBUS", SIGBUS},
		{"SIGKILL", SIGKILL}, {"SIGSTOP", SIGSTOP}, {"SIGTERM", SIGTERM},
	};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcmp(signals[i].name, name) != 0)
			continue;
		signal(signals[i].number, SIG_DFL);
		kill(getpid(), signals[i].number);
	}
}

static void hang(const char *how)
{
	volatile unsigned n = 0;

	for (;;) {
		if (strcmp(how, "busy") == 0)
			n++;
		else
			pause();
	}
}

/* A page of lines at a time: what is tried is the amount, not the system calls. */
static void print_lines(unsigned long n_bytes)
{
	char page[4096];
	unsigned long n_printed = 0, number = 0;

	while (n_printed < n_bytes) {
		size_t n = 0, n_wanted = n_bytes - n_printed;

		while (n < n_wanted && n < sizeof(page) - 32)
			n += (size_t)snprintf(page + n, 32, "obey line %lu\n", ++number);
		for (size_t at = 0; at < n;) {
			ssize_t wrote = write(STDERR_FILENO, page + at, n - at);

			if (wrote < 0 && errno != EINTR && errno != EAGAIN)
				return;
			at += wrote > 0 ? (size_t)wrote : 0;
		}
		n_printed += n;
	}
}

/* False when there is not so much. */
static bool take_memory(unsigned long n_bytes, bool is_kept)
{
	static void *volatile kept;
	unsigned char *bytes = malloc(n_bytes);

	for (unsigned long at = 0; bytes && at < n_bytes; at += 4096)
		((volatile unsigned char *)bytes)[at] = 1;
	if (is_kept)
		kept = bytes;
	else
		free(bytes);
	(void)kept;
	return bytes != NULL;
}

static bool fail_as(const char *word, struct failure *ret_failure)
{
	for (int class = FAIL_NONE + 1; class < N_FAIL_CLASSES; class ++) {
		if (strcmp(fail_class_name((enum fail_class) class), word) == 0)
			return failure_set(ret_failure, (enum fail_class) class,
			                   "obey: fail %s", word);
	}
	return failure_set(ret_failure, FAIL_BAD_IMAGE, "obey: no class is called %s",
	                   word);
}

/* Obey one line. Whether the picture is still to come. */
static bool obey_line(struct source *source, const char *line,
                      struct failure *ret_failure)
{
	char order[16], word[32] = "";
	int n_words = sscanf(line, "%15s %31s", order, word);

	if (n_words < 1 || strcmp(order, "size") == 0)
		return true;
	if (strcmp(order, "gate") == 0)
		wait_at_gate(source->input, word);
	else if (strcmp(order, "signal") == 0)
		die_of(word);
	else if (strcmp(order, "exit") == 0)
		_exit((int)strtol(word, NULL, 10));
	else if (strcmp(order, "hang") == 0)
		hang(word);
	else if (strcmp(order, "allocate") == 0 || strcmp(order, "leak") == 0)
		return take_memory(strtoul(word, NULL, 10), order[0] == 'l') ||
		       failure_set(ret_failure, FAIL_MEMORY, "obey: out of memory");
	else if (strcmp(order, "stderr") == 0)
		print_lines(strtoul(word, NULL, 10));
	else if (strcmp(order, "fail") == 0)
		return fail_as(word, ret_failure);
	else
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "obey: no order is called %s", order);
	return true;
}

static bool obey_open(struct source *source, const struct recipe *recipe,
                      struct failure *ret_failure)
{
	char *text = strndup((const char *)source->bytes, source->n_bytes);
	const char *line;

	(void)recipe;
	if (!text)
		return failure_set(ret_failure, FAIL_MEMORY, "obey: out of memory");
	source->state = text;
	source->size = (struct size){32, 24};
	line = strstr(text, "\nsize ");
	if (line) {
		char *rest;

		source->size.width = (uint32_t)strtoul(line + sizeof("\nsize"), &rest,
		                                       10);
		source->size.height = (uint32_t)strtoul(rest, NULL, 10);
	}
	return true;
}

static void obey_close(struct source *source)
{
	free(source->state);
	source->state = NULL;
}

/* The size is that of the orders, not the recipe's: the picture is the answer. */
static bool obey_render(struct source *source, const struct recipe *recipe,
                        struct rendering *ret_rendering, struct failure *ret_failure)
{
	char *rest = source->state, *line;
	struct pixels *pixels = &ret_rendering->pixels;

	(void)recipe;
	strsep(&rest, "\n"); /* the name of the format */
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (!obey_line(source, line, ret_failure))
			return false;
	}
	if (!pixels_init(pixels, source->size, 3))
		return failure_set(ret_failure, FAIL_MEMORY, "obey: out of memory");
	memset(pixels->bytes, 0x80, (size_t)source->size.width * source->size.height * 3);
	ret_rendering->size = source->size;
	ret_rendering->n_frames = 1;
	return true;
}

static const struct engine engine_obey = {
	.name = "obey",
	.reads = obey_reads,
	.writes = obey_reads,
	.claims = obey_claims,
	.open = obey_open,
	.render = obey_render,
	.close = obey_close,
};

__attribute__((constructor)) static void take_orders(void)
{
	engine_of_tests = &engine_obey;
}
