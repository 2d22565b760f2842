// Finds where a ranking is cut without sorting it. Columns are counted and weighed into bins, first by their
// distance from the maximum, then, inside the bin where the limit falls, by the bits of their value. Weights
// are integers, so that sums are exact and no order of addition shows.
#pragma once
#include "sample_row.h"

namespace pd::cuda {

constexpr u64 kNoMassLimit = ~u64(0);
constexpr i64 kNoCountLimit = i64(1) << 40;

// exp(value - max) in units of 2^-44: a whole vocabulary's stay below 2^64.
DEVICE u64 fixed_weight(float value, float max) { return u64(exponential(value - max) * 17592186044416.0f); }

// Bins that descend with the value; the last takes all that is too far away to weigh anything.
DEVICE i32 distance_bin(float value, float max) {
  const float bins = (max - value) * 64.0f;
  return bins < float(kSampleBins - 1) ? i32(bins) : kSampleBins - 1;
}

// bin_of(id, value): the bin, or -1.
template <class BinOf>
DEVICE void fill_bins(SampleRoom& room, const Ranking& ranking, bool weighs, BinOf bin_of) {
  sync_block();
  for (i32 bin = thread_x(); bin < kSampleBins; bin += kSampleThreads) {
    room.counts[bin] = 0;
    room.masses[bin] = 0;
  }
  sync_block();
  ranking.each([&](i32 id, float value) {
    const i32 bin = bin_of(id, value);
    if (bin < 0) return;
    add_shared(&room.counts[bin], 1u);
    if (!weighs) return;
    const u64 weight = fixed_weight(value, ranking.max);
    if (weight > 0) add_shared(&room.masses[bin], weight);
  });
  sync_block();
}

// The first bin whose end lies past a limit. Where there is none: count and mass of all, as before it.
DEVICE Crossing find_crossing(SampleRoom& room, u64 count_limit, u64 mass_limit) {
  const i32 lane = thread_x();
  constexpr i32 kBinsOfLane = kSampleBins / 32;
  if (lane < 32) {
    u32 count = 0;
    u64 mass = 0;
    for (i32 i = 0; i < kBinsOfLane; i++) {
      count += room.counts[lane * kBinsOfLane + i];
      mass += room.masses[lane * kBinsOfLane + i];
    }
    room.lane_counts[lane] = count;
    room.lane_masses[lane] = mass;
    sync_warp();
    Crossing own{-1, 0, 0, 0, 0};
    for (i32 below = 0; below < lane; below++) {
      own.count_before += room.lane_counts[below];
      own.mass_before += room.lane_masses[below];
    }
    for (i32 i = 0; i < kBinsOfLane; i++) {
      const i32 bin = lane * kBinsOfLane + i;
      own.bin_count = room.counts[bin];
      own.bin_mass = room.masses[bin];
      if (own.count_before + own.bin_count > count_limit || own.mass_before + own.bin_mass > mass_limit) {
        own.bin = bin;
        break;
      }
      own.count_before += own.bin_count;
      own.mass_before += own.bin_mass;
    }
    const u32 crossed = warp_ballot(own.bin >= 0);
    const u32 lower = crossed & ((1u << lane) - 1);
    if (crossed != 0 ? own.bin >= 0 && lower == 0 : lane == 31) room.crossing = own;
  }
  sync_block();
  return room.crossing;
}

// The id of the wanted-th column (from 1) in order of ids among those of one key.
DEVICE i32 nth_id(SampleRoom& room, const Ranking& ranking, u32 key, u64 wanted) {
  constexpr i32 kLowBits = 9;
  fill_bins(room, ranking, false,
            [&](i32 id, float value) { return ordered_key(value) == key ? id >> kLowBits : -1; });
  const Crossing high = find_crossing(room, wanted - 1, kNoMassLimit);
  fill_bins(room, ranking, false, [&](i32 id, float value) {
    return ordered_key(value) == key && id >> kLowBits == high.bin ? id & ((1 << kLowBits) - 1) : -1;
  });
  const Crossing low = find_crossing(room, wanted - 1 - high.count_before, kNoMassLimit);
  return high.bin << kLowBits | low.bin;
}

struct Selection {
  Cut cut;
  u64 mass;  // of what is kept, where it was weighed
};

// The longest prefix of ranks below count_limit whose mass before each is at most share of the whole; whole 0
// is the mass of all columns, share 1 no limit.
DEVICE Selection select(SampleRoom& room, const Ranking& ranking, i64 count_limit, double share, u64 whole,
                        bool weighs) {
  fill_bins(room, ranking, weighs, [&](i32, float value) { return distance_bin(value, ranking.max); });
  u64 mass_limit = kNoMassLimit;
  if (share < 1.0) {
    if (whole == 0) whole = find_crossing(room, u64(kNoCountLimit), kNoMassLimit).mass_before;
    sync_block();
    mass_limit = u64(share * double(whole));
  }
  Crossing crossing = find_crossing(room, u64(count_limit), mass_limit);
  if (crossing.bin < 0) return Selection{no_cut(), crossing.mass_before};
  const i32 far = crossing.bin;
  u64 count = crossing.count_before, mass = crossing.mass_before;
  u32 prefix = 0;
  for (i32 level = 0; level < 3; level++) {
    const i32 shift = level == 0 ? 21 : level == 1 ? 10 : 0, bits = level == 2 ? 10 : 11;
    const u32 last = (1u << bits) - 1;
    fill_bins(room, ranking, weighs, [&](i32, float value) {
      const u32 key = ordered_key(value);
      const bool is_member = distance_bin(value, ranking.max) == far && (key ^ prefix) >> shift <= last;
      return is_member ? i32(last - (key >> shift & last)) : -1;
    });
    crossing = find_crossing(room, u64(count_limit) - count, mass_limit - mass);
    count += crossing.count_before;
    mass += crossing.mass_before;
    prefix |= (last - u32(crossing.bin)) << shift;
  }
  // Columns of one value are kept in order of ids.
  const u64 ties = crossing.bin_count, weight = crossing.bin_mass / ties;
  u64 kept = u64(count_limit) - count;
  if (weight > 0 && share < 1.0) {
    const u64 fitting = (mass_limit - mass) / weight + 1;
    kept = fitting < kept ? fitting : kept;
  }
  Selection selection{no_cut(), 0};
  selection.cut.key = prefix;
  if (kept >= ties)
    kept = ties;
  else
    selection.cut.id = kept == 0 ? -1 : nth_id(room, ranking, prefix, kept);
  selection.mass = mass + kept * weight;
  return selection;
}

}  // namespace pd::cuda
