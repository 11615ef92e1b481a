/* The fonts of this machine, and the folders that they lie in. */
#include "image/vips/fonts.h"

#include <errno.h>
#include <fcntl.h>
#include <fontconfig/fontconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder of the Debian package poppler-data, where poppler looks for CMap files. */
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

/* False when memory runs out. */
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

/* Landlock checks the real path of a file, so links are resolved. A font that has
 * vanished is noticed later. */
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

/* The file of font number i; NULL past the last. */
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
	/* The processes that inherit this cannot read the folders again. */
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
			return failure_set(
				ret_failure, FAIL_UNSUPPORTED,
				"header: cannot draw all text: cannot open the "
				"font %s: %s",
				font, strerrordesc_np(errno));
		close(fd);
	}
	if (i == 0)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: cannot draw all text: no font is installed; "
		                   "install one, e.g. fonts-dejavu-core");
	return true;
}
