/* Narrower machines: pools. Included by narrow.h. */

/* One pixel of a pool: the taps that lie inside the map, of 16 channels that all exist. */
INLINE void NAME(pool)(const bk_step *s, const int average, int block, int i, NAME(vf) *y) {
    const int rows = s->window[2 * i], columns = s->window[2 * i + 1];
    const float *x = (const float *)INPUT(s, i) + block;
    NAME(vf) v[VECTORS];
    EACH v[o] = ALL_OF(average ? 0.0f : -__builtin_inff());
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) {
            const float *at = x + (int64_t)r * s->row_pitch + (int64_t)c * s->column_pitch;
            EACH {
                const NAME(vf) value = LOAD(at, o);
                if (average) v[o] = v[o] + value;
                else v[o] = SELECT((value > v[o]) | (value != value), value, v[o]);
            }
        }
    EACH {
        if (average) v[o] = v[o] / s->divisor[i];
        y[o] = v[o];
    }
}

/* The same of fewer channels. */
static TARGET void NAME(pool_lanes)(const bk_step *s, int lanes, int block, int i, NAME(vf) *y) {
    const int rows = s->window[2 * i], columns = s->window[2 * i + 1], average = s->kind == BK_AVGPOOL;
    float v[16] = {0};
    for (int l = 0; l < lanes; l++) {
        const float *x = (const float *)INPUT(s, i) + block + l;
        v[l] = average ? 0.0f : -__builtin_inff();
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) {
                const float value = x[(int64_t)r * s->row_pitch + (int64_t)c * s->column_pitch];
                v[l] = average ? v[l] + value : value > v[l] || value != value ? value : v[l];
            }
        if (average) v[l] = v[l] / s->divisor[i];
    }
    memcpy(y, v, sizeof v);
}

static TARGET void NAME(pool_range)(const bk_step *s, int from, int to) {
    for (int i = from; i < to; i += PIXELS)
        for (int block = 0; block < s->padded; block += 16) {
            NAME(vf) y[PIXELS * VECTORS];
            const int valid = to - i < PIXELS ? to - i : PIXELS, lanes = s->outputs - block;
            for (int p = 0; p < valid; p++) {
                NAME(vf) *own = y + p * VECTORS;
                if (lanes < 16) NAME(pool_lanes)(s, lanes, block, i + p, own);
                else if (s->kind == BK_AVGPOOL) NAME(pool)(s, 1, block, i + p, own);
                else NAME(pool)(s, 0, block, i + p, own);
            }
            NAME(finish)(s, 0, block, i, valid, y, 0);
        }
}
