// The candidate whose sums are not fenced before products add to them.
#include "../../device/tma.h"
#include "../../device/wgmma.h"

#define pd_gemm_wgmma_n128 pd_planted_no_fence_gemm_wgmma_n128
#define pd_gemm_wgmma_n256 pd_planted_no_fence_gemm_wgmma_n256

namespace pd::cuda {
template <int NT>
inline void begin_nothing(float (&)[NT][4]) {}
}  // namespace pd::cuda

#define begin_products begin_nothing
#include "../../candidates/gemm_wgmma.cu"
