/* Packs the items of a chunk, runs them in the worker, and unpacks their results. */
#include "exec/map/chunk.h"

#include "exec/executor/task.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, LENGTH_BYTES = ALIGNMENT, MIN_CAPACITY = 512 };

struct chunk_head {
	pxp_task_fn *run;
	uint64_t n_items;
};

_Static_assert(sizeof(struct chunk_head) % ALIGNMENT == 0,
               "the items that follow are aligned for any type");

/* ---- buffers ---- */

/* Make room for n more bytes at the end, and return it. NULL: no memory. */
static char *extend(struct buffer *buffer, size_t n)
{
	size_t wanted, capacity = buffer->capacity;
	char *end;

	if (__builtin_add_overflow(buffer->n, n, &wanted) || wanted > SIZE_MAX / 2)
		return NULL;
	if (wanted > capacity) {
		capacity = capacity > 0 ? capacity * 2 : MIN_CAPACITY;
		if (capacity < wanted)
			capacity = wanted;

		char *grown = realloc(buffer->bytes, capacity);

		if (!grown)
			return NULL;
		buffer->bytes = grown;
		buffer->capacity = capacity;
	}
	end = buffer->bytes + buffer->n;
	buffer->n = wanted;
	return end;
}

/* ---- the input ---- */

static size_t align(size_t n)
{
	return (n + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

bool chunk_begin(struct buffer *input, pxp_task_fn *run)
{
	const struct chunk_head head = {.run = run};
	char *at;

	input->n = 0;
	at = extend(input, sizeof(head));
	if (at)
		memcpy(at, &head, sizeof(head));
	return at;
}

bool chunk_add(struct buffer *input, const void *bytes, size_t n)
{
	uint64_t length = n;
	char *at;

	if (n > SIZE_MAX / 2)
		return false;
	at = extend(input, LENGTH_BYTES + align(n));
	if (!at)
		return false;
	memset(at, 0, LENGTH_BYTES);
	memcpy(at, &length, sizeof(length));
	if (n > 0)
		memcpy(at + LENGTH_BYTES, bytes, n);
	memset(at + LENGTH_BYTES + n, 0, align(n) - n);
	((struct chunk_head *)(void *)input->bytes)->n_items++;
	return true;
}

/* The size of the packed item at this place. */
static size_t item_bytes(const char *at)
{
	uint64_t length;

	memcpy(&length, at, sizeof(length));
	return LENGTH_BYTES + align((size_t)length);
}

void chunk_drop(struct buffer *input, size_t position)
{
	char *at = input->bytes + sizeof(struct chunk_head);
	size_t n;

	while (position-- > 0)
		at += item_bytes(at);
	n = item_bytes(at);
	memmove(at, at + n, (size_t)(input->bytes + input->n - (at + n)));
	input->n -= n;
	((struct chunk_head *)(void *)input->bytes)->n_items--;
}

/* ---- in the worker ---- */

static bool add_answer(struct buffer *answers, const struct pxp_task *item)
{
	bool has_failed = item->error.status != PXP_OK;
	const void *bytes = has_failed ? (const void *)&item->error : item->result;
	uint64_t n = has_failed ? sizeof(item->error) : item->n_result;
	uint64_t head = n << 1 | has_failed;
	char *at = extend(answers, sizeof(head) + n);

	if (!at)
		return false;
	memcpy(at, &head, sizeof(head));
	if (n > 0)
		memcpy(at + sizeof(head), bytes, n);
	return true;
}

/* Run the packed item at this place. The item's own progress is dropped: the progress of the task
 * says which item it is at. False: no memory. */
static bool run_item(pxp_task_fn *run, struct pxp_task *item, const char *at,
                     struct buffer *answers)
{
	uint64_t length;
	bool is_added;

	memcpy(&length, at, sizeof(length));
	item->input = at + LENGTH_BYTES;
	item->n_input = (size_t)length;
	task_run(run, item);
	is_added = add_answer(answers, item);
	free(item->result);
	item->result = NULL;
	item->n_result = 0;
	if (item->error.status != PXP_OK)
		memset(&item->error, 0, sizeof(item->error));
	return is_added;
}

enum pxp_status chunk_run(struct pxp_task *task)
{
	const struct chunk_head *head = task->input;
	const char *at = (const char *)task->input + sizeof(*head);
	struct shared_progress nowhere = {0};
	struct pxp_task item = {
		.output = -1,
		.context = task->context,
		.is_asked_to_end = task->is_asked_to_end,
		.progress = &nowhere,
		.n_returned = PXP_MAX_DESCRIPTORS, /* it cannot return any */
		.need = task->need,                /* memory belongs to the worker */
		.worker = task->worker,
	};
	struct buffer answers = {0};

	for (uint64_t i = 0; i < head->n_items; i++) {
		pxp_task_progress(task, i, head->n_items);
		if (pxp_task_is_cancelled(task)) {
			free(answers.bytes);
			return PXP_ECANCELLED;
		}
		if (!run_item(head->run, &item, at, &answers)) {
			free(answers.bytes);
			return pxp_task_fail(task, PXP_ENOMEM,
			                     "no memory for the results of a chunk");
		}
		at += item_bytes(at);
	}
	pxp_task_progress(task, head->n_items, head->n_items);
	task->result = answers.bytes;
	task->n_result = answers.n;
	return PXP_OK;
}

/* ---- the result ---- */

/* Read the head of an item's result: its length, and whether the item failed. */
static uint64_t head_at(const void *result, size_t at, bool *ret_has_failed)
{
	uint64_t head;

	memcpy(&head, (const char *)result + at, sizeof(head));
	*ret_has_failed = head & 1;
	return head >> 1;
}

bool chunk_result_is_sound(const void *result, size_t n_result, size_t n_items)
{
	size_t at = 0;

	for (size_t i = 0; i < n_items; i++) {
		bool has_failed;
		uint64_t n;

		if (n_result - at < sizeof(n))
			return false;
		n = head_at(result, at, &has_failed);
		at += sizeof(n);
		if (n > n_result - at || (has_failed && n != sizeof(struct pxp_error)))
			return false;
		at += n;
	}
	return at == n_result;
}

/* Read the error of an item. The worker is not trusted: only some statuses are possible. */
static void read_error(const char *bytes, struct pxp_error *ret_error)
{
	struct pxp_error sent;

	memcpy(&sent, bytes, sizeof(sent));
	sent.text[sizeof(sent.text) - 1] = 0;
	if (sent.status != PXP_ECANCELLED && sent.status != PXP_EMEMORY)
		sent.status = PXP_ETASK;
	pxp_fail(ret_error, sent.status, "%s", sent.text);
	ret_error->code = sent.code;
}

void chunk_next(const void *result, size_t *at, struct pxp_error *ret_error,
                void **ret_bytes, size_t *ret_n)
{
	bool has_failed;
	size_t n = head_at(result, *at, &has_failed);
	const char *bytes = (const char *)result + *at + sizeof(uint64_t);

	*at += sizeof(uint64_t) + n;
	if (has_failed) {
		read_error(bytes, ret_error);
		return;
	}
	if (n == 0)
		return;
	*ret_bytes = malloc(n);
	if (!*ret_bytes) {
		pxp_fail(ret_error, PXP_ENOMEM, "no memory for a result of %zu bytes", n);
		return;
	}
	*ret_n = n;
	memcpy(*ret_bytes, bytes, n);
}
