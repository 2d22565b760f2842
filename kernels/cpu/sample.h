// Sampling over a vocabulary, the definition of engine/PdEngine/Compute/SampleRow.cs. A row is cut into fixed
// panels of columns; a panel gives its maximum and its sum of exponentials relative to that, and panels are
// merged in ascending order, so a result is one chain of operations whatever the threads or the other rows
// are.
//
//   adjust   rows x panels, then rows   copy of the logits with suppressions, bias and penalties (where any)
//   measure  rows x panels              maximum, sum of exponentials, maxima of small groups of columns
//   plan     rows                       log-sum-exp, argmax, a value below which no column is wanted
//   visit    rows x panels              draw over the panel, or gather its columns above that value
//   finish   rows                       exact cut of the kept set, draw over it, log-probs
//
// ReferenceSampler.cs proves it.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>

#include "pd_cpu.h"

namespace pd::sample {

constexpr int32_t kPanel = 4096;
constexpr int32_t kPanelGroups = 64;  // groups of a panel, of kPanel / kPanelGroups columns each
constexpr int32_t kPad = 64;          // floats that a vector loop may read past a list's end
constexpr int32_t kVector = 16;       // floats of the longest vector
constexpr int32_t kWave = 16;         // rows worked on at a time: bounds the scratch, not the results
constexpr float kNone = -std::numeric_limits<float>::infinity();

// A drawn column: the largest score, at the lowest id.
struct Best {
  double score;
  int32_t id;
  // Always inline: a copy compiled for one instruction set must not be shared by the linker.
  [[gnu::always_inline]] bool beaten_by(double other, int32_t other_id) const {
    return other > score || (other == score && other_id < id);
  }
};

// What makes the noise of a draw, with the column's id.
struct Noise {
  uint64_t seed;
  int32_t position;
};

// value + Gumbel(seed, position, id), in double.
double gumbel_score(Noise noise, int32_t id, float value);

// The parts that differ by instruction set. Values are padded with -inf to a whole number of vectors.
struct Kernels {
  // values = z / divisor, padded.
  void (*prepare)(const float* z, int32_t count, float divisor, float* values);
  // The maximum, NaN where a value is, and the maxima of up to kPanelGroups disjoint groups (-inf where a
  // group is empty).
  float (*maxima)(const float* values, int32_t count, float* groups);
  // Sum of exp(value - reference), for values <= reference.
  double (*sum_exp)(const float* values, int32_t count, float reference);
  // weights = exp(value - reference), padded as values are.
  void (*exps)(const float* values, int32_t count, float reference, float* weights);
  // The columns with value >= threshold in ascending order; returns how many.
  int32_t (*gather)(const float* values, int32_t count, float threshold, int32_t first_id, int32_t* ids,
                    float* out);
  // Improves best over the columns first_id + i, or ids[i] where given. best starts at a column's true score.
  void (*draw)(const float* values, const int32_t* ids, int32_t first_id, int32_t count, Noise noise,
               Best* best);
};
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;

// The columns of a row that may be wanted: a prefix of the ranking (value descending, id ascending), held in
// ascending order of ids, with room for kPad more.
struct Candidates {
  float* values;
  int32_t* ids;
  int32_t count;
  float max;  // of the row
};

// Orders as the float does, with the zeros equal.
inline uint32_t ordered_key(float value) {
  value += 0.0f;
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits ^ (uint32_t(int32_t(bits) >> 31) | 0x80000000u);
}

// The end of a prefix of the ranking.
struct Cut {
  uint32_t key = 0;  // kept above it, and at it up to the id
  int32_t id = std::numeric_limits<int32_t>::max();
  double least = -std::numeric_limits<double>::infinity();  // least value - max

  bool keeps(float value, int32_t value_id, float max) const {
    const uint32_t own = ordered_key(value);
    // Bitwise: no branch to guess wrong in a list's loop.
    return ((own > key) | ((own == key) & (value_id <= id))) & (double(value) - double(max) >= least);
  }
  bool keeps(const Candidates& from, int32_t i) const { return keeps(from.values[i], from.ids[i], from.max); }
};

// The longest prefix of ranks below count_limit whose mass before each is at most mass_limit.
Cut select(const Kernels& kernels, const Candidates& from, int64_t count_limit, double mass_limit);
// The shorter of two prefixes.
Cut shorter(const Cut& a, const Cut& b);
// Mass of what is kept.
double mass(const Kernels& kernels, const Candidates& from, const Cut& cut);
// Drops what is not kept and pads the rest.
void keep(Candidates* candidates, const Cut& cut);

// Values at or below the k-th largest, and at or below all that a mass of top_p (sum is the whole) can reach,
// found from maxima of disjoint groups of the columns; reorders groups.
float count_bound(float* groups, int32_t group_count, int64_t k);
float mass_bound(float* groups, int32_t group_count, int32_t columns, float max, double sum, float top_p);
// At or below every value that min_p keeps.
float least_bound(float max, float min_p);

// Applies suppressions, bias and penalties of a row to z [vocabulary]. counts is working space of as many
// ints. Returns the first id that the vocabulary lacks, or -1.
int32_t adjust(const pd_sample_args& args, const pd_sample_row& row, float* z, int32_t* counts,
               uint64_t* seen);

}  // namespace pd::sample
