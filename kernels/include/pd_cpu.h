// C ABI of the CPU kernels. Every op takes one argument struct, returns a status and never throws or unwinds;
// the text of a failure is in pd_last_error(). All float data is float32 unless said otherwise; offsets and
// strides are in elements unless the name says bytes.
//
// Determinism: threads take whole outputs, never parts of a sum, so each output is one fixed chain of
// operations whatever the thread count or the other rows.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PD_API __attribute__((visibility("default")))
#else
#define PD_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t pd_status;
enum { PD_OK = 0, PD_INVALID_ARGUMENT = 1, PD_OUT_OF_MEMORY = 2, PD_UNSUPPORTED = 3, PD_FAILED = 4 };

// Instruction sets. The emulated one runs the AMX tile kernels in AVX2 with the hardware's
// arithmetic.
enum {
  PD_ISA_AVX2 = 1,
  PD_ISA_AVX512 = 2,
  PD_ISA_AMX = 3,
  PD_ISA_AMX_EMULATED = 4,
  PD_ISA_AVX512_BF16 = 5,  // bf16 dot products (vdpbf16ps): inputs of products are rounded to bf16
};

// Text of the calling thread's last failure; valid until its next one.
PD_API const char* pd_last_error(void);

// PD_OK if this process can run the instruction set here (AMX permission is requested on first ask).
PD_API pd_status pd_cpu_isa_supported(int32_t isa);

// The instruction set that is fastest on this CPU, of those that it can run.
PD_API int32_t pd_cpu_best_isa(void);

// ---- Crews and teams. A team is one device: a run of its crew's cores. One thread at a time calls its ops
// and computes too; its first op pins it to the team's first core, unless it is the process's first thread.
typedef struct pd_crew pd_crew;
typedef struct pd_team pd_team;
typedef struct {
  int32_t first_core, core_count;  // indices into the crew's cores
} pd_core_run;
typedef struct {
  const int32_t* cores;      // [core_count]: numbers of the machine's cores; -1 leaves a thread free
  const pd_core_run* teams;  // [team_count]: apart from each other, or of one core each
  int32_t core_count, team_count;
  int32_t lends;  // 1: cores whose teams all rest compute tiles of other teams' ops
  int32_t reserved;
} pd_crew_args;
PD_API pd_status pd_cpu_crew_create(const pd_crew_args* args, pd_crew** crew);
// No team may be in an op; its teams end with it.
PD_API void pd_cpu_crew_destroy(pd_crew* crew);
// A team of the crew, by its place in the arguments; null if there is none.
PD_API pd_team* pd_cpu_crew_team(pd_crew* crew, int32_t index);
// The team has no work: its cores may be lent until its next op, when they leave foreign ops within a tile.
PD_API void pd_cpu_team_rest(pd_team* team);
// Tiles of this team's ops that other teams' cores have computed; any thread may ask.
PD_API int64_t pd_cpu_team_lent_tiles(const pd_team* team);

// ---- Memory: zeroed, 2 MiB aligned, huge pages advised, committed on first touch.
PD_API pd_status pd_cpu_map(int64_t bytes, void** memory);
PD_API void pd_cpu_unmap(void* memory, int64_t bytes);
// Gives the pages of a mapping back to the system; it reads as zeros and is committed anew as it is touched.
PD_API pd_status pd_cpu_vacate(void* memory, int64_t bytes);

