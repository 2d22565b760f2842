// Causal attention over paged K and V, one algorithm for prefill and decode: a decode step is a slice of one
// query. The query heads of a KV head are rows of one tile, so that a key is read once for all of them. Keys
// go by tiles of kKeyTile, tiles by splits of kSplitKeys counted from position 0; a row's result is a
// function of its keys alone, since a tile that it does not see changes none of its bits.
#include "device/attention_tile.h"
#include "device/softmax.h"

namespace pd::cuda {
namespace {

constexpr i32 kSplitTiles = kSplitKeys / kKeyTile;

// What a thread holds of its rows (lane / 4, 8 further, and so on) of the split at hand.
template <class Tile>
struct Split {
  float values[Tile::kRowTiles][Tile::kValueTiles][4];
  float max[Tile::kRowsOfLane],
      sum[Tile::kRowsOfLane];  // the sum of this thread's keys, until the split ends

  DEVICE void clear() {
#pragma unroll
    for (i32 i = 0; i < Tile::kRowTiles; i++)
#pragma unroll
      for (i32 j = 0; j < Tile::kValueTiles; j++)
#pragma unroll
        for (i32 e = 0; e < 4; e++) values[i][j][e] = 0.0f;
#pragma unroll
    for (i32 r = 0; r < Tile::kRowsOfLane; r++) {
      max[r] = -infinity();
      sum[r] = 0.0f;
    }
  }
  DEVICE SoftmaxState state(i32 r) const { return SoftmaxState{max[r], sum[r]}; }
};

template <class Tile>
using Scores = float[Tile::kRowTiles][Tile::kKeyTiles][4];
template <class Tile>
using Weights = u32[kKeyTile / 16][Tile::kRowTiles][4];

// Which keys the rows of a thread see: [first, last].
template <class Tile>
struct Sight {
  i32 last[Tile::kRowsOfLane];
  i32 window;

