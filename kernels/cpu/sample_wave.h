// A wave of rows on its way through the phases of sample.h.
#pragma once
#include "sample.h"

namespace pd::sample {

struct Measure {
  float max;
  double sum;  // of exp(value - max)
};

// One ordering of a row's columns: source / divisor.
struct Ranking {
  const float* source;
  float divisor;
  Measure* panels;
  float* groups;
  Measure all;

  float value(int32_t id) const;
};

enum class Fault { none, foreign_id, nothing_finite, infinite };

// What a row asks for, and how far it has come.
struct Work {
  const pd_sample_row* row;
  int32_t index;  // in the call's rows

  bool adjusts;    // has suppressions, bias or penalties
  bool draws;      // at a temperature; greedy rows and scores do not
  bool filters;    // needs the kept set
  bool raw_apart;  // reports raw log-probs, which are not those of tempered
  bool gathers;    // needs the columns of tempered from threshold up

  Ranking tempered;
  Ranking raw;

  float* adjusted;    // [columns]
  int32_t* ids;       // [columns + pad]; counts of ids while adjusting
  float* values;      // [columns + pad]; marks of ids while adjusting
  int32_t* gathered;  // [panels]
  Best* bests;        // [panels]

  float threshold;
  int32_t argmax;
  Best start;  // argmax with its score
  Fault fault;
  int32_t foreign_id;

  Noise noise() const { return {row->seed, row->position}; }
  bool top_k_bites(int32_t vocabulary) const { return row->top_k > 0 && row->top_k < vocabulary; }
  bool drops_before_top_p(int32_t vocabulary) const {
    return row->top_p_mode == 1 && top_k_bites(vocabulary);
  }
};

class Wave {
 public:
  Wave(const pd_sample_args& args, const Kernels& kernels, int32_t first, int32_t count);
  void run();
  const Work& work(int32_t i) const { return works_[i]; }

  static int64_t row_bytes(int64_t vocabulary);

 private:
  void carve(Work* work, uint8_t* scratch) const;
  void adjust_rows();
  void measure(const Ranking& ranking, int32_t panel) const;
  void merge(Ranking* ranking) const;
  void plan(Work* work) const;
  void set_threshold(Work* work) const;
  void visit(Work* work, int32_t panel) const;
  void gather_raw(Work* work, int32_t panel) const;
  Candidates candidates(const Work& work, const Ranking& ranking) const;
  Cut filter(const Work& work, const Candidates& from) const;
  void finish(Work* work) const;
  int32_t draw(const Work& work, Candidates from, const Cut& cut) const;
  void write_tops(const Work& work, const Candidates& from, double log_sum, const Cut& kept) const;
  int32_t columns(int32_t panel) const;

  const pd_sample_args& args_;
  const Kernels& kernels_;
  int32_t count_;
  int32_t panels_;
  Work works_[kWave];
};

}  // namespace pd::sample
