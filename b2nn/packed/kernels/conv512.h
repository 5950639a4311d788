/* AVX-512: one loop for all kinds. A weight step is 16 outputs x one 32-bit lane a vector, an activation step one lane
broadcast (or, for depthwise and element-wise steps, 16 channels). A block is NP pixels x NO vectors of sums, which stay
in registers to the end: NP * NO + NO + 2 <= 32. */
#pragma once
#include "common512.h"

#define SPREAD (BK_LOAD + 1)   /* depthwise with several outputs of an input channel */
#define BYTES (BK_LOAD + 2)    /* `load_u8` */

/* Pixels [i, i + NP), of which `valid` exist, and NO vectors of outputs from `block` on. q: Q of the pixels, or NULL. */
static inline __attribute__((always_inline)) T512 void block512(const bk_step *s, const int kind, const int NP,
                                                                const int NO, int g, int block, int i, int valid,
                                                                const float *q) {
    __m512i sum[MAX_SUMS]; /* of fixed size: one that depends on NP would live on the stack */
    const int32_t *x[MAX_PIXELS];
    int pixel[MAX_PIXELS];
    const int channel = g * s->outputs + block, parameter = g * s->padded + block;
    UNROLLED for (int p = 0; p < NP; p++) {
        pixel[p] = i + (p < valid ? p : 0);
        x[p] = (const int32_t *)s->input + s->in[pixel[p]] + (int64_t)g * s->group_offset;
    }
    if (s->shortcut) {
        UNROLLED for (int p = 0; p < NP; p++) {
            const float *from = s->shortcut + (int64_t)s->shortcut_pixel[pixel[p]] * s->shortcut_pitch + channel;
            UNROLLED for (int o = 0; o < NO; o++) _mm_prefetch((const char *)(from + 16 * o), _MM_HINT_T0);
        }
    }
    if (kind == BYTES) {
        UNROLLED for (int o = 0; o < NO; o++) {
            __mmask16 mask = lanes_left(s->outputs - block - 16 * o);
            UNROLLED for (int p = 0; p < NP; p++) {
                const uint8_t *from = (const uint8_t *)s->input + s->in[pixel[p]] + block + 16 * o;
                const __m512i codes = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, from));
                sum[p * NO + o] = (__m512i)_mm512_cvtepi32_ps(codes);
            }
        }
    } else if (kind == BK_LOAD) {
        UNROLLED for (int o = 0; o < NO; o++) {
            __mmask16 mask = lanes_left(s->outputs - block - 16 * o);
            UNROLLED for (int p = 0; p < NP; p++)
                sum[p * NO + o] = (__m512i)any512((const float *)x[p] + block + 16 * o, mask);
        }
        UNROLLED for (int p = 0; p < NP; p++) { /* nothing is calculated that would hide the memory's latency */
            const float *ahead = (const float *)s->input + s->in[i + p + 24 < s->pixels ? i + p + 24 : i] + block;
            UNROLLED for (int o = 0; o < NO; o++) _mm_prefetch((const char *)(ahead + 16 * o), _MM_HINT_T0);
        }
    } else {
        UNROLLED for (int k = 0; k < NP * NO; k++) sum[k] = _mm512_setzero_si512();
    }
    if (kind == BK_DEPTHWISE || kind == SPREAD) {
        const float *w = (const float *)s->weight + block;
        if (s->image_pixels) w += (int64_t)(i / s->image_pixels) * s->image_weight;
        __m512i spread[4];
        __mmask16 mask[4], reads[4];
        int first[4];
        UNROLLED for (int o = 0; o < NO; o++) {
            const int c = block + 16 * o, count = s->outputs - c < 16 ? s->outputs - c : 16;
            reads[o] = mask[o] = lanes_left(count);
            first[o] = c;
            if (kind == SPREAD) {
                first[o] = s->spread[c];
                reads[o] = lanes_left(s->spread[c + count - 1] - first[o] + 1);
                spread[o] = _mm512_sub_epi32(_mm512_loadu_si512(s->spread + c), _mm512_set1_epi32(first[o]));
            }
        }
        const int last = s->outputs < block + 16 * NO ? s->outputs - 1 : block + 16 * NO - 1;
        if (kind == SPREAD && NO > 1 && s->spread[last] - first[0] < 16) { /* one vector of inputs serves all outputs */
            const __mmask16 read = lanes_left(s->spread[last] - first[0] + 1);
            UNROLLED for (int o = 1; o < NO; o++)
                spread[o] = _mm512_add_epi32(spread[o], _mm512_set1_epi32(first[o] - first[0]));
            for (int t = 0; t < s->steps; t++, w += s->weight_pitch) {
                const long k = s->offset[t] + first[0];
                __m512 W[4];
                UNROLLED for (int o = 0; o < NO; o++) W[o] = any512(w + 16 * o, mask[o]);
                UNROLLED for (int p = 0; p < NP; p++) {
                    const __m512 X = any512((const float *)x[p] + k, read);
                    UNROLLED for (int o = 0; o < NO; o++) {
                        const __m512 value = _mm512_permutexvar_ps(spread[o], X);
                        sum[p * NO + o] = (__m512i)_mm512_fmadd_ps(value, W[o], (__m512)sum[p * NO + o]);
                        BARRIER(sum[p * NO + o]);
                    }
                }
            }
        } else if (kind == BK_DEPTHWISE && s->outputs - block >= 16 * NO) { /* loads without masks are twice as fast */
            for (int t = 0; t < s->steps; t++, w += s->weight_pitch) {
                const long k = s->offset[t] + block;
                UNROLLED for (int o = 0; o < NO; o++) {
                    const __m512 weight = _mm512_loadu_ps(w + 16 * o);
                    UNROLLED for (int p = 0; p < NP; p++) {
                        const __m512 value = _mm512_loadu_ps((const float *)x[p] + k + 16 * o);
                        sum[p * NO + o] = (__m512i)_mm512_fmadd_ps(value, weight, (__m512)sum[p * NO + o]);
                        BARRIER(sum[p * NO + o]);
                    }
                }
            }
        } else for (int t = 0; t < s->steps; t++, w += s->weight_pitch) {
            const long k = s->offset[t];
            UNROLLED for (int o = 0; o < NO; o++) {
                __m512 weight = any512(w + 16 * o, mask[o]);
                UNROLLED for (int p = 0; p < NP; p++) {
                    __m512 value = any512((const float *)x[p] + k + first[o], reads[o]);
                    if (kind == SPREAD) value = _mm512_permutexvar_ps(spread[o], value);
                    sum[p * NO + o] = (__m512i)_mm512_fmadd_ps(value, weight, (__m512)sum[p * NO + o]);
                    BARRIER(sum[p * NO + o]);
                }
            }
        }
    } else if (kind < BK_DEPTHWISE) {
        const int32_t *w = (const int32_t *)s->weight + g * s->group_weight + (int64_t)block * s->steps;
        const int32_t *offset = s->offset, *end = offset + s->steps;
        for (; offset < end; offset++, w += 16 * NO) {
            const long k = *offset;
            __m512i W[4];
            UNROLLED for (int o = 0; o < NO; o++) W[o] = _mm512_loadu_si512(w + 16 * o);
            UNROLLED for (int p = 0; p < NP; p++) {
                const __m512i X = _mm512_set1_epi32(x[p][k]);
                UNROLLED for (int o = 0; o < NO; o++) {
                    __m512i *a = &sum[p * NO + o];
                    if (kind == BK_BITS) *a = _mm512_add_epi32(*a, _mm512_popcnt_epi32(_mm512_xor_si512(X, W[o])));
                    if (kind == BK_F32) *a = (__m512i)_mm512_fmadd_ps((__m512)X, (__m512)W[o], (__m512)*a);
                    if (kind == BK_BF16) DOT_BF16(*a, X, W[o]);
                    if (kind == BK_INT8) DOT_BYTES(*a, X, W[o]);
                    BARRIER(*a);
                }
            }
        }
    }
    __m512 v[MAX_SUMS];
    if (kind == BK_BITS || kind == BK_INT8) {
        UNROLLED for (int p = 0; p < NP; p++) {
            const int32_t *base = s->base + parameter;
            if (s->base_pitch) base += (int64_t)s->border[pixel[p]] * s->base_pitch;
            UNROLLED for (int o = 0; o < NO; o++) {
                __m512i a = sum[p * NO + o], b = _mm512_loadu_si512(base + 16 * o);
                a = kind == BK_BITS ? _mm512_sub_epi32(b, _mm512_slli_epi32(a, 1)) : _mm512_add_epi32(b, a);
                v[p * NO + o] = _mm512_cvtepi32_ps(a);
            }
        }
    } else {
        UNROLLED for (int k = 0; k < NP * NO; k++) v[k] = (__m512)sum[k];
    }
    if (s->alpha) {
        UNROLLED for (int o = 0; o < NO; o++) {
            __m512 alpha = _mm512_loadu_ps(s->alpha + parameter + 16 * o);
            UNROLLED for (int p = 0; p < NP; p++) V = _mm512_mul_ps(V, alpha);
        }
    }
    if (q) {
        UNROLLED for (int o = 0; o < NO; o++) {
            __m512 gamma = _mm512_loadu_ps(s->gamma + parameter + 16 * o);
            UNROLLED for (int p = 0; p < NP; p++)
                V = _mm512_add_ps(V, _mm512_mul_ps(gamma, _mm512_set1_ps(q[p < valid ? p : 0])));
        }
    }
    finish512(s, g, block, NP, NO, i, valid, v);
}

