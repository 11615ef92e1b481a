/*
 * What to do about one output before its picture is decoded: make it, leave it, or refuse it.
 *
 * The decision is a pure function over what is known so far. Where it needs more evidence it asks for
 * the cheapest piece that can settle the matter, and is called again with it: so an undisturbed
 * second run reads one row and two inodes for each picture. The truth table stands in README.md, and
 * tests/store/test_freshness.c walks every row of it.
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

/* Evidence that is asked for. Each piece is asked for at most once. */
enum evidence {
	EVIDENCE_ROW = 1,         /* the state's row of this output */
	EVIDENCE_STAMP = 2,       /* the stamp on the output */
	EVIDENCE_OUTPUT_HASH = 4, /* the hash of the output's content */
	EVIDENCE_INPUT_HASH = 8   /* the hash of the input's content */
};

struct freshness {
	/* The request. */
	enum overwrite overwrite;
	bool redo;             /* make fresh outputs again */
	bool compare_contents; /* --checksum: equal size and time are not enough */
	uint64_t recipe;
	const char *output, *source; /* relative names */

	/* What is there. */
	struct file_facts in;
	enum output_kind kind;
	struct file_facts out;

	/* The evidence so far: which pieces were looked for, and the results. */
	unsigned looked_for;                /* of enum evidence */
	const struct stamp *row, *stamp;    /* NULL: not there, or not looked for */
	const struct input_hash *in_hash;   /* NULL: it could not be read */
	const struct output_hash *out_hash; /* likewise */
};

enum verdict {
	VERDICT_LOOK, /* look for *ret_evidence, and ask again */
	VERDICT_MAKE, /* make the output; it may replace the existing file */
	/* Make the output and compare: if the existing file has the same bytes, it becomes ours;
	 * else the output fails as `exists`. */
	VERDICT_MAKE_AND_COMPARE,
	VERDICT_FRESH, /* skipped: fresh */
	/* The same, but a recorded time is out of date: *ret_record has the new times. */
	VERDICT_FRESH_BUT_NEW,
	VERDICT_KEEP,  /* skipped: exists */
	VERDICT_EXISTS /* fails as `exists` */
};

/* ret_record  for VERDICT_FRESH and VERDICT_FRESH_BUT_NEW: what to say of the output, and what to
 *             write to the state in the second case. */
enum verdict freshness_decide(const struct freshness *freshness,
                              enum evidence *ret_evidence, struct stamp *ret_record);

/*
 * The same for an output that replaces its input, which is the existing file: there is no row, and of the
 * record only what it says of the output counts. Returns VERDICT_LOOK, VERDICT_MAKE, VERDICT_FRESH, or
 * VERDICT_EXISTS: the backup's name is taken, and the file is no output of ours. A file that was renamed
 * is fresh as well: to make it again would cost quality for nothing.
 *
 * has_backup  another file has the name of the backup.
 */
enum verdict freshness_in_place(const struct freshness *freshness, bool has_backup,
                                enum evidence *ret_evidence, struct stamp *ret_record);

/* Whether this output is ours and unchanged: for code that removes outputs whose input is gone.
 * Returns VERDICT_LOOK, VERDICT_MAKE (it is ours, and *ret_record is its record) or VERDICT_EXISTS.
 * Input and recipe are ignored. */
enum verdict freshness_of_owner(const struct freshness *freshness,
                                enum evidence *ret_evidence,
                                const struct stamp **ret_record);

#endif
