// NCCL on the virtual devices: communicators that become ready after some questions, an all-gather that no
// rank ends before all have come to it, and what a test lets go wrong.
#include <climits>
#include <cstring>
#include <map>
#include <set>

#include "library.h"

using namespace pd::standin;

namespace {

enum NcclResult : int {
  kSuccess = 0,
  kUnhandledCudaError = 1,
  kSystemError = 2,
  kInvalidArgument = 4,
  kInvalidUsage = 5,
  kInProgress = 7,
};

struct UniqueId {
  char bytes[128];
};

struct Configuration {
  size_t size;
  unsigned magic, version;
  int blocking;
};

struct Communicator;

// All ranks of one id.
struct Group {
  std::vector<Communicator*> ranks;
};

struct Gather : Meeting {
  struct Member {
    Stream* stream = nullptr;
    Address source = 0, target = 0;
    bool is_put = false, is_aborted = false;
  };

  std::vector<Member> members;
  size_t bytes = 0;
  bool is_done = false;

  Result meet(Stream& stream) override;
};

struct Communicator {
  std::shared_ptr<Group> group;
  int rank = 0, device = 0, polls_left = 0;
  NcclResult error = kInProgress;
  std::vector<std::shared_ptr<Gather>> gathers;
  // Asked for, and put on its stream only while somebody asks whether it is.
  std::shared_ptr<Gather> pending;
  // Where its address was asked for: written once more when it is ready, as the library does.
  Communicator** made = nullptr;
};

struct Library {
  std::set<Communicator*> communicators;
  std::map<std::string, std::shared_ptr<Group>> groups;
  int version = 22800, polls = 3, ids = 0, calls_to_failure = -1, failed = 0;
  bool hangs = false, stalls = false;
  std::string problem;
};

thread_local int group_depth = 0;

Library& library() {
  static Library instance;
  return instance;
}

NcclResult refuse_call(NcclResult result, const std::string& why) {
  library().problem = why;
  return result;
}

Result Gather::meet(Stream& stream) {
  size_t own = 0;
  bool is_whole = true;
  for (size_t i = 0; i < members.size(); i++) {
    if (members[i].stream == &stream) own = i;
    is_whole = is_whole && members[i].is_put && !members[i].is_aborted;
  }
  if (is_done || members[own].is_aborted) return kOk;
  if (!is_whole || library().stalls) return kBlocked;
  for (size_t i = 0; i < members.size(); i++) {
    if (i == own) continue;
    if (Result result = run_until(*members[i].stream, *this); result != kOk) return result;
  }
  for (const Member& to : members) {
    int device = to.stream->context->device;
    for (size_t i = 0; i < members.size(); i++) {
      int other = members[i].stream->context->device;
      Address target = to.target + i * bytes, source = members[i].source;
      Result result = check_access(device, target, bytes, "the target of an all-gather");
      if (result == kOk) result = check_access(other, source, bytes, "the source of an all-gather");
      if (result != kOk) return result;
      memmove(reinterpret_cast<void*>(target), reinterpret_cast<void*>(source), bytes);
      if (machine().faults.spoils_peer_copies && device != other)
        *(reinterpret_cast<char*>(target) + bytes / 2) ^= 4;
    }
  }
  is_done = true;
  return kOk;
}

NcclResult known(Communicator* communicator) {
  if (library().communicators.count(communicator) == 0)
    return refuse_call(kInvalidArgument, "there is no such communicator");
  return kSuccess;
}

NcclResult state_of(Communicator& own) {
  if (own.error != kInProgress) return own.error;
  for (Communicator* other : own.group->ranks) {
    if (other == nullptr || library().hangs) return kInProgress;
    if (other != &own && other->device == own.device)
      return own.error = refuse_call(kInvalidUsage, "Duplicate GPU detected");
  }
  if (own.polls_left-- > 0) return kInProgress;
  own.error = kSuccess;
  if (own.made != nullptr) *own.made = &own;
  own.made = nullptr;
  if (std::shared_ptr<Gather> pending = std::move(own.pending)) {
    pending->members[own.rank].is_put = true;
    if (enqueue(*pending->members[own.rank].stream, pending) != kOk)
      own.error = refuse_call(kUnhandledCudaError, machine().problem);
  }
  return own.error;
}

void forget(Communicator* communicator) {
  communicator->group->ranks[communicator->rank] = nullptr;
  library().communicators.erase(communicator);
  delete communicator;
}

}  // namespace

PD_LIBRARY_API int ncclGetVersion(int* version) {
  *version = library().version;
  return kSuccess;
}

PD_LIBRARY_API int ncclGetUniqueId(UniqueId* id) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  *id = {};
  std::string text = "stand-in " + std::to_string(library().ids++);
  memcpy(id->bytes, text.c_str(), text.size());
  return kSuccess;
}

