/* Recognises images by name or first bytes, and names outputs. Opens nothing. */
#include "batch/naming.h"

#include "base/fd.h"
#include "common/hash.h"
#include "common/path.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool naming_needs_content(const struct walk_item *item)
{
	return format_of_name(item->relative) == FORMAT_NONE;
}

enum image_format naming_format(const struct walk_item *item, int fd)
{
	enum image_format by_suffix = format_of_name(item->relative);
	uint8_t bytes[FORMAT_SNIFF_BYTES];
	ssize_t n;

	if (by_suffix != FORMAT_NONE)
		return by_suffix;
	n = fd >= 0 ? fd_pread_full(fd, bytes, sizeof(bytes), 0) : -1;
	return n > 0 ? format_of_bytes(bytes, (size_t)n, item->name) : FORMAT_NONE;
}

bool naming_is_image(const struct walk_item *item, enum image_format from)
{
	return from != FORMAT_NONE || item->is_named;
}

bool naming_is_backup(const struct walk_item *item, const struct variant_rule *rule)
{
	size_t n_name = strlen(item->name),
	       n_suffix = rule->backup_suffix ? strlen(rule->backup_suffix) : 0;
	char *original;
	struct stat ignored;
	bool is_backup;

	if (n_suffix == 0 || n_name <= n_suffix ||
	    strcmp(item->name + n_name - n_suffix, rule->backup_suffix) != 0 ||
	    item->name[n_name - n_suffix - 1] == '/')
		return false;
	original = strndup(item->name, n_name - n_suffix);
	is_backup = !original ||
	            fstatat(item->folder, original, &ignored, AT_SYMLINK_NOFOLLOW) == 0;
	free(original);
	return is_backup;
}

bool naming_is_of_shard(const struct shard *shard, const struct walk_item *item,
                        const struct variant *first)
{
	static const struct hash_key zeros;
	const char *name = first->rule->in_place ? item->relative : first->name;

	return shard->n <= 1 || !name ||
	       hash_bytes(&zeros, name, strlen(name)) % shard->n == shard->index;
}

/* In place, the format of the name is that of the output, whatever the content is. */
static bool name_in_place(const struct walk_item *item, enum image_format format,
                          struct variant *ret_variant)
{
	ret_variant->format = format;
	ret_variant->name = strdup(item->path);
	return ret_variant->name != NULL;
}

bool naming_output(const struct walk_item *item, enum image_format from,
                   const struct variant_rule *rule, struct variant *ret_variant)
{
	enum image_format by_suffix = format_of_name(item->relative);
	const char *suffix = path_suffix(item->relative),
		   *tag = rule->tag ? rule->tag : "";
	enum image_format format = rule->format;
	size_t n_stem = strlen(item->relative), n_name;

	*ret_variant = (struct variant){.rule = rule};
	if (format == FORMAT_NONE && from != FORMAT_NONE)
		format = format_info(from)->same_as;
	if (format == FORMAT_NONE)
		return true;
	if (rule->in_place)
		return name_in_place(item, format, ret_variant);

	/* "a.JPG" may keep its suffix; "a.bak" has no known suffix, so all of it is the stem. */
	const bool keeps_suffix = rule->format == FORMAT_NONE && by_suffix == format;
	const char *extension = keeps_suffix ? suffix : format_info(format)->extension;

	if (by_suffix != FORMAT_NONE)
		n_stem -= strlen(suffix) + 1;
	n_name = n_stem + strlen(tag) + 1 + strlen(extension) + 1;
	ret_variant->format = format;
	ret_variant->name = malloc(n_name);
	if (!ret_variant->name)
		return false;
	snprintf(ret_variant->name, n_name, "%.*s%s.%s", (int)n_stem, item->relative, tag,
	         extension);
	return true;
}
