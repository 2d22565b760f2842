// Causal attention over paged K and V, one algorithm for prefill and decode: a decode step is a slice of one
// query. The query heads of a KV head are rows of one tile, so that a key is read once for all of them. Keys
// go by tiles of kKeyTile, tiles by splits of kSplitKeys counted from position 0; a row's result is a
// function of its keys alone, since a tile that it does not see changes none of its bits.
#include "device/softmax.h"

namespace pd::cuda {
namespace {

constexpr i32 kSplitTiles = kSplitKeys / kKeyTile;

template <int D, int M>
struct AttentionTile {
  static constexpr i32 kWidth = D, kRows = M, kThreads = M * 2, kChunks = D / 8;
  static constexpr i32 kSteps = D / 16, kKeyTiles = kKeyTile / 8, kValueTiles = D / 8;
  static constexpr i32 kBufferElements = 2 * kKeyTile * D;  // keys, then values
};

// A unit's slice, rows and keys.
struct Work {
  AttentionSlice slice;
  i32 group, rows, first_row, head;
  i32 first_key, end_key;  // that some row of the tile sees

  DEVICE Work(const AttentionArgs& args, const AttentionUnit& unit, i32 tile_rows) {
    slice = args.slices[unit.slice];
    group = args.heads / args.kv_heads;
    rows = slice.query_count * group;
    first_row = unit.first_row;
    head = block_y();
    const i32 last_row = smaller(first_row + tile_rows, rows) - 1;
    end_key = slice.start + last_row / group + 1;
    first_key = args.window > 0 ? larger(0, slice.start + first_row / group + 1 - args.window) : 0;
  }
  DEVICE i64 token(i32 row) const { return slice.first_token + row / group; }
  DEVICE i32 query_head(i32 row) const { return head * group + row % group; }
};

template <class Tile>
DEVICE void fetch_queries(const AttentionArgs& args, const Work& work, bf16* queries) {
  for (i32 i = thread_x(); i < Tile::kRows * Tile::kChunks; i += Tile::kThreads) {
    const i32 row = work.first_row + i / Tile::kChunks, chunk = i % Tile::kChunks;
    const bool valid = row < work.rows;
    const float* head = args.qkv;
    if (valid) head += work.token(row) * args.qkv_stride + work.query_head(row) * Tile::kWidth;
    copy16(queries + swizzled<Tile::kChunks>(i / Tile::kChunks, chunk),
           reinterpret_cast<const bf16*>(head) + chunk * 8, valid);
  }
}

// Where the keys of a tile lie. Pages of at least a tile have them in one run, which is looked up once.
template <class Tile>
struct KeyPlaces {
  const u8* head;  // this head of block 0
  const i32* blocks;
  i64 block_bytes;
  i32 page_shift, page_mask;

  DEVICE KeyPlaces(const AttentionArgs& args, const Work& work) {
    page_shift = log2_of(args.page_size);
    page_mask = args.page_size - 1;
    head = args.store + (i64(args.first_kv_head + work.head) << page_shift) * (Tile::kWidth * 2);
    blocks = args.blocks + work.slice.first_block;
    block_bytes = args.block_bytes;
  }
  DEVICE bool tiles_are_runs() const { return page_mask >= kKeyTile - 1; }
  DEVICE const u8* of(i32 position) const {
    const i64 block = blocks[position >> page_shift];
    return head + block * block_bytes + (position & page_mask) * (Tile::kWidth * 2);
  }
};

// Keys that no row sees are zeros, never what happens to lie there: 0 times a NaN would show. Places are
// looked up several at a time, since a copy keeps later loads behind it.
template <class Tile>
DEVICE void fetch_keys(const AttentionArgs& args, const Work& work, i32 tile, bf16* buffer) {
  constexpr i32 kCopies = kKeyTile * Tile::kChunks / Tile::kThreads, kAtOnce = kCopies < 8 ? kCopies : 8;
  constexpr i32 kKeysApart = Tile::kThreads / Tile::kChunks;
  const KeyPlaces<Tile> places(args, work);
  const i32 key = thread_x() / Tile::kChunks, chunk = thread_x() % Tile::kChunks;
  const i32 position = tile * kKeyTile + key;
  const u8* run = places.tiles_are_runs() ? places.of(tile * kKeyTile) : nullptr;
  for (i32 done = 0; done < kCopies; done += kAtOnce) {
    const u8* from[kAtOnce];
#pragma unroll
    for (i32 n = 0; n < kAtOnce; n++) {
      const i32 apart = (done + n) * kKeysApart;
      const bool valid = position + apart >= work.first_key && position + apart < work.end_key;
      if (run != nullptr)
        from[n] = run + (key + apart) * (Tile::kWidth * 2) + chunk * 16;
      else
        from[n] = valid ? places.of(position + apart) + chunk * 16 : args.store;
    }
#pragma unroll
    for (i32 n = 0; n < kAtOnce; n++) {
      const i32 apart = (done + n) * kKeysApart;
      const bool valid = position + apart >= work.first_key && position + apart < work.end_key;
      bf16* to = buffer + swizzled<Tile::kChunks>(key + apart, chunk);
      copy16(to, from[n], valid);
      copy16(to + kKeyTile * Tile::kWidth, from[n] + args.plane_bytes, valid);
    }
  }
  commit_copies();
}

// Rows of the tiles in shared memory, as ldmatrix wants them named.
template <class Tile>
struct QueryRows {
  LaneRow<Tile::kChunks> own;

