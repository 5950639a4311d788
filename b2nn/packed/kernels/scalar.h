/* Any machine with 128-bit vectors, or none: the compiler makes something of them. */
#define NAME(x) scalar_##x
#define TARGET
#define WIDTH 4
#define PIXELS 2
#define SPLIT_PIXELS 2

#include "narrow.h"
