using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>The machine's limits, measured beside each row: the host's speed moves by itself.</summary>
internal sealed unsafe class MachineLimits : IDisposable
{
    private const int ProbeMilliseconds = 150;
    private const int Fma = 1, Vnni = 2, Amx = 3, Read = 4;
    private readonly nint _team;

    /// <param name="threads">Threads that the limits are of.</param>
    public MachineLimits(int threads)
    {
        Threads = threads;
        int[] cores = new int[threads];
        Array.Fill(cores, -1);
        nint team;
        fixed (int* first = cores)
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_team_create(first, threads, &team));
        _team = team;
    }

    public int Threads { get; }

    /// <summary>FLOP/s of what an instruction set multiplies with: AMX tiles, or float32 FMA.</summary>
    public double FlopsPerSecond(CpuIsa isa) => Measure(isa == CpuIsa.Amx ? Amx : Fma)!.Value;

    /// <summary>Bytes/s of reads past the caches.</summary>
    public double BytesPerSecond() => Measure(Read)!.Value;

    /// <summary>All limits in a line; what the CPU lacks is null.</summary>
    public string Json() =>
        $"{{\"threads\": {Threads}, \"amx_bf16_gflops\": {Giga(Amx)}, \"fma_fp32_gflops\": {Giga(Fma)}, "
        + $"\"vnni_int8_gops\": {Giga(Vnni)}, \"read_gbps\": {Giga(Read)}}}";

    public void Dispose() => CpuNative.pd_cpu_team_destroy(_team);

    private string Giga(int what) => Measure(what) is { } rate ? $"{rate / 1e9:F1}" : "null";

    private double? Measure(int what)
    {
        double rate;
        NativeStatus status = CpuNative.pd_cpu_probe(_team, what, ProbeMilliseconds, &rate);
        if (status == NativeStatus.Unsupported)
            return null;
        NativeCalls.ThrowIfFailed(status);
        return rate;
    }
}
