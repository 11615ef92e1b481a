/*
 * The vips engine uses libvips with one thread and without its cache. It passes the bytes of a
 * picture to libvips in memory.
 *
 * There are two ways to make an output. The quick way is vips_thumbnail_source(), which shrinks
 * while it loads. This engine computes the size and makes libvips use it (VIPS_SIZE_FORCE). It
 * passes fail_on in the option string, because libvips 8.14.1 ignores the argument fail_on. The
 * quick way supports only 8 bits, one frame, the kernel lanczos3, and no filters before scaling.
 * All other outputs are made the careful way, step by step. Both ways end in the same steps. An
 * output is complete in memory before it is encoded.
 */
#include "image/vips/engine_vips.h"

#include "image/header/profile.h"
#include "image/icc.h"
#include "image/memory_estimate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- libvips: start and messages ---- */

#ifdef PIXPOOL_SANITIZE
/* Suppress two kinds of small leaks: x265 leaks memory for each picture, and the drawing libraries
 * leak memory when they start. Suppressed leaks must not be printed, because any output of a
 * sanitizer fails a test. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:x265_malloc\nleak:libfontconfig.so\nleak:libpango\n"
	       "leak:librsvg-2.so\nleak:libpoppler\n";
}

const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}
#endif

bool pv_has_refused_size;

/* The last warning of libvips about the current picture. Sometimes no error text explains a
 * failure: for a PNG, libvips reports the reason as a warning. */
static _Thread_local char last_warning[FAILURE_TEXT_BYTES];

/* Whether libraries reported that the file of the current picture is damaged, and that its pixels
 * are missing or wrong. The variables are atomic, because libvips also decodes in threads of its
 * own. */
static _Atomic bool has_damage, has_wrong_pixels;

/* Find `words` in a message. The first letter may be in upper or lower case, because it depends on
 * the library whether a message begins with a capital. Returns NULL if `words` are not found. */
static const char *find_words(const char *message, const char *words)
{
	const char first = g_ascii_tolower(words[0]);
	const size_t n = strlen(words);

	for (; *message; message++) {
		if (g_ascii_tolower(*message) == first &&
		    strncmp(message + 1, words + 1, n - 1) == 0)
			return message;
	}
	return NULL;
}

static bool has_any_word(const char *message, const char *const *words)
{
	for (; *words; words++) {
		if (find_words(message, *words))
			return true;
	}
	return false;
}

/* Record damage if a message reports damage of the pixels. Most warnings are about other parts of a
 * file, such as its profile or a tag. */
static void note_damage(const char *message)
{
	/* Parts of messages of libraries. */
	static const char *const words[] = {
		"premature end",
		"corrupt JPEG data",
		"inconsistent progression", /* libjpeg */
		"not enough data",
		"IDAT: ",
		"IHDR: CRC",
		"PLTE: CRC",
		"bad adaptive filter",
		"unexpected end of",
		"invalid frame", /* libnsgif */
		"read error",
		"decoding error",
		"error at scanline",
		"end of file", /* libtiff */
		NULL,
	};
	/* Messages about superfluous bytes and similar faults. All pixels may be right. */
	static const char *const harmless[] = {
		"extraneous bytes",
		"inconsistent progression", /* libjpeg */
		"extra compress",
		"too much image data", /* libpng */
		NULL,
	};

	if (!has_any_word(message, words))
		return;
	has_damage = true;
	if (!has_any_word(message, harmless))
		has_wrong_pixels = true;
}

void pv_clear_errors(void)
{
	note_damage(vips_error_buffer());
	vips_error_clear();
}

void pv_forget_messages(void)
{
	vips_error_clear();
	last_warning[0] = 0;
	has_damage = has_wrong_pixels = false;
}

bool pv_accepts_damage(struct source *source, struct failure *ret_failure)
{
	bool is_wrong;

	pv_clear_errors();
	source->is_damaged |= has_damage;
	/* If a scan has wrong codes, libjpeg may report nothing but bytes that are left over after
	 * the scan. So the pixels of every damaged JPEG count as wrong, unless is_proved is set. */
	is_wrong = has_wrong_pixels ||
	           (has_damage && source->format == FORMAT_JPEG && !source->is_proved);
	return !is_wrong || source->reading->fail_on != FAIL_ON_ERROR ||
	       failure_set(ret_failure, FAIL_BAD_IMAGE,
	                   "decode: pixels are missing or wrong");
}

/*
 * Receive the log messages of all libraries. Messages are not printed, because many are harmless.
 * The last message of libvips is kept until the next picture. If a side is longer than
 * VIPS_MAX_COORD, libvips 8.14.1 continues with a picture of one pixel, and only a warning of GLib
 * reports this.
 */
static void take_log(const char *domain, GLogLevelFlags level, const char *message,
                     void *data)
{
	(void)level;
	(void)data;
	if (domain && message)
		pv_draw_note_message(domain, message);
	if (domain && message && strcmp(domain, "VIPS") == 0) {
		snprintf(last_warning, sizeof(last_warning), "%s", message);
		note_damage(message);
	}
	/* these words are a part of a message of GLib */
	if (domain && message && strcmp(domain, "GLib-GObject") == 0 &&
	    strstr(message, "out of range for property"))
		pv_has_refused_size = true;
}

static bool pv_start(struct failure *ret_failure)
{
	/* Make libvips keep every picture in memory, where the memory limit applies, and not in a
	 * temporary file. */
	setenv("VIPS_DISC_THRESHOLD", "16777216m", 1);
	/* Some libraries of loaders use OpenMP, which would start a thread for each processor
	 * without this setting. */
	setenv("OMP_NUM_THREADS", "1", 1);
	unsetenv("VIPS_MAX_THREADS");

	g_log_set_default_handler(take_log, NULL);
	if (vips_init("pixpool"))
		return pv_fail(ret_failure, "libvips cannot start", FAIL_INTERNAL);
	vips_block_untrusted_set(engine_inputs_are_hostile());
	vips_concurrency_set(1);
	vips_cache_set_max(0);
	vips_cache_set_max_mem(0);
	vips_cache_set_max_files(0);
	if (!pv_start_readers())
		return failure_set(ret_failure, FAIL_INTERNAL,
		                   "libheif cannot load its plugins");
	return pv_draw_start(ret_failure);
}

/* Find the failure class of an error of libvips from its text, which has several lines. If a line
 * contains a known reason, *text becomes this line. If not, returns the argument `otherwise`. */
static enum fail_class class_of_text(const char **text, enum fail_class otherwise)
{
	/* Parts of messages of libvips and its libraries. */
	static const struct {
		const char *words;
		enum fail_class class;
	} known[] = {
		/* this limit is set by libheif, not by the recipe */
		{"Security limit exceeded", FAIL_TOO_BIG},
		{"out of memory", FAIL_MEMORY},
		{"insufficient memory", FAIL_MEMORY},
		{"memory allocation", FAIL_MEMORY},
		/* A thread usually fails to start because there is no memory for its stack. */
		{"error creating thread", FAIL_MEMORY},
		{"picture memory error", FAIL_MEMORY}, /* from libwebp */
		/* libvips does not report why libwebp failed. Sides and options were checked
		 * before, so the only possible reason is a lack of memory. */
		{"webpsave: unable to encode", FAIL_MEMORY},
		{"no known route", FAIL_UNSUPPORTED},
		{"unsupported codec", FAIL_UNSUPPORTED},
		{"unsupported JPEG process", FAIL_UNSUPPORTED},
		{"unsupported JPEG data precision 12", FAIL_UNSUPPORTED},
		{"unsupported marker type 0xf7", FAIL_UNSUPPORTED}, /* JPEG-LS */
		{"compression scheme", FAIL_UNSUPPORTED},
		{"unsupported tiff", FAIL_UNSUPPORTED},
		{"unsupported feature", FAIL_UNSUPPORTED},
		{"tiled separate planes not supported", FAIL_UNSUPPORTED},
		{"is encrypted", FAIL_UNSUPPORTED}, /* a PDF that needs a password */
		/* a TIFF with too many samples for each pixel, or with more than 32 bits for each */
		{"samples out of range", FAIL_UNSUPPORTED},
		/* a TIFF with samples of 12 bits */
		{"not a whole number of bytes", FAIL_UNSUPPORTED},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *words = find_words(*text, known[i].words);

		if (!words)
			continue;
		while (words > *text && words[-1] != '\n')
			words--;
		*text = words;
		return known[i].class;
	}
	return otherwise;
}

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Find the line of libvips' error text that explains a failure. It is the first line, with two
 * exceptions. For a JPEG it is the last line of libjpeg, because warnings precede the error. If the
 * first line is about a bad seek, it is the next line, because a bad seek is harmless. */
