/* AVX-512: what all loops share, above all what becomes of their sums. */
#pragma once
#include <immintrin.h>

#define T512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vpopcntdq,popcnt,fma")))
/* Of VNNI and BF16, which not every such CPU has, instructions are written out: as targets they would let the compiler
use them anywhere. */
#define DOT_BYTES(sum, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#define DOT_BF16(sum, x, w) __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w))
#define TO_BF16(to, from) __asm__("vcvtneps2bf16 %1, %0" : "=v"(to) : "v"(from))
/* Keeps gcc from moving the loop's instructions about until it runs out of registers. */
#define BARRIER(v) __asm__("" : "+v"(v))
#define UNROLLED _Pragma("GCC unroll 24")
#define MAX_SUMS 24
#define MAX_PIXELS 14

static inline __attribute__((always_inline)) T512 __mmask16 lanes_left(int count) {
    return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1);
}

static inline __attribute__((always_inline)) T512 __m512 any512(const float *p, __mmask16 m) {
    return _mm512_maskz_loadu_ps(m, p);
}

static inline __attribute__((always_inline)) T512 __m256i bf16_of(__m512 v) {
    if (features & BK_HAS_BF16) {
        __m256i halves;
        TO_BF16(halves, v);
        return halves;
    }
    __m512i u = (__m512i)v, odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i rounded = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    rounded = _mm512_mask_or_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

/* Sums v[p * NO + o] to y and into the output map; `block` is the first output of the block in group `g`. */
static inline __attribute__((always_inline)) T512 void finish512(const bk_step *s, int g, int block, const int NP,
                                                                 const int NO, int i, int valid, __m512 *v) {
    const int parameter = g * s->padded + block, channel = g * s->outputs + block;
    __mmask16 mask[4];
    UNROLLED for (int o = 0; o < NO; o++) mask[o] = lanes_left(s->outputs - block - 16 * o);
#define EACH UNROLLED for (int o = 0; o < NO; o++) UNROLLED for (int p = 0; p < NP; p++)
#define V v[p * NO + o]
    if (s->beta) {
        if (s->beta_pitch) {
            EACH {
                const float *beta = s->beta + (int64_t)s->border[i + (p < valid ? p : 0)] * s->beta_pitch + parameter;
                V = _mm512_add_ps(V, _mm512_loadu_ps(beta + 16 * o));
            }
        } else {
            UNROLLED for (int o = 0; o < NO; o++) {
                __m512 beta = _mm512_loadu_ps(s->beta + parameter + 16 * o);
                UNROLLED for (int p = 0; p < NP; p++) V = _mm512_add_ps(V, beta);
            }
        }
    }
    if (s->shortcut) {
        UNROLLED for (int p = 0; p < NP; p++) if (p < valid) {
            const float *from = s->shortcut + (int64_t)s->shortcut_pixel[i + p] * s->shortcut_pitch + channel;
            UNROLLED for (int o = 0; o < NO; o++) V = _mm512_add_ps(V, any512(from + 16 * o, mask[o]));
        }
    }
    const __m512 zero = _mm512_setzero_ps(), six = _mm512_set1_ps(6);
    switch (s->act) {
    case BK_RELU: /* the second operand is what a NaN gives */
        EACH V = _mm512_max_ps(zero, V);
        break;
    case BK_RELU6:
        EACH V = _mm512_min_ps(six, _mm512_max_ps(zero, V));
        break;
    case BK_BINRELU: {
        const __m512 floor = _mm512_set1_ps(-1);
        EACH V = _mm512_max_ps(floor, V);
        break;
    }
    case BK_PRELU:
        UNROLLED for (int o = 0; o < NO; o++) {
            __m512 slope = _mm512_loadu_ps(s->act_a + parameter + 16 * o);
            UNROLLED for (int p = 0; p < NP; p++)
                V = _mm512_mask_mul_ps(V, _mm512_cmp_ps_mask(V, zero, _CMP_NGT_UQ), V, slope);
        }
        break;
    case BK_RPRELU:
        UNROLLED for (int o = 0; o < NO; o++) {
            __m512 in = _mm512_loadu_ps(s->act_a + parameter + 16 * o);
            __m512 slope = _mm512_loadu_ps(s->act_b + parameter + 16 * o);
            __m512 out = _mm512_loadu_ps(s->act_c + parameter + 16 * o);
            UNROLLED for (int p = 0; p < NP; p++) {
                __m512 d = _mm512_sub_ps(V, in);
                d = _mm512_mask_mul_ps(d, _mm512_cmp_ps_mask(d, zero, _CMP_NGT_UQ), d, slope);
                V = _mm512_add_ps(d, out);
            }
        }
        break;
    case BK_HARDSWISH: {
        const __m512 three = _mm512_set1_ps(3);
        EACH {
            __m512 gate = _mm512_min_ps(six, _mm512_max_ps(zero, _mm512_add_ps(V, three)));
            V = _mm512_div_ps(_mm512_mul_ps(V, gate), six);
        }
        break;
    }
    case BK_SIGMOID: {
        float y[16];
        EACH {
            _mm512_storeu_ps(y, V);
            for (int l = 0; l < 16; l++) y[l] = sigmoid(y[l]);
            V = _mm512_loadu_ps(y);
        }
        break;
    }
    }
    const int32_t *out = s->out + i;
    if (s->f32) {
        UNROLLED for (int p = 0; p < NP; p++) if (p < valid) {
            float *to = s->f32 + out[p] * s->f32_pitch + channel;
            UNROLLED for (int o = 0; o < NO; o++) {
                if (mask[o] == 0xffff) _mm512_storeu_ps(to + 16 * o, V);
                else _mm512_mask_storeu_ps(to + 16 * o, mask[o], V);
            }
        }
    }
    for (int plane = 0; plane < s->bit_planes; plane++) {
        const bk_bits *bits = &s->bits[plane];
        __m512 threshold[4];
        UNROLLED for (int o = 0; o < NO; o++) threshold[o] = _mm512_loadu_ps(bits->threshold + parameter + 16 * o);
        UNROLLED for (int p = 0; p < NP; p++) if (p < valid) {
            uint8_t *to = bits->data + out[p] * bits->pitch + (channel >> 3);
            UNROLLED for (int o = 0; o < NO; o++) {
                uint16_t word = (uint16_t)(_mm512_cmp_ps_mask(V, threshold[o], _CMP_NGE_UQ) & mask[o]);
                __builtin_memcpy(to + 2 * o, &word, 2);
            }
        }
    }
    if (s->bf16) {
        UNROLLED for (int p = 0; p < NP; p++) if (p < valid) {
            uint16_t *to = s->bf16 + out[p] * s->bf16_pitch + channel;
            UNROLLED for (int o = 0; o < NO; o++) _mm256_mask_storeu_epi16(to + 16 * o, mask[o], bf16_of(V));
        }
    }
    if (s->u8) {
        const __m512 inverse = _mm512_set1_ps(s->u8_inverse), low = _mm512_set1_ps((float)-s->u8_zero);
        const __m512 high = _mm512_set1_ps((float)(255 - s->u8_zero));
        const __m512i shift = _mm512_set1_epi32(s->u8_zero);
        UNROLLED for (int p = 0; p < NP; p++) if (p < valid) {
            uint8_t *to = s->u8 + out[p] * s->u8_pitch + channel;
            UNROLLED for (int o = 0; o < NO; o++) {
                __m512 q = _mm512_min_ps(high, _mm512_max_ps(_mm512_mul_ps(V, inverse), low));
                __m512i code = _mm512_add_epi32(_mm512_cvtps_epi32(q), shift);
                _mm512_mask_cvtepi32_storeu_epi8(to + 16 * o, mask[o], code);
            }
        }
    }
}
