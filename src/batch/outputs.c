/* The outputs of a batch: the message about collisions, and the opening of the output folder, of
 * the records of earlier runs and of the committer. */
#include "batch/outputs.h"

#include "common/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How the inputs that claim the same output differ. */
struct differences {
	/* whether some of the inputs have different file names, such as a.jpg and a.png */
	bool by_name;
	/* whether some of the inputs have the same file name in different folders */
	bool by_folder;
	/* whether some of the inputs have the same path below different INPUTs */
	bool by_input;
};

static void add_difference(struct differences *differences, const struct plan_claim *a,
                           const struct plan_claim *b)
{
	size_t n_a, n_b;
	const char *name_a = path_base(a->relative, &n_a),
		   *name_b = path_base(b->relative, &n_b);

	if (strcmp(a->relative, b->relative) == 0)
		differences->by_input = true;
	else if (n_a == n_b && memcmp(name_a, name_b, n_a) == 0)
		differences->by_folder = true;
	else
		differences->by_name = true;
}

/* Print advice on how to run the batch without collisions. */
static void say_way_out(struct batch *batch, const struct differences *differences)
{
	const struct naming_style *style = &batch->rules[0].style;
	const bool lacks_name = style->pattern && !strstr(style->pattern, "{name}");

	report_say(batch->report,
	           "nothing was done; leave inputs out with --exclude%s%s%s%s",
	           differences->by_name && lacks_name ? ", or put {name} into --name"
	                                              : "",
	           differences->by_name && !lacks_name && !style->keeps_suffix
	                   ? ", or keep their suffixes in the names of the "
	                     "outputs with --on-collision keep-ext"
	                   : "",
	           differences->by_folder
	                   ? ", or remove --flat to keep the folders of the inputs"
	                   : "",
	           differences->by_input
	                   ? ", or run the command once for each INPUT, with different -o"
	                   : "");
}

void batch_report_collisions(struct batch *batch)
{
	const struct plan *plan = batch->plan;
	struct differences differences = {.by_name = false};
	size_t n;

	for (size_t i = 0; i < plan->n_claims; i += n) {
		const struct plan_claim *claims = &plan->claims[i];

		char *output = path_join(batch->options->output, claims[0].output);

		for (n = 1; i + n < plan->n_claims &&
		            strcmp(claims[0].output, claims[n].output) == 0;)
			n++;
		report_say(batch->report, "%zu inputs would write the same output %s:", n,
		           batch_quote(output ? output : claims[0].output));
		free(output);
		for (size_t k = 0; k < n; k++) {
			report_say(batch->report, "  %s", batch_quote(claims[k].input));
			if (k > 0)
				add_difference(&differences, &claims[k - 1], &claims[k]);
		}
	}
	say_way_out(batch, &differences);
}

/* Called while another run holds the state. Returns whether to continue waiting for it. */
static bool wait_for_state(void *data)
{
	struct batch *batch = data;

	return batch_wait_for_other_run(batch, "using the output folder",
	                                batch->options->output);
}

char *batch_state_path(const struct batch_options *options)
{
	const struct shard *shard = &options->shard;
	char name[64];

	if (options->state)
		return strdup(options->state);
	snprintf(name, sizeof(name), ".pixpool-%u-of-%u.db", shard->index, shard->n);
	return path_join(options->output, shard->n > 1 ? name : STATE_FILE_NAME);
}

static void say_state_is_foreign(struct batch *batch)
{
	report_say(batch->report,
	           "--state: %s exists and is not a state database of pixpool; "
	           "choose another name",
	           batch_quote(batch->options->state));
}

/* Open the state of the output folder. Returns false, with a message, if the batch must end. */
static bool open_state(struct batch *batch)
{
	const struct batch_options *options = batch->options;
	struct state_options state = {
		.keeps_foreign = options->state != NULL,
		.is_durable = !options->no_fsync,
		.wait = wait_for_state,
		.data = batch,
	};
	char notice[FAILURE_TEXT_BYTES] = "", *path;
	struct failure failure;
	enum state_result result;

	if (options->keeps_no_state || options->in_place || !content_hash_is_built())
		return true;
	state.rows_alone = !store_takes_stamps(batch->store);
	state.path = path = batch_state_path(options);
	result = path ? state_open(&state, &batch->database, notice, &failure)
	              : STATE_MEMORY;
	free(path);
	if (notice[0] && result != STATE_MEMORY)
		report_say(batch->report, "%s", notice);
	switch (result) {
	case STATE_OK:
		return true;
	case STATE_BUSY:
		if (batch_goes_on(batch))
			batch_stop_early(batch,
			                 &(struct failure){FAIL_IO,
			                                   "another run is using the "
			                                   "output folder"});
		return true;
	case STATE_NONE:
		report_say(
			batch->report, "%s; %s", failure.text,
			state.rows_alone
				? "warning: the output folder does not support attributes, "
				  "so outputs are not recorded, and a second run will not "
				  "replace them; see --overwrite"
				: "records are kept only as attributes of the outputs");
		return true;
	case STATE_PLACE:
		batch_stop_early(batch, &failure);
		return true;
	case STATE_FOREIGN:
		say_state_is_foreign(batch);
		return false;
	case STATE_MEMORY:
		report_say(batch->report, "cannot start: out of memory");
		return false;
	}
	return true;
}

