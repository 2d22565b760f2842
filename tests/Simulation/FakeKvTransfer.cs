namespace PdEngine.Tests;

/// <summary>Copies token ids between the memories of two domains.</summary>
internal sealed class FakeKvTransfer(FakeKvMemory source, FakeKvMemory target) : IKvTransfer
{
    /// <summary>A bug planted into the run, for the tests of the tests.</summary>
    public BugPlanter? Planter { get; set; }

    public int LayerCount => FakeKvMemory.LayerCount;

    public long BlockBytes => 1 << 22;

    public long Copy(ReadOnlySpan<int> from, ReadOnlySpan<int> to, int firstLayer, int layerCount)
    {
        for (int i = 0; i < from.Length; i++)
        {
            Check.That(target.Pool.ReferenceCount(to[i]) == 1 && source.Pool.ReferenceCount(from[i]) > 0);
            if (Planter?.SkipsCopy(i, firstLayer) != true)
                target.CopyFrom(source, from[i], to[i], firstLayer, layerCount);
        }
        return from.Length * BlockBytes * layerCount / LayerCount;
    }
}
