// One thread block on one OS thread: every CUDA thread is a fiber with a stack of its own. A fiber runs until
// it waits: at the block's barrier, or where the lanes of its warp meet. The last to arrive computes for all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "async_work.h"
#include "registry.h"

namespace pd::emulated {

constexpr uint32_t kMaxThreads = 1024;
constexpr uint32_t kMaxWarps = kMaxThreads / 32;
constexpr size_t kMaxSharedBytes = 227 * 1024;

struct AsyncCopy {
  void* target;
  const void* source;  // null: zeros
  uint32_t group;
};

struct Fiber {
  void* stack_pointer;
  uint32_t index, lane, warp;
  const char* waits_at;
  uint32_t copy_group;
  bool done;
  bool has_waited;  // for the kernel before
  std::vector<AsyncCopy> copies;
};

// What a block copied while the kernel before it had yet to end.
struct EarlyCopy {
  const void* source;
  uint32_t thread;
  uint8_t bytes[16];
};

struct Warp {
  uint32_t ready;    // lanes that can run
  uint32_t arrived;  // lanes that wait in the collective
  uint32_t at_barrier;
  uint32_t awaiting;  // lanes that wait for the kernel before
  uint32_t alive;
  const char* meets_at;
  void* payloads[32];
};

using Collective = void (*)(void* const* payloads);

class Block {
 public:
  Block();
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void prepare(const Kernel& kernel, Dim3 grid, Dim3 shape, size_t shared_bytes, const void* parameters);
  // Null, or what went wrong.
  const char* run(Dim3 index, uint64_t seed);
  // The same in two parts: what comes before the kernel before has ended, and the rest.
  void start(Dim3 index, uint64_t seed);
  const char* finish();

  // What follows is called by fibers.
  void await_kernel();
  // Memory that is not the block's own is not to be touched before that.
  void check_awaited(const void* address, const char* what);
  void barrier();
  void meet(const char* what, void* payload, Collective compute);
  void copy(void* target, const void* source);
  void wait_copies(uint32_t groups_left);
  // Until another resumes it.
  void park(const char* what) { wait(what); }
  void resume(const Fiber* parked);
  [[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 2, 3)));
  void check_shared(const void* address, size_t bytes, const char* what);

  Dim3 grid, shape, index;
  Fiber* self = nullptr;
  uint8_t* shared = nullptr;
  uint64_t bank_conflicts = 0;  // of all runs
  AsyncWork async;

 private:
  static void trampoline();
  void begin(Dim3 index, uint64_t seed);
  void go_on();
  const char* outcome();
  void start_fiber(uint32_t i);
  void leave();
  void wait(const char* what);
  void switch_to(Fiber* from, Fiber* to);
  void release_barrier();
  Fiber* next();
  uint64_t random();
  void report_deadlock();

  uint8_t* stacks_ = nullptr;
  std::vector<Fiber> fibers_;
  Warp warps_[kMaxWarps];
  uint32_t order_[kMaxWarps];
  uint32_t ready_warps_ = 0, last_warp_ = 0;
  uint32_t threads_ = 0, alive_ = 0, at_barrier_ = 0, awaiting_ = 0;
  uint64_t random_ = 0;
  bool eager_ = false, failed_ = false;
  bool is_early_ = false;  // the kernel before has yet to end
  std::vector<EarlyCopy> early_copies_;
  size_t shared_bytes_ = 0;
  void* main_stack_pointer_ = nullptr;
  const Kernel* kernel_ = nullptr;
  const void* parameters_ = nullptr;
  char message_[512];
};

// The block that this OS thread runs.
extern thread_local Block* running __attribute__((tls_model("initial-exec")));

}  // namespace pd::emulated
