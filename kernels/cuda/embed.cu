#include "device/platform.h"

namespace pd::cuda {

PD_KERNEL(pd_embed, EmbedArgs, kRowThreads, 1) {
  const i32 row = block_x();
  i32 token = args.tokens[row];
  if (token < 0) token = args.previous[-1 - token].token;
  const bool known = u32(token) < u32(args.vocabulary);
  const bf16* from = args.table + (known ? token : 0) * args.table_stride;
  float* to = args.output + row * args.output_stride;
  for (i32 column = thread_x() * 4; column < args.columns; column += kRowThreads * 4) {
    Float4 values{0.0f, 0.0f, 0.0f, 0.0f};
    if (known) {
      const u32* pairs = reinterpret_cast<const u32*>(from + column);
      values = Float4{widen_low(pairs[0]), widen_high(pairs[0]), widen_low(pairs[1]), widen_high(pairs[1])};
    }
    store4(to + column, values);
  }
}

}  // namespace pd::cuda
