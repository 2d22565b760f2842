// The largest lane of each of some vectors. Included by *_avx512.cpp, *_avx512bf16.cpp and *_amx.cpp only,
// inside their anonymous namespaces, after the lanes.

// Of 4 * kFours vectors of 16 lanes, one after the other; a lane to a vector, lanes past them repeating
// these. Vectors halve in pairs that share a register, in the same order whichever of them a vector is.
template <int kFours>
inline Vec largest_in_fours(const float* lanes) {
  Vec four[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    if (i >= kFours) {
      four[i] = four[i % kFours];
      continue;
    }
    Vec x[4], two[2];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) x[j] = load(lanes + (4 * i + j) * 16);
#pragma GCC unroll 2
    for (int j = 0; j < 2; j++)
      two[j] = larger(_mm512_unpacklo_ps(x[2 * j], x[2 * j + 1]), _mm512_unpackhi_ps(x[2 * j], x[2 * j + 1]));
    const __m512d a = _mm512_castps_pd(two[0]), b = _mm512_castps_pd(two[1]);
    four[i] = larger(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  const auto halve = [](Vec a, Vec b) __attribute__((always_inline)) {
    return larger(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  };
  return halve(halve(four[0], four[1]), halve(four[2], four[3]));
}

// Of `count` vectors, the space of 16 of them: what is past `count` may hold anything.
inline Vec largest_of_rows(const float* lanes, int count) {
  if (count <= 4) return largest_in_fours<1>(lanes);
  return count <= 8 ? largest_in_fours<2>(lanes) : largest_in_fours<4>(lanes);
}
