#include "aes.h"

#include "cpu.h"

#include <string.h>

#if defined(LAFS_X86)
#include <immintrin.h>
#elif defined(LAFS_ARM64)
#include <arm_neon.h>
#endif

/* FIPS 197, section 5.2 for the key schedule, 5.1 for the cipher; NIST SP 800-38A, section 6.5, for the mode. */

#define ROUNDS 10
#define SCHEDULE_SIZE ((ROUNDS + 1) * AES_BLOCK_SIZE)

void aes_wipe(void *memory, size_t size) {
  volatile uint8_t *at = memory;
  for (size_t i = 0; i < size; i++) at[i] = 0;
}

/* ---- Kernels ---- */

/*
 * XORs whole blocks with the key stream from counter high · 2^64 + low on. The counters' lower halves do
 * not carry: low + blocks <= 2^64.
 */
typedef void crypt_function(const uint8_t *schedule, uint64_t high, uint64_t low, uint8_t *data,
                            size_t blocks);

/* The S-box on each byte of a word. */
typedef uint32_t sub_word_function(uint32_t word);

#if defined(LAFS_X86)

#define T_AES_NI TARGET("aes,ssse3")
#define T_VAES256 TARGET("vaes,aes,avx2")
#define T_VAES512 TARGET("vaes,aes,avx512f,avx512bw")

/* With all columns alike, shifting the rows changes nothing. */
T_AES_NI static uint32_t sub_word(uint32_t word) {
  const __m128i all = _mm_set1_epi32((int)word);
  return (uint32_t)_mm_cvtsi128_si32(_mm_aesenclast_si128(all, _mm_setzero_si128()));
}

T_AES_NI INLINE __m128i round_key(const uint8_t *schedule, unsigned round) {
  return _mm_loadu_si128((const __m128i *)(const void *)(schedule + AES_BLOCK_SIZE * round));
}

/* Turns 16 bytes around: a number as the processor has it into a counter block. */
T_AES_NI INLINE __m128i turn_mask(void) {
  return _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
}

/*
 * `count` (a constant) vectors of `lanes` blocks at `data`, side by side, because one stream of AES
 * instructions waits on its own results most of the time.
 */
#define DEFINE_VECTORS(name, target, vector, lanes, broadcast, numbers, add, shuffle, xor, enc,     \
                       enclast, load, store)                                                       \
  target INLINE void name(const unsigned count, const uint8_t *schedule, uint64_t high,            \
                          uint64_t low, uint8_t *data) {                                           \
    const vector turn = broadcast(turn_mask());                                                    \
    const vector first_key = broadcast(round_key(schedule, 0));                                    \
    const vector last_key = broadcast(round_key(schedule, ROUNDS));                                \
    vector state[8];                                                                               \
    for (unsigned i = 0; i < count; i++) {                                                         \
      const uint64_t number = low + (lanes) * (uint64_t)i;                                         \
      const vector base = broadcast(_mm_set_epi64x((long long)high, (long long)number));           \
      state[i] = xor(shuffle(add(base, numbers), turn), first_key);                                \
    }                                                                                              \
    for (unsigned round = 1; round < ROUNDS; round++) {                                            \
      const vector key = broadcast(round_key(schedule, round));                                    \
      for (unsigned i = 0; i < count; i++) state[i] = enc(state[i], key);                          \
    }                                                                                              \
    for (unsigned i = 0; i < count; i++) {                                                         \
      void *const at = data + sizeof(vector) * i;                                                  \
      store(at, xor(load(at), enclast(state[i], last_key)));                                       \
    }                                                                                              \
  }

#define SAME(x) (x)
#define LOAD128(at) _mm_loadu_si128((const __m128i *)(at))
#define STORE128(at, x) _mm_storeu_si128((__m128i *)(at), x)
#define LOAD256(at) _mm256_loadu_si256((const __m256i *)(at))
#define STORE256(at, x) _mm256_storeu_si256((__m256i *)(at), x)

DEFINE_VECTORS(aes_ni_vectors, T_AES_NI, __m128i, 1, SAME, _mm_setzero_si128(), _mm_add_epi64,
               _mm_shuffle_epi8, _mm_xor_si128, _mm_aesenc_si128, _mm_aesenclast_si128, LOAD128,
               STORE128)
