// input weightᵀ: bf16 by bf16 into float32. Every output element is one chain of mma over its segment's
// columns, 16 at a time from the segment's first, whichever tile it lies in; tiles of several heights exist
// for speed alone.
#include "device/platform.h"

namespace pd::cuda {
namespace {

constexpr i32 kChunks = kGemmDepth / 8;  // 16-byte chunks of a row of a stage

template <int ROWS, int OUTPUTS, int WARP_ROWS, int WARP_OUTPUTS, int STAGES>
struct GemmTile {
  static constexpr i32 kRows = ROWS, kOutputs = OUTPUTS, kStages = STAGES;
  static constexpr i32 kWarpRows = WARP_ROWS, kWarpOutputs = WARP_OUTPUTS;
  static constexpr i32 kWarpsAcross = OUTPUTS / WARP_OUTPUTS;
  static constexpr i32 kThreads = ROWS / WARP_ROWS * kWarpsAcross * 32;
  static constexpr i32 kMT = WARP_ROWS / 16, kNT = WARP_OUTPUTS / 8;
  static constexpr i32 kStageElements = (ROWS + OUTPUTS) * kGemmDepth;
  // Sums of segments have no room beside the widest tile's stages.
  static constexpr bool kHasSegments = ROWS * OUTPUTS <= 128 * 128;
  static_assert(WARP_OUTPUTS % 32 == 0, "a warp must have both columns of a gated pair");
};

using Tile16 = GemmTile<16, 32, 16, 32, 8>;
using Tile32 = GemmTile<32, 64, 32, 32, 6>;
using Tile64 = GemmTile<64, 64, 32, 32, 6>;
using Tile64Wide = GemmTile<64, 128, 64, 32, 4>;
using Tile128 = GemmTile<128, 128, 64, 32, 3>;
using Tile128Wide = GemmTile<128, 256, 64, 64, 4>;

// Tiles of rows that are worked on beside one another: what they read together stays in L2, and few rows read
// a weight from memory once.
constexpr i32 kRowTilesBeside = 8;

// Which tile a block makes.
struct Place {
  i32 index, row, output;  // of all tiles; first row and output

  DEVICE Place(const GemmArgs& args, i32 tile_rows, i32 tile_outputs) {
    const i32 down = (args.rows + tile_rows - 1) / tile_rows;
    const i32 across = (args.outputs + tile_outputs - 1) / tile_outputs;
    index = block_y() * across + block_x();
    const i32 first_down = index / (kRowTilesBeside * across) * kRowTilesBeside;
    const i32 beside = smaller(down - first_down, kRowTilesBeside), within = index - first_down * across;
    row = (first_down + within % beside) * tile_rows;
    output = within / beside * tile_outputs;
  }
};

// Rows of a warp's tiles in a stage, as ldmatrix wants them named.
struct LeftRows {
  static constexpr bool kShared = true;
  LaneRow<kChunks> own;

  DEVICE LeftRows(const bf16* stage, i32 first, i32 lane) : own(stage, first, lane & 15, lane >> 4) {}
  DEVICE SharedTile row(i32 step, i32 tile) const { return own.at(tile * 16, step * 2); }
};
struct RightRows {
  LaneRow<kChunks> own;

  DEVICE RightRows(const bf16* stage, i32 first, i32 lane)
      : own(stage, first, (lane & 7) + (lane >> 4) * 8, lane >> 3 & 1) {}
  DEVICE SharedTile row(i32 step, i32 tile) const { return own.at(tile * 8, step * 2); }
};

// What a block works on: columns [0, length) of some segments.
struct Range {
  i32 first_segment, segments, length, steps;  // steps of kGemmDepth in a segment

  DEVICE explicit Range(const GemmArgs& args) {
    const bool apart = args.epilogue == kGemmPartials || args.scratch != nullptr;
    first_segment = apart ? block_z() : 0;
    segments = apart ? 1 : args.segments;
    length = args.columns / args.segments;
    steps = (length + kGemmDepth - 1) / kGemmDepth;
  }
};

enum StepPart { kInputAndWeight, kInputAlone, kWeightAlone };

// Copies one step of both operands after the other; what lies outside them is zero. A thread has one chunk of
// every kApart-th line, so that from step to step only its two addresses move.
template <class Tile>
struct Fetch {
  static constexpr i32 kApart = Tile::kThreads / kChunks;
  static_assert(Tile::kRows % kApart == 0 && Tile::kOutputs % kApart == 0, "a line is of one operand");

