// The vector loops of sampling, over a TU's own Lanes; included once by each sample_<isa>.cpp. Everything
// here has internal linkage, since the same code is compiled for different instruction sets.
#pragma once
#include "sample.h"

namespace pd::sample {
namespace {

constexpr int32_t kWidth = Lanes::kWidth;
using F = Lanes::F;
using I = Lanes::I;

// exp(x) for x <= 1, within 2 ulp; 0 below -87. Taylor to the seventh degree after x = n ln 2 + r, |r| <= ln
// 2 / 2.
inline F exp_of(F x) {
  const F clamped = Lanes::max(x, Lanes::set(-87.0f));
  const F n = Lanes::round(Lanes::mul(clamped, Lanes::set(1.44269504f)));
  F r = Lanes::fma(n, Lanes::set(-0.693359375f), clamped);
  r = Lanes::fma(n, Lanes::set(2.12194440e-4f), r);
  F p = Lanes::set(1.0f / 5040);
  p = Lanes::fma(p, r, Lanes::set(1.0f / 720));
  p = Lanes::fma(p, r, Lanes::set(1.0f / 120));
  p = Lanes::fma(p, r, Lanes::set(1.0f / 24));
  p = Lanes::fma(p, r, Lanes::set(1.0f / 6));
  p = Lanes::fma(p, r, Lanes::set(0.5f));
  p = Lanes::fma(p, r, Lanes::set(1.0f));
  p = Lanes::fma(p, r, Lanes::set(1.0f));
  return Lanes::zero_unless_ge(x, Lanes::set(-87.0f), Lanes::scale(p, n));
}

void prepare(const float* z, int32_t count, float divisor, float* values) {
  const F by = Lanes::set(divisor);
  int32_t i = 0;
  for (; i + kWidth <= count; i += kWidth) Lanes::store(values + i, Lanes::div(Lanes::load(z + i), by));
  if (i == count) return;
  for (int32_t end = i + kWidth; i < end; i++) values[i] = i < count ? z[i] / divisor : kNone;
}

float maxima(const float* values, int32_t count, float* groups) {
  constexpr int32_t kRun = kPanel / kPanelGroups * kWidth;
  F all = Lanes::set(kNone);
  uint32_t nans = 0;
  for (int32_t run = 0; run < kPanel / kRun; run++) {
    const int32_t end = (run + 1) * kRun < count ? (run + 1) * kRun : count;
    F group = Lanes::set(kNone);
    for (int32_t i = run * kRun; i < end; i += kWidth) {
      const F value = Lanes::load(values + i);
      group = Lanes::max(group, value);
      nans |= Lanes::nans(value);
    }
    Lanes::store(groups + run * kWidth, group);
    all = Lanes::max(all, group);
  }
  if (nans != 0) return std::numeric_limits<float>::quiet_NaN();
  alignas(64) float lanes[kWidth];
  Lanes::store(lanes, all);
  float most = kNone;
  for (float lane : lanes) most = lane > most ? lane : most;
  return most;
}

double sum_exp(const float* values, int32_t count, float reference) {
  const F from = Lanes::set(reference);
  F sums[4] = {Lanes::set(0), Lanes::set(0), Lanes::set(0), Lanes::set(0)};
  int32_t i = 0;
  for (; i + 4 * kWidth <= count; i += 4 * kWidth) {
    for (int32_t u = 0; u < 4; u++)
      sums[u] = Lanes::add(sums[u], exp_of(Lanes::sub(Lanes::load(values + i + u * kWidth), from)));
  }
  for (int32_t u = 0; i < count; i += kWidth, u++)
    sums[u] = Lanes::add(sums[u], exp_of(Lanes::sub(Lanes::load(values + i), from)));
  double total = 0;
  for (const F& sum : sums) {
    alignas(64) float lanes[kWidth];
    Lanes::store(lanes, sum);
    for (float lane : lanes) total += lane;
  }
  return total;
}

void exps(const float* values, int32_t count, float reference, float* weights) {
  for (int32_t i = 0; i < count; i += kWidth)
    Lanes::store(weights + i, exp_of(Lanes::sub(Lanes::load(values + i), Lanes::set(reference))));
}

int32_t gather(const float* values, int32_t count, float threshold, int32_t first_id, int32_t* ids,
               float* out) {
  const F from = Lanes::set(threshold);
  int32_t taken = 0;
  for (int32_t i = 0; i < count; i += kWidth) {
    const F value = Lanes::load(values + i);
    uint32_t mask = Lanes::ge(value, from);
    if (count - i < kWidth) mask &= (1u << (count - i)) - 1;
    if (mask == 0) continue;
    Lanes::compress(mask, value, Lanes::iota(first_id + i), out + taken, ids + taken);
    taken += __builtin_popcount(mask);
  }
  return taken;
}

// Philox4x32-10 (Salmon et al. 2011) of counters (id, position, 0, 0) that differ in the id alone: what the
// first two rounds have in common is computed once, for all lanes.
struct Philox {
  I m0 = Lanes::set_wide(0xD2511F53u), m1 = Lanes::set_wide(0xCD9E8D57u);
  I key0[10], key1[10];
  I second_high;  // what word 3 is joined with in round 2
  I second_low;   // word 3 after round 2

