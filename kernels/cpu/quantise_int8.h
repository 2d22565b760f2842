// Float32 to int8, symmetric; the definition is in engine/PdEngine/Compute/Int8Quantization.cs. Plain C++
// that the compiler makes vectors of: a maximum is taken of bits and rounding is done by an addition, so
// every instruction set gives the same bytes.
#pragma once
#include <cstdint>
#include <cstring>

namespace {

// What a run is divided by and multiplied with.
struct Int8Scale {
  float scale;    // of the quantised run
  float inverse;  // 127 over the largest magnitude
};

// Of a run whose largest magnitude has these bits.
inline Int8Scale int8_scale_of_bits(uint32_t largest) {
  constexpr uint32_t kInfinity = 0x7f800000, kLeast = uint32_t(127 - 100) << 23;
  if (largest >= kInfinity) return {__builtin_nanf(""), 0};
  if (largest < kLeast) return {0, 0};
  const float most = __builtin_bit_cast(float, largest);
  return {most / 127.0f, 127.0f / most};
}

inline Int8Scale int8_scale_of(const float* x, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    std::memcpy(&bits, x + i, 4);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  return int8_scale_of_bits(largest);
}

// 1.5 * 2^23 leaves no bits for a fraction: a sum with it is rounded to nearest even, and its low byte is the
// integer's.
constexpr float kRoundingShift = 12582912.0f;

// An int8 in the low byte of a word.
inline uint32_t int8_word(float x, float inverse) {
  return __builtin_bit_cast(uint32_t, x * inverse + kRoundingShift);
}

inline void quantise_int8(const float* x, int64_t count, float inverse, uint8_t flip, uint8_t* to) {
  if (inverse == 0) {
    std::memset(to, flip, size_t(count));
    return;
  }
  for (int64_t i = 0; i < count; i++) to[i] = uint8_t(int8_word(x[i], inverse)) ^ flip;
}

}  // namespace
