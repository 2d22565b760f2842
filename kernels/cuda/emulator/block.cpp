#include "block.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace pd::emulated {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr size_t kGuardBytes = 256;  // behind shared memory
constexpr uint8_t kGuard = 0xa5;
constexpr uint8_t kPoison = 0xff;  // NaN in every element type

// Saves what a call preserves, changes stacks, restores.
__attribute__((naked, noinline)) void switch_stack(void**, void*) {
  asm volatile(
      "pushq %rbp\n pushq %rbx\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
      "movq %rsp, (%rdi)\n movq %rsi, %rsp\n"
      "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbx\n popq %rbp\n ret\n");
}

}  // namespace

thread_local Block* running __attribute__((tls_model("initial-exec"))) = nullptr;

Block::Block() : fibers_(kMaxThreads) {
  void* memory = mmap(nullptr, kMaxThreads * kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void* room = std::aligned_alloc(1024, (kMaxSharedBytes + kGuardBytes + 1023) / 1024 * 1024);
  if (memory == MAP_FAILED || room == nullptr) std::abort();
  stacks_ = static_cast<uint8_t*>(memory);
  shared = static_cast<uint8_t*>(room);
}

Block::~Block() {
  munmap(stacks_, kMaxThreads * kStackBytes);
  std::free(shared);
}

void Block::prepare(const Kernel& kernel, Dim3 grid_shape, Dim3 block_shape, size_t shared_bytes,
                    const void* parameters) {
  kernel_ = &kernel;
  grid = grid_shape;
  shape = block_shape;
  threads_ = block_shape.x * block_shape.y * block_shape.z;
  shared_bytes_ = shared_bytes;
  parameters_ = parameters;
}

void Block::start_fiber(uint32_t i) {
  Fiber& fiber = fibers_[i];
  fiber.index = i;
  fiber.lane = i & 31;
  fiber.warp = i >> 5;
  fiber.waits_at = "";
  fiber.copy_group = 0;
  fiber.done = false;
  fiber.has_waited = false;
  fiber.copies.clear();
  // Staggered, so that the hot ends of stacks do not all fall into the same sets of the caches.
  uint8_t* top = stacks_ + (i + 1) * kStackBytes - 64 - (i % 16) * 576;
  void** stack = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t(63));
  *--stack = nullptr;
  *--stack = reinterpret_cast<void*>(&trampoline);
  fiber.stack_pointer = stack - 6;
}

void Block::begin(Dim3 block_index, uint64_t seed) {
  index = block_index;
  random_ = seed;
  eager_ = (seed & 1) != 0;
  if (seed != 0) {
    random_ = (seed + 1) * 0x9E3779B97F4A7C15ull + block_index.x * 0xD1342543DE82EF95ull +
              block_index.y * 0xAF251AF3B0F025B5ull + block_index.z;
    if (random_ == 0) random_ = 1;
  }
  async.begin(this, eager_);
  failed_ = false;
  alive_ = threads_;
  at_barrier_ = awaiting_ = 0;
  early_copies_.clear();
  last_warp_ = 0;
  std::memset(shared, kPoison, shared_bytes_);
  std::memset(shared + shared_bytes_, kGuard, kGuardBytes);
  const uint32_t warps = (threads_ + 31) / 32;
  ready_warps_ = warps == 32 ? ~0u : (1u << warps) - 1;
  for (uint32_t i = 0; i < threads_; i++) start_fiber(i);
  for (uint32_t w = 0; w < warps; w++) {
    const uint32_t lanes = threads_ - w * 32;
    warps_[w].ready = warps_[w].alive = lanes >= 32 ? ~0u : (1u << lanes) - 1;
    warps_[w].arrived = warps_[w].at_barrier = warps_[w].awaiting = 0;
    order_[w] = w;
  }
}

void Block::go_on() {
  running = this;
  switch_to(nullptr, next());
  running = nullptr;
}

const char* Block::outcome() {
  if (failed_) return message_;
  for (size_t i = 0; i < kGuardBytes; i++) {
    if (shared[shared_bytes_ + i] == kGuard) continue;
    std::snprintf(message_, sizeof message_,
                  "%s: block (%u, %u, %u) wrote past its %zu bytes of shared memory", kernel_->name, index.x,
                  index.y, index.z, shared_bytes_);
    return message_;
  }
  return nullptr;
}

const char* Block::run(Dim3 block_index, uint64_t seed) {
  begin(block_index, seed);
  is_early_ = false;
  go_on();
  return outcome();
}

void Block::start(Dim3 block_index, uint64_t seed) {
  begin(block_index, seed);
  is_early_ = true;
  go_on();
}