#define CHUNK 840 /* pixels; a multiple of every NP */

#define KERNEL512(name, kind, NP, NO)                                                                                  \
    static T512 void name##NO(const bk_step *s, int g, int block, int from, int to, const float *q) {                 \
        for (int i = from; i < to; i += NP)                                                                            \
            block512(s, kind, NP, NO, g, block, i, to - i < NP ? to - i : NP, q ? q + (i - from) : 0);                 \
    }
#define KERNELS512(name, kind)                                                                                         \
    KERNEL512(name, kind, 14, 1) KERNEL512(name, kind, 10, 2) KERNEL512(name, kind, 8, 3) KERNEL512(name, kind, 6, 4)
#define KERNEL512_ROW(name) {name##1, name##2, name##3, name##4}

KERNELS512(bits512_, BK_BITS)
KERNELS512(f32_512_, BK_F32)
KERNELS512(bf16_512_, BK_BF16)
KERNELS512(int8_512_, BK_INT8)
KERNELS512(depthwise512_, BK_DEPTHWISE)
KERNELS512(load512_, BK_LOAD)
KERNELS512(spread512_, SPREAD)
KERNELS512(bytes512_, BYTES)

typedef void kernel512(const bk_step *, int g, int block, int from, int to, const float *q);
static kernel512 *const kernels512[][4] = {KERNEL512_ROW(bits512_), KERNEL512_ROW(f32_512_), KERNEL512_ROW(bf16_512_),
                                           KERNEL512_ROW(int8_512_), KERNEL512_ROW(depthwise512_),
                                           KERNEL512_ROW(load512_), KERNEL512_ROW(spread512_),
                                           KERNEL512_ROW(bytes512_)};

