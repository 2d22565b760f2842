// The product in bf16 dot products, activations rounded to bf16 (nearest even, denormals to zero). A step is
// a pair of k; pairs start at even k. A segment that starts or ends inside a pair has a zero for the other
// element in its activations, so whatever the weights hold there adds nothing.
//
// What vdpbf16ps computes, for each column: sum = fma(a1, w1, sum), then sum = fma(a0, w0, sum): the odd
// element first, each step rounded to nearest even, denormals zero going in and coming out.
#include "gemm_lines.h"
#include "transpose_avx512.h"

namespace {

inline Steps pair_steps(int64_t k, int32_t segments, int32_t index) {
  const int64_t length = k / segments;
  int64_t packed = 0;
  for (int64_t s = 0; s < index; s++) packed += ((s + 1) * length + 1) / 2 - s * length / 2;
  const int64_t first = index * length / 2;
  return {first, packed, ((index + 1) * length + 1) / 2 - first};
}

inline int64_t pair_row_bytes(int64_t k, int32_t segments) {
  const Steps last = pair_steps(k, segments, segments - 1);
  return (last.first_packed + last.count) * 4;
}

struct Vector {
  using F = __m512;
  using A = __m512bh;
  using W = __m512bh;
  static constexpr int kBytes = 64;
  static constexpr int kParts = 1;
  static constexpr int kSums = 1;
  static constexpr int kColumns = 16;
  static constexpr auto steps = pair_steps;
  static int64_t unit_bytes(int64_t k) { return pd::pair_unit_bytes(k) / 2; }
  static F zero() { return _mm512_setzero_ps(); }
  static A broadcast(const float* pair) { return A(_mm512_set1_ps(*pair)); }
  static F load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, F value) { _mm512_storeu_ps(to, value); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F dot(A a, W w, F sum) { return _mm512_dpbf16_ps(sum, a, w); }
  static void load_weights(const uint8_t* from, W* w) { w[0] = W(_mm512_loadu_si512(from)); }
};

constexpr int32_t kTileRows = 14;

// Rows by units: at most 28 sums, and the step's weights or activations, in 32 registers. Few rows wait for
// memory, which gives a tenth more where a core reads four streams than where it reads eight.
constexpr int32_t group_units(int32_t rows) {
  return rows <= 6 ? 4 : rows <= 8 ? 3 : 2;
}

template <int R>
struct Kernel {
  static void multiply(const GemmTile& t) { multiply_rows<Vector, R, group_units(R), 1>(t); }
};

// Elements [first, end) of a row, of the 32 from `start` on, as pairs.
inline __m512i round_pairs(const float* row, int64_t start, int64_t first, int64_t end) {
  const int64_t from = first > start ? first - start : 0, to = end - start < 32 ? end - start : 32;
  const uint64_t live = ((uint64_t(1) << to) - 1) & ~((uint64_t(1) << from) - 1);
  const __m512 low = _mm512_maskz_loadu_ps(__mmask16(live), row + start);
  const __m512 high = _mm512_maskz_loadu_ps(__mmask16(live >> 16), row + start + 16);
  return __m512i(_mm512_cvtne2ps_pbh(high, low));
}

// x [rows, k] -> [pairs][rows], segment after segment.
void pack_pairs(const float* x, int64_t x_stride, int32_t rows, int64_t k, int32_t segments, void* packed) {
  auto* to = static_cast<uint32_t*>(packed);
  const __mmask16 live = __mmask16((1u << rows) - 1);
  for (int32_t s = 0; s < segments; s++) {
    const Steps steps = pair_steps(k, segments, s);
    const int64_t first = s * (k / segments), end = first + k / segments;
    for (int64_t pair = 0; pair < steps.count; pair += 16) {
      const int64_t start = (steps.first_line + pair) * 2, count = steps.count - pair;
      __m512i m[16];
      for (int32_t row = 0; row < 16; row++)
        m[row] = row < rows ? round_pairs(x + row * x_stride, start, first, end) : _mm512_setzero_si512();
      uint32_t* at = to + (steps.first_packed + pair) * rows;
      if (rows == 1) {
        _mm512_mask_storeu_epi32(at, __mmask16(count < 16 ? (1u << count) - 1 : 0xffff), m[0]);
        continue;
      }
      transpose(m);
      for (int64_t i = 0; i < 16 && i < count; i++) _mm512_mask_storeu_epi32(at + i * rows, live, m[i]);
    }
  }
}

}  // namespace

const pd::GemmKernels pd::kGemmAvx512Bf16 = {
    kTileRows, Vector::kColumns, true, false, group_units, pair_row_bytes, pack_pairs,
    multiply_any<kTileRows, Kernel>};
