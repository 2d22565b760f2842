// Packing of bf16 weights, and reading rows of a packed one; see gemm.h for the layouts.
#include <cstring>

#include "gemm.h"
#include "isa.h"
#include "last_error.h"
#include "product_checks.h"
#include "team.h"

namespace {

constexpr int64_t kColumns = pd::kUnitColumns;
constexpr int64_t kStep = 16;  // elements of k at once: one cache line of each source row

bool is_tiled(int32_t isa) { return isa == PD_ISA_AMX || isa == PD_ISA_AMX_EMULATED; }

// Pairs of k in 32 packed columns; 0 where the layout has none.
int64_t pairs_of(int32_t isa, int64_t k) {
  if (is_tiled(isa)) return pd::tile_pairs(k);
  return isa == PD_ISA_AVX512_BF16 ? (k + 1) / 2 : 0;
}

int64_t unit_bytes(int32_t isa, int64_t k) {
  if (is_tiled(isa)) return pd::tile_unit_bytes(k);
  return isa == PD_ISA_AVX512_BF16 ? pd::pair_unit_bytes(k) : pd::fma_unit_bytes(k);
}

uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffff) > 0x7f800000) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float from_bf16(uint16_t value) {
  const uint32_t bits = uint32_t(value) << 16;
  float widened;
  std::memcpy(&widened, &bits, 4);
  return widened;
}

// Element of (k, column) in a unit.
int64_t fma_index(int64_t k, int64_t column) { return k * kColumns + column % 16 * 2 + column / 16; }
int64_t pair_index(int64_t pairs, int64_t k, int64_t column) {
  return ((column / 16 * pairs + k / 2) * 16 + column % 16) * 2 + k % 2;
}

void pack_unit(const float* rows, int64_t count, int64_t k, int64_t pairs, uint16_t* unit) {
  for (int64_t first = 0; first < k; first += kStep) {
    const int64_t end = first + kStep < k ? first + kStep : k;
    for (int64_t row = 0; row < count; row++)
      for (int64_t i = first; i < end; i++)
        unit[pairs ? pair_index(pairs, i, row) : fma_index(i, row)] = to_bf16(rows[row * k + i]);
  }
}

void embed_row(const pd_embed_args& args, int64_t at) {
  const int64_t id = args.ids[at], column = id % kColumns;
  const auto* unit = reinterpret_cast<const uint16_t*>(static_cast<const uint8_t*>(args.w) +
                                                       id / kColumns * unit_bytes(args.isa, args.k));
  float* y = args.y + at * args.y_stride;
  if (const int64_t pairs = pairs_of(args.isa, args.k)) {
    for (int64_t k = 0; k < args.k; k++) y[k] = from_bf16(unit[pair_index(pairs, k, column)]);
  } else {
    for (int64_t k = 0; k < args.k; k++) y[k] = from_bf16(unit[fma_index(k, column)]);
  }
}

}  // namespace

int64_t pd_cpu_packed_bytes(int32_t isa, int64_t n, int64_t k) {
  return (n + kColumns - 1) / kColumns * unit_bytes(isa, k);
}

pd_status pd_cpu_pack(const pd_pack_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  const int64_t end = args->first_row + args->row_count;
  if (pd_status status = pd::check_rows_to_pack(args->n, args->k, args->first_row, args->row_count))
    return status;
  const int64_t bytes = unit_bytes(args->isa, args->k), pairs = pairs_of(args->isa, args->k);
  for (int64_t row = args->first_row; row < end; row += kColumns) {
    auto* unit = static_cast<uint8_t*>(args->packed) + row / kColumns * bytes;
    const int64_t count = end - row < kColumns ? end - row : kColumns;
    // Zeros stay only where there is no weight: past n, and past k where it is in pairs.
    if (count < kColumns || pairs) std::memset(unit, 0, size_t(bytes));
    pack_unit(args->rows + (row - args->first_row) * args->k, count, args->k, pairs,
              reinterpret_cast<uint16_t*>(unit));
  }
  return PD_OK;
}

pd_status pd_cpu_embed(const pd_embed_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (pd_status status = pd::check_ids(args->ids, args->count, args->n, args->k)) return status;
  constexpr int64_t kRowsPerJob = 4;
  pd::parallel(args->team, (args->count + kRowsPerJob - 1) / kRowsPerJob, [&](int64_t job, int32_t) {
    const int64_t first = job * kRowsPerJob;
    for (int64_t i = first; i < args->count && i < first + kRowsPerJob; i++) embed_row(*args, i);
  });
  return PD_OK;
}

pd_status pd_cpu_unpack(const pd_unpack_args* args) {
  if (pd_status status = pd::require_isa(args->isa)) return status;
  const int64_t end = args->first_row + args->row_count;
  if (args->first_row < 0 || args->row_count < 0 || end > args->n)
    return pd::fail(PD_INVALID_ARGUMENT, "rows [%lld, %lld) are not all of [%lld, %lld]",
                    static_cast<long long>(args->first_row), static_cast<long long>(end),
                    static_cast<long long>(args->n), static_cast<long long>(args->k));
  pd_embed_args row{};
  row.w = args->packed;
  row.n = args->n;
  row.k = args->k;
  row.isa = args->isa;
  for (int64_t i = 0; i < args->row_count; i++) {
    const int32_t id = int32_t(args->first_row + i);
    row.ids = &id;
    row.y = args->rows + i * args->k;
    embed_row(row, 0);
  }
  return PD_OK;
}
