/* A test of ten thousand tiny files in one run: memory use stays bounded. */
#include "cli_fixture.h"

#include <stdio.h>
#include <string.h>

enum { N_FOLDERS = 20, N_FILES = 500 };

TEST(many, one_run_resizes_ten_thousand_tiny_images)
{
#ifdef PIXPOOL_SANITIZE
	scratch_skip("ten thousand images", "it takes too long under a sanitizer");
#else
	struct ended ended;
	char path[64], want[128];

	fixture_enter();
	for (int i = 0; i < N_FOLDERS; i++) {
		for (int j = 0; j < N_FILES; j++) {
			snprintf(path, sizeof(path), "in/%02d/%03d.jpg", i, j);
			write_script(path, "size 2 2");
		}
	}
	ended = run(
		"pixpool-scripted resize -s 8 in -o out --progress none --report r --no-fsync");
	EXPECT_EQ(ended.status, 0);
	EXPECT(strncmp(ended.err, "10,000 images: 10,000 done in ", 30) == 0, "%s",
	       ended.err);
	ended = run("tail -n 1 r");
	snprintf(want, sizeof(want),
	         "{'summary':{'inputs':%d,'ok':%d,'skipped':0,'failed':0,'cancelled':0,",
	         N_FOLDERS * N_FILES, N_FOLDERS * N_FILES);
	EXPECT(strstr(records_in(ended.out), want), "%s", ended.out);
	EXPECT_STR(run("find out -name '*.jpg' -size +0 | wc -l").out, "10000\n");
	fixture_leave();
#endif
}