  DEVICE QueryRows(const bf16* queries, i32 first, i32 lane) : own(queries, first, lane & 15, lane >> 4) {}
  DEVICE SharedTile row(i32 step) const { return own.at(0, step * 2); }
};
template <class Tile>
struct KeyRows {
  LaneRow<Tile::kChunks> own;

  DEVICE KeyRows(const bf16* keys, i32 lane) : own(keys, 0, (lane & 7) + (lane >> 4) * 8, lane >> 3 & 1) {}
  DEVICE SharedTile row(i32 step, i32 tile) const { return own.at(tile * 8, step * 2); }
};
template <class Tile>
struct ValueRows {
  LaneRow<Tile::kChunks> own;

  DEVICE ValueRows(const bf16* values, i32 lane) : own(values, 0, lane & 15, lane >> 4) {}
  DEVICE SharedTile row(i32 step, i32 tile) const { return own.at(step * 16, tile); }
};
struct Registers {
  static constexpr bool kShared = false;
  const u32 (*fragments)[4];
  DEVICE const u32* registers(i32 step, i32) const { return fragments[step]; }
};

// What a thread holds of its two rows (lane / 4 and 8 further) of the split at hand.
template <class Tile>
struct Split {
  float values[1][Tile::kValueTiles][4];
  float max[2], sum[2];  // the sum of this thread's keys alone, until the split ends

  DEVICE void clear() {
#pragma unroll
    for (i32 j = 0; j < Tile::kValueTiles; j++)
#pragma unroll
      for (i32 e = 0; e < 4; e++) values[0][j][e] = 0.0f;
#pragma unroll
    for (i32 r = 0; r < 2; r++) {
      max[r] = -infinity();
      sum[r] = 0.0f;
    }
  }
  DEVICE SoftmaxState state(i32 r) const { return SoftmaxState{max[r], sum[r]}; }
};

// Which keys the two rows of a thread see: [first, last].
struct Sight {
  i32 first[2], last[2];
};

// Most tiles of a row are seen whole.
template <class Tile>
DEVICE void hide_keys(float (&scores)[1][Tile::kKeyTiles][4], const Sight& sight, i32 first_key) {
  const i32 last_key = first_key + kKeyTile - 1;
  if (first_key >= larger(sight.first[0], sight.first[1]) &&
      last_key <= smaller(sight.last[0], sight.last[1]))
    return;
  const i32 column = lane_of(thread_x()) % 4 * 2;
#pragma unroll
  for (i32 j = 0; j < Tile::kKeyTiles; j++)
#pragma unroll
    for (i32 e = 0; e < 4; e++) {
      const i32 key = first_key + j * 8 + column + e % 2;
      if (key < sight.first[e / 2] || key > sight.last[e / 2]) scores[0][j][e] = -infinity();
    }
}

// Takes scores of a tile into the running softmax; they become weights, as the left operand of the product
// with V.
template <class Tile>
DEVICE void weigh(Split<Tile>& split, float (&scores)[1][Tile::kKeyTiles][4], const Sight& sight,
                  i32 first_key, float scale_log2, u32 (&weights)[kKeyTile / 16][4]) {
  hide_keys<Tile>(scores, sight, first_key);
  float max[2];
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    max[r] = -infinity();
#pragma unroll
    for (i32 j = 0; j < Tile::kKeyTiles; j++)
#pragma unroll
      for (i32 e = 0; e < 2; e++) max[r] = larger(scores[0][j][r * 2 + e], max[r]);
  }
  quad_join(max, [](float a, float b) { return larger(a, b); });
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    max[r] = larger(max[r] * scale_log2, split.max[r]);
    const float before = softmax_weight(split.max[r], max[r]);
    const float base = max[r] == -infinity() ? 0.0f : -max[r];
    float sum = 0.0f;
#pragma unroll
    for (i32 j = 0; j < Tile::kKeyTiles; j++)
#pragma unroll
      for (i32 e = 0; e < 2; e++) {
        float& score = scores[0][j][r * 2 + e];
        score = exp2_approx(fused(score, scale_log2, base));
        sum += score;
      }
    split.max[r] = max[r];
    split.sum[r] = fused(split.sum[r], before, sum);
#pragma unroll
    for (i32 j = 0; j < Tile::kValueTiles; j++)
#pragma unroll
      for (i32 e = 0; e < 2; e++) split.values[0][j][r * 2 + e] *= before;
  }
#pragma unroll
  for (i32 step = 0; step < kKeyTile / 16; step++)
#pragma unroll
    for (i32 e = 0; e < 4; e++) {
      const float* pair = &scores[0][step * 2 + e / 2][e % 2 * 2];
      weights[step][e] = pack_bf16(pair[0], pair[1]);
    }
}

