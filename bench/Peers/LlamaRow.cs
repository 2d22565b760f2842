namespace PdEngine.Bench;

/// <summary>A row of the peer's; every call on one thread.</summary>
internal sealed class LlamaRow(LlamaCpp peer, ModelRowSpec row, int vocabularySize)
{
    private const int MostBatchTokens = 2048;

    // Runs between two calls of Prepare go on from each other, since it takes no position twice.
    private const int MostRuns = 8;
    private readonly int[] _tokens = new int[MostBatchTokens];
    private readonly int[] _positions = new int[MostBatchTokens];
    private readonly int[] _sequences = new int[MostBatchTokens];
    private readonly byte[] _wanted = new byte[MostBatchTokens];
    private int _count;
    private int _runs;

    /// <summary>Opens a context and computes what lies behind the row.</summary>
    public void Open(int threads)
    {
        peer.OpenContext((row.Positions + MostRuns) * row.Batch, row.Batch, threads);
        Add(0, 0, row.Context, wantsLast: false);
        Compute();
        for (int sequence = 1; sequence < row.Batch && row.Context > 0; sequence++)
            peer.Copy(0, sequence);
    }

    /// <summary>Forgets what runs have added.</summary>
    public void Prepare()
    {
        _runs = 0;
        if (row.Context == 0)
        {
            peer.Clear();
            return;
        }
        for (int sequence = 0; sequence < row.Batch; sequence++)
            peer.Cut(sequence, row.Context);
    }

    public void Run()
    {
        for (int sequence = 0; sequence < row.DecodeRows; sequence++)
            Add(sequence, row.Context + _runs, 1, wantsLast: true);
        Add(row.DecodeRows, row.Context, row.ChunkTokens, wantsLast: true);
        Compute();
        _runs++;
    }

    private void Add(int sequence, int start, int count, bool wantsLast)
    {
        for (int position = start; position < start + count; position++)
        {
            if (_count == MostBatchTokens)
                Compute();
            _tokens[_count] = (int)((position * 7919L) % vocabularySize);
            _positions[_count] = position;
            _sequences[_count] = sequence;
            _wanted[_count++] = (byte)(wantsLast && position == start + count - 1 ? 1 : 0);
        }
    }

    private void Compute()
    {
        if (_count == 0)
            return;
        peer.Decode(
            _tokens.AsSpan(0, _count), _positions.AsSpan(0, _count), _sequences.AsSpan(0, _count),
            _wanted.AsSpan(0, _count));
        _count = 0;
    }
}
