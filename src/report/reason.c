/* The table that gives the reason for a failure's class and text. */
#include "report/reason.h"

#include "report/quote.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The first matching row gives the reason. A row matches if it has the failure's class, and if its
 * `part` occurs in the failure's text, in upper or lower case. In the reason, "%s" becomes the name
 * of the format, or "image". */
static const struct {
	enum fail_class class;
	const char *part; /* "" matches every text */
	const char *reason;
} reasons[] = {
	{FAIL_BAD_IMAGE, "is empty", "empty file"},
	{FAIL_BAD_IMAGE, "not a picture", "not an image"},
	{FAIL_BAD_IMAGE, "not an image", "not an image"},
	{FAIL_BAD_IMAGE, "premature end", "truncated %s"},
	{FAIL_BAD_IMAGE, "unexpected end", "truncated %s"},
	{FAIL_BAD_IMAGE, "ends early", "truncated %s"},
	{FAIL_BAD_IMAGE, "file ends", "truncated %s"},
	{FAIL_BAD_IMAGE, "no end marker", "truncated %s"},
	{FAIL_BAD_IMAGE, "ends in the middle", "truncated %s"},
	{FAIL_BAD_IMAGE, "truncated", "truncated %s"},
	{FAIL_BAD_IMAGE, "", "damaged %s"},

	{FAIL_UNSUPPORTED, "regular file", "not a regular file"},
	{FAIL_UNSUPPORTED, "in place: the format",
         "%s whose format would change with --in-place"},
	{FAIL_UNSUPPORTED, "hard links", "file with several hard links"},
	{FAIL_UNSUPPORTED, "--untrusted", "%s is not read with --untrusted"},
	{FAIL_UNSUPPORTED, "--keep", "metadata that --engine stb cannot keep"},
	{FAIL_UNSUPPORTED, "--depth", "16-bit depth that --engine stb cannot keep"},
	{FAIL_UNSUPPORTED, "stb engine", "%s that --engine stb cannot handle"},
	{FAIL_UNSUPPORTED, "vips engine", "%s that --engine stb cannot handle"},
	{FAIL_UNSUPPORTED, "requested engine", "%s that this --engine cannot handle"},
	{FAIL_UNSUPPORTED, "darktable", "%s is not supported; convert it first"},
	{FAIL_UNSUPPORTED, "cannot be read:", "%s is not supported"},
	{FAIL_UNSUPPORTED, "cannot be written", "output format is not supported"},
	{FAIL_UNSUPPORTED, "cannot draw all text", "%s with a font that is missing"},
	{FAIL_UNSUPPORTED, "no font is installed", "%s with a font that is missing"},
	{FAIL_UNSUPPORTED, "drawn",
         "%s cannot be drawn, because no drawing worker can be started"},
	{FAIL_UNSUPPORTED, "", "unsupported kind of %s"},

	{FAIL_TOO_BIG, "frames; the limit", "more frames than --max-frames"},
	{FAIL_TOO_BIG, "pixels; the limit", "more pixels than --max-pixels"},
	{FAIL_TOO_BIG, "bytes; the limit", "larger than --max-file-size"},
	{FAIL_TOO_BIG, "", "%s is too large"},

	{FAIL_TIMEOUT, "", "took too long; see --timeout"},
	{FAIL_MEMORY, "", "needs too much memory; see --memory"},
	{FAIL_CRASHED, "", "crashed its decoder"},
	{FAIL_VIOLATION, "", "stopped by the sandbox"},
	{FAIL_VANISHED, "no such file or folder", "no such file or folder"},
	{FAIL_VANISHED, "", "deleted or changed during the run"},
	{FAIL_PERMISSION, "belongs to another",
         "image that would lose its owner or group with --in-place; use -o DIR"},
	{FAIL_PERMISSION, "publish:", "no permission to write the output"},
	{FAIL_PERMISSION, "folder", "folder without permission to read"},
	{FAIL_PERMISSION, "", "no permission to read"},
	{FAIL_IO, "publish:", "output that cannot be written"},
	{FAIL_IO, "folder", "folder that cannot be read"},
	{FAIL_IO, "", "cannot be read"},
	{FAIL_EXISTS, "backup", "another file has the name of the backup"},
	{FAIL_EXISTS, "a folder with the name", "a folder has the name of the output"},
	{FAIL_EXISTS, "folder of the output",
         "a file or a link has the name of the output folder"},
	{FAIL_EXISTS, "changed during", "somebody changed the output during the run"},
	{FAIL_EXISTS, "", "output exists; see --overwrite"},
	{FAIL_COLLISION, "", "another input has the same output"},
	{FAIL_INTERNAL, "", "internal error"},
};

/* Print the name of a format for users: "JPEG" for "jpeg", "image" for NULL. */
const char *reason_format_name(const char *format, char text[REASON_BYTES])
{
	static const struct {
		const char *format, *name;
	} names[] = {
		{"webp", "WebP"},
		{"raw", "camera RAW"},
		{"jxl", "JPEG XL"},
		{"jp2", "JPEG 2000"},
	};
	size_t n = 0;

	if (!format)
		return "image";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].format, format) == 0)
			return names[i].name;
	}
	for (; format[n] && n < 15; n++)
		text[n] = (char)toupper((unsigned char)format[n]);
	text[n] = 0;
	return text;
}

const char *reason_of(const struct failure *failure, const char *format,
                      char text[REASON_BYTES])
{
	char name[REASON_BYTES];

	/* The table has a row for each valid class, so this text is only for an invalid class. */
	snprintf(text, REASON_BYTES, "internal error");
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		const char *reason = reasons[i].reason, *place = strstr(reason, "%s");

		if (reasons[i].class != failure->class ||
		    !strcasestr(failure->text, reasons[i].part))
			continue;
		if (place)
			snprintf(text, REASON_BYTES, "%.*s%s%s", (int)(place - reason),
			         reason, reason_format_name(format, name), place + 2);
		else
			snprintf(text, REASON_BYTES, "%s", reason);
		break;
	}
	return text;
}

static bool needs_text(const struct failure *failure)
{
	switch (failure->class) {
	case FAIL_TIMEOUT:
	case FAIL_MEMORY:
	case FAIL_CRASHED:
	case FAIL_VIOLATION:
	case FAIL_IO:
	case FAIL_INTERNAL:
		return true;
	default:
		return (unsigned)failure->class >= N_FAIL_CLASSES;
	}
}

void reason_add(struct text *text, const struct record *record)
{
	char reason[REASON_BYTES];

	reason_of(&record->failure, record->in.format, reason);
	/* If the failure's text begins with the reason, print only this text. */
	if (strncmp(record->failure.text, reason, strlen(reason)) == 0) {
		quote_message(text, record->failure.text);
		return;
	}
	text_put(text, reason);
	if (!needs_text(&record->failure))
		return;
	text_put(text, ": ");
	quote_message(text, record->failure.text);
}
