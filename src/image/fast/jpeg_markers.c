/* Reads the marker segments of a JPEG file: frame, tables, scans. */
#include "image/fast/jpeg_markers.h"

#include <string.h>

/* Marker codes (T.81, table B.1). */
enum marker {
	MARKER_SOF0 = 0xc0, /* baseline */
	MARKER_SOF1 = 0xc1, /* extended sequential */
	MARKER_SOF2 = 0xc2, /* progressive */
	MARKER_DHT = 0xc4,
	MARKER_JPG = 0xc8,
	MARKER_DAC = 0xcc,
	MARKER_SOF15 = 0xcf,
	MARKER_RST0 = 0xd0,
	MARKER_RST7 = 0xd7,
	MARKER_SOI = 0xd8,
	MARKER_EOI = 0xd9,
	MARKER_SOS = 0xda,
	MARKER_DQT = 0xdb,
	MARKER_DNL = 0xdc,
	MARKER_DRI = 0xdd,
	MARKER_DHP = 0xde,
	MARKER_EXP = 0xdf,
	MARKER_APP0 = 0xe0,
	MARKER_APP14 = 0xee,
	MARKER_TEM = 0x01,
};

/* The state of the parser, without the result, which is in `file`. */
struct jpg_parser {
	const uint8_t *at, *end;
	struct jpg_file *file;

	struct jpg_table_bytes huffman[N_JPG_TABLE_CLASSES][JPG_TABLES];
	bool has_quantization[JPG_TABLES];
	/* each table is in zigzag order */
	uint16_t quantization[JPG_TABLES][JPG_BLOCK_SIZE];
	uint32_t restart_interval;

	bool has_frame, has_jfif, has_adobe;
	uint8_t adobe_transform;

	/* For each coefficient of each component: the lowest bit that the scans so far have sent.
	 * -1: no bit. */
	int8_t known_bit[JPG_MAX_COMPONENTS][JPG_BLOCK_SIZE];
};

struct segment {
	const uint8_t *bytes; /* the data, without the length field */
	size_t n_bytes;
};

static enum read_status say(struct jpg_parser *parser, enum read_status status,
                            const char *reason)
{
	parser->file->reason = reason;
	return status;
}

static enum read_status damaged(struct jpg_parser *parser, const char *reason)
{
	return say(parser, READ_DAMAGED, reason);
}

static enum read_status cannot(struct jpg_parser *parser, const char *reason)
{
	return say(parser, READ_CANNOT, reason);
}

static unsigned number16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

/* Read quantization tables (B.2.4.1). */
static enum read_status read_dqt(struct jpg_parser *parser, struct segment segment)
{
	const uint8_t *at = segment.bytes, *end = at + segment.n_bytes;

	while (at < end) {
		unsigned precision = *at >> 4, table = *at & 15;
		size_t n_bytes = precision ? 2 * JPG_BLOCK_SIZE : JPG_BLOCK_SIZE;

		at++;
		if (precision > 1 || table >= JPG_TABLES || (size_t)(end - at) < n_bytes)
			return damaged(parser, "quantization table segment is damaged");
		for (size_t k = 0; k < JPG_BLOCK_SIZE; k++) {
			unsigned step = precision ? number16(at + 2 * k) : at[k];

			/* With samples of 8 bits, a quantization step above INT16_MAX makes no
			 * sense. */
			if (step == 0 || step > INT16_MAX)
				return damaged(parser, "quantization step out of range");
			parser->quantization[table][k] = (uint16_t)step;
		}
		parser->has_quantization[table] = true;
		at += n_bytes;
	}
	return READ_OK;
}

/* Record where the Huffman tables are in the file (B.2.4.2). A table is built when a scan uses it:
 * see jpg_huffman_get(). */
static enum read_status read_dht(struct jpg_parser *parser, struct segment segment)
{
	const uint8_t *at = segment.bytes, *end = at + segment.n_bytes;

	while (at < end) {
		unsigned class = *at >> 4, table = *at & 15;
		size_t n_bytes = JPG_COUNTS;

		at++;
		if (class >= N_JPG_TABLE_CLASSES || table >= JPG_TABLES ||
		    end - at < JPG_COUNTS)
			return damaged(parser, "Huffman table segment is damaged");
		for (size_t i = 0; i < JPG_COUNTS; i++)
			n_bytes += at[i];
		if (n_bytes > JPG_COUNTS + JPG_MAX_SYMBOLS ||
		    (size_t)(end - at) < n_bytes)
			return damaged(parser, "Huffman table has too many symbols");
		parser->huffman[class][table] = (struct jpg_table_bytes){at, n_bytes};
		at += n_bytes;
	}
	return READ_OK;
}

