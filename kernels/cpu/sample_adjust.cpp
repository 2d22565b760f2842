// Suppressions, bias and penalties of one row, in float32 and in the order of the definition, so that every
// backend has the same values bit for bit.
#include "sample.h"

namespace pd::sample {
namespace {

int32_t first_foreign(const int32_t* ids, int32_t count, int32_t vocabulary) {
  for (int32_t i = 0; i < count; i++)
    if (uint32_t(ids[i]) >= uint32_t(vocabulary)) return ids[i];
  return -1;
}

bool mark(uint64_t* seen, int32_t id) {
  const uint64_t bit = uint64_t(1) << (id & 63);
  const bool first = (seen[id >> 6] & bit) == 0;
  seen[id >> 6] |= bit;
  return first;
}

}  // namespace

int32_t adjust(const pd_sample_args& args, const pd_sample_row& row, float* z, int32_t* counts,
               uint64_t* seen) {
  const int32_t* suppressed = args.suppressed + row.first_suppressed;
  const int32_t* bias_ids = args.bias_ids + row.first_bias;
  const float* bias_values = args.bias_values + row.first_bias;
  const int32_t* history = args.history + row.first_history;
  int32_t foreign = first_foreign(suppressed, row.suppressed_count, args.vocabulary);
  if (foreign == -1) foreign = first_foreign(bias_ids, row.bias_count, args.vocabulary);
  if (foreign == -1) foreign = first_foreign(history, row.history_count, args.vocabulary);
  if (foreign != -1) return foreign;

  for (int32_t i = 0; i < row.suppressed_count; i++) z[suppressed[i]] = kNone;
  for (int32_t i = 0; i < row.bias_count; i++) z[bias_ids[i]] += bias_values[i];
  if (row.repetition_penalty != 1.0f) {
    std::memset(seen, 0, size_t(args.vocabulary + 63) / 64 * sizeof *seen);
    for (int32_t i = 0; i < row.history_count; i++) {
      float& value = z[history[i]];
      if (mark(seen, history[i]))
        value = value > 0 ? value / row.repetition_penalty : value * row.repetition_penalty;
    }
  }
  if (row.frequency_penalty == 0 && row.presence_penalty == 0) return -1;
  for (int32_t i = row.prompt_count; i < row.history_count; i++) counts[history[i]] = 0;
  for (int32_t i = row.prompt_count; i < row.history_count; i++) counts[history[i]]++;
  for (int32_t i = row.prompt_count; i < row.history_count; i++) {
    int32_t& count = counts[history[i]];
    if (count > 0) z[history[i]] -= row.frequency_penalty * float(count) + row.presence_penalty;
    count = 0;
  }
  return -1;
}

}  // namespace pd::sample
