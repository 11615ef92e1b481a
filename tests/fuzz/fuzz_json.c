/*
 * Fuzz target: the writer of records. Whatever bytes a name, a message or the log of a worker
 * contains, a record is one line of JSON in UTF-8 (RFC 8259). A small strict reader in this file
 * checks the record. It also reads the path of the input back, which must be unchanged.
 */
#include "fuzz.h"

#include "common/utf8.h"
#include "report/json.h"
#include "report/record.h"

#include <stdlib.h>
#include <string.h>

/* ---- a strict reader ---- */

static const char *read_value(const char *at);

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static const char *read_string(const char *at)
{
	CLAIM(*at == '"');
	for (at++; *at != '"';) {
		size_t n = utf8_length(at, SIZE_MAX);

		CLAIM(n > 0 && (unsigned char)*at >= 0x20 && *at != 0x7f);
		if (*at == '\\' && at[1] == 'u') {
			CLAIM(is_hex(at[2]) && is_hex(at[3]) && is_hex(at[4]) &&
			      is_hex(at[5]));
			n = 6;
		} else if (*at == '\\') {
			CLAIM(at[1] && strchr("\"\\/bfnrt", at[1]));
			n = 2;
		}
		at += n;
	}
	return at + 1;
}

static const char *read_digits(const char *at)
{
	CLAIM(*at >= '0' && *at <= '9');
	while (*at >= '0' && *at <= '9')
		at++;
	return at;
}

static const char *read_number(const char *at)
{
	if (*at == '-')
		at++;
	CLAIM(*at != '0' || at[1] < '0' || at[1] > '9');
	at = read_digits(at);
	return *at == '.' ? read_digits(at + 1) : at;
}

static const char *read_object(const char *at)
{
	CLAIM(*at == '{');
	at++;
	if (*at == '}')
		return at + 1;
	for (;; at++) {
		at = read_string(at);
		CLAIM(*at == ':');
		at = read_value(at + 1);
		if (*at == '}')
			return at + 1;
		CLAIM(*at == ',');
	}
}

static const char *read_value(const char *at)
{
	if (*at == '{')
		return read_object(at);
	return *at == '"' ? read_string(at) : read_number(at);
}

static void check_line(const struct text *text)
{
	const char *end;

	CLAIM(text->bytes && !text->is_cut && strlen(text->bytes) == text->n);
	end = read_object(text->bytes);
	CLAIM(strcmp(end, "\n") == 0);
}

/* ---- round trip of a path ---- */

static unsigned digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = strchr(digits, c);

	CLAIM(c && found);
	return (unsigned)(found - digits);
}

static size_t from_base64(const char *at, char *bytes)
{
	size_t n = 0;

	for (; *at != '"'; at += 4) {
		unsigned pad = (at[2] == '=') + (at[3] == '=');
		unsigned group = digit(at[0]) << 18 | digit(at[1]) << 12 |
		                 (at[2] == '=' ? 0 : digit(at[2]) << 6) |
		                 (at[3] == '=' ? 0 : digit(at[3]));

		for (unsigned i = 0; i < 3 - pad; i++)
			bytes[n++] = (char)(group >> (16 - 8 * i));
	}
	return n;
}

static size_t from_string(const char *at, char *bytes)
{
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	size_t n = 0;

	while (*at != '"') {
		if (*at != '\\') {
			bytes[n++] = *at++;
		} else if (at[1] == 'u') {
			char hex[5] = {at[2], at[3], at[4], at[5], 0};
			unsigned long c = strtoul(hex, NULL, 16);

			/* Only control characters are written as \u escapes. In UTF-8 a control
			 * character below U+0080 has one byte, the others have two bytes. */
			if (c >= 0x80)
				bytes[n++] = (char)0xc2;
			bytes[n++] = (char)c;
			at += 6;
		} else {
			bytes[n++] = named[strchr(letters, at[1]) - letters];
			at += 2;
		}
	}
	return n;
}

static void check_path(const struct text *text, const char *path)
{
	static const char plain[] = "{\"input\":\"", packed[] = "{\"input_b64\":\"";
	bool is_packed = strncmp(text->bytes, packed, strlen(packed)) == 0;
	char *back = malloc(text->n + 1);
	size_t n;

	CLAIM(back != NULL);
	CLAIM(is_packed || strncmp(text->bytes, plain, strlen(plain)) == 0);
	n = is_packed ? from_base64(text->bytes + strlen(packed), back)
	              : from_string(text->bytes + strlen(plain), back);
	CLAIM(n == strlen(path) && memcmp(back, path, n) == 0);
	free(back);
}

static double feed_double(struct feed *feed)
{
	uint64_t bits = feed_number(feed, 8);
	double number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned status = feed_byte(&feed) % 4, class = feed_byte(&feed);
	struct record record = {
		.status = (enum record_status)status,
		.failure.class = (enum fail_class) class,
		.signal = (int)feed_number(&feed, 4),
		.in = {.width = (uint32_t)feed_number(&feed, 4), .format = "jpeg"},
		.queue_ms = feed_double(&feed),
		.work_ms = feed_double(&feed),
		.attempts = (unsigned)feed_number(&feed, 4),
		.worker = (int64_t)feed_number(&feed, 8),
	};
	char *input = feed_string(&feed, feed_number(&feed, 2)),
	     *output = feed_string(&feed, feed_byte(&feed)),
	     *message = feed_string(&feed, FAILURE_TEXT_BYTES - 1);
	struct text text = TEXT_EMPTY;

	record.input = input;
	record.output = output;
	memcpy(record.failure.text, message, strlen(message) + 1);
	record.log = (const char *)feed.at;
	record.n_log = feed.n;
	record_line(&text, &record);
	check_line(&text);
	check_path(&text, input);
	text_fini(&text);
	free(input);
	free(output);
	free(message);
	return 0;
}
