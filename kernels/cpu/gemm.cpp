#include "gemm.h"

#include "isa.h"
#include "last_error.h"
#include "team.h"

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
      return pd::kGemmAvx512;
    default:
      return pd::kGemmAvx2;
  }
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// How an op is cut: by its shape alone.
struct Plan {
  const pd::GemmKernels* kernels;
  int64_t row_bytes;   // of a packed row
  int64_t unit_bytes;  // of a packed unit of weights
  int64_t block_rows;  // rows packed at once; whole tiles
  int64_t units;
  int64_t job_units;
};

// Packed activations of one block of rows: they stay in the L3 cache, and bound the scratch.
constexpr int64_t kBlockBytes = int64_t(8) << 20;
// Weights of one job with many rows: half of a 1 MiB L2 cache leaves room for the activations.
constexpr int64_t kJobWeightBytes = int64_t(384) << 10;
// Read streams of a core with few rows: memory answers several at once faster than one.
constexpr int64_t kStreams = 8;
// Jobs of an op with many rows: enough to share evenly, few enough to load their weights once each.
constexpr int64_t kJobs = 64;
constexpr int64_t kLeastTilesPerJob = 4;
// Multiply-adds of a job: about a millisecond of a core without tile units, so that a lent core is soon back.
constexpr int64_t kJobProducts = int64_t(1) << 26;
// Activations packed by one job.
constexpr int64_t kPackBytes = int64_t(64) << 10;

int64_t padded_rows(const pd::GemmKernels& kernels, int64_t rows) {
  return kernels.even_tail ? rows : divide_up(rows, 16) * 16;
}

Plan plan_of(const pd_matmul_args& args) {
  Plan plan;
  plan.kernels = &kernels_of(args.isa);
  plan.row_bytes = plan.kernels->row_bytes(args.k, args.segments);
  plan.units = divide_up(args.n, pd::kUnitColumns);
  plan.unit_bytes = pd_cpu_packed_bytes(args.isa, pd::kUnitColumns, args.k);
  const int64_t tile_rows = plan.kernels->tile_rows;
  plan.block_rows = most(kBlockBytes / plan.row_bytes / (2 * tile_rows), 4) * 2 * tile_rows;
  plan.job_units =
      args.rows <= tile_rows ? most(kStreams / args.segments, 1) : most(kJobWeightBytes / plan.unit_bytes, 1);
  return plan;
}

// First row of a tile: full tiles, the last two of which may share their rows evenly.
struct RowTiles {
  int64_t rows, tile_rows, count;
  bool even_tail;

  int64_t start(int64_t tile) const {
    if (tile >= count) return rows;
    if (!even_tail || tile + 1 < count || count < 2) return tile * tile_rows;
    const int64_t before = (count - 2) * tile_rows;
    return before + (rows - before + 1) / 2;
  }
};

struct Block {
  const pd_matmul_args& args;
  const Plan& plan;
  RowTiles tiles;
  int64_t first_row;

  bool is_plain() const { return args.rows == 1 && plan.kernels->takes_plain_row; }

  uint8_t* packed(int64_t row) const { return static_cast<uint8_t*>(args.scratch) + row * plan.row_bytes; }

  void pack() const {
    if (is_plain()) return;
    const int64_t per_job = most(kPackBytes / (tiles.tile_rows * args.k * 4), 1);
    pd::parallel(args.team, divide_up(tiles.count, per_job), [&](int64_t job, int32_t) {
      for (int64_t tile = job * per_job; tile < least((job + 1) * per_job, tiles.count); tile++) {
        const int64_t row = tiles.start(tile);
        plan.kernels->pack_rows(args.x + (first_row + row) * args.x_stride, args.x_stride,
                                int32_t(tiles.start(tile + 1) - row), args.k, args.segments, packed(row));
      }
    });
  }

  void multiply() const {
    const int64_t groups = divide_up(plan.units, plan.job_units);
    const int64_t tile_products = tiles.tile_rows * plan.job_units * pd::kUnitColumns * args.k;
    const int64_t job_tiles =
        most(least(divide_up(tiles.count * groups, kJobs), kJobProducts / tile_products), kLeastTilesPerJob);
    const int64_t chunks = divide_up(tiles.count, job_tiles);
    pd::parallel(args.team, groups * chunks, [&](int64_t job, int32_t) {
      const int64_t unit = job / chunks * plan.job_units, first = job % chunks * job_tiles;
      for (int64_t tile = first; tile < least(first + job_tiles, tiles.count); tile++) run(tile, unit);
    });
  }

  void run(int64_t tile, int64_t unit) const {
    const int64_t row = tiles.start(tile), column = unit * pd::kUnitColumns;
    pd::GemmTile it;
    it.a = is_plain() ? static_cast<const void*>(args.x) : packed(row);
    it.w = static_cast<const uint8_t*>(args.w) + unit * plan.unit_bytes;
    it.y = args.y + (first_row + row) * args.y_stride + column;
    it.bias = args.bias ? args.bias + column : nullptr;
    it.k = args.k;
    it.y_stride = args.y_stride;
    it.rows = int32_t(tiles.start(tile + 1) - row);
    it.units = int32_t(least(plan.job_units, plan.units - unit));
    it.segments = args.segments;
    it.last_columns = int32_t(least(args.n - (unit + it.units - 1) * pd::kUnitColumns, pd::kUnitColumns));
    plan.kernels->multiply(it);
  }
};

}  // namespace

int64_t pd_cpu_matmul_scratch_bytes(const pd_matmul_args* args) {
  const Plan plan = plan_of(*args);
  if (args->rows == 1 && plan.kernels->takes_plain_row) return 0;
  return padded_rows(*plan.kernels, least(args->rows, plan.block_rows)) * plan.row_bytes;
}

pd_status pd_cpu_matmul(const pd_matmul_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (args->rows < 0 || args->n < 1 || args->k < 1 || args->x_stride < args->k || args->y_stride < args->n)
    return pd::fail(PD_INVALID_ARGUMENT, "a product of %lld rows by [%lld, %lld] with strides %lld and %lld",
                    static_cast<long long>(args->rows), static_cast<long long>(args->n),
                    static_cast<long long>(args->k), static_cast<long long>(args->x_stride),
                    static_cast<long long>(args->y_stride));
  if ((args->segments != 1 && args->segments != 2 && args->segments != 4) || args->k % args->segments != 0)
    return pd::fail(PD_INVALID_ARGUMENT, "%lld inputs do not fall into %d equal segments",
                    static_cast<long long>(args->k), args->segments);
  const Plan plan = plan_of(*args);
  for (int64_t row = 0; row < args->rows; row += plan.block_rows) {
    const int64_t rows = least(args->rows - row, plan.block_rows), tile_rows = plan.kernels->tile_rows;
    const Block block{
        *args, plan, {rows, tile_rows, divide_up(rows, tile_rows), plan.kernels->even_tail}, row};
    block.pack();
    block.multiply();
  }
  return PD_OK;
}
