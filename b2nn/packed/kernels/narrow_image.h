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

/* Pixels of an image from item `in` on in a vector, each in 4 lanes. The last lane is 0 where there are 3 channels. */
INLINE NAME(vf) NAME(image_bytes)(const bk_step *s, const int C, int64_t in, const int pixels, const int ahead) {
    const uint8_t *x = (const uint8_t *)s->input + in;
    uint64_t codes = 0;
    NAME(quarters) bytes;
    UNROLL for (int p = 0; p < pixels; p++) {
        uint32_t u = 0;
        if (ahead) memcpy(&u, x + p * C, 4); /* at once, where the byte behind the pixel may be read */
        else memcpy(&u, x + p * C, C);
        codes |= (uint64_t)(C == 3 ? u & 0xffffff : u) << (32 * p);
    }
    memcpy(&bytes, &codes, WIDTH);
    return __builtin_convertvector(LANES_OF(bytes), NAME(vf));
}

INLINE NAME(vf) NAME(image_floats)(const bk_step *s, const int C, int64_t in, const int pixels) {
    const float *x = (const float *)s->input + in;
    NAME(vf) v = {0};
    UNROLL for (int k = 0; k < pixels * C; k++) v[k / C * 4 + k % C] = x[k];
    return v;
}

/* n pixels, 4 or 1, of C channels. */
INLINE void NAME(image_block)(const bk_step *s, const int bytes, const int C, int64_t in, int64_t out, const int n,
                              NAME(vf) alpha, NAME(vf) beta) {
    EACH if (o == 0 || n == 4) {
        const int pixels = n == 4 ? WIDTH / 4 : 1;
        const int64_t from = in + o * pixels * C, to = out + o * pixels;
        NAME(vf) y = bytes ? NAME(image_bytes)(s, C, from, pixels, n == 4) : NAME(image_floats)(s, C, from, pixels);
        if (s->alpha) y = y * alpha;
        if (s->beta) y = y + beta;
        if (s->f32) UNROLL for (int l = 0; l < 4 * pixels; l++) if (l % 4 < C) s->f32[(to + l / 4) * C + l % 4] = y[l];
        if (s->bf16) {
            const NAME(halves) halves = NAME(bf16)(y);
            memcpy(s->bf16 + to * 4, &halves, 8 * pixels);
        }
        if (s->u8) {
            const NAME(quarters) codes = BYTES_OF(NAME(codes)(s, y));
            memcpy(s->u8 + to * 4, &codes, 4 * pixels);
        }
    }
}

INLINE void NAME(image)(const bk_step *step, const int bytes, const int C, int from, int to) {
    const bk_step own = *step, *s = &own; /* a copy that no byte written can change: the compiler need not look again */
    NAME(vf) alpha = {0}, beta = {0};
    for (int l = 0; l < WIDTH; l++) {
        if (s->alpha) alpha[l] = s->alpha[l % 4];
        if (s->beta) beta[l] = s->beta[l % 4];
    }
    for (int start = from; start < to;) { /* rows: tables of all pixels are more to read than the image */
        const int left = s->row - start % s->row, n = left < to - start ? left : to - start;
        const int64_t in = s->in[start], out = s->out[start];
        int k = 0;
        for (; k + 4 < n; k += 4) NAME(image_block)(s, bytes, C, in + k * C, out + k, 4, alpha, beta);
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