// Rows of a unit's partial: accumulators, then maxima, then sums.
template <class Tile>
DEVICE void store_partial(const AttentionArgs& args, const Work& work, const Split<Tile>& split,
                          i64 partial) {
  const i32 lane = lane_of(thread_x());
  float* to = args.partials + (partial * args.kv_heads + work.head) * (Tile::kRows * (Tile::kWidth + 2));
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const i32 row = warp_of(thread_x()) * 16 + lane / 4 + r * 8;
    if (work.first_row + row >= work.rows) continue;
#pragma unroll
    for (i32 j = 0; j < Tile::kValueTiles; j++)
#pragma unroll
      for (i32 e = 0; e < 2; e++)
        to[row * Tile::kWidth + j * 8 + lane % 4 * 2 + e] = split.values[0][j][r * 2 + e];
    if (lane % 4 != 0) continue;
    to[Tile::kRows * Tile::kWidth + row] = split.max[r];
    to[Tile::kRows * (Tile::kWidth + 1) + row] = split.sum[r];
  }
}

// Adds a split to those before it, which lie in room, each thread's own.
template <class Tile>
DEVICE void take_in(Split<Tile>& split, SoftmaxState (&so_far)[2], bool is_first, bool is_last, float* room) {
  MergeWeights weights[2];
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    weights[r] = MergeWeights{1.0f, 0.0f};
    if (split.max[r] != -infinity()) weights[r] = merge_split(so_far[r], split.state(r));
  }
#pragma unroll
  for (i32 j = 0; j < Tile::kValueTiles; j++) {
    float* own = room + (j * Tile::kThreads + thread_x()) * 4;
    Float4 merged{0.0f, 0.0f, 0.0f, 0.0f};
    if (!is_first) merged = load4(own);
    const float(&next)[4] = split.values[0][j];
    merged = Float4{merge_value(weights[0], merged.x, next[0]), merge_value(weights[0], merged.y, next[1]),
                    merge_value(weights[1], merged.z, next[2]), merge_value(weights[1], merged.w, next[3])};
    if (!is_last) {
      store4(own, merged);
    } else {
      split.values[0][j][0] = merged.x;
      split.values[0][j][1] = merged.y;
      split.values[0][j][2] = merged.z;
      split.values[0][j][3] = merged.w;
    }
  }
}

template <class Tile>
DEVICE void store_output(const AttentionArgs& args, const Work& work, const Split<Tile>& merged,
                         const SoftmaxState (&states)[2]) {
  const i32 lane = lane_of(thread_x());
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const i32 row = work.first_row + warp_of(thread_x()) * 16 + lane / 4 + r * 8;
    if (row >= work.rows) continue;
    const float inverse = inverse_sum(states[r]);
    bf16* to = args.output + work.token(row) * args.output_stride + work.query_head(row) * Tile::kWidth;
#pragma unroll
    for (i32 j = 0; j < Tile::kValueTiles; j++)
      *reinterpret_cast<u32*>(to + j * 8 + lane % 4 * 2) = pack_bf16(
          finished(merged.values[0][j][r * 2], inverse), finished(merged.values[0][j][r * 2 + 1], inverse));
  }
}

