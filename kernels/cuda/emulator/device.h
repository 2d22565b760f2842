// The platform under the emulator. An operation of a warp is one meeting of its lanes, whatever it comes to
// on a GPU: a butterfly of five shuffles, or all ldmatrix and mma of a tile. It computes from what each lane
// would have given: its own addresses, its own registers.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "block.h"

#define DEVICE inline
#define PD_KERNEL_AHEAD(name, Args, threads, blocks_per_sm) PD_EMULATED_KERNEL_OF(name, Args, threads, false)
#define PD_KERNEL(name, Args, threads, blocks_per_sm) PD_EMULATED_KERNEL(name, Args, threads)
#define PD_EMULATED_KERNEL(name, Args, threads) PD_EMULATED_KERNEL_OF(name, Args, threads, true)
#define PD_EMULATED_KERNEL_OF(name, Args, threads, awaits) PD_EMULATED_KERNEL_AS(name, Args, threads, awaits)
#define PD_EMULATED_KERNEL_AS(name, Args, threads, awaits)                                             \
  static void name##_body(const Args& args);                                                           \
  static void name##_thread(const void* parameters) {                                                  \
    if (awaits) pd::cuda::await_kernel();                                                              \
    name##_body(*static_cast<const Args*>(parameters));                                                \
  }                                                                                                    \
  extern const pd::emulated::Kernel kernel_##name;                                                     \
  const pd::emulated::Kernel kernel_##name = {#name, sizeof(Args), uint32_t(threads), name##_thread}; \
  static void name##_body(const Args& args)

