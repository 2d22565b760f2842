namespace PdEngine;

/// <summary>One rank's part of a step: the forward pass, and on rank 0 the sampling.</summary>
internal sealed class ModelRank : IDisposable
{
    private readonly IBackend _backend;
    private readonly RankGroup? _group;
    private readonly Transformer _transformer;
    private readonly bool _samples;
    private readonly int _rank;
    private readonly bool _isReward;

    /// <param name="backend">Computes; not owned.</param>
    /// <param name="weights">Loaded by that backend; not owned.</param>
    /// <param name="heads">K and V of the rank's heads; not owned.</param>
    /// <param name="tokenCapacity">Most tokens of a batch.</param>
    /// <param name="group">The ranks that run with this one; null where there are none.</param>
    public ModelRank(
        IBackend backend, ModelWeights weights, KvRankHeads heads, int tokenCapacity, RankGroup? group)
    {
        _backend = backend;
        _group = group;
        _rank = weights.Shard.Rank;
        _samples = _rank == 0;
        _isReward = weights.Config.IsReward;
        _transformer = new(backend, weights, heads, tokenCapacity, group);
    }

    /// <summary>
    /// Computes a batch; what it sampled is there when every rank has returned and rank 0 has awaited it.
    /// </summary>
    public void Run(ForwardBatch batch)
    {
        _group?.Begin(_rank);
        _transformer.Run(batch.TokenIds, batch.Attention);
        int firstSample = 0;
        for (int firstRow = 0; firstRow < batch.LogitsRowCount; firstRow += Transformer.LogitsRowCapacity)
        {
            // The logits that come next overwrite those that rank 0 is sampling.
            if (firstRow > 0)
                _group?.Meet(_rank);
            int rowCount = Math.Min(Transformer.LogitsRowCapacity, batch.LogitsRowCount - firstRow);
            Tensor logits = _transformer.Logits(batch.WantedTokens.Slice(firstRow, rowCount));
            if (_samples && _isReward)
                TakeRewards(logits, batch.Rewards.Slice(firstRow, rowCount));
            else if (_samples)
                firstSample = Sample(logits, firstRow, batch.Samples, firstSample);
        }
        _backend.End();
        _group?.End(_rank);
        Check.That(!_samples || firstSample == batch.Samples.RowCount);
    }

    /// <inheritdoc cref="Transformer.Use"/>
    public void Use(ModelWeights weights) => _transformer.Use(weights);

    /// <summary>See <see cref="IBackend.Rest"/>.</summary>
    public void Rest() => _backend.Rest();

    public void Dispose() => _transformer.Dispose();

    private static void TakeRewards(Tensor head, Span<float> rewards)
    {
        for (int row = 0; row < rewards.Length; row++)
            rewards[row] = head.Row(row)[0];
    }

    /// <returns>Index of the first sample of later logits.</returns>
    private int Sample(Tensor logits, int firstRow, SampleBatch samples, int firstSample)
    {
        int endSample = firstSample;
        while (endSample < samples.RowCount && samples.Rows[endSample].LogitsRow < firstRow + logits.Rows)
            endSample++;
        _backend.Sample(logits, firstRow, samples, firstSample, endSample - firstSample);
        return endSample;
    }
}
