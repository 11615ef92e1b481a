/* The page that a worker shares with its pool, from the pool's side: every byte of it may be
 * the worker's invention, and may change between two looks. */
#include "exec/pool/pool_worker.h"

#include "base/fd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The page lies in a memfd that nobody can shrink: reading it never raises SIGBUS. */
int pool_page_create(struct state_page **ret_page)
{
	int fd = fd_keep_above_standard(
		memfd_create("pixpool-page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	void *page = MAP_FAILED;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, sizeof(struct state_page)) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		page = mmap(NULL, sizeof(struct state_page), PROT_READ | PROT_WRITE,
		            MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		fd_close(&fd);
		return -1;
	}
	*ret_page = page;
	return fd;
}

void pool_page_destroy(struct state_page *page)
{
	if (page)
		munmap(page, sizeof(*page));
}

static struct page_slot *page_slot(const struct pool_worker *worker,
                                   const struct slot *slot)
{
	return &worker->page->slots[slot - worker->slots];
}

void pool_page_queue(struct pool_worker *worker, const struct slot *slot,
                     const struct task *task)
{
	struct page_slot *page = page_slot(worker, slot);

	atomic_store(&page->phase, PXP_PHASE_NONE);
	atomic_store(&page->is_asked_to_end, atomic_load(&task->is_asked_to_end));
	atomic_store(&page->progress.done, 0);
	atomic_store(&page->progress.total, 0);
	atomic_store(&page->progress.beats, 0);
	atomic_store(&page->word, slot_word(slot->generation, SLOT_QUEUED));
}

bool pool_page_withdraw(struct pool_worker *worker, const struct slot *slot)
{
	uint64_t queued = slot_word(slot->generation, SLOT_QUEUED);

	return atomic_compare_exchange_strong(
		&page_slot(worker, slot)->word, &queued,
		slot_word(slot->generation, SLOT_WITHDRAWN));
}

bool pool_page_has_answer(const struct pool_worker *worker, const struct slot *slot)
{
	return atomic_load(&page_slot(worker, slot)->word) ==
	       slot_word(slot->generation, SLOT_ANSWERED);
}

struct page_answer pool_page_answer(const struct pool_worker *worker,
                                    const struct slot *slot)
{
	struct page_answer answer;

	memcpy(&answer, &page_slot(worker, slot)->answer, sizeof(answer));
	return answer;
}

void pool_page_be_quiet(struct pool_worker *worker, bool is_quiet)
{
	worker->is_quiet = is_quiet;
	atomic_store(&worker->page->is_quiet, is_quiet);
}

bool pool_worker_has_begun(const struct pool_worker *worker, const struct slot *slot)
{
	uint64_t word = atomic_load(&page_slot(worker, slot)->word);

	return slot_word_generation(word) == slot->generation &&
	       slot_word_state(word) >= SLOT_STARTED;
}

bool pool_page_claim_kill(struct pool_worker *worker, const struct slot *slot)
{
	uint64_t started = slot_word(slot->generation, SLOT_STARTED);

	return atomic_compare_exchange_strong(&page_slot(worker, slot)->word, &started,
	                                      slot_word(slot->generation, SLOT_KILLED));
}

void pool_worker_ask_to_end(struct pool_worker *worker, const struct slot *slot)
{
	atomic_store(&page_slot(worker, slot)->is_asked_to_end, true);
}

struct pxp_progress pool_worker_progress(const struct pool_worker *worker,
                                         const struct slot *slot)
{
	return shared_progress_read(&page_slot(worker, slot)->progress);
}

enum pxp_phase pool_worker_phase(const struct pool_worker *worker,
                                 const struct slot *slot)
{
	return atomic_load(&page_slot(worker, slot)->phase) == PXP_PHASE_ANSWERING
	               ? PXP_PHASE_ANSWERING
	               : PXP_PHASE_RUNNING;
}

int64_t pool_worker_started_ns(const struct pool_worker *worker, const struct slot *slot,
                               int64_t now_ns)
{
	int64_t claimed = atomic_load(&page_slot(worker, slot)->started_ns);

	if (claimed < slot->handed_ns || claimed > now_ns)
		return slot->handed_ns;
	return claimed;
}
