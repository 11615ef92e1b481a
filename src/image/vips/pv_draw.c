/*
 * Draws SVG and PDF, which have no pixels, at the requested size. librsvg draws SVG. libvips draws
 * PDF with poppler. If a font cannot be read, librsvg and poppler go on and leave out the text. So
 * the fonts are checked before drawing, and the messages of the libraries are checked after
 * drawing.
 */
#include "image/vips/engine_vips.h"

#include <errno.h>
#include <fcntl.h>
#include <fontconfig/fontconfig.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gio.h>
#include <librsvg/rsvg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * ---- fonts ----
 *
 * fontconfig finds the fonts of this machine once, in the fork server. Workers inherit the list of
 * fonts, and open only the font files themselves.
 */

/* The folder of the Debian package poppler-data, where poppler looks for CMap files. */
#define POPPLER_FOLDER "/usr/share/poppler"

static struct {
	char **at; /* an array that ends with NULL */
	size_t n;
} folders;

static bool is_known(const char *folder)
{
	for (size_t i = 0; i < folders.n; i++) {
		if (strcmp(folders.at[i], folder) == 0)
			return true;
	}
	return false;
}

/* Add a folder to the list, unless the list has it already. Returns false if memory ran out. */
static bool add_folder(const char *folder)
{
	char **at;

	if (is_known(folder))
		return true;
	at = reallocarray(folders.at, folders.n + 2, sizeof(*at));
	if (!at)
		return false;
	folders.at = at;
	at[folders.n] = strdup(folder);
	at[folders.n + 1] = NULL;
	return at[folders.n++] != NULL;
}

/* Add the folder of a font file to the list. Symbolic links are resolved, because Landlock checks
 * the real path of a file. A font file that does not exist is skipped; fonts_are_there() reports
 * it. Returns false if memory ran out. */
static bool add_folder_of(const char *font)
{
	char *path = realpath(font, NULL), *slash = path ? strrchr(path, '/') : NULL;
	bool has_memory = true;

	if (slash && slash > path) {
		*slash = 0;
		has_memory = add_folder(path);
	}
	free(path);
	return has_memory;
}

/* The path of the file of font i, or NULL after the last font. */
static const char *font_at(int i)
{
	FcFontSet *set = FcConfigGetFonts(NULL, FcSetSystem);
	FcChar8 *file;

	if (!set || i >= set->nfont ||
	    FcPatternGetString(set->fonts[i], FC_FILE, 0, &file) != FcResultMatch)
		return NULL;
	return (const char *)file;
}

/* Start fontconfig, and list the folders of all font files. Returns false with a failure if
 * fontconfig cannot start, or if memory ran out. */
static bool fonts_start(struct failure *ret_failure)
{
	const char *font;
	bool has_memory;

	if (!FcInit())
		return failure_set(ret_failure, FAIL_INTERNAL, "fontconfig cannot start");
	/* fontconfig must never look for new fonts, because workers inherit this configuration and
	 * cannot list the folders. */
	FcConfigSetRescanInterval(NULL, 0);
	has_memory = add_folder(POPPLER_FOLDER);
	for (int i = 0; has_memory && (font = font_at(i)); i++)
		has_memory = add_folder_of(font);
	return has_memory ||
	       failure_set(ret_failure, FAIL_MEMORY, "no memory for the names of fonts");
}

const char *const *pv_font_folders(void)
{
	return (const char *const *)folders.at;
}

/* Check that at least one font is installed and that every font file can be opened. If a font file
 * cannot be opened, text in this font would be left out without a message. Returns false with a
 * failure if the check fails. */
