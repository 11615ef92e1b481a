/* The fonts of this machine, and the folders that they lie in. */
#include "image/vips/fonts.h"

#include <errno.h>
#include <fcntl.h>
#include <fontconfig/fontconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where poppler looks for what the Debian package poppler-data brings. */
#define POPPLER_FOLDER "/usr/share/poppler"

static struct {
	char **at; /* NULL at the end */
	size_t n;
} folders;

static bool is_known(const char *folder)
{
	for (size_t i = 0; i < folders.n; i++) {
		if (strcmp(folders.at[i], folder) == 0)
			return true;
	}
	return false;
}

/* False: no memory. */
static bool add_folder(const char *folder)
{
	char **at;

	if (is_known(folder))
		return true;
	at = reallocarray(folders.at, folders.n + 2, sizeof(*at));
	if (!at)
		return false;
	folders.at = at;
	at[folders.n] = strdup(folder);
	at[folders.n + 1] = NULL;
	return at[folders.n++] != NULL;
}

/* Landlock goes by where a file is, whatever links lead to it. One that is not there any more
 * is found missing later. */
static bool add_folder_of(const char *font)
{
	char *path = realpath(font, NULL), *slash = path ? strrchr(path, '/') : NULL;
	bool has_memory = true;

	if (slash && slash > path) {
		*slash = 0;
		has_memory = add_folder(path);
	}
	free(path);
	return has_memory;
}

/* The file of a font; NULL past the last. */
static const char *font_at(int i)
{
	FcFontSet *set = FcConfigGetFonts(NULL, FcSetSystem);
	FcChar8 *file;

	if (!set || i >= set->nfont ||
	    FcPatternGetString(set->fonts[i], FC_FILE, 0, &file) != FcResultMatch)
		return NULL;
	return (const char *)file;
}

bool fonts_start(struct failure *ret_failure)
{
	const char *font;
	bool has_memory;

	if (!FcInit())
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "fontconfig does not start");
	/* Who inherits this may not read what it would look for anew. */
	FcConfigSetRescanInterval(NULL, 0);
	has_memory = add_folder(POPPLER_FOLDER);
	for (int i = 0; has_memory && (font = font_at(i)); i++)
		has_memory = add_folder_of(font);
	return has_memory ||
	       failure_set(ret_failure, FAIL_MEMORY, "no memory for the names of fonts");
}

const char *const *fonts_folders(void)
{
	return (const char *const *)folders.at;
}

bool fonts_are_there(struct failure *ret_failure)
{
	const char *font;
	int fd, i = 0;

	for (; (font = font_at(i)); i++) {
		fd = open(font, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return failure_set(ret_failure, FAIL_UNSUPPORTED,
			                   "header: its text might be missing: the font "
			                   "%s cannot be opened: %s",
			                   font, strerrordesc_np(errno));
		close(fd);
	}
	if (i == 0)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: its text would be missing: there is no font "
		                   "here: install one, e.g. fonts-dejavu-core");
	return true;
}
