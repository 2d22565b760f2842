// pd_cpu_attend: checks, the cut into units, and the choice of kernels.
#include "attention.h"

#include "isa.h"
#include "last_error.h"
#include "team.h"

namespace {

// A long slice of fewer units than this times the threads is cut by split too.
constexpr int32_t kFewUnits = 4;
// Short slices are cut by split where they see more splits than this, so that no unit is long, or where the
// whole call has too few units besides.
constexpr int32_t kShortSplits = 4;
constexpr int32_t kManyUnits = 8;
// Short slices of at most so many rows a head may take several heads in a unit, while so many units are left
// to a thread.
constexpr int32_t kTogetherRows = 6;
constexpr int32_t kPlentyUnits = 4;
static_assert(kTogetherRows * pd::kMaxBands <= pd::kUnitRows);

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

bool is_long(const pd_slice& slice) { return slice.query_count > pd::kApartQueries; }

int32_t first_split_of(const pd_attend_args& args, const pd_slice& slice) {
  const bool slides = args.window > 0 && slice.start >= args.window;
  return slides ? (slice.start - args.window + 1) / pd::kSplitKeys : 0;
}

int32_t splits_of(const pd_attend_args& args, const pd_slice& slice) {
  return (slice.start + slice.query_count - 1) / pd::kSplitKeys + 1 - first_split_of(args, slice);
}

int64_t row_blocks_of(const pd_attend_args& args, const pd_slice& slice) {
  const int64_t rows = int64_t(slice.query_count) * (args.heads / args.kv_heads);
  return (rows + pd::kUnitRows - 1) / pd::kUnitRows;
}

// Splits of all short slices, each by its KV heads and blocks of rows.
int64_t short_splits(const pd_attend_args& args) {
  int64_t splits = 0;
  for (int32_t i = 0; i < args.slice_count; i++)
    if (!is_long(args.slices[i]))
      splits += args.kv_heads * row_blocks_of(args, args.slices[i]) * splits_of(args, args.slices[i]);
  return splits;
}

// The cut of one slice, its first merge and the like being those of the sums so far, which it moves on.
pd::AttendSlice cut(const pd_attend_args& args, const pd_slice& slice, int64_t all_splits,
                    pd::AttendSlice& sums) {
  const int64_t rows = int64_t(slice.query_count) * (args.heads / args.kv_heads);
  const int64_t team = pd::team_size(args.team);
  pd::AttendSlice made = sums;
  made.row_blocks = int32_t(row_blocks_of(args, slice));
  made.first_split = first_split_of(args, slice);
  made.split_count = splits_of(args, slice);
  const int64_t whole = int64_t(args.kv_heads) * made.row_blocks;
  const bool large = made.split_count > kShortSplits || made.split_count * kManyUnits * team > all_splits;
  const bool few = is_long(slice) ? whole < kFewUnits * team : large;
  made.apart = made.split_count > 1 && few;
  made.heads = 1;
  made.passes = made.apart ? 1 : (made.split_count + pd::kPassSplits - 1) / pd::kPassSplits;
  if (made.apart) sums.first_merge += whole;
  if (made.apart || made.passes > 1)
    sums.first_partial += args.kv_heads * rows * (made.apart ? made.split_count : 1);
  return made;
}

int64_t units_of(const pd_attend_args& args, const pd::AttendSlice& slice) {
  return int64_t(args.kv_heads / slice.heads) * slice.row_blocks * (slice.apart ? slice.split_count : 1);
}

// KV heads that a unit of this slice takes together, of `most`.
int32_t heads_together(const pd_attend_args& args, const pd_slice& slice, int64_t most) {
  const int64_t rows = int64_t(slice.query_count) * (args.heads / args.kv_heads);
  if (rows > kTogetherRows) return 1;
  int32_t heads = pd::kMaxBands;
  while (heads > 1 && (heads > most || args.kv_heads % heads != 0)) heads--;
  return heads;
}

// Decode waits for memory, which gives more where it is read in long runs: units take several heads, so long
// as there are plenty of units.
void join_heads(pd::AttendWork& work) {
  const pd_attend_args& args = *work.args;
  int64_t units = 0;
  for (int32_t i = 0; i < args.slice_count; i++)
    if (!is_long(args.slices[i])) units += units_of(args, work.slices[i]);
  const int64_t most = units / (kPlentyUnits * work.threads_at_work);
  for (int32_t i = 0; i < args.slice_count; i++)
    work.slices[i].heads = heads_together(args, args.slices[i], most);
}

// Numbers the units of a pass; returns how many there are.
int64_t number_units(pd::AttendWork& work) {
  const pd_attend_args& args = *work.args;
  int64_t counts[2] = {};
  for (int32_t i = 0; i <= args.slice_count; i++) {
    pd::AttendSlice& slice = work.slices[i];
    slice.first_long = counts[0];
    slice.first_short = counts[1];
    if (i == args.slice_count || work.pass >= slice.passes) continue;
    counts[is_long(args.slices[i]) ? 0 : 1] += units_of(args, slice);
  }
  work.long_units = counts[0];
  work.units = counts[0] + counts[1];
  return work.units;
}

pd_status check(const pd_attend_args* args) {
  if (!args || !args->team) return pd::fail(PD_INVALID_ARGUMENT, "attend: no arguments or no team");
  if (args->slice_count < 0 || args->token_count < 0)
    return pd::fail(PD_INVALID_ARGUMENT, "attend: %d slices of %d tokens", args->slice_count,
                    args->token_count);
  const pd::HeadRange range = {args->heads, args->kv_heads, args->first_kv_head, args->store_kv_heads};
  if (pd_status status = pd::check_heads(range, args->head_dim, args->page_size, args->block_bytes))
    return status;
  if (args->window < 0)
    return pd::fail(PD_INVALID_ARGUMENT, "attend: a window of %d positions", args->window);
  if (args->slice_count == 0) return PD_OK;
  return pd::check_slices(args->slices, args->blocks, args->slice_count, args->token_count);
}

pd_status check_buffers(const pd_attend_args& args) {
  const int64_t columns = int64_t(args.heads) * args.head_dim;
  if (args.q_stride < columns || args.y_stride < columns)
    return pd::fail(PD_INVALID_ARGUMENT, "attend: rows of %lld columns have strides of %lld (q) and %lld (y)",
                    (long long)columns, (long long)args.q_stride, (long long)args.y_stride);
  if (!args.q || !args.y || !args.store || !args.scratch || uintptr_t(args.scratch) % 64 != 0)
    return pd::fail(PD_INVALID_ARGUMENT,
                    "attend: q, y, store or scratch is null, or scratch is not 64-byte aligned");
  return PD_OK;
}

int64_t slices_bytes(const pd_attend_args& args) {
  return round_up(int64_t(sizeof(pd::AttendSlice)) * (args.slice_count + 1), 64);
}

// Bytes of scratch; args are checked.
int64_t scratch_bytes(const pd_attend_args& args) {
  const int32_t padded_dim = int32_t(round_up(args.head_dim, 16));
  const int64_t splits = short_splits(args);
  pd::AttendSlice sums = {};
  for (int32_t i = 0; i < args.slice_count; i++) cut(args, args.slices[i], splits, sums);
  return slices_bytes(args) + pd::attend_area(padded_dim).bytes * pd::team_slots(args.team) +
         sums.first_partial * (pd::kPartialHead + padded_dim) * int64_t(sizeof(float));
}

int32_t last_not_above(const pd::AttendWork& work, int64_t wanted, int64_t pd::AttendSlice::*first) {
  int32_t low = 0, high = work.args->slice_count;
  while (high - low > 1) {
    const int32_t middle = low + (high - low) / 2;
    (work.slices[middle].*first <= wanted ? low : high) = middle;
  }
  return low;
}

struct Kernels {
  void (*unit)(const pd::AttendWork& work, int64_t unit, int32_t slot);
  void (*merge)(const pd::AttendWork& work, int64_t merge, int32_t slot);
};

Kernels kernels_for(int32_t isa) {
  if (isa == PD_ISA_AVX512_BF16) return {pd::attend_unit_avx512bf16, pd::attend_merge_avx512bf16};
  if (isa == PD_ISA_AMX) return {pd::attend_unit_amx, pd::attend_merge_avx512};
  if (isa == PD_ISA_AMX_EMULATED) return {pd::attend_unit_emulated, pd::attend_merge_avx2};
  if (pd::uses_avx512(isa)) return {pd::attend_unit_avx512, pd::attend_merge_avx512};
  return {pd::attend_unit_avx2, pd::attend_merge_avx2};
}

}  // namespace

