/* Tests of the XMP filter: which properties are kept, set and dropped, and which packets can be
 * read. */
#include "support/test.h"

#include "image/metadata/xmp.h"
#include "metadata_fixture.h"

#include <stdio.h>
#include <string.h>

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

static const char namespaces[] =
	" xmlns:dc='http://purl.org/dc/elements/1.1/'"
	" xmlns:drone-dji='http://www.dji.com/drone-dji/1.0/'"
	" xmlns:exif='http://ns.adobe.com/exif/1.0/'"
	" xmlns:geo='http://www.w3.org/2003/01/geo/wgs84_pos#'"
	" xmlns:GCamera='http://ns.google.com/photos/1.0/camera/'"
	" xmlns:GDepth='http://ns.google.com/photos/1.0/depthmap/'"
	" xmlns:GPano='http://ns.google.com/photos/1.0/panorama/'"
	" xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'"
	" xmlns:Container='http://ns.google.com/photos/1.0/container/'"
	" xmlns:Item='http://ns.google.com/photos/1.0/container/item/'"
	" xmlns:Iptc4xmpCore='http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/'"
	" xmlns:Iptc4xmpExt='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'"
	" xmlns:mwg-rs='http://www.metadataworkinggroup.com/schemas/regions/'"
	" xmlns:stArea='http://ns.adobe.com/xmp/sType/Area#'"
	" xmlns:stDim='http://ns.adobe.com/xap/1.0/sType/Dimensions#'"
	" xmlns:photoshop='http://ns.adobe.com/photoshop/1.0/'"
	" xmlns:plus='http://ns.useplus.org/ldf/xmp/1.0/'"
	" xmlns:tiff='http://ns.adobe.com/tiff/1.0/'"
	" xmlns:xmp='http://ns.adobe.com/xap/1.0/'"
	" xmlns:xmpGImg='http://ns.adobe.com/xap/1.0/g/img/'"
	" xmlns:xmpRights='http://ns.adobe.com/xap/1.0/rights/'";

/* Make a packet with one description that has these attributes and elements. */
static struct block packet_of(const char *attributes, const char *elements)
{
	struct block packet = {0};

	block_add_text(&packet,
	               "<?xpacket begin=\"\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>"
	               "<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
	               "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
	               "<rdf:Description rdf:about=''");
	block_add_text(&packet, namespaces);
	block_add_text(&packet, " ");
	block_add_text(&packet, attributes);
	block_add_text(&packet, ">");
	block_add_text(&packet, elements);
	block_add_text(&packet,
	               "</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end='w'?>");
	return packet;
}

static struct block filtered(struct bytes packet, unsigned keep,
                             const struct metadata_target *target, unsigned *lost)
{
	struct block xmp = {0};

	*lost = 0;
	REQUIRE(xmp_filter(&xmp, packet, (struct bytes){NULL, 0}, keep, target, lost));
	return xmp;
}

/* Filter one description. Returns the result as text. */
static struct block kept(const char *attributes, const char *elements, unsigned keep,
                         const struct metadata_target *target, unsigned *lost)
{
	struct block packet = packet_of(attributes, elements);
	struct block xmp = filtered(block_bytes(&packet), keep, target, lost);

	block_fini(&packet);
	return xmp;
}

#define EXPECT_HOLDS(xmp, words)                                                         \
	EXPECT(fixture_holds(block_bytes(&(xmp)), words), "%s", words)
#define EXPECT_HOLDS_NOT(xmp, words)                                                     \
	EXPECT(!fixture_holds(block_bytes(&(xmp)), words), "%s", words)

/* Properties in several syntaxes of RDF. A property must be kept if one of its classes in `keep` is
 * kept, and dropped otherwise. */
