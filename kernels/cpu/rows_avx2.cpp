#include "rows_vector.h"
#include "row_lanes_avx2.h"

const pd::RowKernels pd::kRowsAvx2 = {rms_norm<Vector>, swiglu<Vector>, add_partials<Vector>};
