// What a kernel must not do with tensor copies and products of a warpgroup, one by one.
#include "../../device/tma.h"
#include "../../device/wgmma.h"

namespace pd::cuda {

struct AsyncFaultArgs {
  TensorMap map;  // of 3 dimensions, in boxes of 128 rows of 128 bytes, swizzled
  i32 kind;
  i32 reserved;
};

// shared memory: 1024 bytes for the barrier, then a box.
PD_KERNEL(pd_planted_async_fault, AsyncFaultArgs, 128, 1) {
  u64* barrier = shared_memory<u64>();
  bf16* tile = shared_memory<bf16>() + 512;
  if (thread_x() == 0) {
    init_barrier(barrier, 1);
    if (args.kind != 0) publish_barriers();
  }
  sync_block();
  if (thread_x() == 0) {
    arrive_expecting(barrier, 128 * 128);
    const TensorMap* map = args.kind == 1 ? reinterpret_cast<const TensorMap*>(shared_memory<u64>() + 8)
                                          : &args.map;
    load_box(tile - (args.kind == 2 ? 8 : 0), map, barrier, 0, 0, 0);
    if (args.kind == 3) load_box(tile, map, barrier, 0, 0, 0);
    if (args.kind == 4) arrive(barrier);
    if (args.kind == 5) *barrier = 7;
  }
  if (args.kind == 6) return;
  await_phase(barrier + (args.kind == 7 ? 1 : 0), 0);
  float sums[16][4] = {};
  u64 operand = swizzled_operand(tile);
  if (args.kind == 8) operand += u64(thread_x() & 1);
  if (args.kind == 9) operand += u64(64);
  if (args.kind == 10 && warp_of(thread_x()) == 1) return;
  begin_products(sums);
  multiply_async<0>(sums, operand, operand);
  end_products();
  if (args.kind != 11) await_products<0>(sums);
}

}  // namespace pd::cuda