static bool fonts_are_there(struct failure *ret_failure)
{
	const char *font;
	int fd, i = 0;

	for (; (font = font_at(i)); i++) {
		fd = open(font, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return failure_set(
				ret_failure, FAIL_UNSUPPORTED,
				"header: cannot draw all text: cannot open the "
				"font %s: %s",
				font, strerrordesc_np(errno));
		close(fd);
	}
	if (i == 0)
		return failure_set(ret_failure, FAIL_UNSUPPORTED,
		                   "header: cannot draw text: no font is installed; "
		                   "install one, e.g. fonts-dejavu-core");
	return true;
}

/* Two test pictures, an SVG and a PDF. Each draws one letter. */
static const char sample_svg[] = "<svg xmlns='http://www.w3.org/2000/svg' width='9' "
				 "height='9'><text y='9'>M</text></svg>";
static const char sample_pdf[] =
	"%PDF-1.1\n"
	"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
	"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R\n"
	"/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
	"4 0 obj<</Length 19>>stream\nBT/F 12 Tf(M)Tj ET\n\nendstream endobj\n"
	"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
	"trailer<</Root 1 0 R>>\n%%EOF\n";

/* The range of scales that libvips accepts for a PDF. */
static const double least_scale = 0.001, most_scale = 100000;

enum { MOST_UNPACKED_BYTES = 64 << 20 };

/* ---- text that is not drawn ---- */

/* the first message about missing text; "": no text is missing */
static char missing_text[FAILURE_TEXT_BYTES / 2];

void pv_draw_note_message(const char *domain, const char *message)
{
	static const struct {
		const char *domain, *words;
	} known[] = {
		{"Poppler", "Missing language pack"},
		{"Poppler", "' CMap file for '"},
		{"Poppler", "Unknown CMap"},
		{"Poppler", "find a font"},
		{"Poppler", "No font in"},
		{"Pango", "to create cairo"},
		{"Pango", "to choose a font"},
		{"Pango", "font fallbacks failed"},
		{"Pango", "shaping failure"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!*missing_text && strcmp(domain, known[i].domain) == 0 &&
		    strstr(message, known[i].words))
			snprintf(missing_text, sizeof(missing_text), "%s", message);
	}
	engine_one_line(missing_text);
}

/* Get the message about missing text. The prefix that poppler adds, such as "Syntax error at
 * position -1: ", is left out. */
static const char *what_is_missing(void)
{
	const char *place = strstr(missing_text, " at position "),
		   *words = place ? strstr(place, ": ") : NULL;

	return words ? words + 2 : missing_text;
}

bool pv_draw_has_all_text(enum image_format format, struct failure *ret_failure)
{
	const char *hint = "";

	if (!format_info(format)->is_drawn || !*missing_text)
		return true;
	/* "No font in" means that the file is faulty: it names no font for its text. */
	if (strstr(missing_text, "No font in"))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "decode: cannot draw all text: %s", what_is_missing());
	if (strstr(missing_text, "language pack") || strstr(missing_text, "CMap"))
		hint = ": install poppler-data";
	else if (format == FORMAT_PDF)
		hint = ": install a font for this text";
	return failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "decode: cannot draw all text: %s%s", what_is_missing(), hint);
}

/* ---- SVG ---- */

static RsvgHandle *open_svg(const void *bytes, size_t n, struct failure *ret_failure)
{
	GError *error = NULL;
	RsvgHandle *svg = rsvg_handle_new_from_data(bytes, n, &error);

	if (svg)
		rsvg_handle_set_dpi(svg, 96);
	else
		failure_set(ret_failure, FAIL_BAD_IMAGE, "header: %s",
		            error ? error->message : "librsvg gives no reason");
	g_clear_error(&error);
	return svg;
}

/* Convert a length to CSS pixels. Returns 0 for a length in percent, em or ex, which is relative to
 * a size that is not known here. */
