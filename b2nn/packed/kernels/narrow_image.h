/* Narrower machines: element-wise steps. Included by narrow.h. */

/* 16 channels of pixels [i, i + valid). */
static TARGET void NAME(load_block)(const bk_step *s, int block, int i, int valid) {
    const int lanes = s->outputs - block < 16 ? s->outputs - block : 16;
    NAME(vf) y[PIXELS * VECTORS];
    for (int p = 0; p < valid; p++) {
        float v[16] = {0};
        if (s->kind == BK_LOAD_U8) {
            const uint8_t *x = (const uint8_t *)s->input + s->in[i + p] + block;
            for (int l = 0; l < lanes; l++) v[l] = x[l];
            memcpy(y + p * VECTORS, v, sizeof v);
        } else if (lanes == 16) {
            EACH y[p * VECTORS + o] = LOAD((const float *)INPUT(s, i + p) + block, o);
        } else {
            memcpy(v, INPUT(s, i + p) + block, lanes * sizeof(float));
            memcpy(y + p * VECTORS, v, sizeof v);
        }
    }
    NAME(finish)(s, 0, block, i, valid, y, 0);
}

static TARGET void NAME(load_range)(const bk_step *s, int from, int to) {
    for (int i = from; i < to; i += PIXELS)
        for (int block = 0; block < s->padded; block += 16)
            NAME(load_block)(s, block, i, to - i < PIXELS ? to - i : PIXELS);
}

/* Images of C channels: n pixels, at most 4, of 4 lanes each, the last of which is 0 where there are 3 channels. */
INLINE void NAME(image_block)(const bk_step *s, const int bytes, const int C, int64_t in, int64_t out, const int n,
                              const NAME(vf) *alpha, const NAME(vf) *beta) {
    float lanes[16] = {0};
    UNROLL for (int k = 0; k < n * C; k++)
        lanes[k / C * 4 + k % C] = bytes ? (float)((const uint8_t *)s->input)[in + k] : ((const float *)s->input)[in + k];
    NAME(vf) y[VECTORS];
    EACH {
        y[o] = LOAD(lanes, o);
        if (s->alpha) y[o] = y[o] * alpha[o];
        if (s->beta) y[o] = y[o] + beta[o];
    }
    if (s->f32) {
        EACH STORE(lanes, o, y[o]);
        for (int p = 0; p < n; p++) memcpy(s->f32 + (out + p) * C, lanes + 4 * p, C * sizeof(float));
    }
    if (s->bf16) {
        uint16_t halves[16];
        EACH *(NAME(halves) *)(halves + WIDTH * o) = NAME(bf16)(y[o]);
        memcpy(s->bf16 + out * 4, halves, n * 4 * sizeof(uint16_t));
    }
    if (s->u8) {
        uint8_t codes[16];
        EACH *(NAME(quarters) *)(codes + WIDTH * o) = __builtin_convertvector(NAME(codes)(s, y[o]), NAME(quarters));
        memcpy(s->u8 + out * 4, codes, n * 4);
    }
}

INLINE void NAME(image)(const bk_step *step, const int bytes, const int C, int from, int to) {
    const bk_step own = *step, *s = &own; /* a copy that no byte written can change: the compiler need not look again */
    NAME(vf) alpha[VECTORS], beta[VECTORS];
    for (int o = 0; o < VECTORS; o++)
        for (int l = 0; l < WIDTH; l++) {
            alpha[o][l] = s->alpha ? s->alpha[l % 4] : 1;
            beta[o][l] = s->beta ? s->beta[l % 4] : 0;
        }
    for (int start = from; start < to;) { /* rows: tables of all pixels are more to read than the image */
        const int left = s->row - start % s->row, n = left < to - start ? left : to - start;
        const int64_t in = s->in[start], out = s->out[start];
        int k = 0;
        for (; k + 4 <= n; k += 4) NAME(image_block)(s, bytes, C, in + k * C, out + k, 4, alpha, beta);
        for (; k < n; k++) NAME(image_block)(s, bytes, C, in + k * C, out + k, 1, alpha, beta);
        start += n;
    }
}

static TARGET void NAME(image_range)(const bk_step *s, int from, int to) {
    const int bytes = s->kind == BK_LOAD_U8;
    if (s->outputs == 3 && bytes) NAME(image)(s, 1, 3, from, to);
    else if (s->outputs == 3) NAME(image)(s, 0, 3, from, to);
    else if (bytes) NAME(image)(s, 1, 4, from, to);
    else NAME(image)(s, 0, 4, from, to);
}
