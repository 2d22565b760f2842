// The threads of one device. An op is cut into tiles fixed by its shape; the caller publishes the op, and
// every thread, the caller included, takes tiles from one shared counter until none is left. Between ops
// threads spin for a bounded time, then park, so that a foreign process on a core costs what it takes and no
// more.
#pragma once
#include <cstdint>

struct pd_team;

namespace pd {

// Runs one tile; slot is the thread's index in the team, for per-thread scratch.
using tile_fn = void (*)(void* context, int64_t tile, int32_t slot);

int32_t team_size(const pd_team* team);
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
