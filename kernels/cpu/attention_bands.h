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
        is_last(turn + of.heads >= of.turns()),
        before_part(!is_last && keys - kTileKeys <= kPartKeys) {}

  const Unit& unit;
  const int32_t turn;  // the tile's first
  const int32_t keys;  // of this tile and those after it
  const bool is_last, before_part;

  bool is_part() const { return keys <= kPartKeys; }
  const uint8_t* k(int32_t head) const { return unit.turn_at(turn + head); }
  const uint8_t* v(int32_t head) const { return k(head) + (unit.v_head - unit.k_head); }

  // The page of the next tile, which may be far away, is looked up while this one is read.
  void start() const {
    if (!is_last) _mm_prefetch(unit.turn_at(turn + unit.heads), _MM_HINT_T0);
  }

  const uint8_t* during_k(int32_t head) const {
    if (is_part()) return k(head);
    return head + 1 < unit.heads ? k(head + 1) : v(0);
  }

  const uint8_t* during_v(int32_t head) const {
    if (head + 1 < unit.heads) return is_part() ? v(head) : v(head + 1);
    return is_part() || before_part ? v(head) : unit.next_turn(turn + head);
  }

  void before_k(int32_t head) const {
    if (is_part() && head + kPartsAhead < unit.heads) fetch_part(head + kPartsAhead, keys);
  }

  void before_v(int32_t head) const {
    if (head + 1 < unit.heads) return;
    for (int32_t next = 0; before_part && next < unit.heads && next < kPartsAhead; next++)
      fetch_part(unit.heads + next, keys - kTileKeys);
    if (is_part()) fetch(unit.following, int64_t(kTileKeys) * unit.args.head_dim * 2);
  }

 private:
  static void fetch(const uint8_t* from, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) _mm_prefetch(from + at, _MM_HINT_T0);
  }

  void fetch_part(int32_t head, int32_t count) const {
    fetch(k(head), int64_t(count + 15) / 16 * 16 * unit.args.head_dim * 2);
    const uint8_t* at = v(head);
    for (int32_t dim = 0; dim < unit.args.head_dim; dim += 16, at += kTileKeys * 16 * 2)
      fetch(at, int64_t(count + 1) / 2 * 64);
  }
};

// Heads [first, end).
inline void run_heads(Unit& unit, int32_t first, int32_t end, int32_t base) {
  const bool tiled = unit.work.places.tiled;
  const int32_t bands_each = unit.bands / unit.heads;
  float* const scores = unit.scores;
  const TileFetch fetch(unit, base);
  const auto with_bands = [&](auto run) {
    for (int32_t head = first; head < end; head++) {
      bool is_first = tiled;
      for (int32_t band = head * bands_each; band < (head + 1) * bands_each; band++) {
        const Span keys = unit.keys_of(band, base);
        if (keys.first >= keys.end) continue;
        unit.scores = scores + (band - first * bands_each) * unit.band_rows * kTileKeys;
        run(head, band, keys, is_first);
        is_first = false;
      }
    }
  };
  const auto ahead_of = [](const void* k, const void* v) {
    return Ahead{static_cast<const char*>(k), static_cast<const char*>(v)};
  };
  if (tiled) fetch.start();
  with_bands([&](int32_t head, int32_t band, Span keys, bool fetches) {
    if (fetches) fetch.before_k(head);
    const void* k = tiled ? static_cast<const void*>(fetch.k(head)) : unit.k_tile;
    const void* next = fetches ? fetch.during_k(head) : k;
    unit.score(band, {keys.first - base, keys.end - base}, static_cast<const uint16_t*>(k),
               ahead_of(next, next));
  });
  with_bands([&](int32_t head, int32_t band, Span, bool fetches) {
    unit.weigh(band, base);
    if (fetches) fetch.before_v(head);
    const void* v = tiled ? static_cast<const void*>(fetch.v(head)) : unit.v_tile;
    const void* next = fetches ? fetch.during_v(head) : v;
    unit.mix(band, base, static_cast<const uint16_t*>(v), ahead_of(next, next));
  });
  unit.scores = scores;
}

void Unit::run_tile(int32_t base, bool more) {
  if (work.places.tiled) return run_heads(*this, 0, heads, base);
  for (int32_t head = 0; head < heads; head++) {
    gather(base, head, more);
    run_heads(*this, head, head + 1, base);
  }
}
