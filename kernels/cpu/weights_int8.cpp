// Packing of int8 weights, and reading rows of packed ones; see gemm_int8.h for the layout.
#include "gemm_int8.h"
#include "isa.h"
#include "last_error.h"
#include "product_checks.h"
#include "quantise_int8.h"
#include "team.h"

namespace {

using pd::Int8Shape;
using pd::kInt8Columns;

// Longest segment whose sums stay inside int32: 2^17 * 127 * 127 < 2^31.
constexpr int64_t kLongestSegment = int64_t(1) << 17;
constexpr int64_t kBlock = 64;  // elements of k at once

Int8Shape shape_of(int32_t isa, int64_t k, int32_t segments) {
  return {k, segments, pd::int8_kernels(isa).order};
}

// One segment of one column; its bytes go [run / group][32 columns][group].
void pack_column(const float* row, const Int8Shape& shape, int32_t segment, int64_t column, uint8_t* unit) {
  const int64_t length = shape.length(), group = shape.order.group, entry = segment * kInt8Columns + column;
  uint8_t* to = unit + segment * shape.run() * kInt8Columns + column * group;
  const float* from = row + segment * length;
  const Int8Scale scale = int8_scale_of(from, length);
  int32_t sum = 0;
  for (int64_t first = 0; first < length; first += kBlock) {
    const int64_t count = length - first < kBlock ? length - first : kBlock;
    uint8_t block[kBlock] = {};
    quantise_int8(from + first, count, scale.inverse, 0, block);
    for (int64_t i = 0; i < count; i++) sum += int8_t(block[i]);
    for (int64_t i = 0; i < count; i += group)
      std::memcpy(to + (first + i) * kInt8Columns, block + i, size_t(group));
  }
  uint8_t* tables = unit + shape.weight_bytes();
  const int32_t start = shape.order.is_unsigned ? -128 * sum : 0;
  std::memcpy(tables + entry * 4, &scale.scale, 4);
  std::memcpy(tables + (shape.segments * kInt8Columns + entry) * 4, &start, 4);
}

void embed_row(const pd_embed_int8_args& args, const Int8Shape& shape, int64_t at) {
  const int64_t id = args.ids[at], column = id % kInt8Columns, group = shape.order.group;
  const auto* unit = static_cast<const uint8_t*>(args.w) + id / kInt8Columns * shape.unit_bytes();
  float* y = args.y + at * args.y_stride;
  for (int32_t s = 0; s < shape.segments; s++) {
    float scale;
    std::memcpy(&scale, unit + shape.weight_bytes() + (s * kInt8Columns + column) * 4, 4);
    const uint8_t* from = unit + s * shape.run() * kInt8Columns + column * group;
    for (int64_t i = 0; i < shape.length(); i++)
      y[s * shape.length() + i] = float(int8_t(from[i / group * group * kInt8Columns + i % group])) * scale;
  }
}

}  // namespace

namespace pd {

pd_status check_int8_segments(int64_t k, int32_t segments) {
  if ((segments != 1 && segments != 2 && segments != 4) || k % segments != 0 ||
      k / segments > kLongestSegment)
    return fail(PD_INVALID_ARGUMENT, "%lld inputs do not fall into %d equal segments of at most %lld",
                static_cast<long long>(k), segments, static_cast<long long>(kLongestSegment));
  return PD_OK;
}

}  // namespace pd

int64_t pd_cpu_int8_packed_bytes(int32_t isa, int64_t n, int64_t k, int32_t segments) {
  return (n + kInt8Columns - 1) / kInt8Columns * shape_of(isa, k, segments).unit_bytes();
}

pd_status pd_cpu_pack_int8(const pd_pack_int8_args* args) {
  if (pd_status status = pd::require_int8(args->isa)) return status;
  const int64_t end = args->first_row + args->row_count;
  if (pd_status status = pd::check_rows_to_pack(args->n, args->k, args->first_row, args->row_count))
    return status;
  if (pd_status status = pd::check_int8_segments(args->k, args->segments)) return status;
  const Int8Shape shape = shape_of(args->isa, args->k, args->segments);
  for (int64_t row = args->first_row; row < end; row += kInt8Columns) {
    uint8_t* unit = static_cast<uint8_t*>(args->packed) + row / kInt8Columns * shape.unit_bytes();
    const int64_t count = end - row < kInt8Columns ? end - row : kInt8Columns;
    // Zeros stay where there is no weight: past n, and past the end of a segment.
    std::memset(unit, 0, size_t(shape.unit_bytes()));
    for (int32_t s = 0; s < args->segments; s++)
      for (int64_t column = 0; column < count; column++)
        pack_column(args->rows + (row - args->first_row + column) * args->k, shape, s, column, unit);
  }
  return PD_OK;
}

pd_status pd_cpu_embed_int8(const pd_embed_int8_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (pd_status status = pd::check_int8_segments(args->k, args->segments)) return status;
  if (pd_status status = pd::check_ids(args->ids, args->count, args->n, args->k)) return status;
  constexpr int64_t kRowsPerJob = 4;
  const Int8Shape shape = shape_of(args->isa, args->k, args->segments);
  pd::parallel(args->team, (args->count + kRowsPerJob - 1) / kRowsPerJob, [&](int64_t job, int32_t) {
    const int64_t first = job * kRowsPerJob;
    for (int64_t i = first; i < args->count && i < first + kRowsPerJob; i++) embed_row(*args, shape, i);
  });
  return PD_OK;
}
