/*
 * Filters XMP property by property. The name of a property decides whether it is kept. The table of
 * rules has known namespaces and names. A name that is not in the table means a location if it
 * contains a word such as "city" or "latitude". This is necessary because each camera maker stores
 * locations in a namespace of its own.
 */
#include "image/metadata/xmp.h"

#include "image/metadata/xml_tree.h"

#include <ctype.h>
#include <math.h>
#include <nettle/md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The namespaces to which the rules refer. */
enum space {
	OTHER_SPACE,
	RDF,
	X,
	NOTE,
	XMP,
	THUMBNAIL,
	RIGHTS,
	DC,
	PHOTOSHOP,
	TIFF,
	EXIF,
	EXIF_EX,
	PLUS,
	CREATIVE_COMMONS,
	DYNAMIC_MEDIA,
	CAMERA,
	CAMERA_OPPO,
	CAMERA_XIAOMI,
	CONTAINER,
	CONTAINER_ITEM,
	DEVICE,
	GAINMAP,
	GAINMAP_APPLE,
	PIXEL_DATA_APPLE,
	PANORAMA,
	GOOGLE_IMAGE,
	GOOGLE_DEPTH,
	GOOGLE_AUDIO,
	REGIONS,
	AREA,
	DIMENSIONS,
	MICROSOFT_REGIONS,
	IPTC_EXT,
	WGS84,
	GEORSS,
	CELL,
};

static const struct {
	const char *uri;
	enum space space;
} known_spaces[] = {
	{"http://www.w3.org/1999/02/22-rdf-syntax-ns#", RDF},
	{"adobe:ns:meta/", X},
	{"http://ns.adobe.com/xmp/note/", NOTE},
	{"http://ns.adobe.com/xap/1.0/", XMP},
	{"http://ns.adobe.com/xap/1.0/g/img/", THUMBNAIL},
	{"http://ns.adobe.com/xap/1.0/rights/", RIGHTS},
	{"http://purl.org/dc/elements/1.1/", DC},
	{"http://purl.org/dc/1.1/", DC},
	{"http://ns.adobe.com/photoshop/1.0/", PHOTOSHOP},
	{"http://ns.adobe.com/tiff/1.0/", TIFF},
	{"http://ns.adobe.com/exif/1.0/", EXIF},
	{"http://cipa.jp/exif/1.0/", EXIF_EX},
	{"http://cipa.jp/exif/2.32/", EXIF_EX},
	{"http://ns.useplus.org/ldf/xmp/1.0/", PLUS},
	{"http://creativecommons.org/ns#", CREATIVE_COMMONS},
	{"http://ns.adobe.com/xmp/1.0/DynamicMedia/", DYNAMIC_MEDIA},
	{"http://ns.google.com/photos/1.0/camera/", CAMERA},
	{"http://ns.oplus.com/photos/1.0/camera/", CAMERA_OPPO},
	{"http://ns.xiaomi.com/photos/1.0/camera/", CAMERA_XIAOMI},
	{"http://ns.google.com/photos/1.0/container/", CONTAINER},
	{"http://ns.google.com/photos/1.0/container/item/", CONTAINER_ITEM},
	{"http://ns.google.com/photos/dd/1.0/device/", DEVICE},
	{"http://ns.adobe.com/hdr-gain-map/1.0/", GAINMAP},
	{"http://ns.apple.com/HDRGainMap/1.0/", GAINMAP_APPLE},
	{"http://ns.apple.com/pixeldatainfo/1.0/", PIXEL_DATA_APPLE},
	{"http://ns.google.com/photos/1.0/panorama/", PANORAMA},
	{"http://ns.google.com/photos/1.0/image/", GOOGLE_IMAGE},
	{"http://ns.google.com/photos/1.0/depthmap/", GOOGLE_DEPTH},
	{"http://ns.google.com/photos/1.0/audio/", GOOGLE_AUDIO},
	{"http://www.metadataworkinggroup.com/schemas/regions/", REGIONS},
	{"http://ns.adobe.com/xmp/sType/Area#", AREA},
	{"http://ns.adobe.com/xap/1.0/sType/Dimensions#", DIMENSIONS},
	{"http://ns.microsoft.com/photo/1.2/", MICROSOFT_REGIONS},
	{"http://iptc.org/std/Iptc4xmpExt/2008-02-29/", IPTC_EXT},
	{"http://www.w3.org/2003/01/geo/wgs84_pos#", WGS84},
	{"http://www.georss.org/georss", GEORSS},
	{"http://www.georss.org/georss/", GEORSS},
	{"http://developer.sonyericsson.com/cell/1.0/", CELL},
};

/* What a rule does with a property. */
enum rule {
	RULE_KEEP,      /* keep the property if the recipe keeps XMP */
	RULE_PLACE,     /* keep the property if the recipe keeps locations */
	RULE_COPYRIGHT, /* keep the property if the recipe keeps copyright or XMP */
	/* Drop: the property describes the structure of the file, or contains a preview. */
	RULE_DROP,
	/* Drop the property and report a loss: the property contains or describes a part of the
	 * input that outputs do not have. */
	RULE_PART,
	RULE_VIDEO,   /* drop the property, and report that the video is lost */
	RULE_GAINMAP, /* drop the property, and report that the gain map is lost */
	RULE_DEPTH,   /* drop the property, and report that the depth map is lost */
	/* Drop the property, which lists parts of the file, and report each part as lost. */
	RULE_DIRECTORY,
	RULE_ORIENTATION,  /* set the value to 1 if the picture was turned upright */
	RULE_WIDTH,        /* set the value to the width of the output */
	RULE_HEIGHT,       /* set the value to the height of the output */
	RULE_FORMAT,       /* set the value to the format of the output */
	RULE_COLOUR_SPACE, /* set the value to the colour space of the output */
	/* keep the property if the output keeps a colour space of the input that is not sRGB */
	RULE_COLOUR_DETAIL,
	RULE_PANORAMA, /* keep the property if the picture was neither cropped nor rotated */
	/* A length in pixels: scale it. Drop it if the picture was cropped or rotated. */
	RULE_SCALE_X,
	RULE_SCALE_Y,
	/* Areas as fractions of the picture's sides: turn them with the picture. Drop them if the
	 * picture was cropped. */
	RULE_REGIONS,
	/* Areas that this code cannot turn with the picture: keep them if the picture was neither
	 * cropped nor rotated. */
	RULE_UNTURNED,
};

