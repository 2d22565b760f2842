using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// What several GPUs do together, once before they are used and against the host: blocks copied whole, blocks
/// copied head by head as between tensor-parallel sizes, and partial sums. A link, a driver or a setting of
/// the machine that gets a bit wrong is found here instead of in the output.
/// </summary>
internal static class CudaPeerCheck
{
    private const int BlockCount = 3;
    private const int Columns = 256;

    // Rising and falling: a copy that went nowhere or within its own memory differs too.
    private static readonly int[] TargetBlocks = [2, 0, 1];
    private static readonly int[] SourceBlocks = [0, 1, 2];

    /// <param name="devices">One of each GPU.</param>
    /// <exception cref="BackendException">Two of them disagree with the host; it says about what.</exception>
    public static void Run(IReadOnlyList<CudaBackend> devices)
    {
        foreach (CudaBackend from in devices)
        {
            foreach (CudaBackend to in devices)
            {
                if (from == to)
                    continue;
                CheckCopy(from, to, new(0, 0, 2), 2, "a copy of blocks");
                CheckCopy(from, to, new(1, 0, 1), 1, "a copy of heads");
                if (from.Gpu.CanReach(to.Gpu) && to.Gpu.CanReach(from.Gpu))
                    CheckSum(from, to);
            }
        }
    }

    private static void CheckCopy(
        CudaBackend from, CudaBackend to, KvHeadRun heads, int targetHeads, string what)
    {
        KvLayout layout = KvLayout.GroupedQuery(2, 4, 2, 16, KvElement.BFloat16);
        KvLayout targetLayout = layout.WithHeads(targetHeads);
        using KvStore source = from.CreateKvStore(layout, BlockCount);
        using KvStore target = to.CreateKvStore(targetLayout, BlockCount);
        byte[] sent = new byte[layout.BlockBytes * BlockCount];
        new Random(from.Gpu.Device.Ordinal).NextBytes(sent);
        byte[] wanted = new byte[targetLayout.BlockBytes * BlockCount];
        from.Gpu.Upload(((CudaKvStore)source).Pool.First, sent);
        to.Gpu.Upload(((CudaKvStore)target).Pool.First, wanted);
        Place(layout, targetLayout, heads, sent, wanted);
        target.Connect(source);
        target.CopyBlocks(source, SourceBlocks, TargetBlocks, heads, 0, layout.LayerCount);
        byte[] came = new byte[wanted.Length];
        to.Gpu.Download(((CudaKvStore)target).Pool.First, came);
        int first = came.AsSpan().CommonPrefixLength(wanted);
        if (first < came.Length)
            throw Wrong(from, to, what, $"byte {first} is {came[first]} and not {wanted[first]}");
    }

    /// <summary>The same copy on the host.</summary>
    private static void Place(
        KvLayout from, KvLayout to, KvHeadRun heads, ReadOnlySpan<byte> source, Span<byte> target)
    {
        long head = from.HeadBytes(from.Planes[0]);
        for (int block = 0; block < BlockCount; block++)
        {
            for (int layer = 0; layer < from.LayerCount; layer++)
            {
                for (int plane = 0; plane < from.Planes.Count; plane++)
                {
                    long first = (SourceBlocks[block] * from.BlockBytes) + (layer * from.LayerBytes)
                        + (((plane * from.HeadCount) + heads.SourceHead) * head);
                    long at = (TargetBlocks[block] * to.BlockBytes) + (layer * to.LayerBytes)
                        + (((plane * to.HeadCount) + heads.TargetHead) * head);
                    source.Slice((int)first, (int)head * heads.HeadCount).CopyTo(target[(int)at..]);
                }
            }
        }
    }

    /// <summary>
    /// Sums of what two of them have, in turn: of as many parts as a worker may have, for their order shows.
    /// </summary>
    internal static void CheckSum(CudaBackend one, CudaBackend other)
    {
        CheckSum(one, other, 2);
        CheckSum(one, other, 4);
    }

    private static void CheckSum(CudaBackend one, CudaBackend other, int count)
    {
        IBackend[] both = [one, other];
        Random random = new(other.Gpu.Device.Ordinal);
        float[][] values = [.. Enumerable.Range(0, count).Select(_ => Values(random))];
        Tensor[] parts = new Tensor[count];
        try
        {
            for (int part = 0; part < count; part++)
            {
                parts[part] = both[part % 2].CreateShared(1, Columns, both);
                parts[part].WriteRow(0, values[part]);
            }
            using Tensor sum = other.CreateTensor(1, Columns);
            float[] residual = Values(random);
            sum.WriteRow(0, residual);
            one.Publish();
            other.Follow(one);
            other.AddPartials(parts, null, sum, 0, Columns);
            float[] came = new float[Columns];
            sum.ReadRow(0, 0, came);
            for (int column = 0; column < Columns; column++)
            {
                float wanted = values[0][column] + values[1][column];
                if (count == 4)
                    wanted += values[2][column] + values[3][column];
                wanted += residual[column];
                if (came[column] != wanted)
                {
                    throw Wrong(
                        one, other, "a sum",
                        $"element {column} of {count} parts is {came[column]} and not {wanted}");
                }
            }
        }
        finally
        {
            foreach (Tensor? part in parts)
                part?.Dispose();
        }
    }

    /// <summary>Numbers whose sums are rounded.</summary>
    private static float[] Values(Random random)
    {
        float[] values = new float[Columns];
        random.NextBytes(MemoryMarshal.AsBytes(values.AsSpan()));
        for (int i = 0; i < values.Length; i++)
            values[i] = (BitConverter.SingleToInt32Bits(values[i]) >> 8) * 1e-3f;
        return values;
    }

    /// <summary>What to say of two GPUs that disagree with the host.</summary>
    public static BackendException Wrong(CudaBackend from, CudaBackend to, string what, string how) => new(
        $"GPU {from.Gpu.Device.Ordinal} to GPU {to.Gpu.Device.Ordinal}: {what} came out otherwise than on "
        + $"the host ({how}), so they cannot be used together. Look for a fault of the link or the driver "
        + "(an IOMMU or ACS setting, often), or name one GPU in devices.");
}