static const struct {
	const char *attributes, *elements;
	unsigned keep;
} properties[] = {
	{"dc:title='a-word'", "", KEEP_XMP},
	{"drone-dji:GpsLatitude='a-word'", "", KEEP_GPS},
	{"drone-dji:GpsLongtitude='a-word'", "", KEEP_GPS},
	{"drone-dji:AbsoluteAltitude='a-word'", "", KEEP_GPS},
	{"drone-dji:GimbalYawDegree='a-word'", "", KEEP_XMP},
	{"exif:GPSLatitude='a-word'", "", KEEP_GPS},
	{"", "<exif:GPSLatitude>a-word</exif:GPSLatitude>", KEEP_GPS},
	{"", "<exif:GPSLatitude><![CDATA[a-word]]></exif:GPSLatitude>", KEEP_GPS},
	{"", "<exif:GPSLatitude>&#97;-word</exif:GPSLatitude>", KEEP_GPS},
	{"xmlns:any='http://example.com/' any:gpsPosition='a-word'", "", KEEP_GPS},
	{"xmlns:any='http://example.com/' any:LATITUDE='a-word'", "", KEEP_GPS},
	{"xmlns:any='http://example.com/' any:city='a-word'", "", KEEP_GPS},
	{"xmlns:any='http://example.com/' any:Velocity='a-word'", "", KEEP_XMP},
	{"xmlns:any='http://example.com/' any:Opacity='a-word'", "", KEEP_XMP},
	{"geo:lat='a-word'", "", KEEP_GPS},
	{"", "<geo:Point>a-word</geo:Point>", KEEP_GPS},
	{"xmlns:g='http://www.w3.org/2003/01/geo/wgs84_pos#' g:lat='a-word'", "",
         KEEP_GPS},
	{"xmlns:cell='http://developer.sonyericsson.com/cell/1.0/' cell:cgi='a-word'", "",
         KEEP_GPS},
	{"GPSLatitude='a-word'", "", KEEP_GPS}, /* a name without a namespace */
	{"note='a-word'", "", KEEP_XMP},
	{"photoshop:City='a-word'", "", KEEP_GPS},
	{"photoshop:State='a-word'", "", KEEP_GPS},
	{"photoshop:Country='a-word'", "", KEEP_GPS},
	{"xmlns:p='http://ns.adobe.com/photoshop/1.0/' p:City='a-word'", "", KEEP_GPS},
	{"Iptc4xmpCore:Location='a-word'", "", KEEP_GPS},
	{"Iptc4xmpCore:CountryCode='a-word'", "", KEEP_GPS},
	{"",
         "<Iptc4xmpExt:LocationCreated rdf:parseType='Resource'><Iptc4xmpExt:City>a-word</Iptc4xmpExt:City>"
         "</Iptc4xmpExt:LocationCreated>",
         KEEP_GPS},
	{"",
         "<Iptc4xmpExt:LocationShown><rdf:Bag><rdf:li rdf:parseType='Resource'>"
         "<Iptc4xmpExt:WorldRegion>a-word</Iptc4xmpExt:WorldRegion></rdf:li></rdf:Bag>"
         "</Iptc4xmpExt:LocationShown>",
         KEEP_GPS},
	{"",
         "<Iptc4xmpCore:CreatorContactInfo rdf:parseType='Resource'><Iptc4xmpCore:CiEmailWork>a-word"
         "</Iptc4xmpCore:CiEmailWork></Iptc4xmpCore:CreatorContactInfo>",
         KEEP_XMP},
	{"",
         "<dc:subject><rdf:Bag><rdf:li>GPS-Tour a-word</rdf:li></rdf:Bag></dc:subject>",
         KEEP_XMP},
	{"", "<dc:creator><rdf:Seq><rdf:li>a-word</rdf:li></rdf:Seq></dc:creator>",
         KEEP_XMP | KEEP_COPYRIGHT},
	{"",
         "<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>a-word</rdf:li></rdf:Alt></dc:rights>",
         KEEP_XMP | KEEP_COPYRIGHT},
	{"photoshop:Credit='a-word'", "", KEEP_XMP | KEEP_COPYRIGHT},
	{"photoshop:Instructions='a-word'", "", KEEP_XMP},
	{"xmpRights:WebStatement='a-word'", "", KEEP_XMP | KEEP_COPYRIGHT},
	{"",
         "<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang='x-default'>a-word</rdf:li></rdf:Alt></xmpRights:UsageTerms>",
         KEEP_XMP | KEEP_COPYRIGHT},
	{"",
         "<plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'><plus:LicensorName>a-word</plus:LicensorName>"
         "</rdf:li></rdf:Seq></plus:Licensor>",
         KEEP_XMP | KEEP_COPYRIGHT},
	{"",
         "<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType='Resource'><xmpGImg:image>a-word</xmpGImg:image></rdf:li>"
         "</rdf:Alt></xmp:Thumbnails>",
         0},
};

