// One unit of attention: up to kUnitRows rows of one slice that share a KV head, or few rows of several
// heads, over all splits they see or over one. Included inside an anonymous namespace, after
// attention_gather.h and attention_rows.h. What a tile of keys is to its bands of rows is attention_bands.h's
// and attention_band_*.h's.

struct Span {
  int32_t first, end;
};

inline Span meet(Span a, Span b) {
  return {a.first > b.first ? a.first : b.first, a.end < b.end ? a.end : b.end};
}

struct Unit {
  Unit(const pd::AttendWork& of, int64_t unit) : Unit(of, unit, pd::slice_of_unit(of, unit)) {}
  Unit(const pd::AttendWork& of, int64_t unit, int32_t slice_index);

  const pd::AttendWork& work;
  const pd_attend_args& args;
  const pd::AttendSlice& plan;
  const pd_slice& slice;
  int32_t kv_head, heads;          // KV heads of this unit, each of head_rows rows
  int32_t first_row, head_rows;    // rows of the slice: token after token, in a token the heads of the group
  int32_t row_count;
  int32_t bands, band_rows;        // rows that registers hold at once; the last band may have fewer
  int32_t split;                   // the first, of those that some query of the slice sees
  Span seen, run;                  // positions that some row sees, and those of them that this unit is for
  const uint8_t* following;        // first K tile of the unit that this thread is likely to take next
  Span rows[pd::kUnitRows];        // positions that each row sees
  const uint8_t *k_head, *v_head;  // this KV head in block 0
  float *queries, *scores, *sums, *total, *lanes;  // lanes: of each row 16 parts of its sum of weights
  float *largest, *weights, *total_largest, *total_weights;  // [band][kBandSlots]
  uint16_t *k_tile, *v_tile;
  alignas(64) float shrinks[pd::kBandSlots];  // of the band that was weighed last

  int32_t rows_of(int32_t band) const {
    const int32_t left = row_count - band * band_rows;
    return left < band_rows ? left : band_rows;
  }
  RowState state(int32_t row, bool whole) const {
    const int32_t at = row / band_rows * pd::kBandSlots + row % band_rows;
    const int64_t values = int64_t(row) * work.padded_dim;
    return whole ? RowState{total_largest + at, total_weights + at, total + values}
                 : RowState{largest + at, weights + at, sums + values};
  }

  Span sees(int32_t row) const;
  RowState kept_row(int32_t row, int32_t kept_split) const {
    const int64_t all_rows = int64_t(slice.query_count) * work.group;
    return partial_row(work, plan, kv_head + row / head_rows, kept_split, all_rows,
                       first_row + row % head_rows);
  }

  void place(int32_t slot);
  void follow(int64_t unit);
  void take_queries();
  void clear();
  void run_pass();
  void run_split(int32_t index);
  void exchange();
  void merge_rows();
  void fetch_outputs() const;
  void run_tile(int32_t base, bool more);
  int32_t turns() const;
  const uint8_t* turn_at(int32_t turn) const;
  const uint8_t* next_turn(int32_t turn) const;
  const uint16_t* tile_at(const uint8_t* head, int32_t base) const;
  Span keys_of(int32_t band, int32_t base) const;
  void list_rows(int32_t base, int32_t head, const uint8_t** out) const;
  void gather(int32_t base, int32_t head, bool more);
  void score(int32_t band, Span keys, const uint16_t* k, Ahead ahead);
  void weigh(int32_t band, int32_t base);
  void mix(int32_t band, int32_t base, const uint16_t* v, Ahead ahead);
};

