/*
 * Fuzz target: the answer of a worker about a picture, as src/batch checks it. Both the answer and
 * the output are arbitrary bytes. An answer is accepted only if it is complete, and if the output
 * has the announced length and begins as its format requires.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "batch/picture_workers.h"
#include "exec/future/future.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP,
                                            FORMAT_TGA, FORMAT_TIFF};

enum { MAX_VARIANTS = 3 };

/* Append to the memfd: the header of a format, arbitrary bytes, or nothing. Returns false if there
 * is no memfd. */
static bool append_part(struct feed *feed, int fd, size_t *ret_n)
{
	static const char *const heads[] = {"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "II*",
	                                    "x"};
	unsigned which = feed_byte(feed) % 6;
	const uint8_t *bytes;

	*ret_n = 0;
	if (which == 5)
		return false;
	if (which < 4) {
		*ret_n = strlen(heads[which]);
		CLAIM(fd_write_all(fd, heads[which], *ret_n));
	} else {
		bytes = feed_bytes(feed, 64, ret_n);
		CLAIM(fd_write_all(fd, bytes, *ret_n));
	}
	return true;
}

/* Write the outputs, one after the other, and an answer that describes them. */
static int make_outputs(struct feed *feed, const struct variant *variants,
                        size_t n_variants, struct picture_answer *answer)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	uint64_t offset = 0;
	bool is_there = true;
	size_t n;

	CLAIM(fd >= 0);
	memset(answer, 0, sizeof(*answer));
	answer->n_out = (uint32_t)n_variants;
	memcpy(answer->engine, "vips", 5);
	for (size_t i = 0; i < n_variants; i++) {
		is_there &= append_part(feed, fd, &n);
		answer->out[i].format = variants[i].format;
		answer->out[i].offset = offset;
		answer->out[i].bytes = n;
		offset += n;
	}
	if (!is_there)
		fd_close(&fd);
	return fd;
}

static void scribble(struct feed *feed, struct picture_answer *answer)
{
	for (unsigned i = feed_byte(feed) % 8; i > 0; i--) {
		size_t at = (size_t)feed_number(feed, 2) % sizeof(*answer), n;
		const uint8_t *bytes = feed_bytes(feed, 8, &n);

		n = n < sizeof(*answer) - at ? n : sizeof(*answer) - at;
		memcpy((uint8_t *)answer + at, bytes, n);
	}
}

static void check(const struct picture_answer *answer, const struct variant *variants,
                  size_t n_variants, int output)
{
	uint64_t offset = 0;
	struct stat stat;

	CLAIM((unsigned)answer->failure.class < N_FAIL_CLASSES);
	CLAIM(memchr(answer->failure.text, 0, sizeof(answer->failure.text)) != NULL);
	CLAIM(memchr(answer->engine, 0, sizeof(answer->engine)) != NULL);
	CLAIM((unsigned)answer->in.format < N_FORMATS);
	CLAIM(answer->n_out <= PICTURE_MAX_VARIANTS);
	CLAIM(answer->is_damaged <= 1);
	CLAIM(!answer->is_damaged || answer->failure.class == FAIL_NONE);
	CLAIM((output >= 0) == (answer->failure.class == FAIL_NONE));
	/* The text of a failure is printed, so it must not contain control characters. */
	for (const char *c = answer->failure.text; output < 0 && *c; c++)
		CLAIM((unsigned char)*c >= ' ' && *c != 0x7f);
	if (output < 0)
		return;
	for (size_t i = 0; i < n_variants; i++) {
		CLAIM(variants[i].side.format == variants[i].format);
		CLAIM(variants[i].side.offset == offset);
		offset += variants[i].side.bytes;
	}
	CLAIM(fstat(output, &stat) == 0 && offset == (uint64_t)stat.st_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned choice = feed_byte(&feed);
	size_t n_variants = 1 + choice / 5 % MAX_VARIANTS, n_answer;
	struct variant variants[MAX_VARIANTS] = {0};
	struct completion completion = completion_of(PXP_FINISHED);
	struct pxp_future *future = pxp_promise_create();
	struct picture_answer answer;
	int output;

	CLAIM(future != NULL);
	for (size_t i = 0; i < n_variants; i++)
		variants[i].format = formats[(choice + i) % 5];
	completion.output = make_outputs(&feed, variants, n_variants, &answer);
	scribble(&feed, &answer);
	n_answer = picture_answer_bytes(
		answer.n_out <= PICTURE_MAX_VARIANTS ? answer.n_out : 0);
	if (feed_byte(&feed) == 1)
		n_answer = feed_number(&feed, 2) % sizeof(answer);
	completion.result = fuzz_copy((const uint8_t *)&answer, n_answer);
	completion.n_result = n_answer;
	CLAIM(future_complete(future, &completion));

	picture_collect(future, variants, n_variants, &answer, &output);
	check(&answer, variants, n_variants, output);
	fd_close(&output);
	pxp_future_release(future);
	return 0;
}