  explicit Philox(Noise noise) {
    uint32_t k0 = uint32_t(noise.seed), k1 = uint32_t(noise.seed >> 32);
    const uint64_t p = uint64_t(0xD2511F53u) * (uint32_t(noise.position) ^ k0);
    for (int32_t round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      key0[round] = Lanes::set_wide(k0);
      key1[round] = Lanes::set_wide(k1);
      if (round == 1) second_high = Lanes::set_wide(uint32_t(p >> 32) ^ k1);
    }
    second_low = Lanes::set_wide(uint32_t(p));
  }

  // Word 0 for ids in the even 32-bit lanes of a and of b. Odd halves hold leftovers: a multiplication reads
  // even halves only.
  void words(I* a, I* b) const {
    I a0 = Lanes::mul_wide(*a, m0), b0 = Lanes::mul_wide(*b, m0);
    I a2 = Lanes::xor2(Lanes::high_to_low(a0), key1[0]), b2 = Lanes::xor2(Lanes::high_to_low(b0), key1[0]);
    I a1 = Lanes::mul_wide(a2, m1), b1 = Lanes::mul_wide(b2, m1);
    a2 = Lanes::xor2(a0, second_high), b2 = Lanes::xor2(b0, second_high);
    a0 = Lanes::xor2(Lanes::high_to_low(a1), key0[1]), b0 = Lanes::xor2(Lanes::high_to_low(b1), key0[1]);
    I a3 = second_low, b3 = second_low;
    for (int32_t round = 2; round < 9; round++) {
      const I ap0 = Lanes::mul_wide(a0, m0), ap1 = Lanes::mul_wide(a2, m1);
      const I bp0 = Lanes::mul_wide(b0, m0), bp1 = Lanes::mul_wide(b2, m1);
      a0 = Lanes::xor3(Lanes::high_to_low(ap1), a1, key0[round]);
      b0 = Lanes::xor3(Lanes::high_to_low(bp1), b1, key0[round]);
      a2 = Lanes::xor3(Lanes::high_to_low(ap0), a3, key1[round]);
      b2 = Lanes::xor3(Lanes::high_to_low(bp0), b3, key1[round]);
      a1 = ap1, b1 = bp1, a3 = ap0, b3 = bp0;
    }
    *a = Lanes::xor3(Lanes::high_to_low(Lanes::mul_wide(a2, m1)), a1, key0[9]);
    *b = Lanes::xor3(Lanes::high_to_low(Lanes::mul_wide(b2, m1)), b1, key0[9]);
  }
};

// A column can reach the best score B only if its noise E = -log(1 - v) <= exp(value - B). Since E >= v, it
// is out if v > exp(value - B), and v >= 2^-33 puts it out below value - B = log(2^-33) = -22.9 without a
// hash. The best is rounded down and the bound up by more than all rounding here, so what is left out cannot
// win; what is left in is scored in double. Hence the draw is that of scoring every column.
void draw(const float* values, const int32_t* ids, int32_t first_id, int32_t count, Noise noise, Best* best) {
  float floor = Lanes::round_down(best->score);
  const Philox philox(noise);
  for (int32_t i = 0; i < count; i += kWidth) {
    const F above = Lanes::sub(Lanes::load(values + i), Lanes::set(floor));
    uint32_t mask = Lanes::ge(above, Lanes::set(-23.0f));
    if (mask == 0) continue;
    const I id = ids ? Lanes::load_ids(ids + i) : Lanes::iota(first_id + i);
    I even = id, odd = Lanes::high_to_low(id);
    philox.words(&even, &odd);
    const F bound = Lanes::mul(exp_of(Lanes::min(above, Lanes::set(1.0f))), Lanes::set(1.001f));
    mask &= Lanes::ge(bound, Lanes::unit_below(even, odd));
    for (; mask != 0; mask &= mask - 1) {
      const int32_t j = i + __builtin_ctz(mask);
      const int32_t candidate = ids ? ids[j] : first_id + j;
      const double score = gumbel_score(noise, candidate, values[j]);
      if (!best->beaten_by(score, candidate)) continue;
      *best = {score, candidate};
      floor = Lanes::round_down(score);
    }
  }
}

}  // namespace
}  // namespace pd::sample
