/*
 * What the tests of whole commands share: a scratch folder, images in it, and the results as texts
 * that a test compares as a whole.
 */
#ifndef PXP_CLI_FIXTURE_H
#define PXP_CLI_FIXTURE_H

#include "support/command.h"
#include "support/scratch.h"
#include "support/test.h"

#include <stddef.h>

/* A message of commands where a layer of the sandbox is missing. Tests ignore it, except those that
 * ask for it. */
#define SANDBOX_LINE "pixpool: sandbox: workers run without "

/* Enter a new scratch folder, where commands find the programs of this build. */
void fixture_enter(void);
/* Leave and remove it. Fails the test if a command left a temporary file. */
void fixture_leave(void);

/* ---- inputs ---- */

/* Copy samples/pictures/NAME to path, and make the folders on the way. */
void sample(const char *name, const char *path);

/* A new file of n bytes, with the folders on the way. */
void scratch_bytes(const char *path, const void *bytes, size_t n);

/* An image with commands for the engine of pixpool-scripted, such as "gate a\nsignal SIGKILL". */
void write_script(const char *path, const char *commands);
/* Open the gate in such an image. */
void let_pass(const char *path);
/* Wait until a worker waits at the gate. Returns its process id. */
pid_t await_gate(const char *name);

/* Words to put in front of a program, so that it runs without the rights of root. Its outputs go to
 * folders of mode 0777. NULL after a message, if root cannot drop its rights here. */
const char *as_nobody(void);

/* ---- results; all texts are static ---- */

/*
 * The records of a file, sorted, with the summary last. For readable tests a " becomes ', numbers
 * that differ between runs (times, worker, encoded bytes, fingerprint) become #, and the member
 * "name" is removed.
 */
const char *records(const char *path);
/* The same for records in a text, such as standard output. */
const char *records_in(const char *text);

/* Plain progress with # for numbers that differ between runs: "in # s (# images/s), # kB". */
const char *plain(const char *text);

/* All names below a folder but those of the state (.pixpool.db...), sorted: "a/b.jpg jpeg 64x43" for a file, "c/" for a folder. "" if there
 * is no such folder. */
const char *tree(const char *folder);

#endif
