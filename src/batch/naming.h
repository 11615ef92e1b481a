/* Decides whether a file that the walk found is an image, and names the outputs. */
#ifndef PXP_NAMING_H
#define PXP_NAMING_H

#include "batch/variant.h"
#include "common/content_hash.h"
#include "walk/walk.h"

/* Whether the name does not determine the format, so that the first bytes of the file are
 * needed. */
bool naming_needs_content(const struct walk_item *item);

/*
 * The format of a WALK_FILE, by its suffix, or otherwise by its first bytes; FORMAT_NONE: unknown.
 * If naming_needs_content() is true, fd is the file, opened for reading; -1 if it cannot be opened.
 */
enum image_format naming_format(const struct walk_item *item, int fd);

/* Whether a file of this format is an image, or must be tried as one. An unknown file inside a
 * folder is ignored; one that is named as INPUT is always tried. */
bool naming_is_image(const struct walk_item *item, enum image_format from);

/* Whether a file inside a folder is an image of a format that this build cannot read: it claims no
 * output and does not count as a failure. One that is named as INPUT is tried. */
bool naming_is_unread(const struct walk_item *item, enum image_format from);

/*
 * Whether the file is a backup of a run in place: an earlier run has marked it as one, or it has the name
 * of another file beside it with the rule's suffix. Such a file is never an input of a run in place. fd is
 * the open file, or -1 if it cannot be opened.
 */
bool naming_is_backup(const struct walk_item *item, const struct variant_rule *rule,
                      int fd);

/* A shard: one of several runs that divide the inputs of a batch. This one takes every input whose
 * first output has a name that maps to index, from 0 to n - 1. n 0 or 1: all of them. */
struct shard {
	unsigned index, n;
};

/*
 * Whether an input, by the first of its outputs, falls to a shard: the SipHash-2-4 of the output's name, in
 * place of the input's relative name, with a key of zeros, modulo n. The same on every machine and in every
 * version. An output without a name falls to every shard.
 */
bool naming_is_of_shard(const struct shard *shard, const struct walk_item *item,
                        const struct variant *first);

/*
 * Name an output, by its rule, of an input of format from. The folders of the input's relative name
 * stay. A known suffix is replaced by the extension of the output's format, but stays when the format
 * does ("a.JPG"); an unknown suffix stays, and the extension is appended. An image on standard input
 * is called "stdin". In place an output has the path of its input.
 *
 * False when memory ran out. Else *ret_variant has the rule, the format and the name (which is
 * the caller's to free), or no name when the rule says "the same format" and from is FORMAT_NONE.
 */
bool naming_output(const struct walk_item *item, enum image_format from,
                   const struct variant_rule *rule, struct variant *ret_variant);

/*
 * Check the pattern of --name. The pattern is a file name with placeholders: {name} is the input's
 * name without folders and suffix, {ext} is the extension of the output, and {hash} is the hash of
 * the output's content. A pattern with {hash} must also contain {name}. Returns false with a usage
 * failure. *ret_format is the format of the pattern's own suffix, or FORMAT_NONE if the pattern
 * ends with {ext}.
 */
bool naming_check_pattern(const char *pattern, enum image_format *ret_format,
                          struct failure *ret_failure);

/* Make the name of a variant whose name contains a hash: the first 16 hexadecimal digits of this
 * one. The caller frees it; NULL: no memory. */
char *naming_with_hash(const struct variant *variant, const struct output_hash *hash);

/* Give the variant the name with this hash. Does nothing if its name has no hash. Returns false if
 * memory ran out. */
bool naming_fill_hash(struct variant *variant, const struct output_hash *hash);

#endif
