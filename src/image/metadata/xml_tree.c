/* Builds XML trees from the events of expat. The nodes of a tree are allocated in large blocks of
 * memory. */
#include "image/metadata/xml_tree.h"

#include <expat.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* expat puts this separator between the parts of a name. XML does not allow this character in a
 * document, so no name contains it. */
#define PART_END '\f'

enum { BLOCK_BYTES = 32 << 10, MAX_SPACES = 256 };

struct xml_block {
	struct xml_block *next;
	size_t n, n_room;
	_Alignas(max_align_t) char bytes[];
};

static void *take(struct xml_tree *tree, size_t n)
{
	struct xml_block *block = tree->blocks;
	size_t n_room;
	void *taken;

	n = (n + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!block || n > block->n_room - block->n) {
		n_room = n > BLOCK_BYTES ? n : BLOCK_BYTES;
		block = malloc(sizeof(*block) + n_room);
		if (!block) {
			tree->is_out_of_memory = true;
			return NULL;
		}
		*block = (struct xml_block){.next = tree->blocks, .n_room = n_room};
		tree->blocks = block;
	}
	taken = block->bytes + block->n;
	block->n += n;
	return taken;
}

struct xml_tree *xml_tree_create(void)
{
	static const char xml_uri[] = "http://www.w3.org/XML/1998/namespace";
	struct xml_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->spaces = calloc(MAX_SPACES, sizeof(tree->spaces[0]));
	if (!tree->spaces) {
		free(tree);
		return NULL;
	}
	tree->spaces[XML_NO_SPACE] = (struct xml_namespace){"", ""};
	tree->spaces[XML_SPACE] = (struct xml_namespace){xml_uri, "xml"};
	tree->n_spaces = 2;
	return tree;
}

void xml_tree_destroy(struct xml_tree *tree)
{
	if (!tree)
		return;
	while (tree->blocks) {
		struct xml_block *block = tree->blocks;

		tree->blocks = block->next;
		free(block);
	}
	free(tree->spaces);
	free(tree);
}

const char *xml_word(struct xml_tree *tree, const char *text, size_t n)
{
	char *word = take(tree, n + 1);

	if (!word)
		return NULL;
	memcpy(word, text, n);
	word[n] = 0;
	return word;
}

static unsigned find_space(const struct xml_tree *tree, const char *uri, size_t n)
{
	for (unsigned i = 1; i < tree->n_spaces; i++) {
		if (strncmp(tree->spaces[i].uri, uri, n) == 0 &&
		    tree->spaces[i].uri[n] == 0)
			return i;
	}
	return 0;
}

static unsigned add_space(struct xml_tree *tree, const char *uri, size_t n_uri,
                          const char *prefix)
{
	unsigned found = find_space(tree, uri, n_uri);
	struct xml_namespace space;

	if (found > 0) {
		if (!*tree->spaces[found].prefix && *prefix) {
			const char *word = xml_word(tree, prefix, strlen(prefix));

			if (!word)
				return 0;
			tree->spaces[found].prefix = word;
		}
		return found;
	}
	if (tree->n_spaces == MAX_SPACES)
		return 0;
	space.uri = xml_word(tree, uri, n_uri);
	space.prefix = xml_word(tree, prefix, strlen(prefix));
	if (!space.uri || !space.prefix)
		return 0;
	tree->spaces[tree->n_spaces] = space;
	return tree->n_spaces++;
}

unsigned xml_space(struct xml_tree *tree, const char *uri, const char *prefix)
{
	return add_space(tree, uri, strlen(uri), prefix);
}

struct xml_node *xml_element(struct xml_tree *tree, unsigned space, const char *name)
{
	struct xml_node *node = take(tree, sizeof(*node));

	if (node)
		*node = (struct xml_node){.space = space, .name = name};
	return node;
}

bool xml_set_attribute(struct xml_tree *tree, struct xml_node *node, unsigned space,
                       const char *name, const char *value)
{
	struct xml_attribute **end = &node->attributes;
	struct xml_attribute *attribute;

	for (; *end; end = &(*end)->next) {
		if ((*end)->space == space && strcmp((*end)->name, name) == 0) {
			(*end)->value = value;
			return true;
		}
	}
	attribute = take(tree, sizeof(*attribute));
	if (!attribute)
		return false;
	*attribute = (struct xml_attribute){NULL, space, name, value};
	*end = attribute;
	return true;
}

void xml_append(struct xml_node *parent, struct xml_node *child)
{
	struct xml_node **end = &parent->first;

	while (*end)
		end = &(*end)->next;
	child->next = NULL;
	*end = child;
}

bool xml_set_text(struct xml_tree *tree, struct xml_node *node, const char *text)
{
	struct xml_node *child = xml_element(tree, XML_NO_SPACE, NULL);

	if (!child)
		return false;
	child->text = (struct bytes){(const uint8_t *)text, strlen(text)};
	node->first = child;
	return true;
}

/* The state of parsing. The array `open` has the elements that are not closed yet, each with its
 * last child so far. */