  const bf16* input;  // this thread's first line and chunk, at the step
  const bf16* weight;
  i64 input_apart, weight_apart;
  i32 rows_left, outputs_left;  // lines from the first on
  i32 line, chunk;
  i32 within, length;  // column of the step in its segment

  DEVICE Fetch(const GemmArgs& args, const Range& range, const Place& place) {
    line = thread_x() / kChunks;
    chunk = thread_x() % kChunks;
    const i32 row = place.row + line, output = place.output + line;
    const i64 column = i64(range.first_segment) * range.length + chunk * 8;
    input = args.input + row * args.input_stride + column;
    weight = args.weight + output * args.weight_stride + column;
    input_apart = kApart * args.input_stride;
    weight_apart = kApart * args.weight_stride;
    rows_left = args.rows - row;
    outputs_left = args.outputs - output;
    within = 0;
    length = range.length;
  }

  template <StepPart PART>
  DEVICE void next(bf16* stage) {
    const bool inside = within + chunk * 8 < length;
#pragma unroll
    for (i32 n = 0; n < Tile::kRows / kApart && PART != kWeightAlone; n++)
      copy16(stage + swizzled<kChunks>(line + n * kApart, chunk), input + n * input_apart,
             inside && n * kApart < rows_left);
#pragma unroll
    for (i32 n = 0; n < Tile::kOutputs / kApart && PART != kInputAlone; n++)
      copy16_early(stage + Tile::kRows * kGemmDepth + swizzled<kChunks>(line + n * kApart, chunk),
                   weight + n * weight_apart, inside && n * kApart < outputs_left);
    // The next segment's first column is where this one's columns end.
    within += kGemmDepth;
    const i32 moved = within < length ? kGemmDepth : length - (within - kGemmDepth);
    if (within >= length) within = 0;
    input += moved;
    weight += moved;
  }
};

template <class Tile>
struct Sums {
  float at[Tile::kMT][Tile::kNT][4];