TEST(metadata_xmp, an_xmp_property_is_kept_only_if_its_metadata_class_is_kept)
{
	struct metadata_target target = fixture_target();

	for (size_t i = 0; i < N_OF(properties); i++) {
		for (unsigned keep = 0; keep <= (KEEP_ALL | KEEP_COPYRIGHT); keep++) {
			unsigned lost;
			struct block xmp = kept(properties[i].attributes,
			                        properties[i].elements, keep, &target,
			                        &lost);
			bool is_wanted = keep & properties[i].keep;

			EXPECT_EQ(lost, 0);
			EXPECT(fixture_holds(block_bytes(&xmp), "a-word") == is_wanted,
			       "%s %s, keep %u", properties[i].attributes,
			       properties[i].elements, keep);
			EXPECT(is_wanted || xmp.n == 0, "%s %s, keep %u",
			       properties[i].attributes, properties[i].elements, keep);
			block_fini(&xmp);
		}
	}
}

TEST(metadata_xmp, dropping_a_location_keeps_all_other_xmp_properties)
{
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block xmp = kept(
		"dc:title='a-title' photoshop:City='a-city'",
		"<dc:subject><rdf:Bag><rdf:li>a-keyword</rdf:li><rdf:li>geo:lat=48.1</rdf:li></rdf:Bag>"
		"</dc:subject><plus:Licensor><rdf:Seq><rdf:li rdf:parseType='Resource'>"
		"<plus:LicensorName>a-name</plus:LicensorName><plus:LicensorCity>a-town"
		"</plus:LicensorCity></rdf:li></rdf:Seq></plus:Licensor><!-- a-city -->",
		KEEP_XMP, &target, &lost);

	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "dc:title=\"a-title\"");
	EXPECT_HOLDS(xmp, "<rdf:li>a-keyword</rdf:li>");
	EXPECT_HOLDS(xmp, "<plus:LicensorName>a-name<");
	EXPECT_HOLDS_NOT(xmp, "a-city");
	EXPECT_HOLDS_NOT(xmp, "a-town");
	EXPECT_HOLDS_NOT(xmp, "48.1");
	block_fini(&xmp);
}

/* expat reports a text in several pieces if the text has line breaks, references or a comment. */
TEST(metadata_xmp, a_keyword_with_a_location_is_dropped_however_its_text_is_written)
{
	static const char *const keywords[] = {
		"geo:lat=48.1",         "\n  geo:lat=48.1",         "&#103;eo:lat=48.1",
		"ge<!-- -->o:lat=48.1", "<![CDATA[geo:]]>lat=48.1", "\r\n\tGEO:LAT=48.1"};
	struct metadata_target target = fixture_target();

	for (size_t i = 0; i < N_OF(keywords); i++) {
		struct block elements = {0}, xmp;
		unsigned lost;

		block_add_text(&elements,
		               "<dc:subject><rdf:Bag><rdf:li>a-word</rdf:li><rdf:li>");
		block_add_text(&elements, keywords[i]);
		block_add_text(&elements, "</rdf:li></rdf:Bag></dc:subject>");
		block_add_number(&elements, 0, 1, true);
		xmp = kept("", (const char *)elements.at, KEEP_XMP, &target, &lost);
		EXPECT_HOLDS(xmp, "a-word");
		EXPECT(!fixture_holds(block_bytes(&xmp), "48.1"), "%s", keywords[i]);
		block_fini(&xmp);
		block_fini(&elements);
	}
}

TEST(metadata_xmp, no_xmp_packet_is_written_if_every_property_is_dropped)
{
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block xmp = kept(
		"",
		"<dc:relation photoshop:Source='a-source'>"
		"<GCamera:MicroVideo>1</GCamera:MicroVideo></dc:relation>",
		KEEP_XMP, &target, &lost);

	EXPECT_EQ(xmp.n, 0);
	EXPECT_EQ(lost, LOST_VIDEO);
}

TEST(metadata_xmp, location_properties_are_recognised_by_name_in_any_letter_case)
{
	static const char *const places[] = {
		"GpsLatitude",  "gpslatitude",        "Longitude",    "City",
		"CITY",         "city_name",          "State",        "ProvinceState",
		"CountryCode",  "COUNTRYNAME",        "Sublocation",  "LocationShown",
		"shotLocation", "CiAdrCity",          "CiAdrPcode",   "GeoTag",
		"lat",          "WorldRegion",        "Geo",          "URLCity",
		"Geography",    "locality",           "Municipality", "islandGroup",
		"continent",    "verbatimCoordinates"};
	static const char *const others[] = {"WebStatement", "Velocity",   "Capacity",
	                                     "Statement",    "Geometry",   "Translation",
	                                     "latency",      "Platform",   "LongExposure",
	                                     "Status",       "RegionList", "CreateDate",
	                                     "Estate",       "x",          ""};

	for (size_t i = 0; i < N_OF(places); i++)
		EXPECT(xmp_name_is_place(places[i]), "%s", places[i]);
	for (size_t i = 0; i < N_OF(others); i++)
		EXPECT(!xmp_name_is_place(others[i]), "%s", others[i]);
}