Unit::Unit(const pd::AttendWork& of, int64_t unit, int32_t slice_index)
    : work(of), args(*of.args), plan(of.slices[slice_index]), slice(of.args->slices[slice_index]) {
  const int64_t splits = plan.apart ? plan.split_count : 1;
  const int64_t at = pd::unit_in_slice(work, slice_index, unit);
  const int64_t all_rows = int64_t(slice.query_count) * work.group;
  heads = plan.heads;
  kv_head = int32_t(at / (splits * plan.row_blocks)) * heads;
  // Late rows see the most keys: they come first, so that no long unit is left for the end.
  first_row = (plan.row_blocks - 1 - int32_t(at / splits % plan.row_blocks)) * pd::kUnitRows;
  head_rows = int32_t(all_rows - first_row < pd::kUnitRows ? all_rows - first_row : pd::kUnitRows);
  row_count = heads * head_rows;
  bands = heads > 1 ? heads : (row_count + kBandRows - 1) / kBandRows;
  band_rows = (row_count + bands - 1) / bands;
  k_head = args.store + (args.first_kv_head + kv_head) * work.places.head_bytes;
  v_head = k_head + args.store_kv_heads * work.places.head_bytes;
  split = plan.apart ? int32_t(at % splits) : work.pass * pd::kPassSplits;
  const int32_t first_split = plan.first_split + split;
  const int32_t end_split = first_split + (plan.apart ? 1 : pd::kPassSplits);
  seen = {sees(0).first, sees(row_count - 1).end};
  run = meet(seen, {first_split * kSplitKeys, end_split * kSplitKeys});
}

// Positions that a row sees.
inline Span Unit::sees(int32_t row) const {
  const int32_t position = slice.start + (first_row + row % head_rows) / work.group;
  return {args.window > 0 && position >= args.window ? position - args.window + 1 : 0, position + 1};
}

// Positions of a tile that some row of a band sees.
inline Span Unit::keys_of(int32_t band, int32_t base) const {
  const Span *early = rows + band * band_rows, *late = early + rows_of(band) - 1;
  return meet({early->first, late->end}, {base, base + kTileKeys});
}

// Pointers into the thread's scratch, and what each row sees.
void Unit::place(int32_t slot) {
  const pd::AttendArea area = pd::attend_area(work.padded_dim);
  float* base = reinterpret_cast<float*>(work.threads + slot * work.thread_bytes);
  queries = base + area.queries;
  scores = base + area.scores;
  sums = base + area.sums;
  total = base + area.total;
  lanes = base + area.lanes;
  largest = base + area.stats;
  weights = largest + pd::kMaxBands * pd::kBandSlots;
  total_largest = weights + pd::kMaxBands * pd::kBandSlots;
  total_weights = total_largest + pd::kMaxBands * pd::kBandSlots;
  k_tile = reinterpret_cast<uint16_t*>(base + area.k_tile);
  v_tile = reinterpret_cast<uint16_t*>(base + area.v_tile);
  for (int32_t row = 0; row < row_count; row++) rows[row] = sees(row);
}

// Units of few rows wait for memory: theirs go on with the first tile of the unit that comes after those
// which the other threads are about to take. Guessed wrong, it is in another core's cache.
void Unit::follow(int64_t unit) {
  following = turn_at(0);
  const int64_t next = unit + work.threads_at_work;
  if (head_rows > kBandRows || next >= work.units) return;
  const Unit after(work, next);
  if (after.turns() > 0) following = after.turn_at(0);
  _mm_prefetch(following, _MM_HINT_T0);  // looks its page up
}

void Unit::clear() {
  for (int32_t band = 0; band < bands; band++) {
    store(largest + band * pd::kBandSlots, spread(-kInfinity));
    store(weights + band * pd::kBandSlots, spread(0.0f));
  }
  float *const values = sums, *const parts = lanes;
  const int64_t count = int64_t(row_count) * work.padded_dim;
  for (int64_t d = 0; d < count; d += 16) store(values + d, spread(0.0f));
  for (int32_t d = 0, end = row_count * 16; d < end; d += 16) store(parts + d, spread(0.0f));
}

void Unit::run_split(int32_t index) {
  clear();
  const Span part = meet(run, {index * kSplitKeys, index * kSplitKeys + kSplitKeys});
  const int32_t end = (part.end + kTileKeys - 1) / kTileKeys;
  for (int32_t tile = part.first / kTileKeys; tile < end; tile++) run_tile(tile * kTileKeys, tile + 1 < end);
  for (int32_t row = 0; row < row_count; row++) *state(row, false).sum = sum_of(load(lanes + row * 16));
}

