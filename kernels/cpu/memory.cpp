#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "last_error.h"

namespace {
constexpr uintptr_t kHugePage = uintptr_t(2) << 20;

uintptr_t round_up(uintptr_t value) { return (value + kHugePage - 1) & ~(kHugePage - 1); }
}  // namespace

pd_status pd_cpu_map(int64_t bytes, void** memory) {
  if (bytes <= 0 || bytes > int64_t(1) << 46)
    return pd::fail(PD_INVALID_ARGUMENT, "cannot map %lld bytes", static_cast<long long>(bytes));
  const uintptr_t size = round_up(uintptr_t(bytes));
  // One huge page more than asked, so that an aligned run lies inside; the rest is given back.
  void* mapped = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return pd::fail(PD_OUT_OF_MEMORY, "the system gave no %lld bytes of address space (%s)",
                    static_cast<long long>(bytes), std::strerror(errno));
  const uintptr_t first = uintptr_t(mapped), aligned = round_up(first), end = first + size + kHugePage;
  if (aligned > first) munmap(mapped, aligned - first);
  if (end > aligned + size) munmap(reinterpret_cast<void*>(aligned + size), end - aligned - size);
  *memory = reinterpret_cast<void*>(aligned);
  madvise(*memory, size, MADV_HUGEPAGE);  // advice: without huge pages reads are slower, nothing else
  return PD_OK;
}

void pd_cpu_unmap(void* memory, int64_t bytes) {
  if (memory) munmap(memory, round_up(uintptr_t(bytes)));
}

pd_status pd_cpu_vacate(void* memory, int64_t bytes) {
  if (madvise(memory, round_up(uintptr_t(bytes)), MADV_DONTNEED) != 0)
    return pd::fail(PD_INVALID_ARGUMENT, "the system took no %lld bytes back (%s)",
                    static_cast<long long>(bytes), std::strerror(errno));
  return PD_OK;
}
