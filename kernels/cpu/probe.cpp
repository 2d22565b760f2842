// The machine's limits, measured: what a kernel's share is a share of. Arithmetic runs on independent
// registers with no loads; reads go over memory of each thread's own in eight interleaved streams of
// 256-byte turns, since one stream a core leaves a third of the bandwidth unused. Rates of all threads, each
// over its own time, are added up.
#include <immintrin.h>
#include <string.h>
#include <time.h>

#include <atomic>

#include "isa.h"
#include "last_error.h"
#include "team.h"
#include "tiles_hardware.h"

namespace {

constexpr int kChains = 12;
constexpr int kBf16Chains = 16;  // two a cycle, six cycles each, and some to spare
constexpr int64_t kStreams = 8;
constexpr int64_t kTurnBytes = 256;

double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

// Calls burst() until the time is up and returns operations per second, each burst being so many.
template <class Burst>
double rate_of(double seconds, double operations_per_burst, Burst burst) {
  const double start = now();
  double bursts = 0, elapsed;
  do {
    burst();
    bursts++;
    elapsed = now() - start;
  } while (elapsed < seconds);
  return bursts * operations_per_burst / elapsed;
}

__attribute__((target("avx512f"))) void fma_512_burst() {
  __m512 chain[kChains], x = _mm512_set1_ps(1.0001f), y = _mm512_set1_ps(1e-9f);
  for (int i = 0; i < kChains; i++) chain[i] = _mm512_set1_ps(float(i));
  for (int turn = 0; turn < 100000; turn++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) chain[i] = _mm512_fmadd_ps(chain[i], x, y);
    asm volatile("" : "+v"(x));
  }
  for (int i = 0; i < kChains; i++) asm volatile("" ::"v"(chain[i]));
}

__attribute__((target("avx2,fma"))) void fma_256_burst() {
  __m256 chain[kChains], x = _mm256_set1_ps(1.0001f), y = _mm256_set1_ps(1e-9f);
  for (int i = 0; i < kChains; i++) chain[i] = _mm256_set1_ps(float(i));
  for (int turn = 0; turn < 100000; turn++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) chain[i] = _mm256_fmadd_ps(chain[i], x, y);
    asm volatile("" : "+x"(x));
  }
  for (int i = 0; i < kChains; i++) asm volatile("" ::"x"(chain[i]));
}

__attribute__((target("avx512f,avx512vnni"))) void vnni_burst() {
  __m512i chain[kChains], x = _mm512_set1_epi32(0x01010101);
  for (int i = 0; i < kChains; i++) chain[i] = _mm512_set1_epi32(i);
  for (int turn = 0; turn < 100000; turn++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) chain[i] = _mm512_dpbusd_epi32(chain[i], x, x);
    asm volatile("" : "+v"(x));
  }
  for (int i = 0; i < kChains; i++) asm volatile("" ::"v"(chain[i]));
}

// Every chain hides its start from the compiler, which would otherwise run equal ones as one.
__attribute__((target("avx512f,avx512bf16"))) void bf16_burst() {
  __m512 chain[kBf16Chains];
  __m512i x = _mm512_set1_epi32(0x3f803f80);
  for (int i = 0; i < kBf16Chains; i++) {
    chain[i] = _mm512_setzero_ps();
    asm volatile("" : "+v"(chain[i]));
  }
  for (int turn = 0; turn < 100000; turn++) {
#pragma GCC unroll 16
    for (int i = 0; i < kBf16Chains; i++) chain[i] = _mm512_dpbf16_ps(chain[i], __m512bh(x), __m512bh(x));
    asm volatile("" : "+v"(x));
  }
  for (int i = 0; i < kBf16Chains; i++) asm volatile("" ::"v"(chain[i]));
}

void amx_burst() {
  HardwareTiles tiles;
  for (int turn = 0; turn < 20000; turn++) {
    tiles.dot<0, 6, 7>();
    tiles.dot<1, 6, 7>();
    tiles.dot<2, 6, 7>();
    tiles.dot<3, 6, 7>();
    tiles.dot<4, 6, 7>();
    tiles.dot<5, 6, 7>();
  }
}

double amx_rate(double seconds) {
  TileShapes shapes;
  for (int tile = 0; tile < 8; tile++) {
    shapes.row_bytes[tile] = 64;
    shapes.rows[tile] = 16;
  }
  HardwareTiles tiles;
  tiles.configure(shapes);
  const double rate = rate_of(seconds, 20000.0 * 6 * 16 * 16 * 32 * 2, amx_burst);
  tiles.release();
  return rate;
}

