// One unit of attention: up to kUnitRows rows of one slice that share a KV head, over all splits they see or
// over one. Included inside an anonymous namespace, after attention_tile.h and attention_gather.h.

struct Span {
  int32_t first, end;
};

inline Span meet(Span a, Span b) {
  return {a.first > b.first ? a.first : b.first, a.end < b.end ? a.end : b.end};
}

// Running values of one row.
struct RowState {
  float* largest;
  float* sum;
  float* values;  // [padded_dim]
};

// total += part: both are (largest score, sum of weights, weighted values), weights being powers of two
// relative to their own largest score. A part with no key changes nothing.
inline void merge_row(const RowState& total, const RowState& part, int32_t padded_dim) {
  if (*part.sum == 0.0f) return;
  if (*total.sum == 0.0f) {
    *total.largest = *part.largest;
    *total.sum = *part.sum;
    for (int32_t d = 0; d < padded_dim; d += 16) store(total.values + d, load(part.values + d));
    return;
  }
  const Vec m0 = spread(*total.largest), m1 = spread(*part.largest);
  const Vec m = larger(m0, m1);
  const Vec scale0 = power(sub(m0, m)), scale1 = power(sub(m1, m));
  *total.largest = first_lane(_mm256_castps256_ps128(low_lanes(m)));
  *total.sum = first_lane(
      _mm256_castps256_ps128(low_lanes(fma(spread(*part.sum), scale1, mul(spread(*total.sum), scale0)))));
  for (int32_t d = 0; d < padded_dim; d += 16)
    store(total.values + d, fma(load(part.values + d), scale1, mul(load(total.values + d), scale0)));
}

// y = values / sum.
inline void finish_row(const RowState& row, int32_t head_dim, float* y) {
  const Vec sum = spread(*row.sum);
  int32_t d = 0;
  for (; d + 16 <= head_dim; d += 16) store(y + d, div(load(row.values + d), sum));
  if (d == head_dim) return;
  alignas(64) float last[16];
  store(last, div(load(row.values + d), sum));
  for (int32_t lane = 0; d + lane < head_dim; lane++) y[d + lane] = last[lane];
}

inline float* output_row(const pd::AttendWork& work, const pd_slice& slice, int32_t kv_head, int32_t row) {
  const int64_t head = int64_t(kv_head) * work.group + row % work.group;
  return work.args->y + (slice.first_token + row / work.group) * work.args->y_stride +
         head * work.args->head_dim;
}

inline RowState partial_row(const pd::AttendWork& work, const pd::AttendSlice& plan, int32_t kv_head,
                            int32_t split, int64_t rows, int64_t row) {
  const int64_t index = (int64_t(kv_head) * plan.split_count + split - plan.first_split) * rows + row;
  float* at = work.partials + (plan.first_partial + index) * (pd::kPartialHead + work.padded_dim);
  return {at, at + 1, at + pd::kPartialHead};
}

struct Unit {
  Unit(const pd::AttendWork& of, int32_t slice_index)
      : work(of), args(*of.args), plan(of.slices[slice_index]), slice(of.args->slices[slice_index]) {}

  const pd::AttendWork& work;
  const pd_attend_args& args;
  const pd::AttendSlice& plan;
  const pd_slice& slice;
  int32_t kv_head;
  int32_t first_row, row_count;    // rows of the slice: token after token, in a token the heads of the group
  int32_t bands, band_rows;        // rows that registers hold at once; the last band may have fewer
  Span seen;                       // positions that some row sees
  Span rows[pd::kUnitRows];        // positions that each row sees
  const uint8_t *k_head, *v_head;  // this KV head in block 0
  float *queries, *scores, *sums, *total;
  float *largest, *weights, *total_largest, *total_weights;  // [band][kBandSlots]
  uint16_t *k_tile, *v_tile;

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

  void place(int32_t slot);
  void take_queries();
  void clear(bool whole);
  void run_split(int32_t split);
  void run_tile(int32_t base, bool more);
  const uint16_t* tile_at(const uint8_t* head, int32_t base) const;
  void list_rows(int32_t base, const uint8_t** out) const;
  void gather(int32_t base, bool more);
  void weigh(int32_t band, int32_t base);
  void mix(int32_t band, int32_t base, const uint16_t* v, const char* ahead);
};

