// Powers of two and sums over the lanes of either instruction set. Included inside an anonymous namespace,
// after the lanes.

// 2^x for x <= 0, within 1 ulp: 2^x = 2^n * (1 + f * poly(f)), |f| <= 1/2. -infinity and all below -127 give
// 0, and 2^0 is exactly 1.
inline Vec power(Vec x) {
  const Vec clamped = larger(spread(-127.0f), x);
  const Vec n = nearest(clamped);
  const Vec f = sub(clamped, n);
  Vec p = spread(0.00015353360504377633f);
  p = fma(p, f, spread(0.0013398875016719103f));
  p = fma(p, f, spread(0.00961843691766262f));
  p = fma(p, f, spread(0.055503323674201965f));
  p = fma(p, f, spread(0.24022647738456726f));
  p = fma(p, f, spread(0.6931471824645996f));
  p = fma(p, f, spread(1.0f));
  return mul(p, power_of_two(n));
}

inline float first_lane(__m128 x) { return _mm_cvtss_f32(x); }
// Lane sums pair up 8 apart, then 4, 2 and 1.
inline float sum_of(Vec x) {
  const __m256 eight = _mm256_add_ps(low_lanes(x), high_lanes(x));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return first_lane(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float largest_of(Vec x) {
  const __m256 eight = _mm256_max_ps(low_lanes(x), high_lanes(x));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return first_lane(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