__attribute__((target("avx2"))) void read_burst(const char* memory, int64_t bytes) {
  __m256i sum = _mm256_setzero_si256();
  const int64_t part = bytes / kStreams;
  for (int64_t offset = 0; offset < part; offset += kTurnBytes)
    for (int64_t stream = 0; stream < kStreams; stream++) {
      const auto* turn = reinterpret_cast<const __m256i*>(memory + stream * part + offset);
      for (int64_t i = 0; i < kTurnBytes / 32; i++) sum = _mm256_xor_si256(sum, _mm256_load_si256(turn + i));
    }
  asm volatile("" ::"x"(sum));
}

struct Probe {
  int32_t what;
  double seconds;
  int32_t threads;
  int64_t read_bytes;
  std::atomic<int32_t> arrived{0};
  std::atomic<bool> short_of_memory{false};
  double rates[1024];

  void run(int64_t index) {
    void* memory = nullptr;
    if (what == PD_PROBE_READ) {
      if (pd_cpu_map(read_bytes, &memory) == PD_OK)
        memset(memory, 1, size_t(read_bytes));
      else
        short_of_memory = true;
    }
    // Each thread holds its tile here until all have one, so that all run at once.
    arrived.fetch_add(1);
    while (arrived.load() < threads) _mm_pause();
    if (what != PD_PROBE_READ)
      rates[index] = arithmetic();
    else if (memory)
      rates[index] = rate_of(seconds, double(read_bytes),
                             [&] { read_burst(static_cast<char*>(memory), read_bytes); });
    if (memory) pd_cpu_unmap(memory, read_bytes);
  }

  double arithmetic() const {
    const double fma_operations = 100000.0 * kChains * 2;
    switch (what) {
      case PD_PROBE_AMX:
        return amx_rate(seconds);
      case PD_PROBE_VNNI:
        return rate_of(seconds, 100000.0 * kChains * 128, vnni_burst);
      case PD_PROBE_BF16:
        return rate_of(seconds, 100000.0 * kBf16Chains * 64, bf16_burst);
      default:
        return pd::uses_avx512(PD_ISA_AVX512) ? rate_of(seconds, fma_operations * 16, fma_512_burst)
                                              : rate_of(seconds, fma_operations * 8, fma_256_burst);
    }
  }
};

int32_t isa_of(int32_t what) {
  if (what == PD_PROBE_AMX) return PD_ISA_AMX;
  return what == PD_PROBE_BF16 ? PD_ISA_AVX512_BF16 : PD_ISA_AVX2;
}

}  // namespace

pd_status pd_cpu_probe(pd_team* team, int32_t what, int32_t milliseconds, int64_t read_bytes, double* rate) {
  if (what < PD_PROBE_FMA || what > PD_PROBE_BF16 || milliseconds < 1 || milliseconds > 60000)
    return pd::fail(PD_INVALID_ARGUMENT, "no probe %d of %d ms", what, milliseconds);
  if (what == PD_PROBE_READ && (read_bytes <= 0 || read_bytes % (kStreams * kTurnBytes) != 0))
    return pd::fail(PD_INVALID_ARGUMENT, "no read probe over %lld bytes", static_cast<long long>(read_bytes));
  if (what == PD_PROBE_VNNI && !__builtin_cpu_supports("avx512vnni"))
    return pd::fail(PD_UNSUPPORTED, "this CPU has no AVX-512 VNNI");
  if (pd_status status = pd::require_isa(isa_of(what))) return status;
  static thread_local Probe probe;
  probe.what = what;
  probe.seconds = milliseconds * 1e-3;
  probe.threads = pd::team_size(team);
  probe.read_bytes = read_bytes;
  probe.arrived = 0;
  probe.short_of_memory = false;
  Probe* shared = &probe;
  pd::parallel(team, probe.threads, [=](int64_t tile, int32_t) { shared->run(tile); });
  if (probe.short_of_memory) return pd::fail(PD_OUT_OF_MEMORY, "the read probe needs %lld bytes a thread",
                    static_cast<long long>(read_bytes));
  *rate = 0;
  for (int32_t i = 0; i < probe.threads; i++) *rate += probe.rates[i];
  return PD_OK;
}
