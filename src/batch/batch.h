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
	/* The walk over the inputs. The batch fills in the folder to skip. */
	struct walk_options walk;
	/* The output folder; "": the current one, which is not prefixed to the names of outputs.
	 * NULL with in_place. */
	const char *output;
	/* If not 0, the only output is written to this descriptor instead of a file. */
	int output_stream;
	/* Each output replaces its input. No state is kept, and format, variants and overwrite are
	 * ignored. */
	bool in_place;
	/* The suffix of originals that are kept, e.g. ".orig"; NULL: none is kept. */
	const char *backup_suffix;

	/* The outputs of each input. Without variants there is one output, by this recipe, in this
	 * format (FORMAT_NONE: the same as the input). */
	struct recipe recipe;
	enum image_format format;
	struct naming_style style;
	/* Several outputs of each input, at most PICTURE_MAX_VARIANTS. Their recipes agree in how
	 * the input is read, and recipe, format and style above are ignored. */
	const struct variant_rule *variants;
	size_t n_variants;
	const void *profile; /* the profile for SPACE_FILE; otherwise NULL */
	size_t n_profile;
	/* Only the plan is made: the report says what a run would do, and nothing is written. */
	bool plans_only;
	/* Every pixel is decoded and nothing is written. Output, format, variants, overwrite and
	 * the recipe's geometry are ignored. */
	bool decodes_only;

	enum overwrite overwrite;
	struct shard shard;    /* the shard; n 0: the batch has all inputs */
	bool prunes;           /* remove outputs whose input no longer exists */
	bool redo;             /* make up-to-date outputs again */
	bool compare_contents; /* compare contents, even if size and time are equal */
	/* The path of the state; NULL: STATE_FILE_NAME, or the shard's name, in output. */
	const char *state;
	bool keeps_no_state; /* no state is kept, and outputs get no stamp */
	/* If another run has the same output folder, end with status 4. */
	bool no_wait;
	bool no_fsync;     /* do not sync: a power cut may lose reported outputs */
	bool accept_known; /* failures known from an earlier run do not set the status to 1 */
	bool keep_dates; /* outputs get the times of their inputs */
	enum sandbox_mode sandbox;
	bool is_untrusted; /* inputs may be hostile; the limits for that are in the recipe */
	unsigned n_workers; /* number of workers; 0: the number of processors */
	/* Memory limit of the whole run; 0: computed from the machine (limits.h). */
	uint64_t memory;
	unsigned recycle; /* images after which a worker is replaced; 0: RECYCLE_IMAGES */
	unsigned retries; /* retries of a picture whose worker died */
	unsigned max_failures; /* the batch ends at this number of failures; 0: never */
	/* Time in milliseconds after which the batch ends; 0: never. */
	int64_t stop_after_ms;
	/* Time limit for one picture; 0: a minute, and 2 s for each megapixel. */
	int64_t timeout_ms;
};

/* The name of the state in the output folder, unless another path was given. */
#define STATE_FILE_NAME ".pixpool.db"
/* Make the path of the state of a batch with an output folder: the path that was given, or a name in
 * that folder. Each shard has a state of its own, because shards may run at the same time. The
 * caller frees the path; NULL if memory ran out. */
char *batch_state_path(const struct batch_options *options);
/* A pattern for fnmatch() that includes the states of shards. */
#define STATE_PATTERN ".pixpool*.db"

enum {
	/* The maximum number of open inputs for each worker. */
	INPUTS_PER_WORKER = 4,
	/* Complete files are reported at this interval, or when there are this many. */
	COLLECT_MS = 20,
	COLLECT_FILES = 64,
	/* How long the committer waits for the next files of a group. */
	COMMIT_WAIT_MS = 2,
	/* The maximum number of outputs that wait for the committer. */
	FINISHED_OUTPUTS = 128,
	/* The maximum number of open drawings that wait for the drawing workers. */
	DEFERRED_DRAWINGS = 256,
	RECYCLE_IMAGES = 500,
	/* The time limit for open() and stat() on a network share, unless --timeout sets
	 * another. */
	OPEN_TIMEOUT_MS = 30 * 1000,
	/* The time that killed workers have to end after a second signal. */
	STUCK_MS = 5000,
};

/*
 * Run a batch to its end, and report everything except report_finish(). A reason that keeps the
 * batch from starting is passed to report_say() as well.
 *
 * The batch handles SIGINT, SIGTERM, SIGHUP and SIGTSTP while it runs: block them before, in a
 * process that has no other thread yet. The first SIGINT, SIGTERM or SIGHUP lets running images
 * finish, the second kills them. A signal that was ignored stays ignored.
 *
 * Returns the exit status. The zygote must run. *ret_is_stuck: a second signal came, and after
 * STUCK_MS something still hangs in the kernel (a dead network disk). Then threads and processes
 * are left behind, and the program must end without waiting for them.
 */
int batch_run(const struct batch_options *options, struct report *report,
              bool *ret_is_stuck);

#endif
