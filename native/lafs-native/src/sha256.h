/*
 * SHA-256 of the SHA-256 of prefix || message, for many messages. Two messages are hashed side by side,
 * because one stream of SHA instructions waits on its own results most of the time.
 *
 * No allocation, no I/O; only sha256_select changes shared state.
 */
#ifndef LAFS_SHA256_H
#define LAFS_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Picks the fastest kernel. Call it once before all else, from one thread. */
void sha256_init(void);

/* The name of the i-th kernel that runs here, fastest first; NULL past the last. */
const char *sha256_kernel_name(unsigned i);

/* The name of the kernel in use. */
const char *sha256_kernel(void);

/* Uses the kernel of this name from the next call on. Returns 0 if none here has it. */
int sha256_select(const char *name);

/* digests[32·i …] = SHA-256(SHA-256(prefix || messages[i])), for i below count. */
void sha256d_many(const uint8_t *prefix, size_t prefix_size, size_t count,
                  const uint8_t *const *messages, const size_t *sizes, uint8_t *digests);

#endif
