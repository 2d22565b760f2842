#include "crew.h"

#include <immintrin.h>
#include <sched.h>

#include <cstdio>
#include <new>

#include "last_error.h"

namespace {

uint64_t bit_of(int32_t index) { return uint64_t(1) << index % pd::kWordBits; }

void* thread_main(void* argument) {
  auto* core = static_cast<pd::Core*>(argument);
  if (core->number >= 0) pd::pin(core->number);
  core->crew->serve(*core);
  return nullptr;
}

}  // namespace

void pd::pin(int32_t number) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(number, &set);
  sched_setaffinity(0, sizeof set, &set);  // a core taken away since then costs speed, not correctness
}

bool pd_crew::may_lend(const pd::Core& core) const {
  return lends && core.busy_teams.load(std::memory_order_seq_cst) == 0;
}

void pd_crew::serve(pd::Core& core) {
  pd::FlushDenormals flush;
  bool called = false;
  for (int turns = 0; !stopping.load(std::memory_order_acquire);) {
    if (pd_team* team = join_any(core)) {
      if (called) call_to(*team, pd::kCalls);
      team->help(core);
      called = false;
      turns = 0;
    } else if (turns++ < pd::kSpinTurns && (core.home || may_lend(core))) {
      _mm_pause();
    } else {
      sleep(core);
      called = true;
      turns = 0;
    }
  }
}

pd_team* pd_crew::join_any(const pd::Core& core) {
  if (core.home && core.home->join()) return core.home;
  if (!may_lend(core)) return nullptr;
  for (int32_t i = 1; i < team_count; i++) {
    pd_team& team = teams[(core.nearest + i) % team_count];
    if (team.join()) return &team;
  }
  return nullptr;
}

bool pd_crew::sees_work(const pd::Core& core) const {
  if (stopping.load(std::memory_order_seq_cst) || (core.home && core.home->is_open())) return true;
  if (!may_lend(core)) return false;
  for (int32_t i = 0; i < team_count; i++)
    if (teams[i].is_open()) return true;
  return false;
}

void pd_crew::sleep(pd::Core& core) {
  std::atomic<uint64_t>& word = asleep[core.index / pd::kWordBits];
  const uint32_t seen = core.calls.load(std::memory_order_acquire);
  word.fetch_or(bit_of(core.index), std::memory_order_seq_cst);
  if (!sees_work(core))
    while (core.calls.load(std::memory_order_acquire) == seen) pd::futex_wait(&core.calls, seen);
  word.fetch_and(~bit_of(core.index), std::memory_order_seq_cst);
}

// Whoever clears the bit makes the call, so that a sleeper is called once.
bool pd_crew::call(int32_t index) {
  const uint64_t bit = bit_of(index);
  if (!(asleep[index / pd::kWordBits].fetch_and(~bit, std::memory_order_seq_cst) & bit)) return false;
  cores[index].calls.fetch_add(1, std::memory_order_release);
  pd::futex_wake(&cores[index].calls);
  return true;
}

// The team's own sleepers first, then those that may lend.
void pd_crew::call_to(const pd_team& team, int64_t most) {
  most = most < pd::kCalls ? most : pd::kCalls;
  const int32_t words = (core_count + pd::kWordBits - 1) / pd::kWordBits;
  for (int32_t lent = 0; lent <= int32_t(lends); lent++)
    for (int32_t w = 0; w < words && most > 0; w++) {
      uint64_t bits = asleep[w].load(std::memory_order_seq_cst) & (lent ? ~team.own[w] : team.own[w]);
      for (; bits && most > 0; bits &= bits - 1) {
        const int32_t index = w * pd::kWordBits + __builtin_ctzll(bits);
        if ((!lent || may_lend(cores[index])) && call(index)) most--;
      }
    }
}

void pd_crew::call_own(const pd_team& team, int64_t most) {
  for (int32_t i = 0; i < team.core_count && most > 0; i++)
    if (may_lend(cores[team.first_core + i]) && call(team.first_core + i)) most--;
}

// Threads that could never have work are not made.
bool pd_crew::start() {
  for (int32_t i = 0; i < core_count; i++) {
    pd::Core& core = cores[i];
    int32_t foreign_teams = 0;
    for (int32_t t = 0; t < team_count; t++)
      foreign_teams += i < teams[t].first_core || i >= teams[t].first_core + teams[t].core_count;
    if (!core.home && !(lends && foreign_teams > 0)) continue;
    if (pthread_create(&core.thread, nullptr, thread_main, &core) != 0) {
      pd::fail(PD_FAILED, "the system gave no thread for core %d of %d", i, core_count);
      return false;
    }
    core.has_thread = true;
    char name[32];
    snprintf(name, sizeof name, "pd_core_%d", i);
    pthread_setname_np(core.thread, name);
  }
  return true;
}

