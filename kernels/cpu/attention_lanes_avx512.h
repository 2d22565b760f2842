// Sixteen float lanes as one AVX-512 register. Included by *_avx512.cpp and *_avx512bf16.cpp
// only, inside their anonymous namespaces.
using Vec = __m512;
using Raw = __m512i;  // 32 bf16: 16 pairs

// Accumulators, keys and constants of a band must fit 32 registers.
constexpr int groups_for(int rows) { return rows <= 5 ? 4 : 2; }

inline Vec load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
inline Vec spread(float x) { return _mm512_set1_ps(x); }
inline Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
inline Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
inline Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
inline Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
inline Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
// b where either is NaN.
inline Vec larger(Vec a, Vec b) { return _mm512_max_ps(a, b); }

inline Raw load_raw(const uint16_t* p) { return _mm512_loadu_si512(p); }
inline Vec first_of(Raw x) { return _mm512_castsi512_ps(_mm512_slli_epi32(x, 16)); }
inline Vec second_of(Raw x) {
  return _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(int(0xffff0000u))));
}

inline Vec nearest(Vec x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
// 2^n for a whole n from -127, which gives 0, to 127.
inline Vec power_of_two(Vec n) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
inline Vec zero_if_no_key(Vec x) {
  return _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, spread(-kInfinity), _CMP_EQ_OQ), _mm512_setzero_ps());
}
// Lanes outside [first, end) become -infinity, whatever they hold.
inline Vec keep(Vec x, int first, int end) {
  const auto below = [](int lane) { return lane <= 0 ? 0u : lane >= 16 ? 0xffffu : (1u << lane) - 1; };
  return _mm512_mask_mov_ps(spread(-kInfinity), __mmask16(below(end) & ~below(first)), x);
}

inline __m256 low_lanes(Vec x) { return _mm512_castps512_ps256(x); }
inline __m256 high_lanes(Vec x) { return _mm512_extractf32x8_ps(x, 1); }
