#include "report/summary.h"

#include "report/figures.h"
#include "report/quote.h"

#include <stdlib.h>
#include <string.h>

void failures_add(struct failures *failures, const char *input,
                  const struct failure *failure)
{
	char *copy;

	failures->n_seen++;
	if (failures->n_kept == FAILURES_KEPT)
		return;
	copy = strdup(input ? input : "");
	if (!copy)
		return;
	failures->kept[failures->n_kept] = (struct kept_failure){copy, *failure};
	/* The list goes by class: a stray number would be in none. */
	if ((unsigned)failure->class >= N_FAIL_CLASSES)
		failures->kept[failures->n_kept].failure.class = FAIL_INTERNAL;
	failures->n_kept++;
}

void failures_fini(struct failures *failures)
{
	while (failures->n_kept > 0)
		free(failures->kept[--failures->n_kept].input);
}

/* ", 2 failed", or nothing when there are none. */
static void add_some(struct text *text, uint64_t count, const char *what)
{
	if (count == 0)
		return;
	text_put(text, ", ");
	figure_count(text, count);
	text_put(text, what);
}

static void add_sums(struct text *text, const struct report_counts *counts,
                     double seconds)
{
	/* What was skipped or never begun took no time, so it makes no speed. */
	uint64_t n_worked = counts->ok + counts->failed;

	figure_count(text, counts->inputs);
	text_put(text, counts->inputs == 1 ? " image: " : " images: ");
	figure_count(text, counts->ok);
	text_put(text, " done");
	add_some(text, counts->skipped, " skipped");
	add_some(text, counts->failed, " failed");
	add_some(text, counts->cancelled, " cancelled");
	text_put(text, " in ");
	figure_decimal(text, seconds, seconds < 0.095 ? 2 : 1);
	text_put(text, " s");
	if (n_worked > 0 && seconds > 0) {
		text_put(text, " (");
		figure_decimal(text, (double)n_worked / seconds, 1);
		text_put(text, " images/s)");
	}
	if (counts->bytes_in > 0) {
		text_put(text, ", ");
		figure_bytes(text, counts->bytes_in);
		text_put(text, " -> ");
		figure_bytes(text, counts->bytes_out);
	}
	add_some(text, counts->ignored,
	         counts->ignored == 1 ? " other file ignored" : " other files ignored");
	text_put(text, "\n");
}

static void add_failure(struct text *text, const struct kept_failure *kept)
{
	text_put(text, "  ");
	quote_name(text, kept->input);
	text_format(text, ": %s: ", fail_class_name(kept->failure.class));
	quote_message(text, kept->failure.text);
	text_put(text, "\n");
}

/* Of one class together, each class in the order in which they came. */
static void add_failures(struct text *text, const struct failures *failures)
{
	for (int class = FAIL_NONE; class < N_FAIL_CLASSES; class ++) {
		for (unsigned i = 0; i < failures->n_kept; i++) {
			if ((int)failures->kept[i].failure.class == class)
				add_failure(text, &failures->kept[i]);
		}
	}
}

void summary_lines(struct text *text, const struct report_counts *counts, double seconds,
                   const struct failures *failures)
{
	add_sums(text, counts, seconds);
	if (failures->n_seen == 0)
		return;
	text_put(text, "failed:\n");
	add_failures(text, failures);
	if (failures->n_seen > failures->n_kept) {
		text_put(text, "  ... and ");
		figure_count(text, failures->n_seen - failures->n_kept);
		text_put(text, " more; --report FILE names them all\n");
	}
}
