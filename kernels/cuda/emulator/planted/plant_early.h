// Copies that start early and await the kernel before them where they wait for what they have fetched.
#pragma once
#include "plant.h"

#undef PD_PLANT_KERNEL
#define PD_PLANT_KERNEL(name, Args, threads) PD_EMULATED_KERNEL_OF(name, Args, threads, false)

namespace pd::cuda {

[[maybe_unused]] inline void await_nothing() {}
template <int LEFT>
inline void await_and_wait() {
  await_kernel();
  wait_copies<LEFT>();
}

}  // namespace pd::cuda
