/* AVX-VNNI, which many processors without AVX-512 have: int8 convs by products of bytes. All else is AVX2's. */
#define TVNNI __attribute__((target("avx2,popcnt,fma,xsave,avxvnni")))

enum { VNNI_PIXELS = 6 }; /* x 16 outputs: with weights and an input all 16 registers but one */

/* Pixels [i, i + VNNI_PIXELS), of which `valid` exist, and 16 outputs from `block` on. */
static inline __attribute__((always_inline)) TVNNI void vnni_block(const bk_step *s, int g, int block, int i, int valid) {
    __m256i sum[VNNI_PIXELS][2];
    avx2_vf y[24];
    const int32_t *x[VNNI_PIXELS];
    const int whole = block & -BK_LANES, left = s->padded - whole, row = left < BK_LANES ? left : BK_LANES;
    const int32_t *w = (const int32_t *)s->weight + g * s->group_weight + (int64_t)whole * s->steps + (block - whole);
#define EACH_SUM _Pragma("GCC unroll 6") for (int p = 0; p < VNNI_PIXELS; p++) _Pragma("GCC unroll 2") for (int o = 0; o < 2; o++)
    _Pragma("GCC unroll 6") for (int p = 0; p < VNNI_PIXELS; p++) {
        const int pixel = i + (p < valid ? p : 0);
        x[p] = (const int32_t *)s->input + s->in[pixel] + (int64_t)g * s->group_offset;
    }
    EACH_SUM sum[p][o] = _mm256_setzero_si256();
    for (int t = 0; t < s->steps; t++, w += row) {
        const long k = s->offset[t];
        const __m256i W[2] = {_mm256_loadu_si256((const __m256i *)w), _mm256_loadu_si256((const __m256i *)(w + 8))};
        EACH_SUM {
            sum[p][o] = _mm256_dpbusd_avx_epi32(sum[p][o], _mm256_set1_epi32(x[p][k]), W[o]);
            IN_REGISTER(sum[p][o]);
        }
    }
    EACH_SUM {
        const int32_t *base = s->base + g * s->padded + block;
        if (s->base_pitch) base += (int64_t)s->border[i + (p < valid ? p : 0)] * s->base_pitch;
        const __m256i whole_sum = _mm256_add_epi32(sum[p][o], _mm256_loadu_si256((const __m256i *)(base + 8 * o)));
        y[2 * p + o] = (avx2_vf)_mm256_cvtepi32_ps(whole_sum);
    }
#undef EACH_SUM
    avx2_finish(s, g, block, i, valid, y, 0);
}

static TVNNI void vnni_int8_range(const bk_step *s, int from, int to) {
    enum { CHUNK_PIXELS = 480 }; /* weights are reused over these; a multiple of VNNI_PIXELS */
    for (int start = from; start < to; start += CHUNK_PIXELS) {
        const int end = start + CHUNK_PIXELS < to ? start + CHUNK_PIXELS : to;
        for (int g = 0; g < s->groups; g++)
            for (int block = 0; block < s->padded; block += 16)
                for (int i = start; i < end; i += VNNI_PIXELS)
                    vnni_block(s, g, block, i, end - i < VNNI_PIXELS ? end - i : VNNI_PIXELS);
    }
}