DEFINE_VECTORS(vaes256_vectors, T_VAES256, __m256i, 2, _mm256_broadcastsi128_si256,
               _mm256_set_epi64x(0, 1, 0, 0), _mm256_add_epi64, _mm256_shuffle_epi8,
               _mm256_xor_si256, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, LOAD256, STORE256)
DEFINE_VECTORS(vaes512_vectors, T_VAES512, __m512i, 4, _mm512_broadcast_i32x4,
               _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0), _mm512_add_epi64, _mm512_shuffle_epi8,
               _mm512_xor_si512, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_loadu_si512,
               _mm512_storeu_si512)

T_AES_NI static void aes_ni(const uint8_t *schedule, uint64_t high, uint64_t low, uint8_t *data,
                            size_t blocks) {
  for (; blocks >= 8; blocks -= 8, low += 8, data += 8 * AES_BLOCK_SIZE)
    aes_ni_vectors(8, schedule, high, low, data);
  for (; blocks > 0; blocks--, low++, data += AES_BLOCK_SIZE)
    aes_ni_vectors(1, schedule, high, low, data);
}

T_VAES256 static void vaes256(const uint8_t *schedule, uint64_t high, uint64_t low, uint8_t *data,
                              size_t blocks) {
  for (; blocks >= 16; blocks -= 16, low += 16, data += 16 * AES_BLOCK_SIZE)
    vaes256_vectors(8, schedule, high, low, data);
  aes_ni(schedule, high, low, data, blocks);
}

T_VAES512 static void vaes512(const uint8_t *schedule, uint64_t high, uint64_t low, uint8_t *data,
                              size_t blocks) {
  for (; blocks >= 32; blocks -= 32, low += 32, data += 32 * AES_BLOCK_SIZE)
    vaes512_vectors(8, schedule, high, low, data);
  aes_ni(schedule, high, low, data, blocks);
}

/* MSVC spells these otherwise, and clang before 16 has them in whole builds for ARMv8 with AES alone. */
#elif defined(LAFS_ARM64) && !defined(_MSC_VER) &&                                                 \
    (!defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_AES))
#define HAVE_ARM_AES 1

#if defined(__clang__)
#define T_ARM_AES TARGET("aes")
#else
#define T_ARM_AES TARGET("+crypto")
#endif

/* With all columns alike, shifting the rows changes nothing. */
T_ARM_AES static uint32_t sub_word(uint32_t word) {
  const uint8x16_t all = vreinterpretq_u8_u32(vdupq_n_u32(word));
  return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(all, vdupq_n_u8(0))), 0);
}

/* `count` (a constant) blocks at `data`, side by side. */
T_ARM_AES INLINE void arm_aes_blocks(const unsigned count, const uint8_t *schedule, uint64_t high,
                                     uint64_t low, uint8_t *data) {
  uint8x16_t state[8];
  for (unsigned i = 0; i < count; i++) {
    const uint64x2_t number = vcombine_u64(vcreate_u64(high), vcreate_u64(low + i));
    state[i] = vrev64q_u8(vreinterpretq_u8_u64(number));
  }
  for (unsigned round = 0; round < ROUNDS - 1; round++) {
    const uint8x16_t key = vld1q_u8(schedule + AES_BLOCK_SIZE * round);
    for (unsigned i = 0; i < count; i++) state[i] = vaesmcq_u8(vaeseq_u8(state[i], key));
  }
  const uint8x16_t key = vld1q_u8(schedule + AES_BLOCK_SIZE * (ROUNDS - 1));
  const uint8x16_t last_key = vld1q_u8(schedule + AES_BLOCK_SIZE * ROUNDS);
  for (unsigned i = 0; i < count; i++) {
    uint8_t *const at = data + AES_BLOCK_SIZE * i;
    vst1q_u8(at, veorq_u8(vld1q_u8(at), veorq_u8(vaeseq_u8(state[i], key), last_key)));
  }
}

