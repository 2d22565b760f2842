namespace PdEngine;

/// <summary>
/// The decoder's forward pass in a backend's ops, one rank's share of it. It knows no phase: a batch is
/// slices of positions, and each token's result depends on its own sequence alone. All memory is taken at
/// construction.
/// </summary>
internal sealed class Transformer : IDisposable
{
    /// <summary>
    /// Logits rows that are held at once; scoring a long prompt never takes [tokens, vocabulary].
    /// </summary>
    public const int LogitsRowCapacity = 64;

    private readonly IBackend _backend;
    private ModelWeights _weights;
    private readonly RankGroup? _group;
    private readonly KvStore _store;
    private readonly AttentionShape _shape;
    private readonly RopeTable _rope;
    private readonly Tensor _residual;
    private readonly Tensor _normed;
    private readonly Tensor? _partial;
    private readonly Tensor _qkv;
    private readonly Tensor _attended;
    private readonly Tensor _activated;
    private readonly Tensor _wantedResidual;
    private readonly Tensor _wantedNormed;
    private readonly Tensor _logits;
    private readonly Tensor _ownLogits;
    private readonly Tensor[] _perToken;

    /// <param name="backend">Computes; not owned.</param>
    /// <param name="weights">Loaded by that backend; not owned.</param>
    /// <param name="heads">K and V of the rank's heads; not owned.</param>
    /// <param name="tokenCapacity">Most tokens of a batch.</param>
    /// <param name="group">The ranks that run with this one; null where the weights are whole.</param>
    public Transformer(
        IBackend backend, ModelWeights weights, KvRankHeads heads, int tokenCapacity, RankGroup? group)
    {
        ModelConfig config = weights.Config;
        Check.That(heads.Store.Layout.LayerCount == config.LayerCount);
        Check.That(group is not null == weights.Shard.Count > 1);
        _backend = backend;
        _weights = weights;
        _group = group;
        _store = heads.Store;
        _shape = new(
            config.HeadCount / weights.Shard.Count, heads.HeadCount, config.HeadDim, heads.FirstHead);
        Check.That(_shape.QkvColumns == weights.Layers[0].Qkv.Rows);
        _rope = new(config.Rope.InverseFrequencies, config.Rope.AttentionFactor, backend);
        Check.That(_rope.PairCount * 2 == config.HeadDim);
        TokenCapacity = tokenCapacity;
        _residual = group?.ViewResidual(weights.Shard.Rank)
            ?? backend.CreateTensor(tokenCapacity, config.HiddenSize);
        _normed = backend.CreateTensor(tokenCapacity, config.HiddenSize);
        _qkv = backend.CreateTensor(tokenCapacity, _shape.QkvColumns);
        _attended = backend.CreateTensor(tokenCapacity, _shape.QueryColumns);
        _activated = backend.CreateTensor(tokenCapacity, weights.Layers[0].Down.Columns);
        _partial = group?.Partial(weights.Shard.Rank);
        _perToken = [_residual, _normed, _qkv, _attended, _activated, .. Own(_partial)];
        _wantedResidual = backend.CreateTensor(LogitsRowCapacity, config.HiddenSize);
        _wantedNormed = backend.CreateTensor(LogitsRowCapacity, config.HiddenSize);
        _logits = group?.ViewLogits() ?? backend.CreateTensor(LogitsRowCapacity, config.HeadRows);
        _ownLogits = group?.ViewLogits(weights.Shard.Rank) ?? _logits.View(0, weights.Head?.Rows ?? 0);
        Check.That(_ownLogits.Columns == (weights.Head?.Rows ?? 0));
    }

    /// <summary>Most tokens of a batch.</summary>
    public int TokenCapacity { get; }

    /// <summary>Computes with other weights of the same model and share; between two batches.</summary>
    public void Use(ModelWeights weights)
    {
        Check.That(weights.Shard == _weights.Shard && weights.FirstHeadRow == _weights.FirstHeadRow);
        Check.That(weights.Head?.Rows == _weights.Head?.Rows);
        _weights = weights;
    }

