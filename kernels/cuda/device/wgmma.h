// Products of a warpgroup (four warps, the first a multiple of four) on tiles in shared memory, of sm_90a
// alone: they run on beside the threads that asked for them.
//   swizzled_operand(tile)       a tile of rows of 64 bf16, 128 bytes each, in the 128-byte swizzle
//   begin_products(sums)         before the first product of a group, for what wrote to sums before
//   multiply_async<F>(sums, a, b)
//                                sums[F .. F + 15] += 64 rows of a by 128 rows of b, transposed, 16 columns.
//                                Sums lie as those of mma.m16n8k16 do, in warp w of the group rows 16 w to
//                                16 w + 15
//   end_products()               ends a group
//   await_products<LEFT>(sums)   until so many groups are left; until then nobody touches sums
#pragma once
#include "platform.h"

namespace pd::cuda {

// PTX ISA, "Matrix Descriptor Format" of wgmma: what a descriptor says, in 16 bytes where it says bytes.
//   bits 0-13   address in shared memory
//   bits 16-29  leading dimension byte offset, which a swizzled K-major tile has no use for
//   bits 32-45  stride dimension byte offset: from eight rows to the next eight
//   bits 49-51  base offset: 0, since the swizzle's pattern begins at a multiple of 1024
//   bits 62-63  swizzle: 1 is that of 128 bytes
constexpr u64 kSwizzle128 = u64(1) << 62;
constexpr i32 kEightRowsBytes = 8 * 128;
// From 16 columns to the next 16: within the 128 bytes of a row only the address moves.
constexpr u64 kNextColumns = 16 * 2 >> 4;

}  // namespace pd::cuda

#ifdef PD_EMULATED
#include "../emulator/wgmma.h"
#else

namespace pd::cuda {

template <int NT>
DEVICE void hold_sums(float (&sums)[NT][4]) {
#pragma unroll
  for (int j = 0; j < NT; j++)
    asm volatile("" : "+f"(sums[j][0]), "+f"(sums[j][1]), "+f"(sums[j][2]), "+f"(sums[j][3])::"memory");
}

// "wgmma.fence": orders what registers were written to before the products that use them. That the compiler
// moves none of sums meanwhile is hold_sums' part.
template <int NT>
DEVICE void begin_products(float (&sums)[NT][4]) {
  // What is aligned takes lanes that are together, which waiting one by one has not left them for sure.
  sync_warp();
  hold_sums(sums);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
DEVICE void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int LEFT, int NT>
DEVICE void await_products(float (&sums)[NT][4]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
  hold_sums(sums);
}

#define PD_SUM(j) \
  "+f"(sums[FIRST + j][0]), "+f"(sums[FIRST + j][1]), "+f"(sums[FIRST + j][2]), "+f"(sums[FIRST + j][3])

// "wgmma.mma_async": scale-d is true, so that sums are added to; neither operand is negated or transposed.
template <int FIRST, int NT>
DEVICE void multiply_async(float (&sums)[NT][4], u64 a, u64 b) {
  asm volatile(
      "{\n.reg .pred adds;\nsetp.ne.b32 adds, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "%64, %65, adds, 1, 1, 0, 0;\n}"
      : PD_SUM(0), PD_SUM(1), PD_SUM(2), PD_SUM(3), PD_SUM(4), PD_SUM(5), PD_SUM(6), PD_SUM(7), PD_SUM(8),
        PD_SUM(9), PD_SUM(10), PD_SUM(11), PD_SUM(12), PD_SUM(13), PD_SUM(14), PD_SUM(15)
      : "l"(a), "l"(b), "r"(1)
      : "memory");
}
#undef PD_SUM

}  // namespace pd::cuda

#endif

namespace pd::cuda {

DEVICE u64 swizzled_operand(const bf16* tile) {
  return u64(shared_address(tile) & 0x3ffff) >> 4 | u64(1) << 16 | u64(kEightRowsBytes >> 4) << 32 |
         kSwizzle128;
}

}  // namespace pd::cuda
