/*
 * Fuzz target: the answers of a worker about the pictures of a task, as src/batch checks them. Both
 * the answers and the outputs are arbitrary bytes. An answer is accepted only if it is complete,
 * and if its outputs are in the memfd, do not overlap, and begin as their formats require.
 */
#include "fuzz.h"

#include "base/fd.h"
#include "batch/picture_workers.h"
#include "exec/future/future.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP,
                                            FORMAT_TGA, FORMAT_TIFF};

enum { MAX_VARIANTS = 3, MAX_FILES = 3 };

/* Append one part of an output to the memfd: the first bytes of a format, or arbitrary bytes.
 * Returns the number of bytes. */
static size_t append_part(struct feed *feed, int fd)
{
	static const char *const heads[] = {"\xff\xd8\xff", "\x89PNG\r\n\x1a\n", "II*",
	                                    "x"};
	unsigned which = feed_byte(feed) % 5;
	const uint8_t *bytes;
	size_t n;

	if (which < 4) {
		n = strlen(heads[which]);
		CLAIM(fd_write_all(fd, heads[which], n));
	} else {
		bytes = feed_bytes(feed, 64, &n);
		CLAIM(fd_write_all(fd, bytes, n));
	}
	return n;
}

/* Write the outputs of a file, one after the other, and an answer that describes them. */
static void make_answer(struct feed *feed, int fd, const struct picture_taken *file,
                        struct picture_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	answer->n_out = (uint32_t)file->n_variants;
	memcpy(answer->engine, "vips", 5);
	for (size_t i = 0; i < file->n_variants; i++) {
		answer->out[i].format = file->variants[i].format;
		answer->out[i].offset = (uint64_t)lseek(fd, 0, SEEK_END);
		answer->out[i].bytes = append_part(feed, fd);
	}
}

static void scribble(struct feed *feed, void *at, size_t n_at)
{
	for (unsigned i = feed_byte(feed) % 8; i > 0; i--) {
		size_t from = (size_t)feed_number(feed, 2) % n_at, n;
		const uint8_t *bytes = feed_bytes(feed, 8, &n);

		n = n < n_at - from ? n : n_at - from;
		memcpy((uint8_t *)at + from, bytes, n);
	}
}

/* Append an answer to the results, or only a part of it, or no answer. Returns the new length of
 * the results. */
static size_t append_answer(struct feed *feed, uint8_t *results, size_t at,
                            const struct picture_answer *answer)
{
	uint64_t n = picture_answer_bytes(
		answer->n_out <= PICTURE_MAX_VARIANTS ? answer->n_out : 0);

	switch (feed_byte(feed) % 8) {
	case 0:
		n = 0; /* no answer: the file must be processed in a task of its own */
		break;
	case 1:
		n = feed_number(feed, 2) % sizeof(*answer);
		break;
	default:
		break;
	}
	memcpy(results + at, &n, sizeof(n));
	memcpy(results + at + sizeof(n), answer, (size_t)n);
	return at + sizeof(n) + ((size_t)n + 7) / 8 * 8;
}

static void check(const struct picture_taken *file, int output, uint64_t *offset)
{
	const struct picture_answer *answer = &file->answer;
	struct stat stat;

	CLAIM((unsigned)answer->failure.class < N_FAIL_CLASSES);
	CLAIM(memchr(answer->failure.text, 0, sizeof(answer->failure.text)) != NULL);
	CLAIM(memchr(answer->engine, 0, sizeof(answer->engine)) != NULL);
	CLAIM((unsigned)answer->in.format < N_FORMATS);
	CLAIM(answer->n_out <= PICTURE_MAX_VARIANTS);
	CLAIM(answer->is_damaged <= 1);
	CLAIM(!answer->is_damaged || answer->failure.class == FAIL_NONE);
	/* The text of a failure is printed, so it must not contain control characters. */
	for (const char *c = answer->failure.text;
	     answer->failure.class != FAIL_NONE && *c; c++)
		CLAIM((unsigned char)*c >= ' ' && *c != 0x7f);
	if (file->is_left || answer->failure.class != FAIL_NONE)
		return;
	/* Outputs lie in the memfd, and no two of them overlap. */
	CLAIM(output >= 0 && fstat(output, &stat) == 0);
	for (size_t i = 0; i < file->n_variants; i++) {
		const struct picture_side *side = &file->variants[i].side;

		CLAIM(side->format == file->variants[i].format);
		CLAIM(side->offset >= *offset);
		CLAIM(side->bytes <= (uint64_t)stat.st_size &&
		      side->offset <= (uint64_t)stat.st_size - side->bytes);
		*offset = side->offset + side->bytes;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static uint8_t results[MAX_FILES * (sizeof(struct picture_answer) + 16)];
	struct feed feed = {bytes, n};
	unsigned choice = feed_byte(&feed);
	const size_t n_files = 1 + choice / 16 % MAX_FILES;
	struct variant variants[MAX_FILES][MAX_VARIANTS] = {0};
	struct picture_taken files[MAX_FILES] = {0};
	struct completion completion = completion_of(PXP_FINISHED);
	struct pxp_future *future = pxp_promise_create();
	struct picture_answer answer;
	uint64_t offset = 0;
	struct stat stat;
	size_t n_results = 0;
	int output;

	CLAIM(future != NULL);
	completion.output = memfd_create("fuzz", MFD_CLOEXEC);
	CLAIM(completion.output >= 0);
	for (size_t i = 0; i < n_files; i++) {
		files[i].variants = variants[i];
		files[i].n_variants = 1 + choice / 5 % MAX_VARIANTS;
		files[i].is_taken_out = n_files > 1 && feed_byte(&feed) % 8 == 0;
		for (size_t j = 0; j < files[i].n_variants; j++)
			variants[i][j].format = formats[(choice + i + j) % 5];
		make_answer(&feed, completion.output, &files[i], &answer);
		scribble(&feed, &answer, sizeof(answer));
		n_results = append_answer(&feed, results, n_results, &answer);
	}
	if (feed_byte(&feed) == 1)
		n_results = feed_number(&feed, 2) % sizeof(results);
	if (feed_byte(&feed) % 16 == 1)
		fd_close(&completion.output);
	completion.result = fuzz_copy(results, n_results);
	completion.n_result = n_results;
	CLAIM(future_complete(future, &completion));

	picture_collect(future, files, n_files, &output);
	for (size_t i = 0; i < n_files; i++) {
		CLAIM(!files[i].is_left || n_files > 1);
		check(&files[i], output, &offset);
	}
	/* If the task had only one picture, the outputs of this picture fill the memfd. */
	CLAIM(n_files > 1 || output < 0 ||
	      (fstat(output, &stat) == 0 && offset == (uint64_t)stat.st_size));
	fd_close(&output);
	pxp_future_release(future);
	return 0;
}
