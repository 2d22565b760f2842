namespace PdEngine.Tests;

/// <summary>Copies token ids between the memories of two domains.</summary>
/// <param name="source">Where blocks are lent.</param>
/// <param name="target">Where they go.</param>
/// <param name="cluster">Lets others make steps meanwhile, and copies fail.</param>
internal sealed class FakeKvTransfer(
    FakeKvMemory source, FakeKvMemory target, SimulatedCluster? cluster = null) : IKvTransfer
{
    public const long BytesPerBlock = FakeKvMemory.LayerCount << 19;

    /// <summary>A bug planted into the run, for the tests of the tests.</summary>
    public BugPlanter? Planter { get; set; }

    public bool NextCopyFails { get; set; }

    /// <summary>Copies so far, of some layers of some blocks each.</summary>
    public int CopyCount { get; private set; }

    public int LayerCount => FakeKvMemory.LayerCount;

    public long BlockBytes => BytesPerBlock;

    public long Copy(ReadOnlySpan<int> from, ReadOnlySpan<int> to, int firstLayer, int layerCount)
    {
        foreach (int block in from)
        {
            Check.That(source.Pool.ReferenceCount(block) > 0);
            source.MarkCopied(block);
        }
        CopyCount++;
        cluster?.BeginCopy();
        if (NextCopyFails || cluster?.TakeCopyFault() == true)
        {
            NextCopyFails = false;
            throw new BackendException("The fake copy engine fell over.");
        }
        for (int i = 0; i < from.Length; i++)
        {
            Check.That(target.Pool.ReferenceCount(to[i]) == 1);
            if (Planter?.SkipsCopy(i, firstLayer) != true)
                target.CopyFrom(source, from[i], to[i], firstLayer, layerCount);
        }
        return from.Length * BlockBytes * layerCount / LayerCount;
    }
}