namespace pd {

AttendArea attend_area(int32_t padded_dim) {
  AttendArea area;
  area.queries = 0;
  area.scores = int64_t(kUnitRows) * padded_dim;
  area.sums = area.scores + kUnitRows * kTileKeys;
  area.total = area.sums + kUnitRows * padded_dim;
  area.lanes = area.total + kUnitRows * padded_dim;
  area.stats = area.lanes + kUnitRows * 16;
  area.k_tile = area.stats + 4 * kMaxBands * kBandSlots;
  area.v_tile = area.k_tile + kTileKeys * padded_dim / 2;
  area.bytes = (area.v_tile + kTileKeys * padded_dim / 2) * int64_t(sizeof(float));
  return area;
}

int32_t slice_of_unit(const AttendWork& work, int64_t unit) {
  if (unit < work.long_units) return last_not_above(work, unit, &AttendSlice::first_long);
  return last_not_above(work, unit - work.long_units, &AttendSlice::first_short);
}

int64_t unit_in_slice(const AttendWork& work, int32_t slice, int64_t unit) {
  return unit < work.long_units ? unit - work.slices[slice].first_long
                                : unit - work.long_units - work.slices[slice].first_short;
}

int32_t slice_of_merge(const AttendWork& work, int64_t merge) {
  return last_not_above(work, merge, &AttendSlice::first_merge);
}

}  // namespace pd

