/* Every step for narrower machines, in C with the compiler's vectors. Included once a level, with

   NAME(x)         the level's names
   TARGET          attribute of its functions
   WIDTH           floats in a vector
   PIXELS          pixels in a block of a float conv: PIXELS x 16 outputs are summed at a time
   SPLIT_PIXELS    the same where a lane is split in two, which takes registers
   FMA(a,b,c)      a * b + c on vectors of floats
   PAIRS(x,w)      the sum of the two products of 16-bit integers in each lane
   SIGNS(y,t)      bit l is 1 where NOT y[l] >= t[l]
   SELECT(m,a,b)   a where the mask m is all ones, b where it is 0
   AT_LEAST(v,low), AT_MOST(v,high)   on vectors of floats; a NaN stays
   BYTES_OF(v), HALVES_OF(v)   `quarters` of lanes up to 255, `halves` of lanes up to 65535
   LANES_OF(v)     and lanes of `quarters`
   ONES(v)         for every byte of a vector the number of its ones; undefined at AVX2, whose kernel is bits256.h
   ONES64(u)       the number of ones of 64 bits
   PERMUTED, LOAD_FIRST   see narrow_depthwise.h; undefined where the level has no such instructions

The weights' blocks of 64 lanes are those of avx512.h. */

#define VECTORS (16 / WIDTH)
typedef float NAME(vf) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int32_t NAME(vi) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint32_t NAME(vu) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int16_t NAME(vs) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint16_t NAME(vus) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint8_t NAME(vb) __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef uint16_t NAME(halves) __attribute__((vector_size(2 * WIDTH), aligned(2), may_alias));
typedef uint8_t NAME(quarters) __attribute__((vector_size(WIDTH), aligned(1), may_alias));

#define INLINE static inline __attribute__((always_inline)) TARGET
#define LOAD(from, o) (*(const NAME(vf) *)((from) + WIDTH * (o)))
#define STORE(to, o, v) (*(NAME(vf) *)((to) + WIDTH * (o)) = (v))
#define ALL_OF(value) ((NAME(vf)){0} + (value)) /* a vector of one value; adding makes a NaN of no number */
#define UNROLL _Pragma("GCC unroll 24")
#define EACH UNROLL for (int o = 0; o < VECTORS; o++)
#define EACH_PIXEL(n) UNROLL for (int p = 0; p < (n); p++)
#define MOST_SUMS 24   /* vectors of a block: arrays of fixed size, one that depends on a parameter would live in memory */
#define MOST_PIXELS 8
#define INPUT(s, i) ((const int32_t *)(s)->input + (s)->in[i])

/* `finish` of sums that were in registers; were they handed out themselves, the compiler would keep them in memory. */
#define FINISH(NP, g, block, i, valid, sum, q)                                                                         \
    {                                                                                                                  \
        NAME(vf) y_[MOST_SUMS];                                                                                        \
        UNROLL for (int k = 0; k < (NP) * VECTORS; k++) y_[k] = (NAME(vf))sum[k];                                      \
        NAME(finish)(s, g, block, i, valid, y_, q);                                                                    \
    }

#include "narrow_finish.h"
#ifndef ONES
#include "bits256.h"
#endif
#include "narrow_conv.h"
#include "narrow_depthwise.h"
#include "narrow_few.h"
#include "narrow_image.h"
#include "narrow_pool.h"

static TARGET void NAME(range)(const bk_step *s, int from, int to) {
    if (s->kind < BK_DEPTHWISE) NAME(conv_range)(s, from, to);
    else if (s->kind == BK_DEPTHWISE) NAME(depthwise_range)(s, from, to);
    else if (s->kind == BK_FEW) NAME(few_range)(s, from, to);
    else if (s->kind == BK_MAXPOOL || s->kind == BK_AVGPOOL) NAME(pool_range)(s, from, to);
    else if (is_image(s)) NAME(image_range)(s, from, to);
    else NAME(load_range)(s, from, to);
}

#undef VECTORS
#undef INLINE
#undef LOAD
#undef STORE
#undef ALL_OF
#undef UNROLL
#undef EACH
#undef EACH_PIXEL
#undef MOST_SUMS
#undef MOST_PIXELS
#undef INPUT
#undef FINISH
