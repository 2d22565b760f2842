namespace PdEngine.Tests;

/// <summary>One worker stepped by the test, whose weights are swapped after given tokens.</summary>
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
    public IReadOnlyList<TokenLogProb> Generate(GenerateRequest asked, int swapAt) =>
        Generate(asked, first: 0, [swapAt]);

    /// <summary>The same with any number of swaps between the two weights.</summary>
    /// <param name="asked">What to generate.</param>
    /// <param name="first">Weights of the first token, 0 or 1.</param>
    /// <param name="swapsAt">Tokens before each swap, ascending.</param>
    public IReadOnlyList<TokenLogProb> Generate(
        GenerateRequest asked, int first, IReadOnlyList<int> swapsAt)
    {
        ModelConfig config = _weights[0].Config;
        Request request = new RequestIntake(config, null, null, config.MaxPositions, 0)
            .Admit(asked, new RequestId(1));
        KvLayout layout = KvLayout.GroupedQuery(
            config.LayerCount, PdRig.Page, config.KvHeadCount, config.HeadDim, _backend.KvElement);
        using KvStore store = _backend.CreateKvStore(layout, BlockCount);
        using TensorParallelRunner runner = new(
            [_backend], _weights[first].Shards([_backend]), KvMemory.InHost(store, 1), 512);
        KvDomain domain = new(BlockCount, PdRig.Page);
        SchedulerOptions options = new() { ContextTokens = config.MaxPositions };
        using Worker worker = new(
            "alone", options, new KvSpace(domain, null, usesCache: true), runner, TimeProvider.System);
        Sequence sequence = new(request, new Silent(), 1);
        worker.Submit(sequence);
        for (int swap = 1; swap <= swapsAt.Count; swap++)
        {
            while (sequence.OutputCount < swapsAt[swap - 1])
                worker.Step();
            worker.Pause();
            domain.BeginEpoch(swap);
            worker.Use(new(swap, $"{swap}", _weights[(first + swap) % 2]));
            worker.Resume();
        }
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
