// The candidate that brings operands into stages which nobody has given back.
#include "../../device/tma.h"
#include "../../device/wgmma.h"

#define pd_gemm_wgmma_n128 pd_planted_stage_reuse_gemm_wgmma_n128
#define pd_gemm_wgmma_n256 pd_planted_stage_reuse_gemm_wgmma_n256

namespace pd::cuda {
inline void await_as_consumer(u64* barrier, u32 parity) {
  if (thread_x() < 256) await_phase(barrier, parity);
}
}  // namespace pd::cuda

#define await_phase await_as_consumer
#include "../../candidates/gemm_wgmma.cu"
