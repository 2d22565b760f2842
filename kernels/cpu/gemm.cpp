#include "gemm.h"

#include "isa.h"
#include "last_error.h"
#include "product.h"
#include "product_checks.h"

namespace {

const pd::GemmKernels& kernels_of(int32_t isa) {
  switch (isa) {
    case PD_ISA_AMX:
      return pd::kGemmAmx;
    case PD_ISA_AMX_EMULATED:
      return pd::kGemmAmxEmulated;
    case PD_ISA_AVX512:
      return pd::kGemmAvx512;
    case PD_ISA_AVX512_BF16:
      return pd::kGemmAvx512Bf16;
    default:
      return pd::kGemmAvx2;
  }
}

}  // namespace

int64_t pd_cpu_matmul_scratch_bytes(const pd_matmul_args* args) {
  return pd::product_scratch_bytes(*args, kernels_of(args->isa));
}

pd_status pd_cpu_matmul(const pd_matmul_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (pd_status status = pd::check_product(*args)) return status;
  if ((args->segments != 1 && args->segments != 2 && args->segments != 4) || args->k % args->segments != 0)
    return pd::fail(PD_INVALID_ARGUMENT, "%lld inputs do not fall into %d equal segments",
                    static_cast<long long>(args->k), args->segments);
  const pd::GemmKernels& kernels = kernels_of(args->isa);
  const int64_t halves = pd::kUnitColumns / kernels.unit_columns;
  pd::run_product(*args, kernels, pd_cpu_packed_bytes(args->isa, pd::kUnitColumns, args->k) / halves);
  return PD_OK;
}
