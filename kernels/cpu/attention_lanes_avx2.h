// Sixteen float lanes as two AVX2 registers. Included by *_avx2.cpp only, inside its anonymous namespace.
struct Vec {
  __m256 a, b;
};
struct Raw {  // 32 bf16: 16 pairs
  __m256i a, b;
};

// Accumulators, keys and constants of a band must fit 16 registers.
constexpr int groups_for(int rows) { return rows <= 2 ? 2 : 1; }

inline Vec load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store(float* p, Vec x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
inline Vec spread(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Vec add(Vec x, Vec y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline Vec sub(Vec x, Vec y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline Vec mul(Vec x, Vec y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline Vec div(Vec x, Vec y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline Vec fma(Vec x, Vec y, Vec z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
// y where either is NaN.
inline Vec larger(Vec x, Vec y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }

inline Raw load_raw(const uint16_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 16))};
}
inline Vec first_of(Raw x) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(x.a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(x.b, 16))};
}
inline Vec second_of(Raw x) {
  const __m256i high = _mm256_set1_epi32(int(0xffff0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(x.a, high)), _mm256_castsi256_ps(_mm256_and_si256(x.b, high))};
}

inline Vec nearest(Vec x) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, mode), _mm256_round_ps(x.b, mode)};
}
// 2^n for a whole n from -127, which gives 0, to 127.
inline Vec power_of_two(Vec n) {
  const __m256i bias = _mm256_set1_epi32(127);
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.a), bias), 23)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.b), bias), 23))};
}
inline Vec zero_if_no_key(Vec x) {
  const __m256 none = _mm256_set1_ps(-kInfinity);
  return {_mm256_andnot_ps(_mm256_cmp_ps(x.a, none, _CMP_EQ_OQ), x.a),
          _mm256_andnot_ps(_mm256_cmp_ps(x.b, none, _CMP_EQ_OQ), x.b)};
}
// Lanes outside [first, end) become -infinity, whatever they hold.
inline __m256 keep_eight(__m256 x, int first, int end) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i kept = _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(first), lane),
                                           _mm256_cmpgt_epi32(_mm256_set1_epi32(end), lane));
  return _mm256_blendv_ps(_mm256_set1_ps(-kInfinity), x, _mm256_castsi256_ps(kept));
}
inline Vec keep(Vec x, int first, int end) {
  return {keep_eight(x.a, first, end), keep_eight(x.b, first - 8, end - 8)};
}

inline __m256 low_lanes(Vec x) { return x.a; }
inline __m256 high_lanes(Vec x) { return x.b; }
