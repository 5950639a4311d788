/* Narrower machines: float convs of few outputs. Vectors run along the input channels, and are summed up at the end.
Included by narrow.h. */

/* The windows of one pixel times the weights of NO outputs. */
INLINE void NAME(window_products)(const bk_step *s, const int NO, const float *x, const float *w, float *y) {
    NAME(vf) sum[4 * VECTORS];
    float rest[4] = {0};
    const int64_t pitch = s->group_weight;
    UNROLL for (int n = 0; n < NO; n++) EACH sum[n * VECTORS + o] = (NAME(vf)){0};
    for (int t = 0; t < s->steps; t++, w += s->weight_pitch) {
        const float *at = x + s->offset[t];
        int c = 0;
        for (; c + 16 <= s->inputs; c += 16)
            UNROLL for (int n = 0; n < NO; n++) EACH
                sum[n * VECTORS + o] = FMA(LOAD(at + c, o), LOAD(w + n * pitch + c, o), sum[n * VECTORS + o]);
        for (; c < s->inputs; c++)
            UNROLL for (int n = 0; n < NO; n++) rest[n] += at[c] * w[n * pitch + c];
    }
    UNROLL for (int n = 0; n < NO; n++) {
        EACH for (int l = 0; l < WIDTH; l++) rest[n] += sum[n * VECTORS + o][l];
        y[n] = rest[n];
    }
}

static TARGET void NAME(few_range)(const bk_step *s, int from, int to) {
    for (int i = from; i < to; i++) {
        const float *x = (const float *)INPUT(s, i), *w = (const float *)s->weight;
        NAME(vf) y[VECTORS] = {{0}};
        float v[16] = {0};
        int o = 0;
        for (; o + 4 <= s->outputs; o += 4) NAME(window_products)(s, 4, x, w + o * s->group_weight, v + o);
        for (; o < s->outputs; o++) NAME(window_products)(s, 1, x, w + o * s->group_weight, v + o);
        memcpy(y, v, sizeof v);
        NAME(finish)(s, 0, 0, i, 1, y, 0);
    }
}
