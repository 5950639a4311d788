/* Every step for narrower machines, in C with the compiler's vectors. Included once a level, with

   NAME(x)         the level's names
   TARGET          attribute of its functions
   WIDTH           floats in a vector
   PIXELS          pixels in a block of a float conv: PIXELS x 16 outputs are summed at a time
   SPLIT_PIXELS    the same where a lane is split in two, which takes registers

and, where the level has something better than what stands below in plain C,

   FMA(a,b,c)      a * b + c on vectors of floats
   PAIRS(x,w)      the sum of the two products of 16-bit integers in each lane
   SELECT(m,a,b)   a where the mask m is all ones, b where it is 0
   AT_LEAST(v,low), AT_MOST(v,high)   on vectors of floats; a NaN stays
   SIGNS(y,t)      bit l is 1 where NOT y[l] >= t[l]
   BYTES_OF(v), HALVES_OF(v), LANES_OF(v)   8-bit or 16-bit integers of lanes that fit, and lanes of 8-bit integers
   ONES64(u)       the number of ones of 64 bits
   ONES(v)         for every byte of a vector the number of its ones
   BITS_KERNEL     the file of a kernel of its own for bits, whose steps are bytes
   PERMUTED(x,at)  vector of x[at[l]], for at in [0, WIDTH); without it depthwise convs with several outputs of an
                   input are slow
   LOAD_FIRST(p,n) the n floats from p on, n <= WIDTH, then zeros; reads no others

The weights' blocks of 64 lanes are those of avx512.h. */

#ifndef FMA
#define FMA(a, b, c) ((c) + (a) * (b))
#endif
#ifndef PAIRS
#define PAIRS(x, w)                                                                                                    \
    (((NAME(vi))(x) << 16 >> 16) * ((NAME(vi))(w) << 16 >> 16) + ((NAME(vi))(x) >> 16) * ((NAME(vi))(w) >> 16))
#endif
#ifndef SELECT
#define SELECT(mask, a, b) ((NAME(vf))(((NAME(vi))(a) & (mask)) | ((NAME(vi))(b) & ~(mask))))
#endif
#ifndef AT_LEAST
#define AT_LEAST(v, low) SELECT((v) < (low), ALL_OF(low), v)
#define AT_MOST(v, high) SELECT((v) > (high), ALL_OF(high), v)
#endif
#ifndef SIGNS
#define SIGNS(y, t) sign_bits4((y) >= (t))
#endif
#ifndef BYTES_OF
#define BYTES_OF(v) __builtin_convertvector(v, NAME(quarters))
#define HALVES_OF(v) __builtin_convertvector(v, NAME(halves))
#define LANES_OF(v) __builtin_convertvector(v, NAME(vi))
#endif
#ifndef ONES64
#define ONES64(u) (ones32((uint32_t)(u)) + ones32((uint32_t)((u) >> 32)))
#endif
#ifndef ONES /* in any order of a vector's bytes: the sums of bits pairwise, of fours, of eights */
#define ONES(v)                                                                                                        \
    ({                                                                                                                 \
        NAME(vu) u_ = (NAME(vu))(v);                                                                                   \
        u_ -= (u_ >> 1) & 0x55555555u;                                                                                 \
        u_ = (u_ & 0x33333333u) + ((u_ >> 2) & 0x33333333u);                                                           \
        (NAME(vb))((u_ + (u_ >> 4)) & 0x0f0f0f0fu);                                                                    \
    })
#endif

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
#define ALL_OF(value) ((NAME(vf)){0} + (value))
#define UNROLL _Pragma("GCC unroll 24")
#define EACH UNROLL for (int o = 0; o < VECTORS; o++)
#define EACH_PIXEL(n) UNROLL for (int p = 0; p < (n); p++)
#define MOST_SUMS 24 /* vectors of a block; arrays are of fixed size: one that depends on NP would live in memory */
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
#ifdef BITS_KERNEL
#include BITS_KERNEL
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
#undef NAME
#undef TARGET
#undef WIDTH
#undef PIXELS
#undef SPLIT_PIXELS
#undef FMA
#undef PAIRS
#undef SELECT
#undef AT_LEAST
#undef AT_MOST
#undef SIGNS
#undef BYTES_OF
#undef HALVES_OF
#undef LANES_OF
#undef ONES64
#undef ONES
#undef BITS_KERNEL
#undef PERMUTED
#undef LOAD_FIRST