static const char *explaining_line(const char *said)
{
	const char *found = said;

	for (const char *line = said; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (begins_with(line, "VipsJpeg: "))
			found = line;
		else if (*line && begins_with(found, "source: bad seek"))
			found = line;
	}
	return found;
}

bool pv_fail(struct failure *ret_failure, const char *stage, enum fail_class otherwise)
{
	char text[FAILURE_TEXT_BYTES];
	const char *said = vips_error_buffer();
	enum fail_class class;

	if (!*said)
		said = last_warning;
	class = class_of_text(&said, otherwise);
	snprintf(text, sizeof(text), "%s",
	         class == otherwise ? explaining_line(said) : said);
	pv_forget_messages();
	if (ret_failure->class != FAIL_NONE)
		return false;
	engine_one_line(text);
	return failure_set(ret_failure, class, "%s: %s", stage,
	                   *text ? text : "libvips gives no reason");
}

bool pv_replace(VipsImage **image, VipsImage **made, int error)
{
	if (error)
		return false;
	g_object_unref(*image);
	*image = *made;
	*made = NULL;
	return true;
}

bool pv_to_memory(VipsImage **image)
{
	VipsImage *made = vips_image_copy_memory(*image);

	return pv_replace(image, &made, made == NULL);
}

/*
 * ---- colour ----
 *
 * Pixels are scaled in the space of their embedded profile. They are converted to the output's
 * space after scaling, when fewer pixels are left. If the recipe asks for linear light, pixels are
 * converted to linear light before scaling: through the profile, or through the sRGB curve if the
 * picture has no profile.
 */

static VipsIntent intent_of(const struct pv_job *job)
{
	static const VipsIntent intents[N_INTENTS] = {
		[INTENT_RELATIVE] = VIPS_INTENT_RELATIVE,
		[INTENT_PERCEPTUAL] = VIPS_INTENT_PERCEPTUAL,
		[INTENT_SATURATION] = VIPS_INTENT_SATURATION,
		[INTENT_ABSOLUTE] = VIPS_INTENT_ABSOLUTE,
	};

	return intents[job->intent];
}

static int depth_of(const struct pv_job *job)
{
	return job->is_deep ? 16 : 8;
}

/* The working space of grey or RGB pixels. */
static VipsInterpretation plain_space(const struct pv_job *job, bool is_grey)
{
	if (job->is_light)
		return VIPS_INTERPRETATION_scRGB;
	if (is_grey)
		return job->is_deep ? VIPS_INTERPRETATION_GREY16
		                    : VIPS_INTERPRETATION_B_W;
	return job->is_deep ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB;
}

/* The sample format of a space of 8 or 16 bits. For any other space, returns the argument
 * `others`. */
static VipsBandFormat samples_of(VipsInterpretation space, VipsBandFormat others)
{
	switch (space) {
	case VIPS_INTERPRETATION_B_W:
	case VIPS_INTERPRETATION_sRGB:
		return VIPS_FORMAT_UCHAR;
	case VIPS_INTERPRETATION_GREY16:
	case VIPS_INTERPRETATION_RGB16:
		return VIPS_FORMAT_USHORT;
	default:
		return others;
	}
}

bool pv_widen(VipsImage **image, VipsInterpretation space)
{
	const double factor = UINT16_MAX / UINT8_MAX;
	VipsImage *made = NULL;

	return pv_replace(image, &made, vips_linear1(*image, &made, factor, 0, NULL)) &&
	       pv_replace(image, &made,
	                  vips_cast(*image, &made, VIPS_FORMAT_USHORT, NULL)) &&
	       pv_replace(image, &made,
	                  vips_copy(*image, &made, "interpretation", space, NULL));
}

/* Convert to a working space, and cast the samples to the format of this space. The cast is
 * necessary, because the samples of an image may not fit the space that the image declares, and
 * libvips does not check that. */
static bool convert(VipsImage **image, VipsInterpretation space)
{
	VipsInterpretation from = vips_image_get_interpretation(*image);
	VipsImage *made = NULL;
	VipsBandFormat samples;

	if (vips_image_get_format(*image) == VIPS_FORMAT_UCHAR &&
	    ((from == VIPS_INTERPRETATION_sRGB && space == VIPS_INTERPRETATION_RGB16) ||
	     (from == VIPS_INTERPRETATION_B_W && space == VIPS_INTERPRETATION_GREY16)))
		return pv_widen(image, space);
	if (from != space &&
	    !pv_replace(image, &made, vips_colourspace(*image, &made, space, NULL)))
		return false;
	samples = samples_of(space, vips_image_get_format(*image));
	return vips_image_get_format(*image) == samples ||
	       pv_replace(image, &made, vips_cast(*image, &made, samples, NULL));
}

/* If the image is grey and its profile is for RGB, but not sRGB, convert the image to RGB. Such a
 * profile determines the look of grey too, but it can be applied only to RGB. */
static bool widen_grey(VipsImage **image)
{
	VipsInterpretation space = vips_image_get_interpretation(*image);
	VipsImage *grey = NULL, *bands[4] = {NULL}, *made = NULL;
	int n_bands = vips_image_get_bands(*image);
	bool is_wide = space == VIPS_INTERPRETATION_GREY16, is_made;
	const void *profile;
	size_t n;

	if (n_bands > 2 ||
	    (space != VIPS_INTERPRETATION_B_W && space != VIPS_INTERPRETATION_GREY16) ||
	    !vips_image_get_typeof(*image, VIPS_META_ICC_NAME) ||
	    vips_image_get_blob(*image, VIPS_META_ICC_NAME, &profile, &n) ||
	    !profile_has_space(profile, n, "RGB ") || profile_is_srgb(profile, n))
		return true;
	is_made = !vips_extract_band(*image, &grey, 0, NULL) &&
	          (n_bands == 1 || !vips_extract_band(*image, &bands[3], 1, NULL));
	bands[0] = bands[1] = bands[2] = grey;
	is_made = is_made &&
	          pv_replace(image, &made,
	                     vips_bandjoin(bands, &made, n_bands == 1 ? 3 : 4, NULL)) &&
	          pv_replace(image, &made,
	                     vips_copy(*image, &made, "interpretation",
	                               is_wide ? VIPS_INTERPRETATION_RGB16
	                                       : VIPS_INTERPRETATION_sRGB,
	                               NULL));
	VIPS_UNREF(grey);
	VIPS_UNREF(bands[3]);
	return is_made;
}

/* Classify the embedded profile. A profile for another kind of pixels counts as PROFILE_NONE. */
static enum profile_kind kind_of_profile(VipsImage *image)
{
	VipsInterpretation space = vips_image_get_interpretation(image);
	bool is_grey = space == VIPS_INTERPRETATION_B_W ||
	               space == VIPS_INTERPRETATION_GREY16;
	const void *profile;
	size_t n;

	if (!vips_image_get_typeof(image, VIPS_META_ICC_NAME) ||
	    vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n))
		return PROFILE_NONE;
	if (space == VIPS_INTERPRETATION_CMYK)
		return profile_has_space(profile, n, "CMYK") ? PROFILE_OTHER
		                                             : PROFILE_NONE;
	if (!is_grey && space != VIPS_INTERPRETATION_sRGB &&
	    space != VIPS_INTERPRETATION_RGB16 && space != VIPS_INTERPRETATION_RGB)
		return PROFILE_NONE;
	if (!profile_has_space(profile, n, is_grey ? "GRAY" : "RGB "))
		return PROFILE_NONE;
	return profile_is_srgb(profile, n) ? PROFILE_SRGB : PROFILE_OTHER;
}

static bool drop_profile(VipsImage **image)
{
	VipsImage *made = NULL;

	if (!pv_replace(image, &made, vips_copy(*image, &made, NULL)))
		return false;
	vips_image_remove(*image, VIPS_META_ICC_NAME);
	return true;
}

/* Convert from the embedded profile to the profile `to`. If no profile is embedded, convert from
 * libvips' default. `to` is the name of a profile that libvips has, such as "srgb". */
