/*
 * A batch: every input, found, opened, given to a worker, published and reported. This is the one
 * place where walk, exec, image, store, sandbox and report meet; README.md in this folder tells
 * how.
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
	/* The inputs. The batch fills in the folder to skip. */
	struct walk_options walk;
	/* The output folder; "": the current one, which is not put before the names of outputs. NULL
	 * with in_place. */
	const char *output;
	/* The only output is written to this descriptor, not to a file. 0: none. */
	int output_stream;
	/* Each output replaces its input. No state is kept, and format, variants and overwrite play no
	 * part. */
	bool in_place;
	/* Of the originals that are kept, e.g. ".orig"; NULL: none is kept. */
	const char *backup_suffix;

	/* The outputs of each input. Without variants it is one output, by this recipe, in this
	 * format (FORMAT_NONE: the same as the input). */
	struct recipe recipe;
	enum image_format format;
	struct naming_style style;
	/* Several outputs of each input, at most PICTURE_MAX_VARIANTS. Their recipes agree in how
	 * the input is read, and recipe, format and style above play no part. */
	const struct variant_rule *variants;
	size_t n_variants;
	const void *profile; /* for SPACE_FILE; else NULL */
	size_t n_profile;
	/* Only the plan is made: what a run would do is reported, and nothing is written. */
	bool plans_only;
	/* Every pixel is decoded and nothing is written. Output, format, variants, overwrite and
	 * the recipe's geometry play no part. */
	bool decodes_only;

	enum overwrite overwrite;
	struct shard shard;    /* n 0: the batch has all inputs */
	bool prunes;           /* remove outputs whose input is gone */
	bool redo;             /* fresh outputs are made again */
	bool compare_contents; /* compare contents, even if size and time are equal */
	/* The file of the state; NULL: in output, STATE_FILE_NAME or the shard's. */
	const char *state;
	bool keeps_no_state; /* no state is kept, and outputs get no stamp */
	bool no_wait;        /* if another run has the same output: end with status 4 */
	bool no_fsync;       /* do not sync: a power cut may lose reported outputs */
	bool accept_known; /* failures known from an earlier run do not set the status to 1 */
	bool keep_dates; /* outputs get the dates of their inputs */
	enum sandbox_mode sandbox;
	bool is_untrusted; /* inputs may be hostile; the limits for that are in the recipe */
	unsigned n_workers; /* 0: as many as there are processors */
	uint64_t memory;    /* of the whole run; 0: by the machine (limits.h) */
	unsigned recycle; /* images after which a worker is replaced; 0: RECYCLE_IMAGES */
	unsigned retries; /* of a picture whose worker died */
	unsigned max_failures; /* the batch ends at this number of failures; 0: never */
	int64_t stop_after_ms; /* the batch ends then; 0: never */
	int64_t timeout_ms; /* for one picture; 0: a minute, and 2 s for each megapixel */
};

/* In the output folder, unless another file was named. */
#define STATE_FILE_NAME ".pixpool.db"
/* For fnmatch(): the states of shards as well. */
#define STATE_PATTERN ".pixpool*.db"

enum {
	/* The maximum number of open inputs for each worker. */
	INPUTS_PER_WORKER = 4,
	/* Complete files are reported so often, or when there are so many. */
	COLLECT_MS = 20,
	COLLECT_FILES = 64,
	/* So long the committer waits for the next files of a group. */
	COMMIT_WAIT_MS = 2,
	/* The maximum number of outputs that wait for the committer. */
	FINISHED_OUTPUTS = 128,
	/* The maximum number of drawings that wait, open, for the workers that draw. */
	DEFERRED_DRAWINGS = 256,
	RECYCLE_IMAGES = 500,
	/* After a second signal: how long to wait for workers that are killed. */
	STUCK_MS = 5000,
};

/*
 * Run a batch to its end, and say everything through report, but for report_finish(). What keeps
 * it from beginning goes to report_say() as well.
 *
 * Takes SIGINT, SIGTERM, SIGHUP and SIGTSTP while it runs: block them before, in a process that has
 * no other thread yet. The first of the first three lets running images finish, the second kills
 * them. A signal that was ignored stays ignored.
 *
 * Returns the exit status. The zygote must run. *ret_is_stuck: a second signal came, and after
 * STUCK_MS something still hangs in the kernel (a dead network disk). Then threads and processes
 * are left behind, and the program must end without waiting for them.
 */
int batch_run(const struct batch_options *options, struct report *report,
              bool *ret_is_stuck);

#endif