// ---- Weights: bf16 panels in the instruction set's own order.
// Bytes of a packed [n, k] weight.
PD_API int64_t pd_cpu_packed_bytes(int32_t isa, int64_t n, int64_t k);
typedef struct {
  const float* rows;  // [row_count, k], row-major
  void* packed;       // pd_cpu_packed_bytes
  int64_t n, k;       // the whole weight
  int64_t first_row;  // a multiple of 32
  int64_t row_count;  // a multiple of 32, or up to n
  int32_t isa;
  int32_t reserved;
} pd_pack_args;  // rounds to nearest even; single-threaded: callers pack disjoint row ranges in parallel
PD_API pd_status pd_cpu_pack(const pd_pack_args* args);
typedef struct {
  const void* packed;  // [n, k]
  float* rows;         // [row_count, k], row-major
  int64_t n, k;
  int64_t first_row, row_count;  // any within n
  int32_t isa;
  int32_t reserved;
} pd_unpack_args;  // the rows as they were rounded; single-threaded
PD_API pd_status pd_cpu_unpack(const pd_unpack_args* args);

// What becomes of a product's sums, each complete with its bias:
//   PD_EPILOGUE_STORE   y = sum
//   PD_EPILOGUE_ADD     y = y + sum, for the residual
//   PD_EPILOGUE_SWIGLU  y [rows, n / 2] = silu(gate) * up, with the bits of pd_cpu_swiglu for the same
//                       sums. w, and bias with it, is packed from rows in this order: gate rows 0 to 15, up
//                       rows 0 to 15, gate rows 16 to 31, and so on; n is a multiple of 32.
enum { PD_EPILOGUE_STORE = 0, PD_EPILOGUE_ADD = 1, PD_EPILOGUE_SWIGLU = 2 };
typedef struct {
  pd_team* team;
  const float* x;     // [rows, k]
  const void* w;      // packed [n, k]
  const float* bias;  // [n], or null; added last
  float* y;           // [rows, n], or as the epilogue says
  void* scratch;      // pd_cpu_matmul_scratch_bytes, 64-byte aligned
  int64_t rows, n, k, x_stride, y_stride;
  int32_t isa;
  int32_t segments;  // 1, 2 or 4 equal runs of k, each its own chain, then (s0+s1)+(s2+s3)
  int32_t epilogue;
  int32_t reserved;
} pd_matmul_args;
PD_API int64_t pd_cpu_matmul_scratch_bytes(const pd_matmul_args* args);
PD_API pd_status pd_cpu_matmul(const pd_matmul_args* args);  // y = x w^T + bias

// ---- Int8 weights: of an output and segment one scale; activations are quantised by row and segment. The
// definition is in engine/PdEngine/Compute/Int8Quantization.cs.
PD_API int64_t pd_cpu_int8_packed_bytes(int32_t isa, int64_t n, int64_t k, int32_t segments);
typedef struct {
  const float* rows;  // [row_count, k], row-major
  void* packed;       // pd_cpu_int8_packed_bytes
  int64_t n, k;       // the whole weight
  int64_t first_row;  // a multiple of 32
  int64_t row_count;  // a multiple of 32, or up to n
  int32_t isa;
  int32_t segments;   // 1, 2 or 4, as the product's
} pd_pack_int8_args;  // single-threaded, as pd_cpu_pack
PD_API pd_status pd_cpu_pack_int8(const pd_pack_int8_args* args);
// y = x w^T + bias, with w from pd_cpu_pack_int8 for as many segments.
PD_API int64_t pd_cpu_matmul_int8_scratch_bytes(const pd_matmul_args* args);
PD_API pd_status pd_cpu_matmul_int8(const pd_matmul_args* args);

typedef struct {
  pd_team* team;
  const void* w;         // packed [n, k]
  const int32_t* ids;    // [count], each in [0, n)
  float* y;              // [count, k]
  int64_t count, n, k, y_stride;
  int32_t isa;
  int32_t reserved;
} pd_embed_args;
PD_API pd_status pd_cpu_embed(const pd_embed_args* args);  // y[i] = row ids[i] of w, widened

typedef struct {
  pd_team* team;
  const void* w;       // from pd_cpu_pack_int8, [n, k]
  const int32_t* ids;  // [count], each in [0, n)
  float* y;            // [count, k]
  int64_t count, n, k, y_stride;
  int32_t isa;
  int32_t segments;
} pd_embed_int8_args;
PD_API pd_status pd_cpu_embed_int8(const pd_embed_int8_args* args);  // y[i] = row ids[i] of w, times scale