/* Read the restart interval (B.2.4.4). */
static enum read_status read_dri(struct jpg_parser *parser, struct segment segment)
{
	if (segment.n_bytes != 2)
		return damaged(parser, "restart interval segment is damaged");
	parser->restart_interval = number16(segment.bytes);
	return READ_OK;
}

static void read_app0(struct jpg_parser *parser, struct segment segment)
{
	if (segment.n_bytes >= 14 && memcmp(segment.bytes, "JFIF", 5) == 0)
		parser->has_jfif = true;
}

static void read_app14(struct jpg_parser *parser, struct segment segment)
{
	if (segment.n_bytes < 12 || memcmp(segment.bytes, "Adobe", 5) != 0)
		return;
	parser->has_adobe = true;
	parser->adobe_transform = segment.bytes[11];
}

static enum read_status read_frame_component(struct jpg_parser *parser, unsigned i,
                                             const uint8_t bytes[3])
{
	struct jpg_file *file = parser->file;
	struct jpg_frame_component *component = &file->component[i];

	component->id = bytes[0];
	component->h = bytes[1] >> 4;
	component->v = bytes[1] & 15;
	component->quantization_table = bytes[2];
	if (component->h < 1 || component->h > JPG_MAX_FACTOR || component->v < 1 ||
	    component->v > JPG_MAX_FACTOR || component->quantization_table >= JPG_TABLES)
		return damaged(parser, "frame header is damaged");
	for (unsigned j = 0; j < i; j++) {
		if (file->component[j].id == component->id)
			return damaged(parser, "two components have the same identifier");
	}
	/* If the frame has a single component, its sampling factors in the header are ignored
	 * (A.2.2). */
	if (file->n_components == 1)
		component->h = component->v = 1;
	if (component->h > file->h_max)
		file->h_max = component->h;
	if (component->v > file->v_max)
		file->v_max = component->v;
	return READ_OK;
}

/* Read the frame header (B.2.2). */
static enum read_status read_frame(struct jpg_parser *parser, unsigned marker,
                                   struct segment segment)
{
	struct jpg_file *file = parser->file;
	const uint8_t *bytes = segment.bytes;

	if (marker > MARKER_SOF2)
		return cannot(
			parser,
			"lossless, hierarchical and arithmetic JPEG are not supported");
	if (parser->has_frame)
		return damaged(parser, "two frame headers");
	if (segment.n_bytes < 6 || segment.n_bytes != 6 + 3 * (size_t)bytes[5])
		return damaged(parser, "frame header is damaged");
	if (bytes[0] != 8)
		return cannot(parser, "samples do not have 8 bits");
	file->is_progressive = marker == MARKER_SOF2;
	file->height = number16(bytes + 1);
	file->width = number16(bytes + 3);
	file->n_components = bytes[5];
	if (file->width == 0)
		return damaged(parser, "the width of the picture is 0");
	if (file->height == 0)
		return cannot(parser,
		              "a height after the first scan (DNL) is not supported");
	if (file->n_components != 1 && file->n_components != 3 && file->n_components != 4)
		return cannot(parser,
		              "the picture must have one, three or four components");
	for (unsigned i = 0; i < file->n_components; i++) {
		enum read_status status = read_frame_component(parser, i,
		                                               bytes + 6 + (size_t)3 * i);

		if (status != READ_OK)
			return status;
	}
	parser->has_frame = true;
	return READ_OK;
}

/* Whether three components are RGB and not YCbCr. No field says this directly, so all readers
 * guess. This function guesses as libjpeg does. A file with a JFIF segment is YCbCr. Without a JFIF
 * segment, an Adobe segment decides. Without both, the identifiers of the components decide. */
static bool is_rgb(const struct jpg_parser *parser)
{
	const struct jpg_frame_component *component = parser->file->component;

	if (parser->file->n_components != 3 || parser->has_jfif)
		return false;
	if (parser->has_adobe)
		return parser->adobe_transform == 0;
	return component[0].id == 'R' && component[1].id == 'G' && component[2].id == 'B';
}

