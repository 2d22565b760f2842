namespace PdEngine.Tests;

/// <summary>A model cut among ranks, each with a backend of one thread.</summary>
internal sealed class ShardedModel : IDisposable
{
    private ShardedModel(string backend, ICheckpoint checkpoint, int size, Quantization quantization)
    {
        Backends = [.. Enumerable.Range(0, size).Select(_ => new ProbedBackend(Open(backend)))];
        Shards = new ModelWeights[size];
        for (int rank = 0; rank < size; rank++)
            Shards[rank] = ModelWeights.Load(
                checkpoint, Backends[rank], null, new WeightShard(rank, size), rank == 0 ? null : Shards[0],
                quantization);
    }

    public ProbedBackend[] Backends { get; }

    public ModelWeights[] Shards { get; }

    public int Size => Shards.Length;

    public ModelConfig Config => Shards[0].Config;

    /// <summary>The test is skipped where the named backend cannot run.</summary>
    public static ShardedModel Load(
        string backend, ICheckpoint checkpoint, int size, Quantization quantization = Quantization.None)
    {
        TestBackends.Require(backend);
        return new(backend, checkpoint, size, quantization);
    }

    /// <summary>The layout of all its KV heads.</summary>
    public KvLayout Layout(int pageSize) => KvLayout.GroupedQuery(
        Config.LayerCount, pageSize, Config.KvHeadCount, Config.HeadDim, Backends[0].KvElement);

    /// <summary>A memory for it alone, in one store or one store per rank.</summary>
    public KvMemory NewMemory(KvDomainKind domain, int pageSize, out KvStore? store)
    {
        const int blockCount = 64;
        store = null;
        if (domain == KvDomainKind.Device)
            return KvMemory.OnDevices(Backends, Layout(pageSize), blockCount);
        store = Backends[0].CreateKvStore(Layout(pageSize), blockCount);
        return KvMemory.InHost(store, Size);
    }

    public void Dispose()
    {
        foreach (ModelWeights shard in Shards.Reverse())
            shard.Dispose();
        foreach (ProbedBackend backend in Backends)
            backend.Dispose();
    }

    private static IBackend Open(string name)
    {
        CpuIsa isa = CpuIsaSupport.All.FirstOrDefault(one => CpuIsaSupport.NameOf(one) == name);
        return isa == CpuIsa.Auto
            ? new ReferenceBackend(1)
            : CpuDevices.Open(new CpuBackendOptions { Isa = isa, ThreadCount = 1 })[0];
    }
}
