// The AMX tile unit in plain C++, bit for bit as Intel's manual has TDPBF16PS: for each row of A two chains
// of fused multiply-adds start from zero, one over the even elements of k and one over the odd ones; their
// sum is then added to C. Rounding is to nearest even, denormals count as zero and become zero: the unit does
// so by itself, here the thread's FlushDenormals does.
#pragma once
#include <cstdint>
#include <cstring>

#include "tile_shapes.h"

namespace {

class EmulatedTiles {
 public:
  void configure(const TileShapes& shapes) {
    shapes_ = shapes;
    std::memset(tiles_, 0, sizeof tiles_);
  }
  void release() {}

  template <int T>
  void load(const void* from, int64_t row_bytes) {
    trap_unless(shapes_.rows[T] != 0);
    std::memset(tiles_[T], 0, sizeof tiles_[T]);
    for (int64_t row = 0; row < shapes_.rows[T]; row++)
      std::memcpy(tiles_[T][row], static_cast<const uint8_t*>(from) + row * row_bytes, shapes_.row_bytes[T]);
  }
  template <int T>
  void store(void* to, int64_t row_bytes) {
    for (int64_t row = 0; row < shapes_.rows[T]; row++)
      std::memcpy(static_cast<uint8_t*>(to) + row * row_bytes, tiles_[T][row], shapes_.row_bytes[T]);
  }
  template <int T>
  void zero() {
    std::memset(tiles_[T], 0, sizeof tiles_[T]);
  }
  template <int C, int A, int B>
  void dot() {
    trap_unless(fit<C, A, B>());
    // B widened once: for a whole tile the lanes past its columns are zero, and so are C's.
    float even_b[16][16], odd_b[16][16];
    for (int k = 0; k < 16; k++) widen(tiles_[B][k], even_b[k], odd_b[k]);
    for (int row = 0; row < shapes_.rows[C]; row++) {
      float even_a[16], odd_a[16], even[16] = {}, odd[16] = {};
      widen(tiles_[A][row], even_a, odd_a);
      for (int k = 0; k < shapes_.row_bytes[A] / 4; k++)
        for (int column = 0; column < 16; column++) {
          even[column] = __builtin_fmaf(even_a[k], even_b[k][column], even[column]);
          odd[column] = __builtin_fmaf(odd_a[k], odd_b[k][column], odd[column]);
        }
      float sum[16];
      std::memcpy(sum, tiles_[C][row], 64);
      for (int column = 0; column < 16; column++) sum[column] += even[column] + odd[column];
      std::memcpy(tiles_[C][row], sum, 64);
    }
  }
  // TDPBSSD: int8 in groups of four k, into int32, which wraps.
  template <int C, int A, int B>
  void dot_int8() {
    trap_unless(fit<C, A, B>());
    for (int row = 0; row < shapes_.rows[C]; row++) {
      int32_t sum[16];
      std::memcpy(sum, tiles_[C][row], 64);
      for (int k = 0; k < shapes_.row_bytes[A] / 4; k++)
        for (int column = 0; column < 16; column++)
          for (int i = 0; i < 4; i++)
            sum[column] += int8_t(tiles_[A][row][k * 4 + i]) * int8_t(tiles_[B][k][column * 4 + i]);
      std::memcpy(tiles_[C][row], sum, 64);
    }
  }

 private:
  // What the unit takes for an invalid instruction.
  static void trap_unless(bool valid) {
    if (!valid) __builtin_trap();
  }
  template <int C, int A, int B>
  bool fit() const {
    return shapes_.rows[C] != 0 && shapes_.rows[C] == shapes_.rows[A] &&
           shapes_.row_bytes[A] == 4 * shapes_.rows[B] && shapes_.row_bytes[C] == shapes_.row_bytes[B];
  }

  // A row of bf16 pairs: first elements, second elements.
  static void widen(const uint8_t* row, float* first, float* second) {
    uint32_t pairs[16];
    std::memcpy(pairs, row, 64);
    for (int i = 0; i < 16; i++) {
      first[i] = __builtin_bit_cast(float, pairs[i] << 16);
      second[i] = __builtin_bit_cast(float, pairs[i] & 0xffff0000u);
    }
  }

  TileShapes shapes_;
  alignas(64) uint8_t tiles_[8][16][64];
};

}  // namespace
