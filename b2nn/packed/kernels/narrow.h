/* Every step for narrower machines, in C with the compiler's vectors. Included once a level, with

   NAME(x)     the level's names
   TARGET      attribute of its functions
   WIDTH       floats in a vector
   PIXELS      pixels in a block: PIXELS x 16 outputs are summed at a time
   FMA(a,b,c)  a * b + c on vectors of floats
   SIGNS(y,t)  bit l is 1 where NOT y[l] >= t[l]
   ONES(v)     for every byte of a vector the number of its ones, or undefined where the level has a kernel of its own

The weights' blocks of 64 lanes are those of avx512.h. */

#define VECTORS (16 / WIDTH)
typedef float NAME(vf) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int32_t NAME(vi) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint32_t NAME(vu) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint8_t NAME(vb) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

#define LOAD(from, o) (*(const NAME(vf) *)((from) + WIDTH * (o)))
#define UNROLL _Pragma("GCC unroll 12")
#define EACH for (int o = 0; o < VECTORS; o++)
#define PICK(mask, a, b) ((NAME(vf))(((NAME(vi))(a) & (mask)) | ((NAME(vi))(b) & ~(mask))))
#define AT_LEAST(v, low) PICK((v) < (low), (NAME(vf)){0} + (low), v) /* a NaN stays */
#define AT_MOST(v, high) PICK((v) > (high), (NAME(vf)){0} + (high), v)

/* act(y) of 16 outputs. */
static inline __attribute__((always_inline)) TARGET void NAME(activate)(const bk_step *s, int parameter,
                                                                        NAME(vf) y[VECTORS]) {
    switch (s->act) {
    case BK_RELU:
        EACH y[o] = AT_LEAST(y[o], 0.0f);
        break;
    case BK_RELU6:
        EACH y[o] = AT_MOST(AT_LEAST(y[o], 0.0f), 6.0f);
        break;
    case BK_BINRELU:
        EACH y[o] = AT_LEAST(y[o], -1.0f);
        break;
    case BK_PRELU:
        EACH y[o] = PICK(y[o] > 0.0f, y[o], y[o] * LOAD(s->act_a + parameter, o));
        break;
    case BK_RPRELU:
        EACH {
            const NAME(vf) d = y[o] - LOAD(s->act_a + parameter, o);
            y[o] = PICK(d > 0.0f, d, d * LOAD(s->act_b + parameter, o)) + LOAD(s->act_c + parameter, o);
        }
        break;
    case BK_HARDSWISH:
        EACH {
            const NAME(vf) gate = y[o] + 3.0f;
            y[o] = y[o] * AT_MOST(AT_LEAST(gate, 0.0f), 6.0f) / 6.0f;
        }
        break;
    case BK_SIGMOID:
        EACH for (int l = 0; l < WIDTH; l++) y[o][l] = sigmoid(y[o][l]);
        break;
    }
}

