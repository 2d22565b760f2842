#include "device/platform.h"

namespace pd::cuda {
namespace {

constexpr i32 kPairsOfLane = 2;  // head_dim 128: 64 pairs of a head over 32 lanes

// Pairs (j, j + head_dim / 2) of a head, j = lane, lane + 32.
struct Head {
  float low[kPairsOfLane], high[kPairsOfLane];
};

DEVICE void normalise(Head& head, const float* weight, float epsilon, i32 lane, i32 pairs) {
  float squares = 0.0f;
#pragma unroll
  for (i32 i = 0; i < kPairsOfLane; i++) {
    squares = fused(head.low[i], head.low[i], squares);
    squares = fused(head.high[i], head.high[i], squares);
  }
  squares = warp_join(squares, [](float a, float b) { return a + b; });
  const float inverse = divide(1.0f, square_root(divide(squares, float(pairs * 2)) + epsilon));
#pragma unroll
  for (i32 i = 0; i < kPairsOfLane; i++) {
    const i32 pair = lane + 32 * i;
    if (pair >= pairs) break;
    head.low[i] = head.low[i] * inverse * weight[pair];
    head.high[i] = head.high[i] * inverse * weight[pairs + pair];
  }
}

DEVICE void turn(Head& head, const float* rope, i32 lane, i32 pairs) {
#pragma unroll
  for (i32 i = 0; i < kPairsOfLane; i++) {
    const i32 pair = lane + 32 * i;
    if (pair >= pairs) break;
    const float cosine = rope[pair], sine = rope[pairs + pair];
    const float low = head.low[i], high = head.high[i];
    head.low[i] = low * cosine - high * sine;
    head.high[i] = high * cosine + low * sine;
  }
}

}  // namespace

// A warp a head.
PD_KERNEL(pd_rotate_append, RotateAppendArgs, kRowThreads, 1) {
  const i32 lane = lane_of(thread_x());
  const i32 head = block_y() * (kRowThreads / 32) + warp_of(thread_x());
  if (head >= args.heads + 2 * args.kv_heads) return;
  const TokenPlace place = args.places[block_x()];
  const i32 pairs = args.head_dim / 2;
  float* from = args.qkv + block_x() * args.qkv_stride + head * args.head_dim;
  Head own{};
#pragma unroll
  for (i32 i = 0; i < kPairsOfLane; i++) {
    const i32 pair = lane + 32 * i;
    if (pair >= pairs) break;
    own.low[i] = from[pair];
    own.high[i] = from[pairs + pair];
  }
  const bool is_query = head < args.heads;
  const bool is_value = head >= args.heads + args.kv_heads;
  if (!is_value) {
    const float* weight = is_query ? args.query_norm : args.key_norm;
    if (weight != nullptr) normalise(own, weight, args.epsilon, lane, pairs);
    turn(own, args.rope + place.position * args.rope_stride, lane, pairs);
  }
  bf16* to;
  if (is_query) {
    sync_warp();  // in place: all lanes have read before one writes
    to = reinterpret_cast<bf16*>(from);
  } else {
    const i32 kv_head = args.first_kv_head + head - args.heads - (is_value ? args.kv_heads : 0);
    const i64 slot = i64(kv_head) * args.page_size + (place.position & args.page_size - 1);
    u8* plane = args.store + place.block * args.block_bytes + (is_value ? args.plane_bytes : 0);
    to = reinterpret_cast<bf16*>(plane) + slot * args.head_dim;
  }
#pragma unroll
  for (i32 i = 0; i < kPairsOfLane; i++) {
    const i32 pair = lane + 32 * i;
    if (pair >= pairs) break;
    to[pair] = narrow(own.low[i]);
    to[pairs + pair] = narrow(own.high[i]);
  }
}

}  // namespace pd::cuda
