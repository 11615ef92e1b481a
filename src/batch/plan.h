/*
 * The plan records the outputs that this run will make, with one keyed 64-bit hash for each name.
 * It finds two inputs that claim the same output before anything is written. If hashes are equal, a
 * second walk compares the names.
 *
 * Only one thread at a time may use a plan, but any thread may read n_images.
 */
#ifndef PXP_PLAN_H
#define PXP_PLAN_H

#include "batch/largest.h"
#include "batch/naming.h"
#include "batch/variant.h"
#include "common/hash.h"
#include "common/hash_set.h"
#include "walk/walk.h"

#include <stdatomic.h>

/* An input that claims an output which another input claims too. */
struct plan_claim {
	char *input, *output;
	const char *relative; /* the relative name; points into `input` */
	/* ---- Private. ---- */
	dev_t dev;
	ino_t ino;        /* the inode; 0: not known */
	uint64_t n_bytes; /* the size of the input */
	uint64_t visit;   /* a different number for each file that the walk finds */
	bool is_first;    /* whether the output is made by the first rule */
};

/* A part of an INPUT that the walk could not read: the members of its WALK_ERROR. */
struct plan_error {
	char *path;
	const char *relative; /* points into `path` */
	size_t input;
	bool is_named;
	int sys_errno;
};

/* An output that the same file claims several times: the walk found the file twice, perhaps through
 * a link. */
struct plan_repeat;

struct plan {
	/* ---- The findings. ---- */
	/* The number of images and unreadable folders that were found so far. The report will have
	 * a record for each. */
	atomic_uint_least64_t n_images;
	uint64_t n_bytes; /* the sum of the sizes of the inputs */
	size_t n_inputs;  /* the number of INPUTs that have an image */
	/* The parts of the INPUTs that could not be read, in the order of the walk. */
	struct plan_error *errors;
	size_t n_errors;
	/* the number of links that the walk found and did not follow */
	uint64_t n_links;
	/* the number of files that --include and --exclude left out */
	uint64_t n_left_out;
	/* the number of files that are backups of runs in place */
	uint64_t n_backups;
	struct plan_claim *claims; /* the claims that collide, ordered by output */
	size_t n_claims;
	/* The largest inputs that have a task of their own, if the caller has set keeps_largest
	 * before plan_make(). */
	struct largest largest;
	bool keeps_largest;

	/* ---- Private. ---- */
	struct hash_key key;
	/* the index of the last INPUT that has an image, plus 1 */
	size_t next_input;
	struct hash_set planned; /* the hashes of all outputs that the plan has found */
	/* For each hash in `planned` a bit, which is set if the output was claimed. */
	uint8_t *is_taken;
	/* The hashes of outputs that were claimed although the plan did not find them. */
	struct hash_set late;
	/* the hashes that occur more than once in `planned` */
	struct hash_set twice;
	struct plan_repeat *repeats; /* ordered by hash, device and inode */
	size_t n_repeats;
	uint64_t n_visits;
	size_t max_errors; /* the number of errors for which memory is allocated */
	/* the hashes of the paths that the second walk could not read either */
	struct hash_set reported;
	/* Whether outputs replace their inputs. If so, inputs are identified by device and
	 * inode. */
	bool in_place;
};

struct plan *plan_create(void);       /* returns NULL if memory ran out */
void plan_destroy(struct plan *plan); /* plan may be NULL */

enum plan_result {
	PLAN_MADE,
	PLAN_COLLISION, /* several inputs claim one output; `claims` of the plan lists them */
	PLAN_STOPPED, /* the plan was stopped because may_go_on() returned false */
	PLAN_NO_MEMORY,
};

/*
 * Walk the inputs, and record the outputs of every image, one for each rule. If n_rules is 0,
 * images have no outputs, and the plan records their own names. Images that have outputs and belong
 * to another shard are skipped. may_go_on is called for every item, before its outputs are
 * recorded. If it returns false, the result is PLAN_STOPPED.
 */
enum plan_result plan_make(struct plan *plan, const struct walk_options *options,
                           const struct variant_rule *rules, size_t n_rules,
                           const struct shard *shard, bool (*may_go_on)(void *data),
                           void *data);

/*
 * Whether the same file was fed before with the same first output. This happens if a file is named
 * twice, for example as "a.jpg" and "./a.jpg", or through a link. For such a file the first call
 * returns false, and all later calls return true. `output` is the name of the first output, or the
 * relative name of an input without outputs.
 */
bool plan_is_repeated(struct plan *plan, const char *output,
                      const struct walk_item *item);

/* Claim the name of an output for an input that is being fed. The plan need not have found the
 * output. Returns false if an earlier input has claimed the name. */
bool plan_take(struct plan *plan, const char *output);

/* Record that the second walk has found this WALK_ERROR and reports it. Returns false if memory ran
 * out. */
bool plan_note_reported(struct plan *plan, const struct walk_item *item);

/* Call `report` with a WALK_ERROR for each error of the plan that plan_note_reported() did not
 * record, so that no error is lost if a folder can be read at the second time. The walk of the
 * inputs must have ended. Stops when `report` returns false, and returns false then. */
bool plan_report_lost(struct plan *plan,
                      bool (*report)(void *data, const struct walk_item *item),
                      void *data);

/* Whether an input of this run was planned to make this output, or has claimed its name. */
bool plan_has(const struct plan *plan, const char *output);

#endif
