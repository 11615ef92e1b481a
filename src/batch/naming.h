/* Where a file goes: what an output is called, and so which format it has. */
#ifndef PXP_NAMING_H
#define PXP_NAMING_H

#include "recipe/format.h"
#include "walk/walk.h"

enum naming {
	NAMING_IMAGE, /* an image, or to be tried as one */
	NAMING_IGNORED, /* met in a folder, and neither its suffix nor its bytes say image */
	NAMING_NO_MEMORY,
};

/* In place of a format that is asked for: nothing will be written, and no name is made. */
enum { NAMING_NO_OUTPUT = N_FORMATS };

struct destination {
	char *name; /* below the output folder; to be freed; NULL: unknown, as a
	                            * named file's format could not be told */
	enum image_format format; /* of the output; FORMAT_NONE with a NULL name */
	enum image_format from;   /* the input's, as its suffix says, or else its bytes */
};

/*
 * Name the output of a WALK_FILE. format is what -f asks for, FORMAT_NONE for "same": the
 * format of the input's suffix, else of its content. Only a file of unknown suffix is
 * opened. A suffix that is known is replaced by the format's own extension, but for "same"
 * when the format stays ("a.JPG"); an unknown one stays and the extension is appended.
 */
enum naming naming_destination(const struct walk_item *item, enum image_format format,
                               struct destination *ret_destination);

#endif