const char* Block::finish() {
  if (failed_) return message_;
  for (const EarlyCopy& each : early_copies_) {
    if (std::memcmp(each.source, each.bytes, sizeof each.bytes) == 0) continue;
    std::snprintf(message_, sizeof message_,
                  "%s: block (%u, %u, %u): thread %u copied 16 bytes at %p before it awaited the kernel "
                  "before, which has written them",
                  kernel_->name, index.x, index.y, index.z, each.thread, each.source);
    return message_;
  }
  is_early_ = false;
  for (uint32_t w = 0; w < (threads_ + 31) / 32; w++) {
    if (warps_[w].awaiting == 0) continue;
    warps_[w].ready |= std::exchange(warps_[w].awaiting, 0);
    ready_warps_ |= 1u << w;
  }
  awaiting_ = 0;
  go_on();
  return outcome();
}

void Block::trampoline() {
  Block* block = running;
  block->kernel_->entry(block->parameters_);
  block->leave();
}

void Block::switch_to(Fiber* from, Fiber* to) {
  self = to;
  switch_stack(from ? &from->stack_pointer : &main_stack_pointer_,
               to ? to->stack_pointer : main_stack_pointer_);
}

uint64_t Block::random() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_;
}

// Without a seed: one warp until it waits, then the lowest that can run. With one: warps by a priority that
// changes now and then, lanes at random.
Fiber* Block::next() {
  if (random_ != 0 && async.has_copies() && (random() & 7) == 0) async.land_one();
  while (ready_warps_ == 0 && async.land_one()) continue;
  if (ready_warps_ == 0) {
    if (alive_ > 0 && awaiting_ == 0) report_deadlock();
    return nullptr;
  }
  uint32_t w = last_warp_;
  if (random_ == 0) {
    if ((ready_warps_ >> w & 1) == 0) w = uint32_t(__builtin_ctz(ready_warps_));
  } else {
    const uint32_t warps = (threads_ + 31) / 32;
    if ((random() & 63) == 0) {
      for (uint32_t i = warps - 1; i > 0; i--) {
        const uint32_t other = uint32_t(random() >> 20) % (i + 1), kept = order_[i];
        order_[i] = order_[other];
        order_[other] = kept;
      }
    }
    uint32_t k = 0;
    while ((ready_warps_ >> order_[k] & 1) == 0) k++;
    w = order_[k];
  }
  Warp& warp = warps_[w];
  uint32_t lane = uint32_t(__builtin_ctz(warp.ready));
  if (random_ != 0) {
    const uint32_t turn = uint32_t(random() >> 40) & 31;
    const uint32_t turned = turn == 0 ? warp.ready : warp.ready >> turn | warp.ready << (32 - turn);
    lane = (uint32_t(__builtin_ctz(turned)) + turn) & 31;
  }
  warp.ready &= ~(1u << lane);
  if (warp.ready == 0) ready_warps_ &= ~(1u << w);
  last_warp_ = w;
  return &fibers_[w * 32 + lane];
}

void Block::wait(const char* what) {
  Fiber* from = self;
  from->waits_at = what;
  Fiber* to = next();
  if (to != from) switch_to(from, to);
}

void Block::resume(const Fiber* parked) {
  warps_[parked->warp].ready |= 1u << parked->lane;
  ready_warps_ |= 1u << parked->warp;
}

void Block::release_barrier() {
  for (uint32_t w = 0; w < (threads_ + 31) / 32; w++) {
    if (warps_[w].at_barrier == 0) continue;
    warps_[w].ready |= warps_[w].at_barrier;
    warps_[w].at_barrier = 0;
    ready_warps_ |= 1u << w;
  }
  at_barrier_ = 0;
}

// Where the kernel before has yet to end, a thread stays here until it has.
void Block::await_kernel() {
  if (is_early_ && !self->has_waited) {
    warps_[self->warp].awaiting |= 1u << self->lane;
    awaiting_++;
    wait("the end of the kernel before");
  }
  self->has_waited = true;
}

void Block::check_awaited(const void* address, const char* what) {
  const uintptr_t touched = reinterpret_cast<uintptr_t>(address);
  if (self->has_waited || touched - reinterpret_cast<uintptr_t>(shared) < shared_bytes_) return;
  // Whose memory it is: that of the last pointer not behind it.
  uintptr_t nearest = 0;
  size_t place = 0;
  for (size_t at = 0; at + sizeof nearest <= kernel_->parameter_bytes; at += sizeof nearest) {
    uintptr_t word;
    std::memcpy(&word, static_cast<const uint8_t*>(parameters_) + at, sizeof word);
    if (word > touched || word < nearest) continue;
    nearest = word;
    place = at;
  }
  fault("thread %u: %s at %p, %zu bytes from the pointer at byte %zu of its arguments on, before it awaited "
        "the kernel before",
        self->index, what, address, size_t(touched - nearest), place);
}

