/* Packed inference: running a list of steps at the best level of this CPU, on the threads of torch. */
#include "bk.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define X86 1
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#define ARM 1
#include <arm_neon.h>
#endif

static int level = -1, features; /* chosen at the first use */
static int best_level, best_features, has_vnni256;

/* An empty instruction that wants v in a vector register: compilers then keep a loop's sums there. */
#ifdef X86
#define IN_REGISTER(v) __asm__("" : "+x"(v))
#elif defined(ARM)
#define IN_REGISTER(v) __asm__("" : "+w"(v))
#else
#define IN_REGISTER(v)
#endif

static inline int ones32(uint32_t u) {
    u -= (u >> 1) & 0x55555555u;
    u = (u & 0x33333333u) + ((u >> 2) & 0x33333333u);
    return (int)((((u + (u >> 4)) & 0x0f0f0f0fu) * 0x01010101u) >> 24);
}

typedef int32_t mask4 __attribute__((vector_size(16)));
static inline uint32_t sign_bits4(mask4 at_least) {
    return 15 & ~((at_least[0] & 1) | (at_least[1] & 2) | (at_least[2] & 4) | (at_least[3] & 8));
}

/* 1 / (1 + exp(-x)), to about 1e-7. */
static inline float sigmoid(float x) {
    const float y = x < -87.0f ? 87.0f : x > 87.0f ? -87.0f : -x;
    const float n = (y * 1.44269504f + 12582912.0f) - 12582912.0f; /* to the nearest integer */
    const float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
    float e = 1.0f / 5040;
    e = e * r + 1.0f / 720;
    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = ((e * r + 0.5f) * r + 1.0f) * r + 1.0f;
    const uint32_t power = (uint32_t)((y == y ? (int32_t)n : 0) + 127) << 23;
    float scale;
    memcpy(&scale, &power, 4);
    return 1.0f / (1.0f + e * scale);
}

/* Whether an element-wise step reads or writes an image: rows of 3 or 4 channels without gaps, as numbers only. */
static int is_image(const bk_step *s) {
    const int pitches = (!s->f32 || s->f32_pitch == s->outputs) && (!s->bf16 || s->bf16_pitch == 4) &&
                        (!s->u8 || s->u8_pitch == 4);
    const int dense = s->row == 1 || s->in[1] - s->in[0] == s->outputs;
    const int plain = s->act == BK_NONE && !s->shortcut && !s->bit_planes;
    return (s->outputs == 3 || s->outputs == 4) && pitches && dense && plain;
}

static void transpose_range(const bk_step *s, int from, int to) {
    for (int i = from; i < to; i++) {
        const float *x = (const float *)s->input + s->in[i];
        for (int c = 0; c < s->outputs; c++) s->f32[s->out[i] + c * s->f32_pitch] = x[c];
    }
}

#include "scalar.h"
#ifdef ARM
#include "neon.h"
#endif
#ifdef X86
#include "avx2.h"
#if (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11) /* older compilers do not know the instructions */
#define VNNI256
#include "vnni256.h"
#endif
#include "avx512.h"

static uint64_t __attribute__((target("xsave"))) enabled_state(void) { return _xgetbv(0); }

/* Asked of the CPU itself: __builtin_cpu_supports does not link into a shared library everywhere. */
static void detect(void) {
    unsigned a, b, c, d, b7, c7, d7, a71 = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_POPCNT)) return;
    const int fma = !!(c & bit_FMA);
    const uint64_t state = enabled_state();
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return;
    const int more = __get_cpuid_count(7, 1, &a71, &b, &c, &d);
    if ((state & 0x06) != 0x06 || !(b7 & bit_AVX2) || !fma) return;
    best_level = BK_AVX2;
#ifdef VNNI256
    has_vnni256 = more && (a71 & 1 << 4);
    if (has_vnni256) best_level = BK_AVXVNNI;
#endif
    const unsigned wide = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if ((state & 0xe6) != 0xe6 || (b7 & wide) != wide || !(c7 & bit_AVX512VPOPCNTDQ)) return;
    best_level = BK_AVX512;
    if (c7 & bit_AVX512VNNI) best_features |= BK_HAS_INT8;
    if (more && (a71 & bit_AVX512BF16)) best_features |= BK_HAS_BF16;
}
#elif defined(ARM)
static void detect(void) { best_level = BK_NEON; }
#else
static void detect(void) {}
#endif

