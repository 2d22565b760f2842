// Brings keys or values of a [page_size][head_dim] layout into the tile layout. Included inside an anonymous
// namespace. A row pointer of a position that no query sees may repeat another's: its values are not used.

struct GatherRows {
  const uint8_t* const* here;   // 64 key rows
  const uint8_t* const* ahead;  // rows to prefetch meanwhile
  int64_t offset;               // bytes from a row to the one wanted
  int64_t head_dim;

  const uint16_t* at(int key) const { return reinterpret_cast<const uint16_t*>(here[key] + offset); }
  void prefetch(int key) const {
    for (int64_t byte = 0; byte < head_dim * 2; byte += 64)
      _mm_prefetch(ahead[key] + offset + byte, _MM_HINT_T0);
  }
};

// 8 rows x 8 pairs of dims, transposed: pair j of row i goes to out[16 * j + i].
inline void transpose_pairs(const uint16_t* const (&rows)[8], int64_t pair, uint32_t* out) {
  __m256 x[8], y[8];
  for (int i = 0; i < 8; i++) x[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(rows[i] + 2 * pair));
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
    y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; j++) {
      x[i + 2 * j] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0x44);
      x[i + 2 * j + 1] = _mm256_shuffle_ps(y[i + j], y[i + j + 2], 0xee);
    }
  for (int j = 0; j < 4; j++) {
    _mm256_storeu_ps(reinterpret_cast<float*>(out + 16 * j), _mm256_permute2f128_ps(x[j], x[j + 4], 0x20));
    _mm256_storeu_ps(reinterpret_cast<float*>(out + 16 * (j + 4)),
                     _mm256_permute2f128_ps(x[j], x[j + 4], 0x31));
  }
}

inline uint32_t pair_at(const uint16_t* row, int64_t pair) {
  return uint32_t(row[2 * pair]) | uint32_t(row[2 * pair + 1]) << 16;
}

// Keys [first, end) of a tile, widened to whole eights.
inline void gather_keys(const GatherRows& source, int first, int end, uint32_t* tile) {
  const int64_t pairs = source.head_dim / 2;
  for (int key = first / 8 * 8; key < end; key += 8) {
    const uint16_t* rows[8];
    for (int i = 0; i < 8; i++) {
      rows[i] = source.at(key + i);
      source.prefetch(key + i);
    }
    uint32_t* out = tile + key / 16 * pairs * 16 + key % 16;
    int64_t pair = 0;
    for (; pair + 8 <= pairs; pair += 8) transpose_pairs(rows, pair, out + 16 * pair);
    for (; pair < pairs; pair++)
      for (int i = 0; i < 8; i++) out[16 * pair + i] = pair_at(rows[i], pair);
  }
}

// Values [first, end) of a tile, widened to whole pairs of positions; dims past head_dim are 0.
inline void gather_values(const GatherRows& source, int first, int end, uint32_t* tile) {
  const int64_t head_dim = source.head_dim;
  for (int key = first / 2 * 2; key < end; key += 2) {
    const uint16_t *a = source.at(key), *b = source.at(key + 1);
    source.prefetch(key);
    source.prefetch(key + 1);
    uint32_t* out = tile + key / 2 * 16;
    int64_t dim = 0;
    for (; dim + 16 <= head_dim; dim += 16, out += 32 * 16) {
      const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + dim));
      const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + dim));
      const __m256i low = _mm256_unpacklo_epi16(x, y), high = _mm256_unpackhi_epi16(x, y);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_permute2x128_si256(low, high, 0x20));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), _mm256_permute2x128_si256(low, high, 0x31));
    }
    for (int lane = 0; dim < head_dim && lane < 16; lane++) {
      const bool real = dim + lane < head_dim;
      out[lane] = real ? uint32_t(a[dim + lane]) | uint32_t(b[dim + lane]) << 16 : 0;
    }
  }
}
