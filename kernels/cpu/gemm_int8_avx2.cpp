#include "gemm_int8_vector.h"

namespace {

// Bytes widened to int16: vpmaddwd adds two exact products, where vpmaddubsw would saturate.
struct Vector {
  using I = __m256i;
  using F = __m256;
  static constexpr int kGroup = 2;
  static constexpr int kLanes = 8;
  static constexpr int kBytes = 16;
  static constexpr uint8_t kFlip = 0;
  static uint32_t word(const uint8_t* from) {
    return uint16_t(int8_t(from[0])) | uint32_t(uint16_t(int8_t(from[1]))) << 16;
  }
  static I load_start(const void* from) { return _mm256_loadu_si256(static_cast<const I*>(from)); }
  static I load_weights(const void* from) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(from)));
  }
  static I broadcast(const void* from) {
    int32_t word;
    std::memcpy(&word, from, 4);
    return _mm256_set1_epi32(word);
  }
  static void dot(I& sum, I a, I w) { sum = _mm256_add_epi32(sum, _mm256_madd_epi16(a, w)); }
  static F to_float(I sums) { return _mm256_cvtepi32_ps(sums); }
  static F set(float value) { return _mm256_set1_ps(value); }
  static F load(const float* from) { return _mm256_loadu_ps(from); }
  static void store(float* to, F value) { _mm256_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
};

constexpr int32_t kTileRows = 6;

// 16 registers hold up to 12 sums: whole units for few rows, half a unit at a time from 4 rows on.
constexpr int32_t group_units(int32_t rows) { return rows == 1 ? 2 : 1; }

template <int R>
struct Kernel {
  static void multiply(const GemmTile& t) {
    multiply_int8_rows<Vector, R, group_units(R), (R <= 3 ? 4 : 2)>(t);
  }
};

}  // namespace

const pd::Int8Kernels pd::kInt8Avx2 = int8_kernels_of<Vector, kTileRows, Kernel>(group_units);
