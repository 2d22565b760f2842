#include "gemm_int8_tiles.h"
#include "tiles_hardware.h"

const pd::Int8Kernels pd::kInt8Amx = int8_tile_kernels<HardwareTiles>();
