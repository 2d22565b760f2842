#include "gemm.h"

#include <immintrin.h>
#include <sched.h>

#include <atomic>

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
      return pd::kGemmAvx512Bf16;
    default:
      return pd::kGemmAvx2;
  }
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Packed activations of one block of rows: they stay in the L3 cache, and bound the scratch.
constexpr int64_t kBlockBytes = int64_t(8) << 20;
// Rows are few while their packed activations leave most of a 1 MiB L2 cache to the weights that pass.
constexpr int64_t kFewBytes = int64_t(384) << 10;
// Weights of one job with many rows: half of an L2 cache leaves room for the activations.
constexpr int64_t kJobWeightBytes = int64_t(384) << 10;
// Jobs of an op with many rows: enough to share evenly, few enough to load their weights once each.
constexpr int64_t kJobs = 96;
constexpr int64_t kLeastTilesPerJob = 4;
// Jobs of a thread with few rows.
constexpr int64_t kJobsPerThread = 8;
// Multiply-adds of a job: about half a millisecond of a core without tile units, so that a lent core is soon
// back.
constexpr int64_t kJobProducts = int64_t(1) << 26;
// Activations packed by one job, in elements.
constexpr int64_t kPackElements = int64_t(8) << 10;
constexpr int64_t kMaxWalks = 64;
constexpr int kSpinTurns = 4000;
// Lines of the first weights that a thread fetches while it waits for activations.
constexpr int64_t kFirstLines = 24;

int64_t padded_rows(const pd::GemmKernels& kernels, int64_t rows) {
  return kernels.even_rows ? rows : divide_up(rows, 16) * 16;
}

struct Plan {
  const pd::GemmKernels* kernels;
  int64_t row_bytes;   // of a packed row
  int64_t unit_bytes;  // of a packed unit of weights
  int64_t block_rows;  // rows packed at once; whole tiles
  int64_t units;

  explicit Plan(const pd_matmul_args& args) : kernels(&kernels_of(args.isa)) {
    const int64_t tile_rows = kernels->tile_rows, columns = kernels->unit_columns;
    row_bytes = kernels->row_bytes(args.k, args.segments);
    units = divide_up(args.n, columns);
    unit_bytes = pd_cpu_packed_bytes(args.isa, pd::kUnitColumns, args.k) / (pd::kUnitColumns / columns);
    block_rows = most(kBlockBytes / row_bytes / (2 * tile_rows), 4) * 2 * tile_rows;
  }
};

struct RowTiles {
  int64_t rows, tile_rows, count;
  bool even;

  RowTiles(int64_t rows, const pd::GemmKernels& kernels)
      : rows(rows),
        tile_rows(kernels.tile_rows),
        count(divide_up(rows, kernels.tile_rows)),
        even(kernels.even_rows) {}

  int64_t start(int64_t tile) const {
    return even ? tile * rows / count : least(tile * tile_rows, rows);
  }
};

// A run of units that is one thread's own, in groups that are multiplied side by side. Who has come to the
// end of his own helps the others.
struct alignas(64) Walk {
  std::atomic<int64_t> next{0};  // group
  int64_t first, units, groups;

  int64_t start(int64_t group) const { return first + group * units / groups; }
};

// One block of rows. Its jobs are packing, then multiplying: the counter of jobs hands packing out first, so
// that who waits for packed rows waits for threads at work, never for a job that nobody has.
class Product {
 public:
  Product(const pd_matmul_args& args, const Plan& plan, int64_t first_row, int64_t rows)
      : args_(args), plan_(plan), tiles_(rows, *plan.kernels), first_row_(first_row) {
    plain_ = args.rows == 1 && plan.kernels->takes_plain_row;
    pack_tiles_ = most(kPackElements / (tiles_.tile_rows * args.k), 1);
    pack_jobs_ = plain_ ? 0 : divide_up(tiles_.count, pack_tiles_);
    few_ = rows * plan.row_bytes <= kFewBytes;
    if (few_)
      cut_few();
    else
      cut_many();
  }

  void run() {
    pd::parallel(args_.team, pack_jobs_ + jobs_, [&](int64_t job, int32_t slot) {
      if (job < pack_jobs_) return pack(job);
      await_packed(slot);
      if (few_)
        walk(slot);
      else
        multiply_block(job - pack_jobs_);
    });
  }

 private:
  void cut_few() {
    const int64_t walks = least(least(pd::team_size(args_.team), kMaxWalks), plan_.units);
    const int64_t widest = plan_.kernels->group_units(int32_t(tiles_.start(1)));
    const int64_t products = tiles_.rows * widest * plan_.kernels->unit_columns * args_.k;
    walk_count_ = walks;
    const int64_t even_share = divide_up(plan_.units, walks * widest * kJobsPerThread);
    run_groups_ = most(least(even_share, kJobProducts / products), 1);
    jobs_ = 0;
    for (int64_t i = 0; i < walks; i++) {
      Walk& walk = walks_[i];
      walk.first = i * plan_.units / walks;
      walk.units = (i + 1) * plan_.units / walks - walk.first;
      walk.groups = divide_up(walk.units, widest);
      jobs_ += divide_up(walk.groups, run_groups_);
    }
  }