/* Open the state for reading, for a plan. If it cannot be read, the plan relies on the stamps of
 * the outputs, and a message says so. Returns false, with a message, if a run would refuse the
 * state. */
static bool open_state_to_look(struct batch *batch)
{
	const struct batch_options *options = batch->options;
	char *path = options->in_place ? NULL : batch_state_path(options);
	const struct state_options state = {.path = path,
	                                    .reads_only = true,
	                                    .keeps_foreign = options->state != NULL};
	enum state_result result = STATE_OK;
	char notice[FAILURE_TEXT_BYTES];
	struct failure failure;
	struct stat facts;

	if (path && !options->keeps_no_state && content_hash_is_built() &&
	    lstat(path, &facts) == 0)
		result = state_open(&state, &batch->database, notice, &failure);
	free(path);
	/* An empty state file has no records to use, so there is no message about it. */
	if (result == STATE_FOREIGN)
		say_state_is_foreign(batch);
	else if (result != STATE_OK && facts.st_size > 0)
		report_say(
			batch->report,
			"%s; the plan uses only the records in attributes of the outputs",
			failure.text);
	return result != STATE_FOREIGN;
}

static bool open_history(struct batch *batch)
{
	const struct batch_options *options = batch->options;

	batch->history = history_create(&(struct history_options){
		.store = batch->store,
		.state = batch->database,
		.inputs = &batch->walk,
		.output = options->output,
		.rules = batch->rules,
		.n_rules = batch->n_rules,
		.overwrite = options->overwrite,
		.keep_dates = options->keep_dates,
		.keeps_records = !options->keeps_no_state && content_hash_is_built(),
		.redo = options->redo,
		.compare_contents = options->compare_contents,
	});
	if (!batch->history)
		report_say(batch->report, "cannot start: out of memory");
	return batch->history != NULL;
}

/* Whether this errno of a call that creates a folder comes from the file system or its permissions,
 * and not from a wrong name. */
static bool is_places_fault(int sys_errno)
{
	return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EROFS ||
	       sys_errno == EIO || sys_errno == EACCES || sys_errno == EPERM;
}

/* Print why the output folder cannot be created. Called only if its file system is not the
 * cause. */
static void say_no_folder(struct batch *batch, int sys_errno)
{
	const char *output = batch->options->output, *why = strerrordesc_np(sys_errno);
	struct stat facts;

	if (sys_errno == ENOTDIR)
		why = "a part of its path is a file, not a folder";
	else if (sys_errno == ENOENT && lstat(output, &facts) == 0 &&
	         S_ISLNK(facts.st_mode))
		why = "it is a symbolic link to a folder that does not exist";
	report_say(batch->report, "cannot make the output folder %s: %s",
	           batch_quote(output), why);
}

/* Open the output folder. Returns false, with a message, if the batch must end. If the folder
 * cannot be created because of its file system, stops the batch and returns true without a store.
 * For a plan, returns true without a store if the folder does not exist. */
static bool open_store(struct batch *batch)
{
	const char *output = batch->options->output;
	struct failure failure;

	if (batch->options->in_place) {
		batch->store = batch->options->plans_only ? store_open_to_look(NULL)
		                                          : store_open_in_place();
		if (!batch->store)
			report_say(batch->report, "cannot start: out of memory");
		return batch->store != NULL;
	}
	if (batch->options->plans_only) {
		batch->store = store_open_to_look(*output ? output : ".");
		/* if the folder does not exist, every output is new */
		if (batch->store || errno != ENOTDIR)
			return true;
		say_no_folder(batch, errno);
		return false;
	}
	batch->store = store_open(*output ? output : ".");
	if (!batch->store && is_places_fault(errno)) {
		failure_set(&failure, FAIL_IO, "cannot make the output folder %s: %s",
		            batch_quote(output), strerrordesc_np(errno));
		batch_stop_early(batch, &failure);
		return true;
	}
	if (!batch->store) {
		say_no_folder(batch, errno);
		return false;
	}
	store_identity(batch->store, &batch->walk.skip_dev, &batch->walk.skip_ino);
	return true;
}

bool batch_open_outputs(struct batch *batch)
{
	if (batch->options->output_stream > 0)
		return true;
	if (!open_store(batch))
		return false;
	if (!batch->store)
		return true;
	if (batch->options->plans_only)
		return open_state_to_look(batch) && open_history(batch);
	if (!batch->options->no_fsync)
		store_make_durable(batch->store);
	if (!open_state(batch) || !open_history(batch))
		return false;
	batch->committer = committer_create(&(struct committer_options){
		.store = batch->store,
		.state = batch->database,
		.overwrite = batch->options->overwrite,
		.group_outputs = batch->group_outputs,
		.done = file_on_committed,
		.data = batch,
		.wait_ms = COMMIT_WAIT_MS,
	});
	if (!batch->committer)
		report_say(batch->report, "cannot start: %s", strerrordesc_np(errno));
	return batch->committer != NULL;
}
