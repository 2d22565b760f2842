// Attention that ends its splits a tile of keys early.
#define PD_PLANTED_BUG split_boundary
#include "plant.h"

#define kSplitKeys (kSplitKeys - kKeyTile)
#include "../../attention.cu"
