// Products of a warpgroup under the emulator, a warp's sixteen rows by themselves: see async_work.h.
#pragma once
#include "tma.h"

namespace pd::cuda {

template <int NT>
inline void begin_products(float (&)[NT][4]) {
  running->meet("wgmma.fence", nullptr, [](void* const*) { running->async.begin_products(); });
}
inline void end_products() {
  running->meet("wgmma.commit_group", nullptr, [](void* const*) { running->async.end_products(); });
}
template <int LEFT, int NT>
inline void await_products(float (&)[NT][4]) {
  running->meet("wgmma.wait_group", nullptr, [](void* const*) { running->async.await_products(LEFT); });
}

template <int FIRST, int NT>
inline void multiply_async(float (&sums)[NT][4], u64 a, u64 b) {
  static_assert(FIRST + emulated::kProductTiles <= NT);
  emulated::Product own{a, b, &sums[FIRST][0]};
  running->meet("wgmma.mma_async", &own, [](void* const* lanes) { running->async.multiply(lanes); });
}

}  // namespace pd::cuda
