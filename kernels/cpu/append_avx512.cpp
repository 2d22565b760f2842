// The append of K and V, compiled for AVX-512. All but the entry point has internal linkage.
#include <immintrin.h>

#include "attention.h"

namespace {
#include "append_heads.h"
#include "attention_gather.h"
#include "append_tokens.h"
}

namespace pd {

void append_tokens_avx512(const pd_append_args& args, const KvPlaces& places, int32_t first, int32_t end) {
  append_range(args, places, first, end);
}

}  // namespace pd
