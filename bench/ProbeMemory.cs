namespace PdEngine.Bench;

/// <summary>How much memory a probe of the machine's limits may take.</summary>
internal static class ProbeMemory
{
    private const long Mebibyte = 1 << 20;

    /// <summary>Of what is free, all threads together take at most one part in so many.</summary>
    private const long Share = 4;

    /// <summary>Bytes for each of so many threads: as wanted, or fewer where memory is short.</summary>
    /// <param name="threads">That run at once.</param>
    /// <param name="wanted">Past the caches, in whole MiB.</param>
    /// <param name="free">Bytes free on the machine.</param>
    public static long BytesPerThread(int threads, long wanted, long free)
    {
        Check.That(threads > 0 && wanted >= Mebibyte && wanted % Mebibyte == 0);
        return Math.Clamp(free / Share / threads / Mebibyte * Mebibyte, Mebibyte, wanted);
    }

    /// <inheritdoc cref="BytesPerThread(int, long, long)"/>
    public static long BytesPerThread(int threads, long wanted) =>
        BytesPerThread(threads, wanted, HostMemory.FreeBytes());
}
