// Modules, functions, launches and graphs.
#include <algorithm>
#include <cstring>
#include <vector>

#include "images.h"
#include "kernels.h"
#include "memory.h"

using namespace pd::standin;

namespace {

Result find_function(void* handle, Function*& function) {
  function = static_cast<Function*>(handle);
  if (machine().functions.count(function) == 0) return refuse(kInvalidHandle, "there is no such function");
  if (!*function->is_loaded) return refuse(kInvalidHandle, function->name + ": its module was unloaded");
  if (function->context != current_context())
    return refuse(kInvalidHandle, "the function belongs to another context than the thread's");
  return kOk;
}

Result check_shape(const Function& function, Extent grid, Extent block, unsigned shared_bytes) {
  uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || grid.x == 0 || grid.y == 0 || grid.z == 0)
    return refuse(kInvalidValue, function.name + ": no such grid or block");
  if (grid.y > 65535 || grid.z > 65535)
    return refuse(kInvalidValue, function.name + ": grids go to 65535 in y and z");
  if (shared_bytes > static_cast<unsigned>(function.dynamic_shared_bytes))
    return refuse(kInvalidValue, function.name + ": " + std::to_string(shared_bytes) +
                                     " bytes of shared memory, of which " +
                                     std::to_string(function.dynamic_shared_bytes) + " were allowed");
  return kOk;
}

// What a kernel's pointers find in another device's memory is wrong while it runs, where a test asks for
// that.
class SpoiltPeers {
 public:
  SpoiltPeers(int device, const std::vector<unsigned char>& arguments) {
    for (size_t i = 0; machine().faults.spoils_peer_reads && i + 8 <= arguments.size(); i += 8) {
      Address word;
      memcpy(&word, arguments.data() + i, sizeof word);
      const Mapping* mapping = find_mapping(word, 4);
      if (mapping == nullptr || mapping->device == device) continue;
      Address end = std::min(mapping->first + mapping->bytes, word + (1 << 16));
      for (Address byte = word + 2; byte < end; byte += 64) spoilt_.push_back(reinterpret_cast<char*>(byte));
    }
    flip();
  }
  ~SpoiltPeers() { flip(); }

 private:
  void flip() {
    for (char* byte : spoilt_) *byte ^= 0x20;
  }
  std::vector<char*> spoilt_;
};

Result launch(void* function_handle, Extent grid, Extent block, unsigned shared_bytes, void* stream_handle,
              void** parameters, WorkKind kind) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(stream_handle, stream); result != kOk) return result;
  Function* function;
  if (Result result = find_function(function_handle, function); result != kOk) return result;
  if (Result result = check_shape(*function, grid, block, shared_bytes); result != kOk) return result;
  const unsigned char* first = static_cast<const unsigned char*>(parameters[0]);
  std::vector<unsigned char> arguments(first, first + function->parameter_bytes);
  int device = stream->context->device;
  Function call = *function;
  Result result = check_parameters(device, arguments.data(), arguments.size(), call.name);
  if (result != kOk) return poison(*stream->context, result, machine().problem);
  auto check = [=] {
    if (!*call.is_loaded)
      return refuse_taken_away(kLaunchFailed, call.name + ": its module was unloaded while it was pending");
    return check_parameters(device, arguments.data(), arguments.size(), call.name);
  };
  auto make = [=] {
    return std::make_unique<KernelRun>(find_kernel(call.name), grid, block, shared_bytes, arguments);
  };
  // Of a kernel that starts early: what has started.
  auto started = std::make_shared<std::unique_ptr<KernelRun>>();
  auto start = [=] {
    started->reset();
    if (check() != kOk) return;
    *started = make();
    (*started)->start();
  };
  auto run = [=] {
    if (Result now = check(); now != kOk) return now;
    if (due(machine().faults.launch))
      return refuse(kLaunchFailed, call.name + ": an injected fault of a launch");
    machine().launches++;
    machine().early_launches += kind == WorkKind::kEarlyKernel;
    std::unique_ptr<KernelRun> own = *started ? std::move(*started) : make();
    SpoiltPeers spoilt(device, arguments);
    std::string problem = own->finish();
    return problem.empty() ? kOk : refuse(kLaunchFailed, call.name + ": " + problem);
  };
  return enqueue(*stream, run, kind, kind == WorkKind::kEarlyKernel ? start : std::function<void()>());
}

}  // namespace

