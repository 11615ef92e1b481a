/*
 * A channel is one SOCK_SEQPACKET socket: whole frames of at most FRAME_MAX_BYTES, and
 * descriptors that ride along.
 */
#ifndef PXP_CHANNEL_H
#define PXP_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum {
	FRAME_MAX_BYTES = 64 * 1024,
	FRAME_MAX_DESCRIPTORS = 8,
};

/* A connected pair, close-on-exec, neither of them a standard descriptor. False with errno. */
bool channel_pair(int ret_ends[2]);

bool channel_set_nonblocking(int socket);

/* Close it, and make it -1, so that the other side sees the end although a process that was
 * forked from this one may have a copy. */
void channel_close(int *socket);

/* Send one frame of a head and a body, which may be empty. The descriptors stay the
 * caller's. False with errno; EAGAIN when a non-blocking socket is full. */
bool channel_send(int socket, const void *head, size_t n_head, const void *body,
                  size_t n_body, const int *descriptors, unsigned n_descriptors);

/* The same for who counts on it, with at most one descriptor (NULL: none): where there is no
 * memory for it, it is sent again. False when the socket is of no use any more. */
bool channel_send_at_last(int socket, const void *frame, size_t n, const int *descriptor);

/* A frame that came in. */
struct frame {
	size_t n; /* bytes in the buffer */
	int descriptors[FRAME_MAX_DESCRIPTORS];
	unsigned n_descriptors;
	bool lost_descriptors; /* there were more, and no room here for them (EMFILE) */
};

enum received {
	RECEIVED_FRAME,
	RECEIVED_NOTHING, /* non-blocking, and none is there */
	RECEIVED_END,     /* the other end is closed, or the socket failed */
	RECEIVED_BROKEN,  /* too long, or too many descriptors: all are closed */
};

/* Receive one frame into buffer of FRAME_MAX_BYTES. Its descriptors are the caller's,
 * close-on-exec. */
enum received channel_receive(int socket, void *buffer, struct frame *ret_frame);

/* The same, but RECEIVED_NOTHING in place of waiting. */
enum received channel_receive_now(int socket, void *buffer, struct frame *ret_frame);

/* Close what the caller has not taken (set to -1). */
void frame_close_descriptors(struct frame *frame);

#endif
