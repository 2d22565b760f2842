#include "team.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <new>

#include "last_error.h"

namespace {

// About 50 us at 3 GHz: longer than the gap between two ops of a step, far shorter than a scheduler's slice.
constexpr int kSpinTurns = 2000;

void futex_wait(std::atomic<uint32_t>* word, uint32_t seen) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}
void futex_wake_all(std::atomic<uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

struct alignas(64) pd_team {
  // One op at a time: written by the caller before `turn` moves on, read by threads that saw it move.
  pd::tile_fn fn = nullptr;
  void* context = nullptr;
  int64_t tile_count = 0;

  alignas(64) std::atomic<uint32_t> turn{0};      // counts ops; futex word of the threads
  alignas(64) std::atomic<int64_t> next{0};       // next tile
  alignas(64) std::atomic<uint32_t> finished{0};  // threads done with this op; futex word of the caller
  alignas(64) std::atomic<int32_t> parked{0};     // threads asleep
  std::atomic<bool> caller_parked{false};
  std::atomic<bool> stopping{false};

  int32_t thread_count = 1;  // the caller included
  struct Thread {
    pd_team* team;
    int32_t slot;
    int32_t core;
    pthread_t handle;
  }* threads = nullptr;

  void take_tiles(int32_t slot) {
    for (;;) {
      int64_t tile = next.fetch_add(1, std::memory_order_relaxed);
      if (tile >= tile_count) return;
      fn(context, tile, slot);
    }
  }

  void serve(int32_t slot) {
    pd::FlushDenormals flush;
    uint32_t seen = 0;
    for (;;) {
      await_turn(seen);
      seen = turn.load(std::memory_order_acquire);
      if (stopping.load(std::memory_order_acquire)) return;
      take_tiles(slot);
      if (finished.fetch_add(1, std::memory_order_seq_cst) + 1 == uint32_t(thread_count - 1) &&
          caller_parked.load(std::memory_order_seq_cst))
        futex_wake_all(&finished);
    }
  }

  void await_turn(uint32_t seen) {
    for (int i = 0; i < kSpinTurns; i++) {
      if (turn.load(std::memory_order_acquire) != seen) return;
      _mm_pause();
    }
    parked.fetch_add(1, std::memory_order_seq_cst);
    while (turn.load(std::memory_order_seq_cst) == seen) futex_wait(&turn, seen);
    parked.fetch_sub(1, std::memory_order_seq_cst);
  }

  void run(int64_t tiles, pd::tile_fn run_tile, void* run_context) {
    fn = run_tile;
    context = run_context;
    tile_count = tiles;
    next.store(0, std::memory_order_relaxed);
    finished.store(0, std::memory_order_relaxed);
    turn.fetch_add(1, std::memory_order_seq_cst);
    if (parked.load(std::memory_order_seq_cst) > 0) futex_wake_all(&turn);
    take_tiles(0);
    await_others();
  }

  // Every thread must have left the op before the caller may publish the next one.
  void await_others() {
    const uint32_t others = uint32_t(thread_count - 1);
    for (int i = 0; i < kSpinTurns; i++) {
      if (finished.load(std::memory_order_acquire) == others) return;
      _mm_pause();
    }
    caller_parked.store(true, std::memory_order_seq_cst);
    for (uint32_t now; (now = finished.load(std::memory_order_seq_cst)) != others;)
      futex_wait(&finished, now);
    caller_parked.store(false, std::memory_order_relaxed);
  }
};

namespace {

void pin(int32_t core) {
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);  // a core taken away since then costs speed, not correctness
}

void* thread_main(void* argument) {
  auto* thread = static_cast<pd_team::Thread*>(argument);
  pin(thread->core);
  thread->team->serve(thread->slot);
  return nullptr;
}

}  // namespace

namespace pd {

FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
FlushDenormals::~FlushDenormals() { _mm_setcsr(saved_); }

int32_t team_size(const pd_team* team) { return team->thread_count; }

void team_run(pd_team* team, int64_t tile_count, tile_fn fn, void* context) {
  FlushDenormals flush;
  if (team->thread_count == 1 || tile_count == 1) {
    for (int64_t tile = 0; tile < tile_count; tile++) fn(context, tile, 0);
    return;
  }
  if (tile_count > 0) team->run(tile_count, fn, context);
}

}  // namespace pd

pd_status pd_cpu_team_create(const int32_t* cores, int32_t thread_count, pd_team** team) {
  if (thread_count < 1 || thread_count > 1024)
    return pd::fail(PD_INVALID_ARGUMENT, "a team has 1 to 1024 threads, not %d", thread_count);
  auto* made = new (std::nothrow) pd_team;
  auto* threads = new (std::nothrow) pd_team::Thread[size_t(thread_count)];
  if (!made || !threads)
    return pd::fail(PD_OUT_OF_MEMORY, "no memory for a team of %d threads", thread_count);
  made->threads = threads;
  made->thread_count = 1;
  for (int32_t slot = 1; slot < thread_count; slot++) {
    threads[slot] = {made, slot, cores[slot], {}};
    made->thread_count = slot + 1;
    if (pthread_create(&threads[slot].handle, nullptr, thread_main, &threads[slot]) != 0) {
      made->thread_count = slot;
      pd_cpu_team_destroy(made);
      return pd::fail(PD_FAILED, "the system gave %d of %d threads", slot, thread_count);
    }
  }
  *team = made;
  return PD_OK;
}

void pd_cpu_team_destroy(pd_team* team) {
  if (!team) return;
  team->stopping.store(true, std::memory_order_seq_cst);
  team->turn.fetch_add(1, std::memory_order_seq_cst);
  futex_wake_all(&team->turn);
  for (int32_t slot = 1; slot < team->thread_count; slot++) pthread_join(team->threads[slot].handle, nullptr);
  delete[] team->threads;
  delete team;
}
