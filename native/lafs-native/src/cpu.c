#include "cpu.h"

#include <stdint.h>

#if defined(LAFS_X86)

#if defined(_MSC_VER)
#include <intrin.h>
static void cpuid(uint32_t leaf, uint32_t reg[4]) { __cpuidex((int *)reg, (int)leaf, 0); }
static uint64_t xcr0(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid(uint32_t leaf, uint32_t reg[4]) {
  __cpuid_count(leaf, 0, reg[0], reg[1], reg[2], reg[3]);
}
static uint64_t xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}
#endif

#define BIT(word, n) (((word) >> (n)) & 1)

/* Bit positions: Intel SDM volume 2, CPUID leaves 1 and 7; XCR0: volume 1, section 13.3. */
unsigned cpu_features(void) {
  uint32_t leaf0[4], leaf1[4], leaf7[4] = {0};
  cpuid(0, leaf0);
  cpuid(1, leaf1);
  if (leaf0[0] >= 7) cpuid(7, leaf7);
  const uint64_t saved = BIT(leaf1[2], 27) ? xcr0() : 0;
  const int ymm = (saved & 0x06) == 0x06;
  const int zmm = (saved & 0xe6) == 0xe6;
  const int ssse3 = BIT(leaf1[2], 9);
  const int avx2 = ymm && BIT(leaf7[1], 5);
  const int gfni = BIT(leaf7[2], 8);
  const int avx512 = zmm && BIT(leaf7[1], 16) && BIT(leaf7[1], 30);
  const int sha = BIT(leaf7[1], 29) && ssse3 && BIT(leaf1[2], 19);
  const int aes = BIT(leaf1[2], 25) && ssse3;
  const int vaes = aes && BIT(leaf7[2], 9);
  return (ssse3 ? CPU_SSSE3 : 0) | (avx2 ? CPU_AVX2 : 0) | (avx2 && gfni ? CPU_GFNI256 : 0) |
         (avx512 && gfni ? CPU_GFNI512 : 0) | (sha ? CPU_SHA_NI : 0) |
         (aes ? CPU_AES_NI : 0) | (avx2 && vaes ? CPU_VAES256 : 0) |
         (avx512 && vaes ? CPU_VAES512 : 0);
}

#elif defined(LAFS_ARM64)

#if defined(__linux__)
#include <sys/auxv.h>
/* HWCAP_AES and HWCAP_SHA2 of arch/arm64/include/uapi/asm/hwcap.h. */
unsigned cpu_features(void) {
  const unsigned long capabilities = getauxval(AT_HWCAP);
  return CPU_NEON | (capabilities & (1 << 3) ? CPU_ARM_AES : 0) |
         (capabilities & (1 << 6) ? CPU_ARM_SHA2 : 0);
}
#elif defined(__APPLE__)
unsigned cpu_features(void) { return CPU_NEON | CPU_ARM_SHA2 | CPU_ARM_AES; }
#else
unsigned cpu_features(void) { return CPU_NEON; }
#endif

#else

unsigned cpu_features(void) { return 0; }

#endif
