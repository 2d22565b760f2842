namespace PdEngine.Examples;

/// <summary>Whole sequences end to end, as many as fit: what one forward and backward pass takes.</summary>
/// <param name="tokenCapacity">Most tokens.</param>
/// <param name="pageSize">Positions of a KV block.</param>
internal sealed class PackedSequences(int tokenCapacity, int pageSize)
{
    private readonly int[] _tokens = new int[tokenCapacity];
    private readonly int[] _positions = new int[tokenCapacity];
    private readonly int[] _wanted = new int[tokenCapacity];
    private readonly int[] _blocks = BlockIds(BlockCapacity(tokenCapacity, pageSize));
    private readonly List<(TrainingSequence Sequence, int FirstToken)> _sequences = [];

    /// <summary>Blocks that any sequences of so many tokens are given.</summary>
    public static int BlockCapacity(int tokenCapacity, int pageSize) =>
        tokenCapacity / 8 + tokenCapacity / pageSize;

    public AttentionBatch Attention { get; } = new();

    public SampleBatch Scores { get; } = new();

    public int TokenCount { get; private set; }

    /// <summary>Rows whose logits give a response token.</summary>
    public int WantedCount { get; private set; }

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, TokenCount);

    /// <summary>Position in its sequence of each token.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, TokenCount);

    /// <summary>Indices of the tokens that come before a response token, in order.</summary>
    public ReadOnlySpan<int> Wanted => _wanted.AsSpan(0, WantedCount);

    public IReadOnlyList<(TrainingSequence Sequence, int FirstToken)> Sequences => _sequences;

    /// <summary>Takes sequences from a list, at least one.</summary>
    /// <param name="all">The list.</param>
    /// <param name="first">Where to begin.</param>
    /// <param name="temperature">Of the log-probs.</param>
    /// <returns>How many were taken.</returns>
    public int Fill(IReadOnlyList<TrainingSequence> all, int first, float temperature)
    {
        Clear();
        int index = first;
        int blockCount = 0;
        for (; index < all.Count; index++)
        {
            int length = all[index].Tokens.Length;
            int blocks = (length + pageSize - 1) / pageSize;
            Check.That(length > 0 && length <= tokenCapacity);
            if (TokenCount + length > tokenCapacity || blockCount + blocks > _blocks.Length)
                break;
            Attention.Add(TokenCount, 0, length, _blocks.AsSpan(blockCount, blocks));
            Add(all[index], temperature);
            blockCount += blocks;
        }
        return index - first;
    }

    private void Clear()
    {
        Attention.Clear();
        Scores.Clear();
        _sequences.Clear();
        (TokenCount, WantedCount) = (0, 0);
    }

    private void Add(TrainingSequence sequence, float temperature)
    {
        _sequences.Add((sequence, TokenCount));
        Check.That(!sequence.IsResponse[0] && sequence.IsResponse.Length == sequence.Tokens.Length);
        for (int position = 0; position < sequence.Tokens.Length; position++)
        {
            _tokens[TokenCount + position] = sequence.Tokens[position];
            _positions[TokenCount + position] = position;
            if (!sequence.IsResponse[position])
                continue;
            SampleRow row = ScoreRow(temperature);
            row.LogitsRow = WantedCount;
            row.Position = position;
            row.Target = sequence.Tokens[position];
            Scores.AddRow(row);
            _wanted[WantedCount++] = TokenCount + position - 1;
        }
        TokenCount += sequence.Tokens.Length;
    }

    /// <summary>A row that asks for the log-prob over the full vocabulary, as a rollout reports it.</summary>
    private static SampleRow ScoreRow(float temperature) => new()
    {
        Temperature = temperature,
        TopP = 1,
        TopK = -1,
        RepetitionPenalty = 1,
        LogProbMode = (int)LogProbMode.Tempered,
        TopPMode = (int)TopPMode.Joint,
    };

    private static int[] BlockIds(int count)
    {
        int[] ids = new int[count];
        for (int id = 0; id < count; id++)
            ids[id] = id;
        return ids;
    }
}