// Keys of one tile, row by row; a position that no row sees repeats the nearest that one does.
void Unit::list_rows(int32_t base, int32_t head, const uint8_t** out) const {
  const Span wanted = meet(seen, {base, base + kTileKeys});
  const int32_t shift = __builtin_ctz(uint32_t(args.page_size));
  for (int32_t i = 0; i < kTileKeys; i++) {
    int32_t at = base + i;
    at = at < wanted.first ? wanted.first : at >= wanted.end ? wanted.end - 1 : at;
    const int64_t block = args.blocks[slice.first_block + (at >> shift)];
    const int64_t in_head = int64_t(at & (args.page_size - 1)) * args.head_dim * 2;
    out[i] = k_head + head * work.places.head_bytes + block * args.block_bytes + in_head;
  }
}

// Brings the tile from `base` on into scratch and prefetches the next one, if there is one.
void Unit::gather(int32_t base, int32_t head, bool more) {
  const Span wanted = meet(seen, {base, base + kTileKeys});
  const uint8_t* rows_here[kTileKeys];
  const uint8_t* rows_ahead[kTileKeys];
  list_rows(base, head, rows_here);
  list_rows(more ? base + kTileKeys : base, head, rows_ahead);
  gather_keys({rows_here, rows_ahead, 0, args.head_dim}, wanted.first - base, wanted.end - base,
              reinterpret_cast<uint32_t*>(k_tile));
  gather_values({rows_here, rows_ahead, v_head - k_head, args.head_dim}, wanted.first - base,
                wanted.end - base, reinterpret_cast<uint32_t*>(v_tile));
}

// The tile of positions from `base` on, where the store holds tiles.
const uint16_t* Unit::tile_at(const uint8_t* head, int32_t base) const {
  const int64_t block = args.blocks[slice.first_block + base / args.page_size];
  return reinterpret_cast<const uint16_t*>(head + block * args.block_bytes) +
         int64_t(base % args.page_size) * args.head_dim;
}

// A turn is one tile of one head; a tile's heads, which lie side by side, come before the next tile.
inline int32_t Unit::turns() const {
  const int32_t tiles = (run.end + kTileKeys - 1) / kTileKeys - run.first / kTileKeys;
  return run.first < run.end ? tiles * heads : 0;
}

inline const uint8_t* Unit::turn_at(int32_t turn) const {
  const int32_t base = (run.first / kTileKeys + turn / heads) * kTileKeys;
  return reinterpret_cast<const uint8_t*>(tile_at(k_head + turn % heads * work.places.head_bytes, base));
}

// The K of the turn after this one, be it the next unit's.
inline const uint8_t* Unit::next_turn(int32_t turn) const {
  return turn + 1 < turns() ? turn_at(turn + 1) : following;
}

// Scores of a band become weights relative to the rows' largest scores so far; sums and values so far shrink
// where that grew; the values, where kShrinksInMix, not before the tile's are added to them. A row that sees
// no key of the tile is left as it is: its sum gains 0 and its shrink is 2^0.
void Unit::weigh(int32_t band, int32_t base) {
  const int32_t count = rows_of(band), first = band * band_rows, padded_dim = work.padded_dim;
  float *const m = largest + band * pd::kBandSlots, *const band_scores = scores;
  const Span* const seen_by = rows + first;
  alignas(64) float tops[pd::kBandSlots * 16], from[pd::kBandSlots];
  const Vec before = load(m);
  for (int32_t r = 0; r < count; r++) {
    float* s = band_scores + r * kTileKeys;
    const Span sees = seen_by[r];
    Vec x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) x[i] = load(s + 16 * i);
    if (sees.first > base || sees.end < base + kTileKeys) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        x[i] = keep(x[i], sees.first - base - 16 * i, sees.end - base - 16 * i);
        store(s + 16 * i, x[i]);
      }
    }
    store(tops + r * 16, larger(larger(x[0], x[1]), larger(x[2], x[3])));
  }
  const Vec after = larger(largest_of_rows(tops, count), before), origin = zero_if_no_key(after);
  store(m, after);
  store(from, origin);
  store(shrinks, power(sub(before, origin)));
  float* sum = lanes + int64_t(first) * 16;
  for (int32_t r = 0; r < count; r++, sum += 16) {
    const Vec shrink = spread(shrinks[r]);
    if (!kShrinksInMix && shrinks[r] != 1.0f) {
      float* values = sums + int64_t(first + r) * padded_dim;
      for (int32_t d = 0; d < padded_dim; d += 16) store(values + d, mul(load(values + d), shrink));
    }
    store(sum, weigh_row(band_scores + r * kTileKeys, spread(from[r]), mul(load(sum), shrink)));
  }
}

