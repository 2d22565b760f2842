#include "gemm_fma.h"

namespace {

struct Vector {
  using F = __m512;
  static constexpr int kBytes = 64;  // of weights at once
  static constexpr int kParts = 1;   // of a unit
  static F zero() { return _mm512_setzero_ps(); }
  static F broadcast(const float* from) { return _mm512_set1_ps(*from); }
  static F load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, F value) { _mm512_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static void widen(const uint8_t* from, F& low, F& high) {
    const __m512i lanes = _mm512_loadu_si512(from);
    low = _mm512_castsi512_ps(_mm512_slli_epi32(lanes, 16));
    high = _mm512_castsi512_ps(_mm512_and_si512(lanes, _mm512_set1_epi32(int(0xffff0000))));
  }
};

// Units side by side for R rows: 8 read streams while the 32 registers allow it.
template <int R>
void multiply_any(const GemmTile& t) {
  if constexpr (R == 1) {
    if (t.segments == 4) return multiply_rows<Vector, R, 2, 4, 1>(t);
    if (t.segments == 2) return multiply_rows<Vector, R, 4, 2, 1>(t);
    return multiply_rows<Vector, R, 8, 1, 1>(t);
  } else if constexpr (R <= 3) {
    if (t.segments == 4) return multiply_rows<Vector, R, 1, 4, 1>(t);
    if (t.segments == 2) return multiply_rows<Vector, R, 2, 2, 1>(t);
    return multiply_rows<Vector, R, 4, 1, 1>(t);
  } else {
    multiply_rows<Vector, R, (R == 4 ? 3 : R <= 6 ? 2 : 1), 1, 1>(t);
  }
}

void multiply(const GemmTile& t) {
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

const pd::GemmKernels pd::kGemmAvx512 = {12, true, true, fma_row_bytes, pack_fma_rows, multiply};
