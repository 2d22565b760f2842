#include "gemm_fma.h"

namespace {

struct Vector {
  using F = __m256;
  using A = __m256;
  using W = __m256;
  static constexpr int kBytes = 32;
  static constexpr int kParts = 2;
  static constexpr int kSums = 2;
  static constexpr int kColumns = 32;
  static constexpr auto unit_bytes = pd::fma_unit_bytes;
  static constexpr auto steps = fma_steps;
  static F zero() { return _mm256_setzero_ps(); }
  static F broadcast(const float* from) { return _mm256_broadcast_ss(from); }
  static F load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, F value) { _mm256_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F dot(F a, F w, F sum) { return _mm256_fmadd_ps(a, w, sum); }
  static void load_weights(const uint8_t* from, F* w) {
    const __m256i lanes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    w[0] = _mm256_castsi256_ps(_mm256_slli_epi32(lanes, 16));
    w[1] = _mm256_castsi256_ps(_mm256_and_si256(lanes, _mm256_set1_epi32(int(0xffff0000))));
  }
};

constexpr int32_t kTileRows = 6;

// 16 registers hold 12 sums: whole units for few rows, half a unit at a time from 4 rows on.
constexpr int32_t group_units(int32_t rows) { return rows == 1 ? 3 : 1; }

template <int R>
struct Kernel {
  static void multiply(const GemmTile& t) {
    multiply_rows<Vector, R, group_units(R), (R <= 3 ? 2 : 1)>(t);
  }
};

}  // namespace

const pd::GemmKernels pd::kGemmAvx2 = {
    kTileRows, Vector::kColumns, true, true, group_units, fma_row_bytes, pack_fma_rows,
    multiply_any<kTileRows, Kernel>};
