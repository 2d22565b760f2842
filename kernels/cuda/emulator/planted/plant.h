// Copies of kernels with a bug in them, which tests must find. A copy includes the kernel's own source with
// one word of it turned into another; only the narrowest attention and product are made.
#pragma once
#include "../../device/softmax.h"

#undef PD_KERNEL
#define PD_KERNEL(name, Args, threads, blocks_per_sm) PD_PLANT_##name(Args, threads)
#undef PD_KERNEL_AHEAD
#define PD_KERNEL_AHEAD(name, Args, threads, blocks_per_sm) PD_PLANT_##name(Args, threads)

#define PD_PLANT_NAME(bug, rest) PD_PLANT_JOIN(bug, rest)
#define PD_PLANT_JOIN(bug, rest) pd_planted_##bug##_##rest
#define PD_PLANT_KERNEL(name, Args, threads) PD_EMULATED_KERNEL(name, Args, threads)

#define PD_PLANT_pd_attention_d16_m16(Args, threads) \
  PD_PLANT_KERNEL(PD_PLANT_NAME(PD_PLANTED_BUG, attention_d16_m16), Args, threads)
#define PD_PLANT_pd_attention_d16_m64(Args, threads) \
  PD_PLANT_KERNEL(PD_PLANT_NAME(PD_PLANTED_BUG, attention_d16_m64), Args, threads)
#define PD_PLANT_pd_attention_d16_m256(Args, threads) \
  PD_PLANT_KERNEL(PD_PLANT_NAME(PD_PLANTED_BUG, attention_d16_m256), Args, threads)
#define PD_PLANT_pd_gemm_m16(Args, threads) \
  PD_PLANT_KERNEL(PD_PLANT_NAME(PD_PLANTED_BUG, gemm_m16), Args, threads)

// A template that nobody uses: the kernel's templates are not compiled for it.
#define PD_PLANT_NOTHING(name, Args) \
  template <class>                   \
  [[maybe_unused]] static void name(const Args& args)
#define PD_PLANT_pd_attention_d32_m16(Args, threads) PD_PLANT_NOTHING(no_d32_m16, Args)
#define PD_PLANT_pd_attention_d32_m64(Args, threads) PD_PLANT_NOTHING(no_d32_m64, Args)
#define PD_PLANT_pd_attention_d64_m16(Args, threads) PD_PLANT_NOTHING(no_d64_m16, Args)
#define PD_PLANT_pd_attention_d64_m64(Args, threads) PD_PLANT_NOTHING(no_d64_m64, Args)
#define PD_PLANT_pd_attention_d128_m16(Args, threads) PD_PLANT_NOTHING(no_d128_m16, Args)
#define PD_PLANT_pd_attention_d128_m64(Args, threads) PD_PLANT_NOTHING(no_d128_m64, Args)
#define PD_PLANT_pd_attention_d32_m256(Args, threads) PD_PLANT_NOTHING(no_d32_m256, Args)
#define PD_PLANT_pd_attention_d64_m256(Args, threads) PD_PLANT_NOTHING(no_d64_m256, Args)
#define PD_PLANT_pd_attention_d128_m256(Args, threads) PD_PLANT_NOTHING(no_d128_m256, Args)
#define PD_PLANT_pd_gemm_m32(Args, threads) PD_PLANT_NOTHING(no_m32, Args)
#define PD_PLANT_pd_gemm_m64(Args, threads) PD_PLANT_NOTHING(no_m64, Args)
#define PD_PLANT_pd_gemm_m64_n128(Args, threads) PD_PLANT_NOTHING(no_m64_n128, Args)
#define PD_PLANT_pd_gemm_m128(Args, threads) PD_PLANT_NOTHING(no_m128, Args)
#define PD_PLANT_pd_gemm_m128_n256(Args, threads) PD_PLANT_NOTHING(no_m128_n256, Args)