  DEVICE void clear() {
#pragma unroll
    for (i32 i = 0; i < Tile::kMT; i++)
#pragma unroll
      for (i32 j = 0; j < Tile::kNT; j++)
#pragma unroll
        for (i32 e = 0; e < 4; e++) at[i][j][e] = 0.0f;
  }
  // Room of this thread's own: each reads what it wrote.
  DEVICE void put_aside(float* room) const {
#pragma unroll
    for (i32 i = 0; i < Tile::kMT; i++)
#pragma unroll
      for (i32 j = 0; j < Tile::kNT; j++)
        store4(room + ((i * Tile::kNT + j) * Tile::kThreads + thread_x()) * 4,
               Float4{at[i][j][0], at[i][j][1], at[i][j][2], at[i][j][3]});
  }
  DEVICE void add_to(const float* room) {
#pragma unroll
    for (i32 i = 0; i < Tile::kMT; i++)
#pragma unroll
      for (i32 j = 0; j < Tile::kNT; j++) {
        const Float4 aside = load4(room + ((i * Tile::kNT + j) * Tile::kThreads + thread_x()) * 4);
        at[i][j][0] = aside.x + at[i][j][0];
        at[i][j][1] = aside.y + at[i][j][1];
        at[i][j][2] = aside.z + at[i][j][2];
        at[i][j][3] = aside.w + at[i][j][3];
      }
  }
};

// (s0 + s1) + (s2 + s3), as the segments end one after the other.
template <class Tile>
DEVICE void end_segment(Sums<Tile>& sums, i32 segment, i32 segments, float* room) {
  float* second = room + Tile::kRows * Tile::kOutputs;
  if (segments == 1) return;
  if (segment == 1) sums.add_to(room);
  if (segment == 3) {
    sums.add_to(second);
    sums.add_to(room);
  }
  if (segment == segments - 1) return;
  sums.put_aside(segment == 2 ? second : room);
  sums.clear();
}

// The same sum of segments that blocks of their own made: the last of them to end adds them. False: others
// have yet to end.
template <class Tile>
DEVICE bool gather_segments(const GemmArgs& args, Sums<Tile>& sums, i32 tile, bf16* shared) {
  constexpr i32 kFloats = Tile::kRows * Tile::kOutputs;
  float* room = args.scratch + i64(tile) * args.segments * kFloats;
  sums.put_aside(room + i64(block_z()) * kFloats);
  fence_device();
  i32* ended = reinterpret_cast<i32*>(shared);
  sync_block();
  if (thread_x() == 0) {
    *ended = fetch_add_device(args.arrivals + tile, 1);
    if (*ended == args.segments - 1) args.arrivals[tile] = 0;
  }
  sync_block();
  if (*ended != args.segments - 1) return false;
  fence_device();
#pragma unroll
  for (i32 i = 0; i < Tile::kMT; i++)
#pragma unroll
    for (i32 j = 0; j < Tile::kNT; j++) {
      const float* own = room + ((i * Tile::kNT + j) * Tile::kThreads + thread_x()) * 4;
      const Float4 s0 = load4_written(own), s1 = load4_written(own + kFloats);
      Float4 sum{s0.x + s1.x, s0.y + s1.y, s0.z + s1.z, s0.w + s1.w};
      if (args.segments == 4) {
        const Float4 s2 = load4_written(own + 2 * kFloats), s3 = load4_written(own + 3 * kFloats);
        sum = Float4{sum.x + (s2.x + s3.x), sum.y + (s2.y + s3.y), sum.z + (s2.z + s3.z),
                     sum.w + (s2.w + s3.w)};
      }
      sums.at[i][j][0] = sum.x;
      sums.at[i][j][1] = sum.y;
      sums.at[i][j][2] = sum.z;
      sums.at[i][j][3] = sum.w;
    }
  return true;
}

DEVICE float gated(float gate, float up) { return divide(gate, 1.0f + exponential(-gate)) * up; }

DEVICE float with_bias(const GemmArgs& args, float sum, i32 output) {
  return args.bias != nullptr ? sum + args.bias[output] : sum;
}

// Element e of a lane's tile is row lane / 4 + 8 (e / 2), output 2 (lane % 4) + e % 2.
template <class Tile>
DEVICE void store_gated(const GemmArgs& args, const Sums<Tile>& sums, i32 first_row, i32 first_output) {
  const i32 lane = lane_of(thread_x());
  bf16* outputs = static_cast<bf16*>(args.output);
#pragma unroll
  for (i32 i = 0; i < Tile::kMT; i++)
#pragma unroll
    for (i32 half = 0; half < 2; half++) {
      const i32 row = first_row + i * 16 + lane / 4 + half * 8;
      if (row >= args.rows) continue;
#pragma unroll
      for (i32 j = 0; j < Tile::kNT; j++) {
        // Of 32 outputs 16 are gates, each 16 before what it gates.
        if (j % 4 > 1) continue;
        const i32 output = first_output + j * 8 + lane % 4 * 2;
        if (output >= args.outputs) continue;
        float value[2];
#pragma unroll
        for (i32 e = 0; e < 2; e++)
          value[e] = gated(with_bias(args, sums.at[i][j][half * 2 + e], output + e),
                           with_bias(args, sums.at[i][j + 2][half * 2 + e], output + 16 + e));
        const i32 column = output / 32 * 16 + output % 32;
        *reinterpret_cast<u32*>(outputs + row * args.output_stride + column) = pack_bf16(value[0], value[1]);
      }
    }
}

template <class Tile>
DEVICE void store_sums(const GemmArgs& args, const Sums<Tile>& sums, i32 first_row, i32 first_output) {
  const i32 lane = lane_of(thread_x());
  const bool apart = args.epilogue == kGemmPartials;
  float* outputs = static_cast<float*>(args.output) + (apart ? block_z() * args.segment_stride : 0);
#pragma unroll
  for (i32 i = 0; i < Tile::kMT; i++)
#pragma unroll
    for (i32 half = 0; half < 2; half++) {
      const i32 row = first_row + i * 16 + lane / 4 + half * 8;
      if (row >= args.rows) continue;
#pragma unroll
      for (i32 j = 0; j < Tile::kNT; j++) {
        const i32 output = first_output + j * 8 + lane % 4 * 2;
        float* to = outputs + row * args.output_stride + output;
        Float2 sum{sums.at[i][j][half * 2], sums.at[i][j][half * 2 + 1]};
        if (output + 1 < args.outputs && (reinterpret_cast<u64>(to) & 7) == 0) {
          if (!apart) sum = Float2{with_bias(args, sum.x, output), with_bias(args, sum.y, output + 1)};
          if (args.epilogue == kGemmAdd) {
            const Float2 before = load2(to);
            sum = Float2{before.x + sum.x, before.y + sum.y};
          }
          store2(to, sum);
          continue;
        }
#pragma unroll
        for (i32 e = 0; e < 2; e++) {
          if (output + e >= args.outputs) continue;
          float one = e == 0 ? sum.x : sum.y;
          if (!apart) one = with_bias(args, one, output + e);
          to[e] = args.epilogue == kGemmAdd ? to[e] + one : one;
        }
      }
    }
}

template <class Tile>
DEVICE void multiply_tile(const GemmArgs& args) {
  bf16* stages = shared_memory<bf16>();
  float* room = reinterpret_cast<float*>(stages + Tile::kStages * Tile::kStageElements);
  const Range range(args);
  const Place place(args, Tile::kRows, Tile::kOutputs);
  const i32 steps = range.segments * range.steps;
  Fetch<Tile> fetch(args, range, place), ahead = fetch;
  // No kernel writes a weight: the first of them come while the kernel before this one ends.
#pragma unroll
  for (i32 step = 0; step < Tile::kStages - 1; step++)
    if (step < steps) ahead.template next<kWeightAlone>(stages + step * Tile::kStageElements);
  await_kernel();
  release_kernel();
#pragma unroll
  for (i32 step = 0; step < Tile::kStages - 1; step++) {
    if (step < steps) fetch.template next<kInputAlone>(stages + step * Tile::kStageElements);
    commit_copies();
  }
  const i32 warp = warp_of(thread_x()), lane = lane_of(thread_x());
  const i32 warp_row = warp / Tile::kWarpsAcross * Tile::kWarpRows;
  const i32 warp_output = warp % Tile::kWarpsAcross * Tile::kWarpOutputs;
  Sums<Tile> sums;
  sums.clear();
  i32 segment_ends = range.steps, segment = 0, slot = 0, free_slot = Tile::kStages - 1;
  for (i32 step = 0; step < steps; step++) {
    wait_copies<Tile::kStages - 2>();
    sync_block();
    // The stage that the step before this one read is free: all warps are past it.
    if (step + Tile::kStages - 1 < steps)
      fetch.template next<kInputAndWeight>(stages + free_slot * Tile::kStageElements);
    commit_copies();
    const bf16* stage = stages + slot * Tile::kStageElements;
    free_slot = slot;
    slot = slot + 1 < Tile::kStages ? slot + 1 : 0;
    warp_product<false, kGemmDepth / 16>(sums.at, LeftRows(stage, warp_row, lane),
                                         RightRows(stage + Tile::kRows * kGemmDepth, warp_output, lane));
    if (step + 1 < segment_ends) continue;
    if constexpr (Tile::kHasSegments) end_segment(sums, segment++, range.segments, room);
    segment_ends += range.steps;
  }
  if constexpr (Tile::kHasSegments)
    if (args.scratch != nullptr && !gather_segments(args, sums, place.index, stages)) return;
  const i32 first_row = place.row + warp_row, first_output = place.output + warp_output;
  if (args.epilogue == kGemmSwiGlu)
    store_gated(args, sums, first_row, first_output);
  else
    store_sums(args, sums, first_row, first_output);
}

}  // namespace

PD_KERNEL_AHEAD(pd_gemm_m16, GemmArgs, Tile16::kThreads, 4) { multiply_tile<Tile16>(args); }
PD_KERNEL_AHEAD(pd_gemm_m32, GemmArgs, Tile32::kThreads, 3) { multiply_tile<Tile32>(args); }
PD_KERNEL_AHEAD(pd_gemm_m64, GemmArgs, Tile64::kThreads, 2) { multiply_tile<Tile64>(args); }
PD_KERNEL_AHEAD(pd_gemm_m64_n128, GemmArgs, Tile64Wide::kThreads, 2) { multiply_tile<Tile64Wide>(args); }
PD_KERNEL_AHEAD(pd_gemm_m128, GemmArgs, Tile128::kThreads, 1) { multiply_tile<Tile128>(args); }
PD_KERNEL_AHEAD(pd_gemm_m128_n256, GemmArgs, Tile128Wide::kThreads, 1) { multiply_tile<Tile128Wide>(args); }

}  // namespace pd::cuda
