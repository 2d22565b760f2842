// Boxes of tensors that the copy engine of sm_90 and later brings into shared memory, and barriers there that
// count what has come. One thread asks, nobody waits until the data is wanted.
//   TensorMap                       which boxes: as the driver encodes it, in a kernel's arguments
//   init_barrier(b, n)              of n arrivals a phase
//   publish_barriers()              by the thread that made them ready, before the block's own barrier
//   arrive(b)                       one arrival
//   arrive_expecting(b, bytes)      one, and so many bytes of copies more in this phase
//   await_phase(b, parity)          until the phase of this parity has ended: 0 the first, 1 the second; of
//                                   the phase before the first, which has parity 1, at once
//   load_box(to, map, b, x, y, z)   the box at these elements of dimensions 0 to 2; b is told its bytes,
//                                   those outside of the tensor too, which are zeros
#pragma once
#include "platform.h"

namespace pd::cuda {

struct alignas(64) TensorMap {
  u64 encoded[16];
};
static_assert(sizeof(TensorMap) == 128, "as the driver's CUtensorMap");

}  // namespace pd::cuda

#ifdef PD_EMULATED
#include "../emulator/tma.h"
#else

namespace pd::cuda {

// PTX ISA, "mbarrier.init"; the fences: "Proxies" and "fence.mbarrier_init": the copy engine is of another
// proxy than the thread that makes a barrier ready for it.
DEVICE void init_barrier(u64* barrier, i32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals)
               : "memory");
}
DEVICE void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// "mbarrier.arrive": of release semantics in the block, as waiting is of acquire.
DEVICE void arrive(u64* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
DEVICE void arrive_expecting(u64* barrier, i32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
}

// "mbarrier.try_wait": sleeps for a while that the hardware knows, and may come back without. What does not
// come within seconds never will: an error is better than a GPU that hangs.
constexpr i64 kHopelessCycles = i64(1) << 35;
DEVICE bool try_phase(u64* barrier, u32 parity) {
  u32 ended;
  asm volatile(
      "{\n.reg .pred ended;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\n"
      "selp.u32 %0, 1, 0, ended;\n}"
      : "=r"(ended)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return ended != 0;
}
DEVICE void await_phase(u64* barrier, u32 parity) {
  if (try_phase(barrier, parity)) return;
  const i64 start = clock64();
  while (!try_phase(barrier, parity))
    if (clock64() - start > kHopelessCycles) __trap();
}

// "prefetch" and "cp.async.bulk.tensor": the map by its generic address, which may be that of a
// __grid_constant__ parameter; to: a multiple of 128 bytes (1024, for its swizzle to begin there).
DEVICE void prefetch_map(const TensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}
DEVICE void load_box(bf16* to, const TensorMap* map, u64* barrier, i32 x, i32 y, i32 z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
      "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
      : "memory");
}

}  // namespace pd::cuda

#endif
