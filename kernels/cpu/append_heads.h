// Norm, RoPE and rounding of one head, for the compiler's vectors of either instruction set. Included inside
// an anonymous namespace. No sum depends on the vector width: both sets give the same bits.

constexpr int kMaxDim = 256;
constexpr int kHeadLanes = 16;  // of a sum

// What becomes of a head: norms may be null.
struct HeadTurn {
  const float* norm;
  const float* rope;  // cosines, then sines
  float epsilon;
  int32_t dims;
};

// One function for each use, of heads of some size.
struct HeadKernels {
  void (*turn)(const float* x, const HeadTurn& turn, float* y);         // y may be x
  void (*turn_and_round)(const float* x, const HeadTurn& turn, uint16_t* y);
  void (*round)(const float* x, const HeadTurn& turn, uint16_t* y);
};

#ifdef __AVX512F__
constexpr int kWidth = 16;
#else
constexpr int kWidth = 8;
#endif
using Floats [[gnu::vector_size(kWidth * 4), gnu::aligned(4), gnu::may_alias]] = float;
using Words [[gnu::vector_size(kWidth * 4), gnu::aligned(4), gnu::may_alias]] = uint32_t;
using Halves [[gnu::vector_size(kWidth * 2), gnu::aligned(2), gnu::may_alias]] = uint16_t;
using Eight [[gnu::vector_size(32)]] = float;
using Four [[gnu::vector_size(16)]] = float;

// Of eight lanes that are sums of two already: they pair up 4 apart, then 2 and 1.
inline float sum_of(Eight x) {
  const Four four = __builtin_shufflevector(x, x, 0, 1, 2, 3) + __builtin_shufflevector(x, x, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}

#ifdef __AVX512F__
inline Eight eight_of(const Floats (&sums)[1]) {
  const Floats x = sums[0];
  return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7) +
         __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15);
}
#else
inline Eight eight_of(const Floats (&sums)[2]) { return sums[0] + sums[1]; }
#endif

// To nearest even; a NaN stays one.
inline Halves round_lanes(Floats x) {
  const Words bits = (Words)x, rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const Words made = (bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16 | 0x40) : rounded;
  return __builtin_convertvector(made, Halves);
}

// x / rms(x) * weight, element i adding to lane i % 16 and lanes pairing up 8 apart, then 4, 2 and 1; then
// pairs (j, j + dims / 2) turn by the angle of their cosine and sine. A head stays in registers.
template <int kDims>
[[gnu::always_inline]] inline void turn_vectors(const float* from, const HeadTurn& turn,
                                                Floats (&x)[kDims / kWidth]) {
  constexpr int kVectors = kDims / kWidth, kHalf = kVectors / 2, kSums = kHeadLanes / kWidth;
  const auto load = [](const float* at, int i) __attribute__((always_inline)) {
    return *reinterpret_cast<const Floats*>(at + i * kWidth);
  };
#pragma GCC unroll 32
  for (int i = 0; i < kVectors; i++) x[i] = load(from, i);
  if (turn.norm) {
    Floats sums[kSums] = {};
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; i++) sums[i % kSums] += x[i] * x[i];
    const float inverse = 1.0f / __builtin_sqrtf(sum_of(eight_of(sums)) / float(kDims) + turn.epsilon);
#pragma GCC unroll 32
    for (int i = 0; i < kVectors; i++) x[i] = x[i] * inverse * load(turn.norm, i);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kHalf; i++) {
    const Floats a = x[i], b = x[i + kHalf], c = load(turn.rope, i), s = load(turn.rope, i + kHalf);
    x[i] = a * c - b * s;
    x[i + kHalf] = b * c + a * s;
  }
}

template <int kDims>
void turn_head(const float* from, const HeadTurn& turn, float* y) {
  Floats x[kDims / kWidth];
  turn_vectors<kDims>(from, turn, x);
#pragma GCC unroll 32
  for (int i = 0; i < kDims / kWidth; i++) *reinterpret_cast<Floats*>(y + i * kWidth) = x[i];
}

template <int kDims>
void turn_and_round_head(const float* from, const HeadTurn& turn, uint16_t* y) {
  Floats x[kDims / kWidth];
  turn_vectors<kDims>(from, turn, x);
#pragma GCC unroll 32
  for (int i = 0; i < kDims / kWidth; i++) *reinterpret_cast<Halves*>(y + i * kWidth) = round_lanes(x[i]);
}

template <int kDims>
void round_head(const float* from, const HeadTurn&, uint16_t* y) {
#pragma GCC unroll 32
  for (int i = 0; i < kDims; i += kWidth)
    *reinterpret_cast<Halves*>(y + i) = round_lanes(*reinterpret_cast<const Floats*>(from + i));
}

// The same of any size.
inline void turn_any(const float* from, const HeadTurn& turn, float* y) {
  const int32_t dims = turn.dims, half = dims / 2;
  alignas(64) float x[kMaxDim];
  __builtin_memcpy(x, from, size_t(dims) * 4);
  if (turn.norm) {
    float lanes[kHeadLanes] = {};
    for (int32_t d = 0; d < dims; d++) lanes[d % kHeadLanes] += x[d] * x[d];
    for (int step = kHeadLanes / 2; step > 0; step /= 2)
      for (int lane = 0; lane < step; lane++) lanes[lane] += lanes[lane + step];
    const float inverse = 1.0f / __builtin_sqrtf(lanes[0] / float(dims) + turn.epsilon);
    for (int32_t d = 0; d < dims; d++) x[d] = x[d] * inverse * turn.norm[d];
  }
  for (int32_t j = 0; j < half; j++) {
    const float a = x[j], b = x[j + half], c = turn.rope[j], s = turn.rope[j + half];
    y[j] = a * c - b * s;
    y[j + half] = b * c + a * s;
  }
}

inline void round_any(const float* from, const HeadTurn& turn, uint16_t* y) {
  for (int32_t d = 0; d < turn.dims; d++) {
    const Floats one = {from[d]};
    y[d] = round_lanes(one)[0];
  }
}

inline void turn_and_round_any(const float* from, const HeadTurn& turn, uint16_t* y) {
  alignas(64) float x[kMaxDim];
  turn_any(from, turn, x);
  round_any(x, turn, y);
}

template <int kDims>
constexpr HeadKernels head_kernels_of() {
  return {turn_head<kDims>, turn_and_round_head<kDims>, round_head<kDims>};
}

inline HeadKernels head_kernels(int32_t dims) {
  switch (dims) {
    case 32:
      return head_kernels_of<32>();
    case 64:
      return head_kernels_of<64>();
    case 96:
      return head_kernels_of<96>();
    case 128:
      return head_kernels_of<128>();
    case 256:
      return head_kernels_of<256>();
    default:
      return {turn_any, turn_and_round_any, round_any};
  }
}