/* The rules for properties. A row without a name applies to all properties of its namespace that
 * have no row of their own and whose names do not mean a location. */
static const struct {
	uint8_t space, rule;
	const char *name;
} rules[] = {
	{XMP, RULE_DROP, "Thumbnails"},
	{THUMBNAIL, RULE_DROP, NULL},
	{NOTE, RULE_DROP, "HasExtendedXMP"},
	{RIGHTS, RULE_COPYRIGHT, NULL},
	{DC, RULE_COPYRIGHT, "creator"},
	{DC, RULE_COPYRIGHT, "rights"},
	{DC, RULE_PLACE, "coverage"},
	{DC, RULE_FORMAT, "format"},
	{PHOTOSHOP, RULE_COPYRIGHT, "Credit"},
	{PHOTOSHOP, RULE_COLOUR_DETAIL, "ICCProfile"},
	{PHOTOSHOP, RULE_COLOUR_DETAIL, "ColorMode"},
	{PHOTOSHOP, RULE_DROP, "LegacyIPTCDigest"},
	{TIFF, RULE_COPYRIGHT, "Artist"},
	{TIFF, RULE_COPYRIGHT, "Copyright"},
	{TIFF, RULE_ORIENTATION, "Orientation"},
	{TIFF, RULE_WIDTH, "ImageWidth"},
	{TIFF, RULE_HEIGHT, "ImageLength"},
	{TIFF, RULE_DROP, "NativeDigest"},
	{TIFF, RULE_DROP, "BitsPerSample"},
	{TIFF, RULE_DROP, "Compression"},
	{TIFF, RULE_DROP, "PhotometricInterpretation"},
	{TIFF, RULE_DROP, "SamplesPerPixel"},
	{TIFF, RULE_DROP, "PlanarConfiguration"},
	{TIFF, RULE_DROP, "YCbCrSubSampling"},
	{TIFF, RULE_DROP, "YCbCrPositioning"},
	{TIFF, RULE_COLOUR_DETAIL, "TransferFunction"},
	{TIFF, RULE_COLOUR_DETAIL, "WhitePoint"},
	{TIFF, RULE_COLOUR_DETAIL, "PrimaryChromaticities"},
	{TIFF, RULE_COLOUR_DETAIL, "YCbCrCoefficients"},
	{TIFF, RULE_COLOUR_DETAIL, "ReferenceBlackWhite"},
	{EXIF, RULE_WIDTH, "PixelXDimension"},
	{EXIF, RULE_HEIGHT, "PixelYDimension"},
	{EXIF, RULE_COLOUR_SPACE, "ColorSpace"},
	{EXIF, RULE_DROP, "NativeDigest"},
	{EXIF, RULE_DROP, "MakerNote"},
	{EXIF, RULE_DROP, "CompressedBitsPerPixel"},
	{EXIF, RULE_DROP, "SubjectArea"},
	/* SubjectLocation is a position in the picture, not a geographic location. */
	{EXIF, RULE_DROP, "SubjectLocation"},
	{EXIF_EX, RULE_COPYRIGHT, "Photographer"},
	{EXIF_EX, RULE_COLOUR_DETAIL, "Gamma"},
	{EXIF_EX, RULE_COLOUR_DETAIL, "InteroperabilityIndex"},
	{PLUS, RULE_COPYRIGHT, NULL},
	{CREATIVE_COMMONS, RULE_COPYRIGHT, NULL},
	{DYNAMIC_MEDIA, RULE_COPYRIGHT, "artist"},
	{DYNAMIC_MEDIA, RULE_COPYRIGHT, "copyright"},
	{CAMERA_XIAOMI, RULE_PART, "XMPMeta"},
	{CONTAINER, RULE_DIRECTORY, NULL},
	{CONTAINER_ITEM, RULE_DIRECTORY, NULL},
	{DEVICE, RULE_PART, NULL},
	{GAINMAP, RULE_GAINMAP, NULL},
	{GAINMAP_APPLE, RULE_GAINMAP, NULL},
	{PIXEL_DATA_APPLE, RULE_DROP, NULL},
	{GOOGLE_IMAGE, RULE_PART, NULL},
	{GOOGLE_DEPTH, RULE_DEPTH, NULL},
	{GOOGLE_AUDIO, RULE_PART, NULL},
	{PANORAMA, RULE_WIDTH, "CroppedAreaImageWidthPixels"},
	{PANORAMA, RULE_HEIGHT, "CroppedAreaImageHeightPixels"},
	{PANORAMA, RULE_SCALE_X, "FullPanoWidthPixels"},
	{PANORAMA, RULE_SCALE_Y, "FullPanoHeightPixels"},
	{PANORAMA, RULE_SCALE_X, "CroppedAreaLeftPixels"},
	{PANORAMA, RULE_SCALE_Y, "CroppedAreaTopPixels"},
	{PANORAMA, RULE_SCALE_X, "LargestValidInteriorRectLeft"},
	{PANORAMA, RULE_SCALE_Y, "LargestValidInteriorRectTop"},
	{PANORAMA, RULE_SCALE_X, "LargestValidInteriorRectWidth"},
	{PANORAMA, RULE_SCALE_Y, "LargestValidInteriorRectHeight"},
	{PANORAMA, RULE_PANORAMA, NULL},
	{REGIONS, RULE_REGIONS, "Regions"},
	{MICROSOFT_REGIONS, RULE_UNTURNED, "RegionInfo"},
	{IPTC_EXT, RULE_UNTURNED, "ImageRegion"},
	{WGS84, RULE_PLACE, NULL},
	{GEORSS, RULE_PLACE, NULL},
	/* This namespace gives the radio cell, and so the location, of the phone. */
	{CELL, RULE_PLACE, NULL},
};

