// Attention with bf16 dot products (AVX512-BF16). All but the entry points has internal linkage: other
// instruction sets build the same sources.
#include <immintrin.h>

#include <utility>

#include "attention.h"
#include "transpose_avx512.h"

namespace {

using pd::kSplitKeys;
using pd::kTileKeys;
constexpr float kInfinity = __builtin_inff();

#include "attention_ahead.h"
#include "attention_gather.h"
#include "attention_lanes_avx512.h"
#include "attention_power.h"
#include "attention_tops_avx512.h"
#include "attention_weights_avx512.h"
#include "attention_rows.h"
#include "attention_dots.h"
#include "attention_unit.h"
#include "attention_bands.h"
#include "attention_band_dots.h"

}  // namespace

namespace pd {

void attend_unit_avx512bf16(const AttendWork& work, int64_t unit, int32_t slot) {
  run_unit(work, unit, slot);
}

void attend_merge_avx512bf16(const AttendWork& work, int64_t merge, int32_t) { run_merge(work, merge); }

}  // namespace pd