// Pointers into the thread's scratch and the store, and what each row sees.
void Unit::place(int32_t slot) {
  bands = (row_count + kBandRows - 1) / kBandRows;
  band_rows = (row_count + bands - 1) / bands;
  k_head = args.store + (args.first_kv_head + kv_head) * work.places.head_bytes;
  v_head = k_head + args.store_kv_heads * work.places.head_bytes;
  const pd::AttendArea area = pd::attend_area(args.head_dim, work.padded_dim);
  float* base = reinterpret_cast<float*>(work.threads + slot * work.thread_bytes);
  queries = base + area.queries;
  scores = base + area.scores;
  sums = base + area.sums;
  total = base + area.total;
  largest = base + area.stats;
  weights = largest + pd::kMaxBands * pd::kBandSlots;
  total_largest = weights + pd::kMaxBands * pd::kBandSlots;
  total_weights = total_largest + pd::kMaxBands * pd::kBandSlots;
  k_tile = reinterpret_cast<uint16_t*>(base + area.k_tile);
  v_tile = reinterpret_cast<uint16_t*>(base + area.v_tile);
  for (int32_t row = 0; row < row_count; row++) {
    const int32_t position = slice.start + (first_row + row) / work.group;
    rows[row] = {args.window > 0 && position >= args.window ? position - args.window + 1 : 0, position + 1};
  }
  seen = {rows[0].first, rows[row_count - 1].end};
}

// Queries band by band as [dims][rows], times scale * log2(e): weights are powers of two.
void Unit::take_queries() {
  const float scale = args.scale * 1.44269504f;
  for (int32_t band = 0; band < bands; band++) {
    float* out = queries + int64_t(band) * band_rows * args.head_dim;
    const int32_t count = rows_of(band);
    for (int32_t i = 0; i < count; i++) {
      const int32_t row = first_row + band * band_rows + i;
      const int64_t head = int64_t(kv_head) * work.group + row % work.group;
      const float* q = args.q + (slice.first_token + row / work.group) * args.q_stride + head * args.head_dim;
      for (int32_t d = 0; d < args.head_dim; d++) out[d * count + i] = q[d] * scale;
    }
  }
}

void Unit::clear(bool whole) {
  float* m = whole ? total_largest : largest;
  float* l = whole ? total_weights : weights;
  for (int32_t band = 0; band < bands; band++) {
    store(m + band * pd::kBandSlots, spread(-kInfinity));
    store(l + band * pd::kBandSlots, spread(0.0f));
  }
  float* values = whole ? total : sums;
  for (int64_t d = 0; d < int64_t(row_count) * work.padded_dim; d += 16) store(values + d, spread(0.0f));
}

void Unit::run_split(int32_t split) {
  clear(false);
  const Span part = meet(seen, {split * kSplitKeys, split * kSplitKeys + kSplitKeys});
  const int32_t end = (part.end + kTileKeys - 1) / kTileKeys;
  for (int32_t tile = part.first / kTileKeys; tile < end; tile++) run_tile(tile * kTileKeys, tile + 1 < end);
}

// Keys of one tile, row by row; a position that no row sees repeats the nearest that one does.
void Unit::list_rows(int32_t base, const uint8_t** out) const {
  const Span wanted = meet(seen, {base, base + kTileKeys});
  const int32_t shift = __builtin_ctz(uint32_t(args.page_size));
  for (int32_t i = 0; i < kTileKeys; i++) {
    int32_t at = base + i;
    at = at < wanted.first ? wanted.first : at >= wanted.end ? wanted.end - 1 : at;
    const int64_t block = args.blocks[slice.first_block + (at >> shift)];
    out[i] = k_head + block * args.block_bytes + int64_t(at & (args.page_size - 1)) * args.head_dim * 2;
  }
}

