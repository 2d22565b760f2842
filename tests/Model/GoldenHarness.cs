namespace PdEngine.Tests;

/// <summary>What scoring a prompt came to.</summary>
/// <param name="First">First position that was computed; those before came from cached blocks.</param>
/// <param name="LogProbs">
/// Log-prob of each token given those before it [tokens]; NaN where not computed.
/// </param>
/// <param name="Logits">Logits at each computed position [tokens][vocabulary]; empty where not kept.</param>
internal sealed record GoldenRun(int First, float[] LogProbs, float[][] Logits);

/// <summary>
/// Drives a model through <see cref="ForwardBatch"/> without a scheduler: a prompt whole, in chunks, token
/// by token, beside others, or on another sequence's blocks. Blocks are handed out in shuffled order and
/// come back dirty, so that nothing can lean on their ids or on what they held.
/// </summary>
internal sealed class GoldenHarness : IDisposable
{
    private readonly ModelWeights _weights;
    private readonly KvStore _store;
    private readonly TensorParallelRunner _runner;
    private readonly Transformer _transformer;
    private readonly Stack<int> _free;
    private readonly int _pageSize;
    private readonly ForwardBatch _batch = new();

    /// <param name="backend">Not owned.</param>
    /// <param name="weights">Of that backend; not owned.</param>
    /// <param name="pageSize">Positions per block.</param>
    /// <param name="poolTokens">Positions that all sequences alive at once may take.</param>
    /// <param name="batchTokens">Most tokens of a step.</param>
    public GoldenHarness(
        IBackend backend, ModelWeights weights, int pageSize = 16, int poolTokens = 2048,
        int batchTokens = 1024)
    {
        ModelConfig config = weights.Config;
        _weights = weights;
        _pageSize = pageSize;
        int blockCount = poolTokens / pageSize;
        _store = backend.CreateKvStore(
            KvLayout.GroupedQuery(
                config.LayerCount, pageSize, config.KvHeadCount, config.HeadDim, backend.KvElement),
            blockCount);
        KvMemory memory = KvMemory.InHost(_store, rankCount: 1);
        _runner = new([backend], [weights], memory, batchTokens);
        _transformer = new(backend, weights, memory.Rank(0), batchTokens, group: null);
        int[] blocks = [.. Enumerable.Range(0, blockCount)];
        new Random(7).Shuffle(blocks);
        _free = new(blocks);
    }

    /// <summary>Keeps the logits of every position; the batch is then computed twice.</summary>
    public bool KeepLogits { get; init; }

    /// <summary>Scores one prompt, so many tokens a step.</summary>
    public GoldenRun Score(int[] prompt, int chunkTokens = int.MaxValue) =>
        Score([prompt], _ => chunkTokens)[0];

    /// <summary>
    /// Scores prompts side by side; each step takes from each so many tokens as the function says.
    /// </summary>
    /// <param name="prompts">Prompts.</param>
    /// <param name="chunkOf">Tokens to take of prompt i in the next step; 0 leaves it out.</param>
    public IReadOnlyList<GoldenRun> Score(IReadOnlyList<int[]> prompts, Func<int, int> chunkOf)
    {
        Sequence[] sequences = [.. prompts.Select(NewSequence)];
        GoldenRun[] runs = [.. sequences.Select(NewRun)];
        while (sequences.Any(sequence => sequence.ComputedCount < sequence.TokenCount))
            Step(sequences, runs, chunkOf);
        foreach (Sequence sequence in sequences)
            Release(sequence);
        return runs;
    }

    /// <summary>
    /// Scores a prompt whose leading blocks another sequence, with another ending, has computed.
    /// </summary>
    public GoldenRun ScoreOnCachedBlocks(int[] prompt, int cachedBlocks)
    {
        int cached = cachedBlocks * _pageSize;
        int[] other = [.. prompt[..cached], .. prompt.Reverse().Take(3)];
        Sequence donor = NewSequence(other);
        Step([donor], [NewRun(donor)], _ => int.MaxValue);
        Sequence sequence = NewSequence(prompt);
        for (int block = 0; block < cachedBlocks; block++)
            sequence.Blocks.Add(donor.Blocks[block]);
        sequence.ComputedCount = cached;
        GoldenRun run = NewRun(sequence);
        Step([sequence], [run], _ => int.MaxValue);
        for (int block = sequence.Blocks.Count - 1; block >= cachedBlocks; block--)
            _free.Push(sequence.Blocks[block]);
        Release(donor);
        return run;
    }

