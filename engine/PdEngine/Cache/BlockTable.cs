namespace PdEngine;

/// <summary>
/// The KV blocks of one sequence in order of position: block i holds positions [i*page, (i+1)*page).
/// </summary>
internal sealed class BlockTable
{
    private int[] _blocks = [];

    public int Count { get; private set; }

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, Count);

    public int this[int index] => _blocks[index];

    /// <summary>Makes room for this many blocks, so that adding them allocates nothing.</summary>
    public void EnsureCapacity(int blockCount)
    {
        if (_blocks.Length < blockCount)
            Array.Resize(ref _blocks, blockCount);
    }

    public void Add(int block)
    {
        if (Count == _blocks.Length)
            Array.Resize(ref _blocks, Math.Max(8, _blocks.Length * 2));
        _blocks[Count++] = block;
    }

    /// <summary>Puts another block with the same K and V in a block's place.</summary>
    public void Replace(int index, int block)
    {
        Check.That(index < Count);
        _blocks[index] = block;
    }

    public void Clear() => Count = 0;
}
