/*
 * SVG and PDF have no pixels: they are drawn at the size that is asked for. librsvg and
 * poppler do that for libvips. Both continue when they cannot read a font, so the fonts
 * are checked before, and the messages of the libraries are watched.
 */
#include "image/vips/engine_vips.h"

#include <errno.h>
#include <fcntl.h>
#include <fontconfig/fontconfig.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gio/gio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * ---- fonts ----
 *
 * The fonts of this machine, as fontconfig finds them: once, in a process of one thread
 * from which the workers are forked. Workers open the font files and inherit the rest.
 */

/* The folder of the Debian package poppler-data, where poppler looks for CMap files. */
#define POPPLER_FOLDER "/usr/share/poppler"

static struct {
	char **at; /* NULL at the end */
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

/* False when memory runs out. */
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

/* Landlock checks the real path of a file, so links are resolved. A font that has
 * vanished is noticed later. */
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

/* The file of font number i; NULL past the last. */
static const char *font_at(int i)
{
	FcFontSet *set = FcConfigGetFonts(NULL, FcSetSystem);
	FcChar8 *file;

	if (!set || i >= set->nfont ||
	    FcPatternGetString(set->fonts[i], FC_FILE, 0, &file) != FcResultMatch)
		return NULL;
	return (const char *)file;
}

/* Find the fonts. False with a failure. */
static bool fonts_start(struct failure *ret_failure)
{
	const char *font;
	bool has_memory;

	if (!FcInit())
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "fontconfig does not start");
	/* The processes that inherit this cannot read the folders again. */
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

/* Whether there is a font, and each font can be opened. Text in a font that cannot be
 * opened would be missing without a message. Else a failure. */
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
		                   "header: cannot draw all text: no font is installed; "
		                   "install one, e.g. fonts-dejavu-core");
	return true;
}

/* Samples of one letter each. */
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

/* The range of scales that libvips accepts. */
static const double least_scale = 0.001, most_scale = 100000;

enum { MOST_UNPACKED_BYTES = 64 << 20 };

/* ---- text that is not drawn ---- */

/* the first message about it; "": none */
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

/* Skip a prefix such as "Syntax error at position -1: ". */
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
	/* A text without a font is a fault of the file. */
	if (strstr(missing_text, "No font in"))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "decode: cannot draw all text: %s", what_is_missing());
	if (strstr(missing_text, "language pack") || strstr(missing_text, "CMap"))
		hint = ": install poppler-data";
	else if (format == FORMAT_PDF)
		hint = ": install a font for it";
	return failure_set(ret_failure, FAIL_UNSUPPORTED,
	                   "decode: cannot draw all text: %s%s", what_is_missing(), hint);
}

/* ---- starting, and trying ---- */

static bool is_drawn_whole(enum image_format format, const void *bytes, size_t n,
                           struct failure *ret_failure)
{
	VipsSource *source = vips_source_new_from_memory(bytes, n);
	VipsImage *image = NULL;
	double deviation = 0;
	int error;

