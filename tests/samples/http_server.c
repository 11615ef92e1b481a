/*
 * A small HTTP server that serves one request after the other.
 */
#include "samples/http_server.h"

#include "support/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SECONDS = 30 }; /* how long the server and the test wait for each other */

struct http_server {
	pthread_t thread;
	int listener, port;
	/* A pipe to the server thread. The byte 'r' lets the thread answer requests for
	 * /slow. The end of file stops the thread. */
	int control[2];
	/* The members below are used by the server thread only. */
	int slow; /* the connection of a client that waits for /slow; -1: none */
	bool is_released;
};

static void send_answer(int connection, const char *status, size_t n_body)
{
	char answer[512 + HTTP_PAGE_BYTES];
	int n_head = snprintf(
		answer, sizeof(answer),
		"HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
		n_body);

	memset(answer + n_head, 'x', n_body);
	for (size_t n_sent = 0, n = (size_t)n_head + n_body; n_sent < n;) {
		ssize_t sent = send(connection, answer + n_sent, n - n_sent,
		                    MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		n_sent += (size_t)sent;
	}
	close(connection);
}

/* Read the header of a request and return its path; "" if the request is incomplete. */
static const char *read_request(int connection, char *request, size_t size)
{
	size_t n = 0;
	char *end;

	do {
		ssize_t more = recv(connection, request + n, size - 1 - n, 0);

		if (more <= 0)
			return "";
		n += (size_t)more;
		request[n] = '\0';
	} while (!strstr(request, "\r\n\r\n") && n < size - 1);
	if (strncmp(request, "GET ", 4) != 0 || !(end = strchr(request + 4, ' ')))
		return "";
	*end = '\0';
	return request + 4;
}

static void answer_slow(struct http_server *server)
{
	if (!server->is_released || server->slow < 0)
		return;
	send_answer(server->slow, "200 OK", HTTP_PAGE_BYTES);
	server->slow = -1;
}

static void answer(struct http_server *server, int connection)
{
	struct timeval timeout = {.tv_sec = SECONDS};
	char request[4096];
	const char *path;

	setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	path = read_request(connection, request, sizeof(request));
	if (strcmp(path, "/slow") == 0 && server->slow < 0) {
		server->slow = connection;
		answer_slow(server);
	} else if (strcmp(path, "/page") == 0) {
		send_answer(connection, "200 OK", HTTP_PAGE_BYTES);
	} else if (strcmp(path, "/closed") == 0) {
		close(connection);
	} else {
		send_answer(connection, "404 Not Found", 0);
	}
}

static void *serve(void *data)
{
	struct http_server *server = data;
	struct pollfd ends[] = {{.fd = server->control[0], .events = POLLIN},
	                        {.fd = server->listener, .events = POLLIN}};
	char byte;

	while (poll(ends, 2, -1) > 0) {
		if (ends[0].revents) {
			if (read(server->control[0], &byte, 1) != 1)
				break;
			server->is_released = true;
			answer_slow(server);
		}
		if (ends[1].revents) {
			int connection = accept4(server->listener, NULL, NULL,
			                         SOCK_CLOEXEC);

			if (connection >= 0)
				answer(server, connection);
		}
	}
	return NULL;
}

struct http_server *http_server_start(void)
{
	struct http_server *server = calloc(1, sizeof(*server));
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(address);

	REQUIRE(server != NULL);
	server->slow = -1;
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(server->listener, (struct sockaddr *)&address, n) == 0);
	REQUIRE(listen(server->listener, 16) == 0);
	REQUIRE(getsockname(server->listener, (struct sockaddr *)&address, &n) == 0);
	server->port = ntohs(address.sin_port);
	REQUIRE(pipe2(server->control, O_CLOEXEC) == 0);
	REQUIRE(pthread_create(&server->thread, NULL, serve, server) == 0);
	return server;
}

const char *http_server_address(const struct http_server *server, const char *page)
{
	static char addresses[8][128];
	static unsigned next;
	char *address = addresses[next++ % 8];

	snprintf(address, sizeof(addresses[0]), "http://127.0.0.1:%d%s", server->port,
	         page);
	return address;
}

void http_server_release(struct http_server *server)
{
	REQUIRE(write(server->control[1], "r", 1) == 1);
}

void http_server_stop(struct http_server *server)
{
	close(server->control[1]);
	pthread_join(server->thread, NULL);
	close(server->control[0]);
	close(server->listener);
	if (server->slow >= 0)
		close(server->slow);
	free(server);
}
