#include "device/softmax.h"

namespace pd::cuda {

// A warp a row, at a time.
PD_KERNEL(pd_attention_merge, AttentionMergeArgs, kRowThreads, 1) {
  const AttentionMergeTile tile = args.tiles[block_x()];
  if (tile.slice < 0) return;
  const AttentionSlice slice = args.slices[tile.slice];
  const i32 head = block_y(), lane = lane_of(thread_x());
  const i32 group = args.heads / args.kv_heads;
  const i32 rows = smaller(slice.query_count * group - tile.first_row, args.tile_rows);
  const i64 partial_floats = i64(args.tile_rows) * (args.head_dim + 2);
  const i64 split_floats = args.kv_heads * partial_floats;
  const float* first = args.partials + (tile.first_partial * i64(args.kv_heads) + head) * partial_floats;
  for (i32 row = warp_of(thread_x()); row < rows; row += kRowThreads / 32) {
    constexpr i32 kValues = 4;  // head_dim 128 over 32 lanes
    constexpr i32 kAhead = 8;
    float merged[kValues] = {};
    SoftmaxState so_far{-infinity(), 0.0f};
    for (i32 split = 0; split < tile.split_count; split += kAhead) {
      // All are read before the first is merged: a merge waits for the one before it, a read need not.
      SoftmaxState next[kAhead];
      float values[kAhead][kValues];
#pragma unroll
      for (i32 n = 0; n < kAhead; n++) {
        next[n] = SoftmaxState{-infinity(), 0.0f};
        if (split + n >= tile.split_count) continue;
        const float* from = first + (split + n) * split_floats;
        const float* states = from + args.tile_rows * args.head_dim;
        next[n] = SoftmaxState{states[row], states[args.tile_rows + row]};
#pragma unroll
        for (i32 i = 0; i < kValues; i++) {
          const i32 column = lane + 32 * i;
          values[n][i] = column < args.head_dim ? from[row * args.head_dim + column] : 0.0f;
        }
      }
#pragma unroll
      for (i32 n = 0; n < kAhead; n++) {
        if (next[n].max == -infinity()) continue;
        const MergeWeights weights = merge_split(so_far, next[n]);
#pragma unroll
        for (i32 i = 0; i < kValues; i++) merged[i] = merge_value(weights, merged[i], values[n][i]);
      }
    }
    const float inverse = inverse_sum(so_far);
    const i32 query = tile.first_row + row;
    bf16* to = args.output + (slice.first_token + query / group) * args.output_stride +
               (head * group + query % group) * args.head_dim;
#pragma unroll
    for (i32 i = 0; i < kValues; i++) {
      const i32 column = lane + 32 * i;
      if (column >= args.head_dim) break;
      to[column] = narrow(finished(merged[i], inverse));
    }
  }
}

}  // namespace pd::cuda
