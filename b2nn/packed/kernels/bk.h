/* One step of a packed network. Mirrored field by field by `Step` in b2nn/packed/step.py; BK_ABI counts changes.

Maps are NHWC with a physical border. A step knows them as the address of the first physical pixel (of the view's first
channel), the distance from pixel to pixel, and tables of pixel numbers: nothing here knows heights, widths or strides.
Everything is checked in Python, nothing here. */
#ifndef BK_H
#define BK_H
#include <stdint.h>

#define BK_ABI 4
#define BK_MAX_BITS 4 /* bit planes that one step can write */
#define BK_LANES 64   /* output channels in a block of weights */

enum { BK_SCALAR, BK_NEON, BK_AVX2, BK_AVXVNNI, BK_AVX512 }; /* levels */
enum { BK_HAS_BF16 = 1, BK_HAS_INT8 = 2 };       /* fast forms of a level, bits of bk_features() */

/* What is summed over the steps of a window. `load` is an element-wise step and sums nothing, `load_u8` one from bytes;
   `transpose` writes floats as a conv reads weights, pixels as its outputs and channels as its inputs. `few` is a float
   conv of at most 16 outputs whose vectors run along the input channels. */
enum { BK_BITS, BK_F32, BK_BF16, BK_INT8, BK_DEPTHWISE, BK_LOAD, BK_MAXPOOL, BK_AVGPOOL, BK_LOAD_U8, BK_TRANSPOSE,
       BK_FEW };
enum { BK_NONE, BK_RELU, BK_RELU6, BK_PRELU, BK_RPRELU, BK_BINRELU, BK_HARDSWISH, BK_SIGMOID };

typedef struct {
    uint8_t *data; /* bit c % 8 of byte c / 8 of a pixel is 1 where NOT y >= threshold[c] */
    const float *threshold;
    int64_t pitch; /* bytes from pixel to pixel */
} bk_bits;

typedef struct {
    int32_t kind, act;
    int32_t pixels;       /* output pixels of all images */
    int32_t groups;
    int32_t outputs;      /* of one group; its vectors of parameters are padded to `padded` */
    int32_t padded;       /* outputs rounded up to 16 */
    int32_t steps;        /* 32-bit lanes that one output sums; for depthwise the taps of the kernel */
    int32_t group_offset; /* lanes from group to group in the input */
    int32_t multiplier;   /* depthwise: outputs of one input channel */
    int32_t columns;      /* depthwise: of the kernel, if windows and taps move on by one pixel along rows; else 0 */
    int32_t image_pixels; /* depthwise with a kernel for each image: output pixels of one image, else 0 */
    int32_t base_pitch, beta_pitch; /* from border class to border class; 0 where it makes no difference */
    int32_t row_pitch, column_pitch; /* pools: floats from row to row and from pixel to pixel of the input */
    int32_t u8_zero, bit_planes;
    float u8_inverse; /* 1 / scale */
    int32_t taps, pixel_words; /* of Q: length of `tap`, and 64-bit words of an input pixel; 0 where it does not apply */
    int32_t inputs;            /* few: channels of a tap */
    int32_t row;               /* output pixels of a row: they lie side by side, and so do what `load` reads */

    const void *input;
    const int32_t *in;      /* (pixels) lane of the window's first tap in the input */
    const int32_t *out;     /* (pixels) number of the pixel in the output map */
    const int32_t *border;  /* (pixels) border class, or NULL */
    const int32_t *spread;  /* depthwise: (padded) input channel of each output */
    const int32_t *offset;  /* (steps) lanes from the first tap */
    const int32_t *window;  /* pools: (pixels, 2) rows and columns inside the map */
    const float *divisor;   /* average pool: (pixels) */
    const void *weight;     /* [group][block of 64 outputs][step][lanes of the block]; depthwise [step][weight_pitch];
                               few [output][step][weight_pitch] */
    int64_t group_weight;   /* lanes from group to group in `weight`; few: from output to output */
    int64_t weight_pitch;   /* depthwise, few: floats from tap to tap */
    int64_t image_weight;   /* depthwise: floats from image to image */
    const int32_t *base;    /* bits: sum = base - 2 popcount; int8: sum = base + accumulator */

    /* y = act(alpha * sum + gamma * Q + beta + shortcut), from left to right, without contraction */
    const float *alpha, *gamma, *beta;
    const int32_t *tap;     /* (taps) 64-bit words from the window's first tap; every word of a pixel counts in Q */
    const int32_t *q_base;  /* (classes) Q = q_base - 2 popcount of the window's bits */
    const float *shortcut;
    int64_t shortcut_pitch;
    const int32_t *shortcut_pixel;
    const float *act_a, *act_b, *act_c; /* prelu: slope; rprelu: shift in, slope, shift out */

    float *f32;
    uint16_t *bf16;
    uint8_t *u8;
    int64_t f32_pitch, bf16_pitch, u8_pitch; /* elements from pixel to pixel */
    bk_bits bits[BK_MAX_BITS];
} bk_step;

/* Output pixels [from, to) of a step. */
typedef void bk_run_range(const bk_step *step, int from, int to);

#endif
