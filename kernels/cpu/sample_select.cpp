// Finds where a ranking is cut without sorting it: a radix descent over the values' ordered bits, 11, 11 and
// 10 at a time. A level adds up count and mass per digit, keeps whole digits from the top while they stay in
// the limits, and descends into the one that does not; columns of one value are then taken in order of ids.
// Linear in the columns whatever their values.
#include <initializer_list>

#include "sample.h"

namespace pd::sample {
namespace {

constexpr int32_t kBatch = 512;
constexpr int32_t kDigits = 2048;

struct Totals {
  double mass[kDigits];
  int32_t count[kDigits];
};

// Adds up the digits at a shift of the columns whose bits above them are those of prefix.
struct Level {
  const Kernels& kernels;
  const Candidates& from;
  bool weighted;
  int32_t shift, digits;
  Totals totals;
  int32_t pending = 0;
  alignas(64) float values[kBatch + kPad];
  alignas(64) float weights[kBatch + kPad];

  void add_up(uint32_t prefix) {
    std::memset(&totals, 0, sizeof totals);
    const int32_t above = shift + (digits == 2048 ? 11 : 10);
    for (int32_t i = 0; i < from.count; i++) {
      if (above < 32 && (ordered_key(from.values[i]) ^ prefix) >> above != 0) continue;
      values[pending++] = from.values[i];
      if (pending == kBatch) flush();
    }
    flush();
  }

  void flush() {
    if (weighted) {
      for (int32_t i = 0; i < kPad; i++) values[pending + i] = kNone;
      kernels.exps(values, pending, from.max, weights);
    }
    for (int32_t i = 0; i < pending; i++) {
      const uint32_t digit = (ordered_key(values[i]) >> shift) & uint32_t(digits - 1);
      totals.count[digit]++;
      if (weighted) totals.mass[digit] += double(weights[i]);
    }
    pending = 0;
  }
};

}  // namespace

Cut select(const Kernels& kernels, const Candidates& from, int64_t count_limit, double mass_limit) {
  const bool weighted = mass_limit < std::numeric_limits<double>::infinity();
  Level level{kernels, from, weighted, 0, 0, {}, 0, {}, {}};
  uint32_t prefix = 0;
  int64_t rank = 0;
  double mass = 0;
  double weight = 0;
  for (int32_t shift : {21, 10, 0}) {
    level.shift = shift;
    level.digits = shift == 0 ? 1024 : 2048;
    level.add_up(prefix);
    const Totals& totals = level.totals;
    int32_t digit = level.digits - 1;
    for (; digit >= 0; digit--) {
      if (rank + totals.count[digit] > count_limit || mass + totals.mass[digit] > mass_limit) break;
      rank += totals.count[digit];
      mass += totals.mass[digit];
    }
    // All of them are kept. Below the first level only rounding does that: the digit's parts came to less
    // than it.
    if (digit < 0) return {.key = prefix};
    prefix |= uint32_t(digit) << shift;
    weight = totals.mass[digit] / totals.count[digit];
  }
  Cut cut{.key = prefix, .id = -1};
  for (int32_t i = 0; i < from.count && rank < count_limit && mass <= mass_limit; i++) {
    if (ordered_key(from.values[i]) != prefix) continue;
    cut.id = from.ids[i];
    rank++;
    mass += weight;
  }
  return cut;
}

Cut shorter(const Cut& a, const Cut& b) {
  const bool a_ends_first = a.key > b.key || (a.key == b.key && a.id < b.id);
  Cut cut = a_ends_first ? a : b;
  cut.least = a.least > b.least ? a.least : b.least;
  return cut;
}

double mass(const Kernels& kernels, const Candidates& from, const Cut& cut) {
  alignas(64) float values[kBatch + kPad];
  alignas(64) float weights[kBatch + kPad];
  double total = 0;
  for (int32_t i = 0; i < from.count;) {
    int32_t pending = 0;
    for (; i < from.count && pending < kBatch; i++)
      if (cut.keeps(from, i)) values[pending++] = from.values[i];
    for (int32_t j = 0; j < kPad; j++) values[pending + j] = kNone;
    kernels.exps(values, pending, from.max, weights);
    for (int32_t j = 0; j < pending; j++) total += double(weights[j]);
  }
  return total;
}

void keep(Candidates* candidates, const Cut& cut) {
  int32_t kept = 0;
  for (int32_t i = 0; i < candidates->count; i++) {
    if (!cut.keeps(*candidates, i)) continue;
    candidates->values[kept] = candidates->values[i];
    candidates->ids[kept++] = candidates->ids[i];
  }
  candidates->count = kept;
  for (int32_t i = 0; i < kPad; i++) {
    candidates->values[kept + i] = kNone;
    candidates->ids[kept + i] = 0;
  }
}

}  // namespace pd::sample
