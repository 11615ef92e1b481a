/*
 * In each run, one allocation of our code fails while a picture is processed. The picture must then
 * fail for want of memory, or come out as if nothing had happened. The linker replaces the
 * functions that allocate (--wrap), but not those inside shared libraries. Each run has a process
 * of its own, because engines keep memory between pictures.
 */
#include "image_fixture.h"
#include "support/failing_allocation.h"
#include "support/test.h"

#include "base/fd.h"
#include "image/picture.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a run reports. It is in memory that the run shares with the test. */
struct report {
	bool is_done;
	struct picture_answer answer;
	unsigned n_allocations;
	uint8_t output[1 << 16];
};

static struct report *report_create(void)
{
	struct report *report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(report != MAP_FAILED);
	return report;
}

_Noreturn static void run_child(const struct blob *input, const struct recipe *recipe,
                                unsigned nth, struct report *report)
{
	const struct picture_variant variant = {.recipe = recipe};
	struct picture_worker *worker = picture_worker_create();
	const struct picture_job job = {
		.variants = &variant,
		.n_variants = 1,
		.name = "picture",
		.input = fd_of_bytes("input", 0, input->bytes, input->n),
		.input_bytes = input->n,
		.output = memfd_create("output", MFD_CLOEXEC),
	};
	uint64_t n;

	allocation_arm(nth);
	report->is_done = picture_run(worker, &job, &report->answer);
	report->n_allocations = allocation_disarm();
	n = report->answer.out[0].bytes;
	_exit(report->is_done && (n > sizeof(report->output) ||
	                          pread(job.output, report->output, n, 0) != (ssize_t)n));
}

static void run(const struct blob *input, const struct recipe *recipe, unsigned nth,
                struct report *report)
{
	pid_t child;
	int status;

	memset(report, 0, sizeof(*report));
	child = fork();
	REQUIRE(child >= 0);
	if (child == 0)
		run_child(input, recipe, nth, report);
	REQUIRE(waitpid(child, &status, 0) == child);
	EXPECT(status == 0, "allocation %u: status %#x", nth, status);
}

/* Let each allocation fail in a run of its own. Each of these runs must fail for want of memory, or
 * must make the same output as a run without a failure. Returns whether the fast engine read the
 * picture. */
static bool expect_sound_failures(const struct blob *input, const struct recipe *recipe,
                                  struct report *whole, struct report *report)
{
	run(input, recipe, 0, whole);
	REQUIRE(whole->is_done, "%s", whole->answer.failure.text);
	for (unsigned nth = 1; nth <= whole->n_allocations; nth++) {
		run(input, recipe, nth, report);
		EXPECT(report->is_done || report->answer.failure.class == FAIL_MEMORY,
		       "allocation %u: %s: %s", nth,
		       fail_class_name(report->answer.failure.class),
		       report->answer.failure.text);
		EXPECT(!report->is_done || memcmp(report->output, whole->output,
		                                  sizeof(whole->output)) == 0,
		       "allocation %u: the output of the engine %s differs", nth,
		       report->answer.engine);
	}
	return strcmp(whole->answer.engine, "fast") == 0;
}

/* Engines run only in child processes. In the parent, the threads and the memory of an engine would
 * affect all later runs. */
static struct blob output_of(const struct blob *input, const struct recipe *recipe,
                             struct report *report)
{
	struct blob output = {0};

	run(input, recipe, 0, report);
	REQUIRE(report->is_done, "%s", report->answer.failure.text);
	blob_append(&output, report->output, (size_t)report->answer.out[0].bytes);
	return output;
}

static struct blob webp_of(const struct blob *input, struct report *report)
{
	struct recipe recipe = recipe_for(FORMAT_WEBP, ENGINE_AUTO);

	return output_of(input, &recipe, report);
}

TEST(memory_faults, a_failed_allocation_never_makes_a_wrong_output)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP};
	struct report *whole = report_create(), *report = report_create();
	struct blob inputs[6];
	struct failure failure = {0};
	int n_fast = 0;

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	inputs[0] = make_jpeg(90, 60, 1, &rgbw);
	inputs[1] = make_jpeg(90, 60, 3, &rgbw);
	inputs[2] = make_png(90, 60, 3, &rgbw);
	inputs[3] = make_png(90, 60, 4, &rgbw);
	inputs[4] = webp_of(&inputs[1], whole);
	inputs[5] = webp_of(&inputs[3], whole);
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		for (size_t j = 0; j < sizeof(formats) / sizeof(formats[0]); j++) {
			struct recipe recipe = recipe_of_words("size 40x40", formats[j],
			                                       ENGINE_AUTO);

			n_fast += expect_sound_failures(&inputs[i], &recipe, whole,
			                                report);
		}
		blob_fini(&inputs[i]);
	}
	/* The fast engine makes all outputs except PNG from the two JPEGs. */
	EXPECT_EQ(n_fast, 16);
	munmap(whole, sizeof(*whole));
	munmap(report, sizeof(*report));
}

/* Metadata is read, adapted to the output and written. Each of these steps allocates memory. */
TEST(memory_faults, a_failed_allocation_never_loses_metadata)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNG, FORMAT_WEBP};
	static const char xmp[] =
		"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
		"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
		"<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/' "
		"xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'>"
		"<dc:title><rdf:Alt><rdf:li xml:lang='x-default'>Lake</rdf:li></rdf:Alt>"
		"</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>";
	struct report *whole = report_create(), *report = report_create();
	struct blob input = make_jpeg(90, 60, 3, &rgbw);
	uint8_t exif[6 + EXIF_BYTES] = "Exif\0";
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	make_exif(exif + 6, 6, true);
	jpeg_insert(&input, 0xe1, xmp, sizeof(xmp) - 1);
	jpeg_insert(&input, 0xe1, exif, sizeof(exif));
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct recipe recipe = recipe_of_words("size 40x40; keep all", formats[i],
		                                       ENGINE_AUTO);

		expect_sound_failures(&input, &recipe, whole, report);
		EXPECT(memmem(whole->output, sizeof(whole->output), "Lake", 4) != NULL);
	}
	blob_fini(&input);
	munmap(whole, sizeof(*whole));
	munmap(report, sizeof(*report));
}

