/*
 * What the processes of a pool say to each other. All run the same image of the same
 * program on one machine: host order, plain structs, and function pointers that mean the
 * same on both sides of a fork. The main process believes its zygote and fork servers (no
 * task runs in them), and nothing that a worker says.
 */
#ifndef PXP_PROTOCOL_H
#define PXP_PROTOCOL_H

#include "exec/process/channel.h"
#include "exec/executor/task.h"

#include <pixpool/executor.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum frame_kind {
	/* main to zygote, and its answers */
	FRAME_FORK_SERVER = 1, /* struct fork_server_frame, then the initialiser's bytes;
	                            * descriptor: the fork server's control socket */
	FRAME_FORK_SERVER_STARTED =
		2,              /* struct process_frame: sys_errno, or 0; descriptor:
	                            * the fork server's pidfd */
	FRAME_ZYGOTE_READY = 3, /* struct process_frame: sys_errno, or 0; unasked */
	FRAME_REFUSED = 4,      /* struct process_frame: that request made no sense */
	/* main to fork server, and its answers */
	FRAME_SPAWN = 10, /* struct process_frame; descriptors: socket, log pipe, page */
	FRAME_SPAWNED = 11,     /* struct process_frame; descriptor: pidfd */
	FRAME_NOT_SPAWNED = 12, /* struct process_frame: sys_errno */
	FRAME_UNLOADED = 13,    /* struct broken_frame: the preload failed */
	FRAME_REAP = 14,        /* struct process_frame */
	FRAME_REAPED = 15,      /* struct process_frame: status, usage */
	FRAME_LIMIT = 16,       /* struct process_frame: limit */
	FRAME_LIMITED = 17, /* struct process_frame: sys_errno, 0 when it is in force */
	FRAME_SIGNAL = 18,  /* struct process_frame: status is the signal; no answer */
	/* main to worker */
	FRAME_TASK = 20,  /* struct task_frame, then the input */
	FRAME_STOP = 21,  /* struct slot_frame: end in order */
	FRAME_GRANT = 22, /* struct grant_frame: the answer to a need */
	/* worker to main */
	FRAME_READY = 30,     /* struct slot_frame */
	FRAME_BROKEN = 31,    /* struct broken_frame: initialiser or lock-down failed */
	FRAME_ANSWER = 32,    /* struct answer_frame, then the result */
	FRAME_WITHDRAWN = 33, /* struct slot_frame: received, but taken back meanwhile */
	FRAME_DEADLINE = 34,  /* struct slot_frame: ms */
	FRAME_NEED = 35, /* struct slot_frame: bytes; the worker waits for the answer */
	FRAME_DOORBELL = 36, /* struct slot_frame: there are answers in the page */
};

/* Every frame begins with its kind. */
struct fork_server_frame {
	uint32_t kind;
	uint32_t n_init_bytes;
	pxp_prepare_fn *prepare;
	pxp_preload_fn *preload;
	pxp_initialise_fn *initialise;
	pxp_finalise_fn *finalise;
	pxp_lock_down_fn *lock_down;
	uint64_t memory_allowance, max_output; /* 0: no limit */
};

enum { MAX_INIT_BYTES = FRAME_MAX_BYTES / 2 };

struct process_frame {
	uint32_t kind;
	uint32_t worker; /* the parent's index of the worker */
	int64_t pid;
	int32_t sys_errno;
	int32_t status; /* as waitpid() gives it */
	struct rusage usage;
	uint64_t limit; /* RLIMIT_DATA to be, soft; 0: none but the hard one */
};

struct broken_frame {
	uint32_t kind;
	struct pxp_error error;
};

/* Of the slots of a worker, the one that a task lies in. The generation tells one
 * task in it from the next. */
struct slot_frame {
	uint32_t kind;
	uint32_t slot;
	uint64_t generation;
	int64_t number; /* what the kind says */
};

struct grant_frame {
	struct slot_frame at; /* its number: enum pxp_status */
	uint64_t limit;       /* in force now; 0: none */
};

