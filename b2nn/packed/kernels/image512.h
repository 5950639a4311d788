/* AVX-512: element-wise steps of 3 or 4 channels, as images have: a vector is 4 pixels of 4 lanes, the last of which
is 0 where there are 3. */
#pragma once
#include "common512.h"

typedef struct {
    __m512i spread, dense; /* lanes of a vector from items in memory, and back */
    __m512 alpha, beta, inverse, low, high;
    __m512i shift;
    __mmask16 used;
} image_constants;

static inline __attribute__((always_inline)) T512 void image_block512(const bk_step *s, const image_constants *c,
                                                                      const int bytes, const int C, int64_t in,
                                                                      int64_t out, int n) {
    const __mmask16 items = (__mmask16)((1u << (n * C)) - 1), lanes = (__mmask16)((1u << (4 * n)) - 1) & c->used;
    __m512 v;
    if (bytes) {
        const __m128i codes = _mm_maskz_loadu_epi8(items, (const uint8_t *)s->input + in);
        v = _mm512_cvtepi32_ps(_mm512_maskz_permutexvar_epi32(lanes, c->spread, _mm512_cvtepu8_epi32(codes)));
    } else {
        v = _mm512_maskz_loadu_ps(items, (const float *)s->input + in);
        v = _mm512_maskz_permutexvar_ps(lanes, c->spread, v);
    }
    if (s->alpha) v = _mm512_mul_ps(v, c->alpha);
    if (s->beta) v = _mm512_add_ps(v, c->beta);
    if (s->f32) _mm512_mask_storeu_ps(s->f32 + out * C, items, _mm512_permutexvar_ps(c->dense, v));
    if (s->bf16) {
        if (n == 4) _mm256_storeu_si256((__m256i *)(s->bf16 + out * 4), bf16_of(v));
        else _mm256_mask_storeu_epi16(s->bf16 + out * 4, lanes, bf16_of(v));
    }
    if (s->u8) {
        const __m512 q = _mm512_min_ps(c->high, _mm512_max_ps(_mm512_mul_ps(v, c->inverse), c->low));
        const __m128i code = _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(q), c->shift));
        if (n == 4) _mm_storeu_si128((__m128i *)(s->u8 + out * 4), code);
        else _mm_mask_storeu_epi8(s->u8 + out * 4, lanes, code);
    }
}

static inline __attribute__((always_inline)) T512 void image512(const bk_step *step, const int bytes, const int C,
                                                                int from, int to) {
    const bk_step own = *step, *s = &own; /* a copy that no byte written can change: the compiler need not look again */
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const image_constants c = {
        C == 4 ? lane : _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0),
        C == 4 ? lane : _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0),
        s->alpha ? _mm512_broadcast_f32x4(_mm_loadu_ps(s->alpha)) : _mm512_set1_ps(1),
        s->beta ? _mm512_broadcast_f32x4(_mm_loadu_ps(s->beta)) : _mm512_setzero_ps(),
        _mm512_set1_ps(s->u8_inverse), _mm512_set1_ps((float)-s->u8_zero), _mm512_set1_ps((float)(255 - s->u8_zero)),
        _mm512_set1_epi32(s->u8_zero), C == 4 ? 0xffff : 0x7777};
    for (int start = from; start < to;) { /* rows: tables of all pixels are more to read than the image */
        const int64_t left = s->row - start % s->row, n = left < to - start ? left : to - start;
        const int64_t in = s->in[start], out = s->out[start];
        int64_t k = 0;
        for (; k + 4 <= n; k += 4) image_block512(s, &c, bytes, C, in + k * C, out + k, 4);
        if (k < n) image_block512(s, &c, bytes, C, in + k * C, out + k, (int)(n - k));
        start += (int)n;
    }
}

static T512 void image_f512(const bk_step *s, int from, int to) {
    if (s->outputs == 3) image512(s, 0, 3, from, to);
    else image512(s, 0, 4, from, to);
}

static T512 void image_b512(const bk_step *s, int from, int to) {
    if (s->outputs == 3) image512(s, 1, 3, from, to);
    else image512(s, 1, 4, from, to);
}
