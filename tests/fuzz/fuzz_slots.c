/* Fuzz target: the shared slots of a worker, in which the worker may write any byte at any time.
 * The pool reads only numbers from the slots. Whatever the numbers are, the results must be within
 * the bounds that the pool relies on. */
#include "fuzz.h"

#include "exec/pool/pool_worker.h"

#include <string.h>

static struct shared_slots shared;

static void look(struct pool_worker *worker, unsigned i, int64_t now_ns)
{
	struct slot *slot = &worker->slots[i];
	int64_t run_ns;
	struct slot_answer answer;
	enum pxp_phase phase = pool_worker_phase(worker, slot);
	bool has_begun = pool_worker_has_begun(worker, slot);

	if (slot->task) {
		run_ns = pool_worker_completion(worker, slot, now_ns).outcome.run_ns;
		CLAIM(run_ns >= 0 && run_ns <= now_ns - slot->handed_ns);
	}
	CLAIM(phase == PXP_PHASE_RUNNING || phase == PXP_PHASE_ANSWERING);
	(void)pool_worker_progress(worker, slot);
	/* No task is both started and withdrawn. */
	if (pool_worker_withdraw(worker, slot, now_ns))
		CLAIM(!has_begun && !pool_worker_has_begun(worker, slot) && !slot->task);
	/* No task is both ended and killed. */
	if (pool_worker_claim_kill(worker, slot))
		CLAIM(has_begun && !pool_worker_read_answer(worker, slot, &answer));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	struct task task = {.deadline_ms = 1000, .stall_ms = 500};
	struct pool_worker worker;
	int64_t now_ns = (int64_t)(feed_number(&feed, 4) << 16);

	pool_worker_init(&worker, 0);
	worker.state = WORKER_READY;
	worker.shared = &shared;
	worker.n_held = feed_byte(&feed) % (N_SLOTS + 1);
	for (unsigned i = 0; i < N_SLOTS; i++) {
		worker.slots[i].task = feed_byte(&feed) % 4 ? &task : NULL;
		worker.slots[i].generation = feed_byte(&feed);
		worker.slots[i].handed_ns = now_ns / 2;
	}
	memset(&shared, 0, sizeof(shared));
	memcpy(&shared, feed.at, feed.n < sizeof(shared) ? feed.n : sizeof(shared));

	for (unsigned i = 0; i < N_SLOTS; i++)
		look(&worker, i, now_ns);
	/* The pool writes only to the fields that the protocol allows. */
	pool_worker_ask_to_end(&worker, &worker.slots[0]);
	CLAIM(shared.slots[0].is_asked_to_end);
	return 0;
}
