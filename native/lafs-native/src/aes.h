/*
 * AES-128 in counter mode, in place, on the processor's own AES instructions. Without these nothing is
 * offered: a table of S-boxes tells the key by the time that its look-ups take, and the platform's
 * library has better.
 *
 * No allocation, no I/O; only aes_select changes shared state.
 */
#ifndef LAFS_AES_H
#define LAFS_AES_H

#include <stddef.h>
#include <stdint.h>

#define AES_BLOCK_SIZE 16

/* Picks the fastest kernel, if there is one. Call it once before all else, from one thread. */
void aes_init(void);

/* The name of the i-th kernel that runs here, fastest first; NULL past the last. */
const char *aes_kernel_name(unsigned i);

/* The name of the kernel in use; NULL if none runs here. */
const char *aes_kernel(void);

/* Uses the kernel of this name from the next call on. Returns 0 if none here has it. */
int aes_select(const char *name);

/*
 * XORs `data` with the key stream from byte `skip` (below 16) of the block whose counter is `counter`
 * on. Counters are 128-bit big-endian numbers; past the highest comes 0. Call it only where aes_kernel()
 * is not NULL. What it derives from the key is wiped.
 */
void aes_ctr(const uint8_t key[AES_BLOCK_SIZE], const uint8_t counter[AES_BLOCK_SIZE], size_t skip,
             uint8_t *data, size_t size);

/* Overwrites memory with zeros, also where the compiler sees nobody read it again. */
void aes_wipe(void *memory, size_t size);

#endif
