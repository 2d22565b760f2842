// Packing of bf16 weights, and reading rows of a packed one; see gemm.h for the layouts.
#include <cstring>

#include "gemm.h"
#include "isa.h"
#include "last_error.h"
#include "product_checks.h"
#include "team.h"

namespace {

constexpr int64_t kColumns = pd::kUnitColumns;
constexpr int64_t kSide = 16;  // words of a block, both ways: one cache line

// Four words, whatever the instruction set: packing keeps up with memory in 128 bits.
typedef uint32_t Words __attribute__((vector_size(16)));
typedef int32_t SignedWords __attribute__((vector_size(16)));
constexpr int64_t kLanes = 4;

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

template <class T>
Words load(const T* words) {
  static_assert(sizeof(T) == 4);
  Words loaded;
  std::memcpy(&loaded, words, sizeof loaded);
  return loaded;
}

void store(Words words, uint32_t* to) { std::memcpy(to, &words, sizeof words); }

// Rounded to nearest even; the bf16 is the upper half.
Words round_to_upper(Words bits) {
  const Words nan = Words(SignedWords(bits & 0x7fffffffu) > 0x7f800000);
  return ((bits + 0x7fffu + (bits >> 16 & 1u)) & ~nan) | ((bits | 0x400000u) & nan);
}

Words join(Words low, Words high) { return low >> 16 | (high & 0xffff0000u); }

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

// Line i of `to` takes word i of each of 16 rows.
void transpose(const uint32_t (*rows)[kSide], int64_t lines, uint32_t* to) {
  for (int64_t row = 0; row < kSide; row += kLanes) {
    for (int64_t i = 0; i < lines; i += kLanes) {
      const Words a = load(rows[row] + i), b = load(rows[row + 1] + i);
      const Words c = load(rows[row + 2] + i), d = load(rows[row + 3] + i);
      const Words ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
      const Words ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const Words cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
      const Words cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const Words turned[kLanes] = {__builtin_shufflevector(ab, cd, 0, 1, 4, 5),
                                    __builtin_shufflevector(ab, cd, 2, 3, 6, 7),
                                    __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5),
                                    __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
      for (int64_t line = 0; line < kLanes && i + line < lines; line++)
        store(turned[line], to + (i + line) * kSide + row);
    }
  }
}

// Rows of a weight to be packed, with zeros past their ends and past the last of them.
struct Source {
  const float* rows;
  int64_t count, k;

  // Elements [first, first + n) of a row; in `spare` where some of them are zeros.
  const float* elements(int64_t row, int64_t first, int64_t n, float* spare) const {
    if (row < count && first + n <= k) return rows + row * k + first;
    std::memset(spare, 0, size_t(n) * 4);
    if (row < count) std::memcpy(spare, rows + row * k + first, size_t(k - first) * 4);
    return spare;
  }
};

// A word is one k of columns j and j + 16.
void pack_fma(const Source& source, uint32_t* unit) {
  uint32_t words[kSide][kSide];
  float spare[2][kSide];
  for (int64_t first = 0; first < source.k; first += kSide) {
    for (int64_t row = 0; row < kSide; row++) {
      const float* low = source.elements(row, first, kSide, spare[0]);
      const float* high = source.elements(row + kSide, first, kSide, spare[1]);
      for (int64_t i = 0; i < kSide; i += kLanes)
        store(join(round_to_upper(load(low + i)), round_to_upper(load(high + i))), words[row] + i);
    }
    const int64_t left = source.k - first;
    transpose(words, left < kSide ? left : kSide, unit + first * kSide);
  }
}

// A word is two consecutive k of one column.
void pack_pairs(const Source& source, int64_t pairs, uint32_t* unit) {
  const int64_t filled = (source.k + 1) / 2;
  uint32_t words[kSide][kSide];
  float spare[2 * kSide];
  for (int64_t half = 0; half < 2; half++, unit += pairs * kSide) {
    for (int64_t pair = 0; pair < filled; pair += kSide) {
      for (int64_t row = 0; row < kSide; row++) {
        const float* x = source.elements(half * kSide + row, 2 * pair, 2 * kSide, spare);
        for (int64_t i = 0; i < kSide; i += kLanes) {
          const Words a = round_to_upper(load(x + 2 * i)), b = round_to_upper(load(x + 2 * i + kLanes));
          store(join(__builtin_shufflevector(a, b, 0, 2, 4, 6), __builtin_shufflevector(a, b, 1, 3, 5, 7)),
                words[row] + i);
        }
      }
      transpose(words, filled - pair < kSide ? filled - pair : kSide, unit + pair * kSide);
    }
    std::memset(unit + filled * kSide, 0, size_t(pairs - filled) * kSide * 4);
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
    const Source source{args->rows + (row - args->first_row) * args->k, count, args->k};
    if (pairs)
      pack_pairs(source, pairs, reinterpret_cast<uint32_t*>(unit));
    else
      pack_fma(source, reinterpret_cast<uint32_t*>(unit));
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
