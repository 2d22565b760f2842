// What every kernel takes: one struct, by value, its only parameter. Mirrored field by field in interop/Cuda.
// Pointers are device addresses, 64 bits. i32, i64, float; no padding but where a comment names it.
//
// Element types, fixed for good:
//   bf16     weights, K and V, and whatever only a product reads: the outputs of pd_rms_norm, pd_attention_*
//            and a gated product, the query heads that pd_rotate_append leaves
//   float32  the residual stream, qkv, partial products, logits, norm weights, biases
//
// A row of every output is a function of that row's inputs alone: of no other row, of no count of rows, of
// neither tile height nor plan nor grid. Launch shapes are constants of the shape, so that a graph can hold
// them; what varies from step to step is read from device memory.
//
// A kernel may be launched before the one before it on its stream has ended: it awaits that one before it
// touches anything but weights of products, which no kernel writes.
#pragma once

namespace pd::cuda {

typedef int i32;
typedef long long i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef u16 bf16;

constexpr i32 kRowThreads = 128;  // of the kernels that take a row a block
constexpr i32 kCopyThreads = 256;
constexpr i32 kSampleThreads = 512;
constexpr i32 kKeyTile = 64;     // keys of one step of attention
constexpr i32 kSplitKeys = 512;  // keys of one split, counted from position 0
constexpr i32 kGemmDepth = 64;   // columns of one step of a product

struct TokenLogProb {  // SampleResult, TopLogProb
  i32 token;
  float logprob;
};

// pd_embed: output[i] = row tokens[i] of the table, as float32.
// grid (rows), block kRowThreads, no shared memory.
// A token below 0 is the one that draw -1 - token of the step before came to. An id outside the vocabulary
// gives zeros.
struct EmbedArgs {
  const bf16* table;             // [vocabulary, columns]
  const i32* tokens;             // [rows]
  const TokenLogProb* previous;  // results of the step before; may be null where no token is below 0
  float* output;                 // [rows, columns]
  i64 table_stride;              // elements from a row to the next, as all strides here; a multiple of 8
  i64 output_stride;
  i32 columns;  // a multiple of 4
  i32 vocabulary;
};

// pd_rms_norm: output = input / rms(input) * weight, rounded to bf16.
// grid (rows), block kRowThreads, shared memory kRmsNormSharedBytes.
constexpr i32 kRmsNormSharedBytes = 64;
struct RmsNormArgs {
  const float* input;               // [rows, columns]
  const float* weight;              // [columns]
  bf16* output;                     // [rows, columns]
  i64 input_stride, output_stride;  // multiples of 4
  i32 columns;                      // a multiple of 4
  float epsilon;
};

// pd_gather_rows: output[i] = input[rows[i]], float32. grid (count), block kRowThreads, no shared memory.
// A row below 0 leaves output[i] as it is.
struct GatherRowsArgs {
  const float* input;               // [.., columns]
  const i32* rows;                  // [count]
  float* output;                    // [count, columns]
  i64 input_stride, output_stride;  // multiples of 4
  i32 columns;                      // a multiple of 4
  i32 reserved;
};

// pd_gemm_*: input weightᵀ, bf16 by bf16 into float32, the same bits in each.
// A sum is one chain over its segment's columns, 16 at a time; segments are added (s0+s1)+(s2+s3), then the
// bias, then (kGemmAdd) the residual.
//               tile (rows x outputs)  block  stages
//   m16           16 x 32                32      8
//   m32           32 x 64                64      6
//   m64           64 x 64               128      6
//   m64_n128      64 x 128              128      4
//   m128         128 x 128              256      3
//   m128_n256    128 x 256              256      4
// grid (ceil(outputs / tile outputs), ceil(rows / tile rows), 1; segments where kGemmPartials or scratch).
// With scratch a segment is a block's, and the last block of a tile to end adds them: the same bits again.
// Shared memory: gemm_shared_bytes, which may be more than a device has: another tile serves there.
// Alignment of input, weight: 16 bytes. columns / segments, input_stride, weight_stride: multiples of 8.
enum GemmEpilogue : i32 {
  kGemmStore = 0,     // output = sum + bias
  kGemmAdd = 1,       // output += sum + bias
  kGemmSwiGlu = 2,    // bf16 output [rows, outputs / 2] = silu(gate) * up; rows of the weight as in GatedRows
  kGemmPartials = 3,  // segment z goes to output + z * segment_stride, apart; no bias. For pd_add_partials
};
struct GemmArgs {
  const bf16* input;   // [rows, columns]
  const bf16* weight;  // [outputs, columns]
  const float* bias;   // [outputs], or null
  void* output;        // float [rows, outputs]; bf16 where gated
  i64 input_stride, weight_stride, output_stride;
  i64 segment_stride;          // floats; of kGemmPartials alone
  float* scratch;              // null, or where 2 or 4 segments wait: segments floats for each of a tile
  i32* arrivals;               // of scratch alone: 0 for each tile, and so again when all have ended
  i32 rows, outputs, columns;  // outputs a multiple of 32 where gated
  i32 segments;                // 1, 2 or 4
  i32 epilogue;                // a GemmEpilogue
  i32 reserved;
};
constexpr i32 gemm_shared_bytes(i32 tile_rows, i32 tile_outputs, i32 stages, i32 segments, bool apart) {
  const i32 sums = apart || segments == 1 ? 0 : segments / 2;
  return stages * (tile_rows + tile_outputs) * kGemmDepth * 2 + sums * tile_rows * tile_outputs * 4;
}

// pd_add_partials: output[:, first_column + c] (+)= (p0+p1)+(p2+p3) + bias, all float32.
// grid (ceil(columns / (4 * kRowThreads)), rows), block kRowThreads, no shared memory.
// The partials may lie on peers: of segments, or of the ranks of a tensor-parallel group in order of rank.
struct AddPartialsArgs {
  const float* partials[4];  // [rows, ..]; those from count on are not read
  const float* bias;         // by column of the output, or null
  float* output;             // [rows, ..]
  i64 partial_stride, output_stride;
  i32 first_column, columns;
  i32 count;  // 1, 2 or 4
  i32 adds;   // 1: added to what output holds, as the residual; 0: stored
};

// Where a token of the batch stands, and the block of that position. A padded row's block is one that no
// sequence reads.
struct TokenPlace {
  i32 position;
  i32 block;
};

// Where K and V lie: a layer of a block is [K, V][heads][page_size][head_dim] bf16, as KvLayout says.
// pd_rotate_append: q and k heads are normalised (where weights are given) and turned, k and v written.
// grid (tokens, ceil((heads + 2 * kv_heads) / 4)), block kRowThreads, no shared memory.
// q is turned in place and left as bf16: the first head_dim * 2 of a head's head_dim * 4 bytes.
struct RotateAppendArgs {
  float* qkv;                // [tokens, (heads + 2 * kv_heads) * head_dim]
  const float* rope;         // [positions, head_dim]: head_dim / 2 cosines, then sines
  const float* query_norm;   // [head_dim], or null
  const float* key_norm;     // [head_dim], or null
  u8* store;                 // the layer's K plane of block 0
  const TokenPlace* places;  // [tokens]
  i64 qkv_stride, rope_stride;
  i64 block_bytes;  // from a block to the next
  i64 plane_bytes;  // from K to V: all heads of the store
  i32 heads, kv_heads;
  i32 head_dim;  // 16, 32, 64 or 128
  i32 page_size;
  i32 first_kv_head;  // head of the store that KV head 0 is
  float epsilon;
};

// AttentionSlice: queries at positions [start, start + query_count) of one sequence.
struct AttentionSlice {
  i32 first_token;  // row of the batch
  i32 query_count;  // 0: padding, all of its units do nothing
  i32 start;
  i32 first_block;  // index in blocks of the block of position 0
};

// Work of a thread block, for each KV head: some splits of a tile of a slice's rows. Row r of a slice is
// query r / group, head r % group of the KV head's group = heads / kv_heads query heads. Splits whose keys no
// row of the tile sees may be left out.
struct AttentionUnit {
  i32 slice;      // below 0: nothing to do
  i32 first_row;  // a multiple of the tile height
  i32 first_split;
  i32 split_count;
  i32 partial;  // index of the partial of first_split, the others following; -1: these are all the splits
                // that the tile sees, and the output is written here
};

// pd_attention_d{16,32,64,128}_m{16,64,256}: causal attention over paged K and V, head_dim d, tile height m.
// grid (units, kv_heads), block 2 * m (256 for m256), shared memory attention_shared_bytes(m, d).
// A split keeps its maximum, sum and accumulator; splits are merged left to right, here or in
// pd_attention_merge, with the same bits.
// A partial is [kv_heads][m * (head_dim + 2)] floats: m rows of accumulator, m maxima, m sums.
struct AttentionArgs {
  const float* qkv;  // as pd_rotate_append leaves it
  const u8* store;   // the layer's K plane of block 0
  const AttentionSlice* slices;
  const i32* blocks;
  const AttentionUnit* units;
  float* partials;
  bf16* output;                   // [tokens, heads * head_dim]
  i64 qkv_stride, output_stride;  // multiples of 8
  i64 block_bytes, plane_bytes;
  i32 heads, kv_heads;
  i32 page_size;
  i32 first_kv_head;
  i32 window;        // latest positions that a query sees, its own included; 0 is all
  float scale_log2;  // head_dim^-0.5 * log2(e), rounded once from double
};
constexpr i32 attention_shared_bytes(i32 tile_rows, i32 head_dim) {
  // Keys and values, the merged rows and their states; queries of a tall tile.
  const i32 tiles = tile_rows > 64 ? 1 : 2, queries = tile_rows > 64 ? 2 * tile_rows * head_dim : 0;
  return tiles * 4 * kKeyTile * head_dim + queries + tile_rows * (4 * head_dim + 8);
}

// A tile whose splits lie in partials.
struct AttentionMergeTile {
  i32 slice;  // below 0: nothing to do
  i32 first_row;
  i32 first_partial;  // ascending splits
  i32 split_count;
};

// pd_attention_merge: the tiles that no unit finished. grid (tiles, kv_heads), block kRowThreads, no shared
// memory.
struct AttentionMergeArgs {
  const float* partials;
  const AttentionMergeTile* tiles;
  const AttentionSlice* slices;
  bf16* output;  // [tokens, heads * head_dim]
  i64 output_stride;
  i32 heads, kv_heads, head_dim;
  i32 tile_rows;  // m of the kernel that wrote the partials
};

// SampleRow.cs, field by field; 4 bytes of padding at the end.
struct SampleRow {
  u64 seed;
  i32 logits_row;  // below 0: padding, nothing is written
  i32 position, target, top_count, first_top;
  float temperature, top_p, min_p;
  i32 top_k, top_p_mode, logprob_mode;
  float repetition_penalty, frequency_penalty, presence_penalty;
  i32 first_history, history_count, prompt_count;
  i32 first_bias, bias_count, first_suppressed, suppressed_count;
};

enum SampleFault : i32 {
  kSampleFine = 0,
  kSampleInfinite = 1,   // the logits have an infinite value or a NaN
  kSampleNothing = 2,    // nothing finite is left
  kSampleForeignId = 3,  // the row names an id that the vocabulary lacks
};

// pd_sample: draws and scores rows; the definition is in SampleRow.cs. A faulty row's result is (-1, NaN).
// grid (any number of blocks up to row_count), block kSampleThreads, shared memory kSampleSharedBytes.
// vocabulary is at most 2^20. Ids of a row's bias are distinct. An id of the history below 0 is the token of
// draw -1 - id of the step before.
constexpr i32 kSampleSharedBytes = 2048 * 12 + 512;
struct SampleArgs {
  const float* logits;    // [rows, vocabulary]; row 0 is logits row first_logits_row
  const SampleRow* rows;  // [row_count]
  const i32* history;
  const i32* bias_ids;
  const float* bias_values;
  const i32* suppressed;
  const TokenLogProb* previous;  // results of the step before, or null
  TokenLogProb* results;         // [row_count]
  TokenLogProb* tops;            // indexed by first_top
  i32* faults;                   // [row_count], a SampleFault each
  u8* scratch;        // sample_scratch_bytes(vocabulary) for each block of the grid, 64-byte aligned
  i64 logits_stride;  // a multiple of 4
  i32 vocabulary, row_count, first_logits_row;
  i32 reserved;
};
constexpr i64 sample_scratch_bytes(i64 vocabulary) { return (vocabulary * 8 + 63) / 64 * 64; }

// pd_copy_blocks: heads of layers of blocks from one store (or dense buffer) to another: copy of a block,
// gather into a staging buffer, scatter out of one, another cut of the heads, push into a peer's pool.
// grid (layers * planes, blocks), block kCopyThreads, no shared memory. source and target do not overlap but
// where they are the same store and the blocks differ.
struct CopyBlocksArgs {
  const u8* source;          // block 0
  u8* target;                // block 0
  const i32* source_blocks;  // [blocks]; null: block i is i
  const i32* target_blocks;  // [blocks]; null: block i is i
  i64 source_block_bytes, source_layer_bytes, source_plane_bytes;
  i64 target_block_bytes, target_layer_bytes, target_plane_bytes;
  i64 head_bytes;                  // of one head of one plane of a block; a multiple of 16
  i32 source_layer, target_layer;  // first
  i32 source_head, target_head;    // first
  i32 heads, planes;
};

}  // namespace pd::cuda
