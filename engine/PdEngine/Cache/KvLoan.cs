namespace PdEngine;

/// <summary>
/// Blocks that a prefill worker has finished and lends to a decode worker of another domain until that one
/// has copied them: in order of position, one reference each. Guarded by the lender's
/// <see cref="KvDomain.Gate"/>; read outside it only below a count that was read inside.
/// </summary>
internal sealed class KvLoan
{
    private int[] _blocks = [];
    private int[] _generations = [];

    public int Count { get; private set; }

    /// <summary>What the lender held: charged to it until the loan ends.</summary>
    public KvHold Lender { get; } = new();

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, Count);

    public int Generation(int index) => _generations[index];

    public void Add(int block, int generation)
    {
        if (Count == _blocks.Length)
        {
            // New arrays, so that a reader of the old ones goes on undisturbed.
            Array.Resize(ref _blocks, Math.Max(8, Count * 2));
            Array.Resize(ref _generations, _blocks.Length);
        }
        _blocks[Count] = block;
        _generations[Count++] = generation;
    }

    public void Clear()
    {
        _blocks = [];
        _generations = [];
        Count = 0;
    }
}
