/* A channel is a pair of connected SOCK_SEQPACKET sockets. It carries whole frames of at most
 * FRAME_MAX_BYTES, and descriptors with them. Any thread may call these functions, but in each
 * direction only one thread at a time may use a channel. */
#ifndef PXP_CHANNEL_H
#define PXP_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum {
	FRAME_MAX_BYTES = 64 * 1024,
	/* The maximum number of descriptors with one frame: PXP_MAX_DESCRIPTORS of a task, one for
	 * its output and one for its input. */
	FRAME_MAX_DESCRIPTORS = 10,
};

/* Create two connected sockets, the ends of a channel. Both are close-on-exec, and neither is a
 * standard descriptor. On failure returns false with errno. */
bool channel_pair(int ret_ends[2]);

bool channel_set_nonblocking(int socket);

/* Shut down one end, close it and set it to -1. The other side sees the end of the channel even if
 * a process that was forked from this one has a copy. */
void channel_close(int *socket);

/* Send one frame that consists of a header and a body, which may be empty. The caller keeps the
 * descriptors. Returns false with errno, which is EAGAIN if a non-blocking socket is full. */
bool channel_send(int socket, const void *head, size_t n_head, const void *body,
                  size_t n_body, const int *descriptors, unsigned n_descriptors);

/* Send a frame that must arrive, with one descriptor or none (NULL). It is sent again while the
 * kernel has no memory for it. Returns false if the socket is broken. */
bool channel_send_at_last(int socket, const void *frame, size_t n, const int *descriptor);

/* A frame that was received. */
struct frame {
	/* The length of the frame in the buffer. */
	size_t n;
	int descriptors[FRAME_MAX_DESCRIPTORS];
	unsigned n_descriptors;
	/* Whether descriptors that came with the frame were lost because this process had reached
	 * its limit (EMFILE). */
	bool lost_descriptors;
};

enum received {
	RECEIVED_FRAME,
	/* No frame is available, and the call does not wait. */
	RECEIVED_NOTHING,
	/* The other end is closed, or the socket failed. */
	RECEIVED_END,
	/* The frame was too long, or had too many descriptors. All its descriptors are closed. */
	RECEIVED_BROKEN,
};

/* Receive one frame into a buffer of FRAME_MAX_BYTES. Its descriptors are close-on-exec and
 * belong to the caller. */
enum received channel_receive(int socket, void *buffer, struct frame *ret_frame);

/* Like channel_receive(), but never waits. */
enum received channel_receive_now(int socket, void *buffer, struct frame *ret_frame);

/* Close all descriptors of the frame, except those that the caller has taken over and set to -1. */
void frame_close_descriptors(struct frame *frame);

#endif