// The first split's values are all there is so far.
inline void Unit::exchange() {
  std::swap(sums, total);
  std::swap(largest, total_largest);
  std::swap(weights, total_weights);
}

inline void Unit::merge_rows() {
  for (int32_t row = 0; row < row_count; row++)
    merge_row(state(row, true), state(row, false), work.padded_dim);
}

// Where the rows end up lies in memory: it comes while the last split is worked on.
inline void Unit::fetch_outputs() const {
  for (int32_t row = 0; row < row_count; row++) {
    const float* y = output_row(work, slice, kv_head + row / head_rows, first_row + row % head_rows);
    for (int32_t d = 0; d < args.head_dim; d += 16) __builtin_prefetch(y + d, 1);
  }
}

// The splits that this pass is for. Between passes the rows' values so far lie in their partial rows.
inline void Unit::run_pass() {
  const bool follows = run.first > seen.first;
  for (int32_t row = 0; follows && row < row_count; row++)
    copy_row(kept_row(row, 0), state(row, true), work.padded_dim);
  const int32_t first_index = run.first / kSplitKeys;
  for (int32_t index = first_index; index * kSplitKeys < run.end; index++) {
    if ((index + 1) * kSplitKeys >= seen.end) fetch_outputs();
    const bool is_total = index == first_index && !follows;
    if (is_total) exchange();
    run_split(index);
    if (is_total)
      exchange();
    else
      merge_rows();
  }
  for (int32_t row = 0; row < row_count; row++) {
    const RowState made = state(row, true);
    if (run.end == seen.end)
      finish_row(made, args.head_dim,
                 output_row(work, slice, kv_head + row / head_rows, first_row + row % head_rows));
    else
      copy_row(made, kept_row(row, 0), work.padded_dim);
  }
}

inline void run_unit(const pd::AttendWork& work, int64_t unit, int32_t slot) {
  Unit u(work, unit);
  if (!u.plan.apart && u.run.first >= u.run.end) return;
  u.place(slot);
  if (work.places.tiled && u.run.first < u.run.end) u.follow(unit);
  u.take_queries();
  if (!u.plan.apart) return u.run_pass();
  u.run_split(u.plan.first_split + u.split);
  for (int32_t row = 0; row < u.row_count; row++)
    copy_row(u.state(row, false), u.kept_row(row, u.split), work.padded_dim);
}

// Joins the splits of up to kUnitRows rows of a slice whose units were single splits.
inline void run_merge(const pd::AttendWork& work, int64_t merge) {
  const int32_t index = pd::slice_of_merge(work, merge);
  const pd::AttendSlice& plan = work.slices[index];
  const pd_slice& slice = work.args->slices[index];
  const int64_t at = merge - plan.first_merge;
  const int32_t kv_head = int32_t(at / plan.row_blocks);
  const int32_t rows = slice.query_count * work.group;
  const int32_t first = int32_t(at % plan.row_blocks) * pd::kUnitRows;
  for (int32_t row = first; row < rows && row < first + pd::kUnitRows; row++) {
    const RowState total = partial_row(work, plan, kv_head, 0, rows, row);
    for (int32_t split = 1; split < plan.split_count; split++)
      merge_row(total, partial_row(work, plan, kv_head, split, rows, row), work.padded_dim);
    finish_row(total, work.args->head_dim, output_row(work, slice, kv_head, row));
  }
}