    /// <summary>Computes a batch up to its last layer and writes its K and V into the store.</summary>
    public void Run(ReadOnlySpan<int> tokenIds, AttentionBatch batch)
    {
        Check.That(tokenIds.Length > 0 && tokenIds.Length <= TokenCapacity);
        foreach (Tensor tensor in _perToken)
            tensor.SetRows(tokenIds.Length);
        Tensor rope = _rope.Require(PositionCount(batch));
        _backend.Begin(batch, _store, tokenIds.Length);
        // Ranks that share a residual all write the same bytes.
        _backend.Embed(_weights.Embedding, tokenIds, _residual);
        for (int layer = 0; layer < _weights.Layers.Count; layer++)
        {
            Attend(_weights.Layers[layer], layer, rope, batch);
            FeedForward(_weights.Layers[layer]);
        }
    }

    /// <summary>
    /// Logits of tokens of the last batch run [tokens, vocabulary], of a reward model rewards [tokens, 1];
    /// they are good until any rank's next call.
    /// </summary>
    /// <param name="tokens">Indices in the batch, at most <see cref="LogitsRowCapacity"/> of them.</param>
    public Tensor Logits(ReadOnlySpan<int> tokens)
    {
        _wantedResidual.SetRows(tokens.Length);
        _wantedNormed.SetRows(tokens.Length);
        _logits.SetRows(tokens.Length);
        _ownLogits.SetRows(tokens.Length);
        _backend.GatherRows(_residual, tokens, _wantedResidual);
        _backend.RmsNorm(
            _wantedResidual, _weights.FinalNorm, _weights.Config.RmsNormEpsilon, _wantedNormed);
        if (_weights.Head is not null)
            _backend.MatMul(_wantedNormed, _weights.Head, null, _ownLogits);
        _group?.JoinLogits(_weights.Shard.Rank, tokens.Length);
        return _logits;
    }

    public void Dispose()
    {
        _rope.Dispose();
        foreach (Tensor tensor in _perToken)
            tensor.Dispose();
        _wantedResidual.Dispose();
        _wantedNormed.Dispose();
        _logits.Dispose();
    }

    private void Attend(LayerWeights weights, int layer, Tensor rope, AttentionBatch batch)
    {
        float epsilon = _weights.Config.RmsNormEpsilon;
        _backend.RmsNorm(_residual, weights.InputNorm, epsilon, _normed);
        _backend.MatMul(_normed, weights.Qkv, weights.QkvBias, _qkv);
        _backend.RotateAndAppend(
            _qkv, _shape, rope, weights.QueryNorm, weights.KeyNorm, epsilon, _store, layer, batch);
        _backend.Attend(_qkv, _shape, _store, layer, _weights.Config.SlidingWindows[layer], batch, _attended);
        AddAcrossRanks(_attended, weights.Output, weights.OutputBias);
    }

    private void FeedForward(LayerWeights weights)
    {
        _backend.RmsNorm(_residual, weights.PostAttentionNorm, _weights.Config.RmsNormEpsilon, _normed);
        _backend.MatMulSwiGlu(_normed, weights.GateUp, weights.GateUpBias, _activated);
        AddAcrossRanks(_activated, weights.Down, weights.DownBias);
    }

    /// <summary>
    /// Residual += input Wᵀ + bias, where each rank has some of the input features.
    /// </summary>
    private void AddAcrossRanks(Tensor input, Matrix weight, Tensor? bias)
    {
        if (_group is null || _partial is null)
        {
            _backend.MatMulAdd(input, weight, bias, _residual);
            return;
        }
        _backend.MatMul(input, weight, null, _partial);
        _group.Add(_weights.Shard.Rank, bias, _residual);
    }

    private static Tensor[] Own(Tensor? partial) => partial is null ? [] : [partial];

    private static int PositionCount(AttentionBatch batch)
    {
        int positions = 0;
        foreach (AttentionSlice slice in batch.Slices)
            positions = Math.Max(positions, slice.Start + slice.QueryCount);
        return positions;
    }
}
