// Ops on single rows: one row is one chain of operations, the same on every vector width.
#pragma once
#include <cstdint>

namespace pd {

struct RowKernels {
  // y = x / rms(x) * weight
  void (*rms_norm)(const float* x, const float* weight, float* y, int64_t columns, float epsilon);
  // y = gate / (1 + e^-gate) * up
  void (*swiglu)(const float* gate, const float* up, float* y, int64_t columns);
  // y += p0 + p1, or (p0 + p1) + (p2 + p3), + bias (or null)
  void (*add_partials)(const float* const* partials, int32_t count, const float* bias, float* y,
                       int64_t columns);
};

extern const RowKernels kRowsAvx2;
extern const RowKernels kRowsAvx512;

}  // namespace pd
