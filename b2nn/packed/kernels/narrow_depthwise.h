/* Narrower machines: depthwise convs and correlations, 16 channels at a time. Included by narrow.h. */

/* Windows that move on by one pixel: one is loaded once for all outputs of a row that it takes part in, and the weights
of a kernel row stay in registers. */
INLINE void NAME(slide_block)(const bk_step *s, const int COLUMNS, const float *weight, int channel, int i) {
    const int64_t pitch = s->offset[1] - s->offset[0];
    NAME(vf) y[MOST_PIXELS * VECTORS];
    for (int o = 0; o < VECTORS; o++) {
        const float *x = (const float *)INPUT(s, i) + channel + WIDTH * o, *w = weight + channel + WIDTH * o;
        NAME(vf) v[MOST_PIXELS], W[7];
        EACH_PIXEL(MOST_PIXELS) v[p] = (NAME(vf)){0};
        for (int t = 0; t < s->steps; t += COLUMNS) {
            const float *row = x + s->offset[t];
            UNROLL for (int c = 0; c < COLUMNS; c++, w += s->weight_pitch) W[c] = LOAD(w, 0);
            UNROLL for (int k = 0; k < MOST_PIXELS + COLUMNS - 1; k++, row += pitch) {
                const NAME(vf) X = LOAD(row, 0);
                UNROLL for (int c = 0; c < COLUMNS; c++) if (k >= c && k - c < MOST_PIXELS) {
                    v[k - c] = FMA(X, W[c], v[k - c]);
                    IN_REGISTER(v[k - c]);
                }
            }
        }
        EACH_PIXEL(MOST_PIXELS) y[p * VECTORS + o] = v[p];
    }
    NAME(finish)(s, 0, channel, i, MOST_PIXELS, y, 0);
}

#define SLIDE(COLUMNS)                                                                                                 \
    static TARGET void NAME(slide_##COLUMNS)(const bk_step *s, const float *weight, int channel, int i) {              \
        NAME(slide_block)(s, COLUMNS, weight, channel, i);                                                             \
    }
SLIDE(3) SLIDE(5) SLIDE(7)
#undef SLIDE

/* Windows anywhere, all 16 channels there, one input for each. */
static TARGET void NAME(windows)(const bk_step *s, const float *weight, int block, int i, int valid) {
    NAME(vf) sum[MOST_SUMS];
    const float *x[PIXELS], *w = weight + block;
    EACH_PIXEL(PIXELS) x[p] = (const float *)INPUT(s, i + (p < valid ? p : 0)) + block;
    EACH_PIXEL(PIXELS) EACH sum[p * VECTORS + o] = (NAME(vf)){0};
    for (int t = 0; t < s->steps; t++, w += s->weight_pitch) {
        const long k = s->offset[t];
        NAME(vf) W[VECTORS];
        EACH W[o] = LOAD(w, o);
        EACH_PIXEL(PIXELS) EACH {
            sum[p * VECTORS + o] = FMA(LOAD(x[p] + k, o), W[o], sum[p * VECTORS + o]);
            IN_REGISTER(sum[p * VECTORS + o]);
        }
    }
    FINISH(PIXELS, 0, block, i, valid, sum, 0)
}

#ifdef PERMUTED
/* Several outputs of an input channel: 16 outputs of at most WIDTH inputs. */
static TARGET void NAME(spread_windows)(const bk_step *s, const float *weight, int block, int i, int valid) {
    NAME(vf) sum[MOST_SUMS];
    NAME(vi) at[VECTORS];
    const int first = s->spread[block], inputs = s->spread[block + 15] - first + 1;
    const float *x[PIXELS], *w = weight + block;
    EACH at[o] = *(const NAME(vi) *)(s->spread + block + WIDTH * o) - first;
    EACH_PIXEL(PIXELS) x[p] = (const float *)INPUT(s, i + (p < valid ? p : 0)) + first;
    EACH_PIXEL(PIXELS) EACH sum[p * VECTORS + o] = (NAME(vf)){0};
    for (int t = 0; t < s->steps; t++, w += s->weight_pitch) {
        const long k = s->offset[t];
        EACH_PIXEL(PIXELS) {
            const NAME(vf) X = LOAD_FIRST(x[p] + k, inputs);
            EACH {
                sum[p * VECTORS + o] = FMA(PERMUTED(X, at[o]), LOAD(w, o), sum[p * VECTORS + o]);
                IN_REGISTER(sum[p * VECTORS + o]);
            }
        }
    }
    FINISH(PIXELS, 0, block, i, valid, sum, 0)
}
#endif

/* Whatever the others do not do. */
static TARGET void NAME(lanes)(const bk_step *s, const float *weight, int block, int i, int valid) {
    const int lanes = s->outputs - block < 16 ? s->outputs - block : 16;
    int input[16];
    NAME(vf) y[PIXELS * VECTORS] = {{0}};
    for (int l = 0; l < 16; l++) input[l] = (block + l) / s->multiplier;
    for (int p = 0; p < valid; p++) {
        const float *x = (const float *)INPUT(s, i + p), *w = weight + block;
        float v[16] = {0};
        for (int t = 0; t < s->steps; t++, w += s->weight_pitch)
            for (int l = 0; l < lanes; l++) v[l] += x[s->offset[t] + input[l]] * w[l];
        memcpy(y + p * VECTORS, v, sizeof v);
    }
    NAME(finish)(s, 0, block, i, valid, y, 0);
}

/* Pixels of one image, anywhere. */
static TARGET void NAME(window_range)(const bk_step *s, const float *weight, int from, int to) {
    for (int i = from; i < to; i += PIXELS) {
        const int valid = to - i < PIXELS ? to - i : PIXELS;
        for (int block = 0; block < s->padded; block += 16) {
            const int whole = s->outputs - block >= 16;
            if (whole && s->multiplier == 1) NAME(windows)(s, weight, block, i, valid);
#ifdef PERMUTED
            else if (whole && s->spread[block + 15] - s->spread[block] < WIDTH)
                NAME(spread_windows)(s, weight, block, i, valid);
#endif
            else NAME(lanes)(s, weight, block, i, valid);
        }
    }
}

static TARGET void NAME(depthwise_range)(const bk_step *s, int from, int to) {
    const int slides = s->outputs % 16 == 0 && (s->columns == 3 || s->columns == 5 || s->columns == 7);
    for (int i = from, end; i < to; i = end) {
        const float *weight = (const float *)s->weight;
        end = to;
        if (s->image_pixels) { /* each image has weights of its own */
            const int image = i / s->image_pixels, last = (image + 1) * s->image_pixels;
            weight += image * s->image_weight;
            if (last < to) end = last;
        }
        if (slides) { /* along one row, as far as blocks are full */
            const int left = s->row - i % s->row, n = left < end - i ? left : end - i;
            end = i + n;
            for (; end - i >= MOST_PIXELS; i += MOST_PIXELS)
                for (int channel = 0; channel < s->outputs; channel += 16)
                    (s->columns == 3 ? NAME(slide_3) : s->columns == 5 ? NAME(slide_5) : NAME(slide_7))(
                        s, weight, channel, i);
        }
        NAME(window_range)(s, weight, i, end);
    }
}
