#include "device/platform.h"

namespace pd::cuda {

PD_KERNEL(pd_gather_rows, GatherRowsArgs, kRowThreads, 1) {
  const i32 row = args.rows[block_x()];
  if (row < 0) return;
  const float* from = args.input + row * args.input_stride;
  float* to = args.output + block_x() * args.output_stride;
  for (i32 column = thread_x() * 4; column < args.columns; column += kRowThreads * 4)
    store4(to + column, load4(from + column));
}

}  // namespace pd::cuda
