/*
 * A writer of JSON. Members are written in the order of the calls, without spaces. The text is
 * always valid UTF-8, in any locale. Control characters are escaped. If a byte of a string is not
 * valid UTF-8, U+FFFD is written in its place.
 */
#ifndef PXP_JSON_H
#define PXP_JSON_H

#include "report/text.h"

#include <stdbool.h>
#include <stdint.h>

struct json {
	struct text *text;
	/* Whether the open object or list already has a member. If so, a comma comes before the
	 * next member. */
	bool has_member;
};

/* Begin a member that is an object. json_close() ends the object. `key` is NULL for the outermost
 * object, and for an object in a list. */
void json_open(struct json *json, const char *key);
void json_close(struct json *json);

/* Begin a member that is a list. json_close_list() ends the list. Pass NULL as the key of each
 * item. */
void json_open_list(struct json *json, const char *key);
void json_close_list(struct json *json);

void json_string(struct json *json, const char *key, const char *value);
void json_true(struct json *json, const char *key);
void json_whole(struct json *json, const char *key, uint64_t value);
/* n_decimals: 0 to 3. */
void json_decimal(struct json *json, const char *key, double value, unsigned n_decimals);

/* Write a path. A path in UTF-8 becomes a string. Any other path is written in base64, and its key
 * gets the suffix "_b64". */
void json_path(struct json *json, const char *key, const char *path);

/* Write bytes in base64 (RFC 4648, section 4) with padding. */
void base64_add(struct text *text, const char *bytes, size_t n);

#endif
