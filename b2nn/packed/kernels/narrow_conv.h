/* Narrower machines: convs of every kind. A weight step is 16 outputs x one 32-bit lane, an activation step one lane
broadcast. Included by narrow.h. */

#define SUM sum[p * VECTORS + o]

#ifndef BITS_KERNEL
/* Sums of ones, as integers. */
INLINE void NAME(bits)(const bk_step *s, const int NP, const int32_t *const *x, const int32_t *w, int row,
                       NAME(vf) *sum) {
    for (int start = 0; start < s->steps; start += 31) { /* a byte holds 31 steps of at most 8 */
        const int end = start + 31 < s->steps ? start + 31 : s->steps;
        NAME(vb) bytes[MOST_SUMS];
        EACH_PIXEL(NP) EACH bytes[p * VECTORS + o] = (NAME(vb)){0};
        for (int t = start; t < end; t++, w += row) {
            const long k = s->offset[t];
            EACH_PIXEL(NP) {
                const NAME(vi) X = (NAME(vi)){0} + x[p][k];
                EACH bytes[p * VECTORS + o] += ONES((NAME(vb))(X ^ *(const NAME(vi) *)(w + WIDTH * o)));
            }
        }
        EACH_PIXEL(NP) EACH {
            const NAME(vu) b = (NAME(vu))bytes[p * VECTORS + o];
            const NAME(vu) pairs = (b & 0x00ff00ffu) + ((b >> 8) & 0x00ff00ffu);
            SUM = (NAME(vf))((NAME(vu))SUM + (pairs & 0xffff) + (pairs >> 16));
        }
    }
}
#endif

INLINE void NAME(floats)(const bk_step *s, const int NP, const int32_t *const *x, const int32_t *w, int row,
                         NAME(vf) *sum) {
    for (int t = 0; t < s->steps; t++, w += row) {
        const long k = s->offset[t];
        NAME(vf) W[VECTORS];
        EACH W[o] = LOAD((const float *)w, o);
        EACH_PIXEL(NP) {
            const NAME(vf) X = (NAME(vf))((NAME(vi)){0} + x[p][k]); /* as integers: adding 0 to a float is work */
            EACH {
                SUM = FMA(X, W[o], SUM);
                IN_REGISTER(SUM);
            }
        }
    }
}

INLINE void NAME(bf16s)(const bk_step *s, const int NP, const int32_t *const *x, const int32_t *w, int row,
                        NAME(vf) *sum) {
    for (int t = 0; t < s->steps; t++, w += row) {
        const long k = s->offset[t];
        NAME(vu) low[VECTORS], high[VECTORS];
        EACH {
            const NAME(vu) W = *(const NAME(vu) *)(w + WIDTH * o);
            low[o] = W << 16;
            high[o] = W & 0xffff0000u;
        }
        EACH_PIXEL(NP) {
            const NAME(vu) X = (NAME(vu)){0} + (uint32_t)x[p][k];
            EACH {
                SUM = FMA((NAME(vf))(X << 16), (NAME(vf))low[o], SUM);
                SUM = FMA((NAME(vf))(X & 0xffff0000u), (NAME(vf))high[o], SUM);
                IN_REGISTER(SUM);
            }
        }
    }
}

/* Of the four bytes of a lane those with even numbers make two 16-bit integers, and so do the odd ones: nothing
saturates as it would in products of bytes. Weights are widened once for all pixels. */
INLINE void NAME(int8s)(const bk_step *s, const int NP, const int32_t *const *x, const int32_t *w, int row,
                        NAME(vf) *sum) {
    for (int t = 0; t < s->steps; t++, w += row) {
        const long k = s->offset[t];
        NAME(vs) even[VECTORS], odd[VECTORS];
        EACH {
            const NAME(vs) W = *(const NAME(vs) *)(w + WIDTH * o);
            even[o] = (NAME(vs))((NAME(vus))W << 8) >> 8;
            odd[o] = W >> 8;
        }
        EACH_PIXEL(NP) {
            const NAME(vus) X = (NAME(vus))((NAME(vi)){0} + x[p][k]);
            const NAME(vs) low = (NAME(vs))(X & 0xff), high = (NAME(vs))(X >> 8);
            EACH {
                SUM = (NAME(vf))((NAME(vi))SUM + PAIRS(low, even[o]));
                IN_REGISTER(SUM);
                SUM = (NAME(vf))((NAME(vi))SUM + PAIRS(high, odd[o]));
                IN_REGISTER(SUM);
            }
        }
    }
}