static double pixels_of(const RsvgLength *length)
{
	switch (length->unit) {
	case RSVG_UNIT_PX:
		return length->length;
	case RSVG_UNIT_IN:
		return length->length * 96;
	case RSVG_UNIT_CM:
		return length->length * 96 / 2.54;
	case RSVG_UNIT_MM:
		return length->length * 96 / 25.4;
	case RSVG_UNIT_PT:
		return length->length * 96 / 72;
	case RSVG_UNIT_PC:
		return length->length * 96 / 6;
	case RSVG_UNIT_PERCENT:
	default:
		return 0;
	}
}

/* For a length in percent, returns the fraction of the viewBox's side. Else returns 1. */
static double share_of(const RsvgLength *length)
{
	return length->unit == RSVG_UNIT_PERCENT ? length->length : 1;
}

/* Compute the size of an SVG from its viewBox. If only one side is declared, the other side follows
 * from the aspect ratio of the viewBox. Returns false if the SVG has no viewBox. */
static bool measure_box(struct pv_state *state)
{
	gboolean has_width, has_height, has_box;
	RsvgLength width, height;
	RsvgRectangle box;
	double declared;

	rsvg_handle_get_intrinsic_dimensions(state->svg, &has_width, &width, &has_height,
	                                     &height, &has_box, &box);
	if (!has_box || !(box.width > 0) || !(box.height > 0))
		return false;
	state->svg_width = box.width * (has_width ? share_of(&width) : 1);
	state->svg_height = box.height * (has_height ? share_of(&height) : 1);
	declared = has_width ? pixels_of(&width) : 0;
	if (declared > 0) {
		state->svg_width = declared;
		state->svg_height = declared * box.height / box.width;
	}
	declared = has_height ? pixels_of(&height) : 0;
	if (declared > 0) {
		state->svg_width = declared * box.width / box.height;
		state->svg_height = declared;
	}
	return true;
}

/* Find the size of an SVG. It is the first of these that the SVG has: a declared size, the size of
 * the viewBox, the size of the contents. */
static void measure_svg(struct pv_state *state)
{
	/* The default size of an SVG in CSS. Only lengths in percent depend on it. */
	const RsvgRectangle viewport = {0, 0, 300, 150};
	RsvgRectangle ink = {0};

	if (rsvg_handle_get_intrinsic_size_in_pixels(state->svg, &state->svg_width,
	                                             &state->svg_height) ||
	    measure_box(state))
		return;
	rsvg_handle_get_geometry_for_layer(state->svg, NULL, &viewport, &ink, NULL, NULL);
	state->svg_width = ink.width;
	state->svg_height = ink.height;
	state->svg_x = ink.x;
	state->svg_y = ink.y;
}

/* Copy a rendered tile into a picture of RGBA. cairo has multiplied the colours by alpha, so they
 * are divided by alpha. `pixels` points to the first pixel of the tile in the picture. A row of the
 * picture has n_row bytes. */
static void take_tile(cairo_surface_t *tile, uint8_t *pixels, size_t n_row)
{
	const uint8_t *rows = cairo_image_surface_get_data(tile);
	int width = cairo_image_surface_get_width(tile);
	size_t n_tile_row = (size_t)cairo_image_surface_get_stride(tile);

	for (int y = 0; y < cairo_image_surface_get_height(tile); y++) {
		const uint32_t *from = (const void *)(rows + (size_t)y * n_tile_row);
		uint8_t *to = pixels + (size_t)y * n_row;

		for (int x = 0; x < width; x++, to += 4) {
			uint32_t alpha = from[x] >> 24;

			if (alpha == 0)
				continue;
			for (int band = 0; band < 3; band++) {
				uint32_t sample = from[x] >> (16 - 8 * band) & 255;

				to[band] = (uint8_t)((sample * 255 + alpha / 2) / alpha);
			}
			to[3] = (uint8_t)alpha;
		}
	}
}

/* Render a tile of a drawing. `to` is the size of the whole drawing. The top left pixel of the tile
 * is at x, y in the drawing. */
