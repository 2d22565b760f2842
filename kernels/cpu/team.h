// How an op is shared out. It is cut into tiles fixed by its shape; the team's caller, and every thread of
// the crew that joins, take tiles from one shared counter until none is left. Who may join is crew.h's
// affair.
#pragma once
#include <cstdint>

struct pd_team;

namespace pd {

// Runs one tile; slot, below team_slots, is no other thread's while the op runs: it finds per-thread scratch.
using tile_fn = void (*)(void* context, int64_t tile, int32_t slot);

// Threads that are sure to come to an op of many tiles: one to each core of the team, the caller among them.
int32_t team_size(const pd_team* team);
// Threads that may take part in an op: size per-thread scratch by this.
int32_t team_slots(const pd_team* team);
void team_run(pd_team* team, int64_t tile_count, tile_fn fn, void* context);

// Calls f(tile, slot) for every tile.
template <class F>
void parallel(pd_team* team, int64_t tile_count, F&& f) {
  team_run(
      team, tile_count,
      [](void* context, int64_t tile, int32_t slot) { (*static_cast<F*>(context))(tile, slot); }, &f);
}

// Flush-to-zero and denormals-are-zero for the thread's scope: denormals make FMA several times slower, and
// AMX treats them so anyway.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  uint32_t saved_;
};

}  // namespace pd