// ---- Rows
typedef struct {
  pd_team* team;
  const float* x;       // [rows, columns]
  const float* weight;  // [columns]
  float* y;             // [rows, columns] = x / rms(x) * weight
  int64_t rows, columns, x_stride, y_stride;
  float epsilon;
  int32_t isa;
} pd_rms_norm_args;
PD_API pd_status pd_cpu_rms_norm(const pd_rms_norm_args* args);

typedef struct {
  pd_team* team;
  const float* gate_up;  // [rows, 2 * columns]: gate, then up
  float* y;              // [rows, columns] = silu(gate) * up
  int64_t rows, columns, gate_up_stride, y_stride;
  int32_t isa;
  int32_t reserved;
} pd_swiglu_args;
PD_API pd_status pd_cpu_swiglu(const pd_swiglu_args* args);

enum { PD_MAX_PARTIALS = 4 };
typedef struct {
  pd_team* team;
  const float* partials[PD_MAX_PARTIALS];  // each [rows, columns], rows partial_stride apart
  const float* bias;                       // [columns], or null; added last
  float* y;                                // [rows, columns] += (p0+p1)+(p2+p3) + bias
  int64_t rows, columns, partial_stride, y_stride;
  int32_t partial_count;  // 2 or 4
  int32_t isa;
} pd_sum_args;
PD_API pd_status pd_cpu_sum(const pd_sum_args* args);  // segments of a product that ranks made apart

// ---- Attention over paged K and V (bf16).
// A store is block after block; in a block layer after layer; in a layer the K plane, then the V plane; in a
// plane head after head, store_kv_heads of them; a call works on kv_heads of these from first_kv_head on.
// One head of one block is head_elements = page_size * head_dim bf16 values:
//   page_size >= 64 and head_dim % 16 == 0: tiles of 64 positions, each tile 64 * head_dim values:
//     K: [4 groups of 16 positions][head_dim / 2][16 positions][2 consecutive dims]
//     V: [head_dim / 16][32 pairs of positions][16 dims][2 positions of the pair]
//   otherwise [page_size][head_dim], gathered into such a tile (padded with zeros) before use.
typedef struct {
  int32_t first_token;  // index in the batch of the first query
  int32_t query_count;
  int32_t start;        // position of the first query
  int32_t first_block;  // index in blocks of the block with position 0
} pd_slice;

typedef struct {
  pd_team* team;
  float* qkv;              // [tokens, (heads + 2 * kv_heads) * head_dim]; q is turned in place
  const float* rope;       // [positions, head_dim]: head_dim / 2 cosines, then sines
  const float* q_norm;     // [head_dim], or null
  const float* k_norm;     // [head_dim], or null
  uint8_t* store;          // the layer's K plane of block 0
  const pd_slice* slices;
  const int32_t* blocks;
  int64_t qkv_stride, rope_stride, block_bytes;
  int32_t slice_count, token_count;
  int32_t heads, kv_heads, head_dim, page_size;
  float epsilon;
  int32_t isa;
  int32_t first_kv_head, store_kv_heads;
} pd_append_args;
PD_API pd_status pd_cpu_rotate_and_append(const pd_append_args* args);

typedef struct {
  pd_team* team;
  const float* q;        // [tokens, heads * head_dim], rows q_stride apart
  const uint8_t* store;  // the layer's K plane of block 0
  const pd_slice* slices;
  const int32_t* blocks;
  float* y;              // [tokens, heads * head_dim]
  void* scratch;         // pd_cpu_attend_scratch_bytes, 64-byte aligned
  int64_t q_stride, y_stride, block_bytes, scratch_bytes;
  int32_t slice_count, token_count;
  int32_t heads, kv_heads, head_dim, page_size;
  int32_t window;  // latest positions seen, the query's own included; 0 is all
  float scale;
  int32_t isa;
  int32_t first_kv_head, store_kv_heads;
  int32_t reserved;
} pd_attend_args;
PD_API int64_t pd_cpu_attend_scratch_bytes(const pd_attend_args* args);
PD_API pd_status pd_cpu_attend(const pd_attend_args* args);

