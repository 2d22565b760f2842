namespace PdEngine;

/// <summary>
/// Finished blocks of a hold that a worker of another domain copies: in order of position, one reference
/// each, so that they stay what they are even where the hold takes others with the same content. Ends with
/// the hold. Guarded by the lender's <see cref="KvDomain.Gate"/>.
/// </summary>
internal sealed class KvLoan
{
    private int[] _blocks = [];
    private int[] _generations = [];

    public int Count { get; private set; }

    /// <summary>Good for reading outside the gate too: what is added later goes elsewhere.</summary>
    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, Count);

    public int Generation(int index) => _generations[index];

    public void Add(int block, int generation)
    {
        if (Count == _blocks.Length)
        {
            Array.Resize(ref _blocks, Math.Max(8, Count * 2));
            Array.Resize(ref _generations, _blocks.Length);
        }
        _blocks[Count] = block;
        _generations[Count++] = generation;
    }
}
