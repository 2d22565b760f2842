// The AMX tile unit; tiles_emulated.h is its twin. Both offer configure, release, load, store,
// zero and dot, with the tile numbers as template arguments.
//
// The instructions are written out here and not through amxtileintrin.h: gcc 12 there tells the compiler of 8
// of the 64 bytes that the configuration is read from, and of no memory that a tile is loaded from, so that
// the stores before are dropped.
#pragma once
#include <cstdint>

#include "signal_stack.h"
#include "tile_shapes.h"

namespace {

class HardwareTiles {
 public:
  void configure(const TileShapes& shapes) {
    pd::prepare_thread_for_tiles();
    asm volatile("ldtilecfg %0" ::"m"(shapes) : "memory");
  }
  void release() { asm volatile("tilerelease" ::: "memory"); }

  template <int T>
  void load(const void* from, int64_t row_bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(T) : "memory");
  }
  template <int T>
  void store(void* to, int64_t row_bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row_bytes), "i"(T) : "memory");
  }
  template <int T>
  void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(T));
  }
  // C += A B
  template <int C, int A, int B>
  void dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
  }
  // C += A B, of int8 in groups of four k, into int32.
  template <int C, int A, int B>
  void dot_int8() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(C), "i"(A), "i"(B));
  }
};

}  // namespace
