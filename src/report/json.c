/* Writes JSON: objects and lists, strings with their escapes, and base64. */
#include "report/json.h"

#include "common/utf8.h"
#include "report/figures.h"

#include <inttypes.h>
#include <string.h>

static bool is_utf8(const char *s)
{
	size_t n;

	for (; *s; s += n) {
		n = utf8_length(s, SIZE_MAX);
		if (n == 0)
			return false;
	}
	return true;
}

void base64_add(struct text *text, const char *bytes, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t group = 0;
		char quad[4];

		for (size_t j = 0; j < 3; j++)
			group = group << 8 |
			        (i + j < n ? (unsigned char)bytes[i + j] : 0U);
		for (size_t j = 0; j < 4; j++)
			quad[j] = i + j > n ? '=' : digits[group >> (18 - 6 * j) & 0x3f];
		text_add(text, quad, sizeof(quad));
	}
}

/* Write a character that has n bytes in UTF-8. */
static void add_character(struct text *text, const char *s, size_t n)
{
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	unsigned char c = (unsigned char)s[0];
	const char *name = n == 1 ? strchr(named, c) : NULL;

	if (name)
		text_format(text, "\\%c", letters[name - named]);
	else if (c < 0x20 || c == 0x7f)
		text_format(text, "\\u%04x", c);
	else if (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0)
		/* C1 control characters are escaped, because terminals obey them too. */
		text_format(text, "\\u%04x", (unsigned char)s[1]);
	else
		text_add(text, s, n);
}

static void add_string(struct text *text, const char *s)
{
	text_put(text, "\"");
	while (*s) {
		size_t n = utf8_length(s, SIZE_MAX);

		if (n > 0)
			add_character(text, s, n);
		else
			text_put(text, "\xef\xbf\xbd");
		s += n > 0 ? n : 1;
	}
	text_put(text, "\"");
}

static void add_key(struct json *json, const char *key, const char *suffix)
{
	if (json->has_member)
		text_put(json->text, ",");
	json->has_member = true;
	if (key)
		text_format(json->text, "\"%s%s\":", key, suffix);
}

void json_open(struct json *json, const char *key)
{
	add_key(json, key, "");
	text_put(json->text, "{");
	json->has_member = false;
}

void json_close(struct json *json)
{
	text_put(json->text, "}");
	json->has_member = true;
}

void json_open_list(struct json *json, const char *key)
{
	add_key(json, key, "");
	text_put(json->text, "[");
	json->has_member = false;
}

void json_close_list(struct json *json)
{
	text_put(json->text, "]");
	json->has_member = true;
}

void json_string(struct json *json, const char *key, const char *value)
{
	add_key(json, key, "");
	add_string(json->text, value);
}

void json_true(struct json *json, const char *key)
{
	add_key(json, key, "");
	text_put(json->text, "true");
}

void json_whole(struct json *json, const char *key, uint64_t value)
{
	add_key(json, key, "");
	text_format(json->text, "%" PRIu64, value);
}

void json_decimal(struct json *json, const char *key, double value, unsigned n_decimals)
{
	add_key(json, key, "");
	figure_decimal(json->text, value, n_decimals);
}

void json_path(struct json *json, const char *key, const char *path)
{
	if (is_utf8(path)) {
		json_string(json, key, path);
		return;
	}
	add_key(json, key, "_b64");
	text_put(json->text, "\"");
	base64_add(json->text, path, strlen(path));
	text_put(json->text, "\"");
}
