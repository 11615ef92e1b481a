/*
 * A server of four pages, on 127.0.0.1 alone, in a thread of the test:
 *
 *   /page     HTTP_PAGE_BYTES bytes
 *   /slow     as many, once http_server_release() was called
 *   /closed   the connection ends without a word
 *   any other status 404
 */
#ifndef PXP_TEST_HTTP_SERVER_H
#define PXP_TEST_HTTP_SERVER_H

enum { HTTP_PAGE_BYTES = 1234 };

struct http_server;

/* Any failure ends the test. */
struct http_server *http_server_start(void);

/* The address of a page; static, until the next but seven. */
const char *http_server_address(const struct http_server *server, const char *page);

void http_server_release(struct http_server *server);

/* End it, and free it. */
void http_server_stop(struct http_server *server);

#endif
