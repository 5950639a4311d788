/* AVX2, convs of bits: a table of 16 counts in a register, looked up by weights.

A step is 8 inputs (one byte of x) and 32 outputs a vector, one in each byte. For a half byte h of x the register T[h]
holds at place n the number of ones in h ^ n, so that one shuffle by the weights' half bytes gives 32 outputs their
count of 4 inputs: no xor, no mask, no shift. Two shuffles and two additions for 256 products, where counting the ones
of x ^ w takes eight instructions. Weights: [group][block of 128 outputs][byte][32 low halves, 32 high halves a vector].
Sums of bytes are widened every 31 steps, 31 * 8 = 248. Included by narrow.h. */

/* Weights come from memory: kept in registers they would drive sums out of them. */
#define LOOK_UP(into, table, at) __asm__("vpshufb %2, %1, %0" : "=x"(into) : "x"(table), "m"(*(at)))
#define ALL _Pragma("GCC unroll 12")
#define ROW(h)                                                                                                         \
    {C(h ^ 0), C(h ^ 1), C(h ^ 2), C(h ^ 3), C(h ^ 4), C(h ^ 5), C(h ^ 6), C(h ^ 7), C(h ^ 8), C(h ^ 9), C(h ^ 10),    \
     C(h ^ 11), C(h ^ 12), C(h ^ 13), C(h ^ 14), C(h ^ 15)}
#define C(n) (((n) & 1) + ((n) >> 1 & 1) + ((n) >> 2 & 1) + ((n) >> 3 & 1))
static const uint8_t counts[16][16] __attribute__((aligned(64))) = {
    ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7),
    ROW(8), ROW(9), ROW(10), ROW(11), ROW(12), ROW(13), ROW(14), ROW(15)};
#undef C
#undef ROW

static inline __attribute__((always_inline)) T256 void bits256(const bk_step *s, const int NP, const int NO, int g,
                                                               int block, int i, int valid, const int32_t *q) {
    int32_t total[8][128] __attribute__((aligned(32)));
    const uint8_t *x[8];
    ALL for (int p = 0; p < NP; p++)
        x[p] = (const uint8_t *)((const int32_t *)s->input + s->in[i + (p < valid ? p : 0)] +
                                 (int64_t)g * s->group_offset);
    const uint8_t *w = (const uint8_t *)s->weight + 4 * g * s->group_weight + (int64_t)block * s->steps * 2;
    for (int start = 0; start < s->steps; start += 31) {
        const int32_t *offset = s->offset + start;
        const int32_t *end = s->offset + (start + 31 < s->steps ? start + 31 : s->steps);
        __m256i sum[12];
        ALL for (int k = 0; k < NP * NO; k++) sum[k] = _mm256_setzero_si256();
        for (; offset < end; offset++, w += 64 * NO) {
            const long at = *offset;
            ALL for (int p = 0; p < NP; p++) {
                const unsigned byte = x[p][at];
                const __m256i low = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)counts[byte & 15]));
                const __m256i high = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)counts[byte >> 4]));
                ALL for (int o = 0; o < NO; o++) {
                    const __m256i *W = (const __m256i *)(w + 64 * o);
                    __m256i *a = &sum[p * NO + o];
                    __m256i ones;
                    LOOK_UP(ones, low, W);
                    *a = _mm256_add_epi8(*a, ones);
                    IN_REGISTER(*a);
                    LOOK_UP(ones, high, W + 1);
                    *a = _mm256_add_epi8(*a, ones);
                    IN_REGISTER(*a);
                }
            }
        }
        ALL for (int p = 0; p < NP; p++) ALL for (int o = 0; o < NO; o++) {
            uint8_t bytes[32] __attribute__((aligned(32)));
            _mm256_store_si256((__m256i *)bytes, sum[p * NO + o]);
            __asm__("" : "+m"(bytes)); /* gcc would take the vector apart with more instructions */
            for (int k = 0; k < 4; k++) {
                __m256i *to = (__m256i *)&total[p][32 * o + 8 * k];
                const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(bytes + 8 * k)));
                _mm256_store_si256(to, start ? _mm256_add_epi32(_mm256_load_si256(to), wide) : wide);
            }
        }
    }
    for (int from = 0; from < 32 * NO && block + from < s->padded; from += 16) {
        avx2_vf v[2 * 8];
        ALL for (int p = 0; p < NP; p++) {
            const int32_t *base = s->base + g * s->padded + block + from;
            if (s->base_pitch) base += (int64_t)s->border[i + (p < valid ? p : 0)] * s->base_pitch;
            ALL for (int o = 0; o < 2; o++)
                v[2 * p + o] = __builtin_convertvector(
                    *(const avx2_vi *)(base + 8 * o) - 2 * *(const avx2_vi *)&total[p][from + 8 * o], avx2_vf);
        }
        avx2_finish(s, g, block + from, i, valid, v, q);
    }
}

#define KERNEL256(NP, NO)                                                                                              \
    static __attribute__((noinline)) T256 void bits256_##NO(const bk_step *s, int g, int block, int from, int to,      \
                                                            const int32_t *q) {                                        \
        for (int i = from; i < to; i += NP)                                                                            \
            bits256(s, NP, NO, g, block, i, to - i < NP ? to - i : NP, q ? q + (i - from) : 0);                        \
    }
KERNEL256(6, 1) KERNEL256(6, 2) KERNEL256(4, 3) KERNEL256(3, 4)

/* `block` counts in 16; the blocks of 128 outputs are run when their first 16 come. */
static T256 void avx2_conv_BK_BITS(const bk_step *s, int g, int block, int from, int to, const int32_t *q) {
    if (block % 128) return;
    const int vectors = (s->padded - block + 31) / 32;
    if (vectors >= 4) bits256_4(s, g, block, from, to, q);
    else if (vectors == 3) bits256_3(s, g, block, from, to, q);
    else if (vectors == 2) bits256_2(s, g, block, from, to, q);
    else bits256_1(s, g, block, from, to, q);
}

#undef LOOK_UP
#undef ALL
#undef ROW
#undef KERNEL256
