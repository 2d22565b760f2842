// Streams and events.
#include "memory.h"

using namespace pd::standin;

namespace {

Result find_event(void* handle, Event*& event) {
  event = static_cast<Event*>(handle);
  if (machine().events.count(event) == 0) return refuse(kInvalidHandle, "there is no such event");
  return kOk;
}

Result refuse_if_captured(Stream& stream, const char* what) {
  if (stream.capture == nullptr) return kOk;
  stream.capture_is_broken = true;
  return refuse(kCaptureUnsupported, std::string(what) + " while the stream is being captured");
}

}  // namespace

PD_DRIVER_API cuStreamCreate(Stream** stream, unsigned) {
  PD_ENTER(usable_context());
  *stream = new Stream;
  (*stream)->context = current_context();
  machine().streams.insert(*stream);
  return kOk;
}

PD_DRIVER_API cuStreamDestroy_v2(void* handle) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  Stream* stream = static_cast<Stream*>(handle);
  if (machine().streams.count(stream) == 0) return refuse(kInvalidHandle, "there is no such stream");
  drain(*stream);
  machine().streams.erase(stream);
  machine().retired.push_back(stream);
  return kOk;
}

PD_DRIVER_API cuStreamSynchronize(void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  if (Result result = no_capture("a synchronisation"); result != kOk) return result;
  if (Result result = refuse_if_captured(*stream, "a synchronisation"); result != kOk) return result;
  return wait_on_host(lock, [stream] { return drain(*stream); });
}

PD_DRIVER_API cuStreamWaitEvent(void* handle, void* event_handle, unsigned) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  Event* event;
  if (Result result = find_event(event_handle, event); result != kOk) return result;
  if (Result result = refuse_if_captured(*stream, "a wait for an event"); result != kOk) return result;
  if (machine().faults.drops_stream_waits) return kOk;
  return wait_for(*stream, event->recording, event->recording->recorded);
}

PD_DRIVER_API cuEventCreate(Event** event, unsigned) {
  PD_ENTER(usable_context());
  *event = new Event;
  (*event)->context = current_context();
  machine().events.insert(*event);
  return kOk;
}

// What waits for it goes on waiting for what it had recorded.
PD_DRIVER_API cuEventDestroy_v2(void* handle) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  Event* event;
  if (Result result = find_event(handle, event); result != kOk) return result;
  machine().events.erase(event);
  delete event;
  return kOk;
}

PD_DRIVER_API cuEventRecord(void* event_handle, void* handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  Event* event;
  if (Result result = find_event(event_handle, event); result != kOk) return result;
  if (event->context != stream->context)
    return refuse(kInvalidHandle, "the event belongs to another context than the stream");
  if (Result result = refuse_if_captured(*stream, "a record of an event"); result != kOk) return result;
  std::shared_ptr<Recording> recording = event->recording;
  if (recording->done < recording->recorded && recording->stream != stream)
    return refuse(kInvalidHandle, "the event is still to come on another stream");
  recording->stream = stream;
  uint64_t version = ++recording->recorded;
  return enqueue(*stream, [recording, version] {
    recording->done = version;
    return kOk;
  });
}

// Asking is no wait, but who asks for ever gets an answer in the end: each question runs one piece of work.
PD_DRIVER_API cuEventQuery(void* handle) {
  PD_ENTER(usable_context());
  Event* event;
  if (Result result = find_event(handle, event); result != kOk) return result;
  Recording& recording = *event->recording;
  if (recording.done >= recording.recorded) return usable_context();
  uint64_t version = recording.recorded;
  Stream& stream = *recording.stream;
  bool has_more = stream.queue.size() > 1;
  Result result = drain(stream, &recording, has_more ? recording.done + 1 : version);
  if (result == kOk || result == kBlocked) return kNotReady;
  return has_more ? usable_context() : result;
}

PD_DRIVER_API cuEventSynchronize(void* handle) {
  PD_ENTER(usable_context());
  Event* event;
  if (Result result = find_event(handle, event); result != kOk) return result;
  if (Result result = no_capture("a synchronisation"); result != kOk) return result;
  std::shared_ptr<Recording> recording = event->recording;
  if (machine().faults.drops_host_waits) return kOk;
  if (recording->done >= recording->recorded) return usable(*event->context);
  uint64_t version = recording->recorded;
  return wait_on_host(lock, [=] { return drain(*recording->stream, recording.get(), version); });
}

// The stand-in's clock stands still: what is measured on it means nothing.
PD_DRIVER_API cuEventElapsedTime(float* milliseconds, void*, void*) {
  *milliseconds = 0;
  return kOk;
}
