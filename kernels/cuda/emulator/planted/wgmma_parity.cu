// The candidate whose consumers take one phase of a barrier for the other.
#include "../../device/tma.h"
#include "../../device/wgmma.h"

#define pd_gemm_wgmma_n128 pd_planted_parity_gemm_wgmma_n128
#define pd_gemm_wgmma_n256 pd_planted_parity_gemm_wgmma_n256

namespace pd::cuda {
inline void await_other_phase(u64* barrier, u32 parity) {
  await_phase(barrier, thread_x() >= 256 ? parity : parity ^ 1);
}
}  // namespace pd::cuda

#define await_phase await_other_phase
#include "../../candidates/gemm_wgmma.cu"
