// The candidate that tells its barriers of half the bytes that come.
#include "../../device/tma.h"
#include "../../device/wgmma.h"

#define pd_gemm_wgmma_n128 pd_planted_few_bytes_gemm_wgmma_n128
#define pd_gemm_wgmma_n256 pd_planted_few_bytes_gemm_wgmma_n256

namespace pd::cuda {
inline void arrive_expecting_half(u64* barrier, i32 bytes) { arrive_expecting(barrier, bytes / 2); }
}  // namespace pd::cuda

#define arrive_expecting arrive_expecting_half
#include "../../candidates/gemm_wgmma.cu"
