// What becomes of one row: its running values, their merge over splits, and where it ends up. Included inside
// an anonymous namespace, after attention_lanes_*.h and attention_power.h.

// Running values of one row.
struct RowState {
  float* largest;
  float* sum;
  float* values;  // [padded_dim]
};

inline void copy_row(const RowState& from, const RowState& to, int32_t padded_dim) {
  *to.largest = *from.largest;
  *to.sum = *from.sum;
  for (int32_t d = 0; d < padded_dim; d += 16) store(to.values + d, load(from.values + d));
}

// total += part: both are (largest score, sum of weights, weighted values), weights being powers of two
// relative to their own largest score. A part with no key changes nothing.
inline void merge_row(const RowState& total, const RowState& part, int32_t padded_dim) {
  if (*part.sum == 0.0f) return;
  if (*total.sum == 0.0f) return copy_row(part, total, padded_dim);
  const Vec m0 = spread(*total.largest), m1 = spread(*part.largest);
  const Vec m = larger(m0, m1);
  const Vec scale0 = power(sub(m0, m)), scale1 = power(sub(m1, m));
  *total.largest = first_lane(_mm256_castps256_ps128(low_lanes(m)));
  *total.sum = first_lane(
      _mm256_castps256_ps128(low_lanes(fma(spread(*part.sum), scale1, mul(spread(*total.sum), scale0)))));
  for (int32_t d = 0; d < padded_dim; d += 16)
    store(total.values + d, fma(load(part.values + d), scale1, mul(load(total.values + d), scale0)));
}

// y = values / sum. A zero comes out positive: adding keys of no weight may have cost it its sign.
inline void finish_row(const RowState& row, int32_t head_dim, float* y) {
  const Vec sum = spread(*row.sum), zero = spread(0.0f);
  int32_t d = 0;
  for (; d + 16 <= head_dim; d += 16) store(y + d, add(div(load(row.values + d), sum), zero));
  if (d == head_dim) return;
  alignas(64) float last[16];
  store(last, add(div(load(row.values + d), sum), zero));
  for (int32_t lane = 0; d + lane < head_dim; lane++) y[d + lane] = last[lane];
}

inline float* output_row(const pd::AttendWork& work, const pd_slice& slice, int32_t kv_head, int32_t row) {
  const int64_t head = int64_t(kv_head) * work.group + row % work.group;
  return work.args->y + (slice.first_token + row / work.group) * work.args->y_stride +
         head * work.args->head_dim;
}

// A row's place between units: one for each split where those are units, else one between passes.
inline RowState partial_row(const pd::AttendWork& work, const pd::AttendSlice& plan, int32_t kv_head,
                            int32_t split, int64_t rows, int64_t row) {
  const int64_t index = (int64_t(kv_head) * (plan.apart ? plan.split_count : 1) + split) * rows + row;
  float* at = work.partials + (plan.first_partial + index) * (pd::kPartialHead + work.padded_dim);
  return {at, at + 1, at + pd::kPartialHead};
}
