#include "sha256.h"

#include "cpu.h"

#include <string.h>

#if defined(LAFS_X86)
#include <immintrin.h>
#elif defined(LAFS_ARM64)
#include <arm_neon.h>
#endif

/* FIPS 180-4: section 5.3.3 for the initial state, 4.2.2 for the constants, 6.2.2 for the compression. */

static const uint32_t initial_state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                          0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t load_be32(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void store_be32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* ---- Kernels: `blocks` blocks of 64 bytes into each of 1 or 2 states. ---- */

typedef void compress_function(unsigned lanes, uint32_t *const *states, const uint8_t *const *data,
                               size_t blocks);

static uint32_t rotate_right(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void portable_block(uint32_t *state, const uint8_t *data) {
  uint32_t w[64], v[8];
  for (int t = 0; t < 16; t++) w[t] = load_be32(data + 4 * t);
  for (int t = 16; t < 64; t++) {
    const uint32_t s0 = rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ w[t - 15] >> 3;
    const uint32_t s1 = rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = s1 + w[t - 7] + s0 + w[t - 16];
  }
  memcpy(v, state, sizeof v);
  /* Round t finds variable i of a … h at v[(i - t) mod 8], so that nothing moves. */
#define V(i) v[((i) - r) & 7]
  for (int t = 0; t < 64; t += 8)
    for (int r = 0; r < 8; r++) {
      const uint32_t a = V(0), b = V(1), c = V(2), e = V(4), f = V(5), g = V(6);
      const uint32_t S1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
      const uint32_t S0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
      const uint32_t t1 = V(7) + S1 + ((e & f) ^ (~e & g)) + K[t + r] + w[t + r];
      V(3) += t1;
      V(7) = t1 + S0 + ((a & b) ^ (a & c) ^ (b & c));
    }
#undef V
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

static void portable(unsigned lanes, uint32_t *const *states, const uint8_t *const *data, size_t blocks) {
  for (unsigned l = 0; l < lanes; l++)
    for (size_t i = 0; i < blocks; i++) portable_block(states[l], data[l] + 64 * i);
}

#if defined(LAFS_X86)

#define T_SHA_NI TARGET("sha,sse4.1,ssse3")

/*
 * SHA256RNDS2 wants the state as ABEF and CDGH, highest word first. The 16 groups of four rounds keep
 * the last 16 words of the schedule in w; group g replaces the four words it has used by those of g + 4.
 */
T_SHA_NI INLINE void sha_ni_lanes(const unsigned lanes, uint32_t *const *states,
                                  const uint8_t *const *data, size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i abef[2], cdgh[2];
  for (unsigned l = 0; l < lanes; l++) {
    const __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)states[l]);
    const __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(states[l] + 4));
    const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    abef[l] = _mm_alignr_epi8(cdab, efgh, 8);
    cdgh[l] = _mm_blend_epi16(efgh, cdab, 0xf0);
  }
  for (size_t block = 0; block < blocks; block++) {
    __m128i w[2][4], abef_before[2], cdgh_before[2];
    for (unsigned l = 0; l < lanes; l++) {
      abef_before[l] = abef[l];
      cdgh_before[l] = cdgh[l];
      for (unsigned i = 0; i < 4; i++) {
        const void *at = data[l] + 64 * block + 16 * i;
        w[l][i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at), big_endian);
      }
    }
#define ROUNDS(g)                                                                                  \
  for (unsigned l = 0; l < lanes; l++) {                                                           \
    const __m128i k = _mm_loadu_si128((const __m128i *)(const void *)(K + 4 * (g)));               \
    const __m128i wk = _mm_add_epi32(w[l][(g) % 4], k);                                            \
    cdgh[l] = _mm_sha256rnds2_epu32(cdgh[l], abef[l], wk);                                         \
    abef[l] = _mm_sha256rnds2_epu32(abef[l], cdgh[l], _mm_shuffle_epi32(wk, 0x0e));                \
    if ((g) < 12) {                                                                                \
      const __m128i w7 = _mm_alignr_epi8(w[l][((g) + 3) % 4], w[l][((g) + 2) % 4], 4);             \
      const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[l][(g) % 4], w[l][((g) + 1) % 4]), w7); \
      w[l][(g) % 4] = _mm_sha256msg2_epu32(sum, w[l][((g) + 3) % 4]);                              \
    }                                                                                              \
  }
    ROUNDS(0) ROUNDS(1) ROUNDS(2) ROUNDS(3) ROUNDS(4) ROUNDS(5) ROUNDS(6) ROUNDS(7)
    ROUNDS(8) ROUNDS(9) ROUNDS(10) ROUNDS(11) ROUNDS(12) ROUNDS(13) ROUNDS(14) ROUNDS(15)
#undef ROUNDS
    for (unsigned l = 0; l < lanes; l++) {
      abef[l] = _mm_add_epi32(abef[l], abef_before[l]);
      cdgh[l] = _mm_add_epi32(cdgh[l], cdgh_before[l]);
    }
  }
  for (unsigned l = 0; l < lanes; l++) {
    const __m128i feba = _mm_shuffle_epi32(abef[l], 0x1b), dchg = _mm_shuffle_epi32(cdgh[l], 0xb1);
    _mm_storeu_si128((__m128i *)(void *)states[l], _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(states[l] + 4), _mm_alignr_epi8(dchg, feba, 8));
  }
}

