#include "control.h"

#include <cstdlib>
#include <utility>

#include "memory.h"

#define PD_STANDIN_API extern "C" __attribute__((visibility("default")))

namespace pd::standin {
namespace {

void forget_everything() {
  Machine& all = machine();
  for (Stream* stream : all.streams) delete stream;
  for (Stream* stream : all.retired) delete stream;
  for (Event* event : all.events) delete event;
  for (GreenContext* partition : all.partitions) delete partition;
  for (Module* module : all.modules) delete module;
  for (Function* function : all.functions) delete function;
  for (Graph* graph : all.graphs) delete graph;
  for (Graph* graph : all.executables) delete graph;
  all.streams.clear();
  all.retired.clear();
  all.events.clear();
  all.partitions.clear();
  all.modules.clear();
  all.functions.clear();
  all.graphs.clear();
  all.executables.clear();
  all.devices.clear();
  release_all_memory();
}

void configure(int device_count, uint64_t bytes, uint64_t seed) {
  forget_everything();
  Machine& all = machine();
  for (int ordinal = 0; ordinal < device_count; ordinal++) {
    all.devices.push_back(std::make_unique<Device>());
    all.devices.back()->total_bytes = bytes;
    all.devices.back()->context.device = ordinal;
  }
  all.is_initialized = false;
  all.is_configured = true;
  all.random = seed == 0 ? 0 : seed * 2654435761u + 88172645463325252ull;
  all.driver_version = 13000;
  all.compute_capability = 90;
  all.has_peers = all.has_partitions = true;
  all.faults = {};
  all.problem.clear();
  all.taken_away.clear();
  all.launches = all.graph_launches = all.early_launches = 0;
}

uint64_t number(const char* name, uint64_t otherwise) {
  const char* given = getenv(name);
  return given == nullptr ? otherwise : strtoull(given, nullptr, 10);
}

}  // namespace

void configure_from_environment() {
  if (machine().is_configured) return;
  configure(static_cast<int>(number("PD_STANDIN_DEVICES", 2)), number("PD_STANDIN_MEGABYTES", 256) << 20,
            number("PD_STANDIN_SEED", 0));
}

}  // namespace pd::standin

using namespace pd::standin;

// A new machine: everything that was made on the last one is gone. Seed 0 runs everything as late as allowed.
PD_STANDIN_API void pd_standin_reset(int device_count, uint64_t bytes, uint64_t seed) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  configure(device_count, bytes, seed);
}

PD_STANDIN_API void pd_standin_set_driver_version(int version) { machine().driver_version = version; }

PD_STANDIN_API void pd_standin_set_compute_capability(int capability) {
  machine().compute_capability = capability;
}

// Whether devices can be given access to each other's memory.
PD_STANDIN_API void pd_standin_set_peers(int has_peers) { machine().has_peers = has_peers != 0; }

// Whether streams can be held to some of a device's multiprocessors.
PD_STANDIN_API void pd_standin_set_partitions(int has_partitions) {
  machine().has_partitions = has_partitions != 0;
}

// Streams that are held to so many multiprocessors; 0 is those that are not held.
PD_STANDIN_API int64_t pd_standin_streams_of(unsigned multiprocessors) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  int64_t count = 0;
  for (Stream* stream : machine().streams) count += stream->multiprocessors == multiprocessors;
  return count;
}

// The allocation, copy or launch (kinds 0 to 2) after so many more fails, once.
PD_STANDIN_API void pd_standin_fail(int kind, int after) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  Faults& faults = machine().faults;
  (kind == 0 ? faults.allocation : kind == 1 ? faults.copy : faults.launch) = after;
}

// Streams no longer wait for events, or threads no longer do: a bug of the caller's, planted.
PD_STANDIN_API void pd_standin_drop_waits(int of_streams, int of_threads) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  machine().faults.drops_stream_waits = of_streams != 0;
  machine().faults.drops_host_waits = of_threads != 0;
  machine().faults.has_dropped_waits = true;
}

// What goes from one device to another arrives with a bit wrong: by copies, or as kernels read it.
PD_STANDIN_API void pd_standin_spoil_peers(int copies, int reads) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  machine().faults.spoils_peer_copies = copies != 0;
  machine().faults.spoils_peer_reads = reads != 0;
}

PD_STANDIN_API void pd_standin_lose_device(int device) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  machine().devices[device]->is_lost = true;
}

// Why the last call failed; good until the next one.
PD_STANDIN_API const char* pd_standin_problem() { return machine().problem.c_str(); }

// What pending work was left without since this was last asked: memory that was freed or unmapped, a module
// that was unloaded.
PD_STANDIN_API const char* pd_standin_take_taken_away() {
  static thread_local std::string last;
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  last = std::exchange(machine().taken_away, "");
  return last.c_str();
}

PD_STANDIN_API uint64_t pd_standin_launch_count() { return machine().launches; }

PD_STANDIN_API uint64_t pd_standin_graph_launch_count() { return machine().graph_launches; }

// Of the launches, those that were allowed to start before the one before them had ended.
PD_STANDIN_API uint64_t pd_standin_early_launch_count() { return machine().early_launches; }

// Streams, events, modules and graphs that were made and not destroyed.
PD_STANDIN_API int64_t pd_standin_live_objects() {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  const Machine& all = machine();
  return static_cast<int64_t>(all.streams.size() + all.events.size() + all.modules.size() +
                              all.partitions.size() + all.graphs.size() + all.executables.size());
}

PD_STANDIN_API int64_t pd_standin_used_bytes(int device) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  return static_cast<int64_t>(machine().devices[device]->used_bytes);
}
