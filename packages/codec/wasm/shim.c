/*
 * What the WebAssembly module exports beside its memory. Blocks lie `stride` bytes apart, so that only
 * two addresses have to be passed.
 */
#include "fec.h"

#define EXPORT(name) __attribute__((export_name(#name)))

extern uint8_t __heap_base;

EXPORT(init) void init(void) { fec_init(); }

/* The first byte that the host may use. */
EXPORT(heap) uint8_t *heap(void) { return &__heap_base; }

EXPORT(matrix)
void matrix(unsigned k, const uint8_t *have, unsigned rows, const uint8_t *want, uint8_t *result) {
  fec_matrix(k, have, rows, want, result);
}

EXPORT(combine)
void combine(unsigned k, unsigned rows, const uint8_t *weights, uint8_t *in, uint8_t *out,
             size_t stride, size_t size) {
  const uint8_t *inputs[FEC_SHARES_MAX];
  uint8_t *outputs[FEC_SHARES_MAX];
  for (unsigned j = 0; j < k; j++) inputs[j] = in + j * stride;
  for (unsigned r = 0; r < rows; r++) outputs[r] = out + r * stride;
  fec_combine(k, rows, weights, inputs, outputs, size);
}