  DEVICE Sight(const AttentionArgs& args, const Work& work, i32 first_row) : window(args.window) {
#pragma unroll
    for (i32 r = 0; r < Tile::kRowsOfLane; r++) {
      const i32 row = work.first_row + first_row + lane_of(thread_x()) / 4 + r * 8;
      last[r] = row < work.rows ? work.slice.start + row / work.group : -1;
    }
  }
  DEVICE i32 first(i32 r) const { return window > 0 ? last[r] + 1 - window : 0; }
};

// Most tiles of a row are seen whole.
template <class Tile>
DEVICE void hide_keys(Scores<Tile>& scores, const Sight<Tile>& sight, i32 first_key) {
  const i32 column = lane_of(thread_x()) % 4 * 2;
#pragma unroll
  for (i32 r = 0; r < Tile::kRowsOfLane; r++) {
    const i32 first = sight.first(r), last = sight.last[r];
    if (first_key >= first && first_key + kKeyTile - 1 <= last) continue;
#pragma unroll
    for (i32 j = 0; j < Tile::kKeyTiles; j++)
#pragma unroll
      for (i32 e = 0; e < 2; e++) {
        const i32 key = first_key + j * 8 + column + e;
        if (key < first || key > last) scores[r / 2][j][r % 2 * 2 + e] = -infinity();
      }
  }
}

// Takes scores of a tile into the running softmax; they become weights, as the left operand of the product
// with V.
template <class Tile>
DEVICE void weigh(Split<Tile>& split, Scores<Tile>& scores, const Sight<Tile>& sight, i32 first_key,
                  float scale_log2, Weights<Tile>& weights) {
  hide_keys<Tile>(scores, sight, first_key);
#pragma unroll
  for (i32 i = 0; i < Tile::kRowTiles; i++) {
    float max[2];
#pragma unroll
    for (i32 r = 0; r < 2; r++) {
      max[r] = -infinity();
#pragma unroll
      for (i32 j = 0; j < Tile::kKeyTiles; j++)
#pragma unroll
        for (i32 e = 0; e < 2; e++) max[r] = larger(scores[i][j][r * 2 + e], max[r]);
    }
    quad_join(max, [](float a, float b) { return larger(a, b); });
#pragma unroll
    for (i32 r = 0; r < 2; r++) {
      float &split_max = split.max[i * 2 + r], &split_sum = split.sum[i * 2 + r];
      max[r] = larger(max[r] * scale_log2, split_max);
      const float before = softmax_weight(split_max, max[r]);
      const float base = max[r] == -infinity() ? 0.0f : -max[r];
      float sum = 0.0f;
#pragma unroll
      for (i32 j = 0; j < Tile::kKeyTiles; j++)
#pragma unroll
        for (i32 e = 0; e < 2; e++) {
          float& score = scores[i][j][r * 2 + e];
          score = exp2_approx(fused(score, scale_log2, base));
          sum += score;
        }
      split_max = max[r];
      split_sum = fused(split_sum, before, sum);
#pragma unroll
      for (i32 j = 0; j < Tile::kValueTiles; j++)
#pragma unroll
        for (i32 e = 0; e < 2; e++) split.values[i][j][r * 2 + e] *= before;
    }
#pragma unroll
    for (i32 step = 0; step < kKeyTile / 16; step++)
#pragma unroll
      for (i32 e = 0; e < 4; e++) {
        const float* pair = &scores[i][step * 2 + e / 2][e % 2 * 2];
        weights[step][i][e] = pack_bf16(pair[0], pair[1]);
      }
  }
}

// Rows of a unit's partial: accumulators, then maxima, then sums.
template <class Tile>
DEVICE void store_partial(const AttentionArgs& args, const Work& work, const Split<Tile>& split,
                          i64 partial) {
  const i32 lane = lane_of(thread_x());
  float* to = args.partials + (partial * args.kv_heads + work.head) * (Tile::kRows * (Tile::kWidth + 2));
#pragma unroll
  for (i32 r = 0; r < Tile::kRowsOfLane; r++) {
    const i32 row = warp_of(thread_x()) * Tile::kWarpRows + lane / 4 + r * 8;
    if (work.first_row + row >= work.rows) continue;
#pragma unroll
    for (i32 j = 0; j < Tile::kValueTiles; j++) {
      const float* pair = &split.values[r / 2][j][r % 2 * 2];
      store2(to + row * Tile::kWidth + j * 8 + lane % 4 * 2, Float2{pair[0], pair[1]});
    }
    if (lane % 4 != 0) continue;
    to[Tile::kRows * Tile::kWidth + row] = split.max[r];
    to[Tile::kRows * (Tile::kWidth + 1) + row] = split.sum[r];
  }
}

// Adds a split to those before it, which lie in room, each thread's own; what they come to behind it, by row.
template <class Tile>
DEVICE void take_in(Split<Tile>& split, bool is_first, bool is_last, float* room) {
  float* states = room + Tile::kRows * Tile::kWidth + warp_of(thread_x()) * Tile::kWarpRows;
#pragma unroll
  for (i32 i = 0; i < Tile::kRowTiles; i++) {
    MergeWeights weights[2];
    SoftmaxState so_far[2];
#pragma unroll
    for (i32 r = 0; r < 2; r++) {
      const i32 row = lane_of(thread_x()) / 4 + i * 16 + r * 8;
      so_far[r] = SoftmaxState{-infinity(), 0.0f};
      if (!is_first) so_far[r] = SoftmaxState{states[row], states[Tile::kRows + row]};
      weights[r] = MergeWeights{1.0f, 0.0f};
      if (split.max[i * 2 + r] != -infinity()) weights[r] = merge_split(so_far[r], split.state(i * 2 + r));
    }
    sync_warp();  // all have read before one writes
#pragma unroll
    for (i32 r = 0; r < 2; r++) {
      const i32 row = lane_of(thread_x()) / 4 + i * 16 + r * 8;
      if (lane_of(thread_x()) % 4 == 0) states[row] = so_far[r].max;
      if (lane_of(thread_x()) % 4 == 0) states[Tile::kRows + row] = so_far[r].sum;
      if (!is_last) continue;
      split.max[i * 2 + r] = so_far[r].max;
      split.sum[i * 2 + r] = so_far[r].sum;
    }
#pragma unroll
    for (i32 j = 0; j < Tile::kValueTiles; j++) {
      float* own = room + ((i * Tile::kValueTiles + j) * Tile::kThreads + thread_x()) * 4;
      Float4 merged{0.0f, 0.0f, 0.0f, 0.0f};
      if (!is_first) merged = load4(own);
      float(&next)[4] = split.values[i][j];
      merged = Float4{merge_value(weights[0], merged.x, next[0]), merge_value(weights[0], merged.y, next[1]),
                      merge_value(weights[1], merged.z, next[2]), merge_value(weights[1], merged.w, next[3])};
      if (!is_last) {
        store4(own, merged);
      } else {
        next[0] = merged.x;
        next[1] = merged.y;
        next[2] = merged.z;
        next[3] = merged.w;
      }
    }
  }
}

template <class Tile>
DEVICE void store_output(const AttentionArgs& args, const Work& work, const Split<Tile>& merged) {
  const i32 lane = lane_of(thread_x());
#pragma unroll
  for (i32 r = 0; r < Tile::kRowsOfLane; r++) {
    const i32 row = work.first_row + warp_of(thread_x()) * Tile::kWarpRows + lane / 4 + r * 8;
    if (row >= work.rows) continue;
    const float inverse = inverse_sum(merged.state(r));
    bf16* to = args.output + work.token(row) * args.output_stride + work.query_head(row) * Tile::kWidth;
#pragma unroll
    for (i32 j = 0; j < Tile::kValueTiles; j++) {
      const float* pair = &merged.values[r / 2][j][r % 2 * 2];
      *reinterpret_cast<u32*>(to + j * 8 + lane % 4 * 2) =
          pack_bf16(finished(pair[0], inverse), finished(pair[1], inverse));
    }
  }
}

// The block's tiles of keys, one after the other, and its queries.
template <class Tile>
struct KeyTiles {
  const AttentionArgs& args;
  const Work& work;
  bf16 *buffers, *queries;
  i32 end;  // of the tiles
  i32 lane, warp_row;
  u32 query[Tile::kIsTall ? 1 : Tile::kSteps][4];