PD_DRIVER_API cuModuleLoadDataEx(Module** module, const void* bytes_of_image, unsigned, int*, void**) {
  PD_ENTER(usable_context());
  if (Result result = no_capture("loading a module"); result != kOk) return result;
  Image image;
  std::string problem = read_image(bytes_of_image, image);
  if (!problem.empty()) return refuse(kInvalidImage, problem);
  if (!runs_on(image, machine().compute_capability))
    return refuse(kNoBinaryForGpu, "the image is for compute capability " + std::to_string(image.capability));
  for (auto& [name, bytes] : image.entries) {
    KernelEntry kernel = find_kernel(name);
    if (!kernel.exists)
      return refuse(kInvalidImage, "the image has '" + name + "', which the emulator has not");
    if (kernel.parameter_bytes != bytes)
      return refuse(kInvalidImage, "'" + name + "' takes " + std::to_string(bytes) +
                                       " bytes of arguments in the image and " +
                                       std::to_string(kernel.parameter_bytes) + " in the emulator");
  }
  *module = new Module;
  (*module)->context = current_context();
  (*module)->entries = image.entries;
  (*module)->registers = image.registers;
  machine().modules.insert(*module);
  return kOk;
}

PD_DRIVER_API cuModuleUnload(void* handle) {
  PD_ENTER(usable_context());
  Module* module = static_cast<Module*>(handle);
  if (machine().modules.erase(module) == 0) return refuse(kInvalidHandle, "there is no such module");
  *module->is_loaded = false;
  delete module;
  return kOk;
}

PD_DRIVER_API cuModuleGetFunction(Function** function, void* handle, const char* name) {
  PD_ENTER(usable_context());
  Module* module = static_cast<Module*>(handle);
  if (machine().modules.count(module) == 0) return refuse(kInvalidHandle, "there is no such module");
  auto entry = module->entries.find(name);
  if (entry == module->entries.end())
    return refuse(kNotFound, std::string("the image has no '") + name + "'");
  *function = new Function;
  (*function)->context = module->context;
  (*function)->is_loaded = module->is_loaded;
  (*function)->name = name;
  (*function)->parameter_bytes = entry->second;
  (*function)->registers = module->registers[name];
  machine().functions.insert(*function);
  return kOk;
}

PD_DRIVER_API cuFuncSetAttribute(void* handle, int attribute, int value) {
  PD_ENTER(usable_context());
  Function* function;
  if (Result result = find_function(handle, function); result != kOk) return result;
  if (attribute != kMaxDynamicSharedBytes || value < 0 || value > 227 * 1024)
    return refuse(kInvalidValue, "no such attribute, or more shared memory than there is");
  function->dynamic_shared_bytes = value;
  return kOk;
}

PD_DRIVER_API cuFuncGetAttribute(int* value, int attribute, void* handle) {
  PD_ENTER(usable_context());
  constexpr int kRegisters = 4;
  Function* function;
  if (Result result = find_function(handle, function); result != kOk) return result;
  if (attribute != kRegisters || function->registers == 0)
    return refuse(kInvalidValue, "of attributes only the registers of machine code are known");
  *value = function->registers;
  return kOk;
}

PD_DRIVER_API cuFuncGetParamInfo(void* handle, size_t index, size_t* offset, size_t* bytes) {
  PD_ENTER(usable_context());
  Function* function;
  if (Result result = find_function(handle, function); result != kOk) return result;
  if (index != 0) return refuse(kInvalidValue, "the function has one argument");
  *offset = 0;
  *bytes = function->parameter_bytes;
  return kOk;
}