/* Sums v[p * pitch + lane] of 16 outputs from `block` on, of pixels [i, i + valid), to y and into the output map. */
static TARGET void NAME(finish)(const bk_step *s, int g, int block, int i, int valid, const float *v, int pitch,
                                const int32_t *q) {
    const int parameter = g * s->padded + block, channel = g * s->outputs + block;
    const int lanes = s->outputs - block < 16 ? s->outputs - block : 16;
    if (lanes <= 0) return;
    for (int p = 0; p < valid; p++) {
        NAME(vf) y[VECTORS];
        float few[16] = {0};
        EACH y[o] = LOAD(v + p * pitch, o);
        if (s->alpha) EACH y[o] = y[o] * LOAD(s->alpha + parameter, o);
        if (q) EACH y[o] = y[o] + LOAD(s->gamma + parameter, o) * (float)q[p];
        if (s->beta) {
            const float *beta = s->beta + parameter;
            if (s->beta_pitch) beta += (int64_t)s->border[i + p] * s->beta_pitch;
            EACH y[o] = y[o] + LOAD(beta, o);
        }
        if (s->shortcut) {
            const float *from = s->shortcut + (int64_t)s->shortcut_pixel[i + p] * s->shortcut_pitch + channel;
            if (lanes < 16) from = memcpy(few, from, lanes * sizeof(float));
            EACH y[o] = y[o] + LOAD(from, o);
        }
        NAME(activate)(s, parameter, y);
        const int64_t out = s->out[i + p];
        if (s->f32) {
            float *to = s->f32 + out * s->f32_pitch + channel;
            if (lanes == 16) EACH *(NAME(vf) *)(to + WIDTH * o) = y[o];
            else memcpy(to, y, lanes * sizeof(float));
        }
        for (int plane = 0; plane < s->bit_planes; plane++) {
            const bk_bits *bits = &s->bits[plane];
            uint32_t word = 0;
            EACH word |= (uint32_t)SIGNS(y[o], LOAD(bits->threshold + parameter, o)) << (WIDTH * o);
            word &= (1u << lanes) - 1;
            uint8_t *to = bits->data + out * bits->pitch + (channel >> 3);
            to[0] = (uint8_t)word;
            to[1] = (uint8_t)(word >> 8);
        }
        if (s->bf16) {
            memcpy(few, y, sizeof few);
            for (int l = 0; l < lanes; l++) s->bf16[out * s->bf16_pitch + channel + l] = bf16_bits(few[l]);
        }
        if (s->u8) {
            const float low = (float)-s->u8_zero, high = (float)(255 - s->u8_zero);
            int32_t codes[16];
            EACH {
                NAME(vf) code = y[o] * s->u8_inverse;
                code = AT_MOST(PICK(code > low, code, (NAME(vf)){0} + low), high);
                code = (code + 12582912.0f) - 12582912.0f; /* to the nearest integer, ties to even */
                *(NAME(vi) *)(codes + WIDTH * o) = __builtin_convertvector(code, NAME(vi)) + s->u8_zero;
            }
            uint8_t *to = s->u8 + out * s->u8_pitch + channel;
            for (int l = 0; l < lanes; l++) to[l] = (uint8_t)codes[l];
        }
    }
}

