// cuBLASLt on the virtual devices: products of bf16 matrices into float32, added up in an order of its own.
#include <algorithm>
#include <cstring>

#include "library.h"

using namespace pd::standin;

namespace {

enum Status : int { kSuccess = 0, kNoLibrary = 1, kInvalid = 7, kExecutionFailed = 13, kUnsupported = 15 };

constexpr int kFloat = 0, kBFloat16 = 14, kComputeFloat = 68;
constexpr int kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBias = 8;
constexpr unsigned kPlain = 1, kWithBias = 4;

struct Handle {
  int device;
};

struct Description {
  int compute, scale, transposes_a = 0, transposes_b = 0;
  unsigned epilogue = kPlain;
  Address bias = 0;
};

struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t stride;
};

struct Preference {
  uint64_t workspace_bytes = 0;
  uint32_t alignment = 256;
};

struct Algorithm {
  uint64_t data[8];
};

struct Heuristic {
  Algorithm algorithm;
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};

constexpr uint64_t kChosen = 0x70642d7374616e64;

size_t version = 120402;
bool has_no_algorithm = false;

float widened(uint16_t half) {
  uint32_t bits = uint32_t{half} << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Columns of D are rows of what the engine calls the output.
struct Product {
  Layout a, b, d;
  Address at_a, at_b, at_c, at_d, bias;
  float alpha, beta;

  void run() const {
    const uint16_t* first = reinterpret_cast<const uint16_t*>(at_a);
    const uint16_t* second = reinterpret_cast<const uint16_t*>(at_b);
    const float* adds = reinterpret_cast<const float*>(at_c);
    const float* per_row = reinterpret_cast<const float*>(bias);
    float* output = reinterpret_cast<float*>(at_d);
    for (uint64_t column = 0; column < d.columns; column++) {
      for (uint64_t row = 0; row < d.rows; row++) {
        float sums[4] = {};
        for (uint64_t k = 0; k < a.rows; k++)
          sums[k % 4] += widened(first[row * a.stride + k]) * widened(second[column * b.stride + k]);
        float value = alpha * ((sums[0] + sums[2]) + (sums[1] + sums[3]));
        uint64_t at = column * d.stride + row;
        if (beta != 0) value += beta * adds[at];
        if (per_row != nullptr) value += per_row[row];
        output[at] = value;
      }
    }
  }
};

bool fits(const Description& description, const Layout& a, const Layout& b, const Layout& c,
          const Layout& d) {
  bool has_types = a.type == kBFloat16 && b.type == kBFloat16 && c.type == kFloat && d.type == kFloat;
  bool has_forms = description.transposes_a == 1 && description.transposes_b == 0 &&
                   description.compute == kComputeFloat && description.scale == kFloat;
  bool has_shapes = a.rows == b.rows && a.columns == d.rows && b.columns == d.columns && c.rows == d.rows &&
                    c.columns == d.columns && c.stride == d.stride;
  return has_types && has_forms && has_shapes && a.stride % 8 == 0 && b.stride % 8 == 0;
}

uint64_t extent(const Layout& layout) {
  uint64_t size = layout.type == kFloat ? 4 : 2;
  return ((layout.columns - 1) * layout.stride + layout.rows) * size;
}

}  // namespace

PD_LIBRARY_API size_t cublasLtGetVersion() { return version; }

PD_LIBRARY_API const char* cublasLtGetStatusString(int status) {
  switch (status) {
    case kSuccess:
      return "the operation completed successfully";
    case kNoLibrary:
      return "the library was not initialized";
    case kInvalid:
      return "an unsupported value or parameter was passed to the function";
    case kExecutionFailed:
      return "the GPU program failed to execute";
    default:
      return "the functionality requested is not supported";
  }
}

PD_LIBRARY_API int cublasLtCreate(Handle** handle) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  if (usable_context() != kOk) return kNoLibrary;
  *handle = new Handle{current_context()->device};
  return kSuccess;
}

