// A band of rows over one tile of keys, in float32 FMA. Included inside an anonymous namespace, after
// attention_tile.h and attention_unit.h.

// Queries band by band as [dims][rows], times scale * log2(e): weights are powers of two.
void Unit::take_queries() {
  const float scale = args.scale * 1.44269504f;
  for (int32_t band = 0; band < bands; band++) {
    float* out = queries + int64_t(band) * band_rows * args.head_dim;
    const int32_t count = rows_of(band);
    for (int32_t i = 0; i < count; i++) {
      const int32_t at = band * band_rows + i, row = first_row + at % head_rows;
      const int64_t head = int64_t(kv_head + at / head_rows) * work.group + row % work.group;
      const float* q = args.q + (slice.first_token + row / work.group) * args.q_stride + head * args.head_dim;
      for (int32_t d = 0; d < args.head_dim; d++) out[d * count + i] = q[d] * scale;
    }
  }
}

inline void Unit::score(int32_t band, Span keys, const uint16_t* k, Ahead ahead) {
  const float* q = queries + int64_t(band) * band_rows * args.head_dim;
  kernels_for(rows_of(band)).score(q, k, args.head_dim / 2, scores, keys.first, keys.end, ahead);
}

// Adds the band's weighted values: the keys that all its rows see for all rows at once, before and after them
// the keys of single rows, so that each chain is ascending and has no key that its row does not see.
void Unit::mix(int32_t band, int32_t base, const uint16_t* v, Ahead ahead) {
  const int32_t count = rows_of(band), first = band * band_rows, stride = work.padded_dim;
  float* values = sums + int64_t(first) * stride;
  const Span tile = {base, base + kTileKeys};
  const Span shared = meet({rows[first + count - 1].first, rows[first].end}, tile);
  const bool any = shared.first < shared.end;
  const AddTile add_row = kernels_for(1).add;
  const auto alone = [&](int32_t r, int32_t from, int32_t to) {
    if (from < to)
      add_row(scores + r * kTileKeys, v, values + r * stride, stride, from - base, to - base, ahead);
  };
  for (int32_t r = 0; r < count; r++) {
    const Span own = meet(rows[first + r], tile);
    alone(r, own.first, any ? shared.first : own.end);
  }
  if (!any) return;
  kernels_for(count).add(scores, v, values, stride, shared.first - base, shared.end - base, ahead);
  for (int32_t r = 0; r < count; r++) alone(r, shared.end, meet(rows[first + r], tile).end);
}
