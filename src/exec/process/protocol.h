/* The frames between the processes of a pool. The other processes are forks of the main process and
 * do not call exec(). So frames are plain structs in host byte order, and a function pointer of the
 * main process is valid in all of them. The main process trusts its zygote and fork servers, which
 * run no task. It trusts nothing that a worker sends. */
#ifndef PXP_PROTOCOL_H
#define PXP_PROTOCOL_H

#include "exec/process/channel.h"
#include "exec/executor/task.h"

#include <pixpool/executor.h>
#include <stdatomic.h>
#include <sys/resource.h>

enum frame_kind {
	/* ---- main process to zygote, and the answers ---- */

	/* Request to fork a fork server: struct fork_server_frame, then the initialiser's bytes.
	 * Descriptor: the control socket of the fork server. */
	FRAME_FORK_SERVER = 1,
	/* Answer to FRAME_FORK_SERVER: struct process_frame; sys_errno is 0 if the fork server was
	 * started. Descriptor: the fork server's pidfd. */
	FRAME_FORK_SERVER_STARTED = 2,
	/* Sent once, without a request: struct process_frame; sys_errno is 0 if the zygote is
	 * ready. If not, sys_errno is the reason why the zygote ends. */
	FRAME_ZYGOTE_READY = 3,
	/* Answer to an invalid request: struct process_frame. */
	FRAME_REFUSED = 4,

	/* ---- main process to fork server, and the answers ---- */

	/* Request to start a worker: struct process_frame. Descriptors: socket, log pipe, shared
	 * slots. */
	FRAME_SPAWN = 10,
	/* A worker was started: struct process_frame. Descriptor: the worker's pidfd. */
	FRAME_SPAWNED = 11,
	/* A worker could not be started: struct process_frame with sys_errno. */
	FRAME_NOT_SPAWNED = 12,
	/* prepare or preload failed: struct broken_frame. */
	FRAME_UNLOADED = 13,
	/* Request to reap a worker: struct process_frame. */
	FRAME_REAP = 14,
	/* A worker was reaped: struct process_frame with status and usage. */
	FRAME_REAPED = 15,
	/* Request to set a worker's memory limit: struct process_frame with limit. */
	FRAME_LIMIT = 16,
	/* Answer to FRAME_LIMIT: struct process_frame with sys_errno; 0: the limit is in force. */
	FRAME_LIMITED = 17,
	/* Request to signal a worker: struct process_frame; status is the signal. It has no
	 * answer. */
	FRAME_SIGNAL = 18,

	/* ---- main process to worker ---- */

	/* A task: struct task_frame, then the input. */
	FRAME_TASK = 20,
	/* Request that the worker ends after the tasks that were sent before: struct slot_frame. */
	FRAME_STOP = 21,
	/* The answer to FRAME_NEED: struct grant_frame. */
	FRAME_GRANT = 22,

	/* ---- worker to main process ---- */

	/* The worker is ready for tasks: struct slot_frame. */
	FRAME_READY = 30,
	/* The initialiser or the lock-down failed: struct broken_frame. */
	FRAME_BROKEN = 31,
	/* The answer of a task: struct answer_frame, then the result. */
	FRAME_ANSWER = 32,
	/* The worker gives a task back that it has not started: struct slot_frame. */
	FRAME_WITHDRAWN = 33,
	/* A new deadline: struct slot_frame; number is the deadline in milliseconds. */
	FRAME_DEADLINE = 34,
	/* A memory request: struct slot_frame; number is the memory needed, in bytes. The worker
	 * waits for the answer. */
	FRAME_NEED = 35,
	/* There are answers in the shared slots: struct slot_frame. */
	FRAME_DOORBELL = 36,
};

/* The request to start a fork server. Every frame begins with its kind. */
struct fork_server_frame {
	uint32_t kind;
	uint32_t n_init_bytes;
	pxp_prepare_fn *prepare;
	pxp_preload_fn *preload;
	pxp_initialise_fn *initialise;
	pxp_finalise_fn *finalise;
	pxp_lock_down_fn *lock_down;
	/* The memory allowance in bytes; 0: no limit. */
	uint64_t memory_allowance;
	uint64_t max_output;
	/* Whether workers survive SIGTERM and SIGHUP: 0 or 1. */
	uint64_t survive_signals;
};

enum { MAX_INIT_BYTES = FRAME_MAX_BYTES / 2 };

/* A frame about one process: a request to a fork server, or an answer of a fork server or the
 * zygote. */
struct process_frame {
	uint32_t kind;
	/* The index of the worker in its pool. */
	uint32_t worker;
	int64_t pid;
	int32_t sys_errno;
	/* The wait status, as from waitpid(). */
	int32_t status;
	struct rusage usage;
	/* The new soft limit RLIMIT_DATA of the worker in bytes; 0: as high as the hard limit. */
	uint64_t limit;
};

struct broken_frame {
	uint32_t kind;
	struct pxp_error error;
};

/* Identifies the slot that a task has in its worker. The generation distinguishes the task from
 * earlier tasks in the same slot. */
