/*
 * Decides what to do about one output before its picture is decoded: make it, leave it, or refuse
 * it.
 *
 * The decision is a function without side effects. Its arguments are the facts known so far. If it
 * needs more evidence, it requests the cheapest piece that can decide the case, and the caller
 * calls it again with that piece. So if no file has changed since the last run, the decision needs
 * only one row and two inodes for each output.
 *
 * The truth table is in README.md, and tests/store/test_freshness.c tests every row of it.
 */
#ifndef PXP_FRESHNESS_H
#define PXP_FRESHNESS_H

#include "store/stamp.h"
#include "store/store.h"

/* The size and time of a file, from stat(). */
struct file_facts {
	uint64_t n_bytes;
	int64_t mtime_ns;
};

/* Evidence that can be requested. Each piece is requested at most once. */
enum evidence {
	EVIDENCE_ROW = 1,         /* the state's row of this output */
	EVIDENCE_STAMP = 2,       /* the stamp on the output */
	EVIDENCE_OUTPUT_HASH = 4, /* the hash of the output's content */
	EVIDENCE_INPUT_HASH = 8   /* the hash of the input's content */
};

struct freshness {
	/* The request: options, recipe, and the names of the output and its source. */
	enum overwrite overwrite;
	bool redo;             /* make outputs again even if they are fresh */
	bool compare_contents; /* --checksum: compare contents even if size and time are equal */
	uint64_t recipe;
	const char *output, *source; /* relative names of output and source */

	/* What exists in the file system: the source, and a file with the output's name, if any. */
	struct file_facts in;
	enum output_kind kind;
	struct file_facts out;

	/* The evidence so far: which pieces were looked for, and the results. */
	unsigned looked_for; /* a mask of enum evidence */
	/* The records of the output. NULL: the record does not exist, or was not looked up. */
	const struct stamp *row, *stamp;
	/* hash of the input; NULL: not looked for, or the input could not be read */
	const struct input_hash *in_hash;
	/* hash of the output; NULL: not looked for, or the output could not be read */
	const struct output_hash *out_hash;
};

enum verdict {
	/* More evidence is needed: the caller looks for *ret_evidence, and asks again. */
	VERDICT_LOOK,
	VERDICT_MAKE, /* make the output; it may replace the existing file */
	/* Make the output, and compare it with the existing file. If both have the same bytes, the
	 * file becomes ours. If not, the output fails as `exists`. */
	VERDICT_MAKE_AND_COMPARE,
	VERDICT_FRESH, /* skip the output: it is fresh */
	/* Skip the output: it is fresh, but its row is missing or out of date. *ret_record is the
	 * new row. */
	VERDICT_FRESH_BUT_NEW,
	VERDICT_KEEP,  /* skip the output, because a file already has its name */
	VERDICT_EXISTS /* the output fails, because a file already has its name */
};

/* Decide about an output. *ret_record is set for VERDICT_FRESH and VERDICT_FRESH_BUT_NEW: it has
 * the facts about the output for the report. For VERDICT_FRESH_BUT_NEW it is also the new row for
 * the state. */
enum verdict freshness_decide(const struct freshness *freshness,
                              enum evidence *ret_evidence, struct stamp *ret_record);

/*
 * Decide about an output that replaces its input: the existing file is the input. Such an output
 * has no row. In its stamp, only the recipe and the size, time, hash and name of the output matter.
 * *ret_record is set for VERDICT_FRESH. has_backup: another file has the name of the backup.
 *
 * VERDICT_LOOK    More evidence is needed.
 * VERDICT_MAKE    Make the output.
 * VERDICT_FRESH   The file is an output of ours and unchanged. A renamed output is fresh too,
 *                 because making it again would only reduce its quality.
 * VERDICT_EXISTS  The name of the backup is taken, and the file is not an output of ours or was
 *                 renamed.
 */
enum verdict freshness_in_place(const struct freshness *freshness, bool has_backup,
                                enum evidence *ret_evidence, struct stamp *ret_record);

/*
 * Decide whether an output may be removed when its input is gone. Input and recipe are ignored.
 *
 * VERDICT_LOOK    More evidence is needed.
 * VERDICT_MAKE    The output is ours and unchanged, so it may be removed. *ret_record is its
 *                 record.
 * VERDICT_EXISTS  The file is not an output of ours, or was changed, so it must stay.
 */
enum verdict freshness_of_owner(const struct freshness *freshness,
                                enum evidence *ret_evidence,
                                const struct stamp **ret_record);

#endif
