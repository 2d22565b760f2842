#include "machine.h"

#include <chrono>

namespace pd::standin {

Machine& machine() {
  static Machine instance;
  return instance;
}

Context*& current_context() {
  static thread_local Context* current = nullptr;
  return current;
}

Result refuse(Result result, const std::string& why) {
  machine().problem = why;
  return result;
}

Result refuse_taken_away(Result result, const std::string& why) {
  // A caller whose waits were left undone cannot know what is pending.
  const bool is_callers = !machine().faults.has_dropped_waits;
  if (is_callers && machine().taken_away.empty()) machine().taken_away = why;
  return refuse(result, why);
}

Result poison(Context& context, Result result, const std::string& why) {
  context.error = result;
  return refuse(result, why);
}

Result usable(const Context& context) {
  if (machine().devices[context.device]->is_lost) return refuse(kDeviceUnavailable, "the device is lost");
  return context.error;
}

Result usable_context() {
  if (!machine().is_initialized) return refuse(kNotInitialized, "cuInit was not called");
  Context* current = current_context();
  if (current == nullptr || current->retained == 0)
    return refuse(kInvalidContext, "the thread has no current context");
  return usable(*current);
}

Result no_capture(const char* what) {
  Result result = kOk;
  for (Stream* stream : machine().streams) {
    if (stream->capture == nullptr || stream->capture_mode == kCaptureRelaxed) continue;
    bool is_own = stream->capture_thread == std::this_thread::get_id();
    if (stream->capture_mode == kCaptureThreadLocal && !is_own) continue;
    stream->capture_is_broken = true;
    result = refuse(kCaptureUnsupported, std::string(what) + " while a stream is being captured");
  }
  return result;
}

bool due(int& fault) {
  if (fault < 0) return false;
  return fault-- == 0;
}

Result find_stream(void* handle, Stream*& stream) {
  stream = static_cast<Stream*>(handle);
  if (machine().streams.count(stream) == 0) return refuse(kInvalidHandle, "there is no such stream");
  if (stream->context != current_context())
    return refuse(kInvalidHandle, "the stream belongs to another context than the thread's");
  return kOk;
}

// What an early start may overtake is what the kernel before it leaves to it; of anything else that is on the
// stream, and of what comes before a graph, it would know nothing.
static Result refuse_early_start(Stream& stream) {
  if (stream.capture == nullptr) {
    if (stream.ends_in_kernel) return kOk;
    return refuse(kInvalidValue, "an early start after what is not a kernel");
  }
  const std::vector<Node>& nodes = stream.capture->nodes;
  if (!nodes.empty() && nodes.back().kind != WorkKind::kOther) return kOk;
  stream.capture_is_broken = true;
  return refuse(kInvalidValue, nodes.empty() ? "an early start of the first kernel of a graph"
                                             : "an early start after what is not a kernel of the graph");
}

Result enqueue(Stream& stream, std::function<Result()> run, WorkKind kind, std::function<void()> start) {
  if (kind == WorkKind::kEarlyKernel)
    if (Result result = refuse_early_start(stream); result != kOk) return result;
  if (stream.capture != nullptr) {
    if (stream.capture_is_broken)
      return refuse(kCaptureInvalidated, "the capture was broken by an earlier call");
    stream.capture->nodes.push_back({std::move(run), std::move(start), kind});
    return kOk;
  }
  stream.ends_in_kernel = kind != WorkKind::kOther;
  stream.queue.push_back({std::move(run), std::move(start), ++machine().clock, nullptr, 0, nullptr});
  maybe_run_some();
  return usable(*stream.context);
}

Result enqueue(Stream& stream, std::shared_ptr<Meeting> meeting) {
  if (stream.capture != nullptr) {
    stream.capture_is_broken = true;
    return refuse(kCaptureUnsupported, "what streams do together, while one is being captured");
  }
  stream.ends_in_kernel = false;
  stream.queue.push_back({nullptr, nullptr, 0, nullptr, 0, std::move(meeting)});
  maybe_run_some();
  return usable(*stream.context);
}

Result wait_for(Stream& stream, const std::shared_ptr<Recording>& recording, uint64_t version) {
  stream.ends_in_kernel = false;
  stream.queue.push_back({nullptr, nullptr, 0, recording, version, nullptr});
  maybe_run_some();
  return usable(*stream.context);
}

static Result advance(Stream& stream) {
  Work work = stream.queue.front();
  if (work.wait && work.wait->done < work.wait_version) {
    Result result = drain(*work.wait->stream, work.wait.get(), work.wait_version);
    if (result != kOk) return result;
  }
  if (work.meeting) {
    stream.is_meeting = true;
    Result result = work.meeting->meet(stream);
    stream.is_meeting = false;
    if (result == kBlocked) return result;
    stream.queue.pop_front();
    return result == kOk ? kOk : poison(*stream.context, result, machine().problem);
  }
  stream.queue.pop_front();
  if (!work.run) return kOk;
  Result result = usable(*stream.context);
  if (result != kOk) return result;
  stream.is_running = true;
  // What may start early has started when what comes before it runs, and nobody can wait between the two.
  for (bool overlaps = true; overlaps;) {
    overlaps = !stream.queue.empty() && stream.queue.front().start;
    if (overlaps) stream.queue.front().start();
    machine().running_since = work.since;
    result = work.run();
    overlaps = overlaps && result == kOk;
    if (!overlaps) break;
    work = stream.queue.front();
    stream.queue.pop_front();
  }
  machine().running_since = kNotRunning;
  stream.is_running = false;
  return result == kOk ? kOk : poison(*stream.context, result, machine().problem);
}

Result drain(Stream& stream, const Recording* until, uint64_t version) {
  while (!stream.queue.empty() && !stream.is_running && !(until && until->done >= version)) {
    if (stream.is_meeting) return kBlocked;
    Result result = advance(stream);
    if (result != kOk) return result;
  }
  return usable(*stream.context);
}

Result drain_device(int device) {
  Result result = kOk;
  for (Stream* stream : machine().streams) {
    if (stream->context->device != device || stream->capture != nullptr) continue;
    Result own = drain(*stream);
    result = result == kOk ? own : result;
  }
  return result;
}

Result run_until(Stream& stream, const Meeting& meeting) {
  while (!stream.queue.empty() && stream.queue.front().meeting.get() != &meeting) {
    if (stream.is_running || stream.is_meeting) return kBlocked;
    if (Result result = advance(stream); result != kOk) return result;
  }
  return usable(*stream.context);
}

Result wait_on_host(std::unique_lock<std::recursive_mutex>& lock, const std::function<Result()>& drains) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (;;) {
    Result result = drains();
    if (result != kBlocked) return result;
    if (std::chrono::steady_clock::now() > end)
      return refuse(kLaunchFailed, "a thread waits for what no other thread asks for");
    lock.unlock();
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    lock.lock();
  }
}

void maybe_run_some() {
  uint64_t& random = machine().random;
  if (random == 0) return;
  for (Stream* stream : machine().streams) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    bool is_idle = !stream->is_running && !stream->is_meeting;
    bool may_run = !stream->queue.empty() && is_idle && stream->capture == nullptr;
    if (may_run && (random >> 20) % 3 == 0) advance(*stream);
  }
}

}  // namespace pd::standin