/* Convert UTF-8 that contains only ASCII, U+00E9 and U+1D11E to UTF-16 or UTF-32. */
static struct block widened(const struct block *packet, unsigned n_unit, bool is_big,
                            bool has_mark)
{
	struct block wide = {0};

	if (has_mark)
		block_add_number(&wide, 0xfeff, n_unit, is_big);
	for (size_t i = 0; i < packet->n; i++) {
		uint32_t c = packet->at[i];

		if (c == 0xc3) {
			c = 0xe9;
			i += 1;
		} else if (c == 0xf0) {
			c = 0x1d11e;
			i += 3;
		}
		if (n_unit == 2 && c > 0xffff) {
			block_add_number(&wide, 0xd834, 2, is_big);
			c = 0xdd1e;
		}
		block_add_number(&wide, c, n_unit, is_big);
	}
	return wide;
}

TEST(metadata_xmp, packets_in_utf_16_or_utf_32_are_read_and_converted_to_utf_8)
{
	struct metadata_target target = fixture_target();
	struct block packet = packet_of(
		"photoshop:City='a-city' dc:title='caf\xc3\xa9 \xf0\x9d\x84\x9e'", "");

	for (int i = 0; i < 8; i++) {
		struct block wide = widened(&packet, i & 1 ? 4 : 2, i & 2, i & 4);
		unsigned lost;
		struct block xmp = filtered(block_bytes(&wide), KEEP_XMP, &target, &lost);

		EXPECT_EQ(lost, 0);
		EXPECT_HOLDS(xmp, "dc:title=\"caf\xc3\xa9 \xf0\x9d\x84\x9e\"");
		EXPECT_HOLDS_NOT(xmp, "a-city");
		block_fini(&xmp);
		block_fini(&wide);
	}
	block_fini(&packet);
}

TEST(metadata_xmp, packets_that_cannot_be_read_safely_are_reported_lost)
{
	static const char *const packets[] = {
		"no XML",
		"<x:xmpmeta xmlns:x='adobe:ns:meta/'>",
		"<x:xmpmeta xmlns:x='adobe:ns:meta/' y:City='unknown prefix'/>",
		"<!DOCTYPE x [<!ENTITY e 'text'>]><x>&e;</x>",
		"<x>&nbsp;</x>",
		"<x a='1' a='2'/>",
		"<x>latin \xe9 one</x>",
		"<x/><y/>",
	};
	struct metadata_target target = fixture_target();
	struct block deep = {0}, xmp;
	unsigned lost;

	for (size_t i = 0; i < N_OF(packets); i++) {
		const struct bytes packet = {(const uint8_t *)packets[i],
		                             strlen(packets[i])};

		xmp = filtered(packet, KEEP_XMP, &target, &lost);
		EXPECT_EQ(lost, LOST_XMP);
		EXPECT(xmp.n == 0, "%s", packets[i]);
		xmp = filtered(packet, KEEP_EXIF, &target, &lost);
		/* XMP was not requested, so it is not reported as lost. */
		EXPECT_EQ(lost, 0);
	}
	for (int i = 0; i < 1000; i++)
		block_add_text(&deep, "<x>");
	for (int i = 0; i < 1000; i++)
		block_add_text(&deep, "</x>");
	xmp = filtered(block_bytes(&deep), KEEP_XMP, &target, &lost);
	EXPECT_EQ(lost, LOST_XMP);
	EXPECT_EQ(xmp.n, 0);
	block_fini(&deep);
}

TEST(metadata_xmp, padding_and_zeros_around_a_packet_are_ignored)
{
	struct metadata_target target = fixture_target();
	struct block packet = packet_of("dc:title='a-title'", ""), padded = {0}, xmp;
	unsigned lost;

	block_add_text(&padded, "\xef\xbb\xbf\n ");
	block_add(&padded, block_bytes(&packet));
	block_add(&padded, BYTES_OF("  \n\0\0\0"));
	xmp = filtered(block_bytes(&padded), KEEP_XMP, &target, &lost);
	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "a-title");
	block_fini(&xmp);
	block_fini(&padded);
	block_fini(&packet);
}

