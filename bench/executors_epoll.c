/*
 * The minimum that processes need: an epoll loop over socket pairs to forked children, which send
 * each frame back. There are no limits, cancels, deadlines, checks or recovery.
 */
#include "executors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	MAX_IN_FLIGHT = 16,
	/* Payloads longer than MAX_INLINE_BYTES are in shared memory. */
	MAX_INLINE_BYTES = 64 * 1024,
};

struct channel {
	int socket;
	pid_t child;
	/* Shared memory, with a place for each frame in flight. NULL: all payloads are inline. */
	char *inputs, *results;
};

struct frame {
	uint64_t place;
	char bytes[MAX_INLINE_BYTES];
};

struct epoll_pool {
	int epoll;
	unsigned n_in_flight, n_channels;
	struct channel channels[MAX_WORKERS];
	struct frame frame;
	/* Each result is copied into this buffer, as a real caller would do. */
	char *result;
	size_t n_sent;
};

static size_t inline_bytes(const struct job *job)
{
	return job->n_bytes <= MAX_INLINE_BYTES ? job->n_bytes : 0;
}

_Noreturn static void epoll_child(const struct channel *channel, int socket,
                                  const struct job *job)
{
	static struct frame frame;
	ssize_t n;

	while ((n = recv(socket, &frame, sizeof(frame), 0)) > 0) {
		size_t at = frame.place * job->n_bytes;

		if (channel->inputs)
			memcpy(channel->results + at, channel->inputs + at, job->n_bytes);
		if (send(socket, &frame, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	}
	_exit(0);
}

static char *map_shared(size_t n)
{
	void *bytes = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	                   -1, 0);

	return bytes == MAP_FAILED ? NULL : bytes;
}

static bool channel_create(struct epoll_pool *pool, const struct job *job)
{
	struct channel *channel = &pool->channels[pool->n_channels];
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = channel};
	int ends[2];

	if (inline_bytes(job) < job->n_bytes) {
		channel->inputs = map_shared(pool->n_in_flight * job->n_bytes);
		channel->results = map_shared(pool->n_in_flight * job->n_bytes);
		if (!channel->inputs || !channel->results)
			return false;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	channel->socket = ends[0];
	channel->child = fork();
	if (channel->child == 0) {
		/* Close the parent's ends of all sockets too. If this child held them open, the
		 * other children would not notice when the parent closes them. */
		for (unsigned i = 0; i <= pool->n_channels; i++)
			close(pool->channels[i].socket);
		epoll_child(channel, ends[1], job);
	}
	close(ends[1]);
	pool->n_channels++;
	return channel->child > 0 &&
	       epoll_ctl(pool->epoll, EPOLL_CTL_ADD, ends[0], &event) == 0;
}

static void epoll_destroy(struct epoll_pool *pool, const struct job *job)
{
	size_t n_shared = pool->n_in_flight * job->n_bytes;

	for (unsigned i = 0; i < pool->n_channels; i++) {
		struct channel *channel = &pool->channels[i];

		close(channel->socket);
		if (channel->child > 0)
			waitpid(channel->child, NULL, 0);
		if (channel->inputs)
			munmap(channel->inputs, n_shared);
		if (channel->results)
			munmap(channel->results, n_shared);
	}
	close(pool->epoll);
	free(pool->result);
	free(pool);
}

static unsigned n_in_flight_of(enum subject_id subject)
{
	switch (subject) {
	case FLOOR_EPOLL_1:
		return 1;
	case FLOOR_EPOLL_2:
		return 2;
	case FLOOR_EPOLL_4:
		return 4;
	default:
		return MAX_IN_FLIGHT;
	}
}

static struct epoll_pool *epoll_create_pool(const struct job *job)
{
	struct epoll_pool *pool = calloc(1, sizeof(*pool));
	bool is_made;

	if (!pool)
		return NULL;
	pool->n_in_flight = n_in_flight_of(job->subject);
	pool->epoll = epoll_create1(EPOLL_CLOEXEC);
	pool->result = malloc(job->n_bytes + 1);
	is_made = pool->epoll >= 0 && pool->result;
	while (is_made && pool->n_channels < job->n_workers &&
	       pool->n_channels < MAX_WORKERS)
		is_made = channel_create(pool, job);
	if (is_made)
		return pool;
	failed("cannot create the sockets, processes or memory of the epoll pool");
	epoll_destroy(pool, job);
	return NULL;
}

static bool send_next(struct epoll_pool *pool, struct channel *channel, uint64_t place,
                      const struct job *job)
{
	size_t n = sizeof(place) + inline_bytes(job);

	pool->n_sent++;
	pool->frame.place = place;
	memcpy(pool->frame.bytes, job->payload, inline_bytes(job));
	if (channel->inputs)
		memcpy(channel->inputs + place * job->n_bytes, job->payload,
		       job->n_bytes);
	return send(channel->socket, &pool->frame, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool take_result(struct epoll_pool *pool, const struct channel *channel,
                        const struct job *job)
{
	size_t n = inline_bytes(job);

	if (recv(channel->socket, &pool->frame, sizeof(pool->frame), 0) !=
	    (ssize_t)(sizeof(pool->frame.place) + n))
		return false;
	memcpy(pool->result, pool->frame.bytes, n);
	if (channel->results)
		memcpy(pool->result, channel->results + pool->frame.place * job->n_bytes,
		       job->n_bytes);
	return true;
}

static bool epoll_batch(void *subject, const struct job *job, size_t n)
{
	struct epoll_pool *pool = subject;
	struct epoll_event events[MAX_WORKERS];
	bool is_done = true;

	pool->n_sent = 0;
	for (unsigned place = 0; place < pool->n_in_flight; place++) {
		for (unsigned i = 0; i < pool->n_channels && pool->n_sent < n; i++)
			is_done &= send_next(pool, &pool->channels[i], place, job);
	}
	for (size_t n_done = 0; is_done && n_done < n;) {
		int n_events = epoll_wait(pool->epoll, events, MAX_WORKERS, -1);

		for (int i = 0; i < n_events; i++, n_done++) {
			struct channel *channel = events[i].data.ptr;

			is_done &= take_result(pool, channel, job);
			if (is_done && pool->n_sent < n)
				is_done = send_next(pool, channel, pool->frame.place,
				                    job);
		}
	}
	return is_done;
}

bool epoll_rate(const struct job *job, struct reading *ret_reading)
{
	struct epoll_pool *pool = epoll_create_pool(job);
	bool is_done = pool && repeat_batches(job, epoll_batch, pool, ret_reading);

	if (pool)
		epoll_destroy(pool, job);
	return is_done;
}

bool epoll_start(const struct job *job, struct reading *ret_reading)
{
	bool is_done = true;

	for (size_t i = 0; is_done && i < job->n_batch; i++, ret_reading->n++) {
		struct epoll_pool *pool;
		struct watch watch;

		watch_begin(&watch);
		pool = epoll_create_pool(job);
		is_done = pool && epoll_batch(pool, job, 1);
		watch_end(&watch, ret_reading);
		if (pool)
			epoll_destroy(pool, job);
	}
	return is_done;
}
