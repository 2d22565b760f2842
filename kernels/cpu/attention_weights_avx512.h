// Weights that are rounded to bf16. Included by *_avx512bf16.cpp and *_amx.cpp only, inside their anonymous
// namespaces, after the lanes.

// 2^x for x <= 0, within 2^-13, since weights are rounded to bf16. -infinity gives 0, and 2^0 is exactly 1.
inline Vec weight_of(Vec x) {
  const Vec f = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  Vec p = spread(0.07706704200379724f);
  p = fma(p, f, spread(0.2276449911952388f));
  p = fma(p, f, spread(0.6951167864133931f));
  p = fma(p, f, spread(1.0f));
  return _mm512_scalef_ps(p, x);
}

// Both in bf16, to nearest even, `low` before `high`; pairs as in memory.
inline Raw round_pairs(Vec low, Vec high) { return (Raw)_mm512_cvtne2ps_pbh(high, low); }

inline void store_raw(void* p, Raw x) { _mm512_storeu_si512(p, x); }
