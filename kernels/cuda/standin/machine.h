// The virtual machine behind the stand-in driver: devices with their own memory, streams that are as lazy as
// the programming model allows, and the rules that a real driver may or may not notice being broken.
//
// A stream is a queue. Nothing on it runs at the call; it runs when somebody waits for it (seed 0: the latest
// moment that is allowed), or, with a seed, at random calls as well. So a wait that was forgotten shows as
// wrong data instead of passing because the machine happened to be fast. One lock guards everything.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "driver_abi.h"

// What the stand-ins of other libraries, which are files of their own, use of this one.
#define PD_STANDIN_SHARED __attribute__((visibility("default")))

namespace pd::standin {

struct Stream;

// What an event has promised: the n-th record of it is done once `done` has reached n.
struct Recording {
  uint64_t recorded = 0, done = 0;
  Stream* stream = nullptr;
};

// What streams of several devices do together: none goes on before all have come to it. Its name is its
// address.
struct Meeting {
  virtual ~Meeting() = default;
  // All may go on, or those that are left may, or kBlocked: not all have asked for it yet.
  virtual Result meet(Stream& stream) = 0;
};

struct Work {
  std::function<Result()> run;
  std::function<void()> start;  // of a kernel that may start early: before what comes before it runs
  uint64_t since = 0;           // when it was asked for
  std::shared_ptr<Recording> wait;
  uint64_t wait_version = 0;
  std::shared_ptr<Meeting> meeting;
};

// Only a kernel lets the one after it start early.
enum class WorkKind { kOther, kKernel, kEarlyKernel };

struct Node {
  std::function<Result()> run;
  std::function<void()> start;
  WorkKind kind;
};

struct Graph {
  int device = 0;
  std::vector<Node> nodes;
};

struct Context {
  int device = 0;
  int retained = 0;
  Result error = kOk;
};

struct GreenContext {
  int device;
  unsigned count;
};

struct Stream {
  Context* context = nullptr;
  unsigned multiprocessors = 0;  // 0: all
  std::deque<Work> queue;
  bool is_running = false, is_meeting = false;
  bool ends_in_kernel = false;  // what was put on it last
  Graph* capture = nullptr;
  CaptureMode capture_mode = kCaptureGlobal;
  std::thread::id capture_thread;
  bool capture_is_broken = false;
};

struct Event {
  Context* context = nullptr;
  std::shared_ptr<Recording> recording = std::make_shared<Recording>();
};

struct Module {
  Context* context = nullptr;
  std::shared_ptr<bool> is_loaded = std::make_shared<bool>(true);
  std::map<std::string, size_t> entries;
  std::map<std::string, int> registers;
};

struct Function {
  Context* context = nullptr;
  std::shared_ptr<const bool> is_loaded;
  std::string name;
  size_t parameter_bytes = 0;
  int dynamic_shared_bytes = 48 * 1024;
  int registers = 0;
};

struct Device {
  size_t total_bytes = 0, used_bytes = 0;
  bool is_lost = false;
  Context context;
};

// Numbers that tests set: how many more times a thing may happen before it fails once; -1 is never. And what
// is left undone, as if the caller had forgotten it.
struct Faults {
  int allocation = -1;
  int copy = -1;
  int launch = -1;
  bool drops_stream_waits = false, drops_host_waits = false, has_dropped_waits = false;
  bool spoils_peer_copies = false, spoils_peer_reads = false;
};

constexpr uint64_t kNotRunning = UINT64_MAX;

struct Machine {
  std::recursive_mutex gate;
  bool is_initialized = false, is_configured = false;
  int driver_version = 13000;
  int compute_capability = 90;
  uint64_t random = 0;
  bool has_peers = true, has_partitions = true;
  std::vector<std::unique_ptr<Device>> devices;
  std::set<Stream*> streams;
  // Destroyed ones: after a fault something may still wait for what never ran on them.
  std::vector<Stream*> retired;
  std::set<Event*> events;
  std::set<GreenContext*> partitions;
  std::set<Module*> modules;
  std::set<Function*> functions;
  std::set<Graph*> graphs, executables;
  Faults faults;
  std::string problem;
  std::string taken_away;  // what pending work was left without, the first time
  // Counts what is asked of streams, and memory that comes to its addresses.
  uint64_t clock = 0;
  uint64_t running_since = kNotRunning;  // of the work that runs
  uint64_t launches = 0, graph_launches = 0, early_launches = 0;
};

PD_STANDIN_SHARED Machine& machine();
PD_STANDIN_SHARED Context*& current_context();

// Remembers why a call fails; a test reads it with pd_standin_problem.
PD_STANDIN_SHARED Result refuse(Result result, const std::string& why);
// The same of what the work that runs was to use and has no more, which a driver need not notice.
Result refuse_taken_away(Result result, const std::string& why);
// As refuse, and the context is unusable from now on, as after a fault on a device.
Result poison(Context& context, Result result, const std::string& why);

// Whether the current context may be used at all.
PD_STANDIN_SHARED Result usable_context();
Result usable(const Context& context);
// Refuses what no stream may be capturing during: allocation, free, synchronisation.
Result no_capture(const char* what);
// True once, when a counted fault is due.
bool due(int& fault);

// Puts work on a stream, or into the graph that it is being captured into.
PD_STANDIN_SHARED Result enqueue(Stream& stream, std::function<Result()> run,
                                 WorkKind kind = WorkKind::kOther, std::function<void()> start = nullptr);
// The same for what several streams do together, which no graph can hold.
PD_STANDIN_SHARED Result enqueue(Stream& stream, std::shared_ptr<Meeting> meeting);
// Runs a stream until it has come to a meeting.
PD_STANDIN_SHARED Result run_until(Stream& stream, const Meeting& meeting);
Result wait_for(Stream& stream, const std::shared_ptr<Recording>& recording, uint64_t version);
// Runs a stream until it is empty, or until a recording has reached a version.
Result drain(Stream& stream, const Recording* until = nullptr, uint64_t version = 0);
Result drain_device(int device);
// Waits as a thread does: what the other threads have yet to ask for, they may ask for meanwhile.
Result wait_on_host(std::unique_lock<std::recursive_mutex>& lock, const std::function<Result()>& drains);
// With a seed, runs some of what is queued; without one does nothing.
void maybe_run_some();
// A stream of the current context, by handle.
PD_STANDIN_SHARED Result find_stream(void* handle, Stream*& stream);

}  // namespace pd::standin
