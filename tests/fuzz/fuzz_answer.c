/*
 * The answer of a worker about a picture, as batch checks it: an answer of any bytes and an output of
 * any bytes. It is a success only if the answer is complete, and the output has the announced length
 * and begins as its format requires.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "batch/picture_task.h"
#include "exec/future/future.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP,
                                            FORMAT_TGA, FORMAT_TIFF};

static int make_output(struct feed *feed, size_t *ret_n)
{
	static const char *const heads[] = {"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "II*",
	                                    "x"};
	unsigned which = feed_byte(feed) % 6;
	int fd = -1;

	*ret_n = 0;
	if (which == 5)
		return -1;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	CLAIM(fd >= 0);
	if (which < 4) {
		*ret_n = strlen(heads[which]);
		CLAIM(fd_write_all(fd, heads[which], *ret_n));
	} else {
		const uint8_t *bytes = feed_bytes(feed, 64, ret_n);

		CLAIM(fd_write_all(fd, bytes, *ret_n));
	}
	return fd;
}

static void fill_answer(struct feed *feed, struct picture_answer *answer,
                        enum image_format format, size_t n_output)
{
	memset(answer, 0, sizeof(*answer));
	answer->out[0].format = format;
	answer->out[0].bytes = n_output;
	answer->n_out = 1;
	memcpy(answer->engine, "vips", 5);
	for (unsigned i = feed_byte(feed) % 8; i > 0; i--) {
		size_t at = (size_t)feed_number(feed, 2) % sizeof(*answer), n;
		const uint8_t *bytes = feed_bytes(feed, 8, &n);

		n = n < sizeof(*answer) - at ? n : sizeof(*answer) - at;
		memcpy((uint8_t *)answer + at, bytes, n);
	}
}

static void check(const struct picture_answer *answer, enum image_format format,
                  int output)
{
	struct stat stat;

	CLAIM((unsigned)answer->failure.class < N_FAIL_CLASSES);
	CLAIM(memchr(answer->failure.text, 0, sizeof(answer->failure.text)) != NULL);
	CLAIM(memchr(answer->engine, 0, sizeof(answer->engine)) != NULL);
	CLAIM((unsigned)answer->in.format < N_FORMATS);
	CLAIM(answer->n_out <= 1);
	CLAIM((unsigned)answer->out[0].format < N_FORMATS);
	CLAIM((output >= 0) == (answer->failure.class == FAIL_NONE));
	/* The text of a failure is printed, so it must not have control characters. */
	for (const char *c = answer->failure.text; output < 0 && *c; c++)
		CLAIM((unsigned char)*c >= ' ' && *c != 0x7f);
	if (output < 0)
		return;
	CLAIM(answer->out[0].format == format);
	CLAIM(fstat(output, &stat) == 0 &&
	      answer->out[0].bytes == (uint64_t)stat.st_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	enum image_format format = formats[feed_byte(&feed) % 5];
	struct completion completion = completion_of(PXP_FINISHED);
	struct pxp_future *future = pxp_promise_create();
	struct picture_answer answer;
	size_t n_output, n_answer;
	int output;

	CLAIM(future != NULL);
	completion.output = make_output(&feed, &n_output);
	fill_answer(&feed, &answer, format, n_output);
	n_answer = picture_answer_bytes(
		answer.n_out <= PICTURE_MAX_VARIANTS ? answer.n_out : 0);
	if (feed_byte(&feed) == 1)
		n_answer = feed_number(&feed, 2) % sizeof(answer);
	completion.result = fuzz_copy((const uint8_t *)&answer, n_answer);
	completion.n_result = n_answer;
	CLAIM(future_complete(future, &completion));

	picture_collect(future, format, &answer, &output);
	check(&answer, format, output);
	fd_close(&output);
	pxp_future_release(future);
	return 0;
}