static bool render_tile(cairo_surface_t *tile, const struct pv_state *state,
                        struct size to, uint32_t x, uint32_t y)
{
	const RsvgRectangle viewport = {0, 0, state->svg_x + state->svg_width,
	                                state->svg_y + state->svg_height};
	cairo_t *context = cairo_create(tile);
	GError *error = NULL;
	bool is_done;

	cairo_translate(context, -(double)x, -(double)y);
	cairo_scale(context, to.width / state->svg_width, to.height / state->svg_height);
	cairo_translate(context, -state->svg_x, -state->svg_y);
	is_done = rsvg_handle_render_document(state->svg, context, &viewport, &error) &&
	          cairo_status(context) == CAIRO_STATUS_SUCCESS;
	if (!is_done)
		vips_error("svg", "%s",
		           error ? error->message
		                 : cairo_status_to_string(cairo_status(context)));
	g_clear_error(&error);
	cairo_destroy(context);
	cairo_surface_flush(tile);
	return is_done;
}

/* Draw an SVG into a picture of RGBA that is all zeros. The SVG is drawn in tiles for two reasons:
 * cairo supports sides of at most 32767 pixels, and a small tile needs little memory. */
static bool draw_tiles(const struct pv_state *state, struct size to, uint8_t *pixels)
{
	enum { TILE = 2048 };

	for (uint32_t y = 0; y < to.height; y += TILE) {
		for (uint32_t x = 0; x < to.width; x += TILE) {
			uint32_t width = to.width - x < TILE ? to.width - x : TILE;
			uint32_t height = to.height - y < TILE ? to.height - y : TILE;
			cairo_surface_t *tile = cairo_image_surface_create(
				CAIRO_FORMAT_ARGB32, (int)width, (int)height);
			bool is_done = render_tile(tile, state, to, x, y);

			if (is_done)
				take_tile(tile, pixels + ((size_t)y * to.width + x) * 4,
				          (size_t)to.width * 4);
			cairo_surface_destroy(tile);
			if (!is_done)
				return false;
		}
	}
	return true;
}

static void free_pixels(VipsImage *image, void *pixels)
{
	(void)image;
	free(pixels);
}

static bool draw_svg(VipsImage **ret_image, const struct pv_state *state, struct size to)
{
	size_t n = (size_t)to.width * to.height * 4;
	uint8_t *pixels = calloc(n, 1);

	*ret_image = NULL;
	if (!pixels)
		vips_error("svg", "out of memory");
	else if (draw_tiles(state, to, pixels))
		*ret_image = vips_image_new_from_memory(
			pixels, n, (int)to.width, (int)to.height, 4, VIPS_FORMAT_UCHAR);
	if (!*ret_image) {
		free(pixels);
		return false;
	}
	(*ret_image)->Type = VIPS_INTERPRETATION_sRGB;
	g_signal_connect(*ret_image, "postclose", G_CALLBACK(free_pixels), pixels);
	return true;
}

void pv_draw_close(struct pv_state *state)
{
	if (state->svg)
		g_object_unref(state->svg);
	state->svg = NULL;
}

/* ---- starting and testing ---- */

/* Draw a test picture. */
static bool draw_sample(VipsImage **ret_image, enum image_format format,
                        const void *bytes, size_t n, struct failure *ret_failure)
{
	struct pv_state state = {0};
	VipsSource *source;
	bool is_done;

	if (format == FORMAT_SVG) {
		state.svg = open_svg(bytes, n, ret_failure);
		if (!state.svg)
			return false;
		measure_svg(&state);
		is_done = draw_svg(ret_image, &state, (struct size){9, 9});
		pv_draw_close(&state);
	} else {
		source = vips_source_new_from_memory(bytes, n);
		is_done = source &&
		          !vips_call(pv_loader_of(format), source, ret_image, NULL);
		VIPS_UNREF(source);
	}
	return is_done || pv_fail(ret_failure, "decode", FAIL_INTERNAL);
}

