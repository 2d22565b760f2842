#include "gemm_tiles.h"
#include "tiles_hardware.h"

const pd::GemmKernels pd::kGemmAmx = {
    32, pd::kUnitColumns, false, false, tile_group_units, tile_row_bytes, pack_tile_rows,
    multiply_tiles<HardwareTiles>};
