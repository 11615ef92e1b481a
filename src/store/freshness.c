/* Decides what to do about an output that may exist already. */
#include "store/freshness.h"

#include <string.h>

/* Whether the output belongs to pixpool, according to the row and the stamp. */
enum owner {
	OWNER_UNKNOWN, /* not known yet: the caller must first find *ret_evidence */
	/* The output belongs to pixpool: the row or the stamp matches the output in size and time,
	 * or in content hash. */
	OWNER_US,
	OWNER_OTHERS
};

static bool looked_for(const struct freshness *freshness, enum evidence evidence)
{
	return (freshness->looked_for & evidence) != 0;
}

static bool has_times_of_output(const struct freshness *freshness,
                                const struct stamp *record)
{
	return record->out_bytes == freshness->out.n_bytes &&
	       record->out_mtime_ns == freshness->out.mtime_ns;
}

static bool has_content_of_output(const struct freshness *freshness,
                                  const struct stamp *record)
{
	return record->out_bytes == freshness->out.n_bytes && freshness->out_hash &&
	       memcmp(&record->out_hash, freshness->out_hash,
	              sizeof(*freshness->out_hash)) == 0;
}

/* If a stamp has the name of another output, the user copied the file, so the stamp does not count
 * as a record of this output. */
static const struct stamp *stamp_of_this_output(const struct freshness *freshness)
{
	const struct stamp *stamp = freshness->stamp;

	return stamp && stamp_name_is(stamp->output, freshness->output) ? stamp : NULL;
}

/* Find the record that matches the output. The cheapest evidence comes first: size and time in
 * the row, then in the stamp, then the content hash. */
static enum owner find_owner(const struct freshness *freshness,
                             enum evidence *ret_evidence, const struct stamp **ret_record)
{
	const struct stamp *row = freshness->row,
			   *stamp = stamp_of_this_output(freshness);

	*ret_record = NULL;
	if (freshness->kind != OUTPUT_FILE)
		return OWNER_OTHERS;
	if (!looked_for(freshness, EVIDENCE_ROW)) {
		*ret_evidence = EVIDENCE_ROW;
		return OWNER_UNKNOWN;
	}
	if (!freshness->compare_contents && row && has_times_of_output(freshness, row)) {
		*ret_record = row;
		return OWNER_US;
	}
	if (!looked_for(freshness, EVIDENCE_STAMP)) {
		*ret_evidence = EVIDENCE_STAMP;
		return OWNER_UNKNOWN;
	}
	if (!freshness->compare_contents && stamp &&
	    has_times_of_output(freshness, stamp)) {
		*ret_record = stamp;
		return OWNER_US;
	}
	if ((row && row->out_bytes == freshness->out.n_bytes) ||
	    (stamp && stamp->out_bytes == freshness->out.n_bytes)) {
		if (!looked_for(freshness, EVIDENCE_OUTPUT_HASH)) {
			*ret_evidence = EVIDENCE_OUTPUT_HASH;
			return OWNER_UNKNOWN;
		}
		if (stamp && has_content_of_output(freshness, stamp))
			*ret_record = stamp;
		if (row && has_content_of_output(freshness, row))
			*ret_record = row;
	}
	return *ret_record ? OWNER_US : OWNER_OTHERS;
}

static bool has_times_of_input(const struct freshness *freshness,
                               const struct stamp *record)
{
	return record->in_bytes == freshness->in.n_bytes &&
	       record->in_mtime_ns == freshness->in.mtime_ns &&
	       record->in_mtime_ns != STAMP_NO_TIME &&
	       stamp_name_is(record->source, freshness->source);
}

/* The verdict for an output that is not fresh: the overwrite policy decides. */
static enum verdict by_policy(const struct freshness *freshness, bool is_ours)
{
	switch (freshness->overwrite) {
	case OVERWRITE_ALWAYS:
		return freshness->kind == OUTPUT_FOLDER ? VERDICT_EXISTS : VERDICT_MAKE;
	case OVERWRITE_SKIP:
		return VERDICT_KEEP;
	case OVERWRITE_OLDER:
		return freshness->kind != OUTPUT_FOLDER &&
		                       freshness->out.mtime_ns < freshness->in.mtime_ns
		               ? VERDICT_MAKE
		               : VERDICT_KEEP;
	case OVERWRITE_OWN:
		break;
	}
	if (is_ours)
		return VERDICT_MAKE;
	return freshness->compare_contents && freshness->kind == OUTPUT_FILE
	               ? VERDICT_MAKE_AND_COMPARE
	               : VERDICT_EXISTS;
}

