#include "gemm_epilogue_vector.h"
#include "row_lanes_avx512.h"

const pd::GemmEpilogues pd::kEpiloguesAvx512 = {add_to_rows<Vector>, swiglu_rows<Vector>};
