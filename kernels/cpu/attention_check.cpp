// What append and attend have in common: checks, and the layout of a head.
#include <climits>

#include "attention.h"
#include "last_error.h"

namespace pd {

pd_status check_heads(const HeadRange& range, int32_t head_dim, int32_t page_size, int64_t block_bytes) {
  if (range.heads < 1 || range.kv_heads < 1 || range.heads % range.kv_heads != 0)
    return fail(PD_INVALID_ARGUMENT, "%d query heads do not share %d KV heads evenly", range.heads,
                range.kv_heads);
  if (range.first_kv_head < 0 || range.first_kv_head > range.store_kv_heads - range.kv_heads)
    return fail(PD_INVALID_ARGUMENT, "%d KV heads from head %d on, in a store of %d", range.kv_heads,
                range.first_kv_head, range.store_kv_heads);
  if (head_dim < 2 || head_dim > 256 || head_dim % 2 != 0)
    return fail(PD_INVALID_ARGUMENT, "a head of %d dims: only even numbers from 2 to 256", head_dim);
  if (page_size < 1 || page_size > 256 || (page_size & (page_size - 1)) != 0)
    return fail(PD_INVALID_ARGUMENT, "a page of %d positions: only powers of two from 1 to 256", page_size);
  const int64_t layer_bytes = 2 * range.store_kv_heads * kv_places(head_dim, page_size).head_bytes;
  if (block_bytes < layer_bytes)
    return fail(PD_INVALID_ARGUMENT, "blocks are %lld bytes apart and one layer takes %lld",
                (long long)block_bytes, (long long)layer_bytes);
  return PD_OK;
}

pd_status check_slices(const pd_slice* slices, const int32_t* blocks, int32_t slice_count,
                       int32_t token_count) {
  if (!slices || !blocks) return fail(PD_INVALID_ARGUMENT, "slices or blocks are null");
  int64_t next = 0;
  for (int32_t i = 0; i < slice_count; i++) {
    const pd_slice& slice = slices[i];
    if (slice.query_count < 1 || slice.start < 0 || slice.first_block < 0 ||
        int64_t(slice.start) + slice.query_count > INT32_MAX)
      return fail(PD_INVALID_ARGUMENT, "slice %d has %d queries at position %d and its first block at %d", i,
                  slice.query_count, slice.start, slice.first_block);
    const int64_t end = int64_t(slice.first_token) + slice.query_count;
    if (slice.first_token < next || end > token_count)
      return fail(PD_INVALID_ARGUMENT, "slice %d has tokens %d to %lld of %d; slices lie in order and apart",
                  i, slice.first_token, (long long)end - 1, token_count);
    next = end;
  }
  return PD_OK;
}

KvPlaces kv_places(int32_t head_dim, int32_t page_size) {
  return {int64_t(page_size) * head_dim * 2, page_size >= kTileKeys && head_dim % 16 == 0};
}

}  // namespace pd
