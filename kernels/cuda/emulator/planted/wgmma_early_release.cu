// The candidate whose consumers give a stage back while their products may still read it.
#include "../../device/tma.h"
#include "../../device/wgmma.h"

#define pd_gemm_wgmma_n128 pd_planted_early_release_gemm_wgmma_n128
#define pd_gemm_wgmma_n256 pd_planted_early_release_gemm_wgmma_n256

namespace pd::cuda {
template <int LEFT, int NT>
inline void await_fewer(float (&sums)[NT][4]) {
  await_products<LEFT == 0 ? 0 : 2>(sums);
}
}  // namespace pd::cuda

#define await_products await_fewer
#include "../../candidates/gemm_wgmma.cu"