static bool is_drawn_whole(enum image_format format, const void *bytes, size_t n,
                           struct failure *ret_failure)
{
	VipsImage *image = NULL;
	double deviation = 0;
	int error;

	*missing_text = 0;
	if (!draw_sample(&image, format, bytes, n, ret_failure))
		return false;
	error = vips_deviate(image, &deviation, NULL);
	g_object_unref(image);
	if (error)
		return pv_fail(ret_failure, "decode", FAIL_INTERNAL);
	if (!pv_draw_has_all_text(format, ret_failure))
		return false;
	return deviation > 0 || failure_set(ret_failure, FAIL_UNSUPPORTED,
	                                    "decode: this libvips draws a test "
	                                    "picture without its text");
}

bool pv_draws(enum image_format format, struct failure *ret_failure)
{
	if (!pv_reads(format))
		return failure_set(
			ret_failure, FAIL_UNSUPPORTED,
			"format: %s cannot be read: this libvips cannot render it",
			format_info(format)->name);
	if (!fonts_are_there(ret_failure))
		return false;
	return format == FORMAT_SVG ? is_drawn_whole(format, sample_svg,
	                                             sizeof(sample_svg) - 1, ret_failure)
	                            : is_drawn_whole(format, sample_pdf,
	                                             sizeof(sample_pdf) - 1, ret_failure);
}

/* Close a loader of gdk-pixbuf. The loader of SVG leaks memory if it is closed before it has
 * received a file, so it receives a small SVG. */
static void end_module(GdkPixbufLoader *loader, const char *name)
{
	static const char nothing[] = "<svg xmlns='http://www.w3.org/2000/svg' "
				      "width='1' height='1'/>";

	if (strcmp(name, "svg") == 0)
		gdk_pixbuf_loader_write(loader, (const guchar *)nothing,
		                        sizeof(nothing) - 1, NULL);
	gdk_pixbuf_loader_close(loader, NULL);
	g_object_unref(loader);
}

/* Open the loader modules of gdk-pixbuf before workers are forked. gdk-pixbuf decodes the pictures
 * in an SVG, and opens a module when it first needs this module. A worker may open only files in
 * the folders of pv_font_folders().
 * Without the module, librsvg would leave out the picture without a message. */
static void load_modules(void)
{
	GSList *formats = gdk_pixbuf_get_formats();

	for (GSList *at = formats; at; at = at->next) {
		char *name = gdk_pixbuf_format_get_name(at->data);
		GdkPixbufLoader *loader = gdk_pixbuf_loader_new_with_type(name, NULL);

		if (loader)
			end_module(loader, name);
		g_free(name);
	}
	g_slist_free(formats);
}

/* Prepare drawing before workers are forked. A test SVG is opened, but not drawn, so that librsvg
 * is initialised once and not in each worker. No PDF is opened, because poppler would start a
 * thread. */
bool pv_draw_start(struct failure *ret_failure)
{
	struct failure failure = {0};
	RsvgHandle *svg;

	if (engine_drawing() != DRAWING_HERE)
		return true;
	if (!fonts_start(ret_failure))
		return false;
	if (pv_reads(FORMAT_SVG)) {
		load_modules();
		svg = open_svg(sample_svg, sizeof(sample_svg) - 1, &failure);
		if (svg)
			g_object_unref(svg);
	}
	return true;
}

/* ---- compressed SVG ---- */

/* Decompress some bytes of the source, beginning at offset *at, and move *at past them. Returns
 * false at the end of the compressed data, or if the data is damaged. */
static bool unpack_some(GConverter *converter, const struct source *source, size_t *at,
                        uint8_t *room, size_t n_room, size_t *n_unpacked,
                        GConverterResult *ret_result)
{
	GError *error = NULL;
	gsize n_read = 0, n_written = 0;

	*ret_result = g_converter_convert(
		converter, source->bytes + *at, source->n_bytes - *at, room, n_room,
		G_CONVERTER_INPUT_AT_END, &n_read, &n_written, &error);
	g_clear_error(&error);
	*at += n_read;
	*n_unpacked += n_written;
	return *ret_result == G_CONVERTER_CONVERTED;
}