TEST(metadata_xmp, property_values_keep_all_their_characters)
{
	static const char title[] = "dc:title=\"&lt;a&gt; &amp; &quot;b&quot;&#xA;c\"";
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block xmp = kept(title,
	                        "<dc:source>x &lt; y<![CDATA[ & <z>]]></dc:source>",
	                        KEEP_XMP, &target, &lost);

	EXPECT_HOLDS(xmp, title);
	EXPECT_HOLDS(xmp, "<dc:source>x &lt; y &amp; &lt;z&gt;</dc:source>");
	block_fini(&xmp);
}

TEST(metadata_xmp, a_prefix_may_mean_a_different_namespace_in_each_element)
{
	static const char packet[] =
		"<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
		"<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
		"<r:Description r:about='' xmlns:p='http://example.com/one' p:a='first'/>"
		"<r:Description r:about='' xmlns:p='http://ns.adobe.com/photoshop/1.0/' p:City='second' p:a='third'/>"
		"<r:Description r:about=''><a xmlns='http://example.com/two'>fourth</a></r:Description>"
		"</r:RDF></x:xmpmeta>";
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block xmp = filtered(BYTES_OF(packet), KEEP_XMP, &target, &lost), again;

	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "first");
	EXPECT_HOLDS_NOT(xmp, "second");
	EXPECT_HOLDS(xmp, "third");
	EXPECT_HOLDS(xmp, "fourth");
	/* Filtering a second time changes nothing. */
	again = filtered(block_bytes(&xmp), KEEP_XMP, &target, &lost);
	EXPECT(bytes_equal(block_bytes(&again), block_bytes(&xmp)));
	block_fini(&again);
	block_fini(&xmp);
}

TEST(metadata_xmp, xmp_size_and_orientation_are_set_to_those_of_the_output)
{
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block xmp = kept(
		"tiff:Orientation='6' tiff:ImageWidth='640' exif:PixelXDimension='640' "
		"exif:PixelYDimension='480' exif:ColorSpace='65535' dc:format='image/tiff' "
		"photoshop:ICCProfile='Adobe RGB (1998)' tiff:Compression='5'",
		"<tiff:ImageLength>480</tiff:ImageLength>", KEEP_XMP, &target, &lost);

	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "tiff:Orientation=\"1\"");
	EXPECT_HOLDS(xmp, "tiff:ImageWidth=\"320\"");
	EXPECT_HOLDS(xmp, "exif:PixelXDimension=\"320\"");
	EXPECT_HOLDS(xmp, "exif:PixelYDimension=\"240\"");
	EXPECT_HOLDS(xmp, "<tiff:ImageLength>240</tiff:ImageLength>");
	EXPECT_HOLDS(xmp, "exif:ColorSpace=\"1\"");
	EXPECT_HOLDS(xmp, "dc:format=\"image/jpeg\"");
	EXPECT_HOLDS_NOT(xmp, "Adobe RGB");
	EXPECT_HOLDS_NOT(xmp, "Compression");
	block_fini(&xmp);

	target.is_as_stored = true;
	target.colour = COLOUR_KEPT;
	xmp = kept(
		"tiff:Orientation='6' exif:ColorSpace='65535' photoshop:ICCProfile='Adobe RGB (1998)'",
		"", KEEP_XMP, &target, &lost);
	EXPECT_HOLDS(xmp, "tiff:Orientation=\"6\"");
	EXPECT_HOLDS(xmp, "exif:ColorSpace=\"65535\"");
	EXPECT_HOLDS(xmp, "Adobe RGB (1998)");
	block_fini(&xmp);
}

