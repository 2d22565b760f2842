#include "gemm_int8.h"

#include <cpuid.h>

#include "gemm_epilogue.h"
#include "isa.h"
#include "product_checks.h"
#include "team.h"

namespace {

using pd::Int8Kernels;
using pd::Int8Shape;
using pd::Int8Tile;
using pd::kInt8Columns;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

bool has_vnni() {
  static const bool found = [] {
    unsigned a, b, c, d;
    constexpr unsigned kVnni = 1u << 11;
    return pd::uses_avx512(PD_ISA_AVX512) && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & kVnni);
  }();
  return found;
}

// Packed activations of one block of rows: they stay in the L3 cache, and bound the scratch.
constexpr int64_t kBlockBytes = int64_t(8) << 20;
// Weights of one job with many rows: they stay in a 1 MiB L2 cache beside the activations.
constexpr int64_t kJobWeightBytes = int64_t(384) << 10;
// Units of a job with few rows: memory answers several read streams at once faster than one.
constexpr int64_t kStreams = 8;
// Units of a job that pass over several row tiles: only its first one is not fetched ahead.
constexpr int64_t kUnitsPerPass = 8;
// Packed rows up to which they stay in L2 while units pass over them; with more, rows pass over weights.
constexpr int64_t kPassBytes = int64_t(512) << 10;
// Jobs of an op with many rows: enough to share evenly, few enough to load their weights once each.
constexpr int64_t kJobs = 64;
constexpr int64_t kLeastTilesPerJob = 4;
// Multiply-adds of a job: less than a millisecond of a core, so that a lent core is soon back.
constexpr int64_t kJobProducts = int64_t(1) << 28;
// Activations packed by one job.
constexpr int64_t kPackBytes = int64_t(64) << 10;
// Sums that an epilogue takes at once: 32 KiB of a thread's stack.
constexpr int64_t kFinishFloats = int64_t(8) << 10;

// How an op is cut: by its shape alone.
struct Plan {
  const Int8Kernels* kernels;
  Int8Shape shape;
  int64_t row_bytes;   // of a packed row
  int64_t unit_bytes;  // of a packed unit of weights
  int64_t block_rows;  // rows packed at once; whole tiles
  int64_t units;
};

Plan plan_of(const pd_matmul_args& args) {
  Plan plan;
  plan.kernels = &pd::int8_kernels(args.isa);
  plan.shape = {args.k, args.segments, plan.kernels->order};
  plan.row_bytes = plan.kernels->row_bytes(plan.shape);
  plan.units = divide_up(args.n, kInt8Columns);
  plan.unit_bytes = plan.shape.unit_bytes();
  const int64_t pair = 2 * plan.kernels->tile_rows;
  plan.block_rows = most(kBlockBytes / plan.row_bytes / pair, 4) * pair;
  return plan;
}