/* Decompress the first gzip member of the source into *ret_bytes, which the caller frees. Data
 * after the member is ignored. Returns false with a failure if the data is damaged or too long, or
 * memory ran out. */
static bool unpack(const struct source *source, uint8_t **ret_bytes, size_t *ret_n,
                   struct failure *ret_failure)
{
	GZlibDecompressor *gzip = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP);
	GConverterResult result = G_CONVERTER_CONVERTED;
	size_t n_room = 64 << 10, at = 0;
	uint8_t *more;

	*ret_n = 0;
	*ret_bytes = malloc(n_room);
	while (*ret_bytes && *ret_n < MOST_UNPACKED_BYTES &&
	       unpack_some(G_CONVERTER(gzip), source, &at, *ret_bytes + *ret_n,
	                   n_room - *ret_n, ret_n, &result)) {
		if (n_room > *ret_n)
			continue;
		more = realloc(*ret_bytes, n_room * 2);
		if (!more)
			free(*ret_bytes);
		*ret_bytes = more;
		n_room *= 2;
	}
	g_object_unref(gzip);
	if (!*ret_bytes)
		return failure_set(ret_failure, FAIL_MEMORY,
		                   "header: no memory to decompress the SVG");
	if (result == G_CONVERTER_FINISHED)
		return true;
	free(*ret_bytes);
	*ret_bytes = NULL;
	if (*ret_n >= MOST_UNPACKED_BYTES)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the decompressed SVG is larger than %d MiB",
		                   MOST_UNPACKED_BYTES >> 20);
	return failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "header: the compressed SVG is damaged");
}

static bool unpack_source(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	uint8_t *bytes;
	size_t n;

	if (source->n_bytes < 2 || source->bytes[0] != 0x1f)
		return true;
	if (!unpack(source, &bytes, &n, ret_failure))
		return false;
	state->unpacked = bytes;
	/* format_of_bytes() gets an empty name. With the name of the file, which may end with
	 * .svgz, format_of_bytes() would take gzip data inside the gzip data for an SVG. */
	if (format_of_bytes(bytes, n, "") != FORMAT_SVG)
		return failure_set(
			ret_failure, FAIL_BAD_IMAGE,
			"header: the gzip-compressed file does not contain an SVG");
	state->n_unpacked = n;
	return true;
}

/* ---- from the header to the pixels ---- */

/* Load the first page of a PDF at this scale. libvips draws the page only when its pixels are read.
 * Returns false on an error, and also if libvips has refused the size without an error. */
static bool load_at(VipsImage **ret_image, const struct pv_state *state, double scale)
{
	pv_has_refused_size = false;
	if (vips_call(pv_loader_of(FORMAT_PDF), state->bytes, ret_image, "access",
	              VIPS_ACCESS_SEQUENTIAL, "scale", scale, NULL))
		return false;
	if (!pv_has_refused_size)
		return true;
	g_object_unref(*ret_image);
	*ret_image = NULL;
	return false;
}

/* Whether a PDF has an end marker after its last object. If a PDF is truncated, poppler draws it
 * without the missing part. Other bytes may follow the end marker. */
static bool pdf_is_whole(const struct source *source)
{
	const uint8_t *bytes = source->bytes;
	size_t n = source->n_bytes;

	for (size_t at = n; at-- > 0;) {
		if (bytes[at] == '%' && n - at >= 5 &&
		    memcmp(bytes + at, "%%EOF", 5) == 0)
			return true;
		if (bytes[at] == 'o' && n - at >= 3 && memcmp(bytes + at, "obj", 3) == 0)
			return false;
	}
	return false;
}

