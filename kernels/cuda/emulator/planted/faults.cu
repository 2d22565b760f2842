// What a kernel must not do, one by one, to see that the emulator says so.
#include "../../device/platform.h"

namespace pd::cuda {

struct FaultArgs {
  i32 kind;
  i32 reserved;
  const float* memory;
};

PD_KERNEL(pd_planted_fault, FaultArgs, 64, 1) {
  float* shared = shared_memory<float>();
  const i32 thread = thread_x();
  switch (args.kind) {
    case 0:  // half a warp leaves before the others meet
      if (thread % 32 < 16) return;
      sync_warp();
      break;
    case 1:  // lanes of a warp meet in different places
      if (thread < 16)
        warp_ballot(true);
      else
        sync_warp();
      break;
    case 2:  // a warp waits for a barrier that the others wait for in a warp's
      if (thread == 0) sync_block();
      sync_warp();
      break;
    case 3:
      copy16(shared + thread % 16 * 4, args.memory, true);
      commit_copies();
      break;
    case 4:
      shared[64 + thread] = 1.0f;
      break;
    case 5:
      copy16(shared + 64, args.memory, true);
      wait_copies<0>();
      break;
    default:
      break;
  }
}

}  // namespace pd::cuda
