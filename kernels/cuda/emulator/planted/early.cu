// What a kernel that starts early does before it awaits the one before it, one by one.
#include "../../device/platform.h"

namespace pd::cuda {

struct EarlyArgs {
  i32 kind;
  i32 reserved;
  const float* memory;  // [64]
  float* output;        // [64]
};

PD_KERNEL_AHEAD(pd_planted_early, EarlyArgs, 64, 1) {
  float* shared = shared_memory<float>();
  const i32 thread = thread_x(), first = thread / 4 * 4;
  float value = 0.0f;
  switch (args.kind) {
    case 0:
      value = load4(args.memory).x;
      break;
    case 1:
      store2(args.output, Float2{1.0f, 1.0f});
      break;
    case 2:
      fetch_add_device(reinterpret_cast<i32*>(args.output), 1);
      break;
    case 3:
      copy16(shared + first, args.memory + first, true);
      break;
    case 4:  // an access that nothing marks as one of global memory
      value = args.memory[thread];
      break;
    case 5:
      copy16_early(shared + first, args.memory + first, true);
      break;
    case 6:  // shared memory is the block's own
      store2(shared + thread / 2 * 2, Float2{7.0f, 7.0f});
      sync_block();
      value = load4(shared + first).x;
      break;
    case 7:  // one warp awaits, the other waits for it at a barrier
      if (warp_of(thread) == 0) await_kernel();
      sync_block();
      break;
    default:
      break;
  }
  commit_copies();
  await_kernel();
  release_kernel();
  wait_copies<0>();
  sync_block();
  if (args.kind == 5) value = shared[thread];
  if (args.kind < 0 || args.kind == 7) value = args.memory[thread];
  args.output[thread] = value;
}

}  // namespace pd::cuda
