// The candidate with half the distance from eight rows of an operand to the next eight.
#include "../../device/tma.h"
#include "../../device/wgmma.h"

#define pd_gemm_wgmma_n128 pd_planted_descriptor_gemm_wgmma_n128
#define pd_gemm_wgmma_n256 pd_planted_descriptor_gemm_wgmma_n256

namespace pd::cuda {
inline u64 close_operand(const bf16* tile) {
  return swizzled_operand(tile) - (u64(kEightRowsBytes / 2 >> 4) << 32);
}
}  // namespace pd::cuda

#define swizzled_operand close_operand
#include "../../candidates/gemm_wgmma.cu"