static bool transform(VipsImage **image, const struct pv_job *job, const char *to)
{
	VipsImage *made = NULL;

	return pv_replace(
		image, &made,
		vips_icc_transform(*image, &made, to, "embedded", TRUE, "input_profile",
	                           job->is_cmyk ? "cmyk" : "srgb", "intent",
	                           intent_of(job), "depth", depth_of(job), NULL));
}

/* Whether libvips can use the embedded profile. The function converts one pixel to find out,
 * because a broken profile may have a correct header. */
static bool profile_works(VipsImage *image, const struct pv_job *job)
{
	VipsImage *pixel = NULL, *made = NULL, *there = NULL;
	bool is_working = !vips_crop(image, &pixel, 0, 0, 1, 1, NULL) &&
	                  !vips_copy(pixel, &there, NULL) &&
	                  !vips_icc_import(there, &made, "embedded", TRUE, "intent",
	                                   intent_of(job), NULL);

	VIPS_UNREF(pixel);
	VIPS_UNREF(there);
	VIPS_UNREF(made);
	pv_clear_errors();
	return is_working;
}

/* Whether the saver of the output writes the image's profile. */
static bool can_carry_profile(VipsImage *image, const struct pv_job *job)
{
	const void *profile;
	size_t n;

	return vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n) ||
	       pv_writes_profile(job->recipe->format, profile, n);
}

/* Whether the embedded profile is lost although no colour changes. There are two cases. The recipe
 * keeps a profile that is sRGB, but the saver does not write it. Or the recipe keeps the colour
 * space, but the profile cannot be used. In the second case an sRGB profile does not count as lost:
 * for example, an sRGB profile for RGB means nothing in a grey picture. */
static bool loses_profile(VipsImage *image, const struct pv_job *job)
{
	const void *profile;
	size_t n;

	if (job->profile == PROFILE_SRGB)
		return (job->recipe->keep & KEEP_ICC) && job->to->has_profile &&
		       (job->space == SPACE_KEEP || job->space == SPACE_SRGB) &&
		       !can_carry_profile(image, job);
	return job->profile == PROFILE_NONE && job->space == SPACE_KEEP &&
	       vips_image_get_typeof(image, VIPS_META_ICC_NAME) &&
	       !vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n) &&
	       !profile_is_srgb(profile, n);
}

/* Convert to the working space: grey, RGB or CMYK with 8 or 16 bits, or linear light. Sets the
 * members of the job that describe the colours of the picture: profile, is_cmyk, is_grey,
 * had_alpha. */
static bool pv_colour_begin(VipsImage **image, struct pv_job *job)
{
	const void *profile;
	size_t n;

	if (!pv_normalise_samples(image))
		return false;
	job->is_cmyk = vips_image_get_interpretation(*image) == VIPS_INTERPRETATION_CMYK;
	job->is_grey = !job->is_cmyk && vips_image_get_bands(*image) < 3;
	job->had_alpha = vips_image_hasalpha(*image);
	if (!widen_grey(image))
		return false;
	job->profile = kind_of_profile(*image);
	if (!job->is_cmyk &&
	    !convert(image, plain_space(job, vips_image_get_bands(*image) < 3)))
		return false;
	if (job->profile == PROFILE_OTHER &&
	    !vips_image_get_blob(*image, VIPS_META_ICC_NAME, &profile, &n))
		job->intent = icc_usable_intent(profile, n, job->recipe->intent);
	if (job->profile == PROFILE_OTHER && !profile_works(*image, job))
		job->profile = PROFILE_NONE;
	if (loses_profile(*image, job)) {
		job->lost |= LOST_PROFILE;
		job->profile = PROFILE_NONE;
	}
	if (job->profile == PROFILE_NONE && !drop_profile(image))
		return false;
	if (!job->is_cmyk || job->keeps_cmyk)
		return true;
	/* CMYK is usually converted after scaling. If the recipe has filters before scaling, CMYK
	 * is converted here, because filters do not work on CMYK. */
	if (job->before.n == 0)
		return true;
	job->profile = PROFILE_SRGB;
	if (!transform(image, job, "srgb"))
		return false;
	job->is_cmyk = false;
	return true;
}

/* Whether the samples are CMYK, or have a profile other than sRGB. */
static bool is_foreign(const struct pv_job *job)
{
	return job->profile == PROFILE_OTHER || job->is_cmyk;
}

/* Convert to Lab through the embedded profile. If no profile is embedded, use libvips' default. */
static bool import(VipsImage **image, const struct pv_job *job)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_icc_import(*image, &made, "embedded", TRUE,
	                                  "input_profile", job->is_cmyk ? "cmyk" : "srgb",
	                                  "intent", intent_of(job), NULL));
}

/* Convert to linear light. Without a profile: through the sRGB curve. With a profile: to Lab, and
 * from Lab to XYZ. pv_colour_finish() goes back from XYZ to Lab before it exports, because libvips
 * 8.14 loses shadows when it exports from XYZ. */
static bool pv_colour_linear(VipsImage **image, struct pv_job *job)
{
	if (!is_foreign(job))
		return convert(image, VIPS_INTERPRETATION_scRGB);
	job->is_imported = true;
	return import(image, job) && convert(image, VIPS_INTERPRETATION_XYZ);
}

/* Cast the samples to the depth of the output. */
static bool make_depth(VipsImage **image, const struct pv_job *job)
{
	VipsBandFormat format = job->is_deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR;
	VipsImage *made = NULL;

	if (!job->is_cmyk)
		return convert(image, plain_space(job, vips_image_get_bands(*image) < 3));
	if (job->is_deep && vips_image_get_format(*image) == VIPS_FORMAT_UCHAR)
		return pv_widen(image, VIPS_INTERPRETATION_CMYK);
	return vips_image_get_format(*image) == format ||
	       pv_replace(image, &made,
	                  vips_cast(*image, &made, format, "shift", TRUE, NULL));
}

/* If the conversion through a profile has made three equal bands from grey, keep only one band. The
 * profile is dropped, because it is for RGB. */
static bool make_grey_again(VipsImage **image, const struct pv_job *job)
{
	VipsImage *green = NULL, *alpha = NULL, *joined = NULL, *made = NULL;
	int n_bands = vips_image_get_bands(*image);
	bool is_made;

	if (n_bands < 3)
		return true;
	is_made = !vips_extract_band(*image, &green, 1, NULL) &&
	          (n_bands == 3 || (!vips_extract_band(*image, &alpha, 3, NULL) &&
	                            !vips_bandjoin2(green, alpha, &joined, NULL)));
	if (is_made)
		is_made = pv_replace(image, &made,
		                     vips_copy(joined ? joined : green, &made,
		                               "interpretation", plain_space(job, true),
		                               NULL));
	VIPS_UNREF(green);
	VIPS_UNREF(alpha);
	VIPS_UNREF(joined);
	return is_made && drop_profile(image);
}

static bool export(VipsImage **image, const struct pv_job *job, const char *to)
{
	VipsImage *made = NULL;

	if (!to)
		return pv_replace(image, &made,
		                  vips_icc_export(*image, &made, "intent", intent_of(job),
		                                  "depth", depth_of(job), NULL));
	return pv_replace(image, &made,
	                  vips_icc_export(*image, &made, "output_profile", to, "intent",
	                                  intent_of(job), "depth", depth_of(job), NULL));
}

/* Export from Lab to the profile that the user gave with --profile FILE. */
static bool export_to_file(VipsImage **image, const struct pv_job *job)
{
	VipsImage *made = NULL;

	if (!pv_replace(image, &made, vips_copy(*image, &made, NULL)))
		return false;
	vips_image_set_blob_copy(*image, VIPS_META_ICC_NAME, job->variant->profile,
	                         job->variant->n_profile);
	if (export(image, job, NULL))
		return pv_writes_profile(job->recipe->format, job->variant->profile,
		                         job->variant->n_profile) ||
		       failure_set(job->failure, FAIL_UNSUPPORTED,
		                   "colour: the library that writes %s does not accept "
		                   "the profile of --profile",
		                   job->to->name);
	vips_error_clear();
	return failure_set(job->failure, FAIL_UNSUPPORTED,
	                   "colour: libvips cannot use the profile of --profile");
}

/* Whether a format stores grey as one band. Only then can a file of this format have a grey
 * profile. */
static bool has_grey(enum image_format format)
{
	return format != FORMAT_WEBP && format != FORMAT_AVIF && format != FORMAT_HEIC;
}

/* Whether the output keeps the space of the input's profile. If the recipe asks for this space, but
 * the output cannot keep the profile, the profile is recorded as lost. */
