/*
 * A small XML document as a tree of elements and text, with its namespaces resolved: two
 * names are the same name when their namespaces' URIs are, whatever prefix they have. The
 * tree may be changed and written again.
 *
 * Only documents that mean one thing are read: a document type (and with it every entity of
 * the document's own), a name with an unknown prefix, or anything malformed is refused, and
 * so is a tree deeper than XML_MAX_DEPTH or larger than XML_MAX_BYTES. Comments and
 * processing instructions are left out.
 */
#ifndef PXP_XML_TREE_H
#define PXP_XML_TREE_H

#include "image/metadata/bytes.h"

enum { XML_MAX_DEPTH = 100, XML_MAX_BYTES = 16 << 20, XML_MAX_NODES = 1 << 18 };

struct xml_attribute {
	struct xml_attribute *next;
	unsigned space; /* an index into the tree's namespaces; 0 is none */
	const char *name, *value;
};

struct xml_node {
	struct xml_node *next, *first;
	struct xml_attribute *attributes;
	unsigned space;
	const char *name; /* without its prefix; NULL: it is text */
	struct bytes text;
};

struct xml_namespace {
	const char *uri;
	/* The first that the document has for it; "" when it has none. */
	const char *prefix;
};

enum { XML_NO_SPACE = 0, XML_SPACE = 1 /* that of xml:lang */ };

struct xml_tree {
	struct xml_namespace *spaces;
	unsigned n_spaces;
	struct xml_block *blocks; /* the memory of nodes and words */
	size_t n_nodes;
};

/* NULL when there is no memory. */
struct xml_tree *xml_tree_create(void);
/* Safe on NULL. Frees every node. */
void xml_tree_destroy(struct xml_tree *tree);

/* Read a document of UTF-8. Several may be read into one tree, and share its namespaces.
 * Returns the root, which the tree owns; NULL when it is refused or there is no memory. */
struct xml_node *xml_parse(struct xml_tree *tree, struct bytes utf8);

/* The index of a namespace, added when the tree does not have it; 0 when there is no memory. */
unsigned xml_space(struct xml_tree *tree, const char *uri, const char *prefix);

/* New nodes and words, owned by the tree; NULL when there is no memory. */
struct xml_node *xml_element(struct xml_tree *tree, unsigned space, const char *name);
const char *xml_word(struct xml_tree *tree, const char *text, size_t n);
bool xml_set_attribute(struct xml_tree *tree, struct xml_node *node, unsigned space,
                       const char *name, const char *value);

/* An element's text replaces all of its children; false when there is no memory. */
bool xml_set_text(struct xml_tree *tree, struct xml_node *node, const char *text);

/* Put a node behind the last child. */
void xml_append(struct xml_node *parent, struct xml_node *child);

/* Write an element and all below it. With declarations, it declares every namespace that is
 * used below it, which a document's root must. */
void xml_write(struct xml_tree *tree, const struct xml_node *node, bool with_declarations,
               struct block *to);

#endif
