using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>Device memory of random values, made on the device from one tile of them.</summary>
internal sealed class CheckMemory : IDisposable
{
    private const int TileElements = (1 << 20) - 3;

    private readonly CheckRig _rig;
    private readonly List<CudaBuffer> _buffers = [];
    private readonly ulong _tile;

    /// <param name="rig">Whose memory.</param>
    /// <param name="deviation">Of the values, which are normal.</param>
    public CheckMemory(CheckRig rig, float deviation = 1)
    {
        _rig = rig;
        int count = rig.Settings.Scale.IsToy ? 4093 : TileElements;
        TileBytes = count * 2L;
        float[] values = new float[count];
        Normal(new Random(count), values, deviation);
        byte[] rounded = new byte[TileBytes];
        FloatNarrowing.ToBFloat16(values, rounded);
        _tile = Take(TileBytes);
        rig.Gpu.Upload(_tile, rounded);
    }

    private long TileBytes { get; }

    /// <summary>Memory of which nothing is known.</summary>
    public ulong Take(long bytes)
    {
        CudaBuffer buffer = _rig.Gpu.Make(() => new CudaBuffer(_rig.Gpu.Context, Math.Max(256, bytes)));
        _buffers.Add(buffer);
        return buffer.First;
    }

    /// <summary>Values of bf16.</summary>
    public ulong Halves(long count)
    {
        ulong first = Take(count * 2);
        Fill(first, count * 2);
        return first;
    }

    /// <summary>Makes any memory random values of bf16.</summary>
    public void Fill(ulong first, long bytes)
    {
        _rig.Gpu.Run(() =>
        {
            for (long at = 0; at < bytes;)
            {
                // What is there already is copied on, so that few copies do.
                long count = at == 0 ? Math.Min(TileBytes, bytes) : Math.Min(at, bytes - at);
                _rig.Stream.Copy(first + (ulong)at, at == 0 ? _tile : first, count);
                at += count;
            }
            _rig.Stream.Synchronize();
        });
    }

    public void Dispose()
    {
        foreach (CudaBuffer buffer in _buffers)
            buffer.Dispose();
    }

    /// <summary>About normal, and cheap: the sum of four uniform numbers of 16 bits.</summary>
    public static void Normal(Random random, Span<float> values, float deviation = 1)
    {
        ulong state = (ulong)random.NextInt64();
        for (int i = 0; i < values.Length; i++)
        {
            state += 0x9E3779B97F4A7C15;
            values[i] = deviation * NormalOf(state);
        }
    }

    /// <summary>The value that a number stands for.</summary>
    public static float NormalOf(ulong bits)
    {
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB;
        bits ^= bits >> 31;
        int sum = (int)(bits & 0xffff) + (int)((bits >> 16) & 0xffff) + (int)((bits >> 32) & 0xffff)
            + (int)(bits >> 48);
        return (sum - (2 * 65_535)) * (1.7320508f / 65_536);
    }
}