/* Q of pixels [from, to) in group g. Neighbours whose windows lie side by side in memory share vectors. */
static T512 void window_sums512(const bk_step *s, int g, int from, int to, float *q) {
    const int words = s->pixel_words;
    for (int i = from; words && i < to;) {
        int n = 8 / words < to - i ? 8 / words : to - i;
        while (s->in[i + n - 1] - s->in[i] != (n - 1) * 2 * words) n--;
        const __mmask8 mask = (__mmask8)((1u << (n * words)) - 1);
        const int64_t *x = (const int64_t *)((const int32_t *)s->input + s->in[i]);
        __m512i ones = _mm512_setzero_si512();
        for (int t = 0; t < s->taps; t++)
            ones = _mm512_add_epi64(ones, _mm512_popcnt_epi64(_mm512_maskz_loadu_epi64(mask, x + s->tap[t])));
        if (words > 1) ones = _mm512_add_epi64(ones, _mm512_alignr_epi64(ones, ones, 1));
        if (words > 2) ones = _mm512_add_epi64(ones, _mm512_alignr_epi64(ones, ones, 2));
        if (words > 4) ones = _mm512_add_epi64(ones, _mm512_alignr_epi64(ones, ones, 4));
        int64_t sums[8];
        _mm512_storeu_si512(sums, ones);
        for (int k = 0; k < n; k++, i++)
            q[i - from] = (float)(s->q_base[s->border ? s->border[i] : 0] - 2 * (int32_t)sums[k * words]);
    }
    if (words) return;
    for (int i = from; i < to; i++) {
        const uint32_t *x = (const uint32_t *)s->input + s->in[i] + (int64_t)g * s->group_offset;
        int32_t ones = 0;
        for (int t = 0; t < s->steps; t++) ones += __builtin_popcount(x[s->offset[t]]);
        q[i - from] = (float)(s->q_base[s->border ? s->border[i] : 0] - 2 * ones);
    }
}

static void conv_range512(const bk_step *s, int from, int to) {
    float q[CHUNK];
    const int kind = s->kind == BK_LOAD_U8 ? BYTES : s->kind == BK_DEPTHWISE && s->multiplier > 1 ? SPREAD : s->kind;
    /* Weights are reused over many pixels; without weights to speak of memory is better read in its own order. */
    const int chunk = kind < BK_DEPTHWISE || s->padded <= BK_LANES ? CHUNK : s->steps ? 48 : 6;
    for (int start = from; start < to; start += chunk) {
        const int end = start + chunk < to ? start + chunk : to;
        for (int g = 0; g < s->groups; g++) {
            if (s->gamma) window_sums512(s, g, start, end, q);
            for (int block = 0; block < s->padded; block += BK_LANES) {
                const int left = (s->padded - block) / 16;
                kernels512[kind][left < 4 ? left - 1 : 3](s, g, block, start, end, s->gamma ? q : 0);
            }
        }
    }
}
