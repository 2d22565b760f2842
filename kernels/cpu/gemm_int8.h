// Matrix product of int8: y = x w^T + bias, where weights and activations are quantised as
// engine/PdEngine/Compute/Int8Quantization.cs defines. Sums are int32 and exact, so every instruction set
// gives the same bits; float32 comes in only where a segment's sum is scaled:
//   s_i = (float(sum_i) * activation scale_i) * weight scale_i,  y = (s_0 + s_1) + (s_2 + s_3) + bias
//
// A packed unit of 32 columns: [segment][run / group][32 columns][group of k] int8, then [segment][32] scales
// (float32), then [segment][32] starts of the sums (int32). A run is a segment of k padded with zeros. Where
// activations are multiplied as unsigned bytes (q + 128) a sum starts at -128 times the sum of its weights.
#pragma once
#include <cstdint>

#include "gemm.h"
#include "pd_cpu.h"

namespace pd {

constexpr int64_t kInt8Columns = kUnitColumns;

// How k is laid out by one instruction set.
struct Int8Order {
  int32_t group;  // consecutive k of one column, side by side
  int32_t step;   // a run is a multiple of it
  bool is_unsigned;
};

struct Int8Shape {
  int64_t k;
  int32_t segments;
  Int8Order order;

  int64_t length() const { return k / segments; }
  int64_t run() const { return (length() + order.step - 1) / order.step * order.step; }
  int64_t weight_bytes() const { return segments * run() * kInt8Columns; }
  int64_t unit_bytes() const { return weight_bytes() + segments * kInt8Columns * 8; }
};

// One instruction set's product. Its tiles are gemm.h's, of units of 32 columns.
struct Int8Kernels {
  Int8Order order;
  GemmKernels product;
};

extern const Int8Kernels kInt8Avx2;
extern const Int8Kernels kInt8Vnni;
extern const Int8Kernels kInt8Amx;
extern const Int8Kernels kInt8AmxEmulated;

// Of an instruction set as the engine names it: AVX-512 without VNNI takes the AVX2 kernels.
const Int8Kernels& int8_kernels(int32_t isa);

pd_status check_int8_segments(int64_t k, int32_t segments);

}  // namespace pd
