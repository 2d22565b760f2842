#include "gemm_epilogue_vector.h"
#include "row_lanes_avx2.h"

const pd::GemmEpilogues pd::kEpiloguesAvx2 = {add_to_rows<Vector>, swiglu_rows<Vector>};
