namespace PdEngine.Tests;

/// <summary>Steps sequences through a <see cref="TensorParallelRunner"/> and keeps the logits.</summary>
internal sealed class ShardedWorker : IDisposable
{
    private const int TokenCapacity = 256;

    private readonly ShardedModel _model;
    private readonly int _pageSize;
    private readonly ForwardBatch _batch = new();

    /// <param name="model">Not owned.</param>
    /// <param name="memory">Not owned.</param>
    public ShardedWorker(ShardedModel model, KvMemory memory)
    {
        _model = model;
        _pageSize = memory.Layout.PageSize;
        Runner = new(model.Backends, model.Shards, memory, TokenCapacity);
    }

    public TensorParallelRunner Runner { get; }

    public ForwardBatch Batch => _batch;

    /// <summary>
    /// Computes the next tokens of sequences in one batch; the logits of every one of them, in order.
    /// </summary>
    public float[][] Step(params (Sequence Sequence, int Count)[] slices)
    {
        Fill(slices);
        _model.Backends[0].Logits.Clear();
        Runner.Start(_batch);
        Runner.Finish(_batch);
        return [.. _model.Backends[0].Logits];
    }

    /// <summary>Appends the most likely token after those computed, and computes it; so many times.</summary>
    /// <param name="sequence">All but nothing of it is computed.</param>
    /// <param name="logits">Of its last token.</param>
    /// <param name="count">Tokens.</param>
    /// <returns>Logits of each [count].</returns>
    public float[][] Decode(Sequence sequence, float[] logits, int count)
    {
        float[][] rows = new float[count][];
        for (int index = 0; index < count; index++)
        {
            sequence.Append(Array.IndexOf(logits, logits.Max()));
            logits = rows[index] = Step((sequence, 1))[0];
        }
        return rows;
    }

    /// <summary>A batch of the next tokens of sequences, every row of which is sampled.</summary>
    public void Fill(params (Sequence Sequence, int Count)[] slices)
    {
        _batch.Clear();
        foreach ((Sequence sequence, int count) in slices)
        {
            int first = _batch.AddSlice(sequence, sequence.ComputedCount, count, _pageSize);
            sequence.ComputedCount += count;
            for (int token = first; token < _batch.TokenCount; token++)
            {
                SampleRow row = new()
                {
                    LogitsRow = _batch.WantLogits(token), Target = -1, TopP = 1, TopK = -1,
                    RepetitionPenalty = 1, LogProbMode = (int)LogProbMode.Raw,
                };
                _batch.Samples.Add(row, [], [], [], []);
            }
        }
    }

    /// <summary>A sequence on given blocks, enough for so many tokens more.</summary>
    public static Sequence NewSequence(int[] prompt, IEnumerable<int> blocks)
    {
        Sequence sequence = GoldenHarness.NewSequence(prompt);
        foreach (int block in blocks)
            sequence.Blocks.Add(block);
        return sequence;
    }

    public void Dispose() => Runner.Dispose();
}
