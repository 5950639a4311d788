/* AVX-512: one loop for all kinds. A weight step is 16 outputs x one 32-bit lane a vector, an activation step one lane
broadcast (or, for depthwise and element-wise steps, 16 channels). A block is NP pixels x NO vectors of sums, which stay
in registers to the end: NP * NO + NO + 2 <= 32. */
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
#define SPREAD (BK_LOAD + 1)   /* depthwise with several outputs of an input channel */
#define BYTES (BK_LOAD + 2)    /* `load_u8` */

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

/* Element-wise steps of 3 or 4 channels, as images have: a vector is 4 pixels of 4 lanes, the last of which is 0 where
there are 3. */
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

static int is_image(const bk_step *s) {
    const int pitches = (!s->f32 || s->f32_pitch == s->outputs) && (!s->bf16 || s->bf16_pitch == 4) &&
                        (!s->u8 || s->u8_pitch == 4);
    const int dense = s->row == 1 || s->in[1] - s->in[0] == s->outputs;
    return (s->outputs == 3 || s->outputs == 4) && pitches && dense && s->act == BK_NONE && !s->shortcut && !s->bit_planes;
}

#include "few512.h"
#include "slide512.h"

static void window_range512(const bk_step *s, int from, int to) {
    (slides512(s) ? slide_range512 : conv_range512)(s, from, to);
}

static void range512(const bk_step *s, int from, int to) {
    if ((s->kind == BK_LOAD || s->kind == BK_LOAD_U8) && is_image(s)) {
        (s->kind == BK_LOAD ? image_f512 : image_b512)(s, from, to);
    } else if (s->kind == BK_MAXPOOL || s->kind == BK_AVGPOOL) {
        pool_range512(s, from, to);
    } else if (s->kind == BK_FEW) {
        few_range512(s, from, to);
    } else if (s->image_pixels) { /* a block of pixels must not cross images: each has weights of its own */
        for (int start = from; start < to;) {
            int end = (start / s->image_pixels + 1) * s->image_pixels;
            if (end > to) end = to;
            window_range512(s, start, end);
            start = end;
        }
    } else {
        window_range512(s, from, to);
    }
}
