// A product that fetches its inputs before the kernel before it has ended, by the name that is for weights.
#define PD_PLANTED_BUG early_named
#include "plant_early.h"

#define copy16 copy16_early
#define await_kernel await_nothing
#define wait_copies await_and_wait
#include "../../gemm.cu"
