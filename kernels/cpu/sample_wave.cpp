#include "sample_wave.h"

#include <algorithm>
#include <cmath>

#include "team.h"

namespace pd::sample {
namespace {

constexpr int32_t kRawMode = 1;
constexpr int32_t kProcessedMode = 2;
// Below it a temperature counts as 0: no finite logits can then tell a draw from the argmax.
constexpr float kLeastTemperature = 1e-6f;

// A panel's values: the logits themselves where they are as they are wanted and fill whole vectors.
struct Panel {
  alignas(64) float room[kPanel + kPad];

  const float* read(const Kernels& kernels, const Ranking& ranking, int32_t first, int32_t count) {
    const float* z = ranking.source + first;
    if (ranking.divisor == 1.0f && count % kVector == 0) return z;
    kernels.prepare(z, count, ranking.divisor, room);
    return room;
  }
};

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

bool has_penalty(const pd_sample_row& row) {
  return row.history_count > 0 &&
         (row.repetition_penalty != 1.0f || row.frequency_penalty != 0 || row.presence_penalty != 0);
}

int32_t panel_count(int64_t vocabulary) { return int32_t((vocabulary + kPanel - 1) / kPanel); }

}  // namespace

float Ranking::value(int32_t id) const {
  const float z = source[id];
  return z == z ? z / divisor : kNone;
}

int64_t Wave::row_bytes(int64_t vocabulary) {
  const int64_t panels = panel_count(vocabulary);
  return aligned(vocabulary * 4) + 2 * aligned((vocabulary + kPad) * 4) +
         2 * (aligned(panels * int64_t(sizeof(Measure))) + aligned(panels * kPanelGroups * 4)) +
         aligned(panels * 4) + aligned(panels * int64_t(sizeof(Best)));
}

Wave::Wave(const pd_sample_args& args, const Kernels& kernels, int32_t first, int32_t count)
    : args_(args), kernels_(kernels), count_(count), panels_(panel_count(args.vocabulary)) {
  for (int32_t i = 0; i < count; i++) {
    Work& work = works_[i];
    const pd_sample_row& row = args.rows[first + i];
    work = {};
    work.row = &row;
    work.index = first + i;
    carve(&work, static_cast<uint8_t*>(args.scratch) + i * row_bytes(args.vocabulary));

    const bool greedy = row.temperature < kLeastTemperature;
    const float* logits = args.logits + int64_t(row.logits_row - args.first_logits_row) * args.logits_stride;
    work.adjusts = row.suppressed_count > 0 || row.bias_count > 0 || has_penalty(row);
    work.raw.source = logits;
    work.raw.divisor = 1;
    work.tempered.source = work.adjusts ? work.adjusted : logits;
    work.tempered.divisor = greedy ? 1 : row.temperature;
    work.raw_apart = row.logprob_mode == kRawMode && (work.adjusts || work.tempered.divisor != 1);
    work.draws = row.target < 0 && !greedy;
    work.filters = (work.draws || row.logprob_mode == kProcessedMode) &&
                   (work.top_k_bites(args.vocabulary) || row.top_p < 1 || row.min_p > 0);
  }
}

void Wave::carve(Work* work, uint8_t* scratch) const {
  auto take = [&](int64_t bytes) {
    uint8_t* taken = scratch;
    scratch += aligned(bytes);
    return taken;
  };
  const int64_t columns = args_.vocabulary;
  work->adjusted = reinterpret_cast<float*>(take(columns * 4));
  work->ids = reinterpret_cast<int32_t*>(take((columns + kPad) * 4));
  work->values = reinterpret_cast<float*>(take((columns + kPad) * 4));
  for (Ranking* ranking : {&work->tempered, &work->raw}) {
    ranking->panels = reinterpret_cast<Measure*>(take(panels_ * int64_t(sizeof(Measure))));
    ranking->groups = reinterpret_cast<float*>(take(int64_t(panels_) * kPanelGroups * 4));
  }
  work->gathered = reinterpret_cast<int32_t*>(take(panels_ * 4));
  work->bests = reinterpret_cast<Best*>(take(panels_ * int64_t(sizeof(Best))));
}

int32_t Wave::columns(int32_t panel) const { return std::min(kPanel, args_.vocabulary - panel * kPanel); }

void Wave::run() {
  auto each_row = [&](auto&& f) {
    parallel(args_.team, count_, [&](int64_t row, int32_t) {
      if (works_[row].fault == Fault::none) f(&works_[row]);
    });
  };
  auto each_panel = [&](auto&& f) {
    parallel(args_.team, int64_t(count_) * panels_, [&](int64_t tile, int32_t) {
      Work* work = &works_[tile / panels_];
      if (work->fault == Fault::none) f(work, int32_t(tile % panels_));
    });
  };
  auto any = [&](auto&& f) { return std::any_of(works_, works_ + count_, f); };

  if (any([](const Work& work) { return work.adjusts; })) {
    each_panel([&](Work* work, int32_t panel) {
      if (!work->adjusts) return;
      const int64_t start = int64_t(panel) * kPanel;
      std::memcpy(work->adjusted + start, work->raw.source + start, size_t(columns(panel)) * 4);
    });
    each_row([&](Work* work) {
      if (!work->adjusts) return;
      work->foreign_id =
          adjust(args_, *work->row, work->adjusted, work->ids, reinterpret_cast<uint64_t*>(work->values));
      if (work->foreign_id != -1) work->fault = Fault::foreign_id;
    });
  }
  each_panel([&](Work* work, int32_t panel) {
    measure(work->tempered, panel);
    if (work->raw_apart) measure(work->raw, panel);
  });
  each_row([&](Work* work) { plan(work); });
  if (any([](const Work& work) { return work.gathers || work.draws; }))
    each_panel([&](Work* work, int32_t panel) { visit(work, panel); });
  each_row([&](Work* work) { finish(work); });

  auto lists_raw = [](const Work& work) { return work.raw_apart && work.row->top_count > 0; };
  if (!any(lists_raw)) return;
  each_panel([&](Work* work, int32_t panel) {
    if (lists_raw(*work)) gather_raw(work, panel);
  });
  each_row([&](Work* work) {
    if (lists_raw(*work)) write_tops(*work, candidates(*work, work->raw), std::log(work->raw.all.sum), Cut{});
  });
}

void Wave::measure(const Ranking& ranking, int32_t panel) const {
  Panel buffer;
  const int32_t count = columns(panel);
  const float* values = buffer.read(kernels_, ranking, panel * kPanel, count);
  const float max = kernels_.maxima(values, count, ranking.groups + int64_t(panel) * kPanelGroups);
  // A model that makes a NaN is broken: its row must end in an error, never in a token.
  ranking.panels[panel] = {max == max ? max : std::numeric_limits<float>::infinity(),
                           std::isfinite(max) ? kernels_.sum_exp(values, count, max) : 0};
}

void Wave::merge(Ranking* ranking) const {
  float max = kNone;
  for (int32_t i = 0; i < panels_; i++) max = std::max(max, ranking->panels[i].max);
  double sum = 0;
  for (int32_t i = 0; i < panels_; i++)
    sum += ranking->panels[i].sum * std::exp(double(ranking->panels[i].max) - double(max));
  ranking->all = {max, sum};
}

void Wave::plan(Work* work) const {
  merge(&work->tempered);
  if (work->raw_apart) merge(&work->raw);
  const float max = work->tempered.all.max;
  const float raw_max = work->raw_apart ? work->raw.all.max : max;
  if (!std::isfinite(max) || !std::isfinite(raw_max)) {
    work->fault = std::max(max, raw_max) > 0 ? Fault::infinite : Fault::nothing_finite;
    return;
  }
  int32_t panel = 0;
  while (work->tempered.panels[panel].max != max) panel++;
  work->argmax = panel * kPanel;
  while (work->tempered.value(work->argmax) != max) work->argmax++;
  if (work->draws) work->start = {gumbel_score(work->noise(), work->argmax, max), work->argmax};
  set_threshold(work);
}

void Wave::set_threshold(Work* work) const {
  const pd_sample_row& row = *work->row;
  const Ranking& ranking = work->tempered;
  const int32_t groups = panels_ * kPanelGroups;
  const bool lists = row.top_count > 0 && !work->raw_apart;
  work->gathers = work->filters || lists;
  work->threshold = std::numeric_limits<float>::infinity();
  if (work->filters) {
    float bound = kNone;
    if (work->top_k_bites(args_.vocabulary)) bound = count_bound(ranking.groups, groups, row.top_k);
    // The mass that sequential top-p is taken of needs the whole top-k.
    if (!work->drops_before_top_p(args_.vocabulary)) {
      if (row.top_p < 1)
        bound = std::max(bound, mass_bound(ranking.groups, groups, args_.vocabulary, ranking.all.max,
                                           ranking.all.sum, row.top_p));
      if (row.min_p > 0) bound = std::max(bound, least_bound(ranking.all.max, row.min_p));
    }
    work->threshold = bound;
  }
  if (lists) work->threshold = std::min(work->threshold, count_bound(ranking.groups, groups, row.top_count));
}

void Wave::visit(Work* work, int32_t panel) const {
  const bool draws = work->draws && !work->filters;
  const float max = work->tempered.panels[panel].max;
  const bool gathers = work->gathers && max >= work->threshold;
  work->gathered[panel] = 0;
  work->bests[panel] = work->start;
  if (!draws && !gathers) return;
  Panel buffer;
  const int32_t first = panel * kPanel;
  const int32_t count = columns(panel);
  const float* values = buffer.read(kernels_, work->tempered, first, count);
  if (draws) kernels_.draw(values, nullptr, first, count, work->noise(), &work->bests[panel]);
  if (gathers)
    work->gathered[panel] =
        kernels_.gather(values, count, work->threshold, first, work->ids + first, work->values + first);
}

void Wave::gather_raw(Work* work, int32_t panel) const {
  Panel buffer;
  const int32_t first = panel * kPanel;
  const int32_t count = columns(panel);
  const float* values = buffer.read(kernels_, work->raw, first, count);
  work->gathered[panel] =
      kernels_.gather(values, count, work->threshold, first, work->ids + first, work->values + first);
}

// Joins what the panels gathered.
Candidates Wave::candidates(const Work& work, const Ranking& ranking) const {
  Candidates list{work.values, work.ids, 0, ranking.all.max};
  for (int32_t panel = 0; panel < panels_; panel++) {
    const int32_t from = panel * kPanel;
    const size_t bytes = size_t(work.gathered[panel]) * 4;
    std::memmove(list.values + list.count, work.values + from, bytes);
    std::memmove(list.ids + list.count, work.ids + from, bytes);
    list.count += work.gathered[panel];
  }
  return list;
}

Cut Wave::filter(const Work& work, const Candidates& from) const {
  const pd_sample_row& row = *work.row;
  const double endless = std::numeric_limits<double>::infinity();
  const int64_t k = work.top_k_bites(args_.vocabulary) ? row.top_k : args_.vocabulary;
  Cut cut;
  if (work.drops_before_top_p(args_.vocabulary)) {
    cut = select(kernels_, from, k, endless);
    if (row.top_p < 1)
      cut = shorter(cut, select(kernels_, from, k, double(row.top_p) * mass(kernels_, from, cut)));
  } else {
    cut = select(kernels_, from, k, row.top_p < 1 ? double(row.top_p) * work.tempered.all.sum : endless);
  }
  if (row.min_p > 0) cut.least = std::log(double(row.min_p));
  // Where all that was gathered is kept, what was not gathered still is not.
  return shorter(cut, Cut{.key = ordered_key(work.threshold)});
}

int32_t Wave::draw(const Work& work, Candidates from, const Cut& cut) const {
  Best best = work.start;
  if (work.filters) {
    keep(&from, cut);
    kernels_.draw(from.values, from.ids, 0, from.count, work.noise(), &best);
    return best.id;
  }
  for (int32_t panel = 0; panel < panels_; panel++)
    if (best.beaten_by(work.bests[panel].score, work.bests[panel].id)) best = work.bests[panel];
  return best.id;
}

void Wave::finish(Work* work) const {
  const pd_sample_row& row = *work->row;
  const Ranking& tempered = work->tempered;
  const Ranking& reported = work->raw_apart ? work->raw : tempered;
  Candidates list{};
  if (work->gathers) list = candidates(*work, tempered);
  Cut cut;
  if (work->filters) cut = filter(*work, list);
  double log_sum = std::log(reported.all.sum);
  const bool processed = work->filters && row.logprob_mode == kProcessedMode;
  if (processed) log_sum = std::log(mass(kernels_, list, cut));
  if (row.top_count > 0 && !work->raw_apart) write_tops(*work, list, log_sum, processed ? cut : Cut{});

  const int32_t token = row.target >= 0 ? row.target : work->draws ? draw(*work, list, cut) : work->argmax;
  const float value = reported.value(token);
  const bool kept = !processed || cut.keeps(value, token, tempered.all.max);
  args_.results[work->index] = {token,
                                kept ? float(double(value) - double(reported.all.max) - log_sum) : kNone};
  // The list of tempered is done with, so its room may serve the raw one.
  if (work->raw_apart && row.top_count > 0)
    work->threshold = count_bound(work->raw.groups, panels_ * kPanelGroups, row.top_count);
}

void Wave::write_tops(const Work& work, const Candidates& from, double log_sum, const Cut& kept) const {
  pd_token_logprob* tops = args_.tops + work.row->first_top;
  const int32_t count = work.row->top_count;
  const Cut cut = select(kernels_, from, count, std::numeric_limits<double>::infinity());
  int32_t written = 0;
  for (int32_t i = 0; i < from.count; i++)
    if (cut.keeps(from, i)) tops[written++] = {from.ids[i], from.values[i]};
  std::sort(tops, tops + written, [](const pd_token_logprob& a, const pd_token_logprob& b) {
    return a.logprob > b.logprob || (a.logprob == b.logprob && a.token < b.token);
  });
  for (int32_t i = 0; i < written; i++) {
    pd_token_logprob& top = tops[i];
    const bool counts = kept.keeps(top.logprob, top.token, from.max);
    top.logprob = counts ? float(double(top.logprob) - double(from.max) - log_sum) : kNone;
  }
}

}  // namespace pd::sample
