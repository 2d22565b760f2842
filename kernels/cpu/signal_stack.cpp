#include "signal_stack.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>

namespace {

constexpr unsigned long kMinimumFrame = 51;  // AT_MINSIGSTKSZ, which older headers lack
constexpr size_t kHandlerBytes = 64 << 10;

struct SignalStack {
  bool asked = false;
  void* memory = nullptr;
  size_t bytes = 0;
  stack_t before{};

  void install() {
    asked = true;
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    const size_t size = (kHandlerBytes + getauxval(kMinimumFrame) + 2 * page - 1) / page * page;
    void* made = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return;
    mprotect(made, page, PROT_NONE);
    stack_t wanted{};
    wanted.ss_sp = made;
    wanted.ss_size = size;
    if (sigaltstack(&wanted, &before) != 0) {
      munmap(made, size);
      return;
    }
    memory = made;
    bytes = size;
  }

  ~SignalStack() {
    stack_t now;
    if (!memory || sigaltstack(nullptr, &now) != 0 || now.ss_sp != memory) return;
    if (before.ss_flags & SS_DISABLE) before.ss_size = bytes;  // the size is checked even then
    sigaltstack(&before, nullptr);
    munmap(memory, bytes);
  }
};

thread_local SignalStack signal_stack;

}  // namespace

namespace pd {
void prepare_thread_for_tiles() {
  if (!signal_stack.asked) signal_stack.install();
}
}  // namespace pd
