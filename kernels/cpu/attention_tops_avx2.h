// The largest lane of each of some vectors. Included by *_avx2.cpp only, in its anonymous namespace, after
// the powers.

// Of `count` vectors of 16 lanes, one after the other; a lane to a vector, of those past them any value.
inline Vec largest_of_rows(const float* lanes, int count) {
  alignas(64) float tops[16] = {};
  for (int i = 0; i < count; i++) tops[i] = largest_of(load(lanes + i * 16));
  return load(tops);
}