PD_LIBRARY_API int ncclCommInitRankConfig(Communicator** made, int count, UniqueId id, int rank,
                                          const Configuration* configuration) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  *made = nullptr;
  if (usable_context() != kOk) return refuse_call(kUnhandledCudaError, "no usable context is current");
  if (configuration->magic != 0xcafebeef || configuration->size < 48 || configuration->version < 21700)
    return refuse_call(kInvalidArgument, "not a configuration");
  if (configuration->blocking != 0)
    return refuse_call(kInvalidUsage, "the stand-in has non-blocking communicators only");
  if (count < 1 || rank < 0 || rank >= count) return refuse_call(kInvalidArgument, "no such rank");
  std::shared_ptr<Group>& group = library().groups[id.bytes];
  if (!group) group = std::make_shared<Group>(Group{std::vector<Communicator*>(count)});
  if (group->ranks.size() != static_cast<size_t>(count) || group->ranks[rank] != nullptr)
    return refuse_call(kInvalidUsage, "the rank is there already, or the ranks do not agree on their count");
  int device = current_context()->device;
  auto* own = new Communicator{group, rank, device, library().polls, kInProgress, {}, {}, made};
  group->ranks[rank] = own;
  library().communicators.insert(own);
  *made = own;
  return kInProgress;
}

PD_LIBRARY_API int ncclCommGetAsyncError(Communicator* communicator, int* error) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  if (known(communicator) != kSuccess) return kInvalidArgument;
  *error = state_of(*communicator);
  return kSuccess;
}

PD_LIBRARY_API int ncclAllGather(Address source, Address target, size_t count, int type,
                                 Communicator* communicator, void* handle) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  if (known(communicator) != kSuccess) return kInvalidArgument;
  Communicator& own = *communicator;
  if (own.error == kInProgress) return refuse_call(kInvalidUsage, "the communicator is not ready");
  if (own.error != kSuccess) return own.error;
  if (type != 1) return refuse_call(kInvalidArgument, "the stand-in gathers bytes");
  Stream* stream = static_cast<Stream*>(handle);
  if (machine().streams.count(stream) == 0) return refuse_call(kInvalidArgument, "there is no such stream");
  if (stream->context->device != own.device)
    return refuse_call(kUnhandledCudaError, "the stream is of another device than the communicator");
  if (stream->capture != nullptr) {
    stream->capture_is_broken = true;
    return refuse_call(kInvalidUsage, "an all-gather while the stream is being captured");
  }
  if (library().calls_to_failure >= 0 && library().calls_to_failure-- == 0) {
    library().failed++;
    own.error = refuse_call(kSystemError, "an injected fault of a collective");
    return kSuccess;
  }
  size_t turn = own.gathers.size();
  std::shared_ptr<Gather> gather;
  for (Communicator* other : own.group->ranks) {
    if (other != nullptr && other->gathers.size() > turn) gather = other->gathers[turn];
  }
  if (!gather) gather = std::make_shared<Gather>();
  if (gather->members.empty()) gather->bytes = count;
  gather->members.resize(own.group->ranks.size());
  if (gather->bytes != count) return refuse_call(kInvalidUsage, "the ranks do not agree on the bytes");
  gather->members[own.rank] = {stream, source, target, false, false};
  own.gathers.push_back(gather);
  own.pending = gather;
  own.polls_left = 1;
  own.error = kInProgress;
  return group_depth > 0 ? kSuccess : kInProgress;
}

PD_LIBRARY_API int ncclGroupStart() {
  group_depth++;
  return kSuccess;
}

PD_LIBRARY_API int ncclGroupEnd() {
  if (group_depth == 0) return refuse_call(kInvalidUsage, "no group was started");
  return --group_depth > 0 ? kSuccess : kInProgress;
}

PD_LIBRARY_API int ncclCommDestroy(Communicator* communicator) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  if (known(communicator) != kSuccess) return kInvalidArgument;
  forget(communicator);
  return kSuccess;
}

// What waits for the other ranks waits no longer.
PD_LIBRARY_API int ncclCommAbort(Communicator* communicator) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  if (known(communicator) != kSuccess) return kInvalidArgument;
  for (const std::shared_ptr<Gather>& gather : communicator->gathers)
    gather->members[communicator->rank].is_aborted = !gather->is_done;
  forget(communicator);
  return kSuccess;
}

PD_LIBRARY_API const char* ncclGetErrorString(int result) {
  switch (result) {
    case kSuccess:
      return "no error";
    case kUnhandledCudaError:
      return "unhandled cuda error";
    case kSystemError:
      return "unhandled system error";
    case kInvalidArgument:
      return "invalid argument";
    case kInvalidUsage:
      return "invalid usage";
    case kInProgress:
      return "NCCL operation in progress";
    default:
      return "unknown result code";
  }
}

PD_LIBRARY_API const char* ncclGetLastError(Communicator*) { return library().problem.c_str(); }

// For tests: a communicator is ready after so many questions, or never; all-gathers end, or never; and the
// one after so many more fails (-1: none).
PD_LIBRARY_API void pd_nccl_standin_set(int version, int polls, int hangs, int stalls, int calls_to_failure) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  Library& all = library();
  all.version = version;
  all.polls = polls;
  all.hangs = hangs != 0;
  all.stalls = stalls != 0;
  all.calls_to_failure = calls_to_failure;
  all.failed = 0;
}

PD_LIBRARY_API int64_t pd_nccl_standin_failed() { return library().failed; }

PD_LIBRARY_API int64_t pd_nccl_standin_live() {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  return static_cast<int64_t>(library().communicators.size());
}
