#include "device/platform.h"

namespace pd::cuda {

PD_KERNEL(pd_copy_blocks, CopyBlocksArgs, kCopyThreads, 1) {
  const i32 index = block_y();
  const i32 layer = block_x() / args.planes;
  const i32 plane = block_x() - layer * args.planes;
  const i64 source_block = args.source_blocks != nullptr ? args.source_blocks[index] : index;
  const i64 target_block = args.target_blocks != nullptr ? args.target_blocks[index] : index;
  const u8* from = args.source + source_block * args.source_block_bytes +
                   (args.source_layer + layer) * args.source_layer_bytes + plane * args.source_plane_bytes +
                   args.source_head * args.head_bytes;
  u8* to = args.target + target_block * args.target_block_bytes +
           (args.target_layer + layer) * args.target_layer_bytes + plane * args.target_plane_bytes +
           args.target_head * args.head_bytes;
  const i64 bytes = args.heads * args.head_bytes;
  for (i64 offset = thread_x() * 16; offset < bytes; offset += kCopyThreads * 16)
    store16(to + offset, load16(from + offset));
}

}  // namespace pd::cuda
