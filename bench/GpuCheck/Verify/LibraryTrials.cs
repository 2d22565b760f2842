using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>What NVIDIA's other libraries are asked for, where they are.</summary>
internal sealed class LibraryTrials(CheckRig rig, CheckSettings settings)
{
    private const string GatherRow = "verify/hand-off by NCCL", ProductRow = "verify/cuBLASLt product";

    public IEnumerable<CheckCase> Cases()
    {
        yield return new(GatherRow, Gather);
        yield return new(ProductRow, Product);
    }

    /// <summary>One rank gathers its own blocks: binding, order on the stream, and the bytes.</summary>
    private CheckRow Gather()
    {
        Nccl nccl;
        try
        {
            nccl = LibraryPlaces.Open(settings.NcclPath, "libnccl.so*", Nccl.Open, settings.PythonAsked);
        }
        catch (CudaException missing)
        {
            return new CheckRow(GatherRow).Missing($"library missing: {missing.Message}");
        }
        NcclCommunicator rank = NcclCommunicator.OpenAll(
            nccl, [rig.Gpu.Context], TimeSpan.FromSeconds(60))[0];
        using (rank)
        using (CheckMemory memory = new(rig))
        {
            byte[] expected = new byte[(rig.Settings.Scale.IsToy ? 1 : 256) << 16];
            new Random(6).NextBytes(expected);
            ulong source = memory.Take(expected.Length), target = memory.Take(expected.Length);
            rig.Gpu.Upload(source, expected);
            double seconds = rig.Seconds(
                _ =>
                {
                    rank.AllGather(source, target, expected.Length, rig.Stream);
                    rank.Settle(static () => false);
                },
                isCaptured: false);
            byte[] actual = new byte[expected.Length];
            rig.Gpu.Download(target, actual);
            CheckRow row = new CheckRow(GatherRow).With("compared", expected.Length)
                .With("us", seconds * 1e6).Noted($"{nccl.Path}, {Nccl.TextOf(nccl.Version)}");
            int same = expected.AsSpan().CommonPrefixLength(actual);
            return same == expected.Length
                ? row
                : row.Failed(
                    $"{GatherRow}: byte {same} is {actual[same]} and should be {expected[same]}; seed 6");
        }
    }

    /// <summary>Our product of a real model's shape beside cuBLASLt's: too large for the host's.</summary>
    private CheckRow Product()
    {
        using CublasPeer peer = new(rig, settings);
        if (peer.WhyNone is { } why)
            return new CheckRow(ProductRow).Missing($"library missing: {why}");
        (int rows, int columns, int outputs) = rig.Settings.Scale.IsToy ? (20, 64, 96) : (2048, 4096, 6144);
        using CheckMemory memory = new(rig);
        ulong theirs = memory.Take(4L * rows * outputs);
        CheckProduct product = new(rig, 1)
        {
            Input = memory.Halves((long)rows * columns), Weight = memory.Halves((long)outputs * columns),
            Output = memory.Take(4L * rows * outputs), Columns = columns, Outputs = outputs,
        };
        rig.Gpu.Run(() => product.Launch(product.Chosen(rows), 0, rows, CudaGemmEpilogue.Store));
        rig.Gpu.Run(() => peer.Multiply(rows, columns, outputs, product.Input, product.Weight, theirs));
        float[] ours = new float[rows * outputs], expected = new float[ours.Length];
        rig.Gpu.Download(product.Output, System.Runtime.InteropServices.MemoryMarshal.AsBytes(ours.AsSpan()));
        rig.Gpu.Download(theirs, System.Runtime.InteropServices.MemoryMarshal.AsBytes(expected.AsSpan()));
        return Difference.Near(ours, expected, 1e-3).Row(ProductRow, seed: 0);
    }
}
