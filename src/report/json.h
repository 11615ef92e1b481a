/*
 * A writer of JSON objects, members in the order of the calls, no space between them.
 * Numbers never depend on the locale, and what comes out is always UTF-8: a control
 * character is escaped, and in a string a byte that is not UTF-8 becomes U+FFFD.
 */
#ifndef PXP_JSON_H
#define PXP_JSON_H

#include "report/text.h"

#include <stdbool.h>
#include <stdint.h>

struct json {
	struct text *text;
	bool has_member; /* the object at hand has one, so a comma comes next */
};

/* A member that is an object, up to json_close(); with no key, the outermost one. */
void json_open(struct json *json, const char *key);
void json_close(struct json *json);

/* A member that is a list, up to json_close_list(). Its items are added with a NULL key. */
void json_open_list(struct json *json, const char *key);
void json_close_list(struct json *json);

void json_string(struct json *json, const char *key, const char *value);
void json_true(struct json *json, const char *key);
void json_whole(struct json *json, const char *key, uint64_t value);
void json_decimal(struct json *json, const char *key, double value, unsigned n_decimals);

/* A name of bytes: as a string if it is UTF-8, else in base64 under KEY_b64. */
void json_path(struct json *json, const char *key, const char *path);

/* The bytes of one character at s when it is well-formed UTF-8 (Unicode 15, table 3-7: no
 * overlong form, no surrogate, nothing above U+10FFFF), else 0. */
size_t utf8_length(const char *s);

/* RFC 4648, section 4, with padding. */
void base64_add(struct text *text, const char *bytes, size_t n);

#endif
