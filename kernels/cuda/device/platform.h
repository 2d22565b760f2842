// What kernels are written against: one source, compiled by NVRTC for a GPU (no header but these) and by the
// host's compiler for the emulator. A kernel has no inline assembly, no <<<>>>, no static shared memory.
//
//   thread_x() block_x() block_y() block_z() grid_x()    indices
//   sync_block() sync_warp()                             all threads that have not left; all lanes
//   await_kernel()                                       the kernel before has ended; what it wrote is there
//   release_kernel()                                     the next may start, up to where it awaits this one
//   shared_memory<T>()                                   the block's dynamic shared memory
//   copy16(shared, global, valid) commit_copies() wait_copies<N>()
//                                                        asynchronous; zeros where not valid
//   copy16_early                                         the same of memory that no kernel writes: this alone
//                                                        may come before await_kernel()
//   warp_sum warp_max warp_... quad_sum quad_max         butterflies; every lane gets the same bits
//   load_fragments warp_product                          tiles of mma.m16n8k16, bf16 into float32
//   load2 store2 load4 store4 load16 store16             one access of 8 or 16 bytes
//   fetch_add_device fence_device load4_written          what one block leaves for another of the launch
//   fused(a, b, c)                                       a * b + c, rounded once; nothing else is ever fused
#pragma once
#include "../args.h"

#ifdef PD_EMULATED
#include "../emulator/device.h"
#else
#include "ptx.h"
#endif

namespace pd::cuda {

DEVICE float bits_to_float(u32 bits) { return reinterpret_bits<float>(bits); }
DEVICE u32 float_to_bits(float value) { return reinterpret_bits<u32>(value); }
DEVICE float infinity() { return bits_to_float(0x7f800000u); }
DEVICE float not_a_number() { return bits_to_float(0x7fffffffu); }

DEVICE float widen(bf16 value) { return bits_to_float(u32(value) << 16); }
DEVICE float widen_low(u32 pair) { return bits_to_float(pair << 16); }
DEVICE float widen_high(u32 pair) { return bits_to_float(pair & 0xffff0000u); }
DEVICE bf16 narrow(float value) { return bf16(pack_bf16(value, 0.0f) & 0xffffu); }

DEVICE i32 smaller(i32 a, i32 b) { return a < b ? a : b; }
DEVICE i32 larger(i32 a, i32 b) { return a > b ? a : b; }
DEVICE float larger(float a, float b) { return fmaxf(a, b); }  // of a NaN and a number the number

DEVICE i32 lane_of(i32 thread) { return thread & 31; }
DEVICE i32 warp_of(i32 thread) { return thread >> 5; }

// Element offset of a 16-byte chunk in a row-major tile of CHUNKS chunks a row (a power of two), placed so
// that eight rows of one chunk lie in different banks.
template <int CHUNKS>
DEVICE i32 swizzled(i32 row, i32 chunk) {
  constexpr int kMask = CHUNKS < 8 ? CHUNKS - 1 : 7;
  return (row * CHUNKS + (chunk ^ (row & kMask))) * 8;
}

// The row of a swizzled tile that a lane names to ldmatrix. Rows further down by eights and chunks further on
// by twos are one exclusive or and a constant away.
template <int CHUNKS>
struct LaneRow {
  SharedTile row;
  i32 chunk;

  DEVICE LaneRow(const bf16* tile, i32 first_row, i32 lane_row, i32 lane_chunk)
      : row(shared_tile(tile) + (first_row + lane_row) * (CHUNKS * 8)),
        chunk(lane_chunk ^ (lane_row & (CHUNKS < 8 ? CHUNKS - 1 : 7))) {}
  DEVICE SharedTile at(i32 rows_down, i32 chunks_on) const {
    return row + (rows_down * (CHUNKS * 8) + (chunk ^ chunks_on) * 8);
  }
};

}  // namespace pd::cuda