struct reading {
	struct xml_tree *tree;
	XML_Parser parser;
	struct xml_node *root;
	struct {
		struct xml_node *node, *last;
	} open[XML_MAX_DEPTH];
	unsigned depth;
	bool has_failed;
};

static void refuse(struct reading *reading)
{
	reading->has_failed = true;
	XML_StopParser(reading->parser, XML_FALSE);
}

/* Split a name that expat reports as "URI name prefix". The separator is PART_END. URI and prefix
 * may be missing. */
static bool take_name(struct xml_tree *tree, const char *triplet, unsigned *ret_space,
                      const char **ret_name)
{
	const char *uri_end = strchr(triplet, PART_END), *name, *name_end;

	*ret_space = XML_NO_SPACE;
	if (!uri_end) {
		*ret_name = xml_word(tree, triplet, strlen(triplet));
		return *ret_name != NULL;
	}
	name = uri_end + 1;
	name_end = strchrnul(name, PART_END);
	*ret_space = add_space(tree, triplet, (size_t)(uri_end - triplet),
	                       *name_end ? name_end + 1 : "");
	*ret_name = xml_word(tree, name, (size_t)(name_end - name));
	return *ret_space && *ret_name;
}

static bool take_attributes(struct xml_tree *tree, struct xml_node *node,
                            const XML_Char **pairs)
{
	struct xml_attribute **end = &node->attributes;

	for (; *pairs; pairs += 2) {
		struct xml_attribute *attribute = take(tree, sizeof(*attribute));

		if (!attribute || ++tree->n_nodes > XML_MAX_NODES)
			return false;
		*attribute = (struct xml_attribute){
			.value = xml_word(tree, pairs[1], strlen(pairs[1]))};
		if (!attribute->value ||
		    !take_name(tree, pairs[0], &attribute->space, &attribute->name))
			return false;
		*end = attribute;
		end = &attribute->next;
	}
	return true;
}

static void put_in(struct reading *reading, struct xml_node *node)
{
	unsigned depth = reading->depth;

	if (depth == 0) {
		reading->root = node;
		return;
	}
	if (reading->open[depth - 1].last)
		reading->open[depth - 1].last->next = node;
	else
		reading->open[depth - 1].node->first = node;
	reading->open[depth - 1].last = node;
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **pairs)
{
	struct reading *reading = data;
	struct xml_tree *tree = reading->tree;
	struct xml_node *node = xml_element(tree, XML_NO_SPACE, NULL);

	if (!node || reading->depth == XML_MAX_DEPTH || ++tree->n_nodes > XML_MAX_NODES ||
	    !take_name(tree, name, &node->space, &node->name) ||
	    !take_attributes(tree, node, pairs)) {
		refuse(reading);
		return;
	}
	put_in(reading, node);
	reading->open[reading->depth].node = node;
	reading->open[reading->depth].last = NULL;
	reading->depth++;
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
	struct reading *reading = data;

	(void)name;
	if (reading->depth > 0)
		reading->depth--;
}

static void XMLCALL on_text(void *data, const XML_Char *text, int n)
{
	struct reading *reading = data;
	struct xml_tree *tree = reading->tree;
	struct xml_node *node;
	const char *word;

	if (reading->has_failed || reading->depth == 0)
		return;
	node = xml_element(tree, XML_NO_SPACE, NULL);
	word = xml_word(tree, text, (size_t)n);
	if (!node || !word || ++tree->n_nodes > XML_MAX_NODES) {
		refuse(reading);
		return;
	}
	node->text = (struct bytes){(const uint8_t *)word, (size_t)n};
	put_in(reading, node);
}

static void XMLCALL on_doctype(void *data, const XML_Char *name,
                               const XML_Char *system_id, const XML_Char *public_id,
                               int has_internal_subset)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)has_internal_subset;
	refuse(data);
}

struct xml_node *xml_parse(struct xml_tree *tree, struct bytes utf8)
{
	struct reading reading = {.tree = tree};
	enum XML_Status status;

	if (utf8.n == 0 || utf8.n > XML_MAX_BYTES)
		return NULL;
	reading.parser = XML_ParserCreateNS("UTF-8", PART_END);
	if (!reading.parser) {
		tree->is_out_of_memory = true;
		return NULL;
	}
	XML_SetReturnNSTriplet(reading.parser, 1);
	/* Take the salt of expat's hash tables from the address of a local variable. expat itself
	 * would ask the system for random bytes, which the sandbox of a worker may not allow. */
	XML_SetHashSalt(reading.parser,
	                (unsigned long)(uintptr_t)&reading ^ 0x9e3779b9UL);
	XML_SetUserData(reading.parser, &reading);
	XML_SetElementHandler(reading.parser, on_start, on_end);
	XML_SetCharacterDataHandler(reading.parser, on_text);
	XML_SetStartDoctypeDeclHandler(reading.parser, on_doctype);
	status = XML_Parse(reading.parser, (const char *)utf8.at, (int)utf8.n, XML_TRUE);
	tree->is_out_of_memory |= status != XML_STATUS_OK &&
	                          XML_GetErrorCode(reading.parser) == XML_ERROR_NO_MEMORY;
	XML_ParserFree(reading.parser);
	return status == XML_STATUS_OK && !reading.has_failed ? reading.root : NULL;
}

