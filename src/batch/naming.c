/* Recognises images by name or first bytes, and names outputs. Opens nothing. */
#include "batch/naming.h"

#include "base/fd.h"
#include "common/hash.h"
#include "common/path.h"
#include "common/suggest.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool naming_needs_content(const struct walk_item *item)
{
	return format_of_name(item->relative) == FORMAT_NONE;
}

enum image_format naming_content_format(int fd, const char *name)
{
	uint8_t bytes[FORMAT_SNIFF_BYTES];
	const ssize_t n = fd >= 0 ? fd_pread_full(fd, bytes, sizeof(bytes), 0) : -1;

	return n > 0 ? format_of_bytes(bytes, (size_t)n, name) : FORMAT_NONE;
}

enum image_format naming_format(const struct walk_item *item, int fd)
{
	const enum image_format by_suffix = format_of_name(item->relative);

	return by_suffix != FORMAT_NONE ? by_suffix
	                                : naming_content_format(fd, item->name);
}

bool naming_is_image(const struct walk_item *item, enum image_format from)
{
	return from != FORMAT_NONE || item->is_named;
}

bool naming_is_unread(const struct walk_item *item, enum image_format from)
{
	return item->kind == WALK_FILE && !item->is_named && from != FORMAT_NONE &&
	       !picture_may_read(from);
}

bool naming_is_backup(const struct walk_item *item, const struct variant_rule *rule,
                      int fd)
{
	size_t n_name = strlen(item->name),
	       n_suffix = rule->backup_suffix ? strlen(rule->backup_suffix) : 0;
	char *original;
	struct stat ignored;
	bool is_backup;

	if (rule->in_place && fd >= 0 && store_is_marked_backup(fd, item->path))
		return true;
	if (n_suffix == 0 || n_name <= n_suffix ||
	    strcmp(item->name + n_name - n_suffix, rule->backup_suffix) != 0 ||
	    item->name[n_name - n_suffix - 1] == '/')
		return false;
	original = strndup(item->name, n_name - n_suffix);
	is_backup = !original ||
	            fstatat(item->folder, original, &ignored, AT_SYMLINK_NOFOLLOW) == 0;
	free(original);
	return is_backup;
}

bool naming_is_of_shard(const struct shard *shard, const struct walk_item *item,
                        const struct variant *first)
{
	static const struct hash_key zeros;
	const char *name = first->rule->in_place ? item->relative : first->name;

	return shard->n <= 1 || !name ||
	       hash_bytes(&zeros, name, strlen(name)) % shard->n == shard->index;
}

/* With --in-place: name an output, which replaces its input. Its format is that of the suffix,
 * whatever the content is. */
static bool name_in_place(const struct walk_item *item, enum image_format format,
                          struct variant *ret_variant)
{
	ret_variant->format = format;
	ret_variant->name = strdup(item->path);
	return ret_variant->name != NULL;
}

/* ---- names ---- */

/* How many bytes of a hash a name contains, two hexadecimal digits for each. */
enum { HASH_NAME_BYTES = 8 };

/* The placeholders in a pattern of --name. */
enum field { FIELD_NAME, FIELD_EXT, FIELD_HASH, N_FIELDS };

static const char *const field_words[N_FIELDS] = {
	[FIELD_NAME] = "{name}",
	[FIELD_EXT] = "{ext}",
	[FIELD_HASH] = "{hash}",
};

/* The placeholder at the beginning of text; N_FIELDS if the text begins with none. */
static enum field field_at(const char *text)
{
	int field = 0;

	while (field < N_FIELDS &&
	       strncmp(text, field_words[field], strlen(field_words[field])) != 0)
		field++;
	return (enum field)field;
}

/* Refuse a brace without its partner, or a text in braces that is not a placeholder. Suggests a
 * similar placeholder. */
static bool refuse_field(const char *open, struct failure *ret_failure)
{
	const char *close = strchr(open, '}'), *best = NULL;
	char word[32];

	if (*open == '}' || !close)
		return failure_set(ret_failure, FAIL_USAGE, "'%c' needs a matching '%c'",
		                   *open, *open == '{' ? '}' : '{');
	snprintf(word, sizeof(word), "%.*s", (int)(close + 1 - open), open);
	for (int i = 0; i < N_FIELDS; i++)
		suggest_consider(&best, word, field_words[i]);
	failure_set(ret_failure, FAIL_USAGE, "'%s' is not a field; ", word);
	return best ? failure_append(ret_failure, "did you mean '%s'?", best)
	            : failure_append(
			      ret_failure,
			      "a template may contain the fields {name}, {ext} and {hash}");
}

bool naming_check_pattern(const char *pattern, enum image_format *ret_format,
                          struct failure *ret_failure)
{
	const size_t n = strlen(pattern), n_ext = strlen(field_words[FIELD_EXT]);
	const bool ends_with_ext = n > n_ext + 1 && pattern[n - n_ext - 1] == '.' &&
	                           field_at(pattern + n - n_ext) == FIELD_EXT;

	unsigned n_used[N_FIELDS + 1] = {0};