T_ARM_AES static void arm_aes(const uint8_t *schedule, uint64_t high, uint64_t low, uint8_t *data,
                              size_t blocks) {
  for (; blocks >= 8; blocks -= 8, low += 8, data += 8 * AES_BLOCK_SIZE)
    arm_aes_blocks(8, schedule, high, low, data);
  for (; blocks > 0; blocks--, low++, data += AES_BLOCK_SIZE)
    arm_aes_blocks(1, schedule, high, low, data);
}

#endif

/* ---- Choosing a kernel ---- */

struct kernel {
  const char *name; /* NULL past the last */
  unsigned needs;   /* features of cpu.h */
  sub_word_function *sub_word;
  crypt_function *crypt;
};

/* Fastest first. */
static const struct kernel kernels[] = {
#if defined(LAFS_X86)
    {"vaes512", CPU_VAES512, sub_word, vaes512},
    {"vaes256", CPU_VAES256, sub_word, vaes256},
    {"aes-ni", CPU_AES_NI, sub_word, aes_ni},
#elif defined(HAVE_ARM_AES)
    {"arm-aes", CPU_ARM_AES, sub_word, arm_aes},
#endif
    {NULL, 0, NULL, NULL},
};

static const struct kernel *selected;
static unsigned features;

static int usable(const struct kernel *kernel) { return (kernel->needs & ~features) == 0; }

void aes_init(void) {
  features = cpu_features();
  for (selected = kernels; !usable(selected); selected++) continue;
}

const char *aes_kernel_name(unsigned i) {
  for (const struct kernel *at = kernels; at->name != NULL; at++)
    if (usable(at) && i-- == 0) return at->name;
  return NULL;
}

const char *aes_kernel(void) { return selected->name; }

int aes_select(const char *name) {
  for (const struct kernel *at = kernels; at->name != NULL; at++)
    if (usable(at) && strcmp(at->name, name) == 0) {
      selected = at;
      return 1;
    }
  return 0;
}

/* ---- The cipher ---- */

static uint64_t load_be64(const uint8_t *at) {
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | at[i];
  return value;
}

/* Words of the schedule are as the processor loads them: the first byte lowest. */
static void expand_key(sub_word_function *sub, const uint8_t *key, uint8_t *schedule) {
  uint32_t words[SCHEDULE_SIZE / 4];
  uint32_t constant = 1;
  memcpy(words, key, AES_BLOCK_SIZE);
  for (unsigned i = 4; i < SCHEDULE_SIZE / 4; i++) {
    uint32_t word = words[i - 1];
    if (i % 4 == 0) {
      word = sub(word);
      word = (word >> 8 | word << 24) ^ constant;
      constant = constant << 1 ^ (constant >> 7) * 0x11b;
    }
    words[i] = words[i - 4] ^ word;
  }
  memcpy(schedule, words, SCHEDULE_SIZE);
  aes_wipe(words, sizeof words);
}

void aes_ctr(const uint8_t key[AES_BLOCK_SIZE], const uint8_t counter[AES_BLOCK_SIZE], size_t skip,
             uint8_t *data, size_t size) {
  const struct kernel *const kernel = selected;
  uint8_t schedule[SCHEDULE_SIZE];
  uint64_t high = load_be64(counter), low = load_be64(counter + 8);
  expand_key(kernel->sub_word, key, schedule);
  while (size > 0) {
    size_t done;
    uint64_t blocks = size / AES_BLOCK_SIZE;
    if (skip > 0 || blocks == 0) {
      /* Part of a block: of the first, of the last, or of one that is both. */
      uint8_t stream[AES_BLOCK_SIZE] = {0};
      kernel->crypt(schedule, high, low, stream, 1);
      done = size < AES_BLOCK_SIZE - skip ? size : AES_BLOCK_SIZE - skip;
      for (size_t i = 0; i < done; i++) data[i] ^= stream[skip + i];
      aes_wipe(stream, sizeof stream);
      skip = 0;
      blocks = 1;
    } else {
      const uint64_t to_carry = 0 - low; /* 0 stands for 2^64 */
      if (to_carry != 0 && blocks > to_carry) blocks = to_carry;
      kernel->crypt(schedule, high, low, data, (size_t)blocks);
      done = (size_t)blocks * AES_BLOCK_SIZE;
    }
    data += done;
    size -= done;
    low += blocks;
    if (low == 0) high++;
  }
  aes_wipe(schedule, sizeof schedule);
}
