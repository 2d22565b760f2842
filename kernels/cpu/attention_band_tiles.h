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

// Scores of the groups of 16 keys that hold `keys`.
inline void Unit::score(int32_t band, Span keys, const uint16_t* k, Ahead ahead) {
  const int32_t pairs = args.head_dim / 2, blocks = (args.head_dim + 31) / 32;
  const int32_t first = keys.first / 16, groups = (keys.end + 15) / 16 - first;
  const auto* q = reinterpret_cast<const uint16_t*>(queries) + int64_t(band) * blocks * band_rows * 32;
  kernels_for(args.head_dim)
      .score[groups - 1](q, k + first * pairs * 32, pairs, band_rows, scores + first * 16, ahead.during_k);
}

// Adds the band's weighted values. What rows do not see is multiplied by zero, so it has to be finite.
void Unit::mix(int32_t band, int32_t base, const uint16_t* v, Ahead ahead) {
  const int32_t first = band * band_rows, last = first + rows_of(band) - 1, stride = work.padded_dim;
  const Span some = meet({rows[first].first, rows[last].end}, {base, base + kTileKeys});
  const int begin = some.first - base < 32 ? 0 : 1, end = some.end - base <= 32 ? 1 : 2;
  const TileKernels& kernels = kernels_for(args.head_dim);
  const char* fetched = ahead.during_v;
  for (int32_t group = 0; group < stride / 16; group += 4) {
    const int32_t left = stride / 16 - group, groups = left < 4 ? left : 4;
    float* at = sums + int64_t(first) * stride + group * 16;
    kernels.add[groups - 1](scores, v + group * kGroupElements, {at, stride, at, stride}, begin, end,
                            fetched);
    if (fetched) fetched += groups * kGroupElements * 2;
  }
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

// Whether V is finite wherever some row of this head does not see it.
inline bool is_finite_where_hidden(const Unit& unit, int32_t first_row, int32_t base, const uint16_t* v) {
  const Span early = unit.rows[first_row], late = unit.rows[first_row + unit.head_rows - 1];
  const Span all = meet({late.first, early.end}, {base, base + kTileKeys});
  const int64_t groups = unit.work.padded_dim / 16;
  if (all.first >= all.end) return !holds_not_finite(v, groups, 0, kTileKeys / 2);
  return !holds_not_finite(v, groups, 0, (all.first - base + 1) / 2) &&
         !holds_not_finite(v, groups, (all.end - base) / 2, kTileKeys / 2);
}

// The bands of one head, `count` from `first` on. All scores come before the weights, so that the tile unit
// has products of a band to work on while another is weighed.
inline void run_head(Unit& unit, int32_t first, int32_t count, int32_t base, const uint16_t* k,
                     const uint16_t* v, Ahead ahead) {
  constexpr Ahead nothing = {nullptr, nullptr};
  float* const scores = unit.scores;
  const auto keys_of = [&](int32_t band) {
    const Span *early = unit.rows + band * unit.band_rows, *late = early + unit.rows_of(band) - 1;
    return meet({early->first, late->end}, {base, base + kTileKeys});
  };
  Ahead left = ahead;
  for (int32_t i = 0; i < count; i++) {
    const Span keys = keys_of(first + i);
    if (keys.first >= keys.end) continue;
    unit.scores = scores + i * kBandRows * kTileKeys;
    unit.score(first + i, {keys.first - base, keys.end - base}, k, left);
    left = nothing;
  }
  const bool is_finite = is_finite_where_hidden(unit, first * unit.band_rows, base, v);
  left = ahead;
  for (int32_t i = 0; i < count; i++) {
    const Span keys = keys_of(first + i);
    if (keys.first >= keys.end) continue;
    unit.scores = scores + i * kBandRows * kTileKeys;
    unit.weigh(first + i, base);
    if (is_finite)
      unit.mix(first + i, base, v, left);
    else
      mix_apart(unit, first + i, base, v);
    left = nothing;
  }
  unit.scores = scores;
}

void Unit::run_tile(int32_t base, bool more) {
  const int32_t bands_each = bands / heads;
  for (int32_t head = 0; head < heads; head++) {
    const uint16_t *k = k_tile, *v = v_tile;
    Ahead ahead = {nullptr, nullptr};
    if (!work.places.tiled) {
      gather(base, head, more);
    } else {
      k = tile_at(k_head + head * work.places.head_bytes, base);
      v = tile_at(v_head + head * work.places.head_bytes, base);
      const int32_t turn = (base / kTileKeys - run.first / kTileKeys) * heads + head;
      ahead = {reinterpret_cast<const char*>(v), reinterpret_cast<const char*>(next_turn(turn))};
    }
    run_head(*this, head * bands_each, bands_each, base, k, v, ahead);
  }
}
