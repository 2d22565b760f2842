namespace PdEngine.Bench;

/// <summary>The tokens of one step of <see cref="LlamaServer"/>.</summary>
internal sealed class LlamaBatch(int capacity)
{
    private readonly int[] _tokens = new int[capacity];
    private readonly int[] _positions = new int[capacity];
    private readonly int[] _sequences = new int[capacity];
    private readonly byte[] _wanted = new byte[capacity];
    private readonly List<(LlamaSlot Slot, int Index)> _wantedRows = [];
    private int _count;

    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, _count);

    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, _count);

    public ReadOnlySpan<int> Sequences => _sequences.AsSpan(0, _count);

    /// <summary>1 where logits are wanted.</summary>
    public ReadOnlySpan<byte> Wanted => _wanted.AsSpan(0, _count);

    /// <summary>Where logits are wanted, and whose.</summary>
    public IReadOnlyList<(LlamaSlot Slot, int Index)> WantedRows => _wantedRows;

    public void Clear()
    {
        _count = 0;
        _wantedRows.Clear();
    }

    /// <summary>
    /// Adds a slot's next tokens as far as there is room; the logits of its last one are wanted.
    /// </summary>
    public void Add(LlamaSlot slot, int tokenCount)
    {
        int end = _count + Math.Min(tokenCount, capacity - _count);
        for (; _count < end; _count++)
        {
            (_tokens[_count], _positions[_count]) = slot.Next();
            _sequences[_count] = slot.Id;
            bool isLast = slot.PendingTokens == 0;
            _wanted[_count] = (byte)(isLast ? 1 : 0);
            if (isLast)
                _wantedRows.Add((slot, _count));
        }
    }
}
