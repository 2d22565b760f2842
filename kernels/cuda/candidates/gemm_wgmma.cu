// gemm.cu's product by the copy engine and the warpgroup products of sm_90a: a candidate, which nothing but
// bench/gpu-check launches. Tiles, segments, the order of columns and what becomes of the sums are gemm.cu's
// own; whether a step of 16 columns has the same bits in wgmma as in mma.sync, only a GPU can say.
#include "../device/tma.h"
#include "../device/wgmma.h"

namespace pd::cuda {

// Two warpgroups of consumers, 64 rows of a tile each, and one warp that brings them operands.
constexpr i32 kWgmmaThreads = 2 * 128 + 32;
constexpr i32 kWgmmaBarrierBytes = 128;  // behind the stages

// pd_gemm_wgmma_n{128,256}: what pd_gemm_* does, in tiles of 128 rows by as many outputs, of 3 and 4 stages.
// n256 takes one segment, or segments apart. grid as pd_gemm_*, block kWgmmaThreads; shared memory
// gemm_shared_bytes of the tile and kWgmmaBarrierBytes. Launched when the kernel before has ended or not.
struct WgmmaGemmArgs {
  // [columns of a segment, segments, rows] bf16, in boxes of [64, 1, tile rows] and [64, 1, tile outputs] of
  // the 128-byte swizzle: what lies behind a segment's last column is outside of it, and so zero.
  TensorMap input, weight;
  GemmArgs gemm;  // its input and weight are not read
};
static_assert(sizeof(WgmmaGemmArgs) == 384, "as CudaWgmmaGemmArgs");

namespace {
template <i32 OUTPUTS, i32 STAGES>
DEVICE void multiply_by_warpgroups(const WgmmaGemmArgs& args);
}

PD_KERNEL(pd_gemm_wgmma_n128, WgmmaGemmArgs, kWgmmaThreads, 1) { multiply_by_warpgroups<128, 3>(args); }
PD_KERNEL(pd_gemm_wgmma_n256, WgmmaGemmArgs, kWgmmaThreads, 1) { multiply_by_warpgroups<256, 4>(args); }

}  // namespace pd::cuda

// Of gemm.cu all but its kernels: templates that nobody uses are not compiled.
#undef PD_KERNEL_AHEAD
#define PD_KERNEL_AHEAD(name, Args, threads, blocks_per_sm) \
  template <class>                                          \
  DEVICE void name##_unused(const Args& args)
#include "../gemm.cu"

namespace pd::cuda {
namespace {

constexpr i32 kConsumerWarps = 8;
constexpr i32 kStepColumns = kGemmDepth;  // a row of a stage is the 128 bytes that the swizzle is of

// The stage of a step, and the parity of the phase that the stage's barriers are in: the n-th time round.
template <i32 STAGES>
struct Turn {
  i32 slot = 0;
  u32 parity = 0;

  DEVICE void next() {
    slot++;
    if (slot < STAGES) return;
    slot = 0;
    parity ^= 1;
  }
};

// full[s]: the operands of stage s have come. empty[s]: all consumers are done with them.
template <i32 STAGES>
struct StageBarriers {
  u64* full;
  u64* empty;

