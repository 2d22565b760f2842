#include "rows.h"

#include "isa.h"
#include "last_error.h"
#include "team.h"

namespace {

// Elements of one job: some microseconds of work, more than handing it out costs.
constexpr int64_t kJobElements = 16384;

const pd::RowKernels& kernels_of(int32_t isa) {
  return pd::uses_avx512(isa) ? pd::kRowsAvx512 : pd::kRowsAvx2;
}

template <class F>
void each_row(pd_team* team, int64_t rows, int64_t columns, F&& f) {
  const int64_t per_job = columns < kJobElements ? kJobElements / columns : 1;
  pd::parallel(team, (rows + per_job - 1) / per_job, [&](int64_t job, int32_t) {
    const int64_t end = (job + 1) * per_job < rows ? (job + 1) * per_job : rows;
    for (int64_t row = job * per_job; row < end; row++) f(row);
  });
}

pd_status refuse(int64_t rows, int64_t columns) {
  return pd::fail(PD_INVALID_ARGUMENT, "rows [%lld, %lld] with these strides", static_cast<long long>(rows),
                  static_cast<long long>(columns));
}

}  // namespace

pd_status pd_cpu_rms_norm(const pd_rms_norm_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (args->rows < 0 || args->columns < 1 || args->x_stride < args->columns ||
      args->y_stride < args->columns)
    return refuse(args->rows, args->columns);
  const pd::RowKernels& kernels = kernels_of(args->isa);
  each_row(args->team, args->rows, args->columns, [&](int64_t row) {
    kernels.rms_norm(args->x + row * args->x_stride, args->weight, args->y + row * args->y_stride,
                     args->columns, args->epsilon);
  });
  return PD_OK;
}

pd_status pd_cpu_swiglu(const pd_swiglu_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (args->rows < 0 || args->columns < 1 || args->gate_up_stride < 2 * args->columns ||
      args->y_stride < args->columns)
    return refuse(args->rows, args->columns);
  const pd::RowKernels& kernels = kernels_of(args->isa);
  each_row(args->team, args->rows, args->columns, [&](int64_t row) {
    const float* gate = args->gate_up + row * args->gate_up_stride;
    kernels.swiglu(gate, gate + args->columns, args->y + row * args->y_stride, args->columns);
  });
  return PD_OK;
}

pd_status pd_cpu_sum(const pd_sum_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (args->partial_count != 2 && args->partial_count != 4)
    return pd::fail(PD_INVALID_ARGUMENT, "2 or 4 partial sums are added, not %d", args->partial_count);
  if (args->rows < 0 || args->columns < 1 || args->partial_stride < args->columns ||
      args->y_stride < args->columns)
    return refuse(args->rows, args->columns);
  const pd::RowKernels& kernels = kernels_of(args->isa);
  each_row(args->team, args->rows, args->columns, [&](int64_t row) {
    const float* partials[PD_MAX_PARTIALS] = {};
    for (int32_t i = 0; i < args->partial_count; i++)
      partials[i] = args->partials[i] + row * args->partial_stride;
    kernels.add_partials(partials, args->partial_count, args->bias, args->y + row * args->y_stride,
                         args->columns);
  });
  return PD_OK;
}
