// What products, packing and embedding ask of their arguments, whatever the weights are held in.
#pragma once
#include "pd_cpu.h"

namespace pd {

// Rows, strides and epilogue of a product; segments are the kind of weight's own.
pd_status check_product(const pd_matmul_args& args);
// Rows [first, first + count) of [n, k]: whole units, the last one perhaps cut by n.
pd_status check_rows_to_pack(int64_t n, int64_t k, int64_t first, int64_t count);
// Each id is a row of [n, k].
pd_status check_ids(const int32_t* ids, int64_t count, int64_t n, int64_t k);

}  // namespace pd
