// A product that awaits the kernel before it only where it needs its inputs, and fetches them before.
#define PD_PLANTED_BUG early_input
#include "plant_early.h"

#define await_kernel await_nothing
#define wait_copies await_and_wait
#include "../../gemm.cu"