  DEVICE KeyTiles(const AttentionArgs& all, const Work& own, i32 first, i32 end_tile)
      : args(all), work(own), buffers(shared_memory<bf16>()), end(end_tile) {
    queries = buffers + Tile::kBuffers * Tile::kBufferElements;
    lane = lane_of(thread_x());
    warp_row = warp_of(thread_x()) * Tile::kWarpRows;
    fetch_queries<Tile>(args, work, queries);
    commit_copies();
    if (first < end)
      fetch_keys<Tile::kIsTall ? kKeysAlone : kKeysAndValues, Tile>(args, work, first, at(first));
    if constexpr (!Tile::kIsTall) {
      wait_copies<1>();
      if (first >= end) wait_copies<0>();
      sync_block();
      load_fragments(query, QueryRows<Tile>(queries, warp_row, lane));
    }
  }
  // Room for sums: that of the queries where they are in registers, else what follows them.
  DEVICE float* room() const {
    return reinterpret_cast<float*>(Tile::kIsTall ? queries + Tile::kRows * Tile::kWidth : queries);
  }
  DEVICE bf16* at(i32 tile) const { return buffers + tile % Tile::kBuffers * Tile::kBufferElements; }

  // Takes a tile in.
  DEVICE void next(i32 tile, Split<Tile>& split, const Sight<Tile>& sight) {
    Scores<Tile> scores = {};
    Weights<Tile> weights;
    const bf16 *keys = at(tile), *values = keys + Tile::kPlaneElements;
    if constexpr (Tile::kIsTall) {
      // Each plane is fetched while the other is multiplied by.
      wait_copies<0>();
      sync_block();
      fetch_keys<kValuesAlone, Tile>(args, work, tile, buffers);
      warp_product<false, Tile::kSteps>(scores, QueryRows<Tile>(queries, warp_row, lane),
                                        KeyRows<Tile>(keys, lane));
    } else {
      if (tile + 1 < end) {
        fetch_keys<kKeysAndValues, Tile>(args, work, tile + 1, at(tile + 1));
        wait_copies<1>();
      } else {
        wait_copies<0>();
      }
      sync_block();
      warp_product<false, Tile::kSteps>(scores, Registers<1>{&query[0][0]}, KeyRows<Tile>(keys, lane));
    }
    weigh<Tile>(split, scores, sight, tile * kKeyTile, args.scale_log2, weights);
    if constexpr (Tile::kIsTall) {
      wait_copies<0>();
      sync_block();
      if (tile + 1 < end) fetch_keys<kKeysAlone, Tile>(args, work, tile + 1, buffers);
    }
    warp_product<true, kKeyTile / 16>(split.values, Registers<Tile::kRowTiles>{&weights[0][0][0]},
                                      ValueRows<Tile>(values, lane));
    if constexpr (!Tile::kIsTall) sync_block();
  }
};

template <int D, int M>
DEVICE void attend(const AttentionArgs& args) {
  using Tile = AttentionTile<D, M>;
  const AttentionUnit unit = args.units[block_x()];
  if (unit.slice < 0) return;
  const Work work(args, unit, Tile::kRows);
  if (work.first_row >= work.rows) return;
  const bool finishes = unit.partial < 0;
  i32 first_split = unit.first_split, end_split = unit.first_split + unit.split_count;
  if (finishes) {
    // Splits that no row sees would change nothing.
    first_split = larger(first_split, work.first_key / kSplitKeys);
    end_split = smaller(end_split, (work.end_key + kSplitKeys - 1) / kSplitKeys);
  }
  const i32 first_tile = larger(work.first_key / kKeyTile, first_split * kSplitTiles);
  const i32 end_tile = smaller((work.end_key + kKeyTile - 1) / kKeyTile, end_split * kSplitTiles);
  KeyTiles<Tile> tiles(args, work, first_tile, end_tile);
  const Sight<Tile> sight(args, work, tiles.warp_row);
  Split<Tile> split;
  i32 tile = first_tile;
  for (i32 index = first_split; index < end_split; index++) {
    const i32 split_end = smaller((index + 1) * kSplitTiles, end_tile);
    split.clear();
    for (; tile < split_end; tile++) tiles.next(tile, split, sight);
#pragma unroll
    for (i32 i = 0; i < Tile::kRowTiles; i++)
      quad_join(reinterpret_cast<float(&)[2]>(split.sum[i * 2]), [](float a, float b) { return a + b; });
    const AttentionUnit own = args.units[block_x()];
    if (own.partial >= 0) {
      store_partial(args, Work(args, own, Tile::kRows), split, own.partial + index - own.first_split);
      continue;
    }
    take_in<Tile>(split, index == first_split, index + 1 == end_split, tiles.room());
    if (index + 1 == end_split) store_output<Tile>(args, Work(args, own, Tile::kRows), split);
  }
  wait_copies<0>();
}

}  // namespace

#define PD_ATTENTION(D, M, threads, blocks_per_sm) \
  PD_KERNEL(pd_attention_d##D##_m##M, AttentionArgs, threads, blocks_per_sm) { attend<D, M>(args); }

PD_ATTENTION(16, 16, 32, 1)
PD_ATTENTION(16, 64, 128, 1)
PD_ATTENTION(16, 256, 256, 1)
PD_ATTENTION(32, 16, 32, 1)
PD_ATTENTION(32, 64, 128, 1)
PD_ATTENTION(32, 256, 256, 1)
PD_ATTENTION(64, 16, 32, 1)
PD_ATTENTION(64, 64, 128, 2)
PD_ATTENTION(64, 256, 256, 1)
PD_ATTENTION(128, 16, 32, 1)
PD_ATTENTION(128, 64, 128, 2)
PD_ATTENTION(128, 256, 256, 1)

}  // namespace pd::cuda