static bool keeps_space(VipsImage *image, struct pv_job *job)
{
	bool is_grey = vips_image_get_bands(image) < 3;

	if (job->space != SPACE_KEEP || job->profile != PROFILE_OTHER)
		return false;
	if (job->to->has_profile && (!job->is_cmyk || job->keeps_cmyk) &&
	    (!is_grey || has_grey(job->recipe->format)) && can_carry_profile(image, job))
		return true;
	job->lost |= LOST_PROFILE;
	return false;
}

/* Whether the image is grey, has a grey profile, and becomes grey in sRGB with the same depth. */
static bool has_grey_levels(VipsImage *image, const struct pv_job *job, const char *to)
{
	VipsInterpretation space = vips_image_get_interpretation(image);

	return to && strcmp(to, "srgb") == 0 && job->profile == PROFILE_OTHER &&
	       !job->is_imported && vips_image_get_bands(image) < 3 &&
	       space == plain_space(job, true) &&
	       vips_image_get_format(image) == samples_of(space, VIPS_FORMAT_NOTSET);
}

/* Make a table of the sRGB values of all grey levels of a profile. Returns NULL if lcms2 does not
 * accept the profile, or if memory ran out. */
static VipsImage *make_level_table(const void *profile, size_t n,
                                   const struct pv_job *job)
{
	unsigned n_levels = job->is_deep ? UINT16_MAX + 1 : UINT8_MAX + 1;
	size_t n_bytes = n_levels * sizeof(uint16_t);
	uint16_t *values = malloc(n_bytes);
	VipsImage *table = NULL;

	if (values && icc_grey_levels(profile, n, job->intent, n_levels, values)) {
		uint8_t bytes[UINT8_MAX + 1];

		for (unsigned i = 0; i <= UINT8_MAX; i++)
			bytes[i] = (uint8_t)((values[i] + 128U) / 257);
		table = vips_image_new_from_memory_copy(
			job->is_deep ? (void *)values : bytes,
			job->is_deep ? n_bytes : sizeof(bytes), (int)n_levels, 1, 1,
			job->is_deep ? VIPS_FORMAT_USHORT : VIPS_FORMAT_UCHAR);
	}
	free(values);
	return table;
}

/* Convert grey from its profile to sRGB, through a table of all levels. */
static bool convert_levels(VipsImage **image, const struct pv_job *job)
{
	VipsImage *table = NULL, *grey = NULL, *alpha = NULL, *mapped = NULL,
		  *made = NULL;
	bool has_alpha = vips_image_get_bands(*image) > 1, is_made;
	const void *profile;
	size_t n;

	if (!vips_image_get_blob(*image, VIPS_META_ICC_NAME, &profile, &n))
		table = make_level_table(profile, n, job);
	if (!table)
		return transform(image, job, "srgb");
	is_made = !vips_extract_band(*image, &grey, 0, NULL) &&
	          (!has_alpha || !vips_extract_band(*image, &alpha, 1, NULL)) &&
	          !vips_maplut(grey, &mapped, table, NULL) &&
	          pv_replace(image, &made,
	                     alpha ? vips_bandjoin2(mapped, alpha, &made, NULL)
	                           : vips_copy(mapped, &made, NULL)) &&
	          pv_replace(image, &made,
	                     vips_copy(*image, &made, "interpretation",
	                               plain_space(job, true), NULL));
	VIPS_UNREF(table);
	VIPS_UNREF(grey);
	VIPS_UNREF(alpha);
	VIPS_UNREF(mapped);
	return is_made && drop_profile(image);
}

/* Convert to the space and the depth of the output. */
static bool pv_colour_finish(VipsImage **image, struct pv_job *job)
{
	bool keeps = keeps_space(*image, job);
	bool is_p3 = job->space == SPACE_P3 && !job->is_grey && job->to->has_profile;
	bool is_file = job->space == SPACE_FILE && !job->is_grey && job->to->has_profile;
	const char *to = keeps ? NULL : is_p3 ? "p3" : "srgb";

	job->is_tagged = keeps || is_p3 || is_file;
	if (job->is_imported) {
		if (!convert(image, VIPS_INTERPRETATION_LAB) ||
		    (is_file ? !export_to_file(image, job) : !export(image, job, to)))
			return false;
	} else {
		if (vips_image_get_interpretation(*image) == VIPS_INTERPRETATION_scRGB &&
		    !convert(image, plain_space(job, job->is_grey)))
			return false;
		if (is_file ? !import(image, job) || !export_to_file(image, job)
		    : has_grey_levels(*image, job, to)
		            ? !convert_levels(image, job)
		            : to && (is_p3 || is_foreign(job)) &&
		                      !transform(image, job, to))
			return false;
	}
	if (to)
		job->is_cmyk = false;
	if (to && job->is_grey && !make_grey_again(image, job))
		return false;
	return make_depth(image, job);
}

/* The background colour of the recipe. White if the recipe has no background. */
static struct colour pv_background(const struct pv_job *job)
{
	static const struct colour white = {true, 255, 255, 255, 255};

	return job->recipe->background.is_set ? job->recipe->background : white;
}

/* Convert an sRGB pixel to the colour space of the image, which is Display P3 or the space of the
 * image's profile. */
static bool tag_pixel(VipsImage **pixel, VipsImage *image, const struct pv_job *job)
{
	VipsImage *made = NULL;
	const void *profile;
	size_t n;

	if (job->space == SPACE_P3)
		return pv_replace(pixel, &made,
		                  vips_icc_transform(*pixel, &made, "p3", "input_profile",
		                                     "srgb", "intent", intent_of(job),
		                                     NULL));
	if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &n) ||
	    !pv_replace(pixel, &made,
	                vips_icc_import(*pixel, &made, "input_profile", "srgb", "intent",
	                                intent_of(job), NULL)))
		return false;
	vips_image_set_blob_copy(*pixel, VIPS_META_ICC_NAME, profile, n);
	return pv_replace(pixel, &made,
	                  vips_icc_export(*pixel, &made, "intent", intent_of(job), NULL));
}

static bool find_values(VipsImage *image, const struct pv_job *job,
                        const struct colour *colour, double values[5], int n_colours)
{
	const uint8_t rgb[3] = {colour->red, colour->green, colour->blue};
	VipsImage *pixel, *named = NULL;
	double *found = NULL;
	int n;
	bool is_found;

	pixel = vips_image_new_from_memory_copy(rgb, 3, 1, 1, 3, VIPS_FORMAT_UCHAR);
	if (!pixel)
		return false;
	is_found = pv_replace(&pixel, &named,
	                      vips_copy(pixel, &named, "interpretation",
	                                VIPS_INTERPRETATION_sRGB, NULL)) &&
	           (!job->is_tagged || tag_pixel(&pixel, image, job)) &&
	           (!job->is_light || convert(&pixel, VIPS_INTERPRETATION_scRGB)) &&
	           !vips_getpoint(pixel, &found, &n, 0, 0, NULL) && n >= n_colours;
	for (int i = 0; is_found && i < n_colours; i++)
		values[i] = found[i];
	g_free(found);
	g_object_unref(pixel);
	return is_found;
}

/* Get a colour as band values, in the space and the depth of the finished image. The last value is
 * alpha. If the image is grey in sRGB and the colour is not grey, the image is converted to
 * RGB. */
static bool pv_colour_values(VipsImage **image, const struct pv_job *job,
                             const struct colour *colour, double values[5])
{
	bool is_grey = vips_image_get_bands(*image) < 3;
	bool is_coloured = colour->red != colour->green || colour->red != colour->blue;
	int n_colours;

	if (is_grey && is_coloured && !job->is_tagged &&
	    !convert(image, plain_space(job, false)))
		return false;
	n_colours = vips_image_get_bands(*image) - (vips_image_hasalpha(*image) ? 1 : 0);
	if (!find_values(*image, job, colour, values, n_colours))
		return false;
	values[n_colours] = colour->alpha;
	for (int i = 0; i <= n_colours && job->is_deep && !job->is_light; i++)
		values[i] *= 257;
	return true;
}

bool pv_flatten_on_background(VipsImage **image, const struct pv_job *job)
{
	struct colour colour = pv_background(job);
	VipsArrayDouble *background;
	VipsImage *made = NULL;
	double values[5];
	int error;

	if (!vips_image_hasalpha(*image))
		return true;
	if (!pv_colour_values(image, job, &colour, values))
		return false;
	background = vips_array_double_new(values, vips_image_get_bands(*image) - 1);
	error = vips_flatten(*image, &made, "background", background, "max_alpha",
	                     job->is_deep ? 65535.0 : 255.0, NULL);
	vips_area_unref(VIPS_AREA(background));
	return pv_replace(image, &made, error);
}