static inline __attribute__((always_inline)) TARGET void NAME(block)(const bk_step *s, const int kind, int g, int block,
                                                                     int i, int valid, const int32_t *q) {
    NAME(vf) sum[PIXELS][VECTORS];
    const int32_t *x[PIXELS];
    float v[PIXELS][16];
    const int whole = block & -BK_LANES, left = s->padded - whole, row = left < BK_LANES ? left : BK_LANES;
    const int32_t *w = (const int32_t *)s->weight + g * s->group_weight + (int64_t)whole * s->steps + (block - whole);
    for (int p = 0; p < PIXELS; p++)
        x[p] = (const int32_t *)s->input + s->in[i + (p < valid ? p : 0)] + (int64_t)g * s->group_offset;
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL EACH sum[p][o] = (NAME(vf)){0};
#ifdef ONES
    if (kind == BK_BITS) {
        for (int start = 0; start < s->steps; start += 31) { /* a byte holds 31 steps of at most 8 */
            const int end = start + 31 < s->steps ? start + 31 : s->steps;
            NAME(vb) bytes[PIXELS][VECTORS];
            UNROLL for (int p = 0; p < PIXELS; p++) UNROLL EACH bytes[p][o] = (NAME(vb)){0};
            for (int t = start; t < end; t++) {
                const int32_t *step = w + (int64_t)t * row;
                const long k = s->offset[t];
                UNROLL for (int p = 0; p < PIXELS; p++) {
                    const NAME(vi) X = (NAME(vi)){0} + x[p][k];
                    UNROLL EACH {
                        const NAME(vi) different = X ^ *(const NAME(vi) *)(step + WIDTH * o);
                        bytes[p][o] += ONES((NAME(vb))different);
                    }
                }
            }
            UNROLL for (int p = 0; p < PIXELS; p++)
                UNROLL EACH {
                    const NAME(vu) b = (NAME(vu))bytes[p][o];
                    const NAME(vu) pairs = (b & 0x00ff00ffu) + ((b >> 8) & 0x00ff00ffu);
                    sum[p][o] = (NAME(vf))((NAME(vu))sum[p][o] + (pairs & 0xffff) + (pairs >> 16));
                }
        }
    }
#endif
    if (kind == BK_F32 || kind == BK_BF16 || kind == BK_INT8)
        for (int t = 0; t < s->steps; t++, w += row) {
            const long k = s->offset[t];
            UNROLL for (int p = 0; p < PIXELS; p++) {
                const int32_t lane = x[p][k];
                UNROLL EACH {
                    const NAME(vi) W = *(const NAME(vi) *)(w + WIDTH * o), X = (NAME(vi)){0} + lane;
                    if (kind == BK_F32) sum[p][o] = FMA((NAME(vf))X, (NAME(vf))W, sum[p][o]);
                    if (kind == BK_BF16) {
                        sum[p][o] = FMA((NAME(vf))((NAME(vu))X << 16), (NAME(vf))((NAME(vu))W << 16), sum[p][o]);
                        sum[p][o] = FMA((NAME(vf))(X & -65536), (NAME(vf))(W & -65536), sum[p][o]);
                    }
                    if (kind == BK_INT8) {
                        NAME(vi) a = (NAME(vi))sum[p][o];
                        for (int b = 0; b < 4; b++)
                            a += ((X >> (8 * b)) & 255) * ((NAME(vi))((NAME(vu))W << (24 - 8 * b)) >> 24);
                        sum[p][o] = (NAME(vf))a;
                    }
                    IN_REGISTER(sum[p][o]);
                }
            }
        }
    UNROLL for (int p = 0; p < PIXELS; p++) UNROLL EACH *(NAME(vf) *)(v[p] + WIDTH * o) = sum[p][o];
    if (kind == BK_BITS || kind == BK_INT8)
        for (int p = 0; p < valid; p++) {
            const int32_t *base = s->base + g * s->padded + block;
            if (s->base_pitch) base += (int64_t)s->border[i + p] * s->base_pitch;
            for (int l = 0; l < 16; l++) {
                int32_t a;
                memcpy(&a, &v[p][l], 4);
                v[p][l] = (float)(kind == BK_BITS ? base[l] - 2 * a : base[l] + a);
            }
        }
    NAME(finish)(s, g, block, i, valid, v[0], 16, q);
}

/* The window of one pixel times the weights of one output of a `few` step. */
static TARGET float NAME(window_product)(const bk_step *s, const float *x, const float *w) {
    NAME(vf) sum[VECTORS] = {{0}};
    float rest = 0;
    for (int t = 0; t < s->steps; t++, w += s->weight_pitch) {
        const float *at = x + s->offset[t];
        int c = 0;
        for (; c + 16 <= s->inputs; c += 16) EACH sum[o] = FMA(LOAD(at + c, o), LOAD(w + c, o), sum[o]);
        for (; c < s->inputs; c++) rest += at[c] * w[c];
    }
    EACH for (int l = 0; l < WIDTH; l++) rest += sum[o][l];
    return rest;
}