T_SHA_NI static void sha_ni(unsigned lanes, uint32_t *const *states, const uint8_t *const *data,
                            size_t blocks) {
  if (lanes == 2) sha_ni_lanes(2, states, data, blocks);
  else sha_ni_lanes(1, states, data, blocks);
}

/* MSVC spells these otherwise, and clang before 16 has them in whole builds for ARMv8 with SHA2 alone. */
#elif defined(LAFS_ARM64) && !defined(_MSC_VER) &&                                                 \
    (!defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_SHA2))
#define HAVE_ARM_SHA2 1

#if defined(__clang__)
#define T_ARM_SHA2 TARGET("sha2")
#else
#define T_ARM_SHA2 TARGET("+crypto")
#endif

T_ARM_SHA2 INLINE void arm_sha2_lanes(const unsigned lanes, uint32_t *const *states,
                                      const uint8_t *const *data, size_t blocks) {
  uint32x4_t abcd[2], efgh[2];
  for (unsigned l = 0; l < lanes; l++) {
    abcd[l] = vld1q_u32(states[l]);
    efgh[l] = vld1q_u32(states[l] + 4);
  }
  for (size_t block = 0; block < blocks; block++) {
    uint32x4_t w[2][4], abcd_before[2], efgh_before[2];
    for (unsigned l = 0; l < lanes; l++) {
      abcd_before[l] = abcd[l];
      efgh_before[l] = efgh[l];
      for (unsigned i = 0; i < 4; i++)
        w[l][i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data[l] + 64 * block + 16 * i)));
    }
    for (unsigned g = 0; g < 16; g++)
      for (unsigned l = 0; l < lanes; l++) {
        const uint32x4_t wk = vaddq_u32(w[l][g % 4], vld1q_u32(K + 4 * g));
        const uint32x4_t abcd_now = abcd[l];
        abcd[l] = vsha256hq_u32(abcd_now, efgh[l], wk);
        efgh[l] = vsha256h2q_u32(efgh[l], abcd_now, wk);
        w[l][g % 4] = vsha256su1q_u32(vsha256su0q_u32(w[l][g % 4], w[l][(g + 1) % 4]),
                                      w[l][(g + 2) % 4], w[l][(g + 3) % 4]);
      }
    for (unsigned l = 0; l < lanes; l++) {
      abcd[l] = vaddq_u32(abcd[l], abcd_before[l]);
      efgh[l] = vaddq_u32(efgh[l], efgh_before[l]);
    }
  }
  for (unsigned l = 0; l < lanes; l++) {
    vst1q_u32(states[l], abcd[l]);
    vst1q_u32(states[l] + 4, efgh[l]);
  }
}

T_ARM_SHA2 static void arm_sha2(unsigned lanes, uint32_t *const *states, const uint8_t *const *data,
                                size_t blocks) {
  if (lanes == 2) arm_sha2_lanes(2, states, data, blocks);
  else arm_sha2_lanes(1, states, data, blocks);
}

#endif

/* ---- Choosing a kernel. ---- */

struct kernel {
  const char *name;
  unsigned needs; /* features of cpu.h */
  compress_function *compress;
};

/* Fastest first; the last runs everywhere. */
static const struct kernel kernels[] = {
#if defined(LAFS_X86)
    {"sha-ni", CPU_SHA_NI, sha_ni},
#elif defined(HAVE_ARM_SHA2)
    {"arm-sha2", CPU_ARM_SHA2, arm_sha2},
#endif
    {"portable", 0, portable},
};
#define KERNEL_COUNT (sizeof kernels / sizeof *kernels)

static const struct kernel *selected;
static unsigned features;

static int usable(const struct kernel *kernel) { return (kernel->needs & ~features) == 0; }

void sha256_init(void) {
  features = cpu_features();
  for (selected = kernels; !usable(selected); selected++) continue;
}

const char *sha256_kernel_name(unsigned i) {
  for (unsigned at = 0; at < KERNEL_COUNT; at++)
    if (usable(&kernels[at]) && i-- == 0) return kernels[at].name;
  return NULL;
}

const char *sha256_kernel(void) { return selected->name; }

int sha256_select(const char *name) {
  for (unsigned at = 0; at < KERNEL_COUNT; at++)
    if (usable(&kernels[at]) && strcmp(kernels[at].name, name) == 0) {
      selected = &kernels[at];
      return 1;
    }
  return 0;
}

/* ---- Many messages. ---- */

struct batch {
  compress_function *compress;
  const uint8_t *const *messages;
  const size_t *sizes;
  uint8_t *digests;
  size_t count, next;     /* messages, and the first that no lane has taken */
  uint32_t midstate[8];   /* after the whole blocks of the prefix */
  const uint8_t *rest;    /* the prefix past its whole blocks */
  size_t rest_size;       /* below 64 */
  uint64_t prefix_size;
};

