namespace PdEngine.Examples;

/// <summary>What a layer's backward pass needs of its forward pass.</summary>
internal sealed class LayerActivations(IBackend backend, ParameterLayout layout, int tokenCapacity)
    : IDisposable
{
    /// <summary>The residual stream that the layer reads.</summary>
    public Tensor Input { get; } = backend.CreateTensor(tokenCapacity, layout.Config.HiddenSize);

    public Tensor InputNormed { get; } = backend.CreateTensor(tokenCapacity, layout.Config.HiddenSize);

    /// <summary>Q turned, k and v as the product made them.</summary>
    public Tensor Qkv { get; } =
        backend.CreateTensor(tokenCapacity, layout.QueryColumns + (2 * layout.KvColumns));

    public Tensor Attended { get; } = backend.CreateTensor(tokenCapacity, layout.QueryColumns);

    /// <summary>The residual stream after attention.</summary>
    public Tensor Middle { get; } = backend.CreateTensor(tokenCapacity, layout.Config.HiddenSize);

    public Tensor MiddleNormed { get; } = backend.CreateTensor(tokenCapacity, layout.Config.HiddenSize);

    /// <summary>Sixteen of gate, sixteen of up, and so on; only where a backward pass follows.</summary>
    public Tensor GateUp { get; } = backend.CreateTensor(tokenCapacity, 2 * layout.Config.IntermediateSize);

    public Tensor Activated { get; } = backend.CreateTensor(tokenCapacity, layout.Config.IntermediateSize);

    private Tensor[] All => [Input, InputNormed, Qkv, Attended, Middle, MiddleNormed, GateUp, Activated];

    public void SetRows(int rows)
    {
        foreach (Tensor tensor in All)
            tensor.SetRows(rows);
    }

    public void Dispose()
    {
        foreach (Tensor tensor in All)
            tensor.Dispose();
    }
}

/// <summary>
/// The engine's forward pass, op for op, that keeps what a backward pass needs: its log-probs are bitwise
/// those of a rollout. The one place where the trainer calls the engine's ops; it follows
/// <c>Transformer</c>.
/// </summary>
internal sealed class TrainingForward : IDisposable
{
    private const int PageSize = 64;

    private readonly IBackend _backend;
    private readonly ModelConfig _config;
    private readonly AttentionShape _shape;
    private readonly KvStore _store;
    private readonly RopeTable _rope;
    private readonly Tensor _residual;
    private ModelWeights? _weights;

    /// <param name="backend">Computes; not owned.</param>
    /// <param name="layout">Of the model.</param>
    /// <param name="tokenCapacity">Most tokens of one pass.</param>
    public TrainingForward(IBackend backend, ParameterLayout layout, int tokenCapacity)
    {
        _backend = backend;
        _config = layout.Config;
        _shape = new(_config.HeadCount, _config.KvHeadCount, _config.HeadDim);
        KvLayout blocks = KvLayout.GroupedQuery(
            _config.LayerCount, PageSize, _config.KvHeadCount, _config.HeadDim, backend.KvElement);
        _store = backend.CreateKvStore(blocks, PackedSequences.BlockCapacity(tokenCapacity, PageSize));
        _rope = new(_config.Rope.InverseFrequencies, _config.Rope.AttentionFactor);
        _residual = backend.CreateTensor(tokenCapacity, _config.HiddenSize);
        FinalInput = backend.CreateTensor(tokenCapacity, _config.HiddenSize);
        FinalNormed = backend.CreateTensor(tokenCapacity, _config.HiddenSize);
        Logits = backend.CreateTensor(tokenCapacity, _config.VocabularySize);
        Layers = new LayerActivations[_config.LayerCount];
        for (int layer = 0; layer < Layers.Length; layer++)
            Layers[layer] = new(backend, layout, tokenCapacity);
        Sequences = new(tokenCapacity, PageSize);
    }

    public LayerActivations[] Layers { get; }

    /// <summary>The residual stream at the wanted rows, after the last layer.</summary>
    public Tensor FinalInput { get; }

    public Tensor FinalNormed { get; }