struct slot_frame {
	uint32_t kind;
	uint32_t slot;
	uint64_t generation;
	/* A number whose meaning depends on the kind of frame. */
	int64_t number;
};

struct grant_frame {
	/* The slot of the task that has requested memory. at.number is the answer, an enum
	 * pxp_status. */
	struct slot_frame at;
	/* The worker's memory limit that is in force now, in bytes; 0: none. */
	uint64_t limit;
};

/* A task. Descriptors: first those of the task, then the output if the task has one, then the input
 * if it is too long for the frame. */
struct task_frame {
	/* The slot for the task. at.number is the number of times that the task may restart its
	 * deadline. */
	struct slot_frame at;
	pxp_task_fn *run;
	uint32_t n_descriptors;
	bool has_output;
	bool input_is_memfd;
	/* Whether the task has a memory limit of its own. If so, the worker requests that limit
	 * before it starts the task. */
	bool has_limit;
	uint64_t n_input;
	/* The deadlines as in pxp_task_options; 0: none. */
	int64_t deadline_ms, max_deadline_ms;
};

/* An answer. Descriptors: first those that the task returned, then the result if it is too long for
 * the frame. */
struct answer_frame {
	struct slot_frame at;
	/* The error; its status is PXP_OK, PXP_ETASK, PXP_ECANCELLED, PXP_EMEMORY or PXP_ESYS. */
	struct pxp_error error;
	/* The time from the start of the task to its end. */
	int64_t run_ns;
	int64_t cpu_ns;
	uint64_t peak_bytes;
	/* The size of the private memory that the worker keeps, in bytes; 0: unknown. */
	uint64_t data_bytes;
	/* How many descriptors the task returned. */
	uint32_t n_descriptors;
	/* Whether the result is in a memfd: 1 or 0. */
	uint32_t result_is_memfd;
	uint64_t n_result;
};

enum {
	INLINE_INPUT_BYTES = FRAME_MAX_BYTES - sizeof(struct task_frame),
	INLINE_RESULT_BYTES = FRAME_MAX_BYTES - sizeof(struct answer_frame),
	/* The maximum number of tasks that a worker has: one runs, and the others are prefetched
	 * (pool_dispatch.c). */
	N_SLOTS = 16,
};

_Static_assert(
	sizeof(struct task_frame) % 16 == 0,
	"the input after the frame in the worker's buffer is aligned for any type");

/*
 * The shared slots: memory that a worker shares with the main process. The state of a slot holds
 * the generation of its task and one of the states below.
 *
 * The main process withdraws a task by changing QUEUED to WITHDRAWN, and the worker starts it by
 * changing QUEUED to STARTED. Whichever change comes first succeeds, and the other one fails. In
 * the same way the worker changes STARTED to DONE or ANSWERED, and the main process changes STARTED
 * to KILLED. So if a worker is killed because of a task, it has neither ended that task nor started
 * another one.
 *
 * While the main process has set suppress_notify, it does not need a frame for every answer. The
 * worker leaves a short answer in the slot and sets ANSWERED. Only then does it start the next
 * task, so that a crash of the next task does not harm the answer. The main process polls the
 * slots, and the worker sends FRAME_DOORBELL before it sleeps. After the main process has cleared
 * suppress_notify, it polls once more. After the worker has left an answer, it checks
 * suppress_notify once more. So no answer is missed.
 */
enum slot_state {
	SLOT_FREE = 0,
	SLOT_QUEUED = 1,
	SLOT_WITHDRAWN = 2,
	SLOT_STARTED = 3,
	/* The task has ended, and its answer is in the slot. */
	SLOT_ANSWERED = 4,
	/* The task has ended. Its answer is a frame, which was sent or is about to be sent. */
	SLOT_DONE = 5,
	SLOT_KILLED = 6,
};

enum { SLOT_RESULT_BYTES = 64 };

/* The answer of a task that succeeded. The members are as in struct answer_frame. */
struct slot_answer {
	int64_t run_ns;
	int64_t cpu_ns;
	uint64_t peak_bytes;
	uint64_t data_bytes;
	uint64_t n_result;
	char result[SLOT_RESULT_BYTES];
};

struct shared_slot {
	/* A generation and an enum slot_state: see slot_pack(). */
	_Atomic uint64_t state;
	_Atomic int64_t started_ns;
	/* The phase of the task, as enum pxp_phase. */
	_Atomic uint32_t phase;
	/* Whether the task was asked to end. Written by the main process, read by the worker. */
	atomic_bool is_asked_to_end;
	struct shared_progress progress;
	/* The answer in the slot. It is valid only if the state is SLOT_ANSWERED. */
	struct slot_answer answer;
};

struct shared_slots {
	/* Whether the worker may leave answers without a notification. Written by the main
	 * process, read by the worker. */
	atomic_bool suppress_notify;
	struct shared_slot slots[N_SLOTS];
};

/* Whether a worker that still uses data_bytes between tasks must be replaced. If so, the worker
 * starts no other task, and the pool withdraws the tasks that it has sent to the worker. */
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
