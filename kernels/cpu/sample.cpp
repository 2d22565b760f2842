#include "sample.h"

#include <algorithm>
#include <cmath>

#include "isa.h"
#include "last_error.h"
#include "sample_wave.h"

namespace pd::sample {
namespace {

// Word 0 of Philox4x32-10 of counter (id, position, 0, 0).
uint32_t philox(Noise noise, uint32_t id) {
  uint32_t k0 = uint32_t(noise.seed), k1 = uint32_t(noise.seed >> 32);
  uint32_t c0 = id, c1 = uint32_t(noise.position), c2 = 0, c3 = 0;
  for (int32_t round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return c0;
}

// Comparisons are written so that a NaN fails them.
const char* problem_of(const pd_sample_args& args, const pd_sample_row& row) {
  if (row.logits_row < args.first_logits_row) return "its logits row lies before the first";
  if (row.target >= args.vocabulary) return "its target is no id of the vocabulary";
  if (row.top_count < 0 || row.top_count > args.vocabulary) return "top_count is not in [0, vocabulary]";
  if (!(row.temperature >= 0 && std::isfinite(row.temperature))) return "temperature is not finite and >= 0";
  if (!(row.top_p >= 0 && row.top_p <= 1)) return "top_p is not in [0, 1]";
  if (!(row.min_p >= 0 && row.min_p <= 1)) return "min_p is not in [0, 1]";
  if (!(row.repetition_penalty > 0)) return "repetition_penalty is not above 0";
  if (std::min({row.history_count, row.prompt_count, row.bias_count, row.suppressed_count}) < 0)
    return "a count is negative";
  return nullptr;
}

pd_status fail_row(const pd_sample_args& args, const Work& work) {
  const int32_t row = work.row->logits_row;
  switch (work.fault) {
    case Fault::none:
      return PD_OK;
    case Fault::foreign_id:
      return fail(PD_INVALID_ARGUMENT, "sample row %d names id %d; the vocabulary has %d", work.index,
                  work.foreign_id, args.vocabulary);
    case Fault::infinite:
      return fail(PD_FAILED, "logits row %d has an infinite value or a NaN: a weight is probably broken",
                  row);
    case Fault::nothing_finite:
      break;
  }
  return fail(PD_FAILED, "logits row %d has no finite value%s", row,
              work.adjusts ? " after its suppressions, bias and penalties" : "");
}

}  // namespace

double gumbel_score(Noise noise, int32_t id, float value) {
  const double v = (double(philox(noise, uint32_t(id))) + 0.5) * 0x1p-32;
  // 1 - v is exact in a double, so this is log1p(-v).
  return double(value) - std::log(-std::log(1 - v));
}

}  // namespace pd::sample

// Depends on the vocabulary and the row count alone, and no longer on the latter beyond a wave.
int64_t pd_cpu_sample_scratch_bytes(const pd_sample_args* args) {
  return std::min(args->row_count, pd::sample::kWave) * pd::sample::Wave::row_bytes(args->vocabulary);
}

pd_status pd_cpu_sample(const pd_sample_args* args) {
  using namespace pd::sample;
  if (args->vocabulary < 1 || args->row_count < 0 || args->logits_stride < args->vocabulary)
    return pd::fail(PD_INVALID_ARGUMENT, "no sampling of %d rows over a vocabulary of %d at stride %lld",
                    args->row_count, args->vocabulary, static_cast<long long>(args->logits_stride));
  if (pd_status status = pd::require_isa(args->isa)) return status;
  const Kernels& kernels = pd::uses_avx512(args->isa) ? kAvx512Kernels : kAvx2Kernels;
  for (int32_t i = 0; i < args->row_count; i++)
    if (const char* problem = problem_of(*args, args->rows[i]))
      return pd::fail(PD_INVALID_ARGUMENT, "sample row %d: %s", i, problem);

  pd_status status = PD_OK;
  for (int32_t first = 0; first < args->row_count; first += kWave) {
    const int32_t count = std::min(kWave, args->row_count - first);
    Wave wave(*args, kernels, first, count);
    wave.run();
    for (int32_t i = 0; i < count; i++) {
      if (wave.work(i).fault == Fault::none) continue;
      args->results[first + i] = {-1, std::numeric_limits<float>::quiet_NaN()};
      if (status == PD_OK) status = fail_row(*args, wave.work(i));
    }
  }
  return status;
}
