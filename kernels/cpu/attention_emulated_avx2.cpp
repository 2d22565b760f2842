// Attention on emulated AMX tiles. All but the entry point has internal linkage: other instruction sets
// build the same sources.
#include <immintrin.h>

#include <utility>

#include "attention.h"
#include "tiles_emulated.h"

namespace {

using pd::kSplitKeys;
using pd::kTileKeys;
using Tiles = EmulatedTiles;
constexpr float kInfinity = __builtin_inff();

#include "attention_ahead.h"
#include "attention_gather.h"
#include "attention_lanes_avx2.h"
#include "attention_power.h"
#include "attention_tops_avx2.h"
#include "attention_weights_avx2.h"
#include "attention_rows.h"
#include "attention_tiles.h"
#include "attention_unit.h"
#include "attention_bands.h"
#include "attention_band_tiles.h"

}  // namespace

namespace pd {

void attend_unit_emulated(const AttendWork& work, int64_t unit, int32_t slot) {
  run_unit(work, unit, slot);
  tiles_of_thread().release();
}

}  // namespace pd
