/*
 * A batch: every input is found, opened, given to a worker, published and reported. Only this
 * folder uses walk, exec, image, store, sandbox and report together; README.md in this folder
 * explains how.
 */
#ifndef PXP_BATCH_H
#define PXP_BATCH_H

#include "batch/picture_workers.h"
#include "batch/naming.h"
#include "batch/variant.h"
#include "recipe/recipe.h"
#include "report/report.h"
#include "store/store.h"
#include "walk/walk.h"

struct batch_options {
	/* The options of the walk over the inputs. The batch itself sets `calls`, `mark` and the
	 * folder to skip. */
	struct walk_options walk;
	/* If the inputs were read from a list: the position of each input in the list, counted from
	 * 1. NULL: the inputs were not read from a list. */
	const unsigned *list_positions;
	/* The word in front of a position in messages: "line" or "name". */
	const char *list_unit;
	/* The output folder. "": the current folder, and the names of outputs are shown without a
	 * folder. NULL if in_place is set. */
	const char *output;
	/* If this is not 0, the batch has one output, which is written to this descriptor instead
	 * of a file. */
	int output_stream;
	/* If true, each output replaces its input. No state is kept, and `style` and `overwrite`
	 * are ignored. `format` must be FORMAT_NONE, and `variants` must be NULL. */
	bool in_place;
	/* The suffix under which originals are kept, e.g. ".orig"; NULL: they are not kept. */
	const char *backup_suffix;

	/* The output of each input if variants is NULL: its recipe and its format. FORMAT_NONE: the
	 * same format as the input. */
	struct recipe recipe;
	enum image_format format;
	struct naming_style style;
	/* The rules if each input has several outputs, at most PICTURE_MAX_VARIANTS. Their recipes
	 * must agree in how the input is read. If `variants` is set, the members `recipe`, `format`
	 * and `style` are ignored. */
	const struct variant_rule *variants;
	size_t n_variants;
	const void *profile; /* the profile for SPACE_FILE; otherwise NULL */
	size_t n_profile;
	/* If true, only the plan is made: the report says what a run would do, and nothing is
	 * written. */
	bool plans_only;
	/* If true, every pixel is decoded and nothing is written. The members `output`, `format`
	 * and `overwrite` are ignored, and so is the geometry of the recipe. */
	bool decodes_only;

	enum overwrite overwrite;
	/* the shard that this run processes; if its n is 0 or 1: all inputs */
	struct shard shard;
	/* Whether outputs whose input no longer exists are removed. */
	bool prunes;
	bool redo; /* whether up-to-date outputs are made again */
	/* Whether contents are compared even if size and time are equal. */
	bool compare_contents;
	/* The path of the state. NULL: the state is a file in the output folder. Its name is
	 * STATE_FILE_NAME or, for a shard, contains the number of the shard. */
	const char *state;
	bool keeps_no_state; /* If true, no state is kept, and outputs get no stamp. */
	/* Whether to end with status 4, instead of waiting, if another run uses the same output
	 * folder or, with --in-place, replaces images in the same folder. */
	bool no_wait;
	/* If true, outputs are not synced, so a power cut may lose reported outputs. */
	bool no_fsync;
	/* If true, failures that are known from an earlier run do not set the status to 1. */
	bool accept_known;
	bool keep_dates; /* whether outputs get the times of their inputs */
	enum sandbox_mode sandbox;
	/* Whether inputs may be hostile. The stricter limits for such inputs are in the recipe. */
	bool is_untrusted;
	unsigned n_workers; /* the number of workers; 0: the number of processors */
	/* The memory limit of the whole run in bytes; 0: computed from the machine (limits.h). */
	uint64_t memory;
	/* the number of images after which a worker is replaced; 0: RECYCLE_IMAGES */
	unsigned recycle;
	unsigned retries; /* how many times a picture is tried again if its worker died */
	unsigned max_failures; /* the batch ends at this number of failures; 0: never */
	/* The time in milliseconds after which the batch ends; 0: never. */
	int64_t stop_after_ms;
	/* The time limit for one picture in milliseconds; 0: 60 s plus 2 s for each megapixel. */
	int64_t timeout_ms;
};

/* The name of the state in the output folder, if the options give no path. */
#define STATE_FILE_NAME ".pixpool.db"
/* Make the path of the state of a batch with an output folder: the path in the options, or a name
 * in the output folder. Each shard has a state of its own, because shards may run at the same time.
 * The caller frees the path. Returns NULL if memory ran out. */
char *batch_state_path(const struct batch_options *options);
/* A pattern for fnmatch() that matches the file name of every state in an output folder, also of
 * the states of shards. */
#define STATE_PATTERN ".pixpool*.db"

enum {
	/* The maximum number of tasks for each worker. A task has one open input, or the open
	 * inputs of several small files. */
	TASKS_PER_WORKER = 4,
	/* The maximum size of a file that may share a task with other files. */
	SMALL_FILE_BYTES = 64 * 1024,
	/* The main thread reports finished files at this interval, or earlier when COLLECT_FILES
	 * of them wait. */
	COLLECT_MS = 20,
	COLLECT_FILES = 64,
	/* How long the committer waits for more files for a group. */
	COMMIT_WAIT_MS = 2,
	/* The maximum number of files whose outputs wait for the committer. */
	FINISHED_OUTPUTS = 128,
	/* The maximum number of open drawings that wait for the drawing workers. */
	DEFERRED_DRAWINGS = 256,
	RECYCLE_IMAGES = 500,
	/* The time limit for a call on a file system that may hang (openers.h), unless --timeout
	 * sets another. */
	OPEN_TIMEOUT_MS = 30 * 1000,
	/* How long killed workers may take to end after a second signal. */
	STUCK_MS = 5000,
};

/*
 * Run a batch to its end, and report all of it; only report_finish() is left to the caller. If the
 * batch cannot start, the reason is passed to report_say().
 *
 * The batch handles SIGINT, SIGTERM, SIGHUP and SIGTSTP while it runs: the caller must block them
 * while the process has only one thread. The first SIGINT, SIGTERM or SIGHUP lets running images
 * finish, the second kills them. A signal that was ignored stays ignored.
 *
 * Returns the exit status. The zygote must run. *ret_is_stuck is set to true in two cases: a file
 * system call was abandoned and may still hang (openers.h), or files were still unfinished STUCK_MS
 * after a second signal. Then threads and processes may be left behind, and the program must end
 * without waiting for them.
 */
int batch_run(const struct batch_options *options, struct report *report,
              bool *ret_is_stuck);

#endif
