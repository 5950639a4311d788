/* AVX2: what the loops of narrow.h are made of. */
#define T256 __attribute__((target("avx2,popcnt,fma,xsave")))

#define NAME(x) avx2_##x
#define TARGET T256
#define WIDTH 8
#define PIXELS 6
#define SPLIT_PIXELS 4
#define FMA(a, b, c) ((avx2_vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define PAIRS(x, w) ((avx2_vi)_mm256_madd_epi16((__m256i)(x), (__m256i)(w)))
#define BITS_KERNEL "bits256.h"
#define ONES64(u) ((int)_mm_popcnt_u64(u))
#define SIGNS(y, t) _mm256_movemask_ps(_mm256_cmp_ps((__m256)(y), (__m256)(t), _CMP_NGE_UQ))
#define SELECT(mask, a, b) ((avx2_vf)_mm256_blendv_ps((__m256)(b), (__m256)(a), (__m256)(mask)))
/* The second operand is what a NaN gives. */
#define AT_LEAST(v, low) ((avx2_vf)_mm256_max_ps(_mm256_set1_ps(low), (__m256)(v)))
#define AT_MOST(v, high) ((avx2_vf)_mm256_min_ps(_mm256_set1_ps(high), (__m256)(v)))
/* __builtin_convertvector takes these apart into single lanes. */
#define BYTES_OF(v) ((avx2_quarters)_mm_cvtsi128_si64(_mm_packus_epi16(packed256((__m256i)(v)), _mm_setzero_si128())))
#define HALVES_OF(v) ((avx2_halves)packed256((__m256i)(v)))
#define LANES_OF(v) ((avx2_vi)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)(v))))
static inline T256 __m128i packed256(__m256i v) {
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}
#define PERMUTED(x, at) ((avx2_vf)_mm256_permutevar8x32_ps((__m256)(x), (__m256i)(at)))
#define LOAD_FIRST(p, n) ((avx2_vf)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane_numbers())))
static inline T256 __m256i lane_numbers(void) { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }

#include "narrow.h"
