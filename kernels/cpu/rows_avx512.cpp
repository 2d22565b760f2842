#include "rows_vector.h"
#include "row_lanes_avx512.h"

const pd::RowKernels pd::kRowsAvx512 = {rms_norm<Vector>, swiglu<Vector>, add_partials<Vector>};
