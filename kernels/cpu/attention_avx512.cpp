// Attention with AVX-512 and FMA. All but the entry points has internal linkage: other instruction sets build
// the same sources.
#include <immintrin.h>

#include <utility>

#include "attention.h"

namespace {

using pd::kSplitKeys;
using pd::kTileKeys;
constexpr float kInfinity = __builtin_inff();

#define PD_WIDE_BANDS
#include "attention_ahead.h"
#include "attention_gather.h"
#include "attention_lanes_avx512.h"
#include "attention_power.h"
#include "attention_tops_avx512.h"
#include "attention_rows.h"
#include "attention_tile.h"
#include "attention_unit.h"
#include "attention_bands.h"
#include "attention_band_fma.h"

}  // namespace

namespace pd {

void attend_unit_avx512(const AttendWork& work, int64_t unit, int32_t slot) { run_unit(work, unit, slot); }

void attend_merge_avx512(const AttendWork& work, int64_t merge, int32_t) { run_merge(work, merge); }

}  // namespace pd
