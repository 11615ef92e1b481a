/*
 * The internals of a batch: struct batch, whose members are grouped by the threads that may use
 * them. README.md explains the threads, the states and the processing of a file.
 */
#ifndef PXP_BATCH_INTERNAL_H
#define PXP_BATCH_INTERNAL_H

#include "base/lock.h"
#include "batch/batch.h"
#include "batch/file_result.h"
#include "batch/history.h"
#include "batch/limits.h"
#include "batch/openers.h"
#include "batch/plan.h"
#include "batch/picture_pools.h"
#include "store/committer.h"
#include "store/folder_locks.h"

/* The states of a batch. A batch never returns to an earlier state of this list; batch_enter() has
 * the legal transitions. */
enum batch_state {
	/* The feeder makes the plan. */
	BATCH_PLANNING,
	/* The plan is made, or has failed; the feeder waits for the main thread's decision. */
	BATCH_PLANNED,
	/* The feeder walks the inputs, opens files and submits tasks. */
	BATCH_FEEDING,
	/* The walk has ended; the files that were fed are being finished. */
	BATCH_FED,
	/* The batch ends early: running images may finish, no other image begins. */
	BATCH_DRAINING,
	/* The batch ends at once: running images are killed. */
	BATCH_KILLED,
	/* Every file that was fed is reported, or the main thread has stopped waiting for killed
	 * workers. */
	BATCH_ENDED,
	N_BATCH_STATES
};

/* Whether the workers were started. They are started when the first picture needs one. */
enum batch_workers { WORKERS_NONE, WORKERS_WANTED, WORKERS_READY, WORKERS_REFUSED };

/* A list of files with open inputs, in the order in which they were added. */
struct file_list {
	struct file *first, **last;
	unsigned n;
};

struct batch {
	/* ---- Set before the feeder starts, then constant. ---- */
	const struct batch_options *options;
	/* The rules of the outputs: options->variants, or only_rule if the options have no
	 * variants. */
	const struct variant_rule *rules;
	struct variant_rule only_rule;
	size_t n_rules; /* the number of rules, at least 1 */
	/* The number of outputs of each input: n_rules, or 0 if images are only decoded. */
	size_t n_outputs;
	struct limits limits;
	unsigned n_workers;
	unsigned max_tasks, max_finished, max_deferred, max_files;
	/* The maximum number of small files that share a task; 1: each file has a task of its
	 * own. */
	unsigned max_group;
	/* The maximum number of outputs in a group of the committer. */
	unsigned group_outputs;
	/* An eventfd that wakes the main thread. It is written when several complete files wait, or
	 * all that were begun are complete; when the state has changed; when the feeder needs
	 * workers or has ended; and when a file system call takes long. */
	int wakeup;

	/* ---- Used by the main thread only. ---- */
	struct report *report;
	pthread_t main_thread; /* constant, so any thread may read this member */
	int signals;           /* the descriptor of signals (signalfd) */
	int ended_by;          /* the first signal that ended the batch; 0: none */
	/* Whether a signal has arrived. A closed pipe sets `ended_by`, too, but is no signal. */
	bool was_signalled;
	struct openers *openers; /* make calls that may hang, for any thread */
	/* With --in-place: keeps other runs with --in-place out of the folders of this run. NULL:
	 * nothing is locked. */
	struct folder_locks *locks;
	/* the time at which the batch stops waiting for killed workers; -1: never */
	int64_t stuck_ns;
	int64_t looked_ns; /* when the running images were last checked */
	int64_t stop_ns;   /* when --stop-after ends the batch; -1: never */
	bool was_limited;  /* whether --max-failures or --stop-after ended the batch */
	/* whether the user was told that this run waits for another one */
	bool is_waiting;
	/* Whether the batch was refused: the plan has a collision, memory ran out, the output
	 * folder or the state cannot be used, or the workers cannot be started. */
	bool was_refused;
	pthread_t feeder;
	bool has_feeder;

	/* ---- Used by the feeder, and by the main thread while the feeder does not run, or waits
	 * in the state BATCH_PLANNED. ---- */
	struct walk_options walk;
	/* The INPUTs of the walk, without folders that were given twice. NULL: the walk has the
	 * INPUTs of the options. */
	const char **inputs;
	struct plan *plan; /* any thread may read the member n_images of the plan */
	enum plan_result plan_result;
	/* The reason why drawings cannot be drawn. FAIL_NONE: they can be drawn, or this was not
	 * tried yet. */
	struct failure no_renderer;
	uint64_t n_fed; /* the number of images that were fed */
	/* The small files that were gathered for the next shared task. NULL: no file was
	 * gathered. */
	struct group *gathered;

	/* ---- Created by the main thread in BATCH_PLANNED, then constant. ---- */
	/* If store, history or committer is NULL, no file is written to the output folder. */
	struct store *store;
	/* The state (the database). NULL: no state is used. Then records are kept only as stamps,
	 * or not at all. */
	struct state *database;
	struct history *history;
	struct committer *committer;

	/* ---- Created by the main thread for the first task; constant after WORKERS_READY. ---- */
	struct pools *pools;