/* Pixels [i, i + NP), of which `valid` exist, and 16 outputs from `block` on. q: Q of the pixels, or NULL. */
INLINE void NAME(block)(const bk_step *s, const int kind, const int NP, int g, int block, int i, int valid,
                        const int32_t *q) {
    NAME(vf) sum[MOST_SUMS];
    const int32_t *x[MOST_PIXELS];
    const int whole = block & -BK_LANES, left = s->padded - whole, row = left < BK_LANES ? left : BK_LANES;
    const int32_t *w = (const int32_t *)s->weight + g * s->group_weight + (int64_t)whole * s->steps + (block - whole);
    EACH_PIXEL(NP) x[p] = INPUT(s, i + (p < valid ? p : 0)) + (int64_t)g * s->group_offset;
    EACH_PIXEL(NP) EACH SUM = (NAME(vf)){0};
#ifndef BITS_KERNEL
    if (kind == BK_BITS) NAME(bits)(s, NP, x, w, row, sum);
#endif
    if (kind == BK_F32) NAME(floats)(s, NP, x, w, row, sum);
    if (kind == BK_BF16) NAME(bf16s)(s, NP, x, w, row, sum);
    if (kind == BK_INT8) NAME(int8s)(s, NP, x, w, row, sum);
    if (kind == BK_BITS || kind == BK_INT8)
        EACH_PIXEL(NP) {
            const int32_t *base = s->base + g * s->padded + block;
            if (s->base_pitch) base += (int64_t)s->border[i + (p < valid ? p : 0)] * s->base_pitch;
            EACH {
                const NAME(vi) a = (NAME(vi))SUM * (kind == BK_BITS ? -2 : 1);
                SUM = __builtin_convertvector(*(const NAME(vi) *)(base + WIDTH * o) + a, NAME(vf));
            }
        }
    FINISH(NP, g, block, i, valid, sum, q)
}

#define KERNEL(kind, NP)                                                                                               \
    static __attribute__((noinline)) TARGET void NAME(conv_##kind)(const bk_step *s, int g, int block, int from,       \
                                                                   int to, const int32_t *q) {                         \
        for (int i = from; i < to; i += NP)                                                                            \
            NAME(block)(s, kind, NP, g, block, i, to - i < NP ? to - i : NP, q ? q + (i - from) : 0);                  \
    }
#ifndef BITS_KERNEL
KERNEL(BK_BITS, PIXELS)
#endif
KERNEL(BK_F32, PIXELS)
KERNEL(BK_BF16, SPLIT_PIXELS)
KERNEL(BK_INT8, SPLIT_PIXELS)
#undef KERNEL

/* Q of pixels [from, to) in group g; steps are lanes, where the level has no kernel of its own for bits bytes. */
static __attribute__((noinline)) TARGET void NAME(window_sums)(const bk_step *s, int g, int from, int to, int32_t *q) {
    const int words = s->pixel_words, taps = s->taps;
    const int32_t *tap = s->tap;
    for (int i = from; i < to; i++) {
        const int32_t *x = INPUT(s, i) + (int64_t)g * s->group_offset;
        int ones = 0;
        for (int word = 0; word < words; word++)
            for (int t = 0; t < taps; t++) {
                uint64_t u;
                memcpy(&u, x + 2 * (tap[t] + word), 8);
                ones += ONES64(u);
            }
        if (!words)
            for (int t = 0; t < s->steps; t++)
#ifdef BITS_KERNEL
                ones += ONES64((uint64_t)((const uint8_t *)x)[s->offset[t]]);
#else
                ones += ONES64((uint64_t)(uint32_t)x[s->offset[t]]);
#endif
        q[i - from] = s->q_base[s->border ? s->border[i] : 0] - 2 * ones;
    }
}

static TARGET void NAME(conv_range)(const bk_step *s, int from, int to) {
    enum { CHUNK_PIXELS = 480 }; /* weights are reused over these; a multiple of pixels in a block of any kind */
    int32_t q[CHUNK_PIXELS];
    for (int start = from; start < to; start += CHUNK_PIXELS) {
        const int end = start + CHUNK_PIXELS < to ? start + CHUNK_PIXELS : to;
        for (int g = 0; g < s->groups; g++) {
            if (s->gamma) NAME(window_sums)(s, g, start, end, q);
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

#undef SUM
