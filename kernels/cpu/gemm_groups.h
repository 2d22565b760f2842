// How a tile's units are multiplied in groups, and what is fetched meanwhile: of any product whose weights
// come in steps of k, one after the other. Everything here is local to the file of an instruction set.
#pragma once
#include <immintrin.h>

#include <utility>

#include "gemm.h"

namespace {

using pd::GemmTile;

constexpr int64_t kLine = 64;

#define PD_UNROLL _Pragma("GCC unroll 32")

// Lines that each of so many streams fetches ahead of its reader: a few hundred nanoseconds of memory.
constexpr int64_t ahead_of(int streams) { return streams >= 6 ? 24 : streams >= 3 ? 32 : 80; }

// What to fetch while a group is multiplied. With one turn, streams run ahead of themselves and, near their
// end, into the thread's next group. With several, each fetches its share of the next group at a pace of a
// part of a step's bytes a step, so that reading and arithmetic overlap throughout; the first turn of a cold
// stop has enough to do with its own group.
struct Fetch {
  const uint8_t *first, *first_after;  // for the unit's first step; and, from step `turning` on
  int64_t turning, pace;

  // A unit has so many steps of so many bytes, a multiple of the line's; w is its first step.
  Fetch(const GemmTile& t, int64_t steps, int64_t step_bytes, int32_t turn, int32_t turns,
        int64_t ahead_lines, const uint8_t* w) {
    const uint8_t* next = t.next ? w + (t.next - t.w) : nullptr;
    const int64_t ahead = ahead_lines * kLine / step_bytes;
    const bool alone = turns == 1;
    turning = steps;
    pace = step_bytes;
    first = w + ahead * step_bytes;
    if (t.cold && !alone) turn--, turns--;
    if (turn < 0) return;
    if (!alone) {
      pace = next ? step_bytes / turns : 0;
      first = next ? next + steps * turn / turns * step_bytes : w;
    } else if (next) {
      turning = steps > ahead ? steps - ahead : 0;
      first_after = next - turning * step_bytes;
    }
  }
};

// Calls run<Q>(unit) for groups of Q units, at most P and all of about the same size.
template <int P, class F>
void for_groups(int64_t units, F&& run) {
  for (int64_t unit = 0; unit < units;) {
    const int64_t left = units - unit, groups = (left + P - 1) / P, size = (left + groups - 1) / groups;
    [&]<int... Q>(std::integer_sequence<int, Q...>) {
      ((size == Q + 1 ? run.template operator()<Q + 1>(unit) : void()), ...);
    }(std::make_integer_sequence<int, P>{});
    unit += size;
  }
}

// Calls the kernel of t.rows, of 1 to kMost.
template <int kMost, template <int> class Kernel>
void multiply_any(const GemmTile& t) {
  [&]<int... R>(std::integer_sequence<int, R...>) {
    ((t.rows == R + 1 ? Kernel<R + 1>::multiply(t) : void()), ...);
  }(std::make_integer_sequence<int, kMost>{});
}

}  // namespace