	if (strchr(pattern, '/'))
		return failure_set(ret_failure, FAIL_USAGE,
		                   "must be a file name without '/', got '%.60s'",
		                   pattern);
	for (const char *at = pattern; *at; at++) {
		enum field field = field_at(at);

		n_used[field]++;
		if (field < N_FIELDS)
			at += strlen(field_words[field]) - 1;
		else if (*at == '{' || *at == '}')
			return refuse_field(at, ret_failure);
	}
	if (n_used[FIELD_HASH] > 1 ||
	    (n_used[FIELD_HASH] == 1 && n_used[FIELD_NAME] == 0))
		return failure_set(
			ret_failure, FAIL_USAGE,
			"{hash} may occur only once, and only together with {name}, got '%.60s'",
			pattern);
	if (n_used[FIELD_HASH] == 1 && !content_hash_is_built())
		return failure_set(
			ret_failure, FAIL_USAGE,
			"this build does not support {hash}: it has no hash library");
	*ret_format = ends_with_ext ? FORMAT_NONE : format_of_name(pattern);
	return ends_with_ext || *ret_format != FORMAT_NONE ||
	       failure_set(ret_failure, FAIL_USAGE,
	                   "must end in .{ext} or in the suffix of a format such as "
	                   ".webp, got '%.60s'",
	                   pattern);
}

/* A text of n bytes. */
struct span {
	const char *bytes;
	size_t n;
};

static struct span span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

/* Replace the placeholders in the part of `pattern` before `end` by their values, and append the
 * result to the text in `to`, which has n_to bytes. Returns the new length of the text. If `to` is
 * NULL, only the length is computed. */
static size_t expand(char *to, size_t n_to, const char *pattern, const char *end,
                     const struct span values[N_FIELDS])
{
	for (const char *at = pattern; at < end;) {
		enum field field = field_at(at);
		struct span span = field < N_FIELDS ? values[field]
		                                    : (struct span){at, 1};

		at += field < N_FIELDS ? strlen(field_words[field]) : 1;
		if (to)
			memcpy(to + n_to, span.bytes, span.n);
		n_to += span.n;
	}
	return n_to;
}

/* Make the name of an output. The caller frees the name. Returns NULL if there is no memory. */
static char *make_name(struct span folder, const char *pattern,
                       const struct span values[N_FIELDS])
{
	const char *end = pattern + strlen(pattern);
	size_t n = expand(NULL, folder.n, pattern, end, values);
	char *name = malloc(n + 1);

	if (!name)
		return NULL;
	memcpy(name, folder.bytes, folder.n);
	expand(name, folder.n, pattern, end, values);
	name[n] = 0;
	return name;
}

/* Name a variant by its rule and the name of its input. Returns false if memory ran out. */
static bool name_by_rule(struct variant *variant, const char *relative)
{
	const struct variant_rule *rule = variant->rule;
	const enum image_format by_suffix = format_of_name(relative);
	const char *slash = strrchr(relative, '/'), *suffix = path_suffix(relative);
	struct span folder = {relative, slash ? (size_t)(slash + 1 - relative) : 0};
	struct span name = span_of(relative + folder.n);
	/* If the rule requests no format, and the output has the format of the suffix, the suffix
	 * stays ("a.JPG"). "a.bak" has no known suffix, so all of it is the name. */
	const bool stays = rule->format == FORMAT_NONE && by_suffix == variant->format &&
	                   !rule->style.keeps_suffix;
	const struct span ext = span_of(stays ? suffix
	                                      : format_info(variant->format)->extension);
	const char *pattern = rule->style.pattern, *hash;
	char usual[64];

	if (by_suffix != FORMAT_NONE && !rule->style.keeps_suffix)
		name.n -= strlen(suffix) + 1;
	if (rule->style.is_flat)
		folder.n = 0;
	snprintf(usual, sizeof(usual), "{name}%s.{ext}", rule->tag ? rule->tag : "");
	const struct span values[N_FIELDS] = {
		[FIELD_NAME] = name,
		[FIELD_EXT] = ext,
		[FIELD_HASH] = span_of(field_words[FIELD_HASH]),
	};

	variant->name = make_name(folder, pattern ? pattern : usual, values);
	hash = pattern ? strstr(pattern, field_words[FIELD_HASH]) : NULL;
	variant->has_hash = hash != NULL;
	if (hash)
		variant->hash_at = expand(NULL, folder.n, pattern, hash, values);
	return variant->name != NULL;
}

bool naming_output(const struct walk_item *item, enum image_format from,
                   const struct variant_rule *rule, struct variant *ret_variant)
{
	const char *relative = item->is_standard_input ? "stdin" : item->relative;
	enum image_format format = rule->format;

	*ret_variant = (struct variant){.rule = rule};
	if (format == FORMAT_NONE && from != FORMAT_NONE)
		format = format_info(from)->same_as;
	if (format == FORMAT_NONE)
		return true;
	if (rule->in_place)
		return name_in_place(item, format, ret_variant);
	ret_variant->format = format;
	if (!rule->style.file_name)
		return name_by_rule(ret_variant, relative);
	ret_variant->name = strdup(rule->style.file_name);
	return ret_variant->name != NULL;
}

char *naming_with_hash(const struct variant *variant, const struct output_hash *hash)
{
	const char *rest = variant->name + variant->hash_at +
	                   strlen(field_words[FIELD_HASH]);
	size_t n = variant->hash_at + (size_t)2 * HASH_NAME_BYTES + strlen(rest) + 1, at;
	char *name = malloc(n);

	if (!name)
		return NULL;
	memcpy(name, variant->name, variant->hash_at);
	at = variant->hash_at;
	for (int i = 0; i < HASH_NAME_BYTES; i++, at += 2)
		snprintf(name + at, n - at, "%02x", hash->bytes[i]);
	memcpy(name + at, rest, strlen(rest) + 1);
	return name;
}

bool naming_fill_hash(struct variant *variant, const struct output_hash *hash)
{
	char *name;

	if (!variant->has_hash)
		return true;
	name = naming_with_hash(variant, hash);
	if (!name)
		return false;
	free(variant->name);
	variant->name = name;
	variant->has_hash = false;
	return true;
}