namespace pd::cuda {

using emulated::running;

struct alignas(8) Float2 {
  float x, y;
};
struct alignas(16) Float4 {
  float x, y, z, w;
};
struct alignas(16) Bits16 {
  u32 x, y, z, w;
};

DEVICE i32 thread_x() { return i32(running->self->index); }
DEVICE i32 block_x() { return i32(running->index.x); }
DEVICE i32 block_y() { return i32(running->index.y); }
DEVICE i32 block_z() { return i32(running->index.z); }
DEVICE i32 grid_x() { return i32(running->grid.x); }
DEVICE void await_kernel() { running->await_kernel(); }
DEVICE void release_kernel() {}
DEVICE void sync_block() { running->barrier(); }
DEVICE void sync_warp() {
  running->meet("a barrier of a warp", nullptr, [](void* const*) {});
}
template <class T>
DEVICE T* shared_memory() {
  return reinterpret_cast<T*>(running->shared);
}

template <class To, class From>
DEVICE To reinterpret_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// To nearest, ties to even; any NaN becomes the one that a GPU makes.
DEVICE u32 round_bf16(float value) {
  const u32 bits = reinterpret_bits<u32>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
DEVICE u32 pack_bf16(float low, float high) { return round_bf16(low) | round_bf16(high) << 16; }
DEVICE float fused(float a, float b, float c) { return std::fma(a, b, c); }
DEVICE float divide(float a, float b) { return a / b; }
DEVICE float square_root(float x) { return std::sqrt(x); }
DEVICE float exponential(float x) { return std::exp(x); }
DEVICE double exponential(double x) { return std::exp(x); }
DEVICE double logarithm(double x) { return std::log(x); }
DEVICE float exp2_approx(float x) { return std::exp2(x); }
DEVICE u32 multiply_high(u32 a, u32 b) { return u32(u64(a) * b >> 32); }
DEVICE float round_down(double x) {
  const float nearest = float(x);
  return double(nearest) > x ? std::nextafter(nearest, -INFINITY) : nearest;
}
DEVICE i32 count_bits(u32 x) { return __builtin_popcount(x); }
DEVICE i32 log2_of(i32 power) { return __builtin_ctz(u32(power)); }

// Of memory that a kernel may write: it is the kernel before's until that has been awaited.
template <class T>
DEVICE T* awaited(T* pointer) {
  if (!running->self->has_waited) running->check_awaited(pointer, "an access");
  return pointer;
}
template <class T>
DEVICE T* aligned(T* pointer) {
  if ((reinterpret_cast<uintptr_t>(pointer) & 15) != 0)
    running->fault("thread %d: an access of 16 bytes is not aligned to 16", thread_x());
  return awaited(pointer);
}
DEVICE Float4 load4(const float* from) { return *reinterpret_cast<const Float4*>(aligned(from)); }
DEVICE void store4(float* to, Float4 value) { *reinterpret_cast<Float4*>(aligned(to)) = value; }
DEVICE Float2 load2(const float* from) { return *reinterpret_cast<const Float2*>(awaited(from)); }
DEVICE void store2(float* to, Float2 value) { *reinterpret_cast<Float2*>(awaited(to)) = value; }
DEVICE Float4 load4_written(const float* from) { return load4(from); }
DEVICE Bits16 load16(const void* from) { return *static_cast<const Bits16*>(aligned(from)); }
DEVICE void store16(void* to, Bits16 value) { *static_cast<Bits16*>(aligned(to)) = value; }

// A place in shared memory.
typedef const bf16* SharedTile;
DEVICE SharedTile shared_tile(const bf16* tile) { return tile; }

DEVICE void copy16(void* shared, const void* global, bool valid) {
  if (valid && !running->self->has_waited)
    running->check_awaited(global, "an asynchronous copy of 16 bytes");
  running->copy(shared, valid ? global : nullptr);
}
DEVICE void copy16_early(void* shared, const void* global, bool valid) {
  running->copy(shared, valid ? global : nullptr);
}
DEVICE void commit_copies() { running->self->copy_group++; }
template <int LEFT>
DEVICE void wait_copies() {
  running->wait_copies(LEFT);
}

template <class T, class Join>
DEVICE T warp_join(T value, Join join) {
  struct Payload {
    T value;
    Join join;
  } own{value, join};
  running->meet("a reduction of a warp", &own, [](void* const* lanes) {
    auto at = [&](int lane) -> T& { return static_cast<Payload*>(lanes[lane])->value; };
    Join& join_all = static_cast<Payload*>(lanes[0])->join;
    T values[32], next[32];
    for (int i = 0; i < 32; i++) values[i] = at(i);
    for (int distance = 16; distance > 0; distance >>= 1) {
      for (int i = 0; i < 32; i++) next[i] = join_all(values[i], values[i ^ distance]);
      std::memcpy(values, next, sizeof values);
    }
    for (int i = 0; i < 32; i++) at(i) = values[i];
  });
  return own.value;
}
template <class Join>
DEVICE void quad_join(float (&values)[2], Join join) {
  struct Payload {
    float* values;
    Join join;
  } own{values, join};
  running->meet("a reduction of quads", &own, [](void* const* lanes) {
    auto at = [&](int lane) { return static_cast<Payload*>(lanes[lane])->values; };
    Join& join_all = static_cast<Payload*>(lanes[0])->join;
    for (int e = 0; e < 2; e++) {
      float values_of[32], next[32];
      for (int i = 0; i < 32; i++) values_of[i] = at(i)[e];
      for (int distance = 1; distance < 4; distance <<= 1) {
        for (int i = 0; i < 32; i++) next[i] = join_all(values_of[i], values_of[i ^ distance]);
        std::memcpy(values_of, next, sizeof values_of);
      }
      for (int i = 0; i < 32; i++) at(i)[e] = values_of[i];
    }
  });
}
DEVICE u32 warp_ballot(bool value) {
  struct Payload {
    bool value;
    u32 all;
  } own{value, 0};
  running->meet("a ballot", &own, [](void* const* lanes) {
    u32 all = 0;
    for (int i = 0; i < 32; i++) all |= u32(static_cast<Payload*>(lanes[i])->value) << i;
    for (int i = 0; i < 32; i++) static_cast<Payload*>(lanes[i])->all = all;
  });
  return own.all;
}

// Blocks of a launch run on several OS threads.
DEVICE void fence_device() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
DEVICE i32 fetch_add_device(i32* to, i32 value) {
  return __atomic_fetch_add(awaited(to), value, __ATOMIC_SEQ_CST);
}
// A block's threads take turns on one OS thread.
DEVICE void add_shared(u32* to, u32 value) { *to += value; }
DEVICE void add_shared(u64* to, u64 value) { *to += value; }
DEVICE u32 fetch_add(u32* to, u32 value) {
  const u32 before = *to;
  *to += value;
  return before;
}
DEVICE u32 exchange(u32* to, u32 value) {
  const u32 before = *to;
  *to = value;
  return before;
}

}  // namespace pd::cuda

#include "products.h"