static bool fail_of_size(struct failure *ret_failure)
{
	return failure_set(ret_failure, FAIL_TOO_BIG,
	                   "header: a side is over %d, the maximum of libvips",
	                   VIPS_MAX_COORD);
}

static bool open_pdf(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	VipsImage *image;

	source->is_damaged |= !pdf_is_whole(source);
	if (source->is_damaged && source->reading->fail_on != FAIL_ON_NONE)
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the PDF ends early");
	if (!load_at(&image, state, 1))
		return pv_has_refused_size
		               ? fail_of_size(ret_failure)
		               : pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	state->stored = (struct size){(uint32_t)vips_image_get_width(image),
	                              (uint32_t)vips_image_get_height(image)};
	source->n_stored = (uint32_t)vips_image_get_n_pages(image);
	g_object_unref(image);
	return true;
}

static bool open_source_svg(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	const void *bytes = state->unpacked ? state->unpacked : source->bytes;
	size_t n = state->unpacked ? state->n_unpacked : source->n_bytes;

	state->svg = open_svg(bytes, n, ret_failure);
	if (!state->svg)
		return false;
	measure_svg(state);
	if (!(state->svg_width > 0) || !(state->svg_height > 0))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the SVG has no size and draws nothing");
	if (state->svg_width > VIPS_MAX_COORD || state->svg_height > VIPS_MAX_COORD)
		return fail_of_size(ret_failure);
	state->stored = (struct size){(uint32_t)fmax(1, state->svg_width + 0.5),
	                              (uint32_t)fmax(1, state->svg_height + 0.5)};
	state->has_alpha = true;
	return true;
}

bool pv_draw_open(struct source *source, struct failure *ret_failure)
{
	*missing_text = 0;
	if (!fonts_are_there(ret_failure))
		return false;
	if (source->format == FORMAT_PDF)
		return open_pdf(source, ret_failure);
	return unpack_source(source, ret_failure) && open_source_svg(source, ret_failure);
}

/* The smallest scale at which both sides are at least as long as those of `to`. */
static double find_scale(const struct size *to, double width, double height)
{
	return fmax(to->width / width, to->height / height);
}

static bool is_drawn_for(VipsImage *image, const struct size *to)
{
	int beyond_x = vips_image_get_width(image) - (int)to->width,
	    beyond_y = vips_image_get_height(image) - (int)to->height;

	return beyond_x >= 0 && beyond_y >= 0 && (beyond_x == 0 || beyond_y == 0);
}

/* Load the first page of a PDF, with both sides at least as long as those of `to`. The scale is
 * computed from the page's size, which libvips rounds to whole pixels. If this rounding makes the
 * drawn page too small or too large, the scale is corrected, and the page is loaded again. */
static bool load_pdf(VipsImage **ret_image, const struct pv_state *state,
                     const struct size *to)
{
	double scale = find_scale(to, state->stored.width, state->stored.height);

	for (int i = 0; i < 2; i++) {
		scale = fmin(fmax(scale, least_scale), most_scale);
		if (!load_at(ret_image, state, scale))
			return false;
		if (i == 1 || is_drawn_for(*ret_image, to))
			break;
		scale *= find_scale(to, vips_image_get_width(*ret_image),
		                    vips_image_get_height(*ret_image));
		g_object_unref(*ret_image);
	}
	return true;
}

bool pv_draw_load(VipsImage **ret_image, const struct pv_job *job)
{
	const struct size *to = job->has_layout ? &job->layout.scaled
	                                        : &job->state->stored;
	VipsImage *made = NULL;

	if (job->from == FORMAT_SVG)
		return draw_svg(ret_image, job->state, *to);
	/* The page was drawn on white, so every pixel is opaque, and alpha is dropped. */
	return load_pdf(ret_image, job->state, to) &&
	       pv_replace(ret_image, &made,
	                  vips_extract_band(*ret_image, &made, 0, "n", 3, NULL));
}