/* ---- scaling, rotating, cropping and placing ---- */

static VipsKernel kernel_of(const struct recipe *recipe)
{
	static const VipsKernel kernels[N_KERNELS] = {
		[KERNEL_LANCZOS3] = VIPS_KERNEL_LANCZOS3,
		[KERNEL_LANCZOS2] = VIPS_KERNEL_LANCZOS2,
		[KERNEL_MITCHELL] = VIPS_KERNEL_MITCHELL,
		[KERNEL_CUBIC] = VIPS_KERNEL_CUBIC,
		[KERNEL_LINEAR] = VIPS_KERNEL_LINEAR,
	};

	return kernels[recipe->kernel];
}

struct aim {
	struct size to;
	VipsKernel kernel;
};

/* Reduce each side that is longer than in aim->to. vips_resize() averages pixels and then applies
 * the kernel. */
static bool reduce(VipsImage **image, const struct aim *aim)
{
	double across = (double)aim->to.width / vips_image_get_width(*image);
	double down = (double)aim->to.height / vips_image_get_height(*image);
	VipsImage *made = NULL;

	if (across >= 1 && down >= 1)
		return true;
	return pv_replace(image, &made,
	                  vips_resize(*image, &made, fmin(across, 1), "vscale",
	                              fmin(down, 1), "kernel", aim->kernel, NULL));
}

static const char *interpolator_of(VipsKernel kernel)
{
	return kernel == VIPS_KERNEL_LINEAR ? "bilinear" : "bicubic";
}

/*
 * Enlarge each side that is shorter than in aim->to. vips_resize() of libvips 8.14.1 would round
 * the position of the first pixel, and so shift the picture by up to half a pixel. This function
 * maps the centre of the picture exactly to the centre of the result.
 */
static bool enlarge(VipsImage **image, const struct aim *aim)
{
	double across = (double)aim->to.width / vips_image_get_width(*image);
	double down = (double)aim->to.height / vips_image_get_height(*image);
	VipsArrayInt *area;
	VipsInterpolate *interpolate;
	VipsImage *made = NULL;
	int error;

	if (across <= 1 && down <= 1)
		return true;
	/* vips_affine() reads rows several times and out of order, so the image must be in
	 * memory. */
	if (!pv_to_memory(image))
		return false;
	area = vips_array_int_newv(4, 0, 0, (int)aim->to.width, (int)aim->to.height);
	interpolate = vips_interpolate_new(interpolator_of(aim->kernel));
	error = !interpolate ||
	        vips_affine(*image, &made, across, 0, 0, down, "interpolate", interpolate,
	                    "oarea", area, "idx", 0.5, "idy", 0.5, "odx", -0.5, "ody",
	                    -0.5, "extend", VIPS_EXTEND_COPY, "premultiplied", TRUE,
	                    NULL);
	VIPS_UNREF(interpolate);
	vips_area_unref(VIPS_AREA(area));
	return pv_replace(image, &made, error);
}

static bool resize(VipsImage **image, void *data)
{
	return reduce(image, data) && enlarge(image, data);
}

/* A line of n pixels is scaled to a line of n_to pixels. For pixel i of the scaled line, find the
 * pixel of the original line with the nearest centre, and return the index of this pixel. */
static size_t nearest(uint32_t i, uint32_t n_to, int n)
{
	return (size_t)(((uint64_t)i * 2 + 1) * (uint64_t)n / ((uint64_t)n_to * 2));
}

/* Scale with the kernel "nearest": each pixel of the result is the nearest pixel of the picture.
 * vips_resize() may choose another pixel, because it first shrinks by whole numbers. */
static bool pick_nearest(VipsImage **image, struct size to)
{
	VipsImage *made = vips_image_new_memory();
	int width = vips_image_get_width(*image), height = vips_image_get_height(*image);
	size_t n_pixel = (size_t)vips_format_sizeof(vips_image_get_format(*image)) *
	                 (size_t)vips_image_get_bands(*image);
	VipsPel *line = g_try_malloc(n_pixel * to.width);
	bool is_done = line && pv_to_memory(image) &&
	               !vips_image_pipelinev(made, VIPS_DEMAND_STYLE_THINSTRIP, *image,
	                                     NULL);

	made->Xsize = (int)to.width;
	made->Ysize = (int)to.height;
	for (uint32_t y = 0; is_done && y < to.height; y++) {
		const VipsPel *from = (*image)->data + nearest(y, to.height, height) *
		                                               n_pixel * (size_t)width;

		for (uint32_t x = 0; x < to.width; x++)
			memcpy(line + x * n_pixel,
			       from + nearest(x, to.width, width) * n_pixel, n_pixel);
		is_done = !vips_image_write_line(made, (int)y, line);
	}
	g_free(line);
	if (!is_done)
		g_object_unref(made);
	return pv_replace(image, &made, !is_done);
}

static bool pv_scale_to(VipsImage **image, const struct pv_job *job, struct size to)
{
	struct aim aim = {to, kernel_of(job->recipe)};
	/* When colours are converted through a profile, alpha keeps the range of the original
	 * samples. */
	double max_alpha = job->is_imported && job->is_deep ? 65535 : 0;

	if (vips_image_get_width(*image) == (int)to.width &&
	    vips_image_get_height(*image) == (int)to.height)
		return true;
	if (job->recipe->kernel == KERNEL_NEAREST)
		return pick_nearest(image, to);
	if (!pv_with_alpha_in(image, max_alpha, resize, &aim))
		return false;
	if (vips_image_get_width(*image) == (int)to.width &&
	    vips_image_get_height(*image) == (int)to.height)
		return true;
	return failure_set(job->failure, FAIL_INTERNAL,
	                   "decode: scaling gave %d x %d, not %u x %u",
	                   vips_image_get_width(*image), vips_image_get_height(*image),
	                   to.width, to.height);
}

static bool pv_turn_upright(VipsImage **image, int orientation)
{
	/* The two steps for each orientation: rotate by the angle, then exchange left and right if
	 * is_mirrored. */
	static const struct {
		VipsAngle angle;
		bool is_mirrored;
	} turns[9] = {
		[1] = {VIPS_ANGLE_D0, false},   [2] = {VIPS_ANGLE_D0, true},
		[3] = {VIPS_ANGLE_D180, false}, [4] = {VIPS_ANGLE_D180, true},
		[5] = {VIPS_ANGLE_D90, true},   [6] = {VIPS_ANGLE_D90, false},
		[7] = {VIPS_ANGLE_D270, true},  [8] = {VIPS_ANGLE_D270, false},
	};
	VipsImage *made = NULL;

	if (orientation < 2 || orientation > 8)
		return true;
	if (!pv_to_memory(image))
		return false;
	if (turns[orientation].angle != VIPS_ANGLE_D0 &&
	    !pv_replace(image, &made,
	                vips_rot(*image, &made, turns[orientation].angle, NULL)))
		return false;
	return !turns[orientation].is_mirrored ||
	       pv_replace(image, &made,
	                  vips_flip(*image, &made, VIPS_DIRECTION_HORIZONTAL, NULL));
}

/* Search the first frame for the part to keep, which has the size `size`. All frames use the same
 * part. */
static bool find_part(VipsImage **image, struct pv_job *job, struct size size)
{
	VipsInteresting interesting = job->recipe->geometry.position == POSITION_ENTROPY
	                                      ? VIPS_INTERESTING_ENTROPY
	                                      : VIPS_INTERESTING_ATTENTION;
	VipsImage *found = NULL;

	if (job->has_part)
		return true;
	if (!pv_to_memory(image) ||
	    vips_smartcrop(*image, &found, (int)size.width, (int)size.height,
	                   "interesting", interesting, NULL))
		return false;
	job->part_x = -vips_image_get_xoffset(found);
	job->part_y = -vips_image_get_yoffset(found);
	job->has_part = true;
	g_object_unref(found);
	return true;
}

static bool cut(VipsImage **image, const struct area *area)
{
	VipsImage *made = NULL;

	return pv_replace(image, &made,
	                  vips_crop(*image, &made, (int)area->x, (int)area->y,
	                            (int)area->size.width, (int)area->size.height, NULL));
}

/* Scale a length or a position along one side. Scaling changes the length of this side from `from`
 * to `to`. */
