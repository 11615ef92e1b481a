/*
 * An XML document as a tree of elements and texts. Namespaces are resolved: two names are equal if
 * their namespaces have the same URI, whatever their prefixes are. The tree may be changed and
 * written again.
 *
 * A document is refused if it is malformed, has a name with an unknown prefix, is nested deeper
 * than XML_MAX_DEPTH, is larger than XML_MAX_BYTES, has more than XML_MAX_NODES nodes and
 * attributes, or uses more than 254 namespaces. A document with a document type declaration is
 * refused too, because such a declaration can define entities. Comments and processing instructions
 * are left out.
 */
#ifndef PXP_XML_TREE_H
#define PXP_XML_TREE_H

#include "image/metadata/bytes.h"

enum { XML_MAX_DEPTH = 100, XML_MAX_BYTES = 16 << 20, XML_MAX_NODES = 1 << 18 };

struct xml_attribute {
	struct xml_attribute *next;
	unsigned space; /* index of the namespace in tree->spaces; 0: no namespace */
	const char *name, *value;
};

struct xml_node {
	struct xml_node *next, *first;
	struct xml_attribute *attributes;
	unsigned space;
	const char *name; /* the name without its prefix; NULL: the node is a text */
	struct bytes text;
};

struct xml_namespace {
	const char *uri;
	/* The first prefix that the document uses for the namespace. "": the document uses no
	 * prefix. */
	const char *prefix;
};

enum { XML_NO_SPACE = 0, XML_SPACE = 1 /* the namespace of xml:lang */ };

struct xml_tree {
	struct xml_namespace *spaces;
	unsigned n_spaces;
	struct xml_block *blocks; /* the memory of nodes and texts */
	size_t n_nodes;
	bool is_out_of_memory; /* whether an allocation for the tree has failed */
};

/* Create a tree. Returns NULL if memory ran out. */
struct xml_tree *xml_tree_create(void);
/* Free the tree and every node. NULL is allowed. */
void xml_tree_destroy(struct xml_tree *tree);

/* Read a document in UTF-8. Returns the root, which belongs to the tree. Returns NULL if the
 * document is refused or memory ran out. Several documents may be read into one tree; their
 * namespaces are shared. */
struct xml_node *xml_parse(struct xml_tree *tree, struct bytes utf8);

/* Get the index of a namespace. A namespace that the tree does not have is added, with this prefix.
 * Returns 0 if memory ran out or the tree has too many namespaces. */
unsigned xml_space(struct xml_tree *tree, const char *uri, const char *prefix);

/* Functions that make an element, copy a text of n bytes, and set an attribute. The results belong
 * to the tree. If memory ran out, the functions return NULL or false. */
struct xml_node *xml_element(struct xml_tree *tree, unsigned space, const char *name);
const char *xml_word(struct xml_tree *tree, const char *text, size_t n);
bool xml_set_attribute(struct xml_tree *tree, struct xml_node *node, unsigned space,
                       const char *name, const char *value);

/* Replace all children of an element by a text. The bytes of the text are not copied. Returns false
 * if memory ran out. */
bool xml_set_text(struct xml_tree *tree, struct xml_node *node, const char *text);

/* Append a node to the children of its parent. */
void xml_append(struct xml_node *parent, struct xml_node *child);

/* Write an element and its descendants. with_declarations: the element declares all namespaces that
 * it and its descendants use. This is necessary for the root of a document. */
void xml_write(struct xml_tree *tree, const struct xml_node *node, bool with_declarations,
               struct block *to);

#endif
