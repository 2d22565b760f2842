#include "gemm_int8_tiles.h"
#include "tiles_hardware.h"

const pd::Int8Kernels pd::kInt8Amx = {
    {4, 64, false}, 32, 16, int8_tile_row_bytes, pack_int8_tile_rows, multiply_int8_tiles<HardwareTiles>};