    /// <summary>Of the wanted rows.</summary>
    public Tensor Logits { get; }

    /// <summary>What a pass computes; filled by the caller.</summary>
    public PackedSequences Sequences { get; }

    /// <summary>Cosines and sines of every position of the last pass.</summary>
    public Tensor Rope => _rope.Require(_config.MaxPositions);

    /// <summary>Takes weights in, in the backend's own form.</summary>
    public void Load(ICheckpoint checkpoint)
    {
        ModelWeights weights = ModelWeights.Load(checkpoint, _backend);
        _weights?.Dispose();
        _weights = weights;
    }

    /// <summary>Computes the packed sequences: activations, logits and scores of the wanted rows.</summary>
    /// <param name="keepsGates">
    /// Whether a backward pass follows. The engine's op keeps no gates, so they are computed a second time.
    /// </param>
    public void Run(bool keepsGates)
    {
        ModelWeights weights = _weights ?? throw new InvariantException("no weights are loaded");
        foreach (LayerActivations layer in Layers)
            layer.SetRows(Sequences.TokenCount);
        _residual.SetRows(Sequences.TokenCount);
        _backend.Embed(weights.Embedding, Sequences.Tokens, _residual);
        for (int layer = 0; layer < Layers.Length; layer++)
        {
            Attend(weights.Layers[layer], layer);
            FeedForward(weights.Layers[layer], Layers[layer], keepsGates);
        }
        Score(weights);
        _backend.Rest();
    }

    public void Dispose()
    {
        Tensor[] own = [_residual, FinalInput, FinalNormed, Logits];
        foreach (Tensor tensor in own)
            tensor.Dispose();
        foreach (LayerActivations layer in Layers)
            layer.Dispose();
        _weights?.Dispose();
        _rope.Dispose();
        _store.Dispose();
    }

    private void Attend(LayerWeights weights, int index)
    {
        LayerActivations kept = Layers[index];
        Copy(_residual, kept.Input);
        _backend.RmsNorm(_residual, weights.InputNorm, _config.RmsNormEpsilon, kept.InputNormed);
        _backend.MatMul(kept.InputNormed, weights.Qkv, null, kept.Qkv);
        _backend.RotateAndAppend(
            kept.Qkv, _shape, Rope, null, null, _config.RmsNormEpsilon, _store, index, Sequences.Attention);
        _backend.Attend(
            kept.Qkv, _shape, _store, index, _config.SlidingWindows[index], Sequences.Attention,
            kept.Attended);
        _backend.MatMulAdd(kept.Attended, weights.Output, null, _residual);
    }

    private void FeedForward(LayerWeights weights, LayerActivations kept, bool keepsGates)
    {
        Copy(_residual, kept.Middle);
        _backend.RmsNorm(_residual, weights.PostAttentionNorm, _config.RmsNormEpsilon, kept.MiddleNormed);
        _backend.MatMulSwiGlu(kept.MiddleNormed, weights.GateUp, null, kept.Activated);
        if (keepsGates)
            _backend.MatMul(kept.MiddleNormed, weights.GateUp, null, kept.GateUp);
        _backend.MatMulAdd(kept.Activated, weights.Down, null, _residual);
    }

    private void Score(ModelWeights weights)
    {
        ReadOnlySpan<int> wanted = Sequences.Wanted;
        foreach (Tensor tensor in (Tensor[])[FinalInput, FinalNormed, Logits])
            tensor.SetRows(wanted.Length);
        if (wanted.IsEmpty)
            return;
        _backend.GatherRows(_residual, wanted, FinalInput);
        _backend.RmsNorm(FinalInput, weights.FinalNorm, _config.RmsNormEpsilon, FinalNormed);
        _backend.MatMul(FinalNormed, weights.Head!, null, Logits);
        _backend.Sample(Logits, 0, Sequences.Scores, 0, wanted.Length);
    }

    private static unsafe void Copy(Tensor from, Tensor to)
    {
        long bytes = (long)from.Rows * from.Stride * sizeof(float);
        Buffer.MemoryCopy((void*)from.Address, (void*)to.Address, bytes, bytes);
    }
}
