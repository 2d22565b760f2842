using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// One step's work, flat and without a phase: a slice of positions per sequence, and the rows whose logits
/// are wanted. Reused from step to step; it grows and never shrinks.
/// </summary>
internal sealed class ForwardBatch
{
    private int[] _tokenIds = new int[64];
    private Sequence[] _sequences = new Sequence[8];
    private SliceRows[] _sliceRows = new SliceRows[8];
    private int[] _wantedTokens = new int[8];
    private float[] _rewards = new float[8];
    private readonly List<BatchFork> _forks = [];

    /// <summary>Slices and block tables, as attention takes them.</summary>
    public AttentionBatch Attention { get; } = new();

    /// <summary>What to draw or score from the wanted rows, and the results.</summary>
    public SampleBatch Samples { get; } = new();

    public int TokenCount { get; private set; }

    /// <summary>
    /// Token ids [TokenCount], slice after slice. One below 0 is that which the batch started before draws in
    /// its sample row -1 - id; the same goes for the history of its samples.
    /// </summary>
    public ReadOnlySpan<int> TokenIds => _tokenIds.AsSpan(0, TokenCount);

    /// <summary>Sequence of each slice [Attention.SliceCount].</summary>
    public ReadOnlySpan<Sequence> Sequences => _sequences.AsSpan(0, Attention.SliceCount);

    /// <summary>What each slice's sequence takes from <see cref="Samples"/> [Attention.SliceCount].</summary>
    public ReadOnlySpan<SliceRows> SliceRows => _sliceRows.AsSpan(0, Attention.SliceCount);

    /// <summary>Sequences that draw from the last row of another's slice.</summary>
    public ReadOnlySpan<BatchFork> Forks => CollectionsMarshal.AsSpan(_forks);

    /// <summary>
    /// Index in the batch of each token whose logits are wanted; ascending [LogitsRowCount].
    /// </summary>
    public ReadOnlySpan<int> WantedTokens => _wantedTokens.AsSpan(0, LogitsRowCount);

    public int LogitsRowCount { get; private set; }

    /// <summary>Some slice is of a sequence whose tokens are still being computed.</summary>
    public bool HasChunks { get; private set; }

    /// <summary>Of a reward model: what its head made of the wanted rows [LogitsRowCount].</summary>
    public Span<float> Rewards => _rewards.AsSpan(0, LogitsRowCount);

    public void Clear()
    {
        Array.Clear(_sequences, 0, Attention.SliceCount);
        Attention.Clear();
        Samples.Clear();
        _forks.Clear();
        TokenCount = 0;
        LogitsRowCount = 0;
        HasChunks = false;
    }

    /// <summary>The batch is started: its sequences know their rows of it.</summary>
    public void Mark()
    {
        for (int i = 0; i < Attention.SliceCount; i++)
            _sequences[i].StartedRow = _sliceRows[i].FirstRow + _sliceRows[i].ScoreCount;
        foreach (BatchFork fork in Forks)
            fork.Sequence.StartedRow = fork.Row;
    }

    /// <summary>Its results are there, or a later batch is started.</summary>
    public void Unmark()
    {
        foreach (Sequence sequence in Sequences)
            sequence.StartedRow = -1;
        foreach (BatchFork fork in Forks)
            fork.Sequence.StartedRow = -1;
    }

    /// <summary>
    /// Adds positions [start, start + count) of a sequence; its table must hold blocks for them. The last one
    /// may be that of a token which a started batch draws.
    /// </summary>
    /// <returns>Index in the batch of the slice's first token.</returns>
    public int AddSlice(Sequence sequence, int start, int count, int pageSize)
    {
        Check.That(count > 0 && start + count <= sequence.StartedTokenCount);
        int slice = Attention.SliceCount;
        if (slice == _sequences.Length)
        {
            Array.Resize(ref _sequences, slice * 2);
            Array.Resize(ref _sliceRows, slice * 2);
        }
        _sequences[slice] = sequence;
        _sliceRows[slice] = new(Samples.RowCount, 0, 0);
        int blockCount = (start + count + pageSize - 1) / pageSize;
        Attention.Add(TokenCount, start, count, sequence.Blocks.Blocks[..blockCount]);
        if (TokenCount + count > _tokenIds.Length)
            Array.Resize(ref _tokenIds, Math.Max(_tokenIds.Length * 2, TokenCount + count));
        int knownCount = Math.Min(count, sequence.TokenCount - start);
        sequence.Tokens.Slice(start, knownCount).CopyTo(_tokenIds.AsSpan(TokenCount));
        if (knownCount < count)
            _tokenIds[TokenCount + knownCount] = -1 - sequence.StartedRow;
        HasChunks |= sequence.Phase == SequencePhase.Prefilling;
        TokenCount += count;
        return TokenCount - count;
    }

    /// <summary>
    /// States how many of the sample rows added since the last slice score tokens and how many draw.
    /// </summary>
    public void SetSliceRows(int scoreCount, int drawCount)
    {
        ref SliceRows rows = ref _sliceRows[Attention.SliceCount - 1];
        rows = new(rows.FirstRow, scoreCount, drawCount);
        Check.That(Samples.RowCount == rows.FirstRow + scoreCount + drawCount);
    }

    /// <summary>Asks for the reward that the last token of the last slice gives its sequence.</summary>
    public void WantReward()
    {
        ref SliceRows rows = ref _sliceRows[Attention.SliceCount - 1];
        rows = rows with { RewardRow = WantLogits(TokenCount - 1) };
    }

    /// <summary>
    /// States that the sample row added last is another sequence's draw from the last row of the last slice.
    /// </summary>
    public void AddFork(Sequence sequence)
    {
        Check.That(LogitsRowCount > 0 && Attention.SliceCount > 0);
        _forks.Add(new(sequence, Attention.SliceCount - 1, Samples.RowCount - 1));
    }

    /// <summary>Asks for the logits that follow one token of the batch; tokens in ascending order.</summary>
    /// <returns>The logits row.</returns>
    public int WantLogits(int tokenIndex)
    {
        Check.That(tokenIndex < TokenCount);
        Check.That(LogitsRowCount == 0 || _wantedTokens[LogitsRowCount - 1] < tokenIndex);
        if (LogitsRowCount == _wantedTokens.Length)
        {
            Array.Resize(ref _wantedTokens, LogitsRowCount * 2);
            Array.Resize(ref _rewards, LogitsRowCount * 2);
        }
        _wantedTokens[LogitsRowCount] = tokenIndex;
        return LogitsRowCount++;
    }
}

/// <summary>A sequence that goes on from where a slice of another ends.</summary>
/// <param name="Sequence">Has the same tokens.</param>
/// <param name="Slice">The other's slice, with its last token.</param>
/// <param name="Row">Its own sample row.</param>
internal readonly record struct BatchFork(Sequence Sequence, int Slice, int Row);
