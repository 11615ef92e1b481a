/* SipHash-2-4, implemented as its paper describes it. */
#include "common/hash.h"

#include "base/clock.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

struct hash_key hash_key_random(void)
{
	struct hash_key key;

	if (getrandom(&key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		/* An old kernel has no getrandom(). In this case the key consists of the time and
		 * the process id. Nobody could predict them when naming the files of the batch,
		 * because the names are older than the process. */
		key.word[0] = (uint64_t)clock_now_ns();
		key.word[1] = (uint64_t)getpid();
	}
	return key;
}

static uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[2] = rotate_left(v[2], 32);
}

static void sip_absorb(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	sip_round(v);
	v[0] ^= word;
}

/* Read n bytes, at most 8, as a little-endian word. */
static uint64_t load_word(const unsigned char *bytes, size_t n)
{
	uint64_t word = 0;

	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

uint64_t hash_bytes(const struct hash_key *key, const void *bytes, size_t n)
{
	const unsigned char *next = bytes;
	size_t left = n;
	uint64_t v[4] = {
		key->word[0] ^ 0x736f6d6570736575U,
		key->word[1] ^ 0x646f72616e646f6dU,
		key->word[0] ^ 0x6c7967656e657261U,
		key->word[1] ^ 0x7465646279746573U,
	};

	for (; left >= 8; next += 8, left -= 8)
		sip_absorb(v, load_word(next, 8));
	sip_absorb(v, load_word(next, left) | (uint64_t)(n & 0xff) << 56);

	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
