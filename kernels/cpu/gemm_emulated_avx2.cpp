#include "gemm_tiles.h"
#include "tiles_emulated.h"

const pd::GemmKernels pd::kGemmAmxEmulated = {
    32, pd::kUnitColumns, false, false, tile_group_units, tile_row_bytes, pack_tile_rows,
    multiply_tiles<EmulatedTiles>};
