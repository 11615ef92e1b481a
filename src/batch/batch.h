/*
 * A batch: the one place where walk, exec, image, store, sandbox and report meet.
 *
 *   main thread   signals, and the report of files that are settled
 *   feeder        a thread: the plan pass, then the work pass: where does a file go, open
 *                 it, submit it
 *   committer     a thread: publishes what workers made, in the order in which it came
 *   workers       processes of the picture pool: bytes in, bytes out; after them those that
 *                 draw SVG and PDF, a new one for each, which may read fonts (feed.c)
 *
 * Each file is a future of ours (file.h), settled when its output has its name, or when it
 * failed; records and counters see nothing else. The task that a worker runs for it is
 * another future, the executor's.
 *
 * Bounds: at most INPUTS_PER_WORKER inputs are open for each worker, and the feeder waits
 * when FINISHED_OUTPUTS, or as many bytes as limits.h says, wait for the committer. So memory
 * has the bound of --memory, but for the plan's 8 bytes a file.
 */
#ifndef PXP_BATCH_H
#define PXP_BATCH_H

#include "batch/lockdown.h"
#include "recipe/recipe.h"
#include "report/report.h"
#include "store/store.h"

struct batch_options {
	const char *const *inputs;
	size_t n_inputs;
	const char *output;   /* the output folder */
	struct recipe recipe; /* its format is set for each file */
	const void *profile;  /* of SPACE_FILE; else NULL */
	size_t n_profile;
	enum image_format
		format;    /* of every output; FORMAT_NONE: the same as the input */
	bool decodes_only; /* every pixel is decoded and nothing written: output, format,
	                    * overwrite and the recipe's geometry play no part */
	enum overwrite overwrite;
	bool keep_dates; /* outputs get those of their inputs */
	enum sandbox_mode sandbox;
	bool is_untrusted; /* inputs come from strangers; its limits stand in the recipe */
	unsigned n_workers; /* 0: as many as there are processors */
	uint64_t memory;    /* of the whole run; 0: by the machine (limits.h) */
	unsigned recycle;   /* images after which a worker is replaced; 0: 500 */
	unsigned retries;   /* of a picture whose worker died */
	int64_t timeout_ms; /* for one picture; 0: a minute, and 2 s for each megapixel */
};

enum {
	INPUTS_PER_WORKER = 4,
	FINISHED_OUTPUTS = 128,
	RECYCLE_IMAGES = 500,
	STUCK_MS = 5000,
};

/*
 * Run it to its end and say everything through report, but for report_finish(). What kept
 * it from beginning goes to report_say() as well.
 *
 * Takes SIGINT, SIGTERM, SIGHUP and SIGTSTP for the time it runs: block them before, in a
 * process that has no other thread yet. The first of the first three lets running images
 * finish, the second kills. One that was ignored stays ignored.
 *
 * Returns the exit status. The zygote must run. *ret_is_stuck: a second signal came, and
 * after STUCK_MS something still hangs in the kernel (a dead network disk): then threads
 * and processes are left, and the program should end without waiting for them.
 */
int batch_run(const struct batch_options *options, struct report *report,
              bool *ret_is_stuck);

#endif