TEST(metadata_xmp, properties_about_a_removed_video_or_gain_map_are_dropped_and_reported)
{
	static const struct {
		const char *attributes, *elements;
		unsigned lost;
	} claims[] = {
		{"GCamera:MotionPhoto='1' GCamera:MotionPhotoVersion='1'", "",
	         LOST_VIDEO},
		{"GCamera:MicroVideo='1' GCamera:MicroVideoOffset='5000'", "",
	         LOST_VIDEO},
		{"", "<GCamera:MicroVideo>1</GCamera:MicroVideo>", LOST_VIDEO},
		{"hdrgm:Version='1.0'", "", LOST_GAINMAP},
		{"",
	         "<Container:Directory><rdf:Seq><rdf:li rdf:parseType='Resource'><Container:Item Item:Semantic='Primary' "
	         "Item:Mime='image/jpeg'/></rdf:li><rdf:li rdf:parseType='Resource'><Container:Item "
	         "Item:Semantic='GainMap' Item:Mime='image/jpeg'/></rdf:li></rdf:Seq></Container:Directory>",
	         LOST_GAINMAP},
		{"",
	         "<Container:Directory><rdf:Seq><rdf:li><rdf:Description><Container:Item rdf:parseType='Resource'>"
	         "<Item:Mime>video/mp4</Item:Mime></Container:Item></rdf:Description></rdf:li></rdf:Seq>"
	         "</Container:Directory>",
	         LOST_VIDEO},
		{"GDepth:Format='RangeInverse' GDepth:Mime='image/png'", "", LOST_DEPTH},
		{"",
	         "<Container:Directory><rdf:Seq><rdf:li rdf:parseType='Resource'><Container:Item "
	         "Item:Semantic='Depth' Item:Mime='image/jpeg'/></rdf:li></rdf:Seq></Container:Directory>",
	         LOST_DEPTH},
		{"",
	         "<Container:Directory><rdf:Seq><rdf:li rdf:parseType='Resource'><Container:Item "
	         "Item:Semantic='Confidence' Item:Mime='image/jpeg'/></rdf:li></rdf:Seq></Container:Directory>",
	         LOST_DEPTH},
	};
	static const unsigned keeps[] = {0, KEEP_XMP, KEEP_ALL};
	struct metadata_target target = fixture_target();

	for (size_t i = 0; i < N_OF(claims); i++) {
		for (size_t k = 0; k < N_OF(keeps); k++) {
			unsigned lost;
			struct block xmp = kept(claims[i].attributes, claims[i].elements,
			                        keeps[k], &target, &lost);

			EXPECT_EQ(lost, claims[i].lost);
			EXPECT_EQ(xmp.n, 0);
			block_fini(&xmp);
		}
	}
}

#define DEPTH_SPACE     "http://ns.google.com/photos/1.0/depthmap/"
#define CONTAINER_SPACE "http://ns.google.com/photos/1.0/container/"

/* None of these packets contains a word that announces a video or a gain map. */
TEST(metadata_xmp, a_depth_map_is_reported_lost_even_if_no_xmp_is_kept)
{
	static const char head[] =
		"<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
		"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
		"<rdf:Description rdf:about='' ";
	static const char tail[] = "</rdf:Description></rdf:RDF></x:xmpmeta>";
	static const char *const descriptions[] = {
		"xmlns:a='" DEPTH_SPACE "' a:Format='RangeInverse'>",
		"xmlns:c='" CONTAINER_SPACE "' xmlns:i='" CONTAINER_SPACE
		"item/'><c:Directory><rdf:Seq><rdf:li><c:Item i:Semantic='Depth' "
		"i:Mime='image/jpeg'/></rdf:li></rdf:Seq></c:Directory>",
		"xmlns:c='" CONTAINER_SPACE "' xmlns:i='" CONTAINER_SPACE
		"item/'><c:Directory><rdf:Seq><rdf:li><c:Item i:Semantic='Confidence' "
		"i:Mime='image/jpeg'/></rdf:li></rdf:Seq></c:Directory>",
	};
	struct metadata_target target = fixture_target();
	struct block plain = {0};

	block_add_text(&plain, head);
	block_add_text(&plain, ">");
	block_add_text(&plain, tail);
	for (size_t i = 0; i < N_OF(descriptions); i++) {
		struct block packet = {0}, xmp = {0};
		unsigned lost;

		block_add_text(&packet, head);
		block_add_text(&packet, descriptions[i]);
		block_add_text(&packet, tail);
		xmp = filtered(block_bytes(&packet), 0, &target, &lost);
		EXPECT_EQ(lost, LOST_DEPTH);
		EXPECT_EQ(xmp.n, 0);
		lost = 0;
		REQUIRE(xmp_filter(&xmp, block_bytes(&plain), block_bytes(&packet), 0,
		                   &target, &lost));
		EXPECT_EQ(lost, LOST_DEPTH);
		EXPECT_EQ(xmp.n, 0);
		block_fini(&xmp);
		block_fini(&packet);
	}
	block_fini(&plain);
}

