#include "team.h"

#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"

namespace {

// The gate: threads inside, below these bits.
constexpr uint32_t kOpen = 1u << 31;
constexpr uint32_t kWaiting = 1u << 30;  // the caller sleeps until nobody is inside
constexpr uint32_t kInside = kWaiting - 1;

// Serial of the team to whose core this thread was pinned last.
thread_local uint64_t pinned_to = 0;

}  // namespace

namespace pd {

void futex_wait(std::atomic<uint32_t>* word, uint32_t seen) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}
void futex_wake(std::atomic<uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040); }
FlushDenormals::~FlushDenormals() { _mm_setcsr(saved_); }

int32_t team_size(const pd_team* team) { return team->core_count; }

int32_t team_slots(const pd_team* team) {
  return team->crew->lends ? team->crew->core_count : team->core_count;
}

void team_run(pd_team* team, int64_t tile_count, tile_fn fn, void* context) {
  FlushDenormals flush;
  if (!team->busy) team->begin();
  if (!team->can_be_helped || tile_count <= 1) {
    for (int64_t tile = 0; tile < tile_count; tile++) fn(context, tile, 0);
    return;
  }
  team->run(tile_count, fn, context);
}

}  // namespace pd

bool pd_team::is_open() const { return gate.load(std::memory_order_seq_cst) & kOpen; }

bool pd_team::join() {
  uint32_t seen = gate.load(std::memory_order_relaxed);
  while (seen & kOpen)
    if (gate.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  return false;
}

// The next tile, or one past the last. With the last one goes the gate: who came now would come for nothing.
int64_t pd_team::take() {
  const int64_t tile = next.fetch_add(1, std::memory_order_relaxed);
  if (tile + 1 == tile_count) gate.fetch_and(~kOpen, std::memory_order_relaxed);
  return tile;
}

void pd_team::help(const pd::Core& core) {
  const bool lent = core.home != this;
  // Its place after the team's first core, where the caller is: no other thread's, since that core's own
  // thread never helps this team.
  const int32_t cores = crew->core_count;
  const int32_t slot = (core.index - first_core + cores) % cores;
  int64_t done = 0;
  while (!lent || core.busy_teams.load(std::memory_order_relaxed) == 0) {
    const int64_t tile = take();
    if (tile >= tile_count) break;
    fn(context, tile, slot);
    done++;
  }
  if (lent) lent_tiles.fetch_add(done, std::memory_order_relaxed);
  leave();
}

void pd_team::leave() {
  if (gate.fetch_sub(1, std::memory_order_release) - 1 == kWaiting) pd::futex_wake(&gate);
}

void pd_team::run(int64_t tiles, pd::tile_fn run_tile, void* run_context) {
  fn = run_tile;
  context = run_context;
  tile_count = tiles;
  next.store(0, std::memory_order_relaxed);
  gate.store(kOpen, std::memory_order_seq_cst);
  crew->call_to(*this, tiles - 1);
  for (int64_t tile; (tile = take()) < tiles;) run_tile(run_context, tile, 0);
  // Nobody inside is a shut gate too: who took the last tile shut it before leaving.
  if (gate.load(std::memory_order_acquire) & kInside) await_helpers();
}

void pd_team::await_helpers() {
  for (int i = 0; i < pd::kSpinTurns; i++) {
    if ((gate.load(std::memory_order_acquire) & kInside) == 0) return;
    _mm_pause();
  }
  uint32_t seen = gate.fetch_or(kWaiting, std::memory_order_acq_rel) | kWaiting;
  for (; seen & kInside; seen = gate.load(std::memory_order_acquire)) pd::futex_wait(&gate, seen);
}

void pd_team::begin() {
  busy = true;
  crew->busy_teams.fetch_add(1, std::memory_order_seq_cst);
  for (int32_t i = 0; i < core_count; i++)
    crew->cores[first_core + i].busy_teams.fetch_add(1, std::memory_order_seq_cst);
  pin_caller();
}

void pd_team::rest() {
  if (!busy) return;
  busy = false;
  for (int32_t i = 0; i < core_count; i++)
    crew->cores[first_core + i].busy_teams.fetch_sub(1, std::memory_order_seq_cst);
  const int32_t others = crew->busy_teams.fetch_sub(1, std::memory_order_seq_cst) - 1;
  if (crew->lends && others > 0) crew->call_own(*this, pd::kCalls);
}

// The process's first thread stays free: its cores are what the system reports as the process's and what the
// runtime gives to new threads.
void pd_team::pin_caller() const {
  const int32_t number = crew->cores[first_core].number;
  if (number < 0 || pinned_to == serial) return;
  pinned_to = serial;
  if (pid_t(syscall(SYS_gettid)) != getpid()) pd::pin(number);
}

void pd_cpu_team_rest(pd_team* team) { team->rest(); }

int64_t pd_cpu_team_lent_tiles(const pd_team* team) {
  return team->lent_tiles.load(std::memory_order_relaxed);
}
