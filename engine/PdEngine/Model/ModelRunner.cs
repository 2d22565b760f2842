namespace PdEngine;

/// <summary>
/// Runs batches on a backend that computes where it is called: all work is done in <see cref="Start"/>.
/// </summary>
/// <param name="backend">Computes; not owned.</param>
/// <param name="weights">Loaded by that backend; not owned.</param>
/// <param name="store">K and V of the worker's sequences; not owned.</param>
/// <param name="tokenCapacity">Most tokens of a batch: the scheduler's budget.</param>
internal sealed class ModelRunner(IBackend backend, ModelWeights weights, KvStore store, int tokenCapacity)
    : IModelRunner
{
    private readonly Transformer _transformer = new(backend, weights, tokenCapacity);

    public void Start(ForwardBatch batch)
    {
        _transformer.Run(batch.TokenIds, batch.Attention, store);
        SampleBatch samples = batch.Samples;
        int firstSample = 0;
        for (int firstRow = 0; firstRow < batch.LogitsRowCount; firstRow += Transformer.LogitsRowCapacity)
        {
            int rowCount = Math.Min(Transformer.LogitsRowCapacity, batch.LogitsRowCount - firstRow);
            Tensor logits = _transformer.Logits(batch.WantedTokens.Slice(firstRow, rowCount));
            int endSample = firstSample;
            while (endSample < samples.RowCount && samples.Rows[endSample].LogitsRow < firstRow + rowCount)
                endSample++;
            backend.Sample(logits, firstRow, samples, firstSample, endSample - firstSample);
            firstSample = endSample;
        }
        Check.That(firstSample == samples.RowCount);
    }

    public void Finish(ForwardBatch batch)
    {
    }

    public void Rest() => backend.Rest();

    public void Dispose() => _transformer.Dispose();
}