TEST(metadata_xmp,
     panorama_properties_are_scaled_with_the_picture_and_dropped_after_a_crop)
{
	static const char panorama[] =
		"GPano:ProjectionType='equirectangular' GPano:FullPanoWidthPixels='1280' GPano:FullPanoHeightPixels='640' "
		"GPano:CroppedAreaImageWidthPixels='640' GPano:CroppedAreaImageHeightPixels='480' "
		"GPano:CroppedAreaLeftPixels='100' GPano:CroppedAreaTopPixels='50'";
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block xmp = kept(panorama, "", KEEP_XMP, &target, &lost);

	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "FullPanoWidthPixels=\"640\"");
	EXPECT_HOLDS(xmp, "FullPanoHeightPixels=\"320\"");
	EXPECT_HOLDS(xmp, "CroppedAreaImageWidthPixels=\"320\"");
	EXPECT_HOLDS(xmp, "CroppedAreaImageHeightPixels=\"240\"");
	EXPECT_HOLDS(xmp, "CroppedAreaLeftPixels=\"50\"");
	EXPECT_HOLDS(xmp, "CroppedAreaTopPixels=\"25\"");
	block_fini(&xmp);

	target.is_whole = false;
	xmp = kept(panorama, "", KEEP_XMP, &target, &lost);
	EXPECT_EQ(lost, LOST_XMP);
	EXPECT_HOLDS_NOT(xmp, "GPano");
	block_fini(&xmp);
}

TEST(metadata_xmp, xmp_regions_are_rotated_with_the_picture)
{
	static const char regions[] =
		"<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:AppliedToDimensions stDim:w='640' stDim:h='480' "
		"stDim:unit='pixel'/><mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name='Jane'>"
		"<mwg-rs:Area stArea:x='0.25' stArea:y='0.125' stArea:w='0.1' stArea:h='0.2' stArea:unit='normalized'/>"
		"</rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>";
	struct metadata_target target = fixture_target();
	unsigned lost;
	struct block xmp = kept("", regions, KEEP_XMP, &target, &lost);

	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "stDim:w=\"320\" stDim:h=\"240\"");
	EXPECT_HOLDS(
		xmp,
		"stArea:x=\"0.25\" stArea:y=\"0.125\" stArea:w=\"0.1\" stArea:h=\"0.2\"");
	block_fini(&xmp);

	target.orientation = 6;
	target.width = 240;
	target.height = 320;
	xmp = kept("", regions, KEEP_XMP, &target, &lost);
	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "stDim:w=\"240\" stDim:h=\"320\"");
	EXPECT_HOLDS(
		xmp,
		"stArea:x=\"0.875\" stArea:y=\"0.25\" stArea:w=\"0.2\" stArea:h=\"0.1\"");
	block_fini(&xmp);

	target.is_whole = false;
	xmp = kept("", regions, KEEP_XMP, &target, &lost);
	EXPECT_EQ(lost, LOST_XMP);
	EXPECT_EQ(xmp.n, 0);
	block_fini(&xmp);
}

TEST(metadata_xmp, an_extended_xmp_part_is_joined_and_filtered_too)
{
	struct metadata_target target = fixture_target();
	struct block main = packet_of(
		"xmlns:xmpNote='http://ns.adobe.com/xmp/note/' "
		"xmpNote:HasExtendedXMP='0123456789ABCDEF0123456789ABCDEF' dc:title='a-title'",
		"");
	struct block extended = packet_of("photoshop:City='a-city'",
	                                  "<dc:description>a-text</dc:description>");
	struct block xmp = {0};
	unsigned lost = 0;

	REQUIRE(xmp_filter(&xmp, block_bytes(&main), block_bytes(&extended), KEEP_XMP,
	                   &target, &lost));
	EXPECT_EQ(lost, 0);
	EXPECT_HOLDS(xmp, "a-title");
	EXPECT_HOLDS(xmp, "a-text");
	EXPECT_HOLDS_NOT(xmp, "a-city");
	EXPECT_HOLDS_NOT(xmp, "HasExtendedXMP");
	block_fini(&xmp);

	/* An extended part that cannot be read is lost, and the main packet is kept. */
	REQUIRE(xmp_filter(&xmp, block_bytes(&main), BYTES_OF("<x>"), KEEP_XMP, &target,
	                   &lost));
	EXPECT_EQ(lost, LOST_XMP);
	EXPECT_HOLDS(xmp, "a-title");
	block_fini(&xmp);
	block_fini(&extended);
	block_fini(&main);
}

