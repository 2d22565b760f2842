// The calling thread's last failure: fail(status, format, ...) records the text and returns the status.
#pragma once
#include "pd_cpu.h"

namespace pd {
[[gnu::format(printf, 2, 3)]] pd_status fail(pd_status status, const char* format, ...);
}
