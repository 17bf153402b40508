/*
 * Reed-Solomon over GF(256), compatible with zfec. See docs/spec/codec.md.
 *
 * Share number s stands for the field element x(s): x(0) = 0 and x(s) = 2^(s-1). The k input blocks
 * are, byte by byte, the values of a polynomial of degree below k at x(0) … x(k-1), and block s is its
 * value at x(s). So encoding and decoding are one operation: from the values at any k points, get the
 * values at other points.
 *
 * No allocation, no I/O, no libc; only fec_select changes shared state.
 */
#ifndef LAFS_FEC_H
#define LAFS_FEC_H

#include <stddef.h>
#include <stdint.h>

#define FEC_SHARES_MAX 256

/* Fills the tables and picks the fastest kernel. Call it once before all else, from one thread. */
void fec_init(void);

/* The name of the i-th kernel that runs here, fastest first; NULL past the last. */
const char *fec_kernel_name(unsigned i);

/* The name of the kernel in use. */
const char *fec_kernel(void);

/* Uses the kernel of this name from the next fec_combine on. Returns 0 if none here has it. */
int fec_select(const char *name);

/*
 * Fills `matrix` (rows × k bytes, row after row): block want[r] is the sum over j of
 * matrix[r][j] × block have[j]. The numbers in `have` differ from one another.
 */
void fec_matrix(unsigned k, const uint8_t *have, unsigned rows, const uint8_t *want, uint8_t *matrix);

/* out[r] = sum over j of matrix[r][j] × in[j], for `size` bytes. Outputs overlap nothing. 1 <= k <= 256. */
void fec_combine(unsigned k, unsigned rows, const uint8_t *matrix, const uint8_t *const *in,
                 uint8_t *const *out, size_t size);

#endif