template <int D, int M>
DEVICE void attend(const AttentionArgs& args) {
  using Tile = AttentionTile<D, M>;
  const AttentionUnit unit = args.units[block_x()];
  if (unit.slice < 0) return;
  const Work work(args, unit, Tile::kRows);
  if (work.first_row >= work.rows) return;
  bf16* buffers = shared_memory<bf16>();
  float* room = reinterpret_cast<float*>(buffers + 2 * Tile::kBufferElements);
  bf16* queries = reinterpret_cast<bf16*>(room);  // in registers before room is first written
  const i32 lane = lane_of(thread_x()), warp_row = warp_of(thread_x()) * 16;
  const bool finishes = unit.partial < 0;
  i32 first_split = unit.first_split, end_split = unit.first_split + unit.split_count;
  if (finishes) {
    // Splits that no row sees would change nothing.
    first_split = larger(first_split, work.first_key / kSplitKeys);
    end_split = smaller(end_split, (work.end_key + kSplitKeys - 1) / kSplitKeys);
  }
  const i32 first_tile = larger(work.first_key / kKeyTile, first_split * kSplitTiles);
  const i32 end_tile = smaller((work.end_key + kKeyTile - 1) / kKeyTile, end_split * kSplitTiles);
  Sight sight;
#pragma unroll
  for (i32 r = 0; r < 2; r++) {
    const i32 row = work.first_row + warp_row + lane / 4 + r * 8;
    sight.last[r] = row < work.rows ? work.slice.start + row / work.group : -1;
    sight.first[r] = args.window > 0 ? sight.last[r] + 1 - args.window : 0;
  }
  fetch_queries<Tile>(args, work, queries);
  commit_copies();
  if (first_tile < end_tile)
    fetch_keys<Tile>(args, work, first_tile, buffers + (first_tile & 1) * Tile::kBufferElements);
  Split<Tile> split;
  SoftmaxState so_far[2] = {{-infinity(), 0.0f}, {-infinity(), 0.0f}};
  u32 query[Tile::kSteps][4];
  bool has_query = false;
  i32 tile = first_tile;
  for (i32 index = first_split; index < end_split; index++) {
    const i32 split_end = smaller((index + 1) * kSplitTiles, end_tile);
    split.clear();
    for (; tile < split_end; tile++) {
      bf16* buffer = buffers + (tile & 1) * Tile::kBufferElements;
      if (tile + 1 < end_tile) {
        fetch_keys<Tile>(args, work, tile + 1, buffers + (tile + 1 & 1) * Tile::kBufferElements);
        wait_copies<1>();
      } else {
        wait_copies<0>();
      }
      sync_block();
      if (!has_query) {
        load_fragments(query, QueryRows<Tile>(queries, warp_row, lane));
        has_query = true;
      }
      float scores[1][Tile::kKeyTiles][4] = {};
      u32 weights[kKeyTile / 16][4];
      warp_product<false, Tile::kSteps>(scores, Registers{query}, KeyRows<Tile>(buffer, lane));
      weigh(split, scores, sight, tile * kKeyTile, args.scale_log2, weights);
      warp_product<true, kKeyTile / 16>(split.values, Registers{weights},
                                        ValueRows<Tile>(buffer + kKeyTile * Tile::kWidth, lane));
      sync_block();
    }
    quad_join(split.sum, [](float a, float b) { return a + b; });
    if (finishes)
      take_in(split, so_far, index == first_split, index + 1 == end_split, room);
    else
      store_partial(args, work, split, unit.partial + index - first_split);
  }
  wait_copies<0>();
  if (finishes) store_output(args, work, split, so_far);
}

}  // namespace

#define PD_ATTENTION(D, M, blocks_per_sm) \
  PD_KERNEL(pd_attention_d##D##_m##M, AttentionArgs, M * 2, blocks_per_sm) { attend<D, M>(args); }

PD_ATTENTION(16, 16, 1)
PD_ATTENTION(16, 64, 1)
PD_ATTENTION(32, 16, 1)
PD_ATTENTION(32, 64, 1)
PD_ATTENTION(64, 16, 1)
PD_ATTENTION(64, 64, 2)
PD_ATTENTION(128, 16, 1)
PD_ATTENTION(128, 64, 2)

}  // namespace pd::cuda
