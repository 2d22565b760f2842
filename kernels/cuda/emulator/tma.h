// Tensor copies and their barriers under the emulator: see async_work.h.
#pragma once
#include "block.h"

namespace pd::cuda {

inline u32 shared_address(const void* pointer) { return running->async.address_of(pointer); }

inline void init_barrier(u64* barrier, i32 arrivals) { running->async.init_barrier(barrier, u32(arrivals)); }
inline void publish_barriers() { running->async.publish_barriers(); }
inline void arrive(u64* barrier) { running->async.arrive(barrier, 0); }
inline void arrive_expecting(u64* barrier, i32 bytes) { running->async.arrive(barrier, bytes); }
inline void await_phase(u64* barrier, u32 parity) { running->async.await_phase(barrier, parity); }
inline void prefetch_map(const TensorMap*) {}
inline void load_box(bf16* to, const TensorMap* map, u64* barrier, i32 x, i32 y, i32 z) {
  const int32_t first[3] = {x, y, z};
  running->async.load_box(to, map, barrier, first);
}

}  // namespace pd::cuda
