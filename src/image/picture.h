/*
 * One picture, inside a worker: bytes of the input descriptor in, bytes of a memfd out.
 * Nothing here knows of processes; batch wraps it as a task.
 */
#ifndef PXP_PICTURE_H
#define PXP_PICTURE_H

#include "common/content_hash.h"
#include "common/failure.h"
#include "common/lost.h"
#include "recipe/recipe.h"

#include <stddef.h>

/* A worker's own things, kept between pictures: the buffer that inputs are read into. */
struct picture_worker;

/*
 * From here on inputs are hostile (--untrusted): only the formats that are attacked most, and so
 * tested most, are read, and by no loader that its own library holds unfit for hostile input. To be
 * called before picture_preload().
 */
void picture_distrust_inputs(void);

/* SVG and PDF are drawn, with fonts, which are files. So some workers may read fonts and draw; the
 * others may read nothing and leave such a picture to them. */
enum picture_drawing {
	DRAWING_NONE = 0, /* no worker draws */
	DRAWING_UNSAFE, /* no worker draws: nothing would confine one that may read files */
	DRAWING_ELSEWHERE, /* other workers draw: the answer says is_to_draw */
	DRAWING_HERE,      /* this worker draws */
};

/* To be called before picture_preload(). The default is DRAWING_NONE. */
void picture_set_drawing(enum picture_drawing drawing);

/* Whether this build draws anything. */
bool picture_can_draw(void);

/* After picture_preload() for DRAWING_HERE: the folders that a worker must be able to read, NULL at
 * the end. */
const char *const *picture_font_folders(void);

/* Whether this worker draws the format, with its text: tried on a small picture. Else a failure
 * says why not. */
bool picture_draws(enum image_format format, struct failure *ret_failure);

/* Start the engines: once in the pool's fork server, before it forks workers (vips_init() takes
 * about 30 ms). False with a failure when a library cannot start. */
bool picture_preload(struct failure *ret_failure);

/* NULL when memory ran out. */
struct picture_worker *picture_worker_create(void);
void picture_worker_destroy(struct picture_worker *worker); /* NULL is fine */

/* The most outputs that one picture may have. */
enum { PICTURE_MAX_VARIANTS = 64 };

/* One output of a picture, as it is asked for. */
struct picture_variant {
	const struct recipe *recipe;
	/* The profile of a recipe with SPACE_FILE; else NULL and 0. */
	const void *profile;
	size_t n_profile;
};

/* The figures of an input or an output. The size is the true one, with the orientation applied. */
struct picture_side {
	uint32_t width, height;
	enum image_format format;
	uint32_t lost; /* of an output: a mask of enum lost */
	uint64_t bytes;
	/* Where an output begins in the job's memfd; 0 for an input. */
	uint64_t offset;
};

/* Plain bytes: it goes back to the parent as it is. */
struct picture_answer {
	struct failure failure; /* .class FAIL_NONE when the output is whole */
	struct picture_side in; /* after a failure: as much as is known */
	char engine[8];         /* which read it: "vips", "stb"; "" when none did */
	int64_t read_ns, work_ns;
	/* Of the whole input, once it was read, when the job asks for it. */
	struct input_hash in_hash;
	uint32_t has_in_hash; /* 1 or 0 */
	uint32_t is_to_draw;  /* 1: it failed, as it is for a worker that draws; else 0 */
	/* The outputs in the order of the variants. They lie one after the other in the memfd,
	 * from 0 to its end, without gaps. */
	uint32_t n_out;
	struct picture_side out[PICTURE_MAX_VARIANTS];
};

/* How many bytes of an answer with n_out outputs are worth sending: those after them are zero. */
size_t picture_answer_bytes(uint32_t n_out);

struct picture_job {
	/* The outputs, 1 to PICTURE_MAX_VARIANTS. Their recipes agree in how the input is read:
	 * no_rotate, engine, fail_on and the limits. */
	const struct picture_variant *variants;
	unsigned n_variants;
	const char *name; /* the input's base name, for the gate's sake and messages */
	int input;        /* read by position, from 0 */
	uint64_t input_bytes; /* its size when it was opened */
	int output;           /* an empty memfd, for all outputs */
	uint64_t
		max_output; /* that a file may have here, with EFBIG beyond; 0: no limit */
	/* May be NULL: called with the memory that the picture will need of this process, before
	 * it is read, and again when that turns out to be more. Waits until it is to be had;
	 * false with a failure when it is not. */
	bool (*on_need)(void *data, uint64_t n_bytes, struct failure *ret_failure);
	bool hashes_input; /* the answer has the hash of the input */
	/* Decode every pixel and write nothing: there is no output, and of the one recipe only
	 * the engine and the limits count. */
	bool decodes_only;
	/* Called once each, when the input is read, before any library sees it, and when
	 * its header is known: the pixels to decode, from which its deadline follows;
	 * and before the first output is encoded. Each may be NULL. */
	void (*on_read)(void *data);
	void (*on_header)(void *data, uint64_t n_pixels);
	void (*on_decoded)(void *data);
	void *data;
};

/* Do the job and fill the answer. A variant that cannot be made fails the picture. Never exits,
 * never prints. Whether it succeeded. */
bool picture_run(struct picture_worker *worker, const struct picture_job *job,
                 struct picture_answer *ret_answer);

#endif
