#include "last_error.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace {
thread_local char last_error[512] = "";
}

namespace pd {
pd_status fail(pd_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error, sizeof last_error, format, arguments);
  va_end(arguments);
  return status;
}
}  // namespace pd

const char* pd_last_error(void) { return last_error; }

int64_t pd_abi_sizeof(const char* name) {
#define PD_SIZE(type) \
  if (std::strcmp(name, #type) == 0) return int64_t(sizeof(type));
  PD_SIZE(pd_core_run)
  PD_SIZE(pd_crew_args)
  PD_SIZE(pd_pack_args)
  PD_SIZE(pd_unpack_args)
  PD_SIZE(pd_matmul_args)
  PD_SIZE(pd_embed_args)
  PD_SIZE(pd_pack_int8_args)
  PD_SIZE(pd_embed_int8_args)
  PD_SIZE(pd_rms_norm_args)
  PD_SIZE(pd_swiglu_args)
  PD_SIZE(pd_slice)
  PD_SIZE(pd_sum_args)
  PD_SIZE(pd_append_args)
  PD_SIZE(pd_attend_args)
  PD_SIZE(pd_sample_row)
  PD_SIZE(pd_token_logprob)
  PD_SIZE(pd_sample_args)
  PD_SIZE(pd_sgemm_args)
#undef PD_SIZE
  return -1;
}