// Rows of a block, cut into tiles; where rows need no padding the last two tiles share theirs evenly.
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

  uint8_t* packed(int64_t row) const { return static_cast<uint8_t*>(args.scratch) + row * plan.row_bytes; }

  void pack() const {
    const int64_t per_job = most(kPackBytes / (tiles.tile_rows * args.k * 4), 1);
    pd::parallel(args.team, divide_up(tiles.count, per_job), [&](int64_t job, int32_t) {
      for (int64_t tile = job * per_job; tile < least((job + 1) * per_job, tiles.count); tile++) {
        const int64_t row = tiles.start(tile);
        plan.kernels->pack_rows(args.x + (first_row + row) * args.x_stride, args.x_stride,
                                int32_t(tiles.start(tile + 1) - row), plan.shape, packed(row));
      }
    });
  }

  void multiply() const {
    if (tiles.rows * plan.row_bytes <= kPassBytes)
      pass_units();
    else
      pass_rows();
  }

  // Few rows: all of them by each unit in turn, so that the weights come from memory once and in order.
  void pass_units() const {
    const int64_t job_units = tiles.count == 1 ? most(kStreams / args.segments, 1) : kUnitsPerPass;
    const int64_t step = tiles.count == 1 ? job_units : 1;
    pd::parallel(args.team, divide_up(plan.units, job_units), [&](int64_t job, int32_t) {
      const int64_t end = least((job + 1) * job_units, plan.units);
      for (int64_t unit = job * job_units; unit < end; unit += step)
        for (int64_t tile = 0; tile < tiles.count; tile++) {
          const bool fetches = tiles.count > 1 && unit + 1 < end;
          run(tile, unit, least(step, end - unit), fetches ? unit + 1 : 0);
        }
    });
  }

  // Many rows: a job's weights stay in L2.
  void pass_rows() const {
    const int64_t job_units = most(kJobWeightBytes / plan.unit_bytes, 1);
    const int64_t groups = divide_up(plan.units, job_units);
    const int64_t tile_products = tiles.tile_rows * job_units * kInt8Columns * args.k;
    const int64_t job_tiles =
        most(least(divide_up(tiles.count * groups, kJobs), kJobProducts / tile_products), kLeastTilesPerJob);
    const int64_t chunks = divide_up(tiles.count, job_tiles);
    pd::parallel(args.team, groups * chunks, [&](int64_t job, int32_t) {
      const int64_t unit = job / chunks * job_units, first = job % chunks * job_tiles;
      for (int64_t tile = first; tile < least(first + job_tiles, tiles.count); tile++)
        run(tile, unit, least(job_units, plan.units - unit), 0);
    });
  }

  // Beside its own unit, fetches the tile's share of another one, where that is not unit 0.
  void run(int64_t tile, int64_t unit, int64_t units, int64_t next) const {
    const int64_t row = tiles.start(tile), column = unit * kInt8Columns;
    Int8Tile it;
    it.shape = plan.shape;
    it.a = packed(row);
    it.w = static_cast<const uint8_t*>(args.w) + unit * plan.unit_bytes;
    it.y = args.y + (first_row + row) * args.y_stride + column;
    it.bias = args.bias ? args.bias + column : nullptr;
    it.y_stride = args.y_stride;
    it.rows = int32_t(tiles.start(tile + 1) - row);
    it.units = int32_t(units);
    it.last_columns = int32_t(least(args.n - (unit + units - 1) * kInt8Columns, kInt8Columns));
    it.ahead = nullptr;
    if (next > 0) {
      // Groups of k times the step, times the tiles, cover the unit.
      it.ahead_step = int32_t(divide_up(kInt8Columns * plan.shape.order.group, tiles.count));
      it.ahead = static_cast<const uint8_t*>(args.w) + next * plan.unit_bytes +
                 tile * it.ahead_step * (args.segments * plan.shape.run() / plan.shape.order.group);
    }
    if (args.epilogue == PD_EPILOGUE_STORE)
      plan.kernels->multiply(it);
    else
      multiply_and_finish(it, args.y + (first_row + row) * args.y_stride, column);
  }

  // Some units at a time: their sums go to the stack. y: of the tile's rows, from the first column on.
  void multiply_and_finish(const Int8Tile& all, float* y, int64_t column) const {
    const auto& epilogues = pd::uses_avx512(args.isa) ? pd::kEpiloguesAvx512 : pd::kEpiloguesAvx2;
    const int64_t most_units = most(kFinishFloats / (all.rows * kInt8Columns), 1);
    alignas(64) float sums[kFinishFloats];
    Int8Tile it = all;
    it.y = sums;
    for (int64_t unit = 0; unit < all.units; unit += most_units, column += most_units * kInt8Columns) {
      it.units = int32_t(least(all.units - unit, most_units));
      it.last_columns = unit + it.units == all.units ? all.last_columns : int32_t(kInt8Columns);
      it.y_stride = it.units * kInt8Columns;
      plan.kernels->multiply(it);
      const int64_t columns = (it.units - 1) * kInt8Columns + it.last_columns;
      if (args.epilogue == PD_EPILOGUE_ADD)
        epilogues.add(sums, it.y_stride, it.rows, columns, y + column, args.y_stride);
      else
        epilogues.swiglu(sums, it.y_stride, it.rows, columns / 2, y + column / 2, args.y_stride);
      it.w += it.units * plan.unit_bytes;
      if (it.bias) it.bias += it.units * kInt8Columns;
      it.ahead = nullptr;
    }
  }
};

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
  const Plan plan = plan_of(*args);
  const int64_t multiple = plan.kernels->row_multiple;
  return divide_up(least(args->rows, plan.block_rows), multiple) * multiple * plan.row_bytes;
}

pd_status pd_cpu_matmul_int8(const pd_matmul_args* args) {
  if (pd_status status = pd::require_int8(args->isa)) return status;
  if (pd_status status = pd::check_product(*args)) return status;
  if (pd_status status = pd::check_int8_segments(args->k, args->segments)) return status;
  const Plan plan = plan_of(*args);
  for (int64_t row = 0; row < args->rows; row += plan.block_rows) {
    const int64_t rows = least(args->rows - row, plan.block_rows), tile_rows = plan.kernels->tile_rows;
    const Block block{
        *args, plan, {rows, tile_rows, divide_up(rows, tile_rows), plan.kernels->row_multiple == 1}, row};
    block.pack();
    block.multiply();
  }
  return PD_OK;
}