PD_DRIVER_API cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                             unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                             void* stream, void** parameters, void** extra) {
  if (extra != nullptr) return refuse(kNotSupported, "the stand-in takes arguments as pointers to them");
  return launch(function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, stream,
                parameters, WorkKind::kKernel);
}

// An early start is a permission, which a kernel's first block takes.
PD_DRIVER_API cuLaunchKernelEx(const LaunchConfiguration* asked, void* function, void** parameters,
                               void** extra) {
  for (unsigned i = 0; i < asked->attribute_count; i++)
    if (asked->attributes[i].kind != kEarlyStart || asked->attributes[i].value[0] != 1)
      return refuse(kInvalidValue, "an attribute of a launch that the stand-in does not know");
  if (extra != nullptr) return refuse(kNotSupported, "the stand-in takes arguments as pointers to them");
  return launch(function, {asked->grid_x, asked->grid_y, asked->grid_z},
                {asked->block_x, asked->block_y, asked->block_z}, asked->shared_bytes, asked->stream,
                parameters, asked->attribute_count == 0 ? WorkKind::kKernel : WorkKind::kEarlyKernel);
}

PD_DRIVER_API cuStreamBeginCapture_v2(void* handle, int mode) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  if (stream->capture != nullptr) return refuse(kInvalidValue, "the stream is being captured already");
  stream->capture = new Graph{stream->context->device, {}};
  stream->capture_mode = static_cast<CaptureMode>(mode);
  stream->capture_thread = std::this_thread::get_id();
  stream->capture_is_broken = false;
  return kOk;
}

PD_DRIVER_API cuStreamEndCapture(void* handle, Graph** graph) {
  PD_ENTER(usable_context());
  *graph = nullptr;
  Stream* stream;
  if (Result result = find_stream(handle, stream); result != kOk) return result;
  if (stream->capture == nullptr) return refuse(kInvalidValue, "the stream is not being captured");
  Graph* captured = stream->capture;
  stream->capture = nullptr;
  if (stream->capture_is_broken) {
    delete captured;
    return refuse(kCaptureInvalidated, "the capture was broken: " + machine().problem);
  }
  machine().graphs.insert(captured);
  *graph = captured;
  return kOk;
}

PD_DRIVER_API cuGraphInstantiateWithFlags(Graph** executable, void* handle, unsigned long long) {
  PD_ENTER(usable_context());
  Graph* graph = static_cast<Graph*>(handle);
  if (machine().graphs.count(graph) == 0) return refuse(kInvalidHandle, "there is no such graph");
  *executable = new Graph(*graph);
  machine().executables.insert(*executable);
  return kOk;
}

PD_DRIVER_API cuGraphLaunch(void* handle, void* stream_handle) {
  PD_ENTER(usable_context());
  Stream* stream;
  if (Result result = find_stream(stream_handle, stream); result != kOk) return result;
  Graph* graph = static_cast<Graph*>(handle);
  if (machine().executables.count(graph) == 0 || graph->device != stream->context->device)
    return refuse(kInvalidHandle, "there is no such graph for this device");
  std::vector<Node> nodes = graph->nodes;
  machine().graph_launches++;
  return enqueue(*stream, [nodes] {
    for (size_t i = 0; i < nodes.size(); i++) {
      if (i + 1 < nodes.size() && nodes[i + 1].start) nodes[i + 1].start();
      if (Result result = nodes[i].run(); result != kOk) return result;
    }
    return kOk;
  });
}

PD_DRIVER_API cuGraphDestroy(void* handle) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  Graph* graph = static_cast<Graph*>(handle);
  if (machine().graphs.erase(graph) == 0) return refuse(kInvalidHandle, "there is no such graph");
  delete graph;
  return kOk;
}

PD_DRIVER_API cuGraphExecDestroy(void* handle) {
  std::lock_guard<std::recursive_mutex> lock(machine().gate);
  Graph* graph = static_cast<Graph*>(handle);
  if (machine().executables.erase(graph) == 0) return refuse(kInvalidHandle, "there is no such graph");
  delete graph;
  return kOk;
}
