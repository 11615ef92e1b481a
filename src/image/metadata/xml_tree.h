/*
 * A small XML document as a tree of elements and text, with its namespaces resolved: two names are
 * equal if their namespaces have the same URI, whatever their prefixes. The tree may be changed and
 * written again.
 *
 * Only unambiguous documents are accepted: a document type (and with it every entity that a
 * document defines), a name with an unknown prefix, or malformed XML is refused, and so is a tree
 * deeper than XML_MAX_DEPTH or larger than XML_MAX_BYTES. Comments and processing instructions are
 * left out.
 */
#ifndef PXP_XML_TREE_H
#define PXP_XML_TREE_H

#include "image/metadata/bytes.h"

enum { XML_MAX_DEPTH = 100, XML_MAX_BYTES = 16 << 20, XML_MAX_NODES = 1 << 18 };

struct xml_attribute {
	struct xml_attribute *next;
	unsigned space; /* index of the namespace in the tree; 0: none */
	const char *name, *value;
};

struct xml_node {
	struct xml_node *next, *first;
	struct xml_attribute *attributes;
	unsigned space;
	const char *name; /* name without its prefix; NULL: the node is text */
	struct bytes text;
};

struct xml_namespace {
	const char *uri;
	/* The first prefix that the document uses for the namespace; "" if it has none. */
	const char *prefix;
};

enum { XML_NO_SPACE = 0, XML_SPACE = 1 /* the namespace of xml:lang */ };

struct xml_tree {
	struct xml_namespace *spaces;
	unsigned n_spaces;
	struct xml_block *blocks; /* the memory of nodes and texts */
	size_t n_nodes;
};

/* Create a tree. Returns NULL if there is no memory. */
struct xml_tree *xml_tree_create(void);
/* Free the tree and every node. NULL is allowed. */
void xml_tree_destroy(struct xml_tree *tree);

/* Read a document in UTF-8. Several may be read into one tree, and share its namespaces. Returns
 * the root, which the tree owns; NULL if the document is refused or there is no memory. */
struct xml_node *xml_parse(struct xml_tree *tree, struct bytes utf8);

/* Get the index of a namespace, which is added if the tree does not have it; 0 if there is no
 * memory. */
unsigned xml_space(struct xml_tree *tree, const char *uri, const char *prefix);

/* Make nodes and texts, which the tree owns; NULL if there is no memory. */
struct xml_node *xml_element(struct xml_tree *tree, unsigned space, const char *name);
const char *xml_word(struct xml_tree *tree, const char *text, size_t n);
bool xml_set_attribute(struct xml_tree *tree, struct xml_node *node, unsigned space,
                       const char *name, const char *value);

/* Replace all children of an element by a text; false if there is no memory. */
bool xml_set_text(struct xml_tree *tree, struct xml_node *node, const char *text);

/* Append a node after the last child. */
void xml_append(struct xml_node *parent, struct xml_node *child);

/* Write an element and all below it. With declarations, it declares every namespace that is
 * used below it, which a document's root must. */
void xml_write(struct xml_tree *tree, const struct xml_node *node, bool with_declarations,
               struct block *to);

#endif
