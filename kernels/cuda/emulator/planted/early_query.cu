// Attention that awaits the kernel before it only where it needs its queries, and fetches them before.
#define PD_PLANTED_BUG early_query
#include "plant_early.h"

#define wait_copies await_and_wait
#include "../../attention.cu"
