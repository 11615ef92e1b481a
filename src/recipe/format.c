/* The table of image formats. */
#include "recipe/format.h"

#include "common/path.h"

#include <string.h>
#include <strings.h>

static const char *const no_suffixes[] = {NULL};
static const char *const jpeg_suffixes[] = {"jpg", "jpeg", "jpe", "jfif", NULL};
static const char *const png_suffixes[] = {"png", NULL};
static const char *const webp_suffixes[] = {"webp", NULL};
static const char *const gif_suffixes[] = {"gif", NULL};
static const char *const tiff_suffixes[] = {"tif", "tiff", NULL};
static const char *const heic_suffixes[] = {"heic", "heif", NULL};
static const char *const avif_suffixes[] = {"avif", NULL};
static const char *const jxl_suffixes[] = {"jxl", NULL};
static const char *const jp2_suffixes[] = {"jp2", "j2k", "jpf", "jpx",
                                           "j2c", "jpc", NULL};
static const char *const svg_suffixes[] = {"svg", "svgz", NULL};
static const char *const pdf_suffixes[] = {"pdf", NULL};
static const char *const pnm_suffixes[] = {"ppm", "pgm", "pbm", "pnm", "pfm", NULL};
static const char *const bmp_suffixes[] = {"bmp", "dib", NULL};
static const char *const tga_suffixes[] = {"tga", "icb", "vda", "vst", NULL};
static const char *const psd_suffixes[] = {"psd", "psb", NULL};
static const char *const hdr_suffixes[] = {"hdr", NULL};
static const char *const exr_suffixes[] = {"exr", NULL};
static const char *const ico_suffixes[] = {"ico", "cur", NULL};
static const char *const pam_suffixes[] = {"pam", NULL};
static const char *const raw_suffixes[] = {
	"cr2", "cr3", "crw", "nef", "nrw", "arw", "srf", "sr2", "dng", "raf", "orf",
	"orw", "rw2", "rwl", "pef", "srw", "x3f", "mrw", "3fr", "erf", "kdc", "dcr",
	"mos", "iiq", "mef", "fff", "gpr", "bay", "cap", "eip", "dcs", "drf", "k25",
	"mdc", "ptx", "pxn", "rwz", "rw1", "ori", "srx", NULL};

/* max_side is the lower of two limits: the limit of the format, and the limit of the library that
 * writes the format. libjpeg has the limit 65500, and the encoders of libheif have the limit
 * 16384. */
static const struct format_info formats[N_FORMATS] = {
	[FORMAT_NONE] = {"unknown", "", no_suffixes, FORMAT_NONE, 0, .has_alpha = false},
	[FORMAT_JPEG] = {"jpeg", "jpg", jpeg_suffixes, FORMAT_JPEG, 65500,
                         .has_profile = true},
	[FORMAT_PNG] = {"png", "png", png_suffixes, FORMAT_PNG, 0, .has_alpha = true,
                        .has_depth = true, .has_profile = true},
	[FORMAT_WEBP] = {"webp", "webp", webp_suffixes, FORMAT_WEBP, 16383,
                         .has_alpha = true, .has_profile = true, .has_frames = true},
	[FORMAT_GIF] = {"gif", "gif", gif_suffixes, FORMAT_GIF, 65535, .has_alpha = true,
                        .has_frames = true},
	[FORMAT_TIFF] = {"tiff", "tif", tiff_suffixes, FORMAT_TIFF, 0, .has_alpha = true,
                         .has_depth = true, .has_profile = true, .has_pages = true},
	[FORMAT_HEIC] = {"heic", "heic", heic_suffixes, FORMAT_JPEG, 16384,
                         .has_alpha = true, .has_depth = true, .has_profile = true},
	[FORMAT_AVIF] = {"avif", "avif", avif_suffixes, FORMAT_AVIF, 16384,
                         .has_alpha = true, .has_depth = true, .has_profile = true},
	[FORMAT_JXL] = {"jxl", "jxl", jxl_suffixes, FORMAT_JXL, 0, .has_alpha = true,
                        .has_depth = true, .has_profile = true},
	[FORMAT_JP2] = {"jp2", "jp2", jp2_suffixes, FORMAT_JP2, 0, .has_alpha = true,
                        .has_depth = true},
	[FORMAT_SVG] = {"svg", "svg", svg_suffixes, FORMAT_PNG, 0, .is_drawn = true},
	[FORMAT_PDF] = {"pdf", "pdf", pdf_suffixes, FORMAT_PNG, 0, .is_drawn = true},
	[FORMAT_PNM] = {"pnm", "ppm", pnm_suffixes, FORMAT_PNM, 0, .has_depth = true},
	[FORMAT_BMP] = {"bmp", "bmp", bmp_suffixes, FORMAT_BMP, 0, .has_alpha = false},
	[FORMAT_TGA] = {"tga", "tga", tga_suffixes, FORMAT_TGA, 65535, .has_alpha = true},
	[FORMAT_PSD] = {"psd", "psd", psd_suffixes, FORMAT_PNG, 0, .has_alpha = false},
	[FORMAT_HDR] = {"hdr", "hdr", hdr_suffixes, FORMAT_HDR, 0, .has_alpha = false},
	[FORMAT_EXR] = {"exr", "exr", exr_suffixes, FORMAT_PNG, 0, .has_alpha = false},
	[FORMAT_ICO] = {"ico", "ico", ico_suffixes, FORMAT_PNG, 0, .has_alpha = false},
	[FORMAT_PAM] = {"pam", "pam", pam_suffixes, FORMAT_PNG, 0, .has_alpha = false},
	[FORMAT_RAW] = {"raw", "raw", raw_suffixes, FORMAT_RAW, 0, .has_alpha = false},
};

const struct format_info *format_info(enum image_format format)
{
	if ((unsigned)format >= N_FORMATS)
		format = FORMAT_NONE;
	return &formats[format];
}

static enum image_format format_of_suffix(const char *word)
{
	for (int format = FORMAT_NONE + 1; format < N_FORMATS; format++) {
		for (const char *const *suffix = formats[format].suffixes; *suffix;
		     suffix++) {
			if (strcasecmp(*suffix, word) == 0)
				return (enum image_format)format;
		}
	}
	return FORMAT_NONE;
}

enum image_format format_of_name(const char *name)
{
	return format_of_suffix(path_suffix(name));
}

enum image_format format_of_word(const char *word)
{
	for (int format = FORMAT_NONE + 1; format < N_FORMATS; format++) {
		if (strcasecmp(formats[format].name, word) == 0)
			return (enum image_format)format;
	}
	return format_of_suffix(word);
}
