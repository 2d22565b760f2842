#include "registry.h"

#include <cstring>

// Every kernel; one that is missing here can be launched by nobody.
#define PD_ALL_KERNELS(X)   \
  X(pd_embed)               \
  X(pd_rms_norm)            \
  X(pd_gather_rows)         \
  X(pd_gemm_m16)            \
  X(pd_gemm_m32)            \
  X(pd_gemm_m64)            \
  X(pd_gemm_m64_n128)       \
  X(pd_gemm_m128)           \
  X(pd_gemm_m128_n256)      \
  X(pd_add_partials)        \
  X(pd_rotate_append)       \
  X(pd_attention_d16_m16)   \
  X(pd_attention_d16_m64)   \
  X(pd_attention_d16_m256)  \
  X(pd_attention_d32_m16)   \
  X(pd_attention_d32_m64)   \
  X(pd_attention_d32_m256)  \
  X(pd_attention_d64_m16)   \
  X(pd_attention_d64_m64)   \
  X(pd_attention_d64_m256)  \
  X(pd_attention_d128_m16)  \
  X(pd_attention_d128_m64)  \
  X(pd_attention_d128_m256) \
  X(pd_attention_merge)     \
  X(pd_sample)              \
  X(pd_copy_blocks)

// Those that nothing but tests and gpu-check launch.
#define PD_CANDIDATE_KERNELS(X) \
  X(pd_gemm_wgmma_n128)         \
  X(pd_gemm_wgmma_n256)

// Those with a bug in them.
#define PD_PLANTED_KERNELS(X)                    \
  X(pd_planted_fault)                            \
  X(pd_planted_async_fault)                      \
  X(pd_planted_descriptor_gemm_wgmma_n128)       \
  X(pd_planted_descriptor_gemm_wgmma_n256)       \
  X(pd_planted_early_release_gemm_wgmma_n128)    \
  X(pd_planted_early_release_gemm_wgmma_n256)    \
  X(pd_planted_few_bytes_gemm_wgmma_n128)        \
  X(pd_planted_few_bytes_gemm_wgmma_n256)        \
  X(pd_planted_no_fence_gemm_wgmma_n128)         \
  X(pd_planted_no_fence_gemm_wgmma_n256)         \
  X(pd_planted_no_load_wait_gemm_wgmma_n128)     \
  X(pd_planted_no_load_wait_gemm_wgmma_n256)     \
  X(pd_planted_parity_gemm_wgmma_n128)           \
  X(pd_planted_parity_gemm_wgmma_n256)           \
  X(pd_planted_stage_reuse_gemm_wgmma_n128)      \
  X(pd_planted_stage_reuse_gemm_wgmma_n256)      \
  X(pd_planted_early)                            \
  X(pd_planted_early_input_gemm_m16)             \
  X(pd_planted_early_named_gemm_m16)             \
  X(pd_planted_early_query_attention_d16_m16)    \
  X(pd_planted_early_query_attention_d16_m64)    \
  X(pd_planted_early_query_attention_d16_m256)   \
  X(pd_planted_no_wait_attention_d16_m16)        \
  X(pd_planted_no_wait_attention_d16_m64)        \
  X(pd_planted_no_wait_attention_d16_m256)       \
  X(pd_planted_no_barrier_attention_d16_m16)     \
  X(pd_planted_no_barrier_attention_d16_m64)     \
  X(pd_planted_no_barrier_attention_d16_m256)    \
  X(pd_planted_split_boundary_attention_d16_m16) \
  X(pd_planted_split_boundary_attention_d16_m64) \
  X(pd_planted_split_boundary_attention_d16_m256)

namespace pd::cuda {
#define PD_DECLARE(name) extern const emulated::Kernel kernel_##name;
PD_ALL_KERNELS(PD_DECLARE)
PD_CANDIDATE_KERNELS(PD_DECLARE)
PD_PLANTED_KERNELS(PD_DECLARE)
#undef PD_DECLARE
}  // namespace pd::cuda

namespace pd::emulated {
namespace {

#define PD_LIST(name) &cuda::kernel_##name,
const Kernel* const kKernels[] = {PD_ALL_KERNELS(PD_LIST)};
const Kernel* const kOthers[] = {PD_CANDIDATE_KERNELS(PD_LIST) PD_PLANTED_KERNELS(PD_LIST)};
#undef PD_LIST

}  // namespace

const Kernel* find_kernel(const char* name) {
  for (const Kernel* kernel : kKernels)
    if (std::strcmp(kernel->name, name) == 0) return kernel;
  for (const Kernel* kernel : kOthers)
    if (std::strcmp(kernel->name, name) == 0) return kernel;
  return nullptr;
}

size_t kernel_count() { return sizeof kKernels / sizeof *kKernels; }

const Kernel& kernel_at(size_t index) { return *kKernels[index]; }

}  // namespace pd::emulated

// What a test of kernels chooses; see Schedule.
extern "C" __attribute__((visibility("default"))) void pd_emulated_set_schedule(uint64_t seed,
                                                                                uint32_t threads) {
  pd::emulated::set_schedule({seed, threads});
}

// What a test asks: rows of ldmatrix that conflicted since it last did.
extern "C" __attribute__((visibility("default"))) uint64_t pd_emulated_take_bank_conflicts() {
  return pd::emulated::take_bank_conflicts();
}