static uint32_t scaled_from(uint32_t at, uint32_t from, uint32_t to)
{
	return (uint32_t)((double)at * to / from + 0.5);
}

/* Search the unscaled picture for the part to keep. Then compute the focus: the pixels of the
 * unscaled picture from which this part is made. */
static bool find_focus(VipsImage **image, struct pv_job *job)
{
	const struct size from = {(uint32_t)vips_image_get_width(*image),
	                          (uint32_t)vips_image_get_height(*image)};
	struct layout layout = geometry_layout(&job->recipe->geometry, from);
	const struct size scaled = layout.scaled;
	struct area *part = &layout.part;
	struct size size = {scaled_from(part->size.width, scaled.width, from.width),
	                    scaled_from(part->size.height, scaled.height, from.height)};

	size.width += size.width == 0;
	size.height += size.height == 0;
	if (!find_part(image, job, size))
		return false;
	part->x = scaled_from((uint32_t)job->part_x, from.width, scaled.width);
	part->y = scaled_from((uint32_t)job->part_y, from.height, scaled.height);
	if (part->x > scaled.width - part->size.width)
		part->x = scaled.width - part->size.width;
	if (part->y > scaled.height - part->size.height)
		part->y = scaled.height - part->size.height;
	layout.is_searched = false;
	geometry_focus(&layout, from);
	job->layout = layout;
	return true;
}

/* If only a small part of the scaled picture is kept, crop the unscaled picture to the pixels from
 * which this part is made. */
static bool pv_focus(VipsImage **image, struct pv_job *job)
{
	if (!job->layout.is_focused)
		return true;
	if (job->layout.is_searched && !find_focus(image, job))
		return false;
	return cut(image, &job->layout.focus);
}

static bool cut_part(VipsImage **image, struct pv_job *job)
{
	const struct layout *layout = &job->layout;
	struct area part = layout->part;

	if (layout->part.size.width == layout->scaled.width &&
	    layout->part.size.height == layout->scaled.height)
		return true;
	if (layout->is_searched) {
		if (!find_part(image, job, part.size))
			return false;
		part.x = (uint32_t)job->part_x;
		part.y = (uint32_t)job->part_y;
	}
	return cut(image, &part);
}

/* Prepare an image for a canvas. If the output format has no alpha, blend the image with an opaque
 * background. Otherwise add alpha to the image if the background is not opaque. *ret_colour becomes
 * the colour of the canvas. */
static bool prepare_canvas(VipsImage **image, const struct pv_job *job,
                           struct colour *ret_colour)
{
	VipsImage *made = NULL;

	*ret_colour = pv_background(job);
	if (!job->to->has_alpha) {
		ret_colour->alpha = 255;
		return pv_flatten_on_background(image, job);
	}
	if (!job->recipe->background.is_set)
		*ret_colour = (struct colour){.is_set = true};
	return ret_colour->alpha == 255 || vips_image_hasalpha(*image) ||
	       pv_replace(image, &made, vips_addalpha(*image, &made, NULL));
}

/* Crop the image to the part, and place the part on the canvas. */
static bool pv_place(VipsImage **image, struct pv_job *job)
{
	const struct layout *layout = &job->layout;
	VipsArrayDouble *background;
	VipsImage *made = NULL;
	struct colour colour;
	double values[5];
	int error;

	if (!cut_part(image, job))
		return false;
	if (layout->canvas.width == layout->part.size.width &&
	    layout->canvas.height == layout->part.size.height)
		return true;
	if (!prepare_canvas(image, job, &colour) ||
	    !pv_colour_values(image, job, &colour, values))
		return false;
	background = vips_array_double_new(values, vips_image_get_bands(*image));
	error = vips_embed(*image, &made, (int)layout->x, (int)layout->y,
	                   (int)layout->canvas.width, (int)layout->canvas.height,
	                   "extend", VIPS_EXTEND_BACKGROUND, "background", background,
	                   NULL);
	vips_area_unref(VIPS_AREA(background));
	return pv_replace(image, &made, error);
}

/* Copy the image to plain pixels of 8 bits. The caller frees them with pixels_fini(), which calls
 * g_free(). */
