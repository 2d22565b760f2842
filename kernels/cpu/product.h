// A product of any kind of weights, cut into jobs for the team; gemm.h says how.
#pragma once
#include "gemm.h"
#include "pd_cpu.h"

namespace pd {

int64_t product_scratch_bytes(const pd_matmul_args& args, const GemmKernels& kernels);
// The arguments are checked; unit_bytes is of the kernels' unit of packed weights.
void run_product(const pd_matmul_args& args, const GemmKernels& kernels, int64_t unit_bytes);

}  // namespace pd
