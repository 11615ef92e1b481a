/*
 * Processes one picture inside a worker: it reads the bytes of the input descriptor and writes the
 * bytes of a memfd. Nothing here knows about processes; src/batch makes it a task.
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
 * From now on treat inputs as hostile (--untrusted). Only the formats that are attacked most, and
 * therefore tested most, are read, and no loader is used that its own library calls unfit for
 * hostile input. Call this before picture_preload().
 */
void picture_distrust_inputs(void);

/* SVG and PDF are drawn with fonts, and fonts are files. So some workers may read fonts and draw;
 * the others may read no files and leave drawings to the drawing workers. */
enum picture_drawing {
	DRAWING_NONE = 0, /* no worker draws */
	/* No worker draws, because no sandbox would confine a worker that may read files. */
	DRAWING_UNSAFE,
	DRAWING_ELSEWHERE, /* other workers draw: the answer has is_to_draw set */
	DRAWING_HERE,      /* this worker draws */
};

/* Call this before picture_preload(). The default is DRAWING_NONE. */
void picture_set_drawing(enum picture_drawing drawing);

/* Whether this build draws anything. */
bool picture_can_draw(void);

/* After picture_preload() for DRAWING_HERE: the folders that a worker must be able to read, ended
 * by NULL. */
const char *const *picture_font_folders(void);

/* Whether this worker can draw the format, with its text; a small picture is drawn to find out.
 * Returns false with a failure that gives the reason. */
bool picture_draws(enum image_format format, struct failure *ret_failure);

/* Start the engines: once in the pool's fork server, before it forks workers (vips_init() takes
 * about 30 ms). Returns false with a failure if a library cannot start. */
bool picture_preload(struct failure *ret_failure);

/* Returns NULL when memory runs out. */
struct picture_worker *picture_worker_create(void);
void picture_worker_destroy(struct picture_worker *worker); /* NULL is allowed */

/* Whether an engine of this build may be able to read the format. This asks no library, so the main
 * process can call it; a worker may still find a library without the right plugin. */
bool picture_may_read(enum image_format format);
/* Set the failure of a picture whose format no engine reads, with advice. Always false. */
bool picture_refuse_format(enum image_format format, struct failure *ret_failure);

/* The maximum number of outputs of one picture. */
enum { PICTURE_MAX_VARIANTS = 64 };

/* One requested output of a picture. */
struct picture_variant {
	const struct recipe *recipe;
	/* The profile of a recipe with SPACE_FILE, borrowed; otherwise NULL and 0. */
	const void *profile;
	size_t n_profile;
};

/* The properties of an input or an output. The size is the final one, with the orientation
 * applied. */
struct picture_side {
	uint32_t width, height;
	enum image_format format;
	uint32_t lost; /* for an output: a mask of enum lost */
	uint64_t bytes;
	/* Where an output begins in the job's memfd; 0 for an input. */
	uint64_t offset;
};

/* The result of a job. A struct without pointers, because a worker sends it to the main process
 * unchanged. */
struct picture_answer {
	/* the failure; its class is FAIL_NONE if all outputs are complete */
	struct failure failure;
	struct picture_side in; /* the input; after a failure only the known part */
	/* the engine that decoded the picture, such as "vips"; "" for none */
	char engine[8];
	int64_t read_ns, work_ns;
	/* The hash of the whole input, if the job asks for it and the input was read. */
	struct input_hash in_hash;
	uint32_t has_in_hash; /* whether in_hash is set: 1 or 0 */
	/* 1: the picture failed because a drawing worker must process it; otherwise 0 */
	uint32_t is_to_draw;
	/* 1: the picture was read, but pixels are missing or wrong; otherwise 0 */
	uint32_t is_damaged;
	/* The outputs in the order of the variants. They are stored one after the other in the
	 * memfd, from 0 to its end, without gaps. */
	uint32_t n_out;
	struct picture_side out[PICTURE_MAX_VARIANTS];
};

/* The number of bytes of an answer with n_out outputs that must be sent. All bytes after them
 * are zero. */
size_t picture_answer_bytes(uint32_t n_out);

struct picture_job {
	/* The outputs, 1 to PICTURE_MAX_VARIANTS. Their recipes agree in how the input is read:
	 * no_rotate, engine, fail_on and the limits. */
	const struct picture_variant *variants;
	unsigned n_variants;
	const char *name; /* base name of the input, by which a TGA is recognised */
	int input;        /* descriptor of the input, read by position from 0 */
	/* Length of the input when it was opened; 0: unknown, so it is read to its end. */
	uint64_t input_bytes;
	int output; /* an empty memfd, for all outputs */
	/* The largest file that this process may write (EFBIG beyond); 0: no limit. */
	uint64_t max_output;
	/* The inherited limit on file sizes; picture_run() fills it in. */
	uint64_t max_file;
	/* A function that is called with the memory that the picture needs in this process: before
	 * the input is read, and again if the picture needs more. It waits until the memory is
	 * available; returns false with a failure if it never will be. May be NULL. */
	bool (*on_need)(void *data, uint64_t n_bytes, struct failure *ret_failure);
	bool hashes_input; /* whether the answer must have the hash of the input */
	/* Decode every pixel and write nothing (verify). There is no output; only the engine and
	 * the limits of the recipe are used. */
	bool decodes_only;
	/* Each is called once, and may be NULL: on_read when the input is read, before
	 * any library sees it; on_header when the header is known, with the number of
	 * pixels from which the deadline follows; on_decoded before the first output is
	 * encoded. */
	void (*on_read)(void *data);
	void (*on_header)(void *data, uint64_t n_pixels);
	void (*on_decoded)(void *data);
	void *data;
};

/* Do the job and fill in *ret_answer. If one variant cannot be made, the picture fails. Never exits
 * and never prints. Returns whether it succeeded. */
bool picture_run(struct picture_worker *worker, const struct picture_job *job,
                 struct picture_answer *ret_answer);

#endif
