using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>The machine's limits, measured beside each row: the host's speed moves by itself.</summary>
internal sealed unsafe class MachineLimits : IDisposable
{
    private const int Fma = 1, Vnni = 2, Amx = 3, ReadPastCaches = 4;
    private readonly CpuTeam _team;
    private readonly int _probeMilliseconds;

    /// <param name="threads">Threads that the limits are of.</param>
    /// <param name="probeMilliseconds">Time of one probe; the default is steady to a few percent.</param>
    public MachineLimits(int threads, int probeMilliseconds = 150)
    {
        Threads = threads;
        _probeMilliseconds = probeMilliseconds;
        _team = CpuTeam.Create(threads);
    }

    public int Threads { get; }

    /// <summary>FLOP/s of what an instruction set multiplies with: AMX tiles, or float32 FMA.</summary>
    public double FlopsPerSecond(CpuIsa isa) => Measure(isa == CpuIsa.Amx ? Amx : Fma)!.Value;

    /// <summary>Bytes/s of reads past the caches.</summary>
    public double BytesPerSecond() => Measure(ReadPastCaches)!.Value;

    /// <summary>All limits at this moment.</summary>
    public MachineReading Read() =>
        new(Threads, Measure(Amx), Measure(Fma), Measure(Vnni), Measure(ReadPastCaches));

    public void Dispose() => _team.Dispose();

    private double? Measure(int what)
    {
        double rate;
        NativeStatus status = CpuNative.pd_cpu_probe(_team.Address, what, _probeMilliseconds, &rate);
        if (status == NativeStatus.Unsupported)
            return null;
        NativeCalls.ThrowIfFailed(status);
        return rate;
    }
}
