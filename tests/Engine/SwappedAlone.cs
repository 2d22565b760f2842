namespace PdEngine.Tests;

/// <summary>One worker stepped by the test, whose weights are swapped after a given token.</summary>
internal sealed class SwappedAlone : IDisposable
{
    private const int BlockCount = 128;

    private readonly IBackend _backend;
    private readonly WeightSet[] _weights;

    public SwappedAlone(string backend)
    {
        _backend = TestBackends.Require(backend).Open!();
        _weights = [Load(3), Load(4)];
    }

    /// <summary>Log-probs of what is generated where the weights are swapped after so many tokens.</summary>
    public IReadOnlyList<TokenLogProb> Generate(GenerateRequest asked, int swapAt)
    {
        ModelConfig config = _weights[0].Config;
        Request request = new RequestIntake(config, null, null, config.MaxPositions, 0)
            .Admit(asked, new RequestId(1));
        KvLayout layout = KvLayout.GroupedQuery(
            config.LayerCount, PdRig.Page, config.KvHeadCount, config.HeadDim, _backend.KvElement);
        using KvStore store = _backend.CreateKvStore(layout, BlockCount);
        using TensorParallelRunner runner = new(
            [_backend], _weights[0].Shards([_backend]), KvMemory.InHost(store, 1), 512);
        KvDomain domain = new(BlockCount, PdRig.Page);
        SchedulerOptions options = new() { ContextTokens = config.MaxPositions };
        using Worker worker = new(
            "alone", options, new KvSpace(domain, null, usesCache: true), runner, TimeProvider.System);
        Sequence sequence = new(request, new Silent(), 1);
        worker.Submit(sequence);
        while (sequence.OutputCount < swapAt)
            worker.Step();
        worker.Pause();
        domain.BeginEpoch(1);
        worker.Use(new(1, "1", _weights[1]));
        worker.Resume();
        while (sequence.Phase != SequencePhase.Finished)
            worker.Step();
        TokenLogProb[] made = new TokenLogProb[sequence.OutputCount];
        for (int i = 0; i < made.Length; i++)
            made[i] = new(sequence.OutputTokens[i], sequence.OutputLogProbs[i], []);
        return made;
    }

    public void Dispose()
    {
        foreach (WeightSet weights in _weights)
            weights.RemoveUser();
        _backend.Dispose();
    }

    private WeightSet Load(int seed)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(UpdateRig.Folder(seed));
        WeightSet weights = new(Quantization.None);
        weights.Load(new(1, 0, _backend), checkpoint, progress: null);
        return weights;
    }

    private sealed class Silent : ISequenceObserver
    {
        public string? OnToken(Sequence sequence) => null;

        public void OnFinished(Sequence sequence)
        {
        }
    }
}