// ---- Sampling. The definition is in engine/PdEngine/Compute/SampleRow.cs.
typedef struct {
  uint64_t seed;
  int32_t logits_row, position, target, top_count, first_top;
  float temperature, top_p, min_p;
  int32_t top_k, top_p_mode, logprob_mode;
  float repetition_penalty, frequency_penalty, presence_penalty;
  int32_t first_history, history_count, prompt_count;
  int32_t first_bias, bias_count, first_suppressed, suppressed_count;
} pd_sample_row;
typedef struct {
  int32_t token;
  float logprob;
} pd_token_logprob;
typedef struct {
  pd_team* team;
  const float* logits;  // [rows, vocabulary]; row 0 is logits row first_logits_row; read only
  const pd_sample_row* rows;
  const int32_t* history;
  const int32_t* bias_ids;
  const float* bias_values;
  const int32_t* suppressed;
  pd_token_logprob* results;  // [row_count]
  pd_token_logprob* tops;     // indexed by first_top
  void* scratch;              // pd_cpu_sample_scratch_bytes, 64-byte aligned
  int64_t logits_stride;
  int32_t vocabulary, row_count, first_logits_row;
  int32_t isa;
} pd_sample_args;
PD_API int64_t pd_cpu_sample_scratch_bytes(const pd_sample_args* args);
PD_API pd_status pd_cpu_sample(const pd_sample_args* args);

// ---- Float32 products, for training: a linear layer's output and its two gradients.
enum {
  PD_SGEMM_NT = 1,  // c[m, n] = a[m, k] b[n, k]^T
  PD_SGEMM_NN = 2,  // c[m, n] = a[m, k] b[k, n]
  PD_SGEMM_TN = 3,  // c[m, n] = a[k, m]^T b[k, n]
};
typedef struct {
  pd_team* team;
  const float* a;
  const float* b;
  float* c;
  void* scratch;  // pd_cpu_sgemm_scratch_bytes, 64-byte aligned
  int64_t m, n, k, a_stride, b_stride, c_stride;
  int32_t form;
  int32_t adds;  // 1: c += the product
  int32_t isa;
  int32_t reserved;
} pd_sgemm_args;
PD_API int64_t pd_cpu_sgemm_scratch_bytes(const pd_sgemm_args* args);
PD_API pd_status pd_cpu_sgemm(const pd_sgemm_args* args);

// ---- Limits of the machine, for benchmarks: all threads of the team at once, for so many milliseconds.
enum {
  PD_PROBE_FMA = 1,   // float32 fused multiply-adds, widest vectors: FLOP/s
  PD_PROBE_VNNI = 2,  // int8 dot products, 512-bit: OP/s
  PD_PROBE_AMX = 3,   // bf16 tile products: FLOP/s
  PD_PROBE_READ = 4,  // memory reads, 8 interleaved streams a thread, past the caches: bytes/s
  PD_PROBE_BF16 = 5,  // bf16 dot products (vdpbf16ps): FLOP/s
};
// PD_UNSUPPORTED where the CPU lacks the instructions.
// Reads go over so many bytes a thread, a multiple of 2048, each allocated for the call.
PD_API pd_status pd_cpu_probe(pd_team* team, int32_t what, int32_t milliseconds, int64_t read_bytes,
                              double* rate);

// Size of each struct here, by name, so that the managed side can prove its mirror; -1 for an unknown name.
PD_API int64_t pd_abi_sizeof(const char* name);

#ifdef __cplusplus
}
#endif
