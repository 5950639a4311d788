/* AVX-512: depthwise convs and correlations whose windows move on by one pixel. Loads bound these, so a pixel is loaded
once for all outputs of a row that it takes part in, and the weights of a kernel row stay in registers. */
#pragma once
#include "conv512.h"

#define SLIDE 8 /* output pixels */

static inline __attribute__((always_inline)) T512 void slide_block512(const bk_step *s, const int COLUMNS,
                                                                      const float *weight, int channel, int i) {
    const int64_t pitch = s->offset[1] - s->offset[0];
    const float *x = (const float *)s->input + s->in[i] + channel, *w = weight + channel;
    __m512 v[SLIDE], W[7];
    UNROLLED for (int p = 0; p < SLIDE; p++) v[p] = _mm512_setzero_ps();
    for (int t = 0; t < s->steps; t += COLUMNS) {
        const float *row = x + s->offset[t];
        UNROLLED for (int c = 0; c < COLUMNS; c++, w += s->weight_pitch) W[c] = _mm512_loadu_ps(w);
        UNROLLED for (int k = 0; k < SLIDE + COLUMNS - 1; k++, row += pitch) {
            const __m512 X = _mm512_loadu_ps(row);
            UNROLLED for (int c = 0; c < COLUMNS; c++) if (k >= c && k - c < SLIDE) {
                v[k - c] = _mm512_fmadd_ps(X, W[c], v[k - c]);
                BARRIER(v[k - c]);
            }
        }
    }
    if (s->alpha) {
        const __m512 alpha = _mm512_loadu_ps(s->alpha + channel);
        UNROLLED for (int p = 0; p < SLIDE; p++) v[p] = _mm512_mul_ps(v[p], alpha);
    }
    finish512(s, 0, channel, SLIDE, 1, i, SLIDE, v);
}

#define SLIDE512(COLUMNS)                                                                                              \
    static T512 void slide512_##COLUMNS(const bk_step *s, const float *weight, int channel, int i) {                   \
        slide_block512(s, COLUMNS, weight, channel, i);                                                                \
    }
SLIDE512(3) SLIDE512(5) SLIDE512(7)

static int slides512(const bk_step *s) {
    return s->kind == BK_DEPTHWISE && s->outputs % 16 == 0 && (s->columns == 3 || s->columns == 5 || s->columns == 7);
}

/* Pixels of one image. */
static T512 void slide_range512(const bk_step *s, int from, int to) {
    const float *weight = (const float *)s->weight;
    if (s->image_pixels) weight += (int64_t)(from / s->image_pixels) * s->image_weight;
    for (int i = from; i < to;) {
        const int left = s->row - i % s->row, n = left < to - i ? left : to - i;
        int end = i + n / SLIDE * SLIDE;
        for (; i < end; i += SLIDE)
            for (int channel = 0; channel < s->outputs; channel += 16)
                (s->columns == 3 ? slide512_3 : s->columns == 5 ? slide512_5 : slide512_7)(s, weight, channel, i);
        end = i + n % SLIDE;
        if (i < end) conv_range512(s, i, end);
        i = end;
    }
}