struct filtering {
	struct xml_tree *tree;
	uint8_t *spaces; /* spaces[i] is the enum space of namespace i of the tree */
	unsigned keep;
	const struct metadata_target *target;
	unsigned lost;
	size_t n_kept;   /* number of properties that are kept so far */
	bool has_failed; /* memory ran out */
};

/*
 * ---- names that mean a location ----
 */

static bool contains(const char *name, const char *word)
{
	return strcasestr(name, word) != NULL;
}

/* Find the end of the first word of a name. In "CityName" the first word is "City", in "URLCity" it
 * is "URL", and in "city_name" it is "city". */
static const char *word_end(const char *name)
{
	const char *end = name;

	if (!isalpha((unsigned char)*end))
		return end + 1;
	if (isupper((unsigned char)end[0]) && isupper((unsigned char)end[1])) {
		while (isupper((unsigned char)*end))
			end++;
		/* In a name such as "URLCity", the last of the capital letters, "C", belongs to the
		 * next word. */
		return islower((unsigned char)*end) ? end - 1 : end;
	}
	for (end++; islower((unsigned char)*end); end++)
		;
	return end;
}

static bool is_place_word(const char *word, size_t n)
{
	static const char *const words[] = {"city",   "state",     "geo",     "town",
	                                    "county", "suburb",    "village", "street",
	                                    "venue",  "continent", "island"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i]) == n && strncasecmp(word, words[i], n) == 0)
			return true;
	}
	return false;
}

bool xmp_name_is_place(const char *name)
{
	static const char *const parts[] = {
		"gps",          "latitude",   "longitude",  "longtitude", "altitude",
		"country",      "location",   "province",   "geotag",     "geohash",
		"geocode",      "geoname",    "postalcode", "geograph",   "locality",
		"municipality", "coordinates"};
	static const char *const names[] = {"lat",
	                                    "lon",
	                                    "long",
	                                    "lng",
	                                    "WorldRegion",
	                                    "LicensorRegion",
	                                    "CiAdrExtadr",
	                                    "CiAdrRegion",
	                                    "CiAdrPcode",
	                                    "CiAdrCtry",
	                                    "LicensorExtendedAddress"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (contains(name, parts[i]))
			return true;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	if (strncasecmp(name, "city", 4) == 0)
		return true;
	for (const char *word = name; *word; word = word_end(word)) {
		if (is_place_word(word, (size_t)(word_end(word) - word)))
			return true;
	}
	return false;
}

/*
 * ---- rules ----
 */

static enum space space_of(const struct filtering *filtering, unsigned space)
{
	return (enum space)filtering->spaces[space];
}

static enum rule rule_of_camera(const char *name)
{
	if (contains(name, "MotionPhoto") || contains(name, "MicroVideo") ||
	    contains(name, "LivePhoto") || contains(name, "VideoLength"))
		return RULE_VIDEO;
	return RULE_KEEP;
}

/* Get the rule of a name in a namespace. If `name` is NULL, get the rule of the whole namespace.
 * Returns RULE_KEEP if the table has no such row. */
static enum rule rule_of_row(enum space space, const char *name)
{
	for (size_t i = 0; space && i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].space != space)
			continue;
		if (name ? rules[i].name && strcmp(rules[i].name, name) == 0
		         : !rules[i].name)
			return (enum rule)rules[i].rule;
	}
	return RULE_KEEP;
}

static enum rule rule_of(const struct filtering *filtering, unsigned space,
                         const char *name)
{
	enum space known = space_of(filtering, space);
	enum rule rule = rule_of_row(known, name);

	if (rule != RULE_KEEP)
		return rule;
	if (strcasecmp(filtering->tree->spaces[space].prefix, "geo") == 0 ||
	    xmp_name_is_place(name))
		return RULE_PLACE;
	rule = rule_of_row(known, NULL);
	return rule != RULE_KEEP ? rule : rule_of_camera(name);
}

/* Whether a namespace is that of RDF, of the packet's wrapper or of XML itself. Names in these
 * namespaces are not properties. */
static bool is_frame(const struct filtering *filtering, unsigned space)
{
	enum space known = space_of(filtering, space);

	return known == RDF || known == X || space == XML_SPACE;
}

static void lose(struct filtering *filtering, enum rule rule)
{
	if (rule == RULE_VIDEO)
		filtering->lost |= LOST_VIDEO;
	else if (rule == RULE_GAINMAP)
		filtering->lost |= LOST_GAINMAP;
	else if (rule == RULE_DEPTH)
		filtering->lost |= LOST_DEPTH;
	else if (filtering->keep & KEEP_XMP)
		filtering->lost |= LOST_XMP;
}

/* Whether a property with this rule is kept. is_top: the property belongs to the picture itself. If
 * is_top is false, the property is a part of a property that is kept. Such a part is kept too, with
 * two exceptions: a part with RULE_DROP, and a location if the recipe does not keep locations. */
static bool keeps(const struct filtering *filtering, enum rule rule, bool is_top)
{
	unsigned keep = filtering->keep;

	if (rule == RULE_PLACE)
		return keep & KEEP_GPS;
	if (rule == RULE_DROP)
		return false;
	if (!is_top)
		return true;
	if (rule == RULE_COPYRIGHT)
		return keep & (KEEP_COPYRIGHT | KEEP_XMP);
	return keep & KEEP_XMP;
}

static const char *number_word(struct filtering *filtering, double number)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%.9g", number);
	const char *word = xml_word(filtering->tree, text, (size_t)n);

	if (!word)
		filtering->has_failed = true;
	return word;
}

static bool decimal(const char *text, double *ret_number)
{
	char *end;

	*ret_number = strtod(text, &end);
	return end != text && isfinite(*ret_number);
}