PD_LIBRARY_API int cublasLtDestroy(Handle* handle) {
  delete handle;
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatmulDescCreate(Description** description, int compute, int scale) {
  *description = new Description{compute, scale};
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatmulDescDestroy(Description* description) {
  delete description;
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatmulDescSetAttribute(Description* description, int attribute, const void* value,
                                                  size_t bytes) {
  switch (attribute) {
    case kTransposeA:
    case kTransposeB: {
      if (bytes != 4) return kInvalid;
      int& transposes = attribute == kTransposeA ? description->transposes_a : description->transposes_b;
      memcpy(&transposes, value, bytes);
      return kSuccess;
    }
    case kEpilogue:
      if (bytes != 4) return kInvalid;
      memcpy(&description->epilogue, value, bytes);
      return description->epilogue == kPlain || description->epilogue == kWithBias ? kSuccess : kInvalid;
    case kBias:
      if (bytes != 8) return kInvalid;
      memcpy(&description->bias, value, bytes);
      return kSuccess;
    default:
      return kInvalid;
  }
}

PD_LIBRARY_API int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns,
                                              int64_t stride) {
  if (rows == 0 || columns == 0 || stride < static_cast<int64_t>(rows)) return kInvalid;
  *layout = new Layout{type, rows, columns, stride};
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatrixLayoutDestroy(Layout* layout) {
  delete layout;
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatmulPreferenceCreate(Preference** preference) {
  *preference = new Preference;
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatmulPreferenceDestroy(Preference* preference) {
  delete preference;
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute,
                                                        const void* value, size_t bytes) {
  if (attribute == 1 && bytes == 8) {
    memcpy(&preference->workspace_bytes, value, bytes);
    return kSuccess;
  }
  uint32_t alignment = 0;
  if (attribute < 5 || attribute > 8 || bytes != sizeof alignment) return kInvalid;
  memcpy(&alignment, value, bytes);
  preference->alignment = std::min(preference->alignment, alignment);
  return alignment == 0 || (alignment & (alignment - 1)) != 0 ? kInvalid : kSuccess;
}

PD_LIBRARY_API int cublasLtMatmulAlgoGetHeuristic(Handle*, Description* description, Layout* a, Layout* b,
                                                  Layout* c, Layout* d, Preference* preference, int wanted,
                                                  Heuristic* found, int* count) {
  *count = 0;
  if (!fits(*description, *a, *b, *c, *d)) return kUnsupported;
  if (has_no_algorithm || wanted < 1) return kUnsupported;
  found[0] = {};
  found[0].algorithm.data[0] = kChosen;
  found[0].algorithm.data[1] = d->columns;
  found[0].algorithm.data[2] = preference->alignment;
  found[0].workspace_bytes = preference->workspace_bytes;
  *count = 1;
  return kSuccess;
}

PD_LIBRARY_API int cublasLtMatmul(Handle* handle, Description* description, const float* alpha, Address at_a,
                                  Layout* a, Address at_b, Layout* b, const float* beta, Address at_c,
                                  Layout* c, Address at_d, Layout* d, const Algorithm* algorithm,
                                  Address workspace, size_t workspace_bytes, void* stream_handle) {
  std::unique_lock<std::recursive_mutex> lock(machine().gate);
  if (usable_context() != kOk) return kNoLibrary;
  Stream* stream;
  if (find_stream(stream_handle, stream) != kOk || stream->context->device != handle->device) {
    refuse(kInvalidHandle, "the stream is of another device than the handle");
    return kInvalid;
  }
  bool is_chosen = algorithm->data[0] == kChosen && algorithm->data[1] == d->columns;
  if (!fits(*description, *a, *b, *c, *d) || !is_chosen) return kInvalid;
  if ((at_a | at_b | at_c | at_d) % algorithm->data[2] != 0) {
    refuse(kInvalidValue, "a matrix is not aligned as was said when the algorithm was asked for");
    return kInvalid;
  }
  if ((description->epilogue == kWithBias) != (description->bias != 0)) return kInvalid;
  Product product{*a, *b, *d, at_a, at_b, at_c, at_d, description->bias, *alpha, *beta};
  int device = handle->device;
  auto check = [=] {
    Result result = check_access(device, at_a, extent(product.a), "A of a product");
    if (result == kOk) result = check_access(device, at_b, extent(product.b), "B of a product");
    if (result == kOk) result = check_access(device, at_c, extent(product.d), "C of a product");
    if (result == kOk) result = check_access(device, at_d, extent(product.d), "D of a product");
    if (result == kOk && product.bias != 0)
      result = check_access(device, product.bias, product.d.rows * 4, "the bias of a product");
    if (result == kOk) result = check_access(device, workspace, workspace_bytes, "the room of a product");
    return result;
  };
  if (check() != kOk) return kInvalid;
  Result put = enqueue(*stream, [=] {
    if (Result result = check(); result != kOk) return result;
    product.run();
    return kOk;
  });
  return put == kOk ? kSuccess : kExecutionFailed;
}

// For tests.
PD_LIBRARY_API void pd_cublaslt_standin_set(size_t version_now, int finds_none) {
  version = version_now;
  has_no_algorithm = finds_none != 0;
}
