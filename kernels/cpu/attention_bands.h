// A tile of keys, band of rows after band of rows. Included inside an anonymous namespace, after
// attention_unit.h.

void Unit::run_tile(int32_t base, bool more) {
  const uint16_t *k = k_tile, *v = v_tile;
  for (int32_t band = 0; band < bands; band++) {
    const int32_t count = rows_of(band), first = band * band_rows, head = first / head_rows;
    if (!work.places.tiled) {
      if (first % head_rows == 0) gather(base, head, more);
    } else {
      k = tile_at(k_head + head * work.places.head_bytes, base);
      v = tile_at(v_head + head * work.places.head_bytes, base);
    }
    const Span wanted = meet({rows[first].first, rows[first + count - 1].end}, {base, base + kTileKeys});
    if (wanted.first >= wanted.end) continue;
    Ahead ahead = {reinterpret_cast<const char*>(k), reinterpret_cast<const char*>(v)};
    if (work.places.tiled && first % head_rows == 0) {
      const int32_t turn = (base / kTileKeys - run.first / kTileKeys) * heads + head;
      ahead = {reinterpret_cast<const char*>(v), reinterpret_cast<const char*>(next_turn(turn))};
    }
    score(band, {wanted.first - base, wanted.end - base}, k, ahead);
    weigh(band, base);
    mix(band, base, v, ahead);
  }
}
