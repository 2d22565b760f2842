// Sampling, as SampleRow.cs defines it: a block takes one row after another.
#include "device/sample_noise.h"
#include "device/sample_select.h"

namespace pd::cuda {
namespace {

constexpr i32 kRawMode = 1, kProcessedMode = 2, kSequentialTopP = 1;
constexpr float kLeastTemperature = 1e-6f;  // below it a temperature counts as 0
constexpr u32 kTaken = 0xffffffffu;

// One row, and this block's scratch: adjusted logits, then counts (later ids) [vocabulary] each.
struct Row {
  const SampleArgs& args;
  const SampleRow& row;
  SampleRoom& room;
  const float* logits;
  float* adjusted;
  u32* counts;

  DEVICE i32 history(i32 i) const {
    const i32 id = args.history[row.first_history + i];
    return id < 0 ? args.previous[-1 - id].token : id;
  }
  DEVICE bool has_penalty() const {
    return row.history_count > 0 &&
           (row.repetition_penalty != 1.0f || row.frequency_penalty != 0.0f || row.presence_penalty != 0.0f);
  }
  DEVICE bool is_foreign(i32 id) const { return u32(id) >= u32(args.vocabulary); }
  DEVICE bool top_k_bites() const { return row.top_k > 0 && row.top_k < args.vocabulary; }
};

DEVICE bool names_foreign_id(const Row& it) {
  const i32 thread = thread_x();
  i32 foreign = it.row.target >= it.args.vocabulary;
  for (i32 i = thread; i < it.row.suppressed_count; i += kSampleThreads)
    foreign |= it.is_foreign(it.args.suppressed[it.row.first_suppressed + i]);
  for (i32 i = thread; i < it.row.bias_count; i += kSampleThreads)
    foreign |= it.is_foreign(it.args.bias_ids[it.row.first_bias + i]);
  for (i32 i = thread; i < it.row.history_count; i += kSampleThreads) foreign |= it.is_foreign(it.history(i));
  return block_max(it.room, foreign) != 0;
}

// Suppressions, bias and penalties, in float32 and in the order of the definition.
DEVICE void adjust(const Row& it) {
  const i32 thread = thread_x();
  const SampleRow& row = it.row;
  for (i32 i = thread; i < it.args.vocabulary; i += kSampleThreads) it.adjusted[i] = it.logits[i];
  sync_block();
  for (i32 i = thread; i < row.suppressed_count; i += kSampleThreads)
    it.adjusted[it.args.suppressed[row.first_suppressed + i]] = -infinity();
  sync_block();
  for (i32 i = thread; i < row.bias_count; i += kSampleThreads)
    it.adjusted[it.args.bias_ids[row.first_bias + i]] += it.args.bias_values[row.first_bias + i];
  if (!it.has_penalty()) return;
  for (i32 i = thread; i < row.history_count; i += kSampleThreads) it.counts[it.history(i)] = 0;
  sync_block();
  for (i32 i = thread; i < row.history_count; i += kSampleThreads)
    if (i >= row.prompt_count) fetch_add(&it.counts[it.history(i)], 1u);
  sync_block();
  // Who takes an id's count first adjusts that id; the others find it taken.
  for (i32 i = thread; i < row.history_count; i += kSampleThreads) {
    const i32 id = it.history(i);
    const u32 count = exchange(&it.counts[id], kTaken);
    if (count == kTaken) continue;
    float z = it.adjusted[id];
    z = z > 0.0f ? divide(z, row.repetition_penalty) : z * row.repetition_penalty;
    if (count > 0) z -= row.frequency_penalty * float(count) + row.presence_penalty;
    it.adjusted[id] = z;
  }
}

// What top-k, top-p and min-p leave.
DEVICE Cut filter(const Row& it, const Ranking& ranking) {
  const SampleRow& row = it.row;
  const bool bites = it.top_k_bites();
  const i64 limit = bites ? row.top_k : it.args.vocabulary;
  const double top_p = double(row.top_p);
  const bool sequential = row.top_p_mode == kSequentialTopP && bites && top_p < 1.0;
  Cut cut = no_cut();
  if (sequential) {
    const Selection first = select(it.room, ranking, limit, 1.0, 0, true);
    cut = shorter(first.cut, select(it.room, ranking, kNoCountLimit, top_p, first.mass, true).cut);
  } else if (bites || top_p < 1.0) {
    cut = select(it.room, ranking, limit, top_p, 0, top_p < 1.0).cut;
  }
  if (row.min_p > 0.0f) cut.least = logarithm(double(row.min_p));
  return cut;
}

DEVICE double kept_sum(const Row& it, const Ranking& ranking, const Cut& cut) {
  double sum = 0.0;
  ranking.each([&](i32 id, float value) {
    if (cut.keeps(value, id, ranking.max)) sum += double(exponential(value - ranking.max));
  });
  return block_sum(it.room, sum);
}

DEVICE float log_prob(const Ranking& ranking, float value, double log_sum) {
  return float(double(value) - double(ranking.max) - log_sum);
}

// The most likely columns, by rank; those that kept leaves out at -infinity.
DEVICE void write_tops(const Row& it, const Ranking& ranking, double log_sum, const Cut& kept) {
  const i32 count = it.row.top_count;
  const Cut cut = select(it.room, ranking, count, 1.0, 0, false).cut;
  sync_block();
  if (thread_x() == 0) it.room.listed = 0;
  sync_block();
  ranking.each([&](i32 id, float value) {
    if (cut.keeps(value, id, ranking.max)) it.counts[fetch_add(&it.room.listed, 1u)] = u32(id);
  });
  sync_block();
  TokenLogProb* tops = it.args.tops + it.row.first_top;
  for (i32 i = thread_x(); i < count; i += kSampleThreads) {
    const i32 id = i32(it.counts[i]);
    const float value = ranking.value(id);
    const u32 key = ordered_key(value);
    i32 rank = 0;
    for (i32 other = 0; other < count; other++) {
      const i32 other_id = i32(it.counts[other]);
      const u32 other_key = ordered_key(ranking.value(other_id));
      rank += other_key > key || (other_key == key && other_id < id);
    }
    const bool counts = kept.keeps(value, id, ranking.max);
    tops[rank] = TokenLogProb{id, counts ? log_prob(ranking, value, log_sum) : -infinity()};
  }
}

DEVICE SampleFault fault_of(float max) { return max > 0.0f ? kSampleInfinite : kSampleNothing; }

DEVICE SampleFault sample_row(const Row& it, TokenLogProb& result) {
  const SampleRow& row = it.row;
  if (names_foreign_id(it)) return kSampleForeignId;
  const bool adjusts = row.suppressed_count > 0 || row.bias_count > 0 || it.has_penalty();
  if (adjusts) adjust(it);
  sync_block();
  const bool greedy = row.temperature < kLeastTemperature;
  Ranking raw{it.logits, 1.0f, it.args.vocabulary, 0.0f, 0.0, 0};
  Ranking tempered{
      adjusts ? it.adjusted : it.logits, greedy ? 1.0f : row.temperature, it.args.vocabulary, 0.0f, 0.0, 0};
  if (!measure(it.room, tempered)) return fault_of(tempered.max);
  const bool raw_apart = row.logprob_mode == kRawMode && (adjusts || tempered.divisor != 1.0f);
  if (raw_apart && !measure(it.room, raw)) return fault_of(raw.max);
  const Ranking& reported = raw_apart ? raw : tempered;

  const bool draws = row.target < 0 && !greedy;
  const bool filters = (draws || row.logprob_mode == kProcessedMode) &&
                       (it.top_k_bites() || row.top_p < 1.0f || row.min_p > 0.0f);
  const Cut cut = filters ? filter(it, tempered) : no_cut();
  const bool processed = filters && row.logprob_mode == kProcessedMode;
  const double log_sum = logarithm(processed ? kept_sum(it, tempered, cut) : reported.sum);
  i32 token = row.target >= 0 ? row.target : tempered.argmax;
  if (draws) token = draw(it.room, tempered, cut, Noise{row.seed, row.position});

  const float value = reported.value(token);
  const bool kept = !processed || cut.keeps(value, token, tempered.max);
  result = TokenLogProb{token, kept ? log_prob(reported, value, log_sum) : -infinity()};
  if (row.top_count > 0) write_tops(it, reported, log_sum, processed ? cut : no_cut());
  return kSampleFine;
}

}  // namespace

PD_KERNEL(pd_sample, SampleArgs, kSampleThreads, 1) {
  u8* scratch = args.scratch + block_x() * sample_scratch_bytes(args.vocabulary);
  for (i32 index = block_x(); index < args.row_count; index += grid_x()) {
    const SampleRow& row = args.rows[index];
    if (row.logits_row < 0) continue;
    float* adjusted = reinterpret_cast<float*>(scratch);
    const Row it{args,
                 row,
                 *shared_memory<SampleRoom>(),
                 args.logits + (row.logits_row - args.first_logits_row) * args.logits_stride,
                 adjusted,
                 reinterpret_cast<u32*>(adjusted + args.vocabulary)};
    TokenLogProb result{-1, not_a_number()};
    const SampleFault fault = sample_row(it, result);
    sync_block();  // the next row writes what this one reads
    if (thread_x() != 0) continue;
    args.results[index] = result;
    args.faults[index] = fault;
  }
}

}  // namespace pd::cuda
