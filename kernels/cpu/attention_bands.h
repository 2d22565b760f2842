// A tile of keys, band of rows after band of rows. Included inside an anonymous namespace, after
// attention_unit.h.
//
// Where the store holds tiles, memory is read in the order of its addresses: the K of all heads of the unit,
// which lie side by side, then their V, and while one is worked on the next one comes.

// Of a tile of which few keys are there, the last one of a sequence that grows, only those are fetched; its
// heads are done sooner than memory answers, so that several are under way.
constexpr int32_t kPartKeys = kTileKeys / 2;
constexpr int32_t kPartsAhead = 3;

struct TileFetch {
  TileFetch(const Unit& of, int32_t tile_base)
      : unit(of),
        turn((tile_base / kTileKeys - of.run.first / kTileKeys) * of.heads),
        keys(of.run.end - tile_base),
        is_last(keys <= kTileKeys),
        before_part(!is_last && keys - kTileKeys <= kPartKeys),
        here(of.turn_at(turn)),
        next(is_last ? of.following : of.turn_at(turn + of.heads)) {
    _mm_prefetch(next, _MM_HINT_T0);  // its page, which may be far away, is looked up while this one is read
  }

  const Unit& unit;
  const int32_t turn;  // the tile's first
  const int32_t keys;  // of this tile and those after it
  const bool is_last, before_part;
  const uint8_t *here, *next;  // K of the first head, and of the next tile's or unit's

  bool is_part() const { return keys <= kPartKeys; }
  const uint8_t* k(int32_t head) const { return here + head * unit.work.places.head_bytes; }
  const uint8_t* v(int32_t head) const { return k(head) + (unit.v_head - unit.k_head); }

  const uint8_t* during_k(int32_t head) const {
    if (is_part()) return k(head);
    return head + 1 < unit.heads ? k(head + 1) : v(0);
  }

  const uint8_t* during_v(int32_t head) const {
    if (head + 1 < unit.heads) return is_part() ? v(head) : v(head + 1);
    return is_part() || before_part ? v(head) : next;
  }

  void before_k(int32_t head) const {
    if (is_part() && head + kPartsAhead < unit.heads) fetch_part(k(head + kPartsAhead), keys);
  }

  void before_v(int32_t head) const {
    if (head + 1 < unit.heads) return;
    for (int32_t part = 0; before_part && part < unit.heads && part < kPartsAhead; part++)
      fetch_part(next + part * unit.work.places.head_bytes, keys - kTileKeys);
    if (is_part()) fetch(next, int64_t(kTileKeys) * unit.args.head_dim * 2);
  }

 private:
  static void fetch(const uint8_t* from, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) _mm_prefetch(from + at, _MM_HINT_T0);
  }

  void fetch_part(const uint8_t* k, int32_t count) const {
    fetch(k, int64_t(count + 15) / 16 * 16 * unit.args.head_dim * 2);
    const uint8_t* at = k + (unit.v_head - unit.k_head);
    for (int32_t dim = 0; dim < unit.args.head_dim; dim += 16, at += kTileKeys * 16 * 2)
      fetch(at, int64_t(count + 1) / 2 * 64);
  }
};

// The bands [first, end) of a tile: all scores, then each band's weights and values. Without a fetch the tile
// is the gathered one. A unit of several heads has one band to a head; a head's first band fetches for all.
inline void run_bands(Unit& unit, const TileFetch* fetch, int32_t first, int32_t end, int32_t base) {
  float* const scores = unit.scores;
  const auto with_each = [&](auto run) {
    for (int32_t band = first; band < end; band++) {
      const Span keys = unit.keys_of(band, base);
      if (keys.first >= keys.end) continue;
      unit.scores = scores + int64_t(band - first) * unit.band_rows * kTileKeys;
      run(band, unit.heads > 1 ? band : 0, keys, fetch && (unit.heads > 1 || band == 0));
    }
  };
  const auto all = [](const void* next) {
    return Ahead{static_cast<const char*>(next), static_cast<const char*>(next)};
  };
  with_each([&](int32_t band, int32_t head, Span keys, bool fetches) {
    if (fetches) fetch->before_k(head);
    const auto* k = fetch ? reinterpret_cast<const uint16_t*>(fetch->k(head)) : unit.k_tile;
    const Span in_tile = {keys.first - base, keys.end - base};
    unit.score(band, in_tile, k, fetches ? all(fetch->during_k(head)) : all(k));
  });
  with_each([&](int32_t band, int32_t head, Span, bool fetches) {
    unit.weigh(band, base);
    if (fetches) fetch->before_v(head);
    const auto* v = fetch ? reinterpret_cast<const uint16_t*>(fetch->v(head)) : unit.v_tile;
    unit.mix(band, base, v, fetches ? all(fetch->during_v(head)) : all(v));
  });
  unit.scores = scores;
}

// The bands of a tile of one head. A band's values wait for the last of its weights, and its weights for the
// last of its scores: the next band's scores come between them.
inline void run_in_turn(Unit& unit, const TileFetch& fetch, int32_t base) {
  const auto sees = [&](int32_t band) {
    const Span keys = unit.keys_of(band, base);
    return keys.first < keys.end;
  };
  int32_t first = 0, end = unit.bands;
  while (first < end && !sees(first)) first++;
  while (first < end && !sees(end - 1)) end--;
  float* const scores = unit.scores;
  const auto place = [&](int32_t band) { unit.scores = scores + band % 2 * unit.band_rows * kTileKeys; };
  const auto* k = reinterpret_cast<const char*>(fetch.k(0));
  const auto* v = reinterpret_cast<const char*>(fetch.v(0));
  const auto score = [&](int32_t band) {
    const Span keys = unit.keys_of(band, base);
    const char* next = band == 0 ? reinterpret_cast<const char*>(fetch.during_k(0)) : k;
    if (band == 0) fetch.before_k(0);
    place(band);
    const Span in_tile = {keys.first - base, keys.end - base};
    unit.score(band, in_tile, reinterpret_cast<const uint16_t*>(k), {next, next});
  };
  if (first < end) score(first);
  for (int32_t band = first; band < end; band++) {
    place(band);
    unit.weigh(band, base);
    if (band + 1 < end) score(band + 1);
    place(band);
    const char* next = band == 0 ? reinterpret_cast<const char*>(fetch.during_v(0)) : v;
    if (band == 0) fetch.before_v(0);
    unit.mix(band, base, reinterpret_cast<const uint16_t*>(v), {next, next});
  }
  unit.scores = scores;
}

void Unit::run_tile(int32_t base, bool more) {
  if (work.places.tiled) {
    const TileFetch fetch(*this, base);
    if (heads > 1 || kScoresFirst) return run_bands(*this, &fetch, 0, bands, base);
    return run_in_turn(*this, fetch, base);
  }
  const int32_t bands_each = heads > 1 ? 1 : bands, together = kScoresFirst ? bands_each : 1;
  for (int32_t band = 0; band < bands; band += together) {
    if (band % bands_each == 0) gather(base, band / bands_each, more);
    run_bands(*this, nullptr, band, band + together, base);
  }
}
