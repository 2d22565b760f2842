using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Where kernels put tiles in shared memory, its banks can read them without waiting.</summary>
[Category("Cuda")]
public sealed class BankConflictTests
{
    private static int[] Tiles => [.. Enumerable.Range(0, CudaGemmTile.All.Count)];

    [Test]
    public void Products_have_no_conflicts([ValueSource(nameof(Tiles))] int index)
    {
        using KernelRig rig = new();
        CudaGemmTile tile = CudaGemmTile.All[index];
        const int columns = 128;
        CudaGemmArgs args = new()
        {
            Input = rig.Allocate<ushort>(tile.Rows * columns),
            Weight = rig.Allocate<ushort>(tile.Outputs * columns),
            Output = rig.Allocate<float>(tile.Rows * tile.Outputs),
            InputStride = columns, WeightStride = columns, OutputStride = tile.Outputs,
            Rows = tile.Rows, Outputs = tile.Outputs, Columns = columns, Segments = 1,
        };
        KernelRig.TakeBankConflicts();
        rig.Launch(tile.Name, new(1), tile.Threads, tile.SharedBytes(1), args);
        Assert.That(KernelRig.TakeBankConflicts(), Is.Zero);
    }

    [Test]
    public void Attention_over_wide_heads_has_none(
        [Values(64, 128)] int headDim, [Values(16, 64, 256)] int tileRows) =>
        Assert.That(OfAttention(headDim, tileRows), Is.Zero);

    // Two rows of 64 bytes and four of 32 share the banks; models with such heads are toys.
    [Test]
    public void Conflicts_of_narrow_heads_are_counted(
        [Values(16, 32)] int headDim, [Values(16, 64, 256)] int tileRows) =>
        Assert.That(OfAttention(headDim, tileRows), Is.Positive);

    private static ulong OfAttention(int headDim, int tileRows)
    {
        using KernelRig rig = new();
        AttentionSetup setup = new(0, 2, 1, headDim, 64);
        AttentionKernelRun run = new(rig, setup, new AttentionSequence(setup, 5, 200));
        KernelRig.TakeBankConflicts();
        run.Attend([new(0, 0, 200)], tileRows, SplitDeal.Whole);
        return KernelRig.TakeBankConflicts();
    }
}
