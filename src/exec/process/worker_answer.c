#include "exec/process/worker_answer.h"

#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	COUNT_AGAIN_NS = 100 * 1000,
	MAX_UNHEARD = N_SLOTS / 2, /* answers: then there is room for as many tasks */
};

bool worker_say(enum frame_kind kind, struct slot_frame at, int64_t number)
{
	at.kind = (uint32_t)kind;
	at.number = number;
	return channel_send(WORKER_SOCKET, &at, sizeof(at), NULL, 0, NULL, 0);
}

void worker_say_or_end(enum frame_kind kind, struct slot_frame at, int64_t number)
{
	if (!worker_say(kind, at, number))
		_exit(1);
}

void worker_lacks(struct pxp_error *error, const char *what, size_t n)
{
	if (errno == ENOMEM)
		pxp_fail(error, PXP_EMEMORY, "no memory for %s of %zu bytes", what, n);
	else
		pxp_fail_errno(error, "%s of %zu bytes", what, n);
}

/* ---- what a task has used ---- */

/*
 * How much private memory this worker keeps between tasks, as RLIMIT_DATA counts it. When
 * that is much, the allocator is asked first to give back what it only holds.
 */
static uint64_t count_data(const struct worker *worker)
{
	uint64_t allowance = worker->pool->memory_allowance, n_bytes = 0;
	char text[128];

	if (worker->statm < 0)
		return 0;
	for (int i = 0; i < 2; i++) {
		ssize_t n = pread(worker->statm, text, sizeof(text) - 1, 0);
		const char *field = text;

		if (n <= 0)
			return 0;
		text[n] = 0;
		/* size, resident, shared, text, lib, data */
		for (int j = 0; field && j < 5; j++) {
			field = strchr(field, ' ');
			field = field ? field + 1 : NULL;
		}
		n_bytes = field ? strtoull(field, NULL, 10) *
		                          (uint64_t)sysconf(_SC_PAGESIZE)
		                : 0;
		if (n_bytes <= allowance / 2)
			break;
#ifdef __GLIBC__
		if (i == 0)
			malloc_trim(0);
#endif
	}
	return n_bytes;
}

/*
 * What the task has used, and the process so far: one system call for both, which a task
 * that is done at once would feel. So the kernel is not asked again right after it was:
 * then what the task has used is the time that it took, and its peak the one before.
 */
static void count_usage(struct worker *worker, struct answer_frame *answer)
{
	int64_t now_ns = clock_now_ns(), cpu_ns = now_ns - worker->started_ns;
	struct rusage usage;

	if (now_ns - worker->counted_ns >= COUNT_AGAIN_NS &&
	    getrusage(RUSAGE_SELF, &usage) == 0) {
		worker->counted_ns = now_ns;
		worker->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
		cpu_ns = clock_cpu_ns(&usage) - worker->cpu_ns;
	}
	answer->run_ns = now_ns - worker->started_ns;
	answer->cpu_ns = cpu_ns;
	answer->peak_bytes = worker->peak_bytes;
	worker->cpu_ns += cpu_ns;
}

/* The task has ended, unless we are about to be killed for it: then wait for that. False when
 * the page says neither, as something has written over it: then a frame will do. */
static bool end_task(const struct worker *worker, enum slot_state state)
{
	uint64_t generation = worker->at.generation;
	uint64_t word = slot_word(generation, SLOT_STARTED);

	if (atomic_compare_exchange_strong(&worker->page->slots[worker->at.slot].word,
	                                   &word, slot_word(generation, state)))
		return true;
	while (word == slot_word(generation, SLOT_KILLED))
		pause();
	return false;
}

void worker_ring(struct worker *worker)
{
	worker->n_unheard = 0;
	worker_say_or_end(FRAME_BELL, worker->at, 0);
}

/* An answer that is short enough to be left in the page, if the parent looks there. */
static bool leave_in_page(struct worker *worker, const struct answer_frame *answer,
                          const void *result)
{
	struct page_slot *slot = &worker->page->slots[worker->at.slot];

	if (!atomic_load(&worker->page->is_quiet) || answer->error.status != PXP_OK ||
	    answer->n_descriptors > 0 || answer->n_result > PAGE_RESULT_BYTES)
		return false;
	slot->answer = (struct page_answer){
		.run_ns = answer->run_ns,
		.cpu_ns = answer->cpu_ns,
		.peak_bytes = answer->peak_bytes,
		.data_bytes = answer->data_bytes,
		.n_result = answer->n_result,
	};
	if (answer->n_result > 0)
		memcpy(slot->answer.result, result, (size_t)answer->n_result);
	if (!end_task(worker, SLOT_ANSWERED))
		return false;
	/* If the parent has stopped looking meanwhile, it may not have seen this one. */
	if (++worker->n_unheard >= MAX_UNHEARD || !atomic_load(&worker->page->is_quiet))
		worker_ring(worker);
	return true;
}

void worker_answer(struct worker *worker, struct pxp_task *view)
{
	struct answer_frame answer = {
		.at = worker->at,
		.error = view->error,
	};
	int descriptors[FRAME_MAX_DESCRIPTORS], memfd = -1;
	size_t n_inline = 0;

	answer.at.kind = FRAME_ANSWER;
	count_usage(worker, &answer);
	answer.data_bytes = count_data(worker);
	worker->is_worn |= is_worn(answer.data_bytes, worker->pool->memory_allowance);
	if (answer.error.status == PXP_OK) {
		answer.n_result = view->n_result;
		answer.n_descriptors = view->n_returned;
		memcpy(descriptors, view->returned, sizeof(view->returned));
	}
	if (leave_in_page(worker, &answer, view->result))
		return;
	if (answer.n_result <= INLINE_RESULT_BYTES) {
		n_inline = (size_t)answer.n_result;
	} else if ((memfd = fd_of_bytes("pixpool-result", 0, view->result,
	                                view->n_result)) >= 0) {
		answer.result_is_memfd = 1;
		descriptors[answer.n_descriptors] = memfd;
	} else {
		worker_lacks(&answer.error, "a result", view->n_result);
		answer.n_result = answer.n_descriptors = 0;
	}
	(void)end_task(worker, SLOT_DONE);
	/* Who waits for an answer that cannot be sent is told by our end. */
	if (!channel_send(WORKER_SOCKET, &answer, sizeof(answer), view->result, n_inline,
	                  descriptors, answer.n_descriptors + answer.result_is_memfd))
		_exit(1);
	fd_close(&memfd);
}