static bool has_prefix(const struct xml_tree *tree, const char *prefix, unsigned but)
{
	for (unsigned i = 1; i < tree->n_spaces; i++) {
		if (i != but && strcmp(tree->spaces[i].prefix, prefix) == 0)
			return true;
	}
	return false;
}

/* Make sure that each namespace has a prefix and that no two namespaces have the same prefix.
 * Prefixes that begin with "xml" are reserved, so they are replaced. Returns false if memory ran
 * out. */
static bool settle_prefixes(struct xml_tree *tree)
{
	char text[32];

	for (unsigned i = XML_SPACE + 1; i < tree->n_spaces; i++) {
		const char *prefix = tree->spaces[i].prefix;

		if (*prefix && strncasecmp(prefix, "xml", 3) != 0 &&
		    !has_prefix(tree, prefix, i))
			continue;
		for (unsigned number = i;; number++) {
			snprintf(text, sizeof(text), "ns%u", number);
			if (!has_prefix(tree, text, i))
				break;
		}
		tree->spaces[i].prefix = xml_word(tree, text, strlen(text));
		if (!tree->spaces[i].prefix) {
			tree->spaces[i].prefix = "";
			return false;
		}
	}
	return true;
}

static void write_escaped(struct bytes text, bool in_attribute, struct block *to)
{
	size_t begin = 0;

	for (size_t i = 0; i < text.n; i++) {
		const char *escape = NULL;

		switch (text.at[i]) {
		case '&':
			escape = "&amp;";
			break;
		case '<':
			escape = "&lt;";
			break;
		case '>':
			escape = "&gt;";
			break;
		case '\r':
			escape = "&#xD;";
			break;
		case '"':
			escape = in_attribute ? "&quot;" : NULL;
			break;
		case '\n':
			escape = in_attribute ? "&#xA;" : NULL;
			break;
		case '\t':
			escape = in_attribute ? "&#x9;" : NULL;
			break;
		default:
			break;
		}
		if (!escape)
			continue;
		block_add(to, bytes_part(text, begin, i - begin));
		block_add_text(to, escape);
		begin = i + 1;
	}
	block_add(to, bytes_after(text, begin));
}

static void write_name(const struct xml_tree *tree, unsigned space, const char *name,
                       struct block *to)
{
	if (space != XML_NO_SPACE) {
		block_add_text(to, tree->spaces[space].prefix);
		block_add_text(to, ":");
	}
	block_add_text(to, name);
}

static void write_value(const char *value, struct block *to)
{
	block_add_text(to, "=\"");
	write_escaped((struct bytes){(const uint8_t *)value, strlen(value)}, true, to);
	block_add_text(to, "\"");
}

static void declare_space(const struct xml_tree *tree, unsigned space, bool *is_declared,
                          struct block *to)
{
	if (space <= XML_SPACE || is_declared[space])
		return;
	is_declared[space] = true;
	block_add_text(to, " xmlns:");
	block_add_text(to, tree->spaces[space].prefix);
	write_value(tree->spaces[space].uri, to);
}

/* Declare the namespaces that a node and its descendants use, in the order of their first use. The
 * order of tree->spaces is not used, because it also depends on names that have been dropped. */
static void write_declarations(const struct xml_tree *tree, const struct xml_node *node,
                               bool *is_declared, struct block *to)
{
	declare_space(tree, node->space, is_declared, to);
	for (const struct xml_attribute *a = node->attributes; a; a = a->next)
		declare_space(tree, a->space, is_declared, to);
	for (const struct xml_node *child = node->first; child; child = child->next)
		write_declarations(tree, child, is_declared, to);
}

static void write_node(const struct xml_tree *tree, const struct xml_node *node,
                       bool with_declarations, struct block *to)
{
	if (!node->name) {
		write_escaped(node->text, false, to);
		return;
	}
	block_add_text(to, "<");
	write_name(tree, node->space, node->name, to);
	if (with_declarations)
		write_declarations(tree, node, (bool[MAX_SPACES]){false}, to);
	for (const struct xml_attribute *a = node->attributes; a; a = a->next) {
		block_add_text(to, " ");
		write_name(tree, a->space, a->name, to);
		write_value(a->value, to);
	}
	if (!node->first) {
		block_add_text(to, "/>");
		return;
	}
	block_add_text(to, ">");
	for (const struct xml_node *child = node->first; child; child = child->next)
		write_node(tree, child, false, to);
	block_add_text(to, "</");
	write_name(tree, node->space, node->name, to);
	block_add_text(to, ">");
}

void xml_write(struct xml_tree *tree, const struct xml_node *node, bool with_declarations,
               struct block *to)
{
	if (!settle_prefixes(tree)) {
		to->has_failed = true;
		return;
	}
	write_node(tree, node, with_declarations, to);
}
