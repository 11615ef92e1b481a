/*
 * What tests of whole commands share: a scratch folder, images in it, and results as texts that a
 * test compares as a whole.
 */
#ifndef PXP_CLI_FIXTURE_H
#define PXP_CLI_FIXTURE_H

#include "support/command.h"
#include "support/scratch.h"
#include "support/test.h"

#include <stdbool.h>
#include <stddef.h>

/* The message that commands print where a layer of the sandbox is missing. Only the tests of this
 * message compare it; all others ignore it. */
#define SANDBOX_LINE "pixpool: sandbox: workers run without "

/* Create and enter a scratch folder, in which commands find the programs of this build. */
void fixture_enter(void);
/* Like fixture_enter(), if the sandbox is complete on this machine. Otherwise returns false, so
 * that the test can be skipped. */
bool fixture_enter_whole(void);
/* Leave and remove the scratch folder. Fails the test if a command left a temporary file in it. */
void fixture_leave(void);

/* ---- inputs ---- */

/* Copy samples/pictures/NAME to path, and create the parent folders. */
void sample(const char *name, const char *path);

/* Create a file of n bytes, and its parent folders. */
void scratch_bytes(const char *path, const void *bytes, size_t n);

/* Write an input for the test engine of pixpool-scripted: a script such as "gate a\nsignal
 * SIGKILL". */
void write_script(const char *path, const char *commands);
/* Open the gate in the script at this path, so that the worker that waits at the gate continues. */
void let_pass(const char *path);
/* Wait until a worker has reached the gate with this name. Returns its process id. */
pid_t await_gate(const char *name);

/* Shell words to put in front of a program, so that it runs without the rights of root and can
 * write only to folders of mode 0777. Returns NULL and prints a message if root cannot drop its
 * rights here. */
const char *as_nobody(void);

/* ---- results; all texts are static ---- */

/*
 * The records of a report file, sorted, with the summary last. Some changes keep tests readable:
 * each " becomes a ', each number that differs between runs (times, worker, encoded bytes,
 * fingerprint) becomes a #, and the member "name" is removed.
 */
const char *records(const char *path);
/* Like records(), but for a text that contains records, such as standard output. */
const char *records_in(const char *text);

/* Plain progress output, with # for numbers that differ between runs: "in # s (# images/s), #
 * kB". */
const char *plain(const char *text);

/* All names below a folder, sorted, without the state files (.pixpool.db...): "a/b.jpg jpeg 64x43"
 * for a file, "c/" for a folder. "" if the folder does not exist. */
const char *tree(const char *folder);

#endif
