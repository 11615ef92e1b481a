/*
 * Processes one picture inside a worker: reads the input from a descriptor and writes the outputs
 * to a memfd. This code does not know about processes; src/batch makes tasks of it.
 */
#ifndef PXP_PICTURE_H
#define PXP_PICTURE_H

#include "common/content_hash.h"
#include "common/failure.h"
#include "common/lost.h"
#include "recipe/recipe.h"

#include <stddef.h>

/* The state that a worker keeps between pictures, such as the buffer for inputs. One thread uses
 * it at a time. */
struct picture_worker;

/*
 * Treat inputs as hostile from now on (--untrusted). Only common formats are read. Their decoders
 * are attacked most, so they are also tested most. Loaders that their own library calls unfit for
 * hostile input are not used. Call this before picture_preload().
 */
void picture_distrust_inputs(void);

/* Which workers draw SVG and PDF. Drawing needs fonts, and fonts are files. A worker that draws may
 * read font files. All other workers may read no files, and refuse drawings. */
enum picture_drawing {
	DRAWING_NONE = 0, /* no worker draws SVG and PDF */
	/* No worker draws SVG and PDF, because a worker that draws may read files, and the sandbox
	 * lacks the layer that would confine it to fonts. (Without any sandbox, drawings are
	 * drawn.) */
	DRAWING_UNSAFE,
	/* This worker does not draw, but other workers do. If this worker gets a drawing, it sets
	 * is_to_draw in the answer, and the drawing is then given to a worker that draws. */
	DRAWING_ELSEWHERE,
	DRAWING_HERE, /* this worker draws SVG and PDF */
};

/* Call this before picture_preload(). The default is DRAWING_NONE. */
void picture_set_drawing(enum picture_drawing drawing);

/* Whether this build can draw SVG or PDF. */
bool picture_can_draw(void);

/* The folders that a worker with DRAWING_HERE reads fonts from. The list ends with NULL. Returns
 * NULL if this build cannot draw. Call this after picture_preload(). */
const char *const *picture_font_folders(void);

/* Whether this worker can draw pictures of a format, with the text in them. The function draws a
 * small picture to find out. If the answer is no, the failure gives the reason. */
bool picture_draws(enum image_format format, struct failure *ret_failure);

/* Start the engines. Call this once, before a worker is created. Where workers are processes, the
 * fork server calls it and then forks them, because vips_init() takes about 30 ms. Returns false
 * with a failure if a library cannot start. */
bool picture_preload(struct failure *ret_failure);

/* Create the state of a worker. Returns NULL if memory ran out. */
struct picture_worker *picture_worker_create(void);
void picture_worker_destroy(struct picture_worker *worker); /* worker may be NULL */

/* Whether this build has an engine for the format. No library is asked, so the main process can
 * call this function. A worker may later find that its library lacks a plugin for the format. */
bool picture_may_read(enum image_format format);
/* Set the failure of a picture whose format no engine reads. The failure says what the user can do.
 * Always returns false. */
bool picture_refuse_format(enum image_format format, struct failure *ret_failure);

/* The maximum number of outputs of one picture. */
enum { PICTURE_MAX_VARIANTS = 64 };

/* One requested output of a picture. */
struct picture_variant {
	const struct recipe *recipe;
	/* For a recipe with SPACE_FILE: the bytes of the profile, borrowed. For other recipes: NULL
	 * and 0. */
	const void *profile;
	size_t n_profile;
};

/* The properties of an input or an output. The size is that of the upright picture or, with
 * no_rotate, of the picture as it is stored. */
struct picture_side {
	uint32_t width, height;
	enum image_format format;
	uint32_t lost; /* what an output has lost: a mask of enum lost; 0 for an input */
	uint64_t bytes;
	/* Where an output begins in the job's memfd; 0 for an input. */
	uint64_t offset;
};

/* The result of a job. The struct has no pointers, because a worker sends its bytes to the main
 * process. */
struct picture_answer {
	/* The failure; its class is FAIL_NONE if all outputs are complete. */
	struct failure failure;
	/* The properties of the input. After a failure, only those members are set that were known
	 * before the failure. */
	struct picture_side in;
	/* The engine that was chosen to decode the picture, such as "vips", or that found that no
	 * engine can. "": no engine was found for the picture and its outputs. */
	char engine[8];
	int64_t read_ns, work_ns;
	/* The hash of the whole input. It is set if the job requests a hash, the input was read,
	 * and this build has the libraries for hashes. */
	struct input_hash in_hash;
	uint32_t has_in_hash; /* 1: in_hash is set; 0: it is not */
	/* 1: this worker does not draw, so the picture must be given to a worker with DRAWING_HERE.
	 * 0: every other case. */
	uint32_t is_to_draw;
	/* 1 if the file is damaged, but the picture succeeded all the same; 0 in all other cases.
	 * Pixels may be missing or wrong, or only other data. */
	uint32_t is_damaged;
	/* The outputs, in the order of the variants. In the memfd they are stored one after the
	 * other, without gaps, from its beginning to its end. */
	uint32_t n_out;
	struct picture_side out[PICTURE_MAX_VARIANTS];
};

/* How many bytes of an answer a worker must send if the answer has n_out outputs. The remaining
 * bytes are all zero. */
size_t picture_answer_bytes(uint32_t n_out);

struct picture_job {
	/* The outputs, 1 to PICTURE_MAX_VARIANTS. Their recipes have the same no_rotate, engine,
	 * fail_on and limits, because these determine how the input is read. */
	const struct picture_variant *variants;
	unsigned n_variants;
	const char *name; /* base name of the input; a TGA is recognised by its suffix */
	int input; /* descriptor of the input; its offset is neither used nor changed */
	/* The length of the input when it was opened. If it is 0, the length is unknown, and the
	 * input is read to its end. */
	uint64_t input_bytes;
	int output; /* an empty memfd, to which all outputs are written */
	/* The maximum length of the memfd. A write beyond it fails with EFBIG. 0: no limit. */
	uint64_t max_output;
	/* The inherited limit on file sizes; picture_run() fills it in. */
	uint64_t max_file;
	/* Requests memory: n_bytes is the memory that this process needs for the picture. The
	 * function is called before the input is read, unless the header exceeds a limit, and again
	 * if the estimate for the picture changes. It waits until the memory is available. If so
	 * much memory can never be available, it returns false with a failure. The pointer may be
	 * NULL. */
	bool (*on_need)(void *data, uint64_t n_bytes, struct failure *ret_failure);
	bool hashes_input; /* picture_run() must compute the hash of the input, for the answer */
	/* Decode every pixel and write nothing, for the command verify. Of the recipe, only those
	 * members count that determine how the input is read: no_rotate, engine, fail_on and
	 * limits. */
	bool decodes_only;
	/* Functions that are called at most once each; they may be NULL. on_read: the input was
	 * read, and no library has seen it yet. on_header: the header is known and within the
	 * limits; n_pixels is the number of pixels from which the deadline is computed. on_decoded:
	 * the first output will now be encoded. */
	void (*on_read)(void *data);
	void (*on_header)(void *data, uint64_t n_pixels);
	void (*on_decoded)(void *data);
	void *data;
};

/* Do the job and fill in *ret_answer. If one variant cannot be made, the whole picture fails.
 * Returns whether the picture succeeded. Never exits and never prints. */
bool picture_run(struct picture_worker *worker, const struct picture_job *job,
                 struct picture_answer *ret_answer);

#endif
