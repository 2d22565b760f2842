#include "product_checks.h"

#include "gemm.h"
#include "last_error.h"

namespace pd {

pd_status check_product(const pd_matmul_args& args) {
  const bool swiglu = args.epilogue == PD_EPILOGUE_SWIGLU;
  const int64_t outputs = swiglu ? args.n / 2 : args.n;
  if (args.rows < 0 || args.n < 1 || args.k < 1 || args.x_stride < args.k || args.y_stride < outputs)
    return fail(PD_INVALID_ARGUMENT, "a product of %lld rows by [%lld, %lld] with strides %lld and %lld",
                static_cast<long long>(args.rows), static_cast<long long>(args.n),
                static_cast<long long>(args.k), static_cast<long long>(args.x_stride),
                    static_cast<long long>(args.y_stride));
  if (args.epilogue < PD_EPILOGUE_STORE || args.epilogue > PD_EPILOGUE_SWIGLU ||
      (swiglu && args.n % kUnitColumns != 0))
    return fail(PD_INVALID_ARGUMENT, "there is no epilogue %d of %lld outputs", args.epilogue,
                    static_cast<long long>(args.n));
  return PD_OK;
}

pd_status check_rows_to_pack(int64_t n, int64_t k, int64_t first, int64_t count) {
  const int64_t end = first + count;
  if (n < 1 || k < 1 || first < 0 || count < 0 || end > n || first % kUnitColumns != 0 ||
      (end % kUnitColumns != 0 && end != n))
    return fail(PD_INVALID_ARGUMENT, "rows [%lld, %lld) of [%lld, %lld] are no whole units of 32",
                static_cast<long long>(first), static_cast<long long>(end), static_cast<long long>(n),
                static_cast<long long>(k));
  return PD_OK;
}

pd_status check_ids(const int32_t* ids, int64_t count, int64_t n, int64_t k) {
  for (int64_t i = 0; i < count; i++)
    if (ids[i] < 0 || ids[i] >= n)
      return fail(PD_INVALID_ARGUMENT, "id %d at %lld is not a row of [%lld, %lld]", ids[i],
                  static_cast<long long>(i), static_cast<long long>(n), static_cast<long long>(k));
  return PD_OK;
}

}  // namespace pd