/* Move past the next marker and return its code, or 0 at the end of the file. Any number of fill
 * bytes 0xFF may precede a marker (B.1.1.2). */
static unsigned next_marker(struct jpg_parser *parser)
{
	while (parser->end - parser->at >= 2) {
		const uint8_t *ff = memchr(parser->at, 0xff,
		                           (size_t)(parser->end - parser->at));

		if (!ff) {
			parser->file->has_stray = true;
			break;
		}
		if (ff != parser->at)
			parser->file->has_stray = true;
		while (ff < parser->end && *ff == 0xff)
			ff++;
		parser->at = ff;
		if (ff == parser->end)
			break;
		parser->at++;
		if (*ff != 0)
			return *ff;
		parser->file->has_stray = true;
	}
	parser->at = parser->end;
	return 0;
}

/* Get the segment at parser->at and move past it. */
static enum read_status next_segment(struct jpg_parser *parser,
                                     struct segment *ret_segment)
{
	size_t n_left = (size_t)(parser->end - parser->at), length;

	if (n_left < 2)
		return say(parser, READ_TRUNCATED, "file ends inside a marker segment");
	length = number16(parser->at);
	if (length < 2)
		return damaged(parser, "the length of a marker segment is less than 2");
	if (length > n_left)
		return say(parser, READ_TRUNCATED, "file ends inside a marker segment");
	*ret_segment = (struct segment){parser->at + 2, length - 2};
	parser->at += length;
	return READ_OK;
}

static bool is_frame_marker(unsigned marker)
{
	return marker >= MARKER_SOF0 && marker <= MARKER_SOF15 && marker != MARKER_DHT &&
	       marker != MARKER_JPG && marker != MARKER_DAC;
}

/* Read any segment except SOS. */
static enum read_status read_segment(struct jpg_parser *parser, unsigned marker)
{
	struct segment segment;
	enum read_status status = next_segment(parser, &segment);

	if (status != READ_OK)
		return status;
	if (is_frame_marker(marker))
		return read_frame(parser, marker, segment);
	switch (marker) {
	case MARKER_DQT:
		return read_dqt(parser, segment);
	case MARKER_DHT:
		return read_dht(parser, segment);
	case MARKER_DRI:
		return read_dri(parser, segment);
	case MARKER_DAC:
		return cannot(parser, "arithmetic coding is not supported");
	case MARKER_DNL:
		return cannot(parser,
		              "a height after the first scan (DNL) is not supported");
	case MARKER_DHP:
	case MARKER_EXP:
		return cannot(parser, "hierarchical JPEG is not supported");
	case MARKER_APP0:
		read_app0(parser, segment);
		return READ_OK;
	case MARKER_APP14:
		read_app14(parser, segment);
		return READ_OK;
	default:
		return READ_OK; /* APPn, COM and reserved segments are ignored */
	}
}

/* Read segments up to the next SOS, and stop after its marker. *ret_marker becomes SOS, or EOI, or
 * 0 at the end of the file. */
static enum read_status read_up_to_scan(struct jpg_parser *parser, unsigned *ret_marker)
{
	for (;;) {
		unsigned marker = next_marker(parser);
		enum read_status status;

		*ret_marker = marker;
		if (marker == 0 || marker == MARKER_SOS || marker == MARKER_EOI)
			return READ_OK;
		if (marker == MARKER_TEM)
			continue;
		if (marker == MARKER_SOI)
			return damaged(parser, "a second start-of-image marker");
		if (marker >= MARKER_RST0 && marker <= MARKER_RST7)
			return damaged(parser, "a restart marker outside of a scan");
		status = read_segment(parser, marker);
		if (status != READ_OK)
			return status;
	}
}

/* Find the component with this identifier. Returns its index in the frame, or n_components if the
 * frame has no such component. */
static unsigned find_component(const struct jpg_file *file, uint8_t id)
{
	unsigned i = 0;

	while (i < file->n_components && file->component[i].id != id)
		i++;
	return i;
}

static enum read_status read_scan_components(struct jpg_parser *parser,
                                             struct jpg_scan *scan, const uint8_t *bytes)
{
	struct jpg_file *file = parser->file;
	unsigned n_blocks = 0;

