// pd_cpu_rotate_and_append: checks, and tokens over threads.
#include "attention.h"
#include "isa.h"
#include "last_error.h"
#include "team.h"

namespace {

// Neighbouring positions share cache lines of a tile, so that a thread takes several where there are plenty.
constexpr int32_t kManyTokens = 256;
constexpr int32_t kRunTokens = 16;

pd_status check(const pd_append_args* args) {
  if (!args || !args->team) return pd::fail(PD_INVALID_ARGUMENT, "append: no arguments or no team");
  if (args->slice_count < 0 || args->token_count < 0)
    return pd::fail(PD_INVALID_ARGUMENT, "append: %d slices of %d tokens", args->slice_count,
                    args->token_count);
  const pd::HeadRange range = {args->heads, args->kv_heads, args->first_kv_head, args->store_kv_heads};
  if (pd_status status = pd::check_heads(range, args->head_dim, args->page_size, args->block_bytes))
    return status;
  if (args->slice_count == 0) return PD_OK;
  const int64_t columns = (int64_t(args->heads) + 2 * args->kv_heads) * args->head_dim;
  if (args->qkv_stride < columns || args->rope_stride < args->head_dim)
    return pd::fail(
        PD_INVALID_ARGUMENT, "append: strides of %lld (qkv, %lld columns) and %lld (rope, %d columns)",
        (long long)args->qkv_stride, (long long)columns, (long long)args->rope_stride, args->head_dim);
  if (!args->qkv || !args->rope || !args->store)
    return pd::fail(PD_INVALID_ARGUMENT, "append: qkv, rope or store is null");
  if (!(args->epsilon >= 0.0f))
    return pd::fail(PD_INVALID_ARGUMENT, "append: an epsilon of %g", double(args->epsilon));
  return pd::check_slices(args->slices, args->blocks, args->slice_count, args->token_count);
}

}  // namespace

pd_status pd_cpu_rotate_and_append(const pd_append_args* args) {
  if (pd_status status = check(args)) return status;
  if (pd_status status = pd::require_isa(args->isa)) return status;
  if (args->slice_count == 0) return PD_OK;
  const pd::KvPlaces places = pd::kv_places(args->head_dim, args->page_size);
  const auto append = pd::uses_avx512(args->isa) ? pd::append_tokens_avx512 : pd::append_tokens_avx2;
  const int32_t run = args->token_count >= kManyTokens ? kRunTokens : 1;
  const int64_t runs = (int64_t(args->token_count) + run - 1) / run;
  pd::parallel(args->team, runs, [&](int64_t tile, int32_t) {
    const int64_t first = tile * run, end = first + run;
    append(*args, places, int32_t(first), int32_t(end < args->token_count ? end : args->token_count));
  });
  return PD_OK;
}