// Brings the tile from `base` on into scratch and prefetches the next one, if there is one.
void Unit::gather(int32_t base, bool more) {
  const Span wanted = meet(seen, {base, base + kTileKeys});
  const uint8_t* rows_here[kTileKeys];
  const uint8_t* rows_ahead[kTileKeys];
  list_rows(base, rows_here);
  list_rows(more ? base + kTileKeys : base, rows_ahead);
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

void Unit::run_tile(int32_t base, bool more) {
  const uint16_t *k = k_tile, *v = v_tile, *next = k_tile;
  if (work.places.tiled) {
    k = tile_at(k_head, base);
    v = tile_at(v_head, base);
    next = more ? tile_at(k_head, base + kTileKeys) : v;
  } else {
    gather(base, more);
  }
  for (int32_t band = 0; band < bands; band++) {
    const int32_t count = rows_of(band), first = band * band_rows;
    const Span wanted = meet({rows[first].first, rows[first + count - 1].end}, {base, base + kTileKeys});
    if (wanted.first >= wanted.end) continue;
    kernels_for(count).score(queries + int64_t(first) * args.head_dim, k, args.head_dim / 2, scores,
                             wanted.first - base, wanted.end - base, reinterpret_cast<const char*>(v));
    weigh(band, base);
    mix(band, base, v, reinterpret_cast<const char*>(next));
  }
}

// Scores of a band become weights relative to the rows' largest scores so far; sums and values so far shrink
// where that grew. A row that sees no key of the tile is left as it is: its sum gains 0 and its shrink is
// 2^0.
void Unit::weigh(int32_t band, int32_t base) {
  const int32_t count = rows_of(band), first = band * band_rows;
  float* m = largest + band * pd::kBandSlots;
  float* l = weights + band * pd::kBandSlots;
  alignas(64) float now[pd::kBandSlots], from[pd::kBandSlots], gained[pd::kBandSlots] = {};
  const Vec before = load(m);
  store(now, before);
  for (int32_t r = 0; r < count; r++) {
    float* s = scores + r * kTileKeys;
    const Span sees = rows[first + r];
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
    const float top = largest_of(larger(larger(x[0], x[1]), larger(x[2], x[3])));
    if (top > now[r]) now[r] = top;
  }
  const Vec after = load(now), origin = zero_if_no_key(after);
  const Vec shrink = power(sub(before, origin));
  store(from, origin);
  for (int32_t r = 0; r < count; r++) {
    float* s = scores + r * kTileKeys;
    const Vec top = spread(from[r]);
    Vec p[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      p[i] = power(sub(load(s + 16 * i), top));
      store(s + 16 * i, p[i]);
    }
    gained[r] = sum_of(add(add(p[0], p[1]), add(p[2], p[3])));
  }
  store(m, after);
  store(l, fma(load(l), shrink, load(gained)));
  store(from, shrink);
  for (int32_t r = 0; r < count; r++) {
    if (from[r] == 1.0f) continue;
    float* values = sums + int64_t(first + r) * work.padded_dim;
    for (int32_t d = 0; d < work.padded_dim; d += 16)
      store(values + d, mul(load(values + d), spread(from[r])));
  }
}

// Adds the band's weighted values: the keys that all its rows see for all rows at once, before and after them
// the keys of single rows, so that each chain is ascending and has no key that its row does not see.
void Unit::mix(int32_t band, int32_t base, const uint16_t* v, const char* ahead) {
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

inline void run_unit(const pd::AttendWork& work, int64_t unit, int32_t slot) {
  const int32_t index = pd::slice_of_unit(work, unit);
  Unit u(work, index);
  const int64_t splits = u.plan.apart ? u.plan.split_count : 1;
  const int64_t at = unit - u.plan.first_unit;
  u.kv_head = int32_t(at / (splits * u.plan.row_blocks));
  // Late rows see the most keys: they come first, so that no long unit is left for the end.
  u.first_row = (u.plan.row_blocks - 1 - int32_t(at / splits % u.plan.row_blocks)) * pd::kUnitRows;
  const int64_t rows = int64_t(u.slice.query_count) * work.group;
  u.row_count = int32_t(rows - u.first_row < pd::kUnitRows ? rows - u.first_row : pd::kUnitRows);
  u.place(slot);
  u.take_queries();
  if (u.plan.apart) {
    const int32_t split = u.plan.first_split + int32_t(at % splits);
    u.run_split(split);
    for (int32_t row = 0; row < u.row_count; row++) {
      const RowState out = partial_row(work, u.plan, u.kv_head, split, rows, u.first_row + row);
      *out.sum = 0.0f;
      merge_row(out, u.state(row, false), work.padded_dim);
    }
    return;
  }
  u.clear(true);
  for (int32_t split = u.seen.first / kSplitKeys; split * kSplitKeys < u.seen.end; split++) {
    u.run_split(split);
    for (int32_t row = 0; row < u.row_count; row++)
      merge_row(u.state(row, true), u.state(row, false), work.padded_dim);
  }
  for (int32_t row = 0; row < u.row_count; row++)
    finish_row(u.state(row, true), u.args.head_dim, output_row(work, u.slice, u.kv_head, u.first_row + row));
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
    const RowState total = partial_row(work, plan, kv_head, plan.first_split, rows, row);
    for (int32_t split = plan.first_split + 1; split < plan.first_split + plan.split_count; split++)
      merge_row(total, partial_row(work, plan, kv_head, split, rows, row), work.padded_dim);
    finish_row(total, work.args->head_dim, output_row(work, slice, kv_head, row));
  }
}