	for (unsigned i = 0; i < scan->n_components; i++) {
		unsigned found = find_component(file, bytes[(size_t)2 * i]);
		unsigned dc = bytes[2 * i + 1] >> 4, ac = bytes[2 * i + 1] & 15;

		/* The components of a scan must have the order of the frame (B.2.3). This also
		 * ensures that no component occurs twice. */
		if (found == file->n_components ||
		    (i && found <= scan->component[i - 1]) || dc >= JPG_TABLES ||
		    ac >= JPG_TABLES)
			return damaged(parser, "scan header is damaged");
		scan->component[i] = (uint8_t)found;
		scan->dc[i] = parser->huffman[JPG_DC][dc];
		scan->ac[i] = parser->huffman[JPG_AC][ac];
		n_blocks += file->component[found].h * file->component[found].v;
	}
	if (scan->n_components > 1 && n_blocks > JPG_MCU_BLOCKS)
		return damaged(parser, "scan has too many blocks in an MCU");
	return READ_OK;
}

/* Check the order of a progressive scan: the bits that it sends must directly follow those of
 * earlier scans (G.1.1.1). */
static enum read_status check_progression(struct jpg_parser *parser,
                                          const struct jpg_scan *scan)
{
	bool is_dc = scan->ss == 0;

	if (is_dc ? scan->se != 0 : scan->se < scan->ss || scan->n_components != 1)
		return damaged(parser, "scan has an invalid range of coefficients");
	if (scan->se >= JPG_BLOCK_SIZE || scan->al > JPG_MAX_AL)
		return damaged(parser, "scan has an invalid range of coefficients");
	if (scan->ah && scan->ah != scan->al + 1)
		return damaged(parser, "scan refines more than one bit");
	for (unsigned i = 0; i < scan->n_components; i++) {
		int8_t *known_bit = parser->known_bit[scan->component[i]];

		if (!is_dc && known_bit[0] < 0)
			return damaged(parser, "AC scan comes before the DC scan");
		for (unsigned k = scan->ss; k <= scan->se; k++) {
			if (known_bit[k] != (scan->ah ? scan->ah : -1))
				return damaged(parser, "scan is out of order");
			known_bit[k] = (int8_t)scan->al;
		}
	}
	return READ_OK;
}

/* Check a scan of a sequential file: it must send all coefficients of its components, and no
 * component may have two scans. */
static enum read_status check_sequence(struct jpg_parser *parser,
                                       const struct jpg_scan *scan)
{
	if (scan->ss != 0 || scan->se != JPG_BLOCK_SIZE - 1 || scan->ah || scan->al)
		return damaged(parser, "scan of a sequential file is incomplete");
	for (unsigned i = 0; i < scan->n_components; i++) {
		int8_t *known_bit = parser->known_bit[scan->component[i]];

		if (known_bit[0] >= 0)
			return damaged(parser, "a component has two scans");
		memset(known_bit, 0, JPG_BLOCK_SIZE);
	}
	return READ_OK;
}

static enum read_status check_tables(struct jpg_parser *parser,
                                     const struct jpg_scan *scan)
{
	bool is_sequential = !parser->file->is_progressive;
	bool needs_dc = is_sequential || (scan->ss == 0 && scan->ah == 0);
	bool needs_ac = is_sequential || scan->ss > 0;

	for (unsigned i = 0; i < scan->n_components; i++) {
		if ((needs_dc && !scan->dc[i].bytes) || (needs_ac && !scan->ac[i].bytes))
			return damaged(parser, "scan has no Huffman table");
	}
	return READ_OK;
}

static enum read_status latch_quantization(struct jpg_parser *parser,
                                           const struct jpg_scan *scan)
{
	for (unsigned i = 0; i < scan->n_components; i++) {
		struct jpg_frame_component *component =
			&parser->file->component[scan->component[i]];
		unsigned table = component->quantization_table;

		if (component->has_quantization)
			continue;
		if (!parser->has_quantization[table])
			return damaged(parser, "a component has no quantization table");
		memcpy(component->quantization, parser->quantization[table],
		       sizeof(component->quantization));
		component->has_quantization = true;
	}
	return READ_OK;
}

/* Find the end of a scan's entropy-coded segments, which begin at `at`. They end at the first
 * marker that is not a restart marker, or at the end of the file. */
static const uint8_t *end_of_entropy(const uint8_t *at, const uint8_t *end)
{
	while (at < end) {
		const uint8_t *ff = memchr(at, 0xff, (size_t)(end - at));

		if (!ff)
			return end;
		at = ff + 1;
		while (at < end && *at == 0xff)
			at++;
		if (at == end)
			return ff;
		if (*at != 0 && (*at < MARKER_RST0 || *at > MARKER_RST7))
			return ff;
		at++;
	}
	return end;
}

