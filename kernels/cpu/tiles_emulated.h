// The AMX tile unit in AVX2 and FMA, bit for bit as Intel's manual has TDPBF16PS: for each row of A two
// chains of fused multiply-adds start from zero, one over the even elements of k and one over the odd ones;
// their sum is then added to C. Rounding is to nearest even, denormals count as zero and become zero: the
// unit does so by itself, here the thread's FlushDenormals does. What the unit would not take, traps.
#pragma once
#include <immintrin.h>

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
    Sixteen even_b[16], odd_b[16];
    for (int k = 0; k < shapes_.rows[B]; k++) {
      even_b[k] = {first_of(tiles_[B][k]), first_of(tiles_[B][k] + 32)};
      odd_b[k] = {second_of(tiles_[B][k]), second_of(tiles_[B][k] + 32)};
    }
    const int rows = shapes_.rows[C], pairs = shapes_.rows[B];
    int row = 0;
    for (; row + 2 <= rows; row += 2) dot_rows<2>(tiles_[C] + row, tiles_[A] + row, even_b, odd_b, pairs);
    if (row < rows) dot_rows<1>(tiles_[C] + row, tiles_[A] + row, even_b, odd_b, pairs);
  }
  // TDPBSSD: int8 in groups of four k, into int32, which wraps.
  template <int C, int A, int B>
  void dot_int8() {
    trap_unless(fit<C, A, B>());
    for (int row = 0; row < shapes_.rows[C]; row++) {
      // Of four columns each, every column in two parts.
      __m256i parts[4] = {};
      for (int k = 0; k < shapes_.rows[B]; k++) {
        int32_t four;
        std::memcpy(&four, tiles_[A][row] + 4 * k, 4);
        const __m256i a = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
        for (int i = 0; i < 4; i++) {
          const auto* from = reinterpret_cast<const __m128i*>(tiles_[B][k]) + i;
          const __m256i b = _mm256_cvtepi8_epi16(_mm_load_si128(from));
          parts[i] = _mm256_add_epi32(parts[i], _mm256_madd_epi16(b, a));
        }
      }
      auto* sums = reinterpret_cast<__m256i*>(tiles_[C][row]);
      for (int i = 0; i < 2; i++) {
        const __m256i both = _mm256_hadd_epi32(parts[2 * i], parts[2 * i + 1]);
        const __m256i made = _mm256_permute4x64_epi64(both, 0xd8);
        _mm256_store_si256(sums + i, _mm256_add_epi32(_mm256_load_si256(sums + i), made));
      }
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

  struct Sixteen {
    __m256 low, high;
  };
  using Row = uint8_t[64];

  // Of eight bf16 pairs the first elements, and the second ones.
  static __m256 first_of(const uint8_t* pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(load_pairs(pairs), 16));
  }
  static __m256 second_of(const uint8_t* pairs) {
    return _mm256_castsi256_ps(_mm256_and_si256(load_pairs(pairs), _mm256_set1_epi32(int(0xffff0000u))));
  }
  static __m256i load_pairs(const uint8_t* pairs) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pairs));
  }
  static void multiply(Sixteen& sum, uint32_t a, const Sixteen& b) {
    const __m256 x = _mm256_castsi256_ps(_mm256_set1_epi32(int(a)));
    sum.low = _mm256_fmadd_ps(x, b.low, sum.low);
    sum.high = _mm256_fmadd_ps(x, b.high, sum.high);
  }

  template <int R>
  static void dot_rows(Row* c, const Row* a, const Sixteen* even_b, const Sixteen* odd_b, int pairs) {
    Sixteen even[R] = {}, odd[R] = {};
    for (int k = 0; k < pairs; k++)
#pragma GCC unroll 2
      for (int r = 0; r < R; r++) {
        uint32_t pair;
        std::memcpy(&pair, a[r] + 4 * k, 4);
        multiply(even[r], pair << 16, even_b[k]);
        multiply(odd[r], pair & 0xffff0000u, odd_b[k]);
      }
#pragma GCC unroll 2
    for (int r = 0; r < R; r++) {
      auto* sums = reinterpret_cast<float*>(c[r]);
      const __m256 low = _mm256_add_ps(even[r].low, odd[r].low);
      const __m256 high = _mm256_add_ps(even[r].high, odd[r].high);
      _mm256_storeu_ps(sums, _mm256_add_ps(_mm256_loadu_ps(sums), low));
      _mm256_storeu_ps(sums + 8, _mm256_add_ps(_mm256_loadu_ps(sums + 8), high));
    }
  }

  TileShapes shapes_;
  alignas(64) uint8_t tiles_[8][16][64];
};

}  // namespace
