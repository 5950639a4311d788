/* Narrower machines: what becomes of sums. Included by narrow.h. */

#define NEAREST 12582912.0f /* 1.5 * 2^23: what is added to it is rounded to an integer, ties to even */

/* Codes of 8 bits, in lanes. NaN is the least. */
INLINE NAME(vi) NAME(codes)(const bk_step *s, NAME(vf) y) {
    const float low = (float)-s->u8_zero, high = (float)(255 - s->u8_zero);
    const NAME(vf) scaled = y * s->u8_inverse;
    const NAME(vf) code = AT_MOST(SELECT(scaled > low, scaled, ALL_OF(low)), high) + NEAREST;
    return (NAME(vi))code - (0x4b400000 - s->u8_zero); /* the bits of NEAREST + n are those of NEAREST, plus n */
}

INLINE NAME(halves) NAME(bf16)(NAME(vf) y) {
    const NAME(vu) u = (NAME(vu))y, rounded = u + 0x7fff + ((u >> 16) & 1);
    const NAME(vu) bits = (NAME(vu))SELECT(y == y, (NAME(vf))rounded, (NAME(vf))(u | 0x400000));
    return HALVES_OF(bits >> 16);
}

/* Pixels are finished in pairs: each question is asked once for 2 x 16 sums, which stay in registers. */
#define PAIR 2
#define EACH_SUM EACH EACH_PIXEL(PAIR)
#define Y y[p * VECTORS + o]

INLINE void NAME(activate)(const bk_step *s, int parameter, NAME(vf) *y) {
    switch (s->act) {
    case BK_RELU:
        EACH_SUM Y = AT_LEAST(Y, 0.0f);
        break;
    case BK_RELU6:
        EACH_SUM Y = AT_MOST(AT_LEAST(Y, 0.0f), 6.0f);
        break;
    case BK_BINRELU:
        EACH_SUM Y = AT_LEAST(Y, -1.0f);
        break;
    case BK_PRELU:
        EACH_SUM Y = SELECT(Y > 0.0f, Y, Y * LOAD(s->act_a + parameter, o));
        break;
    case BK_RPRELU:
        EACH_SUM {
            const NAME(vf) d = Y - LOAD(s->act_a + parameter, o);
            Y = SELECT(d > 0.0f, d, d * LOAD(s->act_b + parameter, o)) + LOAD(s->act_c + parameter, o);
        }
        break;
    case BK_HARDSWISH:
        EACH_SUM Y = Y * AT_MOST(AT_LEAST(Y + 3.0f, 0.0f), 6.0f) / 6.0f;
        break;
    case BK_SIGMOID:
        EACH_SUM {
            float own[WIDTH];
            STORE(own, 0, Y);
            for (int l = 0; l < WIDTH; l++) own[l] = sigmoid(own[l]);
            Y = LOAD(own, 0);
        }
        break;
    }
}

/* A pixel's first `lanes` of 16 outputs, into the output map. */
INLINE void NAME(write)(const bk_step *s, int parameter, int channel, int lanes, int64_t out, const NAME(vf) *y) {
    if (s->f32) {
        float *to = s->f32 + out * s->f32_pitch + channel;
        float own[16], *at = lanes == 16 ? to : own;
        EACH STORE(at, o, y[o]);
        if (lanes < 16) memcpy(to, own, lanes * sizeof(float));
    }
    for (int plane = 0; plane < s->bit_planes; plane++) {
        const bk_bits *bits = &s->bits[plane];
        uint32_t word = 0;
        EACH word |= (uint32_t)SIGNS(y[o], LOAD(bits->threshold + parameter, o)) << (WIDTH * o);
        const uint16_t kept = (uint16_t)(word & ((1u << lanes) - 1));
        memcpy(bits->data + out * bits->pitch + (channel >> 3), &kept, 2);
    }
    if (s->bf16) {
        uint16_t own[16], *to = s->bf16 + out * s->bf16_pitch + channel, *at = lanes == 16 ? to : own;
        EACH *(NAME(halves) *)(at + WIDTH * o) = NAME(bf16)(y[o]);
        if (lanes < 16) memcpy(to, own, lanes * sizeof(uint16_t));
    }
    if (s->u8) {
        uint8_t own[16], *to = s->u8 + out * s->u8_pitch + channel, *at = lanes == 16 ? to : own;
        EACH *(NAME(quarters) *)(at + WIDTH * o) = BYTES_OF(NAME(codes)(s, y[o]));
        if (lanes < 16) memcpy(to, own, lanes);
    }
}

/* Sums v[p * VECTORS + o] of 16 outputs from `block` on, of pixels [i, i + valid), to y and into the output map. */
static TARGET void NAME(finish)(const bk_step *s, int g, int block, int i, int valid, const NAME(vf) *v,
                                const int32_t *q) {
    const int parameter = g * s->padded + block, channel = g * s->outputs + block;
    const int lanes = s->outputs - block < 16 ? s->outputs - block : 16;
    for (int first = 0; first < valid; first += PAIR, v += PAIR * VECTORS) {
        NAME(vf) y[PAIR * VECTORS];
        int at[PAIR]; /* a second pixel that does not exist is the first again, and not written */
        EACH_PIXEL(PAIR) at[p] = first + p < valid ? p : 0;
        EACH_SUM Y = v[at[p] * VECTORS + o];
        if (s->alpha) EACH_SUM Y = Y * LOAD(s->alpha + parameter, o);
        if (q) EACH_SUM Y = Y + LOAD(s->gamma + parameter, o) * (float)q[first + at[p]];
        if (s->beta_pitch) {
            EACH_SUM Y = Y + LOAD(s->beta + parameter + (int64_t)s->border[i + first + at[p]] * s->beta_pitch, o);
        } else if (s->beta) {
            EACH_SUM Y = Y + LOAD(s->beta + parameter, o);
        }
        if (s->shortcut) {
            EACH_PIXEL(PAIR) {
                const int64_t pixel = s->shortcut_pixel[i + first + at[p]];
                const float *from = s->shortcut + pixel * s->shortcut_pitch + channel;
                float few[16] = {0};
                if (lanes < 16) from = memcpy(few, from, lanes * sizeof(float));
                EACH Y = Y + LOAD(from, o);
            }
        }
        NAME(activate)(s, parameter, y);
        EACH_PIXEL(PAIR) if (first + p < valid)
            NAME(write)(s, parameter, channel, lanes, s->out[i + first + p], y + p * VECTORS);
    }
}

#undef NEAREST
#undef PAIR
#undef EACH_SUM
#undef Y
