/* AVX-512: which loop runs a step. */
#pragma once
#include "conv512.h"
#include "few512.h"
#include "image512.h"
#include "pool512.h"
#include "slide512.h"

static void window_range512(const bk_step *s, int from, int to) {
    (slides512(s) ? slide_range512 : conv_range512)(s, from, to);
}

static void range512(const bk_step *s, int from, int to) {
    if ((s->kind == BK_LOAD || s->kind == BK_LOAD_U8) && is_image(s)) {
        (s->kind == BK_LOAD ? image_f512 : image_b512)(s, from, to);
    } else if (s->kind == BK_MAXPOOL || s->kind == BK_AVGPOOL) {
        pool_range512(s, from, to);
    } else if (s->kind == BK_FEW) {
        few_range512(s, from, to);
    } else if (s->image_pixels) { /* a block of pixels must not cross images: each has weights of its own */
        for (int start = from; start < to;) {
            int end = (start / s->image_pixels + 1) * s->image_pixels;
            if (end > to) end = to;
            window_range512(s, start, end);
            start = end;
        }
    } else {
        window_range512(s, from, to);
    }
}
