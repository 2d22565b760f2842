#include "product.h"

#include <immintrin.h>
#include <sched.h>

#include <atomic>

#include "gemm_epilogue.h"
#include "isa.h"
#include "team.h"

namespace {

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
// Sums that an epilogue takes at once: 32 KiB of a thread's stack, and at least 32 rows by 32 columns.
constexpr int64_t kFinishFloats = int64_t(8) << 10;
constexpr int64_t kMaxWalks = 64;
constexpr int kSpinTurns = 4000;

int64_t padded_rows(const pd::GemmKernels& kernels, int64_t rows) {
  return kernels.even_rows ? rows : divide_up(rows, 16) * 16;
}

struct Plan {
  const pd::GemmKernels* kernels;
  const pd::GemmEpilogues* epilogues;
  int64_t unit_bytes;  // of a packed unit of weights
  int64_t row_bytes;   // of a packed row
  int64_t block_rows;  // rows packed at once; whole tiles
  int64_t units;
  int64_t stride_units;  // units go in whole strides: gate and up of a column stay together

  Plan(const pd_matmul_args& args, const pd::GemmKernels& kernels, int64_t unit_bytes)
      : kernels(&kernels),
        epilogues(pd::uses_avx512(args.isa) ? &pd::kEpiloguesAvx512 : &pd::kEpiloguesAvx2),
        unit_bytes(unit_bytes) {
    const int64_t tile_rows = kernels.tile_rows, columns = kernels.unit_columns;
    row_bytes = kernels.row_bytes(args.k, args.segments);
    units = divide_up(args.n, columns);
    stride_units = args.epilogue == PD_EPILOGUE_SWIGLU ? pd::kUnitColumns / columns : 1;
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
  int64_t first, strides, stride_units, groups;

  int64_t start(int64_t group) const { return (first + group * strides / groups) * stride_units; }
};

// With many rows: chunks of rows that are one thread's own, packed and then multiplied block after block, so
// that cores without a common cache hand few rows to each other. Who is done with his own helps the others.
struct alignas(64) Share {
  std::atomic<int64_t> next_pack{0}, next{0};
  int64_t first_pack, pack_end, first_chunk, chunk_end;
};

// A row tile's place in its stop.
struct Turn {
  const uint8_t* next;
  int32_t index, count;
  bool cold;
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
      if (job < pack_jobs_) return few_ ? pack(job) : pack_share(slot);
      await_packed();
      if (few_)
        walk(slot);
      else
        multiply_share(slot);
    });
  }

 private:
  void cut_few() {
    const int64_t strides = plan_.units / plan_.stride_units;
    const int64_t widest = most(plan_.kernels->group_units(int32_t(tiles_.start(1))) / plan_.stride_units, 1);
    const int64_t group_units = widest * plan_.stride_units;
    walk_count_ = least(least(pd::team_size(args_.team), kMaxWalks), strides);
    const int64_t products = tiles_.rows * group_units * plan_.kernels->unit_columns * args_.k;
    const int64_t even_share = divide_up(strides, walk_count_ * widest * kJobsPerThread);
    run_groups_ = most(least(even_share, kJobProducts / products), 1);
    for (int64_t i = 0; i < walk_count_; i++) {
      Walk& walk = walks_[i];
      walk.first = i * strides / walk_count_;
      walk.strides = (i + 1) * strides / walk_count_ - walk.first;
      walk.stride_units = plan_.stride_units;
      walk.groups = divide_up(walk.strides, widest);
      jobs_ += divide_up(walk.groups, run_groups_);
    }
  }

  void cut_many() {
    const int64_t widest = plan_.kernels->group_units(plan_.kernels->tile_rows);
    const bool fits = plan_.units % widest == 0 && widest % plan_.stride_units == 0;
    block_step_ = fits ? widest : plan_.stride_units;
    const int64_t steps = plan_.units / block_step_;
    blocks_ = least(divide_up(plan_.units, most(kJobWeightBytes / plan_.unit_bytes, 1)), steps);
    const int64_t block_units = divide_up(plan_.units, blocks_);
    const int64_t tile_products = tiles_.tile_rows * block_units * plan_.kernels->unit_columns * args_.k;
    const int64_t even_share = divide_up(tiles_.count * blocks_, kJobs);
    const int64_t job_tiles = most(least(even_share, kJobProducts / tile_products), kLeastTilesPerJob);
    chunks_ = divide_up(tiles_.count, job_tiles);
    jobs_ = blocks_ * chunks_;
    share_count_ = least(least(pd::team_size(args_.team), kMaxWalks), chunks_);
    for (int64_t i = 0; i < share_count_; i++) {
      Share& share = shares_[i];
      share.first_pack = i * pack_jobs_ / share_count_;
      share.pack_end = (i + 1) * pack_jobs_ / share_count_;
      share.first_chunk = i * chunks_ / share_count_;
      share.chunk_end = (i + 1) * chunks_ / share_count_;
    }
  }

  // As many jobs as there are in all shares: each finds one.
  void pack_share(int32_t slot) {
    for (int64_t i = 0; i < share_count_; i++) {
      Share& share = shares_[(slot + i) % share_count_];
      const int64_t count = share.pack_end - share.first_pack;
      if (share.next_pack.load(std::memory_order_relaxed) >= count) continue;
      const int64_t at = share.next_pack.fetch_add(1, std::memory_order_relaxed);
      if (at < count) return pack(share.first_pack + at);
    }
  }

  void multiply_share(int32_t slot) {
    for (int64_t i = 0; i < share_count_; i++) {
      Share& share = shares_[(slot + i) % share_count_];
      const int64_t count = share.chunk_end - share.first_chunk;
      if (share.next.load(std::memory_order_relaxed) >= blocks_ * count) continue;
      const int64_t at = share.next.fetch_add(1, std::memory_order_relaxed);
      if (at >= blocks_ * count) continue;
      return multiply_block(at / count, share.first_chunk + at % count, at % count + 1 == count);
    }
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

  bool is_packed() const { return packed_.load(std::memory_order_acquire) == pack_jobs_; }

  void await_packed() const {
    for (int turns = 0; !is_packed(); turns++) turns < kSpinTurns ? _mm_pause() : void(sched_yield());
  }

  // As many jobs as there are runs of groups: each finds one.
  void walk(int32_t slot) {
    for (int64_t i = 0; i < walk_count_; i++) {
      Walk& walk = walks_[(slot + i) % walk_count_];
      if (walk.next.load(std::memory_order_relaxed) >= walk.groups) continue;
      const int64_t first = walk.next.fetch_add(run_groups_, std::memory_order_relaxed);
      if (first >= walk.groups) continue;
      const bool follows = i == 0 && first > 0;
      for (int64_t group = first; group < least(first + run_groups_, walk.groups); group++)
        stop(walk, group, !follows && group == first);
      return;
    }
  }

  void stop(const Walk& walk, int64_t group, bool cold) {
    const int64_t unit = walk.start(group), end = walk.start(group + 1);
    const uint8_t* next = group + 1 < walk.groups ? weights(end) : nullptr;
    for (int64_t tile = 0; tile < tiles_.count; tile++)
      run(tile, unit, end - unit, {next, int32_t(tile), int32_t(tiles_.count), cold});
  }

  // A share's last job of a block fetches the weights of the next one.
  void multiply_block(int64_t block, int64_t chunk, bool ends) {
    const bool is_last = ends && block + 1 < blocks_;
    const int64_t unit = block_start(block), end = block_start(block + 1);
    const uint8_t* next = is_last ? weights(end) : nullptr;
    const int64_t first = chunk * tiles_.count / chunks_, end_tile = (chunk + 1) * tiles_.count / chunks_;
    for (int64_t tile = first; tile < end_tile; tile++)
      run(tile, unit, end - unit,
          {next, is_last ? int32_t(tile - first) : 0, is_last ? int32_t(end_tile - first) : 1, false});
  }

  int64_t block_start(int64_t block) const {
    return block * (plan_.units / block_step_) / blocks_ * block_step_;
  }

  const uint8_t* weights(int64_t unit) const {
    return static_cast<const uint8_t*>(args_.w) + unit * plan_.unit_bytes;
  }

  void run(int64_t tile, int64_t unit, int64_t units, const Turn& turn) const {
    const int64_t row = tiles_.start(tile), unit_columns = plan_.kernels->unit_columns;
    const int64_t column = unit * unit_columns;
    pd::GemmTile it;
    it.a = plain_ ? static_cast<const void*>(args_.x) : packed(row);
    it.w = weights(unit);
    it.y = args_.y + (first_row_ + row) * args_.y_stride + column;
    it.bias = args_.bias ? args_.bias + column : nullptr;
    it.next = turn.next;
    it.k = args_.k;
    it.y_stride = args_.y_stride;
    it.rows = int32_t(tiles_.start(tile + 1) - row);
    it.units = int32_t(units);
    it.segments = args_.segments;
    it.last_columns = int32_t(least(args_.n - (unit + units - 1) * unit_columns, unit_columns));
    it.turn = turn.index;
    it.turns = turn.count;
    it.cold = turn.cold;
    if (args_.epilogue == PD_EPILOGUE_STORE)
      plan_.kernels->multiply(it);
    else
      multiply_and_finish(it, unit);
  }

  // Some units at a time: their sums go to the stack.
  void multiply_and_finish(const pd::GemmTile& all, int64_t first_unit) const {
    const int64_t columns = plan_.kernels->unit_columns, stride = plan_.stride_units;
    const int64_t most_units = most(kFinishFloats / (all.rows * columns) / stride * stride, stride);
    alignas(64) float sums[kFinishFloats];
    for (int64_t unit = 0; unit < all.units; unit += most_units) {
      const int64_t units = least(all.units - unit, most_units);
      pd::GemmTile it = all;
      it.w += unit * plan_.unit_bytes;
      if (it.next) it.next += unit * plan_.unit_bytes;
      if (it.bias) it.bias += unit * columns;
      it.units = int32_t(units);
      if (unit + units < all.units) it.last_columns = int32_t(columns);
      it.y = sums;
      it.y_stride = units * columns;
      if (args_.epilogue == PD_EPILOGUE_ADD)
        fetch(it, all.y + unit * columns);
      plan_.kernels->multiply(it);
      finish(it, all.y - first_unit * columns, (first_unit + unit) * columns);
    }
  }

  // What is added to comes from the other core's cache or L3 while the tile is multiplied.
  void fetch(const pd::GemmTile& it, const float* y) const {
    const int64_t columns = it.units * plan_.kernels->unit_columns;
    for (int64_t row = 0; row < it.rows; row++, y += args_.y_stride)
      for (int64_t i = 0; i < columns; i += 16) __builtin_prefetch(y + i, 1);
  }

  // row: of y, from its first column on.
  void finish(const pd::GemmTile& it, float* row, int64_t column) const {
    const int64_t columns = (it.units - 1) * plan_.kernels->unit_columns + it.last_columns;
    if (args_.epilogue == PD_EPILOGUE_ADD)
      plan_.epilogues->add(it.y, it.y_stride, it.rows, columns, row + column, args_.y_stride);
    else
      plan_.epilogues->swiglu(it.y, it.y_stride, it.rows, columns / 2, row + column / 2, args_.y_stride);
  }

  const pd_matmul_args& args_;
  const Plan& plan_;
  const RowTiles tiles_;
  const int64_t first_row_;
  bool plain_, few_;
  int64_t pack_tiles_, pack_jobs_, jobs_ = 0;
  int64_t walk_count_ = 0, run_groups_ = 0;  // few rows
  int64_t blocks_ = 0, chunks_ = 0;          // many rows
  int64_t block_step_ = 1;                   // a block has whole groups, where these come out even
  alignas(64) std::atomic<int64_t> packed_{0};
  Walk walks_[kMaxWalks];
  int64_t share_count_ = 0;
  Share shares_[kMaxWalks];
};

}  // namespace

int64_t pd::product_scratch_bytes(const pd_matmul_args& args, const GemmKernels& kernels) {
  if (args.rows == 1 && kernels.takes_plain_row) return 0;
  const Plan plan(args, kernels, 0);
  return padded_rows(kernels, least(args.rows, plan.block_rows)) * plan.row_bytes;
}

void pd::run_product(const pd_matmul_args& args, const GemmKernels& kernels, int64_t unit_bytes) {
  const Plan plan(args, kernels, unit_bytes);
  for (int64_t row = 0; row < args.rows; row += plan.block_rows)
    Product(args, plan, row, least(args.rows - row, plan.block_rows)).run();
}
