/* The NEON level against the scalar one, which other tests compare with torch: random steps, equal results.
   Floats are summed with and without contraction, so small integers are used, whose sums are exact. */
#include "bk.c"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 9, OUT = 7, PIXELS_IN = SIDE * SIDE, PIXELS_OUT = OUT * OUT };

static void *random_bytes(size_t n) {
    uint8_t *bytes = malloc(n);
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(rand() >> 7);
    return bytes;
}

static float *random_integers(size_t n) {
    float *values = malloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++) values[i] = (float)(rand() % 17 - 8);
    return values;
}

int main(void) {
    int failures = 0, tried = 0;
    for (int seed = 0; seed < 200; seed++) {
        srand(seed);
        bk_step s = {0};
        static const int kinds[] = {BK_BITS, BK_BITS, BK_F32, BK_BF16, BK_INT8, BK_DEPTHWISE, BK_LOAD, BK_MAXPOOL};
        s.kind = kinds[seed % 8];
        s.act = rand() % 7;
        const int lanes = 1 + rand() % 9, conv = s.kind < BK_DEPTHWISE;
        s.outputs = 1 + rand() % 100;
        s.padded = (s.outputs + 15) / 16 * 16;
        s.groups = s.multiplier = 1;
        s.pixels = PIXELS_OUT;
        const int pitch = conv ? lanes : s.outputs;
        s.steps = conv ? 9 * lanes : 9;
        int32_t in[PIXELS_OUT], out[PIXELS_OUT], offset[9 * 9], window[2 * PIXELS_OUT];
        for (int i = 0; i < PIXELS_OUT; i++) {
            in[i] = (i / OUT * SIDE + i % OUT) * pitch;
            out[i] = i;
            window[2 * i] = window[2 * i + 1] = 3;
        }
        for (int t = 0; t < s.steps; t++) {
            const int tap = conv ? t / lanes : t;
            offset[t] = (tap / 3 * SIDE + tap % 3) * pitch + (conv ? t % lanes : 0);
        }
        s.in = in, s.out = out, s.offset = offset, s.window = window;
        s.row_pitch = SIDE * pitch, s.column_pitch = pitch;
        const int floats = s.kind != BK_BITS && s.kind != BK_INT8;
        s.input = floats ? (void *)random_integers(PIXELS_IN * pitch) : random_bytes(PIXELS_IN * pitch * 4);
        const size_t weights = (size_t)s.padded * s.steps;
        s.weight = floats ? (void *)random_integers(weights) : random_bytes(weights * 4);
        s.weight_pitch = s.outputs;
        int32_t *base = calloc(s.padded, 4);
        for (int o = 0; o < s.padded; o++) base[o] = rand() % 100;
        s.base = base;
        s.alpha = random_integers(s.padded), s.beta = random_integers(s.padded);
        s.act_a = random_integers(s.padded), s.act_b = random_integers(s.padded), s.act_c = random_integers(s.padded);
        s.shortcut = random_integers(PIXELS_OUT * s.outputs), s.shortcut_pixel = out, s.shortcut_pitch = s.outputs;
        const size_t bits = (s.padded + 63) / 64 * 8;
        size_t size[4] = {4 * s.outputs, 2 * s.outputs, s.outputs, bits}, sum = 0;
        for (int f = 0; f < 4; f++) sum += size[f] * PIXELS_OUT;
        s.f32_pitch = s.bf16_pitch = s.u8_pitch = s.outputs;
        s.u8_inverse = 0.37f, s.u8_zero = 100, s.bit_planes = 1;
        s.bits[0].threshold = random_integers(s.padded), s.bits[0].pitch = bits;
        uint8_t *results[2];
        for (int run = 0; run < 2; run++) {
            uint8_t *to = results[run] = calloc(sum, 1);
            s.f32 = (float *)to, s.bf16 = (uint16_t *)(to += size[0] * PIXELS_OUT);
            s.u8 = to += size[1] * PIXELS_OUT, s.bits[0].data = to + size[2] * PIXELS_OUT;
            if (bk_set_level(run ? BK_NEON : BK_SCALAR) < 0) return 2;
            bk_run(&s, 1, 1);
        }
        tried++;
        if (memcmp(results[0], results[1], sum)) {
            failures++;
            printf("seed %d: kind %d, %d outputs, %d steps differ\n", seed, s.kind, s.outputs, s.steps);
        }
    }
    printf("%d steps, %d failures\n", tried, failures);
    return failures != 0;
}
