// Spreads the blocks of a launch over OS threads. What a block computes does not depend on which thread takes
// it.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "block.h"

namespace pd::emulated {
namespace {

// Fewer threads than this in a launch are not worth another core.
constexpr uint64_t kSpreadThreads = 512;
constexpr size_t kMessageBytes = 512;

std::atomic<uint64_t> chosen_seed{0};
std::atomic<uint32_t> chosen_threads{0};
std::atomic<uint64_t> bank_conflicts{0};

struct Launch {
  const char* kernel;
  Dim3 grid, block;
  size_t shared_bytes;
  Entry entry;
  const void* parameters;
  uint64_t seed, blocks;
  std::atomic<uint64_t> next{0};
  std::mutex guard;
  uint64_t faulty_block;
  char message[kMessageBytes];
};

void take_blocks(Launch* launch) {
  thread_local std::unique_ptr<Block> own;
  if (!own) own = std::make_unique<Block>();
  own->prepare(launch->grid, launch->block, launch->shared_bytes, launch->entry, launch->parameters);
  for (uint64_t i; (i = launch->next.fetch_add(1)) < launch->blocks;) {
    const uint64_t x = launch->grid.x, y = launch->grid.y;
    const Dim3 index{uint32_t(i % x), uint32_t(i / x % y), uint32_t(i / (x * y))};
    const char* fault = own->run(index, launch->seed, launch->kernel);
    bank_conflicts += std::exchange(own->bank_conflicts, 0);
    if (fault == nullptr) continue;
    std::lock_guard lock(launch->guard);
    // The lowest faulty block speaks, so that a run says the same whatever the threads did.
    if (i < launch->faulty_block) {
      launch->faulty_block = i;
      std::snprintf(launch->message, sizeof launch->message, "%s", fault);
    }
    launch->next = launch->blocks;
  }
}

// Threads that help with one launch at a time; they live as long as the process.
class Pool {
 public:
  explicit Pool(uint32_t helpers) : helpers_(helpers) {
    for (uint32_t i = 0; i < helpers; i++) std::thread([this] { serve(); }).detach();
  }

  // False: another launch has the pool.
  bool run(Launch* launch, uint32_t helpers) {
    std::unique_lock lock(guard_);
    if (launch_ != nullptr) return false;
    launch_ = launch;
    wanted_ = helpers < helpers_ ? helpers : helpers_;
    lock.unlock();
    wake_.notify_all();
    take_blocks(launch);
    lock.lock();
    wanted_ = 0;
    idle_.wait(lock, [&] { return working_ == 0; });
    launch_ = nullptr;
    return true;
  }

 private:
  void serve() {
    std::unique_lock lock(guard_);
    for (;;) {
      wake_.wait(lock, [&] { return wanted_ > 0; });
      wanted_--;
      working_++;
      Launch* launch = launch_;
      lock.unlock();
      take_blocks(launch);
      lock.lock();
      if (--working_ == 0) idle_.notify_all();
    }
  }

  std::mutex guard_;
  std::condition_variable wake_, idle_;
  Launch* launch_ = nullptr;
  uint32_t helpers_, wanted_ = 0, working_ = 0;
};

uint32_t cores() {
  const uint32_t count = std::thread::hardware_concurrency();
  return count > 0 ? count : 1;
}

// Never destroyed: its threads may outlive every static object.
Pool& pool() {
  static Pool* const shared = new Pool(cores() - 1);
  return *shared;
}

const char* problem_of(uint32_t threads, Dim3 grid, Dim3 block, size_t shared_bytes) {
  if (block.x != threads || block.y != 1 || block.z != 1) return "it takes blocks of another shape";
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return "the grid is empty";
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) return "the grid is too large";
  if (shared_bytes > kMaxSharedBytes) return "no device has so much shared memory";
  return nullptr;
}

}  // namespace

const char* launch(const char* kernel, uint32_t threads, Dim3 grid, Dim3 block, size_t shared_bytes,
                   Entry entry, const void* parameters) {
  thread_local char message[kMessageBytes];
  if (const char* problem = problem_of(threads, grid, block, shared_bytes)) {
    std::snprintf(message, sizeof message, "%s: %s: grid (%u, %u, %u), block (%u, %u, %u), %zu bytes shared",
                  kernel, problem, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes);
    return message;
  }
  Launch all;
  all.kernel = kernel;
  all.grid = grid;
  all.block = block;
  all.shared_bytes = shared_bytes;
  all.entry = entry;
  all.parameters = parameters;
  all.seed = chosen_seed.load();
  all.blocks = uint64_t(grid.x) * grid.y * grid.z;
  all.faulty_block = ~0ull;
  all.message[0] = 0;
  uint32_t helpers = chosen_threads.load();
  helpers = (helpers > 0 ? helpers : cores()) - 1;
  const bool spreads = helpers > 0 && all.blocks > 1 && all.blocks * threads >= kSpreadThreads;
  if (!spreads || !pool().run(&all, helpers)) take_blocks(&all);
  if (all.faulty_block == ~0ull) return nullptr;
  std::memcpy(message, all.message, sizeof message);
  return message;
}

void set_schedule(Schedule schedule) {
  chosen_seed = schedule.seed;
  chosen_threads = schedule.threads;
}

uint64_t take_bank_conflicts() { return bank_conflicts.exchange(0); }

Schedule schedule() { return {chosen_seed.load(), chosen_threads.load()}; }

}  // namespace pd::emulated