int bk_abi(void) { return BK_ABI; }
int bk_step_size(void) { return (int)sizeof(bk_step); }

/* Use `wanted`, or the best level where it is negative. -1 where this CPU lacks it. Steps made for one level run at
   no other: the layout of the weights differs. */
int bk_set_level(int wanted) {
    best_level = BK_SCALAR;
    best_features = 0;
    detect();
    if (wanted < 0) wanted = best_level;
    if (wanted > best_level || (wanted == BK_NEON && best_level != BK_NEON)) return -1;
    if (wanted == BK_AVXVNNI && !has_vnni256) return -1;
    level = wanted;
    features = level == BK_AVX512 ? best_features : level == BK_AVXVNNI ? BK_HAS_INT8 : 0;
    return level;
}

int bk_level(void) { return level < 0 ? bk_set_level(-1) : level; }
int bk_features(void) { return bk_level() < 0 ? 0 : features; }

static bk_run_range *range_of(const bk_step *s) {
    if (s->kind == BK_TRANSPOSE) return transpose_range;
#ifdef X86
    const int slow = (s->kind == BK_BF16 && !(features & BK_HAS_BF16)) || (s->kind == BK_INT8 && !(features & BK_HAS_INT8));
    if (level == BK_AVX512 && !slow) return range512;
#ifdef VNNI256
    if (level == BK_AVXVNNI && s->kind == BK_INT8) return vnni_int8_range;
#endif
    if (level >= BK_AVX2) return avx2_range;
#endif
#ifdef ARM
    if (level == BK_NEON) return neon_range;
#endif
    (void)s;
    return scalar_range;
}

/* Denormals are kept whatever the thread is set to: x >= t must not depend on the thread that compares. */
static void run_range(bk_run_range *run, const bk_step *s, int from, int to) {
#ifdef X86
    const unsigned before = _mm_getcsr();
    _mm_setcsr(0x1f80);
    run(s, from, to);
    _mm_setcsr(before);
#else
    run(s, from, to);
#endif
}

typedef void gomp_parallel(void (*)(void *), void *, unsigned, unsigned);
static gomp_parallel *parallel;
static int (*thread_number)(void);
static int (*thread_count)(void);

/* The OpenMP pool to run on, by its addresses; NULL for one thread. */
void bk_set_pool(void *gomp, void *number, void *count) {
    parallel = (gomp_parallel *)gomp;
    thread_number = (int (*)(void))number;
    thread_count = (int (*)(void))count;
}

typedef struct {
    bk_run_range *run;
    const bk_step *step;
} task;

static void work(void *argument) {
    const task *t = (const task *)argument;
    const int64_t pixels = t->step->pixels, blocks = (pixels + 23) / 24;
    const int64_t n = thread_count(), k = thread_number();
    const int from = (int)(blocks * k / n * 24), to = (int)(blocks * (k + 1) / n * 24);
    run_range(t->run, t->step, from, to < pixels ? to : (int)pixels);
}

/* Whether a step takes long enough (about 10 us) to pay for waking threads: in vectors times steps. */
static int pays(const bk_step *s) {
    const int pool = s->kind == BK_MAXPOOL || s->kind == BK_AVGPOOL;
    const int64_t few = s->kind == BK_FEW ? s->inputs * s->outputs / 16 : 1;
    const int64_t steps = pool ? 2 * s->window[0] * s->window[1] : s->steps ? s->steps * few : 4;
    return (int64_t)s->pixels * s->groups * (s->padded / 16) * (steps + 4) > 40000;
}

/* Runs steps one after the other. Threads beyond the first are used where the pool is set. */
int bk_run(const bk_step *steps, int n, int threads) {
    bk_level();
    for (const bk_step *s = steps; s < steps + n; s++) {
        task t = {range_of(s), s};
        if (threads > 1 && parallel && s->pixels > 24 && pays(s)) parallel(work, &t, (unsigned)threads, 0);
        else run_range(t.run, s, 0, s->pixels);
    }
    return 0;
}
