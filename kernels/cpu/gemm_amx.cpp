#include "gemm_tiles.h"
#include "tiles_hardware.h"

const pd::GemmKernels pd::kGemmAmx = {
    32, false, false, tile_row_bytes, pack_tile_rows, multiply_tiles<HardwareTiles>};
