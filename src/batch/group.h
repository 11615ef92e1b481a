/* The tasks of a batch. A task has one file, or several small files, which are its group. */
#ifndef PXP_BATCH_GROUP_H
#define PXP_BATCH_GROUP_H

#include "batch/file.h"

/* ---- functions of the feeder ---- */

/* Whether the input is so small that it may share a task. */
bool file_is_small(const struct file *file);

/* Submit a file in a task of its own. Its input is open and counted in n_inputs. The caller
 * must not use the file any more. */
void file_submit(struct file *file);

/* Add a small file, whose input is open and counted in n_inputs, to the group that is being
 * gathered, and submit the group if it is complete. The caller must not use the file any
 * more. */
void file_gather(struct file *file);

/* Submit the gathered files if the first of them has waited long. Files wait long if the next files
 * are opened slowly. */
void batch_submit_if_old(struct batch *batch);

/* Submit the files that were taken out of shared tasks or left by them. Each of these files gets a
 * task of its own. */
void batch_submit_left(struct batch *batch);

/* ---- lists of files ---- */

/* Defer a file with an open input until the workers that draw can take it. was_at_work: true if a
 * worker that only decodes had the file, and has found that it is a drawing. The caller must not
 * use the file any more. */
void file_defer(struct file *file, bool was_at_work);

/* Take the oldest file from a list, and count it as an input of the workers again. Returns NULL if
 * the list is empty. */
struct file *file_list_take(struct batch *batch, struct file_list *list);

#endif