	/* ---- Shared by all threads. ---- */
	struct lock lock; /* guards all members below */
	/* Signalled for the feeder: a count went down, or the state has changed. */
	struct cond has_room;
	enum batch_state state;
	/* The path of a file system call that has been waiting for long. NULL: no call waits, or
	 * the main thread has told the user about it. */
	char *waited_for;
	enum batch_workers workers;
	/* The number of images that failed, except known ones with --accept-known. */
	unsigned n_failures;
	bool has_walk_errors; /* whether the feeder failed to read a part of an INPUT */
	/* The number of files that are gathered for a task or whose task is not done. Their inputs
	 * are open. Files in `deferred` and `left` do not count. */
	unsigned n_inputs;
	/* n_tasks is the number of tasks that are not done. The feeder is woken when n_tasks has
	 * fallen to awaited_tasks. */
	unsigned n_tasks, awaited_tasks;
	/* whether the feeder waits until any input or output is closed */
	bool awaits_descriptor;
	/* The mean time that a worker takes for a small file; 0: unknown. */
	int64_t small_ns;
	unsigned n_finished; /* the number of files that the committer has */
	/* the total size of the memfds of outputs that are not published yet */
	uint64_t n_content_bytes;
	/* The number of files that were fed and not yet reported, plus one for the feeder while
	 * it runs. */
	unsigned n_files;
	/* Files whose tasks are not done, in no particular order. */
	struct file *submitted;
	/* Drawings (SVG, PDF) that wait until the drawing workers are started. */
	struct file_list deferred;
	/* Files that must be submitted again, each in a task of its own. They had shared a task. */
	struct file_list left;
	/* The futures of complete files, for the main thread: a ring buffer with space for
	 * max_files. */
	struct pxp_future **complete;
	unsigned first_complete, n_complete;
	/* The error that stopped the batch early: for example, the output folder cannot be written,
	 * the pool is broken, or memory ran out. FAIL_NONE: no error stopped the batch. */
	struct failure stop_reason;
};

/* Initialise a batch in the state BATCH_PLANNING, without threads, pools or signals. Returns false
 * with errno if memory or descriptors ran out. The caller must call batch_fini() in both cases. */
bool batch_init(struct batch *batch, const struct batch_options *options,
                struct report *report);
/* Free everything that the batch owns. If a file system call was abandoned and may still hang, the
 * openers are not freed, and the function returns false. Then the process must not wait for its
 * child processes. */
bool batch_fini(struct batch *batch);

/* Change to a state. Returns false without a change if the transition is not legal, because another
 * thread has already changed to a later state. Any thread may call this function. */
bool batch_enter(struct batch *batch, enum batch_state state);

/* Get the state. Any thread may call this function. */
enum batch_state batch_state(struct batch *batch);

/* Whether the feeder may continue planning or feeding. Any thread may call this function. */
bool batch_goes_on(struct batch *batch);

/* End the batch early: go to BATCH_DRAINING or BATCH_KILLED. If the batch is already in that state
 * or a later one, its state does not change. Any thread may call this function. */
void batch_stop(struct batch *batch, enum batch_state state);

/* Drain the batch because of an error that no single file has caused, and stop publishing outputs.
 * If there are several calls, the error of the first call is kept. Any thread may call this
 * function. */
void batch_stop_early(struct batch *batch, const struct failure *reason);

/* Whether batch_stop_early() was called. Any thread may call this function. */
bool batch_was_stopped_early(struct batch *batch);

/* Count an image that failed, and drain the batch at --max-failures. Any thread may call this
 * function. Call it as soon as the failure is known, so that no other image begins. is_remembered:
 * true if an earlier run has recorded the failure. */
void batch_count_failure(struct batch *batch, bool is_remembered);

/* If the feeder has gathered small files for a shared task, submit them. The feeder must call this
 * before it waits. */
void batch_submit_gathered(struct batch *batch);

/* Ask the workers to end shared tasks early: each worker finishes the file that it is processing,
 * and begins no other file of its task. Any thread may call this function. */
void batch_end_groups(struct batch *batch);

/* If the current file of a shared task has taken long, let the feeder submit the other files of the
 * task again, so that they do not wait. The main thread must call this often. */
void batch_split_groups(struct batch *batch);

/* Wake the main thread to check the state and the counts. Any thread may call this function. */
void batch_wake_main(struct batch *batch);

/*
 * Find the image that a worker has processed for the longest time. If that time is at least min_ns,
 * stores it in *ret_ns and returns the path of the image, which the caller frees. If not, returns
 * NULL. The main thread must call this often, because the time of an image counts from the first
 * call that finds it running.
 */
char *batch_slowest(struct batch *batch, int64_t min_ns, int64_t *ret_ns);

/* ---- functions of the main thread ---- */

/* Handle the signals that have arrived: end, suspend or kill the batch. */
void batch_on_signals(struct batch *batch);

/* End the batch as if by SIGPIPE. Called when the reader of standard output has closed the pipe. */
void batch_end_by_closed_pipe(struct batch *batch);

/* Wait a moment for another run, which uses a folder that this run needs. `use` is the verb phrase
 * for the message, such as "using the output folder"; only the first call prints the message.
 * Returns false if the user chose not to wait, or if the batch is being stopped. */
bool batch_wait_for_other_run(struct batch *batch, const char *use, const char *folder);

/* Quote a name for a message. The text is valid until the next call. */
const char *batch_quote(const char *name);

/* ---- functions of other threads ---- */

/* The main function of the feeder thread (feeder.c). `data` is the batch. */
void *feeder_main(void *data);

/* The callback for a file that the committer has finished (file.c). `data` is the batch. */
void file_on_committed(struct commit *commit, void *data);

#endif
