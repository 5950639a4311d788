/* AVX-512: pools. */
#pragma once
#include "common512.h"

/* One pixel of a pool: the taps that lie inside the map. */
static inline __attribute__((always_inline)) T512 void pool512(const bk_step *s, const int NO, int block, int i) {
    const int rows = s->window[2 * i], columns = s->window[2 * i + 1], average = s->kind == BK_AVGPOOL;
    const float *x = (const float *)s->input + s->in[i] + block;
    __m512 v[4];
    __mmask16 mask[4], nan[4];
    UNROLLED for (int o = 0; o < NO; o++) {
        v[o] = _mm512_set1_ps(average ? 0.0f : -__builtin_inff());
        mask[o] = lanes_left(s->outputs - block - 16 * o);
        nan[o] = 0;
    }
    for (int r = 0; r < rows; r++) {
        for (int c = 0; c < columns; c++) {
            const float *at = x + (int64_t)r * s->row_pitch + (int64_t)c * s->column_pitch;
            UNROLLED for (int o = 0; o < NO; o++) {
                const __m512 value = mask[o] == 0xffff ? _mm512_loadu_ps(at + 16 * o) : any512(at + 16 * o, mask[o]);
                if (average) {
                    v[o] = _mm512_add_ps(v[o], value);
                } else { /* of two that are equal, and beside a NaN, the second operand remains */
                    nan[o] |= _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
                    v[o] = _mm512_max_ps(value, v[o]);
                }
            }
        }
    }
    UNROLLED for (int o = 0; o < NO; o++) v[o] = _mm512_mask_mov_ps(v[o], nan[o], _mm512_set1_ps(__builtin_nanf("")));
    if (average)
        UNROLLED for (int o = 0; o < NO; o++) v[o] = _mm512_div_ps(v[o], _mm512_set1_ps(s->divisor[i]));
    if (s->alpha)
        UNROLLED for (int o = 0; o < NO; o++) v[o] = _mm512_mul_ps(v[o], _mm512_loadu_ps(s->alpha + block + 16 * o));
    finish512(s, 0, block, 1, NO, i, 1, v);
}

static T512 void pool_range512(const bk_step *s, int from, int to) {
    for (int i = from; i < to; i++)
        for (int block = 0; block < s->padded; block += BK_LANES) {
            const int left = s->padded - block;
            if (left >= 64) pool512(s, 4, block, i);
            else if (left == 48) pool512(s, 3, block, i);
            else if (left == 32) pool512(s, 2, block, i);
            else pool512(s, 1, block, i);
        }
}
