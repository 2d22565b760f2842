#include "sgemm.h"

#include "isa.h"
#include "last_error.h"
#include "team.h"

namespace {

// A job's rows and columns: by shape alone, enough jobs even for the gradient of a small weight.
constexpr int64_t kJobRows = 48;
constexpr int64_t kJobColumns = 512;
constexpr int64_t kGradientJobColumns = 64;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

const pd::SgemmKernels& kernels_of(int32_t isa) {
  return pd::uses_avx512(isa) ? pd::kSgemmAvx512 : pd::kSgemmAvx2;
}

struct Product {
  const pd_sgemm_args& args;
  const pd::SgemmKernels& kernels;

  bool is_packed() const { return args.form != PD_SGEMM_TN; }

  // Panel p holds columns [p, p + 1) * tile_columns of b as rows of inner indices, zeros past the last.
  float* panel(int64_t p) const {
    return static_cast<float*>(args.scratch) + p * args.k * kernels.tile_columns;
  }

  void pack() const {
    const int64_t width = kernels.tile_columns;
    pd::parallel(args.team, divide_up(args.n, width), [&](int64_t p, int32_t) {
      float* to = panel(p);
      const int64_t first = p * width, columns = least(width, args.n - first);
      for (int64_t i = 0; i < args.k; i++, to += width)
        for (int64_t j = 0; j < width; j++)
          to[j] = j >= columns               ? 0.0f
                  : args.form == PD_SGEMM_NT ? args.b[(first + j) * args.b_stride + i]
                                             : args.b[i * args.b_stride + first + j];
    });
  }

  void multiply() const {
    const int64_t job_columns = is_packed() ? kJobColumns : kGradientJobColumns;
    const int64_t groups = divide_up(args.n, job_columns);
    pd::parallel(args.team, divide_up(args.m, kJobRows) * groups, [&](int64_t job, int32_t) {
      const int64_t row = job / groups * kJobRows, column = job % groups * job_columns;
      for (int64_t i = 0; i < args.k; i += pd::kSgemmRun)
        run(row, least(row + kJobRows, args.m), column, least(column + job_columns, args.n), i);
    });
  }

  void run(int64_t first_row, int64_t end_row, int64_t first_column, int64_t end_column, int64_t i) const {
    const int64_t width = kernels.tile_columns;
    pd::SgemmTile t;
    t.a_row = is_packed() ? args.a_stride : 1;
    t.a_step = is_packed() ? 1 : args.a_stride;
    t.b_stride = is_packed() ? width : args.b_stride;
    t.c_stride = args.c_stride;
    t.inner = least(pd::kSgemmRun, args.k - i);
    t.adds = i > 0 || args.adds;
    for (int64_t column = first_column; column < end_column; column += width) {
      t.columns = int32_t(least(width, end_column - column));
      t.b = is_packed() ? panel(column / width) + i * width : args.b + i * args.b_stride + column;
      for (int64_t row = first_row; row < end_row; row += kernels.tile_rows) {
        t.rows = int32_t(least(kernels.tile_rows, end_row - row));
        t.a = args.a + row * t.a_row + i * t.a_step;
        t.c = args.c + row * args.c_stride + column;
        kernels.multiply(t);
      }
    }
  }
};

}  // namespace

int64_t pd_cpu_sgemm_scratch_bytes(const pd_sgemm_args* args) {
  if (args->form == PD_SGEMM_TN) return 0;
  const int64_t width = kernels_of(args->isa).tile_columns;
  return divide_up(args->n, width) * width * args->k * int64_t(sizeof(float));
}

pd_status pd_cpu_sgemm(const pd_sgemm_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (args->form != PD_SGEMM_NT && args->form != PD_SGEMM_NN && args->form != PD_SGEMM_TN)
    return pd::fail(PD_INVALID_ARGUMENT, "there is no form %d of a float32 product", args->form);
  const int64_t a_columns = args->form == PD_SGEMM_TN ? args->m : args->k;
  const int64_t b_columns = args->form == PD_SGEMM_NT ? args->k : args->n;
  if (args->m < 0 || args->n < 1 || args->k < 1 || args->a_stride < a_columns || args->b_stride < b_columns ||
      args->c_stride < args->n)
    return pd::fail(PD_INVALID_ARGUMENT, "a float32 product [%lld, %lld] over %lld with these strides",
                    static_cast<long long>(args->m), static_cast<long long>(args->n),
                    static_cast<long long>(args->k));
  const Product product{*args, kernels_of(args->isa)};
  if (product.is_packed()) product.pack();
  product.multiply();
  return PD_OK;
}