/* Copy the record, and put into the copy the times and names that the files have now. */
static struct stamp with_times_of_now(const struct freshness *freshness,
                                      const struct stamp *record)
{
	struct stamp now = *record;

	now.in_mtime_ns = freshness->in.mtime_ns;
	now.out_mtime_ns = freshness->out.mtime_ns;
	stamp_set_names(&now, freshness->output, freshness->source);
	return now;
}

/* For an output of ours with the right recipe: decide whether its input is unchanged. */
static enum verdict compare_input(const struct freshness *freshness,
                                  const struct stamp *record, enum evidence *ret_evidence,
                                  struct stamp *ret_record)
{
	bool has_times = has_times_of_input(freshness, record);

	if (record->in_bytes != freshness->in.n_bytes)
		return by_policy(freshness, true);
	if (!has_times || freshness->compare_contents) {
		if (!looked_for(freshness, EVIDENCE_INPUT_HASH)) {
			*ret_evidence = EVIDENCE_INPUT_HASH;
			return VERDICT_LOOK;
		}
		if (!freshness->in_hash || memcmp(&record->in_hash, freshness->in_hash,
		                                  sizeof(*freshness->in_hash)) != 0)
			return by_policy(freshness, true);
	}
	*ret_record = with_times_of_now(freshness, record);
	return has_times && record == freshness->row &&
	                       has_times_of_output(freshness, record)
	               ? VERDICT_FRESH
	               : VERDICT_FRESH_BUT_NEW;
}

enum verdict freshness_decide(const struct freshness *freshness,
                              enum evidence *ret_evidence, struct stamp *ret_record)
{
	const struct stamp *record;

	if (freshness->kind == OUTPUT_NONE || freshness->kind == OUTPUT_EMPTY)
		return VERDICT_MAKE;
	switch (find_owner(freshness, ret_evidence, &record)) {
	case OWNER_UNKNOWN:
		return VERDICT_LOOK;
	case OWNER_OTHERS:
		return by_policy(freshness, false);
	case OWNER_US:
		break;
	}
	if (record->recipe != freshness->recipe || freshness->redo)
		return by_policy(freshness, true);
	return compare_input(freshness, record, ret_evidence, ret_record);
}

enum verdict freshness_in_place(const struct freshness *freshness, bool has_backup,
                                enum evidence *ret_evidence, struct stamp *ret_record)
{
	const struct stamp *stamp = freshness->stamp;
	bool is_ours = false;

	if (!looked_for(freshness, EVIDENCE_STAMP)) {
		*ret_evidence = EVIDENCE_STAMP;
		return VERDICT_LOOK;
	}
	if (stamp && stamp->out_bytes == freshness->out.n_bytes) {
		is_ours = !freshness->compare_contents &&
		          has_times_of_output(freshness, stamp);
		if (!is_ours && !looked_for(freshness, EVIDENCE_OUTPUT_HASH)) {
			*ret_evidence = EVIDENCE_OUTPUT_HASH;
			return VERDICT_LOOK;
		}
		is_ours = is_ours || has_content_of_output(freshness, stamp);
	}
	if (is_ours && stamp->recipe == freshness->recipe && !freshness->redo) {
		*ret_record = *stamp;
		return VERDICT_FRESH;
	}
	return has_backup && !(is_ours && stamp_of_this_output(freshness))
	               ? VERDICT_EXISTS
	               : VERDICT_MAKE;
}

enum verdict freshness_of_owner(const struct freshness *freshness,
                                enum evidence *ret_evidence,
                                const struct stamp **ret_record)
{
	switch (find_owner(freshness, ret_evidence, ret_record)) {
	case OWNER_UNKNOWN:
		return VERDICT_LOOK;
	case OWNER_US:
		return VERDICT_MAKE;
	case OWNER_OTHERS:
		break;
	}
	return VERDICT_EXISTS;
}
