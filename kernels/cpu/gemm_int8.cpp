#include "gemm_int8.h"

#include <cpuid.h>

#include "isa.h"
#include "product.h"
#include "product_checks.h"

namespace {

bool has_vnni() {
  static const bool found = [] {
    unsigned a, b, c, d;
    constexpr unsigned kVnni = 1u << 11;
    return pd::uses_avx512(PD_ISA_AVX512) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & kVnni);
  }();
  return found;
}

}  // namespace

namespace pd {

const Int8Kernels& int8_kernels(int32_t isa) {
  switch (isa) {
    case PD_ISA_AMX:
      return kInt8Amx;
    case PD_ISA_AMX_EMULATED:
      return kInt8AmxEmulated;
    case PD_ISA_AVX512:
    case PD_ISA_AVX512_BF16:
      return has_vnni() ? kInt8Vnni : kInt8Avx2;
    default:
      return kInt8Avx2;
  }
}

}  // namespace pd

int64_t pd_cpu_matmul_int8_scratch_bytes(const pd_matmul_args* args) {
  return pd::product_scratch_bytes(*args, pd::int8_kernels(args->isa).product);
}

pd_status pd_cpu_matmul_int8(const pd_matmul_args* args) {
  if (pd_status status = pd::require_int8(args->isa)) return status;
  if (pd_status status = pd::check_product(*args)) return status;
  if (pd_status status = pd::check_int8_segments(args->k, args->segments)) return status;
  const pd::Int8Kernels& kernels = pd::int8_kernels(args->isa);
  const pd::Int8Shape shape = {args->k, args->segments, kernels.order};
  pd::run_product(*args, kernels.product, shape.unit_bytes());
  return PD_OK;
}
