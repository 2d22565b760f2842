// The platform on a GPU: PTX for sm_80 and later.
#pragma once

#define DEVICE __device__ __forceinline__
// A kernel that says itself when it has waited for the one before it.
#define PD_KERNEL_AHEAD(name, Args, threads, blocks_per_sm) \
  extern "C" __global__ void __launch_bounds__(threads, blocks_per_sm) name(const __grid_constant__ Args args)
#define PD_KERNEL(name, Args, threads, blocks_per_sm)   \
  DEVICE void name##_body(const Args& args);            \
  PD_KERNEL_AHEAD(name, Args, threads, blocks_per_sm) { \
    await_kernel();                                     \
    release_kernel();                                   \
    name##_body(args);                                  \
  }                                                     \
  DEVICE void name##_body(const Args& args)

namespace pd::cuda {

typedef float2 Float2;
typedef float4 Float4;
typedef uint4 Bits16;

DEVICE i32 thread_x() { return i32(threadIdx.x); }
DEVICE i32 block_x() { return i32(blockIdx.x); }
DEVICE i32 block_y() { return i32(blockIdx.y); }
DEVICE i32 block_z() { return i32(blockIdx.z); }
DEVICE i32 grid_x() { return i32(gridDim.x); }
DEVICE void sync_block() { __syncthreads(); }
DEVICE void sync_warp() { __syncwarp(); }
DEVICE void await_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
DEVICE void release_kernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
#endif
}

extern __shared__ __align__(1024) unsigned char dynamic_shared[];
template <class T>
DEVICE T* shared_memory() {
  return reinterpret_cast<T*>(dynamic_shared);
}

template <class To>
DEVICE To reinterpret_bits(u32 bits) {
  return To(bits);
}
template <>
DEVICE float reinterpret_bits<float>(u32 bits) {
  return __uint_as_float(bits);
}
template <class To>
DEVICE To reinterpret_bits(float value) {
  return To(__float_as_uint(value));
}

DEVICE u32 pack_bf16(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}
DEVICE float fused(float a, float b, float c) { return __fmaf_rn(a, b, c); }
DEVICE float divide(float a, float b) { return __fdiv_rn(a, b); }
DEVICE float square_root(float x) { return __fsqrt_rn(x); }
DEVICE float exponential(float x) { return expf(x); }
DEVICE double exponential(double x) { return exp(x); }
DEVICE double logarithm(double x) { return log(x); }
DEVICE float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
DEVICE u32 multiply_high(u32 a, u32 b) { return __umulhi(a, b); }
DEVICE float round_down(double x) { return __double2float_rd(x); }
DEVICE i32 count_bits(u32 x) { return __popc(x); }
DEVICE i32 log2_of(i32 power) { return __ffs(power) - 1; }

DEVICE Float4 load4(const float* from) { return *reinterpret_cast<const Float4*>(from); }
DEVICE void store4(float* to, Float4 value) { *reinterpret_cast<Float4*>(to) = value; }
DEVICE Float2 load2(const float* from) { return *reinterpret_cast<const Float2*>(from); }
DEVICE void store2(float* to, Float2 value) { *reinterpret_cast<Float2*>(to) = value; }
DEVICE Float4 load4_written(const float* from) { return __ldcg(reinterpret_cast<const Float4*>(from)); }
DEVICE Bits16 load16(const void* from) { return *reinterpret_cast<const Bits16*>(from); }
DEVICE void store16(void* to, Bits16 value) { *reinterpret_cast<Bits16*>(to) = value; }

DEVICE u32 shared_address(const void* pointer) { return u32(__cvta_generic_to_shared(pointer)); }
// A place in shared memory, in 32 bits; moves by elements of bf16.
struct SharedTile {
  u32 address;
  DEVICE SharedTile operator+(i32 elements) const { return SharedTile{address + u32(elements * 2)}; }
};
DEVICE SharedTile shared_tile(const bf16* tile) { return SharedTile{shared_address(tile)}; }
DEVICE void copy16(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(global), "r"(valid ? 16 : 0)
               : "memory");
}
DEVICE void copy16_early(void* shared, const void* global, bool valid) { copy16(shared, global, valid); }
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int LEFT>
DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}

template <class T, class Join>
DEVICE T warp_join(T value, Join join) {
#pragma unroll
  for (int distance = 16; distance > 0; distance >>= 1)
    value = join(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}
template <class Join>
DEVICE void quad_join(float (&values)[2], Join join) {
#pragma unroll
  for (int distance = 1; distance < 4; distance <<= 1)
#pragma unroll
    for (int i = 0; i < 2; i++) values[i] = join(values[i], __shfl_xor_sync(~0u, values[i], distance));
}
DEVICE u32 warp_ballot(bool value) { return __ballot_sync(~0u, value); }

DEVICE void ldmatrix(u32 (&fragment)[4], SharedTile row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"(row.address)
               : "memory");
}
DEVICE void ldmatrix_transposed(u32 (&fragment)[4], SharedTile row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"(row.address)
               : "memory");
}
DEVICE void mma(float (&c)[4], const u32* a, const u32* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// fragments[s] = the 16 x 16 tile whose row rows.row(s) this lane names.
template <int STEPS, class Rows>
DEVICE void load_fragments(u32 (&fragments)[STEPS][4], const Rows& rows) {
#pragma unroll
  for (int s = 0; s < STEPS; s++) ldmatrix(fragments[s], rows.row(s));
}

// sums[i][j] += a's tile i times b's tile j, 16 columns a step, steps ascending. a: registers(s, i), or where
// A::kShared row(s, i); b: row(s, j) of the tiles j and j + 1.
template <bool TRANSPOSED, int STEPS, int MT, int NT, class A, class B>
DEVICE void warp_product(float (&sums)[MT][NT][4], const A& a, const B& b) {
#pragma unroll
  for (int s = 0; s < STEPS; s++) {
    u32 left[MT][4];
#pragma unroll
    for (int i = 0; i < MT; i++) {
      if constexpr (A::kShared) {
        ldmatrix(left[i], a.row(s, i));
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++) left[i][e] = a.registers(s, i)[e];
      }
    }
#pragma unroll
    for (int j = 0; j < NT; j += 2) {
      u32 right[4];
      if constexpr (TRANSPOSED)
        ldmatrix_transposed(right, b.row(s, j));
      else
        ldmatrix(right, b.row(s, j));
#pragma unroll
      for (int i = 0; i < MT; i++) {
        mma(sums[i][j], left[i], right);
        mma(sums[i][j + 1], left[i], right + 2);
      }
    }
  }
}

// On memory of the whole device, where blocks meet.
DEVICE void fence_device() { __threadfence(); }
DEVICE i32 fetch_add_device(i32* to, i32 value) { return atomicAdd(to, value); }
// On memory of one block.
DEVICE void add_shared(u32* to, u32 value) { atomicAdd(to, value); }
DEVICE void add_shared(u64* to, u64 value) { atomicAdd(to, value); }
DEVICE u32 fetch_add(u32* to, u32 value) { return atomicAdd(to, value); }
DEVICE u32 exchange(u32* to, u32 value) { return atomicExch(to, value); }

}  // namespace pd::cuda
