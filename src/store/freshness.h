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

/* A file as a stat shows it. */
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
	/* What is wanted. */
	enum overwrite overwrite;
	bool redo;             /* make what is fresh again */
	bool compare_contents; /* --checksum: equal size and time are not enough */
	uint64_t recipe;
	const char *output, *source; /* relative names */

	/* What is there. */
	struct file_facts in;
	enum output_kind kind;
	struct file_facts out;

	/* The evidence so far: which pieces were looked for, and what was found. */
	unsigned looked_for;                /* of enum evidence */
	const struct stamp *row, *stamp;    /* NULL: not there, or not looked for */
	const struct input_hash *in_hash;   /* NULL: it could not be read */
	const struct output_hash *out_hash; /* likewise */
};

enum verdict {
	VERDICT_LOOK, /* look for *ret_evidence, and ask again */
	VERDICT_MAKE, /* make the output; what is there may be replaced */
	/* Make it and compare: equal bytes are adopted as ours, others are `exists`. */
	VERDICT_MAKE_AND_COMPARE,
	VERDICT_FRESH, /* skipped: fresh */
	VERDICT_FRESH_BUT_NEW, /* the same, but a recorded time is wrong: *ret_record has the right ones */
	VERDICT_KEEP,  /* skipped: exists */
	VERDICT_EXISTS /* fails as `exists` */
};

/* ret_record  for VERDICT_FRESH and VERDICT_FRESH_BUT_NEW: what to say of the output, and what to
 *             write to the state in the second case. */
enum verdict freshness_decide(const struct freshness *freshness,
                              enum evidence *ret_evidence, struct stamp *ret_record);

/* Whether this output, unchanged since, is ours: for what removes outputs whose input is gone.
 * VERDICT_LOOK, VERDICT_MAKE (it is ours) or VERDICT_EXISTS. Inputs and recipe are not looked at. */
enum verdict freshness_of_owner(const struct freshness *freshness,
                                enum evidence *ret_evidence);

#endif