    /// <summary>Continues a prompt with its most likely tokens.</summary>
    public (int[] Tokens, float[] LogProbs) Greedy(int[] prompt, int count)
    {
        Sequence sequence = NewSequence(prompt);
        int[] tokens = new int[count];
        float[] logProbs = new float[count];
        for (int index = 0; index < count; index++)
        {
            _batch.Clear();
            AddSlice(sequence, int.MaxValue);
            SampleRow row = NewRow(_batch.WantLogits(_batch.TokenCount - 1), sequence.TokenCount, target: -1);
            row.Temperature = 0;
            _batch.Samples.Add(row, [], [], [], []);
            _runner.Start(_batch);
            _runner.Finish(_batch);
            tokens[index] = _batch.Samples.Results[0].Token;
            logProbs[index] = _batch.Samples.Results[0].LogProb;
            sequence.Append(tokens[index]);
        }
        Release(sequence);
        return (tokens, logProbs);
    }

    /// <summary>A sequence that nobody listens to, with no blocks yet.</summary>
    public static Sequence NewSequence(int[] prompt)
    {
        Request request = new()
        {
            Id = new(1), PromptTokens = prompt, Sampling = new(), Seed = 0, StopTokenIds = [],
            PenaltyPromptCount = prompt.Length,
        };
        return new(request, new SilentObserver(), submittedTicks: 0);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _transformer.Dispose();
        _store.Dispose();
    }

    private void Step(Sequence[] sequences, GoldenRun[] runs, Func<int, int> chunkOf)
    {
        _batch.Clear();
        List<(int Run, int Position)> scored = [];
        List<(int Run, int Position, int Token)> computed = [];
        for (int index = 0; index < sequences.Length; index++)
        {
            Sequence sequence = sequences[index];
            int position = sequence.ComputedCount;
            int chunk = position == sequence.TokenCount ? 0 : chunkOf(index);
            if (chunk == 0)
                continue;
            int first = AddSlice(sequence, chunk);
            for (int token = first; token < _batch.TokenCount; token++, position++)
            {
                computed.Add((index, position, token));
                if (position + 1 == sequence.TokenCount)
                    continue;
                scored.Add((index, position + 1));
                int target = sequence.Tokens[position + 1];
                _batch.Samples.Add(
                    NewRow(_batch.WantLogits(token), position + 1, target), [], [], [], []);
            }
        }
        if (computed.Count == 0)
            return;
        _runner.Start(_batch);
        _runner.Finish(_batch);
        for (int row = 0; row < scored.Count; row++)
            runs[scored[row].Run].LogProbs[scored[row].Position] = _batch.Samples.Results[row].LogProb;
        if (KeepLogits)
            TakeLogits(runs, computed);
    }

    private void TakeLogits(GoldenRun[] runs, List<(int Run, int Position, int Token)> computed)
    {
        _transformer.Run(_batch.TokenIds, _batch.Attention);
        foreach ((int Run, int Position, int Token)[] some in computed.Chunk(Transformer.LogitsRowCapacity))
        {
            Tensor logits = _transformer.Logits([.. some.Select(entry => entry.Token)]);
            for (int row = 0; row < some.Length; row++)
            {
                float[] values = new float[logits.Columns];
                logits.ReadRow(row, 0, values);
                runs[some[row].Run].Logits[some[row].Position] = values;
            }
        }
    }

    private int AddSlice(Sequence sequence, int chunkTokens)
    {
        int start = sequence.ComputedCount;
        int count = Math.Min(chunkTokens, sequence.TokenCount - start);
        while (sequence.Blocks.Count * _pageSize < start + count)
            sequence.Blocks.Add(_free.Pop());
        sequence.ComputedCount = start + count;
        return _batch.AddSlice(sequence, start, count, _pageSize);
    }

    private void Release(Sequence sequence)
    {
        for (int block = 0; block < sequence.Blocks.Count; block++)
            _free.Push(sequence.Blocks[block]);
        sequence.Blocks.Clear();
    }

    private GoldenRun NewRun(Sequence sequence)
    {
        float[] logProbs = new float[sequence.TokenCount];
        Array.Fill(logProbs, float.NaN);
        float[][] logits = new float[KeepLogits ? sequence.TokenCount : 0][];
        Array.Fill(logits, []);
        return new(sequence.ComputedCount, logProbs, logits);
    }

    private static SampleRow NewRow(int logitsRow, int position, int target) => new()
    {
        LogitsRow = logitsRow, Position = position, Target = target, Temperature = 1, TopP = 1, TopK = -1,
        RepetitionPenalty = 1, LogProbMode = (int)LogProbMode.Raw,
    };

    private sealed class SilentObserver : ISequenceObserver
    {
        public string? OnToken(Sequence sequence) => null;

        public void OnFinished(Sequence sequence)
        {
        }
    }
}