/* Descriptors: the task's own, then the output, then the input when it is too long. */
struct task_frame {
	struct slot_frame at;
	pxp_task_fn *run;
	uint32_t n_descriptors;
	bool has_output;
	bool input_is_memfd;
	bool has_limit; /* of memory, its own: the worker asks for it before it begins */
	uint64_t n_input;
};

/* Descriptors: those that the task returned, then the result when it is too long. */
struct answer_frame {
	struct slot_frame at;
	struct pxp_error error; /* PXP_OK, PXP_ETASK, PXP_ECANCELLED or PXP_EMEMORY */
	int64_t run_ns;         /* from its beginning to its end */
	int64_t cpu_ns;
	uint64_t peak_bytes;
	uint64_t data_bytes;      /* private memory that the worker keeps; 0: not known */
	uint32_t n_descriptors;   /* that the task returned */
	uint32_t result_is_memfd; /* 1 or 0 */
	uint64_t n_result;
};

enum {
	INLINE_INPUT_BYTES = FRAME_MAX_BYTES - sizeof(struct task_frame),
	INLINE_RESULT_BYTES = FRAME_MAX_BYTES - sizeof(struct answer_frame),
	N_SLOTS = 16, /* one task runs, the others are prefetched: see pool_dispatch.c */
};

_Static_assert(sizeof(struct task_frame) % 16 == 0,
               "an input that follows in the worker's buffer is aligned for any type");

/*
 * The page that a worker shares with the main process. A slot's word is its task's
 * generation and a state: main turns queued into withdrawn, the worker queued into started;
 * whoever comes first has the task. In the same way the worker turns started into done or
 * answered, and main started into killed: whoever is killed for a task has not ended it, and
 * has begun no other.
 *
 * Where main says that it need not hear of every answer at once (suppress_notify), a short one is
 * left in the slot, whose word then says so, before the next task is begun: so it is safe from
 * whatever that does. Main looks from time to time, and the worker rings a bell before it
 * sleeps. Who takes suppress_notify back looks once more; who left an answer looks whether it was
 * taken back meanwhile.
 */
enum slot_state {
	SLOT_FREE = 0,
	SLOT_QUEUED = 1,
	SLOT_WITHDRAWN = 2,
	SLOT_STARTED = 3,
	SLOT_ANSWERED = 4, /* the answer lies in the slot */
	SLOT_DONE = 5,     /* the answer is a frame, which is there or comes now */
	SLOT_KILLED = 6,
};

enum { SLOT_RESULT_BYTES = 64 };

struct slot_answer {
	int64_t run_ns, cpu_ns;
	uint64_t peak_bytes, data_bytes; /* as of struct answer_frame */
	uint64_t n_result;
	char result[SLOT_RESULT_BYTES];
};

struct shared_slot {
	_Atomic uint64_t state;
	_Atomic int64_t started_ns;
	_Atomic uint32_t phase;      /* enum pxp_phase */
	atomic_bool is_asked_to_end; /* main's word to the worker */
	struct shared_progress progress;
	struct slot_answer answer; /* SLOT_ANSWERED: of a task that ended well */
};

struct shared_slots {
	atomic_bool suppress_notify; /* main's word to the worker */
	struct shared_slot slots[N_SLOTS];
};

/* Whether a worker that keeps so much of its allowance between tasks is to be replaced: it
 * begins none any more, and the parent takes back what it has. */
static inline bool keeps_too_much(uint64_t data_bytes, uint64_t allowance)
{
	return allowance > 0 && data_bytes > allowance - allowance / 4;
}

static inline uint64_t slot_pack(uint64_t generation, enum slot_state state)
{
	return generation << 3 | (uint64_t)state;
}

static inline uint64_t slot_unpack_generation(uint64_t state)
{
	return state >> 3;
}

static inline enum slot_state slot_unpack_state(uint64_t state)
{
	return (enum slot_state)(state & 7);
}

#endif