/* Depthwise, element-wise and pooling steps: 16 channels of one pixel; and the outputs of `few`. */
static TARGET void NAME(channels)(const bk_step *s, int block, int i) {
    const float *x = (const float *)s->input + s->in[i];
    const int lanes = s->outputs - block < 16 ? s->outputs - block : 16;
    float v[16] = {0};
    if (s->kind == BK_LOAD) {
        if (lanes == 16) {
            NAME(finish)(s, 0, block, i, 1, x + block, 16, 0);
            return;
        }
        memcpy(v, x + block, lanes * sizeof(float));
    } else if (s->kind == BK_LOAD_U8) {
        for (int l = 0; l < lanes; l++) v[l] = ((const uint8_t *)s->input)[s->in[i] + block + l];
    } else if (s->kind == BK_FEW) {
        for (int o = 0; o < s->outputs; o++)
            v[o] = NAME(window_product)(s, x, (const float *)s->weight + o * s->group_weight);
    } else if (s->kind == BK_DEPTHWISE) {
        const float *w = (const float *)s->weight + block;
        if (s->image_pixels) w += (int64_t)(i / s->image_pixels) * s->image_weight;
        if (s->multiplier == 1)
            for (int t = 0; t < s->steps; t++)
                for (int l = 0; l < lanes; l++) v[l] += x[s->offset[t] + block + l] * w[t * s->weight_pitch + l];
        else
            for (int t = 0; t < s->steps; t++)
                for (int l = 0; l < lanes; l++)
                    v[l] += x[s->offset[t] + s->spread[block + l]] * w[t * s->weight_pitch + l];
    } else {
        const int rows = s->window[2 * i], columns = s->window[2 * i + 1], average = s->kind == BK_AVGPOOL;
        for (int l = 0; l < 16; l++) v[l] = average ? 0.0f : -__builtin_inff();
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) {
                const float *at = x + (int64_t)r * s->row_pitch + (int64_t)c * s->column_pitch + block;
                if (average)
                    for (int l = 0; l < lanes; l++) v[l] += at[l];
                else
                    for (int l = 0; l < lanes; l++) v[l] = at[l] > v[l] || at[l] != at[l] ? at[l] : v[l];
            }
        if (average)
            for (int l = 0; l < 16; l++) v[l] = v[l] / s->divisor[i];
    }
    NAME(finish)(s, 0, block, i, 1, v, 16, 0);
}

#define KERNEL(kind)                                                                                                   \
    static TARGET void NAME(conv_##kind)(const bk_step *s, int g, int block, int from, int to, const int32_t *q) {    \
        for (int i = from; i < to; i += PIXELS)                                                                        \
            NAME(block)(s, kind, g, block, i, to - i < PIXELS ? to - i : PIXELS, q ? q + (i - from) : 0);              \
    }
#ifdef ONES
KERNEL(BK_BITS)
#endif
KERNEL(BK_F32)
KERNEL(BK_BF16)
KERNEL(BK_INT8)
#undef KERNEL

static TARGET void NAME(range)(const bk_step *s, int from, int to) {
    int32_t q[NARROW_CHUNK];
    if (s->kind >= BK_DEPTHWISE) {
        for (int i = from; i < to; i++)
            for (int block = 0; block < s->padded; block += 16) NAME(channels)(s, block, i);
        return;
    }
    for (int start = from; start < to; start += NARROW_CHUNK) {
        const int end = start + NARROW_CHUNK < to ? start + NARROW_CHUNK : to;
        for (int g = 0; g < s->groups; g++) {
            if (s->gamma) window_sums(s, g, start, end, q);
            const int32_t *sums = s->gamma ? q : 0;
            for (int block = 0; block < s->padded; block += 16) {
                if (s->kind == BK_BITS) NAME(conv_BK_BITS)(s, g, block, start, end, sums);
                if (s->kind == BK_F32) NAME(conv_BK_F32)(s, g, block, start, end, sums);
                if (s->kind == BK_BF16) NAME(conv_BK_BF16)(s, g, block, start, end, sums);
                if (s->kind == BK_INT8) NAME(conv_BK_INT8)(s, g, block, start, end, sums);
            }
        }
    }
}

#undef VECTORS
#undef LOAD
#undef EACH
#undef UNROLL
#undef PICK
#undef AT_LEAST
#undef AT_MOST
