/* Tests of the names of outputs, and of which input files count as images. */
#include "support/scratch.h"
#include "support/test.h"

#include "base/fd.h"
#include "batch/naming.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char jpeg[] = "\xff\xd8\xff\xe0\0\x10JFIF";
static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
static const char heic[] = "\0\0\0\x18"
			   "ftypheic\0\0\0\0heicmif1";

static bool memory_is_out;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);

/* The linker puts this function in the place of malloc(). */
void *__wrap_malloc(size_t n)
{
	return memory_is_out ? NULL : __real_malloc(n);
}

static struct walk_item item_of(const char *relative, bool is_named)
{
	return (struct walk_item){.kind = WALK_FILE,
	                          .is_named = is_named,
	                          .path = relative,
	                          .relative = relative,
	                          .folder = AT_FDCWD,
	                          .name = relative};
}

/* Check that the output has the format `want`. Returns the name of the output as static text;
 * "(ignored)" if the input is not an image, "(unknown)" if it has no output name. */
static const char *named(const struct walk_item *item, enum image_format format,
                         const char *tag, enum image_format want)
{
	static char text[256];
	const struct variant_rule rule = {.format = format, .tag = tag};
	struct variant variant;
	enum image_format from;
	struct stat stat;
	int fd = naming_needs_content(item) ? walk_open_file(item, &stat) : -1;

	from = naming_format(item, fd);
	fd_close(&fd);
	if (!naming_is_image(item, from)) {
		EXPECT_EQ(want, FORMAT_NONE);
		return "(ignored)";
	}
	REQUIRE(naming_output(item, from, &rule, &variant));
	EXPECT_EQ(variant.format, variant.name ? want : FORMAT_NONE);
	snprintf(text, sizeof(text), "%s", variant.name ? variant.name : "(unknown)");
	free(variant.name);
	return text;
}

static const char *met(const char *relative, enum image_format format,
                       enum image_format want)
{
	struct walk_item item = item_of(relative, false);

	return named(&item, format, NULL, want);
}

static const char *given(const char *relative, enum image_format format,
                         enum image_format want)
{
	struct walk_item item = item_of(relative, true);

	return named(&item, format, NULL, want);
}

