// Cheap bounds below which no column can be wanted, so that only few are gathered. They are never above the
// truth; how far below decides speed alone.
#include <algorithm>
#include <cmath>
#include <functional>

#include "sample.h"

namespace pd::sample {
namespace {

// The float below a double.
float below(double value) { return std::nextafter(float(value), kNone); }

}  // namespace

// k groups hold a column at least this large each.
float count_bound(float* groups, int32_t group_count, int64_t k) {
  if (k > group_count) return kNone;
  std::nth_element(groups, groups + (k - 1), groups + group_count, std::greater<>());
  return groups[k - 1];
}

float mass_bound(float* groups, int32_t group_count, int32_t columns, float max, double sum, float top_p) {
  // Where the largest maxima alone go over the limit, no column below them has so little before it.
  const int32_t leaders = std::min(group_count, 64);
  std::partial_sort(groups, groups + leaders, groups + group_count, std::greater<>());
  const double limit = double(top_p) * sum * (1 + 1e-5);
  double mass = 0;
  for (int32_t i = 0; i < leaders; i++) {
    mass += std::exp(double(groups[i]) - double(max));
    if (mass > limit) return groups[i];
  }
  // Otherwise: so low that all columns below together weigh less than half of what top_p may leave out.
  return below(double(max) + std::log(0.5 * (1 - double(top_p)) * sum / columns));
}

float least_bound(float max, float min_p) { return below(double(max) + std::log(double(min_p))); }

}  // namespace pd::sample
