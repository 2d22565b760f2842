// Bands of rows over one tile of keys, on AMX tiles. Included inside an anonymous namespace, after
// attention_tiles.h and attention_unit.h.

// Queries band by band as [blocks of 32 dims][rows][32] in bf16, times scale * log2(e): weights are powers of
// two. From here on the thread's tiles have the unit's shapes.
void Unit::take_queries() {
  tiles_of_thread().configure(shapes_for(band_rows, args.head_dim));
  const float scale = args.scale * 1.44269504f;
  const int32_t blocks = (args.head_dim + 31) / 32;
  alignas(64) float scaled[256] = {};
  for (int32_t at = 0; at < row_count; at++) {
    const int32_t row = first_row + at % head_rows;
    const int64_t head = int64_t(kv_head + at / head_rows) * work.group + row % work.group;
    const float* q = args.q + (slice.first_token + row / work.group) * args.q_stride + head * args.head_dim;
    for (int32_t d = 0; d < args.head_dim; d++) scaled[d] = q[d] * scale;
    auto* out = reinterpret_cast<uint16_t*>(queries) +
                (int64_t(at / band_rows) * blocks * band_rows + at % band_rows) * 32;
    for (int32_t block = 0; block < blocks; block++, out += band_rows * 32)
      store_raw(out, round_pairs(load(scaled + block * 32), load(scaled + block * 32 + 16)));
  }
}

// Null where that is what is worked on: there is nothing to fetch.
inline const char* to_fetch(const char* ahead, const uint16_t* at_work) {
  return ahead == reinterpret_cast<const char*>(at_work) ? nullptr : ahead;
}

// Scores of the groups of 16 keys that hold `keys`.
inline void Unit::score(int32_t band, Span keys, const uint16_t* k, Ahead ahead) {
  const int32_t pairs = args.head_dim / 2, blocks = (args.head_dim + 31) / 32;
  const int32_t first = keys.first / 16, groups = (keys.end + 15) / 16 - first;
  const auto* q = reinterpret_cast<const uint16_t*>(queries) + int64_t(band) * blocks * band_rows * 32;
  kernels_for(args.head_dim)
      .score[groups - 1](q, k + first * pairs * 32, pairs, band_rows, scores + first * 16,
                         to_fetch(ahead.during_k, k));
}

// One group of 16 dims of V without the positions outside `sees`.
inline void keep_seen(const uint16_t* v, int32_t base, Span sees, uint16_t* out) {
  for (int i = 0; i < kGroupElements; i++) {
    const int32_t position = base + i / 32 * 2 + i % 2;
    out[i] = sees.first <= position && position < sees.end ? v[i] : 0;
  }
}

// Adds the band's weighted values where V holds an infinity or a NaN that some row does not see: rows that
// see the same keys at a time, with the others taken out.
__attribute__((noinline)) void mix_apart(const Unit& unit, int32_t band, int32_t base, const uint16_t* v) {
  alignas(64) uint16_t seen[kGroupElements];
  alignas(64) float made[kBandRows * 16];
  const int32_t first = band * unit.band_rows, end = first + unit.rows_of(band);
  const int64_t stride = unit.work.padded_dim;
  const TileKernels& kernels = kernels_for(unit.args.head_dim);
  for (int32_t row = first, next; row < end; row = next) {
    const Span sees = unit.rows[row];
    for (next = row + 1; next < end && unit.rows[next].end == sees.end;) next++;
    for (int64_t group = 0; group < stride / 16; group++) {
      float* at = unit.sums + first * stride + group * 16;
      keep_seen(v + group * kGroupElements, base, sees, seen);
      kernels.add[0](unit.scores, seen, {at, stride, made, 16}, 0, 2, nullptr);
      for (int32_t r = row - first; r < next - first; r++) store(at + r * stride, load(made + r * 16));
    }
  }
}

// Adds the band's weighted values, by halves of a tile. What a row does not see is multiplied by zero, so it
// has to be finite.
void Unit::mix(int32_t band, int32_t base, const uint16_t* v, Ahead ahead) {
  const int32_t first = band * band_rows, groups = work.padded_dim / 16;
  const Span *early = rows + first, *late = early + rows_of(band) - 1;
  const Span some = keys_of(band, base), all = meet({late->first, early->end}, {base, base + kTileKeys});
  const int begin = some.first - base < 32 ? 0 : 1, end = some.end - base <= 32 ? 1 : 2;
  const int first_pair = begin * kBlockPairs, end_pair = end * kBlockPairs;
  const bool none = all.first >= all.end;
  const int all_first = none ? end_pair : (all.first - base + 1) / 2;
  const int all_end = none ? end_pair : (all.end - base) / 2;
  if (holds_not_finite(v, groups, first_pair, all_first) || holds_not_finite(v, groups, all_end, end_pair))
    return mix_apart(*this, band, base, v);
  const TileKernels& kernels = kernels_for(args.head_dim);
  const char* fetched = to_fetch(ahead.during_v, v);
  for (int32_t group = 0; group < groups; group += 4) {
    const int32_t count = groups - group < 4 ? groups - group : 4;
    float* at = sums + int64_t(first) * work.padded_dim + group * 16;
    kernels.add[count - 1](scores, v + group * kGroupElements, {at, work.padded_dim, at, work.padded_dim},
                           begin, end, fetched);
    fetched = past(fetched, int64_t(count) * kTileKeys / 2);
  }
}