int64_t pd_cpu_attend_scratch_bytes(const pd_attend_args* args) {
  return check(args) == PD_OK ? scratch_bytes(*args) : -1;
}

pd_status pd_cpu_attend(const pd_attend_args* args) {
  if (pd_status status = check(args)) return status;
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (args->slice_count == 0) return PD_OK;
  if (pd_status status = check_buffers(*args)) return status;
  const int64_t need = scratch_bytes(*args);
  if (args->scratch_bytes < need)
    return pd::fail(PD_INVALID_ARGUMENT, "attend: scratch has %lld bytes and needs %lld",
                    (long long)args->scratch_bytes, (long long)need);

  pd::AttendWork work;
  work.args = args;
  work.threads_at_work = pd::team_size(args->team);
  work.group = args->heads / args->kv_heads;
  work.padded_dim = int32_t(round_up(args->head_dim, 16));
  work.places = pd::kv_places(args->head_dim, args->page_size);
  work.slices = static_cast<pd::AttendSlice*>(args->scratch);
  work.threads = static_cast<uint8_t*>(args->scratch) + slices_bytes(*args);
  work.thread_bytes = pd::attend_area(work.padded_dim).bytes;
  work.partials = reinterpret_cast<float*>(work.threads + work.thread_bytes * pd::team_slots(args->team));
  const int64_t splits = short_splits(*args);
  pd::AttendSlice sums = {};
  for (int32_t i = 0; i < args->slice_count; i++) work.slices[i] = cut(*args, args->slices[i], splits, sums);
  work.slices[args->slice_count] = sums;

  join_heads(work);
  const Kernels kernels = kernels_for(args->isa);
  for (work.pass = 0;; work.pass++) {
    const int64_t units = number_units(work);
    if (units == 0) break;
    pd::parallel(args->team, units, [&](int64_t unit, int32_t slot) { kernels.unit(work, unit, slot); });
  }
  pd::parallel(args->team, sums.first_merge,
               [&](int64_t merge, int32_t slot) { kernels.merge(work, merge, slot); });
  return PD_OK;
}
