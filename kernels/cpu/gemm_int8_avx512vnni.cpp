#include "gemm_int8_vector.h"

namespace {

// vpdpbusd takes one unsigned operand: the activations, as q + 128.
struct Vector {
  using I = __m512i;
  using F = __m512;
  static constexpr int kGroup = 4;   // of k
  static constexpr int kLanes = 16;  // columns
  static constexpr int kBytes = 64;  // of weights at once
  static constexpr uint8_t kFlip = 0x80;
  static uint32_t word(const uint8_t* from) {
    uint32_t word;
    std::memcpy(&word, from, 4);
    return word;
  }
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

// Units side by side for R rows: 8 read streams while the 32 registers allow it.
template <int R>
void multiply_any(const Int8Tile& t) {
  if constexpr (R == 1) {
    if (t.shape.segments == 4) return multiply_int8_rows<Vector, R, 2, 4, 2>(t);
    if (t.shape.segments == 2) return multiply_int8_rows<Vector, R, 4, 2, 2>(t);
    return multiply_int8_rows<Vector, R, 8, 1, 2>(t);
  } else if constexpr (R <= 3) {
    if (t.shape.segments == 4) return multiply_int8_rows<Vector, R, 1, 4, 2>(t);
    if (t.shape.segments == 2) return multiply_int8_rows<Vector, R, 2, 2, 2>(t);
    return multiply_int8_rows<Vector, R, 4, 1, 2>(t);
  } else {
    multiply_int8_rows<Vector, R, (R == 4 ? 3 : R <= 6 ? 2 : 1), 1, 2>(t);
  }
}

void multiply(const Int8Tile& t) {
  switch (t.rows) {
#define PD_ROWS(R) \
  case R:          \
    return multiply_any<R>(t);
    PD_ROWS(1)
    PD_ROWS(2)
    PD_ROWS(3)
    PD_ROWS(4)
    PD_ROWS(5)
    PD_ROWS(6)
    PD_ROWS(7)
    PD_ROWS(8)
    PD_ROWS(9)
    PD_ROWS(10)
    PD_ROWS(11)
    PD_ROWS(12)
#undef PD_ROWS
  }
}

}  // namespace

const pd::Int8Kernels pd::kInt8Vnni = {{4, 4, true}, 12, 1, int8_row_bytes, pack_int8_rows<Vector>, multiply};
