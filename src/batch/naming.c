#include "batch/naming.h"

#include "base/fd.h"
#include "common/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum image_format format_of_content(const struct walk_item *item)
{
	uint8_t bytes[FORMAT_GATE_BYTES];
	struct stat stat;
	int fd = walk_open_file(item, &stat);
	ssize_t n = fd >= 0 ? fd_pread_full(fd, bytes, sizeof(bytes), 0) : -1;

	fd_close(&fd);
	return n > 0 ? format_of_bytes(bytes, (size_t)n, item->name) : FORMAT_NONE;
}

/* relative without the n_cut last bytes, and with the extension. */
static char *with_extension(const char *relative, size_t n_cut, const char *extension)
{
	size_t n = strlen(relative) - n_cut;
	size_t n_name = n + 1 + strlen(extension) + 1;
	char *name = malloc(n_name);

	if (name)
		snprintf(name, n_name, "%.*s.%s", (int)n, relative, extension);
	return name;
}

enum naming naming_destination(const struct walk_item *item, enum image_format format,
                               struct destination *ret_destination)
{
	enum image_format by_suffix = format_of_name(item->relative), from = by_suffix;
	const char *suffix = path_suffix(item->relative);

	*ret_destination = (struct destination){0};
	if (from == FORMAT_NONE)
		from = format_of_content(item);
	ret_destination->from = from;
	if (from == FORMAT_NONE && !item->is_named)
		return NAMING_IGNORED;
	if ((unsigned)format == NAMING_NO_OUTPUT ||
	    (from == FORMAT_NONE && format == FORMAT_NONE))
		return NAMING_IMAGE;

	ret_destination->format = format != FORMAT_NONE ? format
	                                                : format_info(from)->same_as;

	const struct format_info *info = format_info(ret_destination->format);

	if (format == FORMAT_NONE && by_suffix == ret_destination->format)
		ret_destination->name = strdup(item->relative);
	else if (by_suffix != FORMAT_NONE)
		ret_destination->name = with_extension(item->relative, strlen(suffix) + 1,
		                                       info->extension);
	else
		ret_destination->name = with_extension(item->relative, 0,
		                                       info->extension);
	return ret_destination->name ? NAMING_IMAGE : NAMING_NO_MEMORY;
}
