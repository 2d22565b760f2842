// A band of rows over one tile of keys, in bf16 dot products. Included inside an anonymous namespace, after
// attention_dots.h and attention_unit.h.

// Pairs [pair, pair + 16) of so many rows, those before `pairs`, to [pairs][rows].
inline void take_pairs(const float* const* from, int32_t count, int32_t pair, int32_t pairs, Vec scale,
                       uint32_t* out) {
  const int32_t dims = 2 * (pairs - pair);
  const uint32_t real = dims >= 32 ? 0xffffffffu : (1u << dims) - 1;
  __m512i m[16];
#pragma GCC unroll 16
  for (int32_t i = 0; i < 16; i++) {
    m[i] = _mm512_setzero_si512();
    if (i >= count) continue;
    const Vec low = mul(_mm512_maskz_loadu_ps(__mmask16(real), from[i] + 2 * pair), scale);
    const Vec high = mul(_mm512_maskz_loadu_ps(__mmask16(real >> 16), from[i] + 2 * pair + 16), scale);
    m[i] = (__m512i)_mm512_cvtne2ps_pbh(high, low);
  }
  transpose(m);
  const __mmask16 rows = __mmask16((1u << count) - 1);
#pragma GCC unroll 16
  for (int32_t j = 0; j < 16; j++)
    if (pair + j < pairs) _mm512_mask_storeu_epi32(out + j * count, rows, m[j]);
}

// Queries band by band as [pairs of dims][rows], times scale * log2(e): weights are powers of two. A band's
// rows are read side by side: they come from far away, and memory answers many at once.
void Unit::take_queries() {
  const Vec scale = spread(args.scale * 1.44269504f);
  const int32_t pairs = args.head_dim / 2;
  for (int32_t band = 0; band < bands; band++) {
    uint32_t* out = reinterpret_cast<uint32_t*>(queries) + int64_t(band) * band_rows * pairs;
    const int32_t count = rows_of(band);
    const float* from[kBandRows];
    for (int32_t i = 0; i < count; i++) {
      const int32_t at = band * band_rows + i, row = first_row + at % head_rows;
      const int64_t head = int64_t(kv_head + at / head_rows) * work.group + row % work.group;
      from[i] = args.q + (slice.first_token + row / work.group) * args.q_stride + head * args.head_dim;
    }
    for (int32_t pair = 0; pair < pairs; pair += 16)
      take_pairs(from, count, pair, pairs, scale, out + pair * count);
  }
}

inline void Unit::score(int32_t band, Span keys, const uint16_t* k, Ahead ahead) {
  const int32_t pairs = args.head_dim / 2;
  const uint32_t* q = reinterpret_cast<const uint32_t*>(queries) + int64_t(band) * band_rows * pairs;
  kernels_for(rows_of(band)).score(q, k, pairs, scores, keys.first, keys.end, ahead);
}

// What a row that sees these positions sees of the pair of positions from `at` on.
inline uint32_t mask_of(Span sees, int32_t at) {
  const bool low = sees.first <= at && at < sees.end, high = sees.first <= at + 1 && at + 1 < sees.end;
  return (low ? 0xffffu : 0u) | (high ? 0xffff0000u : 0u);
}

constexpr float kUnshrunk[kBandRows] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// Adds the band's weighted values: pairs of keys that all its rows see as they are, those before and after
// with what a row does not see of them masked out, since it may be no number.
void Unit::mix(int32_t band, int32_t base, const uint16_t* v, Ahead ahead) {
  const int32_t count = rows_of(band), first = band * band_rows, stride = work.padded_dim;
  const Span *early = rows + first, *late = early + count - 1;
  const Span tile = {base, base + kTileKeys};
  const Span some = meet({early->first, late->end}, tile), all = meet({late->first, early->end}, tile);
  const int32_t begin = (some.first - base) / 2, end = (some.end - base + 1) / 2;
  int32_t shared = (all.first - base + 1) / 2, shared_end = (all.end - base) / 2;
  if (shared >= shared_end) shared = shared_end = end;
  alignas(64) uint32_t masks[kTileKeys / 2 * pd::kBandSlots];
  const auto* p = reinterpret_cast<const uint32_t*>(scores);
  float* values = sums + int64_t(first) * stride;
  const BandKernels& kernels = kernels_for(count);
  const float* shrink = shrinks;
  const auto edge = [&](int32_t from, int32_t to) {
    if (from >= to) return;
    for (int32_t pair = from; pair < to; pair++)
      for (int32_t r = 0; r < count; r++)
        masks[pair * pd::kBandSlots + r] = mask_of(early[r], base + 2 * pair);
    kernels.add_edge(p, v, values, shrink, stride, from, to, masks, ahead);
    shrink = kUnshrunk;
  };
  edge(begin, shared);
  if (shared < shared_end) {
    kernels.add(p, v, values, shrink, stride, shared, shared_end, masks, ahead);
    shrink = kUnshrunk;
  }
  edge(shared_end, end);
}