static const char *scaled(struct filtering *filtering, const char *value, uint32_t from,
                          uint32_t to)
{
	const struct metadata_target *target = filtering->target;
	double number;

	if (!target->is_whole || target->orientation > 1 || from == 0 ||
	    !decimal(value, &number) || fabs(number) > 1e9)
		return NULL;
	return number_word(filtering, round(number * to / from));
}

/* Get the value that a property must have in the output. Returns NULL if the property must be
 * dropped. */
static const char *adapted(struct filtering *filtering, enum rule rule, enum space space,
                           const char *value)
{
	const struct metadata_target *target = filtering->target;
	/* In the namespace of panoramas, width and height are the size of a part of the panorama.
	 * This size is useless without the position of the part, which is known only if the picture
	 * was neither cropped nor rotated. */
	bool is_fit = space != PANORAMA || (target->is_whole && target->orientation <= 1);

	switch (rule) {
	case RULE_ORIENTATION:
		return target->is_as_stored ? value : "1";
	case RULE_WIDTH:
		return is_fit ? number_word(filtering, target->width) : NULL;
	case RULE_HEIGHT:
		return is_fit ? number_word(filtering, target->height) : NULL;
	case RULE_FORMAT:
		return target->mime;
	case RULE_COLOUR_SPACE:
		return target->colour == COLOUR_SRGB ? "1" : "65535";
	case RULE_COLOUR_DETAIL:
		return target->colour == COLOUR_KEPT ? value : NULL;
	case RULE_PANORAMA:
		return is_fit ? value : NULL;
	case RULE_SCALE_X:
		return scaled(filtering, value, target->from_width, target->width);
	case RULE_SCALE_Y:
		return scaled(filtering, value, target->from_height, target->height);
	default:
		return value;
	}
}

static bool is_claim(enum rule rule)
{
	return rule == RULE_PART || rule == RULE_VIDEO || rule == RULE_GAINMAP ||
	       rule == RULE_DEPTH || rule == RULE_DIRECTORY;
}

/* Record the loss of a part of the file. `value` is the entry for this part in a list of all
 * parts. */
static void lose_listed(struct filtering *filtering, const char *value)
{
	if (strcasecmp(value, "MotionPhoto") == 0 || strncasecmp(value, "video/", 6) == 0)
		filtering->lost |= LOST_VIDEO;
	else if (strcasecmp(value, "GainMap") == 0)
		filtering->lost |= LOST_GAINMAP;
	else if (strcasecmp(value, "Depth") == 0 || strcasecmp(value, "Confidence") == 0)
		filtering->lost |= LOST_DEPTH;
}

static char *text_of(const struct xml_node *node)
{
	struct block text = {0};

	for (const struct xml_node *child = node->first; child; child = child->next) {
		if (!child->name)
			block_add(&text, child->text);
	}
	block_add_number(&text, 0, 1, true);
	if (text.has_failed)
		block_fini(&text);
	return (char *)text.at;
}

static void lose_all_listed(struct filtering *filtering, const struct xml_node *node)
{
	char *text = text_of(node);

	if (text)
		lose_listed(filtering, text);
	free(text);
	for (const struct xml_attribute *a = node->attributes; a; a = a->next)
		lose_listed(filtering, a->value);
	for (const struct xml_node *child = node->first; child; child = child->next) {
		if (child->name)
			lose_all_listed(filtering, child);
	}
}

/* Whether a text is a place, such as "geo:48.1,11.7" or the machine tag "geo:lat=48.1". */
static bool value_is_place(const char *value)
{
	while (isspace((unsigned char)*value))
		value++;
	return strlen(value) > 4 && strncasecmp(value, "geo:", 4) == 0;
}

/* Whether an attribute of a node, or its text, is a place. expat may report a text in several
 * pieces, so the pieces are joined before they are searched. */
static bool has_place(struct filtering *filtering, const struct xml_node *node)
{
	char *text;
	bool is_place;

	for (const struct xml_attribute *a = node->attributes; a; a = a->next) {
		if (value_is_place(a->value))
			return true;
	}
	text = text_of(node);
	is_place = text && value_is_place(text);
	filtering->has_failed |= !text;
	free(text);
	return is_place;
}

/*
 * ---- regions of the Metadata Working Group: areas as fractions of the picture's sides ----
 */

/* Where a structure stores a value: in an attribute or in a child element. Both are NULL if the
 * structure does not have the value. */
struct place_of_value {
	struct xml_attribute *attribute;
	struct xml_node *element;
};

static struct place_of_value find_value(const struct filtering *filtering,
                                        struct xml_node *node, enum space space,
                                        const char *name)
{
	struct place_of_value found = {NULL, NULL};

	for (struct xml_attribute *a = node->attributes; a; a = a->next) {
		if (space_of(filtering, a->space) == space && strcmp(a->name, name) == 0)
			found.attribute = a;
	}
	for (struct xml_node *child = node->first; child; child = child->next) {
		if (child->name && space_of(filtering, child->space) == space &&
		    strcmp(child->name, name) == 0)
			found.element = child;
	}
	return found;
}

static bool get_value(struct place_of_value at, double *ret_number)
{
	bool is_number;
	char *text;

	if (at.attribute)
		return decimal(at.attribute->value, ret_number);
	if (!at.element)
		return false;
	text = text_of(at.element);
	is_number = text && decimal(text, ret_number);
	free(text);
	return is_number;
}

static void set_value(struct filtering *filtering, struct place_of_value at,
                      double number)
{
	const char *word = number_word(filtering, number);

	if (!word)
		return;
	if (at.attribute)
		at.attribute->value = word;
	else if (!xml_set_text(filtering->tree, at.element, word))
		filtering->has_failed = true;
}

