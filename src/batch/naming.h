/* Decides whether a file that the walk found is an image, and names the outputs. */
#ifndef PXP_NAMING_H
#define PXP_NAMING_H

#include "batch/variant.h"
#include "common/content_hash.h"
#include "walk/walk.h"

/* Whether the name of a file does not determine its format. Then the first bytes of the file are
 * needed. */
bool naming_needs_content(const struct walk_item *item);

/* The format of an open file, by its first bytes. `name` is needed for formats that only their
 * suffix identifies. Returns FORMAT_NONE if the format is unknown or fd is -1. */
enum image_format naming_content_format(int fd, const char *name);

/*
 * The format of a WALK_FILE, by its suffix or, if the suffix is not known, by its first bytes.
 * FORMAT_NONE: unknown. fd is the open file if naming_needs_content() is true; -1 if the file
 * cannot be opened.
 */
enum image_format naming_format(const struct walk_item *item, int fd);

/* Whether a file of this format is an image, or must be tried as one. A file of unknown format is
 * ignored if it is inside a folder, and tried if it is an INPUT itself. */
bool naming_is_image(const struct walk_item *item, enum image_format from);

/* Whether a file inside a folder is an image whose format this build cannot read. Such a file has
 * no output and does not count as a failure. A file that is an INPUT itself is always tried. */
bool naming_is_unread(const struct walk_item *item, enum image_format from);

/*
 * Whether the file is a backup of a run in place: an earlier run has marked it as a backup, or its
 * name is that of another file in the same folder plus the rule's suffix for backups. Such a file
 * is never an input of a run in place. fd is the open file, or -1 if it cannot be opened.
 */
bool naming_is_backup(const struct walk_item *item, const struct variant_rule *rule,
                      int fd);

/* A shard: one of several runs that divide the inputs of a batch. From the name of its first output
 * each input gets a number below n (naming_is_of_shard()). The shard takes the inputs whose number
 * is `index`. If n is 0 or 1, it takes all inputs. */
struct shard {
	unsigned index, n;
};

/*
 * Whether an input belongs to a shard. The index of its shard is the SipHash-2-4 of a name, with a
 * key of zeros, modulo n. The name is that of the first output or, in place, the relative name of
 * the input. The index is the same on every machine and in every version. An input whose first
 * output has no name belongs to every shard.
 */
bool naming_is_of_shard(const struct shard *shard, const struct walk_item *item,
                        const struct variant *first);

/*
 * Name an output of an input by a rule. `from` is the format of the input. Unless the style of the
 * rule says otherwise, the name keeps the folders of the input's relative name. A known suffix is
 * replaced by the extension of the output's format. It is kept ("a.JPG") if the rule requests no
 * format, and the output has the format of the suffix. After an unknown suffix the extension is
 * appended. An image on standard input is called "stdin". With --in-place, an output has the path
 * of its input.
 *
 * Returns false if memory ran out. Otherwise *ret_variant has the rule, the format and the name,
 * which the caller frees. The name is NULL if the output must have the format of the input and
 * `from` is FORMAT_NONE.
 */
bool naming_output(const struct walk_item *item, enum image_format from,
                   const struct variant_rule *rule, struct variant *ret_variant);

/*
 * Check the pattern of --name. The pattern is a file name with placeholders: {name} is the input's
 * name without folders and suffix, {ext} is the extension of the output, and {hash} is the hash of
 * the output's content. {hash} may occur once, and only together with {name}. If the pattern is
 * wrong, returns false with a failure of class FAIL_USAGE. *ret_format is the format of the
 * pattern's own suffix, or FORMAT_NONE if the pattern ends with ".{ext}".
 */
bool naming_check_pattern(const char *pattern, enum image_format *ret_format,
                          struct failure *ret_failure);

/* Make the name of a variant whose pattern has {hash}: the first 16 hexadecimal digits of hash
 * replace the placeholder. The caller frees the name. Returns NULL if there is no memory. */
char *naming_with_hash(const struct variant *variant, const struct output_hash *hash);

/* Replace the name of a variant by the name with this hash. Does nothing if its pattern has no
 * {hash}. Returns false if memory ran out. */
bool naming_fill_hash(struct variant *variant, const struct output_hash *hash);

#endif
