/* Copies owner, mode, access control list and extended attributes to a file that replaces
 * another. */
#include "store/attributes.h"

#include "store/store_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MAX_VALUE_BYTES = 64 * 1024 };

static void copy_attribute(int to, int from, const char *name, void *value)
{
	ssize_t n = fgetxattr(from, name, value, MAX_VALUE_BYTES);

	if (n >= 0)
		(void)!fsetxattr(to, name, value, (size_t)n, 0);
}

/* Copy all extended attributes, including the access control list. Those that may not be set are
 * skipped. */
static void copy_attributes(int to, int from)
{
	ssize_t n = flistxattr(from, NULL, 0);
	char *names = n > 0 ? malloc((size_t)n) : NULL, *value = malloc(MAX_VALUE_BYTES);

	if (names && value) {
		n = flistxattr(from, names, (size_t)n);
		for (char *name = names; n > 0 && name < names + n;
		     name += strlen(name) + 1) {
			if (strcmp(name, STAMP_ATTRIBUTE) != 0)
				copy_attribute(to, from, name, value);
		}
	}
	free(value);
	free(names);
}

bool attributes_copy(int to, int from)
{
	struct stat st, now;
	mode_t mode;

	if (fstat(from, &st) != 0 || fstat(to, &now) != 0)
		return false;
	mode = st.st_mode & 07777;
	if ((st.st_uid != now.st_uid || st.st_gid != now.st_gid) &&
	    fchown(to, st.st_uid, st.st_gid) != 0) {
		if (fchown(to, (uid_t)-1, st.st_gid) != 0)
			mode &= (mode_t)~S_ISGID;
		mode &= (mode_t)~S_ISUID;
	}
	copy_attributes(to, from);
	/* A share may refuse to set a mode that the new file has anyway. */
	return fchmod(to, mode) == 0 ||
	       (fstat(to, &now) == 0 && (now.st_mode & 07777) == mode);
}
