/* Frames and descriptors over SOCK_SEQPACKET sockets. */
#include "exec/process/channel.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

/* The socket buffer has room for two of the longest frames, with the kernel's overhead. */
enum { SEND_BUFFER_BYTES = 8 * FRAME_MAX_BYTES };

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FRAME_MAX_DESCRIPTORS * sizeof(int))];
};

bool channel_pair(int ret_ends[2])
{
	int size = SEND_BUFFER_BYTES;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) != 0)
		return false;
	for (int i = 0; i < 2; i++)
		ret_ends[i] = fd_keep_above_standard(ret_ends[i]);
	if (ret_ends[0] < 0 || ret_ends[1] < 0) {
		fd_close(&ret_ends[0]);
		fd_close(&ret_ends[1]);
		return false;
	}
	/* The kernel may set a smaller buffer. That is no error, because a frame that does not fit
	 * is sent again later. */
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return true;
}

bool channel_set_nonblocking(int socket)
{
	int flags = fcntl(socket, F_GETFL);

	return flags >= 0 && fcntl(socket, F_SETFL, flags | O_NONBLOCK) == 0;
}

void channel_close(int *socket)
{
	if (*socket >= 0)
		(void)shutdown(*socket, SHUT_RDWR);
	fd_close(socket);
}

bool channel_send(int socket, const void *head, size_t n_head, const void *body,
                  size_t n_body, const int *descriptors, unsigned n_descriptors)
{
	struct iovec parts[] = {
		{.iov_base = (void *)head, .iov_len = n_head},
		{.iov_base = (void *)body, .iov_len = n_body},
	};
	union control control = {0};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = n_body > 0 ? 2 : 1};
	ssize_t sent;

	if (n_descriptors > 0) {
		struct cmsghdr *rights;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_descriptors * sizeof(int));
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(n_descriptors * sizeof(int));
		memcpy(CMSG_DATA(rights), descriptors, n_descriptors * sizeof(int));
	}
	do
		sent = sendmsg(socket, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent >= 0;
}

bool channel_send_at_last(int socket, const void *frame, size_t n, const int *descriptor)
{
	bool is_sent;

	while (!(is_sent = channel_send(socket, frame, n, NULL, 0, descriptor,
	                                descriptor ? 1 : 0)) &&
	       (errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS))
		poll(NULL, 0, 1);
	return is_sent;
}

static void take_descriptors(struct msghdr *message, struct frame *frame)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;

		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		for (unsigned i = 0;
		     i < n && frame->n_descriptors < FRAME_MAX_DESCRIPTORS; i++)
			memcpy(&frame->descriptors[frame->n_descriptors++],
			       CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
}

static enum received receive(int socket, void *buffer, struct frame *ret_frame, int flags)
{
	struct iovec part = {.iov_base = buffer, .iov_len = FRAME_MAX_BYTES};
	union control control;
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	bool was_reset = false;
	ssize_t got;

	*ret_frame = (struct frame){0};
	/* If the other end was closed with unread frames in it, the kernel reports an error once,
	 * and only then delivers the frames that the other end had sent. So try again once. */
	do
		got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
	while (got < 0 && (errno == EINTR ||
	                   (errno == ECONNRESET && !was_reset && (was_reset = true))));

	if (got < 0)
		return errno == EAGAIN ? RECEIVED_NOTHING : RECEIVED_END;
	take_descriptors(&message, ret_frame);
	/* The control message has room for all descriptors of a valid frame. So if fewer have
	 * arrived, the process had no free descriptor number for one of them. */
	if (message.msg_flags & MSG_CTRUNC) {
		ret_frame->lost_descriptors = ret_frame->n_descriptors <
		                              FRAME_MAX_DESCRIPTORS;
		frame_close_descriptors(ret_frame);
	}
	if (message.msg_flags & MSG_TRUNC ||
	    (message.msg_flags & MSG_CTRUNC && !ret_frame->lost_descriptors)) {
		frame_close_descriptors(ret_frame);
		return RECEIVED_BROKEN;
	}
	if (got == 0) {
		/* An empty frame looks like the end of the channel. No correct sender sends
		 * one. */
		frame_close_descriptors(ret_frame);
		return RECEIVED_END;
	}
	ret_frame->n = (size_t)got;
	return RECEIVED_FRAME;
}

enum received channel_receive(int socket, void *buffer, struct frame *ret_frame)
{
	return receive(socket, buffer, ret_frame, 0);
}

enum received channel_receive_now(int socket, void *buffer, struct frame *ret_frame)
{
	return receive(socket, buffer, ret_frame, MSG_DONTWAIT);
}

void frame_close_descriptors(struct frame *frame)
{
	const struct linger none = {0};

	for (unsigned i = 0; i < frame->n_descriptors; i++) {
		/* A worker may send a socket, and close() could wait for the peer of that socket.
		 * So lingering is turned off first. */
		if (frame->descriptors[i] >= 0)
			(void)setsockopt(frame->descriptors[i], SOL_SOCKET, SO_LINGER,
			                 &none, sizeof(none));
		fd_close(&frame->descriptors[i]);
	}
	frame->n_descriptors = 0;
}
