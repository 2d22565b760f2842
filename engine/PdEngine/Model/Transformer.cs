namespace PdEngine;

/// <summary>
/// The decoder's forward pass in a backend's ops. It knows no phase: a batch is slices of positions, and each
/// token's result depends on its own sequence alone. All memory is taken at construction.
/// </summary>
internal sealed class Transformer : IDisposable
{
    /// <summary>
    /// Logits rows that are held at once; scoring a long prompt never takes [tokens, vocabulary].
    /// </summary>
    public const int LogitsRowCapacity = 64;

    private readonly IBackend _backend;
    private readonly ModelWeights _weights;
    private readonly AttentionShape _shape;
    private readonly RopeTable _rope;
    private readonly Tensor _residual;
    private readonly Tensor _normed;
    private readonly Tensor _delta;
    private readonly Tensor _qkv;
    private readonly Tensor _attended;
    private readonly Tensor _gateUp;
    private readonly Tensor _activated;
    private readonly Tensor _wantedResidual;
    private readonly Tensor _wantedDelta;
    private readonly Tensor _wantedNormed;
    private readonly Tensor _logits;
    private readonly Tensor[] _perToken;

    /// <param name="backend">Computes; not owned.</param>
    /// <param name="weights">Loaded by that backend; not owned.</param>
    /// <param name="tokenCapacity">Most tokens of a batch.</param>
    public Transformer(IBackend backend, ModelWeights weights, int tokenCapacity)
    {
        ModelConfig config = weights.Config;
        _backend = backend;
        _weights = weights;
        _shape = new(config.HeadCount, config.KvHeadCount, config.HeadDim);
        _rope = new(config.Rope.InverseFrequencies, config.Rope.AttentionFactor);
        Check.That(_rope.PairCount * 2 == config.HeadDim);
        TokenCapacity = tokenCapacity;
        _residual = backend.CreateTensor(tokenCapacity, config.HiddenSize);
        _normed = backend.CreateTensor(tokenCapacity, config.HiddenSize);
        _delta = backend.CreateTensor(tokenCapacity, config.HiddenSize);
        _qkv = backend.CreateTensor(tokenCapacity, _shape.QkvColumns);
        _attended = backend.CreateTensor(tokenCapacity, _shape.QueryColumns);
        _gateUp = backend.CreateTensor(tokenCapacity, config.IntermediateSize * 2);
        _activated = backend.CreateTensor(tokenCapacity, config.IntermediateSize);
        _perToken = [_residual, _normed, _delta, _qkv, _attended, _gateUp, _activated];
        _wantedResidual = backend.CreateTensor(LogitsRowCapacity, config.HiddenSize);
        _wantedDelta = backend.CreateTensor(LogitsRowCapacity, config.HiddenSize);
        _wantedNormed = backend.CreateTensor(LogitsRowCapacity, config.HiddenSize);
        _logits = backend.CreateTensor(LogitsRowCapacity, config.VocabularySize);
    }

    /// <summary>Most tokens of a batch.</summary>
    public int TokenCapacity { get; }

    /// <summary>Computes a batch up to its last layer and writes its K and V into the store.</summary>
    public void Run(ReadOnlySpan<int> tokenIds, AttentionBatch batch, KvStore store)
    {
        Check.That(tokenIds.Length > 0 && tokenIds.Length <= TokenCapacity);
        Check.That(store.Layout.LayerCount == _weights.Layers.Count);
        foreach (Tensor tensor in _perToken)
            tensor.SetRows(tokenIds.Length);
        Tensor rope = _rope.Require(PositionCount(batch));
        _backend.Embed(_weights.Embedding, tokenIds, _residual);
        Tensor? delta = null;
        for (int layer = 0; layer < _weights.Layers.Count; layer++)
        {
            Attend(_weights.Layers[layer], layer, delta, rope, batch, store);
            FeedForward(_weights.Layers[layer]);
            delta = _delta;
        }
    }

    /// <summary>
    /// Logits of tokens of the last batch run [tokens, vocabulary]; they are good until the next call.
    /// </summary>
    /// <param name="tokens">Indices in the batch, at most <see cref="LogitsRowCapacity"/> of them.</param>
    public Tensor Logits(ReadOnlySpan<int> tokens)
    {
        _wantedResidual.SetRows(tokens.Length);
        _wantedDelta.SetRows(tokens.Length);
        _wantedNormed.SetRows(tokens.Length);
        _logits.SetRows(tokens.Length);
        _backend.GatherRows(_residual, tokens, _wantedResidual);
        _backend.GatherRows(_delta, tokens, _wantedDelta);
        _backend.AddRmsNorm(
            _wantedResidual, _wantedDelta, _weights.FinalNorm, _weights.Config.RmsNormEpsilon, _wantedNormed);
        _backend.MatMul(_wantedNormed, _weights.Head, null, _logits);
        return _logits;
    }

    public void Dispose()
    {
        _rope.Dispose();
        foreach (Tensor tensor in _perToken)
            tensor.Dispose();
        _wantedResidual.Dispose();
        _wantedDelta.Dispose();
        _wantedNormed.Dispose();
        _logits.Dispose();
    }

    private void Attend(
        LayerWeights weights, int layer, Tensor? delta, Tensor rope, AttentionBatch batch, KvStore store)
    {
        float epsilon = _weights.Config.RmsNormEpsilon;
        _backend.AddRmsNorm(_residual, delta, weights.InputNorm, epsilon, _normed);
        _backend.MatMul(_normed, weights.Qkv, weights.QkvBias, _qkv);
        _backend.RotateAndAppend(
            _qkv, _shape, rope, weights.QueryNorm, weights.KeyNorm, epsilon, store, layer, batch);
        _backend.Attend(_qkv, _shape, store, layer, _weights.Config.SlidingWindows[layer], batch, _attended);
        _backend.MatMul(_attended, weights.Output, weights.OutputBias, _delta);
    }

    private void FeedForward(LayerWeights weights)
    {
        _backend.AddRmsNorm(
            _residual, _delta, weights.PostAttentionNorm, _weights.Config.RmsNormEpsilon, _normed);
        _backend.MatMul(_normed, weights.GateUp, weights.GateUpBias, _gateUp);
        _backend.SwiGlu(_gateUp, _activated);
        _backend.MatMul(_activated, weights.Down, weights.DownBias, _delta);
    }

    private static int PositionCount(AttentionBatch batch)
    {
        int positions = 0;
        foreach (AttentionSlice slice in batch.Slices)
            positions = Math.Max(positions, slice.Start + slice.QueryCount);
        return positions;
    }
}
