#include "device/platform.h"

namespace pd::cuda {

// A thread sums its own columns in order, a warp by a butterfly, the block warp after warp: a constant of the
// width.
PD_KERNEL(pd_rms_norm, RmsNormArgs, kRowThreads, 1) {
  const i32 thread = thread_x();
  const float* from = args.input + block_x() * args.input_stride;
  bf16* to = args.output + block_x() * args.output_stride;
  float squares = 0.0f;
  for (i32 column = thread * 4; column < args.columns; column += kRowThreads * 4) {
    const Float4 x = load4(from + column);
    squares = fused(x.x, x.x, squares);
    squares = fused(x.y, x.y, squares);
    squares = fused(x.z, x.z, squares);
    squares = fused(x.w, x.w, squares);
  }
  float* sums = shared_memory<float>();
  squares = warp_join(squares, [](float a, float b) { return a + b; });
  if (lane_of(thread) == 0) sums[warp_of(thread)] = squares;
  sync_block();
  float total = 0.0f;
  for (i32 w = 0; w < kRowThreads / 32; w++) total += sums[w];
  const float inverse = divide(1.0f, square_root(divide(total, float(args.columns)) + args.epsilon));
  for (i32 column = thread * 4; column < args.columns; column += kRowThreads * 4) {
    const Float4 x = load4(from + column);
    const Float4 w = load4(args.weight + column);
    u32* pairs = reinterpret_cast<u32*>(to + column);
    pairs[0] = pack_bf16(x.x * inverse * w.x, x.y * inverse * w.y);
    pairs[1] = pack_bf16(x.z * inverse * w.z, x.w * inverse * w.w);
  }
}

}  // namespace pd::cuda