/* Read a scan header (B.2.3). */
static enum read_status read_scan(struct jpg_parser *parser)
{
	struct jpg_file *file = parser->file;
	struct jpg_scan *scan = &file->scan[file->n_scans];
	struct segment segment;
	const uint8_t *band;
	enum read_status status = next_segment(parser, &segment);

	if (status != READ_OK)
		return status;
	if (segment.n_bytes < 6 || segment.bytes[0] < 1 ||
	    segment.bytes[0] > file->n_components ||
	    segment.n_bytes != 4 + 2 * (size_t)segment.bytes[0])
		return damaged(parser, "scan header is damaged");
	*scan = (struct jpg_scan){.n_components = segment.bytes[0],
	                          .restart_interval = parser->restart_interval};
	band = segment.bytes + 1 + (size_t)2 * scan->n_components;
	scan->ss = band[0];
	scan->se = band[1];
	scan->ah = band[2] >> 4;
	scan->al = band[2] & 15;

	status = read_scan_components(parser, scan, segment.bytes + 1);
	if (status == READ_OK)
		status = file->is_progressive ? check_progression(parser, scan)
		                              : check_sequence(parser, scan);
	if (status == READ_OK)
		status = check_tables(parser, scan);
	if (status == READ_OK)
		status = latch_quantization(parser, scan);
	if (status != READ_OK)
		return status;

	scan->bytes = parser->at;
	parser->at = end_of_entropy(parser->at, parser->end);
	scan->n_bytes = (size_t)(parser->at - scan->bytes);
	file->n_scans++;
	return READ_OK;
}

static enum read_status read_up_to_first_scan(struct jpg_parser *parser,
                                              struct jpg_file *file, const uint8_t *bytes,
                                              size_t n_bytes)
{
	unsigned marker;
	enum read_status status;

	/* The array of scans is not cleared here, because each scan is cleared when it is read. */
	memset(file, 0, offsetof(struct jpg_file, scan));
	file->has_end = file->has_stray = false;
	file->reason = "";
	*parser = (struct jpg_parser){.at = bytes, .end = bytes + n_bytes, .file = file};
	memset(parser->known_bit, -1, sizeof(parser->known_bit));

	if (n_bytes < 2 || bytes[0] != 0xff || bytes[1] != MARKER_SOI)
		return cannot(parser, "no start-of-image marker");
	parser->at += 2;
	status = read_up_to_scan(parser, &marker);
	if (status != READ_OK)
		return status;
	if (marker == 0)
		return say(parser, READ_TRUNCATED, "file ends before its first scan");
	if (marker == MARKER_EOI || !parser->has_frame)
		return damaged(parser, "no frame header before the first scan");
	file->has_other_colours = file->n_components == 4 || is_rgb(parser);
	return READ_OK;
}

/* Check that every component has a scan. In a file without an end marker, also check that the scans
 * send every bit of every coefficient. */
static enum read_status check_completeness(struct jpg_parser *parser)
{
	struct jpg_file *file = parser->file;

	for (unsigned i = 0; i < file->n_components; i++) {
		const int8_t *known_bit = parser->known_bit[i];

		if (known_bit[0] < 0 && file->has_end)
			return damaged(parser, "a component has no scan");
		for (unsigned k = 0; k < JPG_BLOCK_SIZE && !file->has_end; k++) {
			if (known_bit[k] != 0)
				return say(parser, READ_TRUNCATED,
				           "file ends before its last scan");
		}
	}
	return READ_OK;
}

enum read_status jpg_file_read(struct jpg_file *ret_file, const uint8_t *bytes,
                               size_t n_bytes)
{
	struct jpg_parser parser;
	unsigned marker = MARKER_SOS;
	enum read_status status = read_up_to_first_scan(&parser, ret_file, bytes,
	                                                n_bytes);

	while (status == READ_OK && marker == MARKER_SOS) {
		if (ret_file->n_scans == JPG_MAX_SCANS)
			return cannot(&parser, "too many scans");
		status = read_scan(&parser);
		if (status == READ_OK)
			status = read_up_to_scan(&parser, &marker);
	}
	if (status != READ_OK)
		return status;
	ret_file->has_end = marker == MARKER_EOI;
	return check_completeness(&parser);
}