pd_crew::~pd_crew() {
  stopping.store(true, std::memory_order_seq_cst);
  for (int32_t i = 0; i < core_count; i++) {
    cores[i].calls.fetch_add(1, std::memory_order_seq_cst);
    pd::futex_wake(&cores[i].calls);
  }
  for (int32_t i = 0; i < core_count; i++)
    if (cores[i].has_thread) pthread_join(cores[i].thread, nullptr);
  delete[] teams;
  delete[] cores;
}

namespace {

pd_status check(const pd_crew_args& args) {
  if (args.core_count < 1 || args.core_count > pd::kMaxCores || args.team_count < 1 ||
      args.team_count > pd::kMaxTeams)
    return pd::fail(PD_INVALID_ARGUMENT, "a crew has 1 to %d cores and 1 to %d teams, not %d and %d",
                    pd::kMaxCores, pd::kMaxTeams, args.core_count, args.team_count);
  for (int32_t i = 0; i < args.core_count; i++)
    if (args.cores[i] >= CPU_SETSIZE)
      return pd::fail(PD_INVALID_ARGUMENT, "core %d: a thread can be held to cores below %d", args.cores[i],
                      CPU_SETSIZE);
  for (int32_t t = 0; t < args.team_count; t++) {
    const pd_core_run& run = args.teams[t];
    if (run.first_core < 0 || run.core_count < 1 || run.first_core > args.core_count - run.core_count)
      return pd::fail(PD_INVALID_ARGUMENT, "team %d has %d cores from %d on, of %d", t, run.core_count,
                      run.first_core, args.core_count);
    for (int32_t before = 0; before < t; before++) {
      const pd_core_run& other = args.teams[before];
      const bool apart = other.first_core + other.core_count <= run.first_core ||
                         run.first_core + run.core_count <= other.first_core;
      if (!apart && (run.core_count > 1 || other.core_count > 1))
        return pd::fail(PD_INVALID_ARGUMENT, "teams %d and %d share cores; only teams of one core may",
                        before, t);
    }
  }
  return PD_OK;
}

void lay_out(pd_crew& crew, const pd_crew_args& args) {
  static std::atomic<uint64_t> serials{0};
  for (int32_t i = 0; i < args.core_count; i++) {
    crew.cores[i].crew = &crew;
    crew.cores[i].index = i;
    crew.cores[i].number = args.cores[i];
  }
  for (int32_t t = 0; t < args.team_count; t++) {
    pd_team& team = crew.teams[t];
    team.crew = &crew;
    team.first_core = args.teams[t].first_core;
    team.core_count = args.teams[t].core_count;
    team.serial = serials.fetch_add(1, std::memory_order_relaxed) + 1;
    team.can_be_helped = team.core_count > 1 || (crew.lends && args.core_count > 1 && args.team_count > 1);
    crew.cores[team.first_core].nearest = t;
    for (int32_t i = team.first_core + 1; i < team.first_core + team.core_count; i++) {
      crew.cores[i].home = &team;
      crew.cores[i].nearest = t;
      team.own[i / pd::kWordBits] |= bit_of(i);
    }
  }
}

}  // namespace

pd_status pd_cpu_crew_create(const pd_crew_args* args, pd_crew** crew) {
  if (pd_status status = check(*args)) return status;
  auto* made = new (std::nothrow) pd_crew;
  if (!made) return pd::fail(PD_OUT_OF_MEMORY, "no memory for a crew");
  made->cores = new (std::nothrow) pd::Core[size_t(args->core_count)];
  made->teams = new (std::nothrow) pd_team[size_t(args->team_count)];
  if (!made->cores || !made->teams) {
    delete made;
    return pd::fail(PD_OUT_OF_MEMORY, "no memory for a crew of %d cores and %d teams", args->core_count,
                    args->team_count);
  }
  made->core_count = args->core_count;
  made->team_count = args->team_count;
  made->lends = args->lends != 0;
  lay_out(*made, *args);
  if (!made->start()) {
    delete made;
    return PD_FAILED;
  }
  *crew = made;
  return PD_OK;
}

void pd_cpu_crew_destroy(pd_crew* crew) { delete crew; }

pd_team* pd_cpu_crew_team(pd_crew* crew, int32_t index) {
  return index >= 0 && index < crew->team_count ? &crew->teams[index] : nullptr;
}