TEST(metadata_xmp, a_large_xmp_packet_is_split_for_jpeg_and_can_be_joined_again)
{
	enum { N_MAX = 65502, N_TEXT = 100000 };
	struct metadata_target target = fixture_target();
	struct block text = {0}, packet, main = {0}, extended = {0}, xmp = {0};
	char guid[XMP_GUID_BYTES + 1];
	unsigned lost = 0;

	block_add_text(&text, "<dc:description>");
	memset(block_extend(&text, N_TEXT), 'x', N_TEXT);
	block_add(&text, BYTES_OF("</dc:description>\0"));
	packet = packet_of("dc:title='a-title'", (const char *)text.at);
	REQUIRE(xmp_split(block_bytes(&packet), N_MAX, &main, &extended, guid));
	EXPECT(main.n <= N_MAX);
	EXPECT(extended.n > N_TEXT);
	EXPECT_EQ(strlen(guid), XMP_GUID_BYTES);
	EXPECT_HOLDS(main, guid);
	EXPECT_HOLDS(main, "a-title");
	EXPECT_HOLDS_NOT(main, "description");

	REQUIRE(xmp_filter(&xmp, block_bytes(&main), block_bytes(&extended), KEEP_XMP,
	                   &target, &lost));
	EXPECT_EQ(lost, 0);
	EXPECT(xmp.n > N_TEXT);
	EXPECT_HOLDS(xmp, "a-title");
	block_fini(&xmp);
	block_fini(&extended);
	block_fini(&main);
	block_fini(&packet);
	block_fini(&text);
}

TEST(metadata_xmp, a_large_xmp_attribute_is_moved_to_the_extended_part_as_an_element)
{
	struct block packet = packet_of(
		"dc:title='0123456789012345678901234567890123456789'", "");
	struct block main = {0}, extended = {0};
	char guid[XMP_GUID_BYTES + 1];

	EXPECT(!xmp_split(block_bytes(&packet), 200, &main, &extended, guid));
	block_fini(&main);
	block_fini(&extended);
	REQUIRE(xmp_split(block_bytes(&packet), packet.n + 100, &main, &extended, guid));
	EXPECT_HOLDS(extended,
	             "<dc:title>0123456789012345678901234567890123456789</dc:title>");
	EXPECT_HOLDS_NOT(main, "title");
	block_fini(&main);
	block_fini(&extended);
	block_fini(&packet);
}

TEST(metadata_xmp,
     location_properties_in_the_namespaces_rdf_and_adobe_ns_meta_are_dropped)
{
	static const char *const packets[][2] = {
		{"rdf:GPSLatitude='48' dc:source='kept'", ""},
		{"xmlns:x='adobe:ns:meta/' x:GPSLatitude='48' dc:source='kept'", ""},
		{"dc:source='kept'", "<rdf:GPSLatitude>48</rdf:GPSLatitude>"},
		{"xmlns:x='adobe:ns:meta/' dc:source='kept'",
	         "<x:GPSLatitude>48</x:GPSLatitude>"},
	};
	struct metadata_target target = fixture_target();
	unsigned lost;

	for (size_t i = 0; i < N_OF(packets); i++) {
		struct block xmp = kept(packets[i][0], packets[i][1], KEEP_XMP, &target,
		                        &lost);

		EXPECT_HOLDS(xmp, "kept");
		EXPECT_HOLDS_NOT(xmp, "GPSLatitude=");
		EXPECT_HOLDS_NOT(xmp, "GPSLatitude>");
		block_fini(&xmp);
	}
}

TEST(metadata_xmp, filtering_a_packet_twice_gives_the_same_bytes)
{
	struct metadata_target target = fixture_target();
	unsigned lost;
	/* The attribute GCamera:MicroVideo is the first use of its namespace, and is dropped. The
	 * element GCamera:Kept is the last use of this namespace, and is kept. */
	struct block once = kept("GCamera:MicroVideo='1' dc:source='kept'",
	                         "<GCamera:Kept>1</GCamera:Kept>", KEEP_XMP, &target,
	                         &lost);
	struct block twice = filtered(block_bytes(&once), KEEP_XMP, &target, &lost);

	EXPECT_HOLDS(once, "GCamera:Kept");
	EXPECT(bytes_equal(block_bytes(&once), block_bytes(&twice)));
	block_fini(&once);
	block_fini(&twice);
}