static void set_pair(struct filtering *filtering, struct xml_node *node, enum space space,
                     const char *const names[2],
                     struct part (*turn)(const struct metadata_target *, struct part))
{
	struct place_of_value x = find_value(filtering, node, space, names[0]);
	struct place_of_value y = find_value(filtering, node, space, names[1]);
	struct part part;

	if (!get_value(x, &part.x) || !get_value(y, &part.y))
		return;
	part = turn(filtering->target, part);
	set_value(filtering, x, part.x);
	set_value(filtering, y, part.y);
}

static struct part output_size(const struct metadata_target *target, struct part part)
{
	(void)part;
	return (struct part){target->width, target->height};
}

static void turn_regions(struct filtering *filtering, struct xml_node *node)
{
	static const char *const point[] = {"x", "y"}, *const size[] = {"w", "h"};

	if (filtering->target->orientation > 1) {
		set_pair(filtering, node, AREA, point, target_turn_point);
		set_pair(filtering, node, AREA, size, target_turn_size);
	}
	set_pair(filtering, node, DIMENSIONS, size, output_size);
	for (struct xml_node *child = node->first; child; child = child->next) {
		if (child->name)
			turn_regions(filtering, child);
	}
}

/*
 * ---- the walk over the tree ----
 */

/* Whether an attribute belongs to RDF. Such an attribute is not a property. In old packets RDF's
 * attributes have no prefix. */
static bool is_of_rdf(const struct filtering *filtering,
                      const struct xml_attribute *attribute)
{
	static const char *const names[] = {"about",     "ID",       "nodeID",
	                                    "parseType", "resource", "datatype",
	                                    "aboutEach", "bagID"};

	if (attribute->space != XML_NO_SPACE)
		return attribute->space == XML_SPACE ||
		       space_of(filtering, attribute->space) == RDF;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(attribute->name, names[i]) == 0)
			return true;
	}
	return false;
}

/* Whether a name in a namespace of RDF or of the packet's wrapper means a location that must be
 * dropped. These namespaces define no such names, but a file may use one nevertheless. */
static bool is_place_in_frame(const struct filtering *filtering, unsigned space,
                              const char *name)
{
	return !(filtering->keep & KEEP_GPS) && is_frame(filtering, space) &&
	       xmp_name_is_place(name);
}

static bool attribute_stays(struct filtering *filtering, struct xml_attribute *attribute,
                            bool is_top)
{
	enum space space = space_of(filtering, attribute->space);
	enum rule rule;

	if (is_place_in_frame(filtering, attribute->space, attribute->name))
		return false;
	if (is_of_rdf(filtering, attribute))
		return true;
	if (space == X)
		return filtering->keep & KEEP_XMP;
	rule = rule_of(filtering, attribute->space, attribute->name);
	if (is_claim(rule)) {
		if (rule == RULE_DIRECTORY)
			lose_listed(filtering, attribute->value);
		else
			lose(filtering, rule);
		return false;
	}
	if (!keeps(filtering, rule, is_top))
		return false;
	if (!(filtering->keep & KEEP_GPS) && value_is_place(attribute->value))
		return false;
	attribute->value = adapted(filtering, rule, space, attribute->value);
	if (!attribute->value) {
		/* Only the properties of a panorama are reported as lost. Other properties that are
		 * dropped here describe the input file, and are of no use in the output. */
		if (space == PANORAMA)
			lose(filtering, RULE_PART);
		return false;
	}
	filtering->n_kept++;
	return true;
}

static void filter_attributes(struct filtering *filtering, struct xml_node *node,
                              bool is_top)
{
	struct xml_attribute **link = &node->attributes;

	while (*link) {
		if (attribute_stays(filtering, *link, is_top))
			link = &(*link)->next;
		else
			*link = (*link)->next;
	}
}

static bool filter_children(struct filtering *filtering, struct xml_node *node,
                            bool is_top);

/* Set the text of an element to the output's value. Returns false if the element must be
 * dropped. */
static bool adapt_element(struct filtering *filtering, struct xml_node *node,
                          enum rule rule)
{
	enum space space = space_of(filtering, node->space);
	char *text = text_of(node);
	const char *value = text ? adapted(filtering, rule, space, text) : NULL;
	bool stays = value != NULL;

	if (!text)
		filtering->has_failed = true;
	if (stays && value != text && !xml_set_text(filtering->tree, node, value))
		filtering->has_failed = true;
	if (!stays && space == PANORAMA)
		lose(filtering, RULE_PART);
	free(text);
	return stays;
}

static bool regions_stay(struct filtering *filtering, struct xml_node *node,
                         enum rule rule)
{
	const struct metadata_target *target = filtering->target;

	if (!target->is_whole || (rule == RULE_UNTURNED && target->orientation > 1)) {
		lose(filtering, RULE_PART);
		return false;
	}
	if (rule == RULE_REGIONS)
		turn_regions(filtering, node);
	return true;
}

static bool property_stays(struct filtering *filtering, struct xml_node *node,
                           bool is_top)
{
	enum rule rule = rule_of(filtering, node->space, node->name);
	size_t n_kept = filtering->n_kept;

	if (is_claim(rule)) {
		if (rule == RULE_DIRECTORY)
			lose_all_listed(filtering, node);
		else
			lose(filtering, rule);
		return false;
	}
	if (!keeps(filtering, rule, is_top))
		return false;
	if (!(filtering->keep & KEEP_GPS) && has_place(filtering, node))
		return false;
	if (rule == RULE_REGIONS || rule == RULE_UNTURNED) {
		if (!regions_stay(filtering, node, rule))
			return false;
	} else if (rule >= RULE_ORIENTATION && !adapt_element(filtering, node, rule)) {
		return false;
	}
	filter_attributes(filtering, node, false);
	if (!filter_children(filtering, node, false)) {
		filtering->n_kept = n_kept;
		return false;
	}
	filtering->n_kept++;
	return true;
}

static bool is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (!strchr(" \t\r\n", text.at[i]))
			return false;
	}
	return true;
}

