/*
 * An HTTP server for tests, in a thread of the test, on 127.0.0.1 only:
 *
 *   /page      HTTP_PAGE_BYTES bytes
 *   /slow      as many bytes, but not before http_server_release() was called
 *   /closed    the connection is closed without an answer
 *   any other  status 404
 */
#ifndef PXP_TEST_HTTP_SERVER_H
#define PXP_TEST_HTTP_SERVER_H

enum { HTTP_PAGE_BYTES = 1234 };

struct http_server;

/* Start the server. A failure ends the test. */
struct http_server *http_server_start(void);

/* The URL of a page, as static text that is valid for the next seven calls. */
const char *http_server_address(const struct http_server *server, const char *page);

void http_server_release(struct http_server *server);

/* Stop the server and free it. */
void http_server_stop(struct http_server *server);

#endif
