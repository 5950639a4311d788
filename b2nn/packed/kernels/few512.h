/* AVX-512: float convs of few outputs, as predictions are. Vectors of 16 outputs would be all but empty, so vectors run
along the input channels, and are summed up at the end. */
#pragma once
#include "common512.h"

#define FEW_PIXELS 24 /* in a block: a multiple of every NP */

/* The sums of the elements of a, b, c and d. */
static inline __attribute__((always_inline)) T512 __m128 sums_of_four(__m512 a, __m512 b, __m512 c, __m512 d) {
    const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512 all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

#define FEW_REST(at) any512(at, rest)
#define FEW_STEP(LOAD)                                                                                                 \
    {                                                                                                                  \
        __m512 W[4];                                                                                                   \
        UNROLLED for (int o = 0; o < NO; o++) W[o] = LOAD(weight + o * pitch + c);                                     \
        UNROLLED for (int p = 0; p < NP; p++) {                                                                        \
            const __m512 X = LOAD(x[p] + k + c);                                                                       \
            UNROLLED for (int o = 0; o < NO; o++) {                                                                    \
                sum[p * NO + o] = _mm512_fmadd_ps(X, W[o], sum[p * NO + o]);                                           \
                BARRIER(sum[p * NO + o]);                                                                              \
            }                                                                                                          \
        }                                                                                                              \
    }

/* Outputs [first, first + NO) of pixels [i, i + NP) to v[pixel][output]; those beyond `end` are the first one again. */
static inline __attribute__((always_inline)) T512 void few_block512(const bk_step *s, const int NP, const int NO,
                                                                    const float *weight, int first, int i, int end,
                                                                    float (*v)[16]) {
    __m512 sum[MAX_SUMS];
    const float *x[MAX_PIXELS];
    const int whole = s->inputs & -16;
    const int64_t pitch = s->group_weight;
    const __mmask16 rest = lanes_left(s->inputs - whole);
    weight += first * pitch;
    UNROLLED for (int p = 0; p < NP; p++) x[p] = (const float *)s->input + s->in[i + p < end ? i + p : i];
    UNROLLED for (int k = 0; k < NP * NO; k++) sum[k] = _mm512_setzero_ps();
    for (int t = 0; t < s->steps; t++, weight += s->weight_pitch) {
        const int64_t k = s->offset[t];
        int c = 0;
        for (; c < whole; c += 16) FEW_STEP(_mm512_loadu_ps)
        if (rest) FEW_STEP(FEW_REST)
    }
    float four[4];
    UNROLLED for (int k = 0; k < NP * NO; k += 4) {
        _mm_storeu_ps(four, sums_of_four(sum[k], sum[k + 1], sum[k + 2], sum[k + 3]));
        UNROLLED for (int j = 0; j < 4; j++) v[(k + j) / NO][first + (k + j) % NO] = four[j];
    }
}

static T512 void few_range512(const bk_step *s, int from, int to) {
    const __m512 alpha = s->alpha ? _mm512_loadu_ps(s->alpha) : _mm512_set1_ps(1);
    for (int i = from; i < to; i += FEW_PIXELS) {
        const int end = to - i < FEW_PIXELS ? to : i + FEW_PIXELS;
        float v[FEW_PIXELS][16] = {{0}};
        int o = 0;
        for (; o + 4 <= s->outputs; o += 4)
            for (int at = i; at < end; at += 6) few_block512(s, 6, 4, s->weight, o, at, end, v + (at - i));
        for (; o + 2 <= s->outputs; o += 2)
            for (int at = i; at < end; at += 8) few_block512(s, 8, 2, s->weight, o, at, end, v + (at - i));
        for (; o < s->outputs; o++)
            for (int at = i; at < end; at += 8) few_block512(s, 8, 1, s->weight, o, at, end, v + (at - i));
        for (int at = i; at < end; at++) {
            __m512 sums = _mm512_mul_ps(_mm512_loadu_ps(v[at - i]), alpha);
            finish512(s, 0, 0, 1, 1, at, 1, &sums);
        }
    }
}
