/* Every step for narrower machines, in C with the compiler's vectors. Included once a level, with

   NAME(x)     the level's names
   TARGET      attribute of its functions
   WIDTH       floats in a vector
   PIXELS      pixels in a block: PIXELS x 16 outputs are summed at a time
   FMA(a,b,c)  a * b + c on vectors of floats
   ONES(v)     for every byte of a vector the number of its ones, or undefined where the level has a kernel of its own

The weights' blocks of 64 lanes are those of avx512.h. */

#define VECTORS (16 / WIDTH)
typedef float NAME(vf) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int32_t NAME(vi) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint32_t NAME(vu) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint8_t NAME(vb) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

/* Sums v[p * pitch + lane] of 16 outputs from `block` on, of pixels [i, i + valid), to y and into the output map. */
static TARGET void NAME(finish)(const bk_step *s, int g, int block, int i, int valid, float *v, int pitch,
                                const int32_t *q) {
    const int parameter = g * s->padded + block, channel = g * s->outputs + block;
    const int lanes = s->outputs - block < 16 ? s->outputs - block : 16;
    if (lanes <= 0) return;
    for (int p = 0; p < valid; p++) {
        float *y = v + p * pitch;
        if (s->alpha)
            for (int l = 0; l < 16; l++) y[l] = y[l] * s->alpha[parameter + l];
        if (q)
            for (int l = 0; l < 16; l++) y[l] = y[l] + s->gamma[parameter + l] * (float)q[p];
        if (s->beta) {
            const float *beta = s->beta + parameter;
            if (s->beta_pitch) beta += (int64_t)s->border[i + p] * s->beta_pitch;
            for (int l = 0; l < 16; l++) y[l] = y[l] + beta[l];
        }
        if (s->shortcut) {
            const float *from = s->shortcut + (int64_t)s->shortcut_pixel[i + p] * s->shortcut_pitch + channel;
            for (int l = 0; l < lanes; l++) y[l] = y[l] + from[l];
        }
        switch (s->act) { /* comparisons so that a NaN stays */
        case BK_RELU:
            for (int l = 0; l < 16; l++) y[l] = y[l] < 0 ? 0 : y[l];
            break;
        case BK_RELU6:
            for (int l = 0; l < 16; l++) y[l] = y[l] < 0 ? 0 : y[l] > 6 ? 6 : y[l];
            break;
        case BK_BINRELU:
            for (int l = 0; l < 16; l++) y[l] = y[l] < -1 ? -1 : y[l];
            break;
        case BK_PRELU:
            for (int l = 0; l < 16; l++) y[l] = y[l] > 0 ? y[l] : y[l] * s->act_a[parameter + l];
            break;
        case BK_RPRELU:
            for (int l = 0; l < 16; l++) {
                const float d = y[l] - s->act_a[parameter + l];
                y[l] = (d > 0 ? d : d * s->act_b[parameter + l]) + s->act_c[parameter + l];
            }
            break;
        case BK_HARDSWISH:
            for (int l = 0; l < 16; l++) {
                const float gate = y[l] + 3;
                y[l] = y[l] * (gate < 0 ? 0 : gate > 6 ? 6 : gate) / 6;
            }
            break;
        }
        const int64_t out = s->out[i + p];
        if (s->f32) memcpy(s->f32 + out * s->f32_pitch + channel, y, lanes * sizeof(float));
        for (int plane = 0; plane < s->bit_planes; plane++) {
            const bk_bits *bits = &s->bits[plane];
            uint32_t word = 0;
            for (int l = 0; l < lanes; l++) word |= (uint32_t)!(y[l] >= bits->threshold[parameter + l]) << l;
            uint8_t *to = bits->data + out * bits->pitch + (channel >> 3);
            to[0] = (uint8_t)word;
            to[1] = (uint8_t)(word >> 8);
        }
        if (s->bf16)
            for (int l = 0; l < lanes; l++) s->bf16[out * s->bf16_pitch + channel + l] = bf16_bits(y[l]);
        if (s->u8)
            for (int l = 0; l < lanes; l++) {
                const float low = (float)-s->u8_zero, high = (float)(255 - s->u8_zero);
                float code = y[l] * s->u8_inverse;
                code = !(code > low) ? low : code > high ? high : code;
                code = (code + 12582912.0f) - 12582912.0f; /* to the nearest integer, ties to even */
                s->u8[out * s->u8_pitch + channel + l] = (uint8_t)((int)code + s->u8_zero);
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
    memset(sum, 0, sizeof sum);
#ifdef ONES
    if (kind == BK_BITS) {
        for (int start = 0; start < s->steps; start += 31) { /* a byte holds 31 steps of at most 8 */
            const int end = start + 31 < s->steps ? start + 31 : s->steps;
            NAME(vb) bytes[PIXELS][VECTORS];
            memset(bytes, 0, sizeof bytes);
            for (int t = start; t < end; t++) {
                const int32_t *step = w + (int64_t)t * row;
                const long k = s->offset[t];
                for (int p = 0; p < PIXELS; p++) {
                    const NAME(vi) X = (NAME(vi)){0} + x[p][k];
                    for (int o = 0; o < VECTORS; o++) {
                        const NAME(vi) different = X ^ *(const NAME(vi) *)(step + WIDTH * o);
                        bytes[p][o] += ONES((NAME(vb))different);
                    }
                }
            }
            for (int p = 0; p < PIXELS; p++)
                for (int o = 0; o < VECTORS; o++) {
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
            for (int p = 0; p < PIXELS; p++) {
                const int32_t lane = x[p][k];
                for (int o = 0; o < VECTORS; o++) {
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
                }
            }
        }
    memcpy(v, sum, sizeof v);
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

/* Depthwise, element-wise and pooling steps: 16 channels of one pixel. */
static TARGET void NAME(channels)(const bk_step *s, int block, int i) {
    const float *x = (const float *)s->input + s->in[i];
    const int lanes = s->outputs - block < 16 ? s->outputs - block : 16;
    float v[16] = {0};
    if (s->kind == BK_LOAD) {
        memcpy(v, x + block, lanes * sizeof(float));
    } else if (s->kind == BK_DEPTHWISE) {
        const float *w = (const float *)s->weight + block;
        if (s->image_pixels) w += (int64_t)(i / s->image_pixels) * s->image_weight;
        if (s->multiplier == 1)
            for (int t = 0; t < s->steps; t++)
                for (int l = 0; l < lanes; l++) v[l] += x[s->offset[t] + block + l] * w[t * s->weight_pitch + l];
        else
            for (int t = 0; t < s->steps; t++)
                for (int l = 0; l < lanes; l++)
                    v[l] += x[s->offset[t] + (block + l) / s->multiplier] * w[t * s->weight_pitch + l];
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