  DEVICE explicit StageBarriers(void* behind) : full(static_cast<u64*>(behind)), empty(full + STAGES) {
    static_assert(2 * STAGES * sizeof(u64) <= kWgmmaBarrierBytes, "room behind the stages");
  }
  DEVICE void make_ready() const {
    for (i32 stage = 0; stage < STAGES; stage++) {
      init_barrier(full + stage, 1);
      init_barrier(empty + stage, kConsumerWarps);
    }
    publish_barriers();
  }
};

// One thread brings the operands of all steps, as stages become free.
template <class Tile>
DEVICE void bring_operands(const WgmmaGemmArgs& args, const Range& range, const Place& place, bf16* stages,
                           const StageBarriers<Tile::kStages>& barriers) {
  prefetch_map(&args.input);
  prefetch_map(&args.weight);
  Turn<Tile::kStages> turn;
  for (i32 segment = range.first_segment; segment < range.first_segment + range.segments; segment++)
    for (i32 column = 0; column < range.length; column += kStepColumns) {
      bf16* stage = stages + turn.slot * Tile::kStageElements;
      u64* full = barriers.full + turn.slot;
      // Of the phase before the first, where nobody has read the stage yet, there is nothing to wait for.
      await_phase(barriers.empty + turn.slot, turn.parity ^ 1);
      arrive_expecting(full, Tile::kStageElements * 2);
      load_box(stage, &args.input, full, column, segment, place.row);
      load_box(stage + Tile::kRows * kStepColumns, &args.weight, full, column, segment, place.output);
      turn.next();
    }
}

// 64 columns of a warpgroup's 64 rows, 16 at a time. The products are under way when this returns.
template <class Tile>
DEVICE void multiply_stage(Sums<Tile>& sums, u64 left, u64 right) {
  constexpr u64 kNextOutputs = 128 / 8 * kEightRowsBytes >> 4;
  begin_products(sums.at[0]);
#pragma unroll
  for (i32 k = 0; k < kStepColumns / 16; k++) {
    multiply_async<0>(sums.at[0], left + k * kNextColumns, right + k * kNextColumns);
    if constexpr (Tile::kOutputs == 256)
      multiply_async<16>(sums.at[0], left + k * kNextColumns, right + kNextOutputs + k * kNextColumns);
  }
  end_products();
}

// A warpgroup's steps. A stage is given back when the step after it is under way, so that the tensor cores
// always have one to go on with; at the end of a segment, when its sums are there.
template <class Tile>
DEVICE void multiply_steps(const Range& range, Sums<Tile>& sums, bf16* stages, float* room,
                           const StageBarriers<Tile::kStages>& barriers) {
  const i32 warpgroup = warp_of(thread_x()) / 4;
  const bool arrives = lane_of(thread_x()) == 0;
  Turn<Tile::kStages> turn;
  for (i32 segment = 0; segment < range.segments; segment++) {
    i32 before = -1;  // the stage whose products may be under way
    for (i32 step = 0; step < range.steps; step++) {
      const bf16* stage = stages + turn.slot * Tile::kStageElements;
      await_phase(barriers.full + turn.slot, turn.parity);
      multiply_stage(sums, swizzled_operand(stage + warpgroup * 64 * kStepColumns),
                     swizzled_operand(stage + Tile::kRows * kStepColumns));
      await_products<1>(sums.at[0]);
      if (arrives && before >= 0) arrive(barriers.empty + before);
      before = turn.slot;
      turn.next();
    }
    await_products<0>(sums.at[0]);
    if (arrives) arrive(barriers.empty + before);
    if constexpr (Tile::kHasSegments) end_segment(sums, segment, range.segments, room);
  }
}

template <i32 OUTPUTS, i32 STAGES>
DEVICE void multiply_by_warpgroups(const WgmmaGemmArgs& args) {
  // A warp's sixteen rows by all outputs lie in wgmma's sums as in those of sixteen rows of mma.m16n8k16.
  using Tile = GemmTile<128, OUTPUTS, 16, OUTPUTS, STAGES>;
  static_assert(Tile::kThreads == kConsumerWarps * 32, "a warp has rows of its own");
  const GemmArgs& gemm = args.gemm;
  bf16* stages = shared_memory<bf16>();
  bf16* behind = stages + Tile::kStages * Tile::kStageElements;
  float* room = reinterpret_cast<float*>(behind + kWgmmaBarrierBytes / 2);
  const StageBarriers<STAGES> barriers(behind);
  const Range range(gemm);
  const Place place(gemm, Tile::kRows, Tile::kOutputs);
  const i32 warp = warp_of(thread_x());
  if (thread_x() == 0) barriers.make_ready();
  sync_block();
  if (warp == kConsumerWarps) {
    if (lane_of(thread_x()) == 0) bring_operands<Tile>(args, range, place, stages, barriers);
    // Where segments are gathered, the block meets twice (gather_segments), this warp among it.
    sync_warp();
    for (i32 meeting = 0; meeting < 2 && gemm.scratch != nullptr; meeting++) sync_block();
    return;
  }
  Sums<Tile> sums;
  sums.clear();
  multiply_steps(range, sums, stages, room, barriers);
  if constexpr (Tile::kHasSegments)
    if (gemm.scratch != nullptr && !gather_segments(gemm, sums, place.index, stages)) return;
  const i32 first_row = place.row + warp * 16;
  if (gemm.epilogue == kGemmSwiGlu)
    store_gated(gemm, sums, first_row, place.output);
  else
    store_sums(gemm, sums, first_row, place.output);
}

}  // namespace
}  // namespace pd::cuda
