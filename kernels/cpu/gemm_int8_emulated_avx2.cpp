#include "gemm_int8_tiles.h"
#include "tiles_emulated.h"

const pd::Int8Kernels pd::kInt8AmxEmulated = int8_tile_kernels<EmulatedTiles>();
