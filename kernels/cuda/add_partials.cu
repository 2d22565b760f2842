#include "device/platform.h"

namespace pd::cuda {

PD_KERNEL(pd_add_partials, AddPartialsArgs, kRowThreads, 1) {
  const i64 from = block_y() * args.partial_stride + args.first_column;
  float* to = args.output + block_y() * args.output_stride + args.first_column;
  for (i32 i = 0; i < 4; i++) {
    const i32 column = (block_x() * 4 + i) * kRowThreads + thread_x();
    if (column >= args.columns) return;
    float sum = args.partials[0][from + column];
    if (args.count > 1) sum += args.partials[1][from + column];
    if (args.count > 2) sum += args.partials[2][from + column] + args.partials[3][from + column];
    if (args.bias != nullptr) sum += args.bias[args.first_column + column];
    to[column] = args.adds != 0 ? to[column] + sum : sum;
  }
}

}  // namespace pd::cuda