  void cut_many() {
    blocks_ = divide_up(plan_.units, most(kJobWeightBytes / plan_.unit_bytes, 1));
    const int64_t block_units = divide_up(plan_.units, blocks_);
    const int64_t tile_products = tiles_.tile_rows * block_units * plan_.kernels->unit_columns * args_.k;
    const int64_t even_share = divide_up(tiles_.count * blocks_, kJobs);
    const int64_t job_tiles = most(least(even_share, kJobProducts / tile_products), kLeastTilesPerJob);
    chunks_ = divide_up(tiles_.count, job_tiles);
    jobs_ = blocks_ * chunks_;
  }

  uint8_t* packed(int64_t row) const { return static_cast<uint8_t*>(args_.scratch) + row * plan_.row_bytes; }

  void pack(int64_t job) {
    for (int64_t tile = job * pack_tiles_; tile < least((job + 1) * pack_tiles_, tiles_.count); tile++) {
      const int64_t row = tiles_.start(tile);
      plan_.kernels->pack_rows(args_.x + (first_row_ + row) * args_.x_stride, args_.x_stride,
                               int32_t(tiles_.start(tile + 1) - row), args_.k, args_.segments, packed(row));
    }
    packed_.fetch_add(1, std::memory_order_release);
  }

  void await_packed(int32_t slot) {
    if (packed_.load(std::memory_order_acquire) == pack_jobs_) return;
    if (few_) {
      const Walk& own = walks_[slot % walk_count_];
      const auto* w = static_cast<const uint8_t*>(args_.w) + own.first * plan_.unit_bytes;
      for (int64_t unit = 0; unit < own.start(1) - own.first; unit++)
        for (int64_t line = 0; line < kFirstLines; line++)
          _mm_prefetch(reinterpret_cast<const char*>(w + unit * plan_.unit_bytes + line * 64), _MM_HINT_T0);
    }
    for (int turns = 0; packed_.load(std::memory_order_acquire) != pack_jobs_; turns++)
      turns < kSpinTurns ? _mm_pause() : void(sched_yield());
  }

  // As many jobs as there are runs of groups: each finds one.
  void walk(int32_t slot) {
    for (int64_t i = 0; i < walk_count_; i++) {
      Walk& walk = walks_[(slot + i) % walk_count_];
      if (walk.next.load(std::memory_order_relaxed) >= walk.groups) continue;
      const int64_t first = walk.next.fetch_add(run_groups_, std::memory_order_relaxed);
      if (first >= walk.groups) continue;
      for (int64_t group = first; group < least(first + run_groups_, walk.groups); group++) stop(walk, group);
      return;
    }
  }

  void stop(const Walk& walk, int64_t group) {
    const int64_t unit = walk.start(group), end = walk.start(group + 1);
    const uint8_t* next = group + 1 < walk.groups ? weights(end) : nullptr;
    for (int64_t tile = 0; tile < tiles_.count; tile++)
      run(tile, unit, end - unit, next, int32_t(tile), int32_t(tiles_.count));
  }

  void multiply_block(int64_t job) {
    const int64_t block = job / chunks_, chunk = job % chunks_;
    const int64_t unit = block * plan_.units / blocks_, end = (block + 1) * plan_.units / blocks_;
    for (int64_t tile = chunk * tiles_.count / chunks_; tile < (chunk + 1) * tiles_.count / chunks_; tile++)
      run(tile, unit, end - unit, nullptr, 0, 1);
  }

  const uint8_t* weights(int64_t unit) const {
    return static_cast<const uint8_t*>(args_.w) + unit * plan_.unit_bytes;
  }

  void run(int64_t tile, int64_t unit, int64_t units, const uint8_t* next, int32_t turn, int32_t turns) {
    const int64_t row = tiles_.start(tile), unit_columns = plan_.kernels->unit_columns;
    const int64_t column = unit * unit_columns;
    pd::GemmTile it;
    it.a = plain_ ? static_cast<const void*>(args_.x) : packed(row);
    it.w = weights(unit);
    it.y = args_.y + (first_row_ + row) * args_.y_stride + column;
    it.bias = args_.bias ? args_.bias + column : nullptr;
    it.next = next;
    it.k = args_.k;
    it.y_stride = args_.y_stride;
    it.rows = int32_t(tiles_.start(tile + 1) - row);
    it.units = int32_t(units);
    it.segments = args_.segments;
    it.last_columns = int32_t(least(args_.n - (unit + units - 1) * unit_columns, unit_columns));
    it.turn = turn;
    it.turns = turns;
    plan_.kernels->multiply(it);
  }

  const pd_matmul_args& args_;
  const Plan& plan_;
  const RowTiles tiles_;
  const int64_t first_row_;
  bool plain_, few_;
  int64_t pack_tiles_, pack_jobs_, jobs_ = 0;
  int64_t walk_count_ = 0, run_groups_ = 0;  // few rows
  int64_t blocks_ = 0, chunks_ = 0;          // many rows
  alignas(64) std::atomic<int64_t> packed_{0};
  Walk walks_[kMaxWalks];
};

}  // namespace

int64_t pd_cpu_matmul_scratch_bytes(const pd_matmul_args* args) {
  const Plan plan(*args);
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
  const Plan plan(*args);
  for (int64_t row = 0; row < args->rows; row += plan.block_rows)
    Product(*args, plan, row, least(args->rows - row, plan.block_rows)).run();
  return PD_OK;
}
