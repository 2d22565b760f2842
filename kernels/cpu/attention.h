// Attention over paged K and V: what the C ABI side (attention.cpp) and the instruction sets share.
//
// Order of the arithmetic, the same for a query alone and for a query in any chunk: keys go in splits of 512
// positions counted from position 0, inside a split in tiles of 64. A score is one chain over the dims; a
// tile updates (largest score, sum, weighted values) once; p v is one chain over the keys the query sees, in
// ascending order. A split starts empty; splits merge left to right. A key that a query does not see is
// never multiplied, or multiplied as zero by zero: its slot may hold anything.
#pragma once
#include "pd_cpu.h"

namespace pd {

constexpr int32_t kTileKeys = 64;
constexpr int32_t kSplitKeys = 512;
// Query rows (a row is one token and one head) that share a K and V tile while it is in the cache.
constexpr int32_t kUnitRows = 48;
// Slices of at most this many queries are short: they have few rows and many keys, and are cut by split too
// where these are many or units are few.
constexpr int32_t kApartQueries = 16;
// A unit goes over at most this many splits, so that none is long; the next ones are another pass's.
constexpr int32_t kPassSplits = 8;
// Rows per band are at most 12; their running values are kept 16 apart. 8 bands of 6 rows are the most.
constexpr int32_t kBandSlots = 16;
constexpr int32_t kMaxBands = 8;
// Floats before the weighted values of a partial row: the largest score and the sum, padded.
constexpr int32_t kPartialHead = 16;

// Heads of a call, and where its KV heads lie among those of the store.
struct HeadRange {
  int32_t heads, kv_heads, first_kv_head, store_kv_heads;
};

// Checks what append and attend have in common.
pd_status check_heads(const HeadRange& range, int32_t head_dim, int32_t page_size, int64_t block_bytes);
pd_status check_slices(const pd_slice* slices, const int32_t* blocks, int32_t slice_count,
                       int32_t token_count);

// Where one head of one plane lies; see the layouts in pd_cpu.h.
struct KvPlaces {
  int64_t head_bytes;  // one head of one block
  bool tiled;
};
KvPlaces kv_places(int32_t head_dim, int32_t page_size);

struct AttendSlice {
  // Of this slice in its pass; the entry after the last holds the totals. Short slices' units come after all
  // of the long ones', to fill what is left when these run out.
  int64_t first_long, first_short;
  int64_t first_merge, first_partial;
  int32_t row_blocks;                // of kUnitRows rows
  int32_t first_split, split_count;  // splits that some query of the slice sees
  int32_t passes;
  int32_t heads;                     // KV heads of a unit, side by side in memory
  bool apart;                        // a unit is one split; a merge follows
};

struct AttendWork {
  const pd_attend_args* args;
  AttendSlice* slices;
  uint8_t* threads;  // scratch of the team's threads
  float* partials;   // rows of kPartialHead + padded_dim floats
  int64_t thread_bytes;
  int64_t units, long_units;  // of this pass
  int32_t pass, threads_at_work;
  int32_t group;       // query heads per KV head
  int32_t padded_dim;  // head_dim rounded up to 16
  KvPlaces places;
};

// One thread's scratch, in floats from its start unless said otherwise.
struct AttendArea {
  int64_t queries, scores, sums, total, lanes, stats, k_tile, v_tile, bytes;
};
AttendArea attend_area(int32_t padded_dim);

int32_t slice_of_unit(const AttendWork& work, int64_t unit);
int32_t slice_of_merge(const AttendWork& work, int64_t merge);
// A unit's number among those of its slice.
int64_t unit_in_slice(const AttendWork& work, int32_t slice, int64_t unit);

void attend_unit_avx2(const AttendWork& work, int64_t unit, int32_t slot);
void attend_unit_avx512(const AttendWork& work, int64_t unit, int32_t slot);
void attend_unit_avx512bf16(const AttendWork& work, int64_t unit, int32_t slot);
void attend_unit_amx(const AttendWork& work, int64_t unit, int32_t slot);
void attend_unit_emulated(const AttendWork& work, int64_t unit, int32_t slot);
void attend_merge_avx2(const AttendWork& work, int64_t merge, int32_t slot);
void attend_merge_avx512(const AttendWork& work, int64_t merge, int32_t slot);
void attend_merge_avx512bf16(const AttendWork& work, int64_t merge, int32_t slot);

// Tokens [first, end) of the batch.
void append_tokens_avx2(const pd_append_args& args, const KvPlaces& places, int32_t first, int32_t end);
void append_tokens_avx512(const pd_append_args& args, const KvPlaces& places, int32_t first, int32_t end);

}  // namespace pd