/* This test writes no PNG: stb_image_write does not check whether it got memory, and would crash
 * the worker. */
TEST(memory_faults, a_failed_allocation_in_vips_or_stb_never_makes_a_wrong_output)
{
	static const enum image_format formats[] = {FORMAT_JPEG, FORMAT_PNM};
	struct report *whole = report_create(), *report = report_create();
	struct blob inputs[] = {make_jpeg(90, 60, 3, &rgbw), make_png(90, 60, 4, &rgbw)};
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		for (size_t j = 0; j < sizeof(formats) / sizeof(formats[0]); j++) {
			FOR_EACH_ENGINE(engine)
			{
				struct recipe recipe = recipe_of_words(
					"size 40x40", formats[j], *engine);

				EXPECT(!expect_sound_failures(&inputs[i], &recipe, whole,
				                              report));
			}
		}
		blob_fini(&inputs[i]);
	}
	munmap(whole, sizeof(*whole));
	munmap(report, sizeof(*report));
}

/* Make a JPEG with a profile whose transfer curve differs from that of sRGB. */
static struct blob make_jpeg_with_profile(void)
{
	struct blob jpeg = make_jpeg(90, 60, 3, &rgbw), segment = {0};
	struct blob profile = make_rgb_profile("gamma 1.8", 1.8);

	blob_append(&segment, "ICC_PROFILE\0\1\1", 14);
	blob_append(&segment, profile.bytes, profile.n);
	jpeg_insert(&jpeg, 0xe2, segment.bytes, segment.n);
	blob_fini(&segment);
	blob_fini(&profile);
	return jpeg;
}

/* Make a PNG with a profile, stored in a zlib stream without compression. gamma is 0 for the curve
 * of sRGB. */
static struct blob make_png_with_profile(const char *words, double gamma)
{
	struct blob png = make_png(90, 60, 3, &rgbw), chunk = {0};
	struct blob profile = make_rgb_profile(words, gamma);
	unsigned n = (unsigned)profile.n, a = 1, b = 0;
	/* The name "x" and the compression method; then the heads of the stream and the block. */
	const uint8_t head[] = {'x',         0,
	                        0,           0x78,
	                        0x01,        1,
	                        (uint8_t)n,  (uint8_t)(n >> 8),
	                        (uint8_t)~n, (uint8_t)(~n >> 8)};
	uint8_t adler[4];

	REQUIRE(n <= UINT16_MAX);
	for (size_t i = 0; i < profile.n; i++) {
		a = (a + profile.bytes[i]) % 65521;
		b = (b + a) % 65521;
	}
	put_big_endian(adler, b << 16 | a, 4);
	blob_append(&chunk, head, sizeof(head));
	blob_append(&chunk, profile.bytes, profile.n);
	blob_append(&chunk, adler, sizeof(adler));
	png_insert(&png, "iCCP", chunk.bytes, chunk.n);
	blob_fini(&chunk);
	blob_fini(&profile);
	return png;
}

TEST(memory_faults,
     a_failed_allocation_while_a_profile_is_applied_never_makes_a_wrong_output)
{
	struct report *whole = report_create(), *report = report_create();
	struct blob inputs[] = {make_jpeg_with_profile(),
	                        make_png_with_profile("gamma 1.8", 1.8)};
	struct recipe recipe = recipe_of_words("size 40x40", FORMAT_JPEG, ENGINE_AUTO);
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		EXPECT(expect_sound_failures(&inputs[i], &recipe, whole, report));
		blob_fini(&inputs[i]);
	}
	munmap(whole, sizeof(*whole));
	munmap(report, sizeof(*report));
}

/* The reason "unsupported" would be wrong: later runs would remember it, and not try again. */
TEST(memory_faults, a_failed_allocation_while_stb_checks_a_profile_is_for_want_of_memory)
{
	struct report *whole = report_create(), *report = report_create();
	struct blob png = make_png_with_profile("sRGB", 0);
	struct recipe recipe = recipe_of_words("size 40x40", FORMAT_JPEG, ENGINE_STB);
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	EXPECT(!expect_sound_failures(&png, &recipe, whole, report));
	blob_fini(&png);
	munmap(whole, sizeof(*whole));
	munmap(report, sizeof(*report));
}

/* If a JXL is lossy and has a profile, jxl_read.c itself converts the colours. */
TEST(memory_faults, a_failed_allocation_while_a_jxl_is_read_never_makes_a_wrong_output)
{
	static const char *const words[] = {"profile keep; keep icc; lossless",
	                                    "profile keep; keep icc; quality 80"};
	const struct recipe to_png = recipe_of_words("profile keep; keep icc", FORMAT_PNG,
	                                             ENGINE_VIPS);
	struct report *whole = report_create(), *report = report_create();
	struct blob jpeg = make_jpeg_with_profile();
	struct failure failure = {0};

	REQUIRE(picture_preload(&failure), "%s", failure.text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct recipe to_jxl = recipe_of_words(words[i], FORMAT_JXL, ENGINE_VIPS);
		struct blob jxl = output_of(&jpeg, &to_jxl, whole);

		EXPECT(!expect_sound_failures(&jxl, &to_png, whole, report));
		blob_fini(&jxl);
	}
	blob_fini(&jpeg);
	munmap(whole, sizeof(*whole));
	munmap(report, sizeof(*report));
}