/* A lane hashes one message after another. Its present run of blocks is at `data`. */
struct lane {
  enum { IDLE, HEAD, BODY, TAIL, SECOND } stage;
  uint32_t state[8];
  const uint8_t *data;
  size_t blocks;
  size_t message;   /* its index */
  size_t used;      /* bytes of the message in earlier runs */
  uint8_t padded[128];
};

/* Ends the 64- or 128-byte text in `padded`, of which `filled` bytes are there, as section 5.1.1 says. */
static void pad(struct lane *lane, size_t filled, uint64_t total_size) {
  const size_t end = filled + 9 <= 64 ? 64 : 128;
  memset(lane->padded + filled, 0, end - filled);
  lane->padded[filled] = 0x80;
  store_be32(lane->padded + end - 8, (uint32_t)(total_size >> 29));
  store_be32(lane->padded + end - 4, (uint32_t)(total_size << 3));
  lane->data = lane->padded;
  lane->blocks = end / 64;
}

static void take_message(struct batch *batch, struct lane *lane) {
  lane->blocks = 0;
  if (batch->next == batch->count) {
    lane->stage = IDLE;
    return;
  }
  lane->stage = HEAD;
  lane->message = batch->next++;
  lane->used = 0;
  memcpy(lane->state, batch->midstate, sizeof lane->state);
  const size_t fill = 64 - batch->rest_size;
  if (batch->rest_size == 0 || batch->sizes[lane->message] < fill) return;
  memcpy(lane->padded, batch->rest, batch->rest_size);
  memcpy(lane->padded + batch->rest_size, batch->messages[lane->message], fill);
  lane->used = fill;
  lane->data = lane->padded;
  lane->blocks = 1;
}

/* From the end of one run of blocks to the next one, which may be empty. */
static void next_run(struct batch *batch, struct lane *lane) {
  const uint8_t *message = batch->messages[lane->message];
  const size_t size = batch->sizes[lane->message];
  switch (lane->stage) {
    case IDLE: return;
    case HEAD: {
      /* A message too short to complete the prefix's last block is all tail. */
      const int joined = batch->rest_size == 0 || lane->used > 0;
      lane->stage = BODY;
      lane->data = message + lane->used;
      lane->blocks = joined ? (size - lane->used) / 64 : 0;
      lane->used += 64 * lane->blocks;
      return;
    }
    case BODY: {
      const size_t rest = lane->used == 0 && size < 64 - batch->rest_size ? batch->rest_size : 0;
      const size_t left = size - lane->used;
      lane->stage = TAIL;
      if (rest > 0) memcpy(lane->padded, batch->rest, rest);
      if (left > 0) memcpy(lane->padded + rest, message + lane->used, left);
      pad(lane, rest + left, batch->prefix_size + size);
      return;
    }
    case TAIL:
      lane->stage = SECOND;
      for (int i = 0; i < 8; i++) store_be32(lane->padded + 4 * i, lane->state[i]);
      memcpy(lane->state, initial_state, sizeof lane->state);
      pad(lane, 32, 32);
      return;
    case SECOND: {
      uint8_t *digest = batch->digests + 32 * lane->message;
      for (int i = 0; i < 8; i++) store_be32(digest + 4 * i, lane->state[i]);
      take_message(batch, lane);
    }
  }
}

static void start_prefix(struct batch *batch, const uint8_t *prefix, size_t size) {
  uint32_t *state = batch->midstate;
  const size_t blocks = size / 64;
  memcpy(state, initial_state, sizeof batch->midstate);
  if (blocks > 0) batch->compress(1, &state, &prefix, blocks);
  batch->rest = prefix + 64 * blocks;
  batch->rest_size = size % 64;
  batch->prefix_size = size;
}

void sha256d_many(const uint8_t *prefix, size_t prefix_size, size_t count,
                  const uint8_t *const *messages, const size_t *sizes, uint8_t *digests) {
  struct batch batch = {selected->compress, messages, sizes, digests, count, 0, {0}, NULL, 0, 0};
  struct lane lanes[2];
  start_prefix(&batch, prefix, prefix_size);
  for (int l = 0; l < 2; l++) take_message(&batch, &lanes[l]);
  for (;;) {
    uint32_t *states[2];
    const uint8_t *data[2];
    struct lane *busy[2];
    unsigned busy_count = 0;
    size_t blocks = SIZE_MAX;
    for (int l = 0; l < 2; l++) {
      while (lanes[l].stage != IDLE && lanes[l].blocks == 0) next_run(&batch, &lanes[l]);
      if (lanes[l].stage == IDLE) continue;
      states[busy_count] = lanes[l].state;
      data[busy_count] = lanes[l].data;
      busy[busy_count++] = &lanes[l];
      if (lanes[l].blocks < blocks) blocks = lanes[l].blocks;
    }
    if (busy_count == 0) return;
    batch.compress(busy_count, states, data, blocks);
    for (unsigned l = 0; l < busy_count; l++) {
      busy[l]->data += 64 * blocks;
      busy[l]->blocks -= blocks;
    }
  }
}