// The last to arrive goes on as one of the ready, so that no thread is favoured.
void Block::barrier() {
  Warp& warp = warps_[self->warp];
  if (warp.arrived != 0) fault("lanes of warp %u wait in %s and at a barrier", self->warp, warp.meets_at);
  warp.at_barrier |= 1u << self->lane;
  if (++at_barrier_ == alive_) release_barrier();
  wait("a barrier");
}

void Block::meet(const char* what, void* payload, Collective compute) {
  Warp& warp = warps_[self->warp];
  if (warp.alive != ~0u) fault("%s: lanes of warp %u have left", what, self->warp);
  if (warp.at_barrier != 0) fault("lanes of warp %u wait at a barrier and in %s", self->warp, what);
  if (warp.arrived != 0 && warp.meets_at != what && std::strcmp(warp.meets_at, what) != 0)
    fault("lanes of warp %u have diverged: %s and %s", self->warp, warp.meets_at, what);
  warp.meets_at = what;
  warp.payloads[self->lane] = payload;
  warp.arrived |= 1u << self->lane;
  if (warp.arrived != ~0u) {
    wait(what);
    return;
  }
  compute(warp.payloads);
  warp.arrived = 0;
  warp.ready = ~0u & ~(1u << self->lane);
  ready_warps_ |= 1u << self->warp;
}

void Block::leave() {
  Fiber* fiber = self;
  if (!fiber->has_waited) fault("thread %u leaves without waiting for the kernel before", fiber->index);
  if (!fiber->copies.empty())
    fault("thread %u leaves with %zu asynchronous copies never waited for", fiber->index,
          fiber->copies.size());
  Warp& warp = warps_[fiber->warp];
  warp.alive &= ~(1u << fiber->lane);
  if (warp.arrived != 0)
    fault("a lane of warp %u leaves while others wait in %s", fiber->warp, warp.meets_at);
  fiber->done = true;
  alive_--;
  if (alive_ == 0)
    if (const char* left = async.unfinished()) fault("%s", left);
  if (at_barrier_ != 0 && at_barrier_ == alive_) release_barrier();
  switch_to(fiber, next());
  std::abort();
}

void Block::copy(void* target, const void* source) {
  if ((reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source)) & 15)
    fault("thread %u: an asynchronous copy of 16 bytes is not aligned to 16", self->index);
  check_shared(target, 16, "an asynchronous copy");
  if (is_early_ && source != nullptr) {
    early_copies_.push_back({source, self->index, {}});
    std::memcpy(early_copies_.back().bytes, source, 16);
  }
  // Those of a block that starts early land as early as they may.
  if (!eager_ && !is_early_) {
    self->copies.push_back({target, source, self->copy_group});
    return;
  }
  if (source != nullptr)
    std::memcpy(target, source, 16);
  else
    std::memset(target, 0, 16);
}

// What is not waited for stays outstanding: that is as late as it may land.
void Block::wait_copies(uint32_t groups_left) {
  std::vector<AsyncCopy>& copies = self->copies;
  size_t kept = 0;
  for (const AsyncCopy& each : copies) {
    if (each.group + groups_left >= self->copy_group) {
      copies[kept++] = each;
    } else if (each.source != nullptr) {
      std::memcpy(each.target, each.source, 16);
    } else {
      std::memset(each.target, 0, 16);
    }
  }
  copies.resize(kept);
}

void Block::check_shared(const void* address, size_t bytes, const char* what) {
  const size_t offset = size_t(static_cast<const uint8_t*>(address) - shared);
  if (offset > shared_bytes_ || bytes > shared_bytes_ - offset)
    fault("thread %u: %s reaches past the block's %zu bytes of shared memory", self->index, what,
          shared_bytes_);
}

void Block::fault(const char* format, ...) {
  int used = std::snprintf(message_, sizeof message_, "%s: block (%u, %u, %u): ", kernel_->name, index.x,
                           index.y, index.z);
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message_ + used, sizeof message_ - size_t(used), format, arguments);
  va_end(arguments);
  failed_ = true;
  // The other fibers are left as they are: a kernel holds nothing that would have to be given back.
  switch_to(self, nullptr);
  std::abort();
}

void Block::report_deadlock() {
  uint32_t waiting = 0;
  while (waiting < threads_ && fibers_[waiting].done) waiting++;
  fault("deadlock: %u of %u threads wait, thread %u at %s", alive_, threads_, waiting,
        fibers_[waiting].waits_at);
}

}  // namespace pd::emulated