static bool node_stays(struct filtering *filtering, struct xml_node *node, bool is_top)
{
	size_t n_kept = filtering->n_kept;

	if (!node->name) {
		if (!is_top || is_blank(node->text))
			return true;
		filtering->n_kept += (filtering->keep & KEEP_XMP) != 0;
		return filtering->keep & KEEP_XMP;
	}
	if (!is_frame(filtering, node->space))
		return property_stays(filtering, node, is_top);
	if (is_place_in_frame(filtering, node->space, node->name))
		return false;
	if (!is_top && !(filtering->keep & KEEP_GPS) && has_place(filtering, node))
		return false;
	filter_attributes(filtering, node, is_top);
	if (filter_children(filtering, node, is_top))
		return true;
	filtering->n_kept = n_kept;
	return false;
}

/* Whether a node has children other than blank texts. */
static bool has_content(const struct xml_node *node)
{
	for (const struct xml_node *child = node->first; child; child = child->next) {
		if (child->name || !is_blank(child->text))
			return true;
	}
	return false;
}

/* Filter the children of a node. Returns false if all children of the node were removed, because
 * the empty node must then be dropped. Returns true if the node had no children, or if is_top is
 * true. */
static bool filter_children(struct filtering *filtering, struct xml_node *node,
                            bool is_top)
{
	bool had_content = has_content(node);
	struct xml_node **link = &node->first;

	while (*link) {
		if (node_stays(filtering, *link, is_top))
			link = &(*link)->next;
		else
			*link = (*link)->next;
	}
	/* A node at the top level without children is not dropped, because its attributes may be
	 * properties of the picture. */
	return is_top || !had_content || has_content(node);
}

static struct xml_node *find_rdf(const struct filtering *filtering, struct xml_node *node)
{
	if (node->name && space_of(filtering, node->space) == RDF &&
	    strcmp(node->name, "RDF") == 0)
		return node;
	for (struct xml_node *child = node->first; child; child = child->next) {
		struct xml_node *found = find_rdf(filtering, child);

		if (found)
			return found;
	}
	return NULL;
}

/* Set filtering->spaces: find the enum space of each namespace of the tree. */
static bool name_spaces(struct filtering *filtering)
{
	const struct xml_tree *tree = filtering->tree;

	free(filtering->spaces);
	filtering->spaces = calloc(tree->n_spaces, 1);
	if (!filtering->spaces) {
		filtering->has_failed = true;
		return false;
	}
	for (unsigned i = 1; i < tree->n_spaces; i++) {
		for (size_t k = 0; k < sizeof(known_spaces) / sizeof(known_spaces[0]);
		     k++) {
			if (strcmp(tree->spaces[i].uri, known_spaces[k].uri) == 0)
				filtering->spaces[i] = (uint8_t)known_spaces[k].space;
		}
	}
	return true;
}

/* Clear rdf:about, the name of the picture, if the recipe does not keep XMP. */
static void clear_about(struct filtering *filtering, struct xml_node *rdf)
{
	for (struct xml_node *child = rdf->first; child; child = child->next) {
		for (struct xml_attribute *a = child->attributes; a; a = a->next) {
			if (strcmp(a->name, "about") == 0 &&
			    !(filtering->keep & KEEP_XMP))
				a->value = "";
		}
	}
}

