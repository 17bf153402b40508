/* What the processor underneath can do, asked at run time. */
#ifndef LAFS_CPU_H
#define LAFS_CPU_H

enum {
  CPU_SSSE3 = 1 << 0,
  CPU_AVX2 = 1 << 1,
  CPU_GFNI256 = 1 << 2,
  CPU_GFNI512 = 1 << 3,
  CPU_SHA_NI = 1 << 4,
  CPU_NEON = 1 << 5,
  CPU_ARM_SHA2 = 1 << 6,
  CPU_AES_NI = 1 << 7,
  CPU_VAES256 = 1 << 8,
  CPU_VAES512 = 1 << 9,
  CPU_ARM_AES = 1 << 10,
};

/* The set of the features above that this processor has and its operating system saves. */
unsigned cpu_features(void);

#if defined(__x86_64__) || defined(_M_X64)
#define LAFS_X86 1
#elif defined(__aarch64__) || defined(_M_ARM64)
#define LAFS_ARM64 1
#endif

/* Compiles one function for instructions that the rest of the build may not use. MSVC needs no leave. */
#if defined(_MSC_VER) && !defined(__clang__)
#define TARGET(features)
#define INLINE static __forceinline
#else
#define TARGET(features) __attribute__((target(features)))
#define INLINE static inline __attribute__((always_inline))
#endif

#endif
