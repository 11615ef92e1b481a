/* Tests of the sample fetch_pages, with a server on the loopback address. */
#include "samples/http_server.h"
#include "samples/program.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct http_server *serve(void)
{
	setenv("no_proxy", "127.0.0.1", 1);
	return http_server_start();
}

/* Whether an output line is about this address and contains this outcome. */
static bool is_about(const char *line, const char *address, const char *outcome)
{
	size_t n = strlen(address);

	return line && strncmp(line, address, n) == 0 &&
	       strncmp(line + n, ": ", 2) == 0 && strstr(line + n + 2, outcome);
}

TEST(fetch_pages,
     a_page_is_printed_as_soon_as_it_is_done_even_while_the_first_page_is_slow)
{
	struct http_server *server = serve();
	const char *slow = http_server_address(server, "/slow");
	const char *page = http_server_address(server, "/page");
	const char *missing = http_server_address(server, "/missing");
	const char *closed = http_server_address(server, "/closed");
	const char *const argv[] = {PROGRAM, slow, page, missing, closed, NULL};
	struct program program = program_start(argv, NULL);
	bool has_page = false, has_missing = false, has_closed = false;

	for (int i = 0; i < 3; i++) {
		const char *line = program_line(&program);

		has_page |= is_about(line, page, "HTTP status 200, 1234 bytes");
		has_missing |= is_about(line, missing, "HTTP status 404");
		has_closed |= is_about(line, closed, "Server returned nothing");
	}
	EXPECT(has_page && has_missing && has_closed);

	http_server_release(server);
	EXPECT(is_about(program_line(&program), slow, "HTTP status 200, 1234 bytes"));
	EXPECT(program_line(&program) == NULL);
	EXPECT_EQ(program_end(&program), 1);
	http_server_stop(server);
}

/* The test fetches more pages than there are threads, so that each thread uses its curl handle
 * again. */
TEST(fetch_pages, the_sample_program_exits_with_0_when_all_pages_are_fetched)
{
	struct http_server *server = serve();
	const char *page = http_server_address(server, "/page");
	const char *const argv[] = {PROGRAM, page, page, page, page,
	                            page,    page, page, page, NULL};
	struct transcript said = program_run(argv);

	EXPECT_EQ(said.status, 0);
	EXPECT_EQ(said.n, 8);
	for (size_t i = 0; i < said.n; i++)
		EXPECT(is_about(said.lines[i], page, "HTTP status 200, 1234 bytes"));
	http_server_stop(server);
}

/* The port is bound, but nobody listens on it. */
TEST(fetch_pages, a_missing_server_is_reported_like_a_missing_page)
{
	struct sockaddr_in nobody = {.sin_family = AF_INET,
	                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(nobody);
	struct transcript said;
	char address[64];

	setenv("no_proxy", "127.0.0.1", 1);
	REQUIRE(bind(holder, (struct sockaddr *)&nobody, n) == 0);
	REQUIRE(getsockname(holder, (struct sockaddr *)&nobody, &n) == 0);
	snprintf(address, sizeof(address), "http://127.0.0.1:%d/",
	         ntohs(nobody.sin_port));
	said = program_run((const char *const[]){PROGRAM, address, NULL});
	close(holder);

	EXPECT_EQ(said.status, 1);
	EXPECT_EQ(said.n, 1);
	EXPECT(is_about(said.lines[0], address, "onnect to server"));
}
