/* What the tests of whole commands share: a place, pictures in it, and what came out, as
 * texts to be compared whole. */
#ifndef PXP_STAGE_H
#define PXP_STAGE_H

#include "support/command.h"
#include "support/scratch.h"
#include "support/test.h"

#include <stddef.h>

/* What a command says where a layer of the sandbox is missing: passed over, but for who asks. */
#define SANDBOX_LINE "pixpool: sandbox: workers run without "

/* A scratch folder that is the current one, where commands find their programs. */
void stage_enter(void);
/* Fails the test when a temporary file was left, of a command or of an output. */
void stage_leave(void);

/* A copy of samples/pictures/NAME; makes the folder that it goes to. */
void sample(const char *name, const char *path);

/* An input of commands for pixpool-scripted, e.g. "gate a\nsignal SIGKILL". */
void write_script(const char *path, const char *commands);
/* Open the gate in such an input. */
void let_pass(const char *path);
/* The worker that waits at a gate. */
pid_t await_gate(const char *name);

void scratch_bytes(const char *path, const void *bytes, size_t n);

/* To be put before a program: it runs without the rights of root. NULL, having said so
 * aloud, where root cannot drop them. Files that it writes go into folders of mode 0777. */
const char *as_nobody(void);

/*
 * The records of a file, sorted, the summary last. For the eye, " stands as ', and a
 * figure that is another on each run (times, worker, bytes that an encoder made) as #. The
 * member "name" is left out.
 */
const char *records(const char *path);
/* The same of text, e.g. standard output. */
const char *records_in(const char *text);

/* The same of plain progress: "in 0.3 s (9.9 images/s), 1.2 kB" as "in # s (# images/s), #
 * kB". */
const char *plain(const char *text);

/* All names below a folder, hidden ones too, sorted: "a/b.jpg jpeg 64x43", "c/" for a
 * folder. "" when there is none. Static text. */
const char *tree(const char *folder);

#endif
