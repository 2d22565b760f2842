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
#include <vector>

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
  const Kernel* kernel;
  Dim3 grid, block;
  size_t shared_bytes;
  const void* parameters;
  Block* first;  // the first block, where it has been started
  uint64_t seed, blocks;
  std::atomic<uint64_t> next{0};
  std::mutex guard;
  uint64_t faulty_block;
  char message[kMessageBytes];
};

// The lowest faulty block speaks, so that a run says the same whatever the threads did.
void take_fault(Launch* launch, uint64_t block, const char* fault) {
  if (fault == nullptr) return;
  std::lock_guard lock(launch->guard);
  if (block < launch->faulty_block) {
    launch->faulty_block = block;
    std::snprintf(launch->message, sizeof launch->message, "%s", fault);
  }
  launch->next = launch->blocks;
}

void take_blocks(Launch* launch) {
  thread_local std::unique_ptr<Block> own;
  if (!own) own = std::make_unique<Block>();
  own->prepare(*launch->kernel, launch->grid, launch->block, launch->shared_bytes, launch->parameters);
  for (uint64_t i; (i = launch->next.fetch_add(1)) < launch->blocks;) {
    const uint64_t x = launch->grid.x, y = launch->grid.y;
    const Dim3 index{uint32_t(i % x), uint32_t(i / x % y), uint32_t(i / (x * y))};
    take_fault(launch, i, own->run(index, launch->seed));
    bank_conflicts += std::exchange(own->bank_conflicts, 0);
  }
}

// Of the thread that launches, which alone may go on with what it has started.
void take_own_blocks(Launch* launch) {
  if (launch->first != nullptr) {
    take_fault(launch, 0, launch->first->finish());
    bank_conflicts += std::exchange(launch->first->bank_conflicts, 0);
  }
  take_blocks(launch);
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
    take_own_blocks(launch);
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

// Those that no launch has started; never destroyed either.
struct SpareBlocks {
  std::mutex guard;
  std::vector<Block*> all;
};

SpareBlocks& spare_blocks() {
  static SpareBlocks* const shared = new SpareBlocks;
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

Block* start(const Kernel& kernel, Dim3 grid, Dim3 block, size_t shared_bytes, const void* parameters) {
  if (problem_of(kernel.threads, grid, block, shared_bytes) != nullptr) return nullptr;
  SpareBlocks& spare = spare_blocks();
  std::unique_lock lock(spare.guard);
  if (spare.all.empty()) spare.all.push_back(new Block);
  Block* first = spare.all.back();
  spare.all.pop_back();
  lock.unlock();
  first->prepare(kernel, grid, block, shared_bytes, parameters);
  first->start({0, 0, 0}, chosen_seed.load());
  return first;
}

void drop(Block* started) {
  SpareBlocks& spare = spare_blocks();
  std::lock_guard lock(spare.guard);
  spare.all.push_back(started);
}

const char* run(const Kernel& kernel, Dim3 grid, Dim3 block, size_t shared_bytes, const void* parameters,
                Block* first) {
  thread_local char message[kMessageBytes];
  const uint32_t threads = kernel.threads;
  if (const char* problem = problem_of(threads, grid, block, shared_bytes)) {
    std::snprintf(message, sizeof message, "%s: %s: grid (%u, %u, %u), block (%u, %u, %u), %zu bytes shared",
                  kernel.name, problem, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared_bytes);
    return message;
  }
  Launch all;
  all.kernel = &kernel;
  all.grid = grid;
  all.block = block;
  all.shared_bytes = shared_bytes;
  all.parameters = parameters;
  all.first = first;
  all.next = first != nullptr ? 1 : 0;
  all.seed = chosen_seed.load();
  all.blocks = uint64_t(grid.x) * grid.y * grid.z;
  all.faulty_block = ~0ull;
  all.message[0] = 0;
  uint32_t helpers = chosen_threads.load();
  helpers = (helpers > 0 ? helpers : cores()) - 1;
  const bool spreads = helpers > 0 && all.blocks > 1 && all.blocks * threads >= kSpreadThreads;
  if (!spreads || !pool().run(&all, helpers)) take_own_blocks(&all);
  if (first != nullptr) drop(first);
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