/* Drop descriptions that have neither properties nor children. */
static void drop_empty(struct filtering *filtering, struct xml_node *rdf)
{
	struct xml_node **link = &rdf->first;

	while (*link) {
		bool is_empty = (*link)->name && !has_content(*link);

		for (struct xml_attribute *a = (*link)->attributes; a; a = a->next) {
			if (!is_of_rdf(filtering, a))
				is_empty = false;
		}
		if (is_empty)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
}

static void write_packet(struct xml_tree *tree, const struct xml_node *root,
                         struct block *to)
{
	block_add_text(to, "<?xpacket begin=\"\xef\xbb\xbf\" "
	                   "id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n");
	xml_write(tree, root, true, to);
	block_add_text(to, "\n<?xpacket end=\"w\"?>");
}

/*
 * ---- encodings ----
 */

static void add_character(struct block *to, uint32_t c)
{
	if (c < 0x80) {
		block_add_number(to, c, 1, true);
	} else if (c < 0x800) {
		block_add_number(to, 0xc080 | (c & 0x7c0) << 2 | (c & 0x3f), 2, true);
	} else if (c < 0x10000) {
		block_add_number(
			to, 0xe08080 | (c & 0xf000) << 4 | (c & 0xfc0) << 2 | (c & 0x3f),
			3, true);
	} else {
		block_add_number(to,
		                 0xf0808080 | (c & 0x1c0000) << 6 | (c & 0x3f000) << 4 |
		                         (c & 0xfc0) << 2 | (c & 0x3f),
		                 4, true);
	}
}

/* Convert UTF-16 (n_unit is 2) or UTF-32 (n_unit is 4) to UTF-8. Returns false if the text is
 * malformed. */
static bool convert(struct block *to, struct bytes from, unsigned n_unit, bool is_big)
{
	for (size_t at = 0; from.n - at >= n_unit; at += n_unit) {
		uint32_t c = (uint32_t)bytes_number(from, at, n_unit, is_big);

		if (n_unit == 2 && c >= 0xd800 && c < 0xdc00) {
			uint32_t low = (uint32_t)bytes_number(from, at + 2, 2, is_big);

			if (low < 0xdc00 || low > 0xdfff)
				return false;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			at += 2;
		}
		if ((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
			return false;
		/* Leave out zeros. A packet may have zeros at its end as padding, which expat does
		 * not accept. */
		if (c != 0)
			add_character(to, c);
	}
	return true;
}

/* Convert a packet to UTF-8. The first bytes of the packet tell its encoding: they are a byte order
 * mark or the character "<". */
static bool to_utf8(struct block *to, struct bytes packet)
{
	const struct {
		struct bytes start;
		uint8_t n_mark, n_unit;
		bool is_big;
	} starts[] = {
		{BYTES_OF("\xff\xfe\0\0"), 4, 4, false},
		{BYTES_OF("\0\0\xfe\xff"), 4, 4, true},
		{BYTES_OF("<\0\0\0"), 0, 4, false},
		{BYTES_OF("\0\0\0<"), 0, 4, true},
		{BYTES_OF("\xff\xfe"), 2, 2, false},
		{BYTES_OF("\xfe\xff"), 2, 2, true},
		{BYTES_OF("<\0"), 0, 2, false},
		{BYTES_OF("\0<"), 0, 2, true},
	};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (bytes_begin_with(packet, starts[i].start))
			return convert(to, bytes_after(packet, starts[i].n_mark),
			               starts[i].n_unit, starts[i].is_big);
	}
	if (bytes_begin_with(packet, BYTES_OF("\xef\xbb\xbf")))
		packet = bytes_after(packet, 3);
	block_add(to, packet);
	return true;
}

/* Remove the blanks and zeros around a packet, which are not part of the document. */
static struct bytes trimmed(struct bytes text)
{
	while (text.n > 0 && memchr(" \t\r\n", text.at[text.n - 1], 5))
		text.n--;
	while (text.n > 0 && memchr(" \t\r\n", text.at[0], 5))
		text = bytes_after(text, 1);
	return text;
}

static struct xml_node *read_packet(struct xml_tree *tree, struct bytes packet)
{
	struct xml_node *root = NULL;
	struct block utf8 = {0};

	if (packet.n <= XML_MAX_BYTES && to_utf8(&utf8, packet) && !utf8.has_failed)
		root = xml_parse(tree, trimmed(block_bytes(&utf8)));
	tree->is_out_of_memory |= utf8.has_failed;
	block_fini(&utf8);
	return root;
}

/* Whether a packet contains words for a video, a gain map or a depth map. If the recipe keeps
 * nothing of XMP, a packet is parsed only if it contains such words. */
static bool may_tell_of_parts(struct bytes packet)
{
	const struct bytes words[] = {
		BYTES_OF("MotionPhoto"),  BYTES_OF("MicroVideo"), BYTES_OF("LivePhoto"),
		BYTES_OF("hdr-gain-map"), BYTES_OF("GainMap"),    BYTES_OF("video/"),
		BYTES_OF("VideoLength"),  BYTES_OF("depthmap"),   BYTES_OF("Depth"),
		BYTES_OF("Confidence"),
	};

	return bytes_contain_any(packet, words, sizeof(words) / sizeof(words[0]));
}

/* Add the properties of an extended packet to those of the main packet. Returns false if the
 * extended packet cannot be read. */
static bool join(struct filtering *filtering, struct xml_node *root,
                 struct bytes extended)
{
	struct xml_node *rest = read_packet(filtering->tree, extended);
	struct xml_node *rdf, *rest_rdf, **end;

	if (!rest || !name_spaces(filtering))
		return false;
	rdf = find_rdf(filtering, root);
	rest_rdf = find_rdf(filtering, rest);
	if (!rdf || !rest_rdf)
		return false;
	for (end = &rdf->first; *end; end = &(*end)->next)
		;
	*end = rest_rdf->first;
	return true;
}

static void filter_tree(struct filtering *filtering, struct xml_node *root,
                        struct block *ret_xmp)
{
	struct xml_node *rdf;

	if (!node_stays(filtering, root, true))
		filtering->n_kept = 0;
	rdf = find_rdf(filtering, root);
	if (rdf) {
		clear_about(filtering, rdf);
		drop_empty(filtering, rdf);
	}
	if (filtering->n_kept > 0)
		write_packet(filtering->tree, root, ret_xmp);
	filtering->has_failed |= ret_xmp->has_failed;
}

bool xmp_filter(struct block *ret_xmp, struct bytes packet, struct bytes extended,
                unsigned keep, const struct metadata_target *target, unsigned *lost)
{
	unsigned of_xmp = KEEP_XMP | KEEP_GPS | KEEP_COPYRIGHT;
	struct filtering filtering = {.keep = keep & of_xmp, .target = target};
	struct xml_node *root;

	if (!filtering.keep && !may_tell_of_parts(packet) && !may_tell_of_parts(extended))
		return true;
	filtering.tree = xml_tree_create();
	if (!filtering.tree)
		return false;
	root = read_packet(filtering.tree, packet);
	if (root && name_spaces(&filtering)) {
		if (extended.n > 0 && !join(&filtering, root, extended))
			filtering.lost |= LOST_XMP;
		/* If memory ran out in join(), filtering.spaces may be NULL. */
		if (!filtering.has_failed && !filtering.tree->is_out_of_memory)
			filter_tree(&filtering, root, ret_xmp);
	} else {
		filtering.lost |= LOST_XMP;
	}
	filtering.has_failed |= filtering.tree->is_out_of_memory;
	free(filtering.spaces);
	xml_tree_destroy(filtering.tree);
	*lost |= filtering.lost & (filtering.keep ? ~0U : ~(unsigned)LOST_XMP);
	return !filtering.has_failed;
}

/*
 * ---- splitting ----
 */

/* A property of the picture: an attribute or a child element of a description. */
struct property {
	struct xml_node *description;
	struct xml_attribute *attribute;
	struct xml_node *element;
	/* The number of bytes of the property when it is written. For an attribute, this is a lower
	 * bound. */
	size_t n;
};

struct properties {
	struct property *at;
	size_t n, n_room;
};

static bool list_property(struct filtering *filtering, struct properties *properties,
                          struct property property)
{
	if (properties->n == properties->n_room) {
		size_t n_room = properties->n_room ? properties->n_room * 2 : 64;
		struct property *at = realloc(properties->at, n_room * sizeof(*at));

		if (!at) {
			filtering->has_failed = true;
			return false;
		}
		properties->at = at;
		properties->n_room = n_room;
	}
	properties->at[properties->n++] = property;
	return true;
}

static bool list_properties(struct filtering *filtering, struct xml_node *description,
                            struct properties *properties)
{
	for (struct xml_attribute *a = description->attributes; a; a = a->next) {
		struct property property = {description, a, NULL,
		                            strlen(a->name) + strlen(a->value)};

		if (!is_of_rdf(filtering, a) &&
		    !list_property(filtering, properties, property))
			return false;
	}
	for (struct xml_node *child = description->first; child; child = child->next) {
		struct property property = {description, NULL, child, 0};
		struct block text = {0};

		if (!child->name)
			continue;
		xml_write(filtering->tree, child, false, &text);
		property.n = text.n;
		filtering->has_failed |= text.has_failed;
		block_fini(&text);
		if (!list_property(filtering, properties, property))
			return false;
	}
	return true;
}

static int compare_sizes(const void *a, const void *b)
{
	const struct property *first = a, *second = b;

	return (first->n < second->n) - (first->n > second->n);
}

/* Move a property to another description. An attribute becomes an element. */
static bool move_property(struct filtering *filtering, const struct property *property,
                          struct xml_node *to)
{
	struct xml_node *element = property->element;

	if (property->attribute) {
		struct xml_attribute **link = &property->description->attributes;

		while (*link != property->attribute)
			link = &(*link)->next;
		*link = property->attribute->next;
		element = xml_element(filtering->tree, property->attribute->space,
		                      property->attribute->name);
		if (!element ||
		    !xml_set_text(filtering->tree, element, property->attribute->value))
			return false;
	} else {
		struct xml_node **link = &property->description->first;

		while (*link != element)
			link = &(*link)->next;
		*link = element->next;
	}
	element->next = to->first;
	to->first = element;
	return true;
}

/* Make a packet without properties: x:xmpmeta contains rdf:RDF, which contains a description.
 * Returns the description. *ret_root becomes x:xmpmeta. Returns NULL if memory ran out. */
static struct xml_node *new_packet(struct xml_tree *tree, struct xml_node **ret_root)
{
	unsigned x = xml_space(tree, "adobe:ns:meta/", "x");
	unsigned rdf = xml_space(tree, "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
	                         "rdf");
	struct xml_node *root = xml_element(tree, x, "xmpmeta");
	struct xml_node *list = xml_element(tree, rdf, "RDF");
	struct xml_node *description = xml_element(tree, rdf, "Description");

	if (!x || !rdf || !root || !list || !description ||
	    !xml_set_attribute(tree, description, rdf, "about", ""))
		return NULL;
	xml_append(root, list);
	xml_append(list, description);
	*ret_root = root;
	return description;
}

static void write_guid(struct bytes bytes, char guid[XMP_GUID_BYTES + 1])
{
	struct md5_ctx context;
	uint8_t digest[MD5_DIGEST_SIZE];

	md5_init(&context);
	md5_update(&context, bytes.n, bytes.at);
	md5_digest(&context, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(guid + 2 * i, 3, "%02X", digest[i]);
}

/* Move properties, beginning with the largest, out of a packet of n_main bytes, until the packet
 * has at most n_max bytes. Returns false if memory ran out or the packet stays too long. */
static bool move_largest(struct filtering *filtering, struct xml_node *root,
                         struct xml_node *to, size_t n_main, size_t n_max)
{
	struct xml_node *rdf = find_rdf(filtering, root);
	struct properties properties = {0};
	bool is_done = rdf != NULL;

	for (struct xml_node *child = rdf ? rdf->first : NULL; child && is_done;
	     child = child->next) {
		if (child->name)
			is_done = list_properties(filtering, child, &properties);
	}
	if (properties.n > 0)
		qsort(properties.at, properties.n, sizeof(properties.at[0]),
		      compare_sizes);
	for (size_t i = 0; is_done && n_main > n_max && i < properties.n; i++) {
		is_done = move_property(filtering, &properties.at[i], to);
		n_main -= properties.at[i].n < n_main ? properties.at[i].n : n_main;
	}
	free(properties.at);
	return is_done && n_main <= n_max;
}

static bool split(struct filtering *filtering, struct bytes packet, size_t n_max,
                  struct block *ret_main, struct block *ret_extended,
                  char guid[XMP_GUID_BYTES + 1])
{
	/* Room for the attribute that names the extended packet, and for its namespace. */
	enum { POINTER_BYTES = 128 };
	struct xml_tree *tree = filtering->tree;
	struct xml_node *root = read_packet(tree, packet), *rest, *to, *rdf;
	unsigned note = xml_space(tree, "http://ns.adobe.com/xmp/note/", "xmpNote");
	struct xml_node *description;

	if (!root || !note || !(to = new_packet(tree, &rest)) ||
	    !name_spaces(filtering) || n_max < POINTER_BYTES ||
	    !move_largest(filtering, root, to, packet.n, n_max - POINTER_BYTES))
		return false;
	xml_write(tree, rest, true, ret_extended);
	write_guid(block_bytes(ret_extended), guid);

	rdf = find_rdf(filtering, root);
	for (description = rdf->first; description && !description->name;)
		description = description->next;
	if (!description ||
	    !xml_set_attribute(tree, description, note, "HasExtendedXMP", guid))
		return false;
	write_packet(tree, root, ret_main);
	return !ret_main->has_failed && !ret_extended->has_failed && ret_main->n <= n_max;
}

bool xmp_split(struct bytes packet, size_t n_max, struct block *ret_main,
               struct block *ret_extended, char guid[XMP_GUID_BYTES + 1])
{
	struct filtering filtering = {.tree = xml_tree_create()};
	bool is_split = filtering.tree &&
	                split(&filtering, packet, n_max, ret_main, ret_extended, guid);

	ret_main->has_failed |= !filtering.tree || filtering.tree->is_out_of_memory ||
	                        filtering.has_failed || ret_extended->has_failed;
	free(filtering.spaces);
	xml_tree_destroy(filtering.tree);
	return is_split && !ret_main->has_failed;
}
