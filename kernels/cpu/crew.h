// The threads of an engine's CPU devices. A crew owns a thread to each core; a team is one device: a run of
// the crew's cores, and the channel on which one caller at a time publishes ops.
//
//   cores       0          1          2          3
//   teams      [A          A]        [B          B]
//   threads  stand-in    home A    stand-in    home B
//
// On a team's first core the caller computes, so the thread there is a stand-in: it helps other teams only.
// Any other thread has its team as home, and may join the team's op at any time. With lending a thread may
// also join an op of any other team while every team that has its core rests; it looks again before each
// tile, so that a core is back within a tile of its owner's need.
//
// A team's gate is the whole protocol of an op: an open bit, a waiting bit, the number of threads inside.
//   1. The caller writes the op while the gate is shut and nobody is inside, then stores kOpen. A thread gets
//      in by a CAS on an open gate; what it read was that store or a read-modify-write after it, so it has
//      acquired the op. No generation is needed: a CAS meant for the last op that succeeds in the next one
//      has joined the next one.
//   2. Who takes the last tile shuts the gate; the caller waits until nobody is inside. A thread that the
//      system has put aside outside the op costs nothing.
//   3. Each leaving CAS releases the thread's tiles. All that changed the gate since it opened were
//      read-modify-writes, so the caller's one acquiring load of "nobody inside" sees the tiles of all.
// Calls to sleepers pair up as in Dekker's algorithm, sequentially consistent throughout: a thread sets its
// asleep bit, then looks at gates and at the teams of its core; a caller opens its gate, and a resting team
// lowers its counts, before it looks at asleep bits. One of the two sees the other. A lost call would cost
// speed and nothing else: the caller takes every tile that nobody else does.
#pragma once
#include <pthread.h>

#include <atomic>

#include "pd_cpu.h"
#include "team.h"

namespace pd {

constexpr int32_t kMaxCores = 1024;
constexpr int32_t kMaxTeams = 1024;
constexpr int32_t kWordBits = 64;
constexpr int32_t kWords = kMaxCores / kWordBits;

// About 50 us at 3 GHz: longer than the gap between two ops of a step, far shorter than a scheduler's slice.
constexpr int kSpinTurns = 2000;
// Sleepers called at once; each calls as many more when it has joined: no caller wakes a whole machine.
constexpr int64_t kCalls = 2;

void futex_wait(std::atomic<uint32_t>* word, uint32_t seen);
void futex_wake(std::atomic<uint32_t>* word);
// Holds the calling thread to a core of the machine.
void pin(int32_t number);

// A core of the crew, and its thread if it has one.
struct alignas(64) Core {
  std::atomic<int32_t> busy_teams{0};  // teams with this core that are not at rest
  std::atomic<uint32_t> calls{0};      // futex word: moves on when the thread is called
  pd_crew* crew = nullptr;
  pd_team* home = nullptr;  // null: a stand-in
  int32_t index = 0;
  int32_t number = -1;  // of the machine's core; -1 is none in particular
  int32_t nearest = 0;  // index of a team with this core: help is offered from there on, so that it spreads
  bool has_thread = false;
  pthread_t thread;
};

}  // namespace pd

struct alignas(64) pd_team {
  // Of the op, written while the gate is shut and nobody is inside: in the gate's cache line, so that who
  // gets in has it.
  pd::tile_fn fn = nullptr;
  void* context = nullptr;
  int64_t tile_count = 0;
  std::atomic<uint32_t> gate{0};

  alignas(64) std::atomic<int64_t> next{0};  // next tile
  alignas(64) pd_crew* crew = nullptr;
  int32_t first_core = 0, core_count = 0;
  uint64_t serial = 0;            // of all teams ever made; a thread remembers by it where it is pinned
  uint64_t own[pd::kWords] = {};  // bits of its threads
  bool can_be_helped = false;
  bool busy = false;                   // the caller's
  std::atomic<int64_t> lent_tiles{0};  // tiles that other teams' cores have computed

  void run(int64_t tiles, pd::tile_fn run_tile, void* run_context);
  void begin();
  void rest();
  bool is_open() const;
  bool join();
  void help(const pd::Core& core);

 private:
  int64_t take();
  void leave();
  void await_helpers();
  void pin_caller() const;
};

struct pd_crew {
  pd::Core* cores = nullptr;
  pd_team* teams = nullptr;
  int32_t core_count = 0, team_count = 0;
  bool lends = false;

  alignas(64) std::atomic<int32_t> busy_teams{0};
  std::atomic<bool> stopping{false};
  alignas(64) std::atomic<uint64_t> asleep[pd::kWords] = {};  // a bit for each core's thread

  bool may_lend(const pd::Core& core) const;
  void serve(pd::Core& core);
  void call_to(const pd_team& team, int64_t most);
  void call_own(const pd_team& team, int64_t most);
  bool start();
  ~pd_crew();

 private:
  pd_team* join_any(const pd::Core& core);
  bool sees_work(const pd::Core& core) const;
  void sleep(pd::Core& core);
  bool call(int32_t index);
};
