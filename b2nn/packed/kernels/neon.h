/* NEON: what the loops of narrow.h are made of. */
#define NAME(x) neon_##x
#define TARGET
#define WIDTH 4
#define PIXELS 4
#define SPLIT_PIXELS 4
#define FMA(a, b, c) ((neon_vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define PAIRS(x, w)                                                                                                    \
    ((neon_vi)vpaddq_s32(vmull_s16(vget_low_s16((int16x8_t)(x)), vget_low_s16((int16x8_t)(w))),                        \
                         vmull_high_s16((int16x8_t)(x), (int16x8_t)(w))))
#define ONES(v) ((neon_vb)vcntq_u8((uint8x16_t)(v)))

#include "narrow.h"
