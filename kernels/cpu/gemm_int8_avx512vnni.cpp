#include "gemm_int8_vector.h"
#include "quantise_rows_avx512.h"

namespace {

// vpdpbusd takes one unsigned operand: the activations, as q + 128.
struct Vector {
  using I = __m512i;
  using F = __m512;
  static constexpr int kGroup = 4;   // of k
  static constexpr int kLanes = 16;  // columns
  static constexpr int kBytes = 64;  // of weights at once
  static constexpr uint8_t kFlip = 0x80;
  static I load_start(const void* from) { return _mm512_loadu_si512(from); }
  static I load_weights(const void* from) { return _mm512_loadu_si512(from); }
  static I broadcast(const void* from) {
    int32_t word;
    std::memcpy(&word, from, 4);
    return _mm512_set1_epi32(word);
  }
  // Written out: gcc 12 copies the sum before the intrinsic and stores it after, which halves the rate.
  static void dot(I& sum, I a, I w) { asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(w)); }
  static F to_float(I sums) { return _mm512_cvtepi32_ps(sums); }
  static F set(float value) { return _mm512_set1_ps(value); }
  static F load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, F value) { _mm512_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
};

constexpr int32_t kTileRows = 12;

// The 32 registers allow more for few rows; memory gives less where a core reads more streams.
constexpr int32_t group_units(int32_t rows) {
  return rows == 2 ? 4 : rows <= 4 ? 3 : rows <= 6 ? 2 : 1;
}

template <int R>
struct Kernel {
  static void multiply(const GemmTile& t) { multiply_int8_rows<Vector, R, group_units(R), 2>(t); }
};

}  // namespace

const pd::Int8Kernels pd::kInt8Vnni =
    int8_kernels_of<Vector, kTileRows, Kernel>(group_units, pack_int8_words<Vector::kFlip>);
