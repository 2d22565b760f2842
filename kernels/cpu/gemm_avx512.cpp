#include "gemm_fma.h"

namespace {

struct Vector {
  using F = __m512;
  using A = __m512;
  using W = __m512;
  static constexpr int kBytes = 64;  // of weights at once
  static constexpr int kParts = 1;   // of a line
  static constexpr int kSums = 2;
  static constexpr int kColumns = 32;
  static constexpr auto unit_bytes = pd::fma_unit_bytes;
  static constexpr auto steps = fma_steps;
  static F zero() { return _mm512_setzero_ps(); }
  static F broadcast(const float* from) { return _mm512_set1_ps(*from); }
  static F load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, F value) { _mm512_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F dot(F a, F w, F sum) { return _mm512_fmadd_ps(a, w, sum); }
  static void load_weights(const uint8_t* from, F* w) {
    const __m512i lanes = _mm512_loadu_si512(from);
    w[0] = _mm512_castsi512_ps(_mm512_slli_epi32(lanes, 16));
    w[1] = _mm512_castsi512_ps(_mm512_and_si512(lanes, _mm512_set1_epi32(int(0xffff0000))));
  }
};

constexpr int32_t kTileRows = 14;

// Four read streams while the 32 registers allow it: with more a core reads less.
constexpr int32_t group_units(int32_t rows) {
  return rows <= 3 ? 4 : rows == 4 ? 3 : rows <= 6 ? 2 : 1;
}

template <int R>
struct Kernel {
  static void multiply(const GemmTile& t) { multiply_rows<Vector, R, group_units(R), 1>(t); }
};

}  // namespace

const pd::GemmKernels pd::kGemmAvx512 = {
    kTileRows, Vector::kColumns, true, true, group_units, fma_row_bytes, pack_fma_rows,
    multiply_any<kTileRows, Kernel>};
