using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>The machine's limits, measured beside each row: the host's speed moves by itself.</summary>
internal sealed unsafe class MachineLimits : IDisposable
{
    private const int ReadPastCaches = 4;
    private const long ReadBytes = 512L << 20;
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

    /// <summary>What a row of this arithmetic is measured against, at this moment.</summary>
    public LimitReading Read(Arithmetic arithmetic)
    {
        double fma = Measure((int)Arithmetic.Fma)!.Value;
        double own = arithmetic switch
        {
            Arithmetic.Fma => fma,
            Arithmetic.AmxInt8Tiles => 2 * Measure((int)Arithmetic.AmxTiles) ?? fma,
            _ => Measure((int)arithmetic) ?? fma,
        };
        return new(own, fma, Measure(ReadPastCaches)!.Value);
    }

    /// <summary>All limits at this moment.</summary>
    public MachineReading Read() => new(
        Threads, Measure((int)Arithmetic.AmxTiles), Measure((int)Arithmetic.Fma),
        Measure((int)Arithmetic.Vnni), Measure(ReadPastCaches), Measure((int)Arithmetic.Bf16Dots));

    public void Dispose() => _team.Dispose();

    private double? Measure(int what)
    {
        double rate;
        long readBytes = what == ReadPastCaches ? ProbeMemory.BytesPerThread(Threads, ReadBytes) : 0;
        NativeStatus status = CpuNative.pd_cpu_probe(
            _team.Address, what, _probeMilliseconds, readBytes, &rate);
        if (status == NativeStatus.Unsupported)
            return null;
        NativeCalls.ThrowIfFailed(status);
        return rate;
    }
}