static bool pixels_of(struct pixels *ret_pixels, VipsImage *image)
{
	VipsImage *plain = NULL;
	size_t n;

	if (vips_cast(image, &plain, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
		return false;
	*ret_pixels = (struct pixels){
		.size = {(uint32_t)vips_image_get_width(plain),
	                 (uint32_t)vips_image_get_height(plain)},
		.n_bands = (unsigned)vips_image_get_bands(plain),
		.bytes = vips_image_write_to_memory(plain, &n),
		.free_bytes = g_free,
	};
	g_object_unref(plain);
	return ret_pixels->bytes != NULL;
}

bool pv_trim(VipsImage **image, struct pv_job *job, double threshold)
{
	struct pixels pixels;

	if (!job->has_trimmed) {
		if (!pv_to_memory(image) || !pixels_of(&pixels, *image))
			return false;
		job->trimmed = pixels_without_border(&pixels, threshold);
		job->has_trimmed = true;
		pixels_fini(&pixels);
	}
	return cut(image, &job->trimmed);
}

static bool rotate_freely(VipsImage **image, void *data)
{
	const double *degrees = data;
	VipsInterpolate *bicubic = vips_interpolate_new("bicubic");
	VipsImage *made = NULL;
	int error = !bicubic ||
	            vips_rotate(*image, &made, *degrees, "interpolate", bicubic, NULL);

	VIPS_UNREF(bicubic);
	return pv_replace(image, &made, error);
}

bool pv_rotate_by(VipsImage **image, struct pv_job *job, double degrees)
{
	static const VipsAngle angles[] = {VIPS_ANGLE_D0, VIPS_ANGLE_D90, VIPS_ANGLE_D180,
	                                   VIPS_ANGLE_D270};
	double turned = fmod(fmod(degrees, 360) + 360, 360);
	VipsImage *made = NULL;

	if (!pv_to_memory(image))
		return false;
	if (fmod(turned, 90) == 0)
		return pv_replace(
			image, &made,
			vips_rot(*image, &made, angles[(int)(turned / 90)], NULL));
	/* The rotation adds transparent corners. make_image() fills them with the background if the
	 * recipe has a background or the output has no alpha. */
	job->shows_corners = true;
	if (!vips_image_hasalpha(*image) &&
	    !pv_replace(image, &made, vips_addalpha(*image, &made, NULL)))
		return false;
	return pv_with_alpha_in(image, 0, rotate_freely, &turned);
}

/* Copy frame i into memory and call work() for it. The image `roll` contains all frames, one below
 * the other. Returns the new frame, or NULL on failure. */
static VipsImage *work_on_frame(VipsImage *roll, uint32_t i, int height,
                                bool (*work)(VipsImage **image, void *data), void *data)
{
	VipsImage *frame = NULL;

	if (vips_crop(roll, &frame, 0, (int)i * height, vips_image_get_width(roll),
	              height, NULL))
		return NULL;
	if (pv_to_memory(&frame) && work(&frame, data) && pv_to_memory(&frame))
		return frame;
	g_object_unref(frame);
	return NULL;
}

bool pv_each_frame(VipsImage **image, uint32_t n_frames,
                   bool (*work)(VipsImage **image, void *data), void *data)
{
	int height = vips_image_get_height(*image) / (int)n_frames;
	VipsImage **frames, *made = NULL;
	uint32_t n_made = 0;
	bool is_done;

	if (n_frames == 1)
		return work(image, data);
	frames = g_try_new0(VipsImage *, n_frames);
	if (!frames) {
		vips_error("frames", "out of memory");
		return false;
	}
	for (; n_made < n_frames; n_made++) {
		frames[n_made] = work_on_frame(*image, n_made, height, work, data);
		if (!frames[n_made])
			break;
	}
	is_done = n_made == n_frames &&
	          pv_replace(image, &made,
	                     vips_arrayjoin(frames, &made, (int)n_frames, "across", 1,
	                                    NULL));
	while (n_made > 0)
		g_object_unref(frames[--n_made]);
	g_free(frames);
	return is_done;
}

/*
 * ---- metadata ----
 *
 * An image of libvips keeps only the metadata that its savers need: the profile, and the fields of
 * animations and HDR. EXIF, XMP, IPTC and comments do not go through libvips, because libvips
 * rewrites text and adds fields. picture_metadata.c inserts them into the encoded file.
 */

/* Whether libvips needs a field of this name when it saves an animation. */
static bool is_of_frames(const char *name)
{
	static const char *const names[] = {"loop", "delay", "page-height", "n-pages"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* Whether a field describes the scale or the primaries of the samples of a Radiance HDR file. */
static bool is_of_light(const char *name)
{
	return begins_with(name, "rad-expos") || begins_with(name, "rad-colcor") ||
	       begins_with(name, "rad-prims");
}

static bool stays(const char *name, const struct pv_job *job)
{
	if (is_of_frames(name))
		return true;
	if (is_of_light(name))
		return job->is_light;
	if (strcmp(name, VIPS_META_ICC_NAME) == 0)
		return job->is_tagged ||
		       ((job->recipe->keep & KEEP_ICC) && job->profile != PROFILE_NONE &&
		        job->to->has_profile);
	return false;
}

/* Remove the metadata that the saver must not get. The metadata must not be shared with another
 * image. */
static void pv_meta_filter(VipsImage *image, const struct pv_job *job)
{
	char **names = vips_image_get_fields(image);

	for (char **name = names; name && *name; name++) {
		/* The list also has fields of the image's header, such as its width.
		 * vips_image_remove() does not remove these fields. */
		if (!stays(*name, job))
			vips_image_remove(image, *name);
	}
	g_strfreev(names);
}

/* ---- deriving an output, and the engine ---- */

/* Make a state for pixels that another engine has decoded. */
static struct pv_state state_of_lent(const struct source *source,
                                     const struct pixels *lent)
{
	return (struct pv_state){.stored = lent->size,
	                         .orientation = (int)source->orientation};
}

static struct pv_job job_for(const struct source *source, const struct pv_state *state,
                             const struct picture_variant *variant,
                             struct failure *failure)
{
	const struct recipe *recipe = variant->recipe;
	struct pv_job job = {
		.state = state,
		.from = source->format,
		.size = source->size,
		.n_frames = source_frames(source, recipe),
		.variant = variant,
		.recipe = recipe,
		.failure = failure,
		.to = format_info(recipe->format),
		.space = recipe->space,
		.intent = recipe->intent,
	};

	filters_split(&recipe->filters, &job.before, &job.after);
	/* The result of a filter that makes the picture grey has the sRGB curve. A profile for RGB
	 * does not fit such a picture. */
	if (pv_filters_make_grey(&job.after))
		job.space = SPACE_SRGB;
	/* An HDR file always stores floats, so the recipe's depth does not apply to an HDR output.
	 * If the input has more than 8 bits, all steps use at least 16 bits, because with 8 bits
	 * most of the range of light would be lost. */
	job.is_light = recipe->format == FORMAT_HDR && state->is_light &&
	               pv_filters_keep_light(&recipe->filters);
	job.is_deep = recipe->format == FORMAT_HDR
	                      ? state->is_deep
	                      : job.to->has_depth &&
	                                (recipe->depth == DEPTH_16 ||
	                                 (recipe->depth == DEPTH_KEEP && state->is_deep));
	/* An HDR output stores floats, so it loses no depth. */
	if (!job.to->has_depth && recipe->format != FORMAT_HDR &&
	    recipe->depth == DEPTH_KEEP && state->is_deep)
		job.lost |= LOST_DEPTH;
	job.keeps_cmyk = state->is_cmyk && job.space == SPACE_KEEP &&
	                 recipe->filters.n == 0 && recipe->geometry.fit != FIT_CONTAIN &&
	                 (recipe->format == FORMAT_JPEG || recipe->format == FORMAT_TIFF);
	return job;
}

/* Compute the layout now, unless the recipe has filters before scaling. Such filters may change the
 * size, so then the layout is computed later. */
static bool plan_layout(struct pv_job *job)
{
	if (job->before.n > 0)
		return true;
	job->has_layout = engine_layout(&job->layout, job->recipe, job->size,
	                                job->n_frames, job->failure);
	return job->has_layout;
}

static bool can_be_quick(const struct pv_job *job)
{
	const struct pv_state *state = job->state;
	struct size from = job->size, to = job->layout.scaled;

	/* If only one side is scaled, vips_thumbnail_source() does not multiply colours by
	 * alpha. */
	bool is_uneven = (from.width == to.width) != (from.height == to.height);
	/* vips_thumbnail_source() shifts enlarged pictures: see enlarge(). */
	bool is_enlarged = to.width > from.width || to.height > from.height;

	/* vips_thumbnail_source() loads a JPEG 2000 at a lower resolution. In this resolution the
	 * hidden colours of transparent pixels are already mixed into visible pixels. */
	bool mixes_hidden = job->from == FORMAT_JP2 && state->has_alpha;

	/* TIFF files with several directories are not loaded quickly, because
	 * vips_thumbnail_source() may use the preview. WebP is not loaded quickly, because
	 * vips_thumbnail_source() leaves all scaling to libwebp, and then decodes and scales the
	 * picture twice. */
	return !job->lent && !state->reader && !state->hdr_transfer && !state->decoded &&
	       !state->raster.bytes && job->n_frames == 1 &&
	       !format_info(job->from)->is_drawn && job->from != FORMAT_WEBP &&
	       job->before.n == 0 && !job->recipe->linear &&
	       job->recipe->kernel == KERNEL_LANCZOS3 && !is_enlarged &&
	       !job->layout.is_focused && pv_shrinks_exactly(job) && !job->is_deep &&
	       !job->is_light && !state->is_cmyk && !state->has_odd_samples &&
	       !state->is_turned_by_us && state->n_directories <= 1 &&
	       !(state->has_alpha && is_uneven) && !mixes_hidden;
}

/* Decode, rotate and scale with vips_thumbnail_source(). */
static bool load_quickly(VipsImage **ret_image, struct pv_job *job)
{
	static const char *const options[N_FAIL_ONS] = {
		[FAIL_ON_ERROR] = "[fail_on=error]",
		[FAIL_ON_NONE] = "[fail_on=none]",
		[FAIL_ON_TRUNCATED] = "[fail_on=truncated]",
		[FAIL_ON_WARNING] = "[fail_on=warning]",
	};
	const struct pv_state *state = job->state;
	struct size to = job->layout.scaled;

	if (vips_thumbnail_source(state->bytes, ret_image, (int)to.width, "height",
	                          (int)to.height, "size", VIPS_SIZE_FORCE, "no_rotate",
	                          job->recipe->no_rotate, "option_string",
	                          options[job->recipe->fail_on], NULL))
		return false;
	return pv_set_colours(ret_image, state) && pv_colour_begin(ret_image, job);
}

/* Compute the layout, unless plan_layout() has computed it. The image has already passed the
 * filters before scaling. */
static bool find_layout(VipsImage *image, struct pv_job *job)
{
	const struct size size = {(uint32_t)vips_image_get_width(image),
	                          (uint32_t)vips_image_get_height(image)};

	if (job->has_layout)
		return true;
	job->has_layout = engine_layout(&job->layout, job->recipe, size, job->n_frames,
	                                job->failure);
	return job->has_layout;
}

/* Make an output frame from a stored frame. The filters after scaling are not applied here. */
static bool make_frame(VipsImage **image, void *data)
{
	struct pv_job *job = data;
	const struct pv_state *state = job->state;
	/* Whether the picture is turned upright before it is scaled. Filters before scaling and a
	 * focus need the upright picture. The kernel "nearest" needs it too: if two pixels are
	 * equally near, the direction of the rows decides which of them the kernel takes. */
	bool is_turned_first = job->before.n > 0 ||
	                       job->recipe->kernel == KERNEL_NEAREST ||
	                       (job->has_layout && job->layout.is_focused);
	struct size to;

	if (!pv_colour_begin(image, job))
		return false;
	if (is_turned_first && (!pv_turn_upright(image, state->orientation) ||
	                        !pv_filters_apply(image, job, &job->before, 1)))
		return false;
	if (!find_layout(*image, job))
		return false;
	if (!pv_focus(image, job))
		return false;
	/* If is_turned_first is false, the picture is turned after scaling. Turning the scaled
	 * picture is cheaper, and the large picture need not be in memory. */
	to = job->layout.scaled;
	if (!is_turned_first && state->orientation > 4)
		to = (struct size){to.height, to.width};
	return (!job->recipe->linear || pv_colour_linear(image, job)) &&
	       pv_scale_to(image, job, to) && pv_colour_finish(image, job) &&
	       (is_turned_first || pv_turn_upright(image, state->orientation)) &&
	       pv_place(image, job);
}

static bool load_carefully(VipsImage **ret_image, struct pv_job *job)
{
	return pv_load_frames(ret_image, job) &&
	       pv_each_frame(ret_image, job->n_frames, make_frame, job);
}

/* Keep only the metadata that the saver needs. Set the fields that describe frames, or remove them
 * if there is one frame. */
static void label(VipsImage *image, const struct pv_job *job)
{
	uint32_t n_frames = job->n_frames;

	pv_meta_filter(image, job);
	if (n_frames == 1) {
		vips_image_remove(image, VIPS_META_PAGE_HEIGHT);
		vips_image_remove(image, VIPS_META_N_PAGES);
		vips_image_remove(image, "delay");
		vips_image_remove(image, "loop");
		return;
	}
	vips_image_set_int(image, VIPS_META_PAGE_HEIGHT,
	                   vips_image_get_height(image) / (int)n_frames);
	vips_image_set_int(image, VIPS_META_N_PAGES, (int)n_frames);
}

/* Record that HDR is lost if the picture has light above white and the output does not keep such
 * light. Only pictures of floats have such light; other pictures are not decoded for this check. */
static bool note_lost_light(struct pv_job *job)
{
	VipsImage *image = NULL, *light = NULL;
	double most = 0;
	bool is_known;

	if (!job->state->is_light || job->is_light)
		return true;
	is_known = pv_load_frames(&image, job) &&
	           (vips_image_get_coding(image) == VIPS_CODING_RAD
	                    ? !vips_rad2float(image, &light, NULL)
	                    : !vips_copy(image, &light, NULL)) &&
	           !vips_max(light, &most, NULL);
	VIPS_UNREF(light);
	VIPS_UNREF(image);
	if (is_known && most > 1)
		job->lost |= LOST_HDR;
	return is_known;
}

/* Record that alpha is lost if the output's format has no alpha and a pixel of the picture is not
 * opaque. */
static bool note_lost_alpha(VipsImage **image, struct pv_job *job)
{
	VipsImage *alpha = NULL;
	double least = 0, opaque = job->is_deep ? UINT16_MAX : UINT8_MAX;
	bool is_known;

	if (!job->had_alpha || job->to->has_alpha || !vips_image_hasalpha(*image))
		return true;
	is_known = pv_to_memory(image) &&
	           !vips_extract_band(*image, &alpha, vips_image_get_bands(*image) - 1,
	                              NULL) &&
	           !vips_min(alpha, &least, NULL);
	VIPS_UNREF(alpha);
	if (is_known && least < opaque)
		job->lost |= LOST_ALPHA;
	return is_known;
}

static bool make_image(VipsImage **ret_image, struct pv_job *job)
{
	uint32_t n_frames = job->n_frames;

	if (job->has_layout && can_be_quick(job)) {
		if (!load_quickly(ret_image, job) || !pv_colour_finish(ret_image, job) ||
		    !pv_place(ret_image, job))
			return false;
	} else if (!load_carefully(ret_image, job)) {
		return false;
	}
	if (job->after.n > 0 &&
	    (!pv_to_memory(ret_image) ||
	     !pv_filters_apply(ret_image, job, &job->after, n_frames)))
		return false;
	if (!note_lost_alpha(ret_image, job) || !note_lost_light(job))
		return false;
	if ((!job->to->has_alpha ||
	     (job->shows_corners && job->recipe->background.is_set)) &&
	    !pv_flatten_on_background(ret_image, job))
		return false;
	return pv_to_memory(ret_image);
}

/* Decode the picture if it has several outputs. A picture with a single output is decoded by
 * derive(), while it is scaled. A drawing (SVG, PDF) is drawn by derive() for each output, at the
 * output's size. */
static bool pv_decode(struct source *source, struct failure *ret_failure)
{
	struct pv_state *state = source->state;
	double shrink = HUGE_VAL;

	if (!pv_prove_whole(source, ret_failure) ||
	    !pv_prove_strips(source, source->n_frames, ret_failure))
		return false;
	if (source->n_variants < 2 || format_info(source->format)->is_drawn)
		return true;
	for (unsigned i = 0; i < source->n_variants; i++) {
		struct pv_job job = job_for(source, state, &source->variants[i],
		                            ret_failure);

		if (!plan_layout(&job))
			return false;
		shrink = fmin(shrink, pv_loader_shrink(&job));
	}
	if (!pv_decode_all(source, shrink, ret_failure))
		return pv_fail(ret_failure, "decode", FAIL_BAD_IMAGE);
	return pv_accepts_damage(source, ret_failure);
}

static bool render(struct pv_job *job, struct rendering *ret_rendering)
{
	VipsImage *image = NULL;

	if (!plan_layout(job))
		return false;
	if (!make_image(&image, job)) {
		VIPS_UNREF(image);
		return pv_fail(job->failure, "decode", FAIL_BAD_IMAGE);
	}
	if (!pv_draw_has_all_text(job->from, job->failure)) {
		g_object_unref(image);
		return false;
	}
	label(image, job);
	ret_rendering->size = (struct size){(uint32_t)vips_image_get_width(image),
	                                    (uint32_t)vips_image_get_height(image) /
	                                            job->n_frames};
	ret_rendering->n_frames = job->n_frames;
	ret_rendering->lost = job->lost;
	ret_rendering->image = image;
	if (job->is_tagged)
		ret_rendering->colour = job->space == SPACE_KEEP ? OUTPUT_AS_INPUT
		                                                 : OUTPUT_OTHER_SPACE;
	ret_rendering->free_image = g_object_unref;
	return true;
}

static bool pv_derive(struct source *source, const struct pixels *lent,
                      const struct picture_variant *variant, bool is_last,
                      struct rendering *ret_rendering, struct failure *ret_failure)
{
	struct pv_state of_lent = {0};
	struct pv_job job;

	(void)is_last;
	if (lent)
		of_lent = state_of_lent(source, lent);
	job = job_for(source, lent ? &of_lent : source->state, variant, ret_failure);
	job.lent = lent;
	if (!render(&job, ret_rendering))
		return false;
	return lent || pv_accepts_damage(source, ret_failure);
}

static enum claim pv_claim_output(const struct source *source, bool is_lent,
                                  const struct recipe *recipe, struct failure *ret_reason)
{
	const char *missing = pv_missing_filter(&recipe->filters);

	(void)source;
	(void)is_lent;
	if (!missing)
		return CLAIM_CAN;
	failure_set(ret_reason, FAIL_UNSUPPORTED, "the vips engine has no filter '%s'",
	            missing);
	return CLAIM_CANNOT;
}

/* Convert the image of a rendering to plain pixels of 8 bits. The image has 1 to 4 bands. */
static bool pv_make_plain(struct rendering *rendering, struct failure *ret_failure)
{
	VipsImage *image = rendering->image, *plain = NULL;
	struct pixels *pixels = &rendering->pixels;
	size_t n;

	if (vips_cast(image, &plain, VIPS_FORMAT_UCHAR, "shift", TRUE, NULL))
		return pv_fail(ret_failure, "decode", FAIL_INTERNAL);
	*pixels = (struct pixels){
		.size = rendering->size,
		.n_bands = (unsigned)vips_image_get_bands(plain),
		.bytes = vips_image_write_to_memory(plain, &n),
		.free_bytes = g_free,
	};
	g_object_unref(plain);
	if (!pixels->bytes)
		return pv_fail(ret_failure, "decode", FAIL_MEMORY);
	g_object_unref(image);
	rendering->image = NULL;
	return true;
}

static void pv_say_version(char *text, size_t n_text)
{
	char heif[40], jxl[40];

	reader_heif.version(heif, sizeof(heif));
	reader_jxl.version(jxl, sizeof(jxl));
	snprintf(text, n_text, "libvips %s, %s, %s", vips_version_string(), heif, jxl);
}

const struct engine engine_vips = {
	.name = "vips",
	.version = pv_say_version,
	.start = pv_start,
	.reads = pv_reads,
	.writes = pv_writes,
	.claim_source = pv_claim_source,
	.claim_output = pv_claim_output,
	.decoder_memory = pv_decoder_memory,
	.output_memory = memory_of_output,
	.decode = pv_decode,
	.check = pv_check,
	.derive = pv_derive,
	.close = pv_close_source,
	.make_plain = pv_make_plain,
	.encode = pv_save,
	.font_folders = pv_font_folders,
	.draws = pv_draws,
};
