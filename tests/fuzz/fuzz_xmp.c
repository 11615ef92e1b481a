/*
 * Fuzz target: the filter for untrusted XMP, with or without an extended part. Filtering its result
 * again must change nothing. If the class GPS is not kept, no element or attribute of the result is
 * a latitude.
 */
#include "fuzz.h"

#include "image/metadata/xml_tree.h"
#include "image/metadata/xmp.h"

#include <stdlib.h>
#include <string.h>

static bool is_below(const struct xml_node *node, const char *name)
{
	if (!node->name)
		return false;
	if (strcmp(node->name, name) == 0)
		return true;
	for (const struct xml_attribute *a = node->attributes; a; a = a->next) {
		if (strcmp(a->name, name) == 0)
			return true;
	}
	for (const struct xml_node *child = node->first; child; child = child->next) {
		if (is_below(child, name))
			return true;
	}
	return false;
}

/* Whether an element or an attribute has this name, in any namespace. */
static bool has_name(struct bytes packet, const char *name)
{
	struct xml_tree *tree = xml_tree_create();
	struct xml_node *root = tree ? xml_parse(tree, packet) : NULL;
	bool found = root && is_below(root, name);

	xml_tree_destroy(tree);
	return found;
}

static void check_split(struct bytes packet)
{
	char guid[XMP_GUID_BYTES + 1];
	struct block main = {0}, extended = {0};

	if (xmp_split(packet, 600, &main, &extended, guid)) {
		CLAIM(main.n <= 600);
		CLAIM(strlen(guid) == XMP_GUID_BYTES);
	}
	block_fini(&main);
	block_fini(&extended);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct feed feed = {bytes, n};
	unsigned keep = feed_byte(&feed), lost = 0;
	struct metadata_target target = {
		.width = 320,
		.height = 240,
		.from_width = 640,
		.from_height = 480,
		.orientation = feed_byte(&feed) % 9U,
		.is_whole = feed_byte(&feed) & 1,
		.mime = "image/png",
	};
	size_t n_packet = (size_t)feed_number(&feed, 2), n_extended;
	const uint8_t *packet = feed_bytes(&feed, n_packet, &n_packet), *extended;
	uint8_t *copy = fuzz_copy(packet, n_packet), *copy_of_extended;
	struct block xmp = {0}, again = {0};

	extended = feed_bytes(&feed, feed.n, &n_extended);
	copy_of_extended = fuzz_copy(extended, n_extended);
	CLAIM(xmp_filter(&xmp, (struct bytes){copy, n_packet},
	                 (struct bytes){copy_of_extended, n_extended}, keep, &target,
	                 &lost));
	if (xmp.n > 0) {
		/* Only the first pass may rotate XMP regions and scale panorama properties. */
		target.orientation = 1;
		target.from_width = target.width;
		target.from_height = target.height;
		CLAIM(xmp_filter(&again, block_bytes(&xmp), (struct bytes){NULL, 0}, keep,
		                 &target, &lost));
		CLAIM(bytes_equal(block_bytes(&again), block_bytes(&xmp)));
		if (!(keep & KEEP_GPS))
			CLAIM(!has_name(block_bytes(&xmp), "GPSLatitude"));
		check_split(block_bytes(&xmp));
	}
	block_fini(&again);
	block_fini(&xmp);
	free(copy_of_extended);
	free(copy);
	return 0;
}