	*missing_text = 0;
	error = !source || vips_call(pv_loader_of(format), source, &image, NULL) ||
	        vips_deviate(image, &deviation, NULL);
	VIPS_UNREF(image);
	VIPS_UNREF(source);
	if (error)
		return pv_fail(ret_failure, "decode", FAIL_INTERNAL);
	if (!pv_draw_has_all_text(format, ret_failure))
		return false;
	return deviation > 0 || failure_set(ret_failure, FAIL_UNSUPPORTED,
	                                    "decode: text is missing in a test drawing");
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

/* The SVG loader leaks memory unless it was given a file. */
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

/* Pictures in an SVG are decoded by gdk-pixbuf. It opens its loader modules when it first
 * needs them, which is too late for a worker that may open only fonts; and librsvg skips
 * a picture that it cannot decode. So all modules are opened here. */
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

/* Open an SVG without drawing it, so that librsvg is not initialised again for each
 * picture. Doing the same with poppler would leave a thread behind. */
bool pv_draw_start(struct failure *ret_failure)
{
	VipsSource *source;
	VipsImage *image = NULL;

	if (engine_drawing() != DRAWING_HERE)
		return true;
	if (!fonts_start(ret_failure))
		return false;
	if (pv_reads(FORMAT_SVG)) {
		load_modules();
		source = vips_source_new_from_memory(sample_svg, sizeof(sample_svg) - 1);
		if (source)
			vips_call(pv_loader_of(FORMAT_SVG), source, &image, NULL);
		VIPS_UNREF(image);
		VIPS_UNREF(source);
		vips_error_clear();
	}
	return true;
}

/* ---- compressed SVG ---- */

/* Decompress some bytes. False at the end of the data, or when they are damaged. */
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

/* Decompress a whole gzip member into a new block; data after it are ignored. */
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
		                   "header: no memory to unpack the SVG");
	if (result == G_CONVERTER_FINISHED)
		return true;
	free(*ret_bytes);
	*ret_bytes = NULL;
	if (*ret_n >= MOST_UNPACKED_BYTES)
		return failure_set(ret_failure, FAIL_TOO_BIG,
		                   "header: the unpacked SVG is larger than %d MiB",
		                   MOST_UNPACKED_BYTES >> 20);
	return failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "header: the packed SVG is damaged");
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
	/* Check only the bytes: a file that is compressed twice is no SVG. */
	if (format_of_bytes(bytes, n, "") != FORMAT_SVG)
		return failure_set(
			ret_failure, FAIL_BAD_IMAGE,
			"header: the gzip-compressed file does not contain an SVG");
	VIPS_UNREF(state->bytes);
	state->bytes = vips_source_new_from_memory(bytes, n);
	return state->bytes ||
	       failure_set(ret_failure, FAIL_MEMORY, "header: out of memory");
}

/* ---- from the header to the pixels ---- */

/* Load the header, or the drawing, at this scale. False also when libvips refused the
 * size with only a warning. */
static bool load_at(VipsImage **ret_image, const struct pv_state *state,
                    enum image_format format, double scale)
{
	pv_has_refused_size = false;
	if (vips_call(pv_loader_of(format), state->bytes, ret_image, "access",
	              VIPS_ACCESS_SEQUENTIAL, "scale", scale, NULL))
		return false;
	if (!pv_has_refused_size)
		return true;
	g_object_unref(*ret_image);
	*ret_image = NULL;
	return false;
}

/* Poppler draws what is left of a truncated file. The end marker may have some bytes
 * after it, but no more than this. */
static bool pdf_is_whole(const struct source *source)
{
	enum { TAIL_BYTES = 1024 };
	size_t n = source->n_bytes < TAIL_BYTES ? source->n_bytes : TAIL_BYTES;

	return memmem(source->bytes + source->n_bytes - n, n, "%%EOF", 5) != NULL;
}

bool pv_draw_open(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	VipsImage *image;

	*missing_text = 0;
	if (!fonts_are_there(ret_failure) || !unpack_source(source, ret_failure))
		return false;
	if (source->format == FORMAT_PDF && source->reading->fail_on != FAIL_ON_NONE &&
	    !pdf_is_whole(source))
		return failure_set(ret_failure, FAIL_BAD_IMAGE,
		                   "header: the PDF ends early");
	if (!load_at(&image, state, source->format, 1))
		return pv_has_refused_size
		               ? failure_set(ret_failure, FAIL_TOO_BIG,
		                             "header: a side is 0 or over %d, which "
		                             "libvips does not take",
		                             VIPS_MAX_COORD)
		               : pv_fail(ret_failure, "header", FAIL_BAD_IMAGE);
	state->stored = (struct size){(uint32_t)vips_image_get_width(image),
	                              (uint32_t)vips_image_get_height(image)};
	g_object_unref(image);
	state->has_alpha = source->format == FORMAT_SVG;
	return true;
}

/* The scale at which both sides are large enough. */
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

/* The natural size is rounded to whole pixels; enlarging shows by how much. */
static bool load_for(VipsImage **ret_image, const struct pv_state *state,
                     enum image_format format, const struct size *to)
{
	double scale = find_scale(to, state->stored.width, state->stored.height);

	for (int i = 0; i < 2; i++) {
		scale = fmin(fmax(scale, least_scale), most_scale);
		if (!load_at(ret_image, state, format, scale))
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

	if (!load_for(ret_image, job->state, job->from, to))
		return false;
	/* A PDF page is drawn on white, so its alpha is not needed. */
	return job->from != FORMAT_PDF ||
	       pv_replace(ret_image, &made,
	                  vips_extract_band(*ret_image, &made, 0, "n", 3, NULL));
}