static void content(const char *path, const char *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	REQUIRE(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	close(fd);
}

/* None of these files exists: a file with a known suffix is not opened to choose its output name.
 */
TEST(naming,
     a_known_suffix_decides_the_format_and_stays_if_the_output_has_the_same_format)
{
	EXPECT_STR(met("a.jpg", FORMAT_NONE, FORMAT_JPEG), "a.jpg");
	EXPECT_STR(met("a.JPG", FORMAT_NONE, FORMAT_JPEG), "a.JPG");
	EXPECT_STR(met("a.jpeg", FORMAT_NONE, FORMAT_JPEG), "a.jpeg");
	EXPECT_STR(met("sub/a.v1.2.Png", FORMAT_NONE, FORMAT_PNG), "sub/a.v1.2.Png");
	EXPECT_STR(met("x.png/a.tif", FORMAT_NONE, FORMAT_TIFF), "x.png/a.tif");
	EXPECT_STR(met("a.gif", FORMAT_NONE, FORMAT_GIF), "a.gif");
	EXPECT_STR(met("a.avif", FORMAT_NONE, FORMAT_AVIF), "a.avif");
	EXPECT_STR(met("a.nef", FORMAT_NONE, FORMAT_RAW), "a.nef");
}

TEST(naming, an_input_format_that_is_not_kept_gets_its_documented_output_format)
{
	EXPECT_STR(met("a.heic", FORMAT_NONE, FORMAT_JPEG), "a.jpg");
	EXPECT_STR(met("a.HEIF", FORMAT_NONE, FORMAT_JPEG), "a.jpg");
	EXPECT_STR(met("sub/a.b.svg", FORMAT_NONE, FORMAT_PNG), "sub/a.b.png");
	EXPECT_STR(met("a.pdf", FORMAT_NONE, FORMAT_PNG), "a.png");
	EXPECT_STR(met("a.psd", FORMAT_NONE, FORMAT_PNG), "a.png");
	EXPECT_STR(met("a.exr", FORMAT_NONE, FORMAT_PNG), "a.png");
	EXPECT_STR(met("a.ico", FORMAT_NONE, FORMAT_PNG), "a.png");
	EXPECT_STR(met("a.pam", FORMAT_NONE, FORMAT_PNG), "a.png");
}

TEST(naming, a_requested_format_sets_the_suffix)
{
	EXPECT_STR(met("a.jpg", FORMAT_WEBP, FORMAT_WEBP), "a.webp");
	EXPECT_STR(met("a.PNG", FORMAT_JPEG, FORMAT_JPEG), "a.jpg");
	EXPECT_STR(met("a.jpeg", FORMAT_JPEG, FORMAT_JPEG), "a.jpg");
	EXPECT_STR(met("a.b.tiff", FORMAT_PNG, FORMAT_PNG), "a.b.png");
	EXPECT_STR(met("x.y/a.heic", FORMAT_HEIC, FORMAT_HEIC), "x.y/a.heic");
	EXPECT_STR(met("a.nef", FORMAT_JPEG, FORMAT_JPEG), "a.jpg");
}

TEST(naming, an_unknown_suffix_is_kept_and_the_suffix_of_the_format_is_appended)
{
	scratch_enter(NULL);
	content("photo", jpeg, sizeof(jpeg));
	content("a.bak", png, sizeof(png));
	content("a.jpg.bak", jpeg, sizeof(jpeg));
	content("end.", jpeg, sizeof(jpeg));
	content(".jpg", png, sizeof(png));
	content("iphone", heic, sizeof(heic));
	EXPECT_STR(met("photo", FORMAT_NONE, FORMAT_JPEG), "photo.jpg");
	EXPECT_STR(met("a.bak", FORMAT_NONE, FORMAT_PNG), "a.bak.png");
	EXPECT_STR(met("a.jpg.bak", FORMAT_NONE, FORMAT_JPEG), "a.jpg.bak.jpg");
	EXPECT_STR(met("end.", FORMAT_NONE, FORMAT_JPEG), "end..jpg");
	EXPECT_STR(met("iphone", FORMAT_NONE, FORMAT_JPEG), "iphone.jpg");
	EXPECT_STR(met("a.jpg.bak", FORMAT_WEBP, FORMAT_WEBP), "a.jpg.bak.webp");
	/* A name such as ".jpg" has no suffix. */
	EXPECT_STR(met(".jpg", FORMAT_NONE, FORMAT_PNG), ".jpg.png");
	scratch_leave();
}

TEST(naming, a_file_that_is_not_an_image_is_ignored_inside_an_input_folder)
{
	scratch_enter(NULL);
	content("notes.txt", "no image", 8);
	content("empty", "", 0);
	EXPECT_STR(met("notes.txt", FORMAT_NONE, FORMAT_NONE), "(ignored)");
	EXPECT_STR(met("notes.txt", FORMAT_PNG, FORMAT_NONE), "(ignored)");
	EXPECT_STR(met("empty", FORMAT_NONE, FORMAT_NONE), "(ignored)");
	EXPECT_STR(met("gone", FORMAT_NONE, FORMAT_NONE), "(ignored)");
	scratch_leave();
}

TEST(naming, a_file_that_is_not_an_image_is_tried_if_it_is_named_as_an_input)
{
	scratch_enter(NULL);
	content("notes.txt", "no image", 8);
	EXPECT_STR(given("notes.txt", FORMAT_NONE, FORMAT_NONE), "(unknown)");
	EXPECT_STR(given("notes.txt", FORMAT_PNG, FORMAT_PNG), "notes.txt.png");
	EXPECT_STR(given("gone", FORMAT_NONE, FORMAT_NONE), "(unknown)");
	EXPECT_STR(given("a.jpg", FORMAT_NONE, FORMAT_JPEG), "a.jpg");
	scratch_leave();
}

TEST(naming, names_that_are_not_utf8_keep_all_their_bytes)
{
	EXPECT_STR(met("caf\xe9.jpg", FORMAT_PNG, FORMAT_PNG), "caf\xe9.png");
	EXPECT_STR(met("\xff\xfe/\x01.jpg", FORMAT_NONE, FORMAT_JPEG),
	           "\xff\xfe/\x01.jpg");
	EXPECT_STR(met("a\nb %s [Q=1].jpg", FORMAT_PNG, FORMAT_PNG), "a\nb %s [Q=1].png");
}

TEST(naming, a_tag_is_put_before_the_extension)
{
	struct walk_item jpeg_item = item_of("sub/a.b.JPG", false);
	struct walk_item unknown = item_of("photo", false);

	EXPECT_STR(named(&jpeg_item, FORMAT_NONE, "-640", FORMAT_JPEG),
	           "sub/a.b-640.JPG");
	EXPECT_STR(named(&jpeg_item, FORMAT_WEBP, "-640", FORMAT_WEBP),
	           "sub/a.b-640.webp");
	scratch_enter(NULL);
	content("photo", jpeg, sizeof(jpeg));
	EXPECT_STR(named(&unknown, FORMAT_NONE, "-640", FORMAT_JPEG), "photo-640.jpg");
	scratch_leave();
}

TEST(naming, a_name_stays_unchanged_if_no_memory_is_left_to_fill_in_its_hash)
{
	const struct walk_item item = item_of("sub/a.jpg", false);
	const struct variant_rule rule = {.style.pattern = "{name}-{hash}.{ext}"};
	const struct output_hash hash = {
		{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}};
	struct variant variant;

	REQUIRE(naming_output(&item, FORMAT_JPEG, &rule, &variant));
	EXPECT_STR(variant.name, "sub/a-{hash}.jpg");
	memory_is_out = true;
	EXPECT(!naming_fill_hash(&variant, &hash));
	memory_is_out = false;
	EXPECT(variant.has_hash);
	EXPECT_STR(variant.name, "sub/a-{hash}.jpg");
	EXPECT(naming_fill_hash(&variant, &hash));
	EXPECT(!variant.has_hash);
	EXPECT_STR(variant.name, "sub/a-0123456789abcdef.jpg");
	EXPECT(naming_fill_hash(&variant, &hash));
	free(variant.name);
}
