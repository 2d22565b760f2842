namespace PdEngine.Tests;

/// <summary>
/// K and V of one domain: token ids, once for the lower layers and once for the upper ones, so that a copy
/// which forgets some layers shows.
/// </summary>
internal sealed class FakeKvMemory(KvBlockPool pool)
{
    public const int LayerCount = 9;

    /// <summary>Layers below this one are the lower ones: those of all copies but the last.</summary>
    public const int UpperLayer = 6;

    private readonly int[] _lower = new int[pool.BlockCount * pool.PageSize];
    private readonly int[] _upper = new int[pool.BlockCount * pool.PageSize];
    private readonly int[] _copiedGenerations = NewGenerations(pool.BlockCount);
    private readonly bool[] _started = new bool[pool.BlockCount];

    public KvBlockPool Pool { get; } = pool;

    public void Write(int block, int offset, int token)
    {
        _lower[(block * Pool.PageSize) + offset] = token;
        _upper[(block * Pool.PageSize) + offset] = token;
    }

    /// <summary>The token, or what cannot be one where the layers differ.</summary>
    public int Read(int block, int offset)
    {
        int slot = (block * Pool.PageSize) + offset;
        return _lower[slot] == _upper[slot] ? _lower[slot] : -1 - _lower[slot];
    }

    /// <summary>A started batch writes a block of a prompt, or is finished.</summary>
    public void NoteStarted(int block, bool isStarted) => _started[block] = isStarted;

    /// <summary>Copies of blocks before the results of the batch that writes them were there.</summary>
    public long EarlyCopyCount { get; private set; }

    /// <summary>A copy of a block, in its use of now, has begun.</summary>
    public void MarkCopied(int block)
    {
        _copiedGenerations[block] = Pool.Generation(block);
        EarlyCopyCount += _started[block] ? 1 : 0;
    }

    /// <summary>Whether one has.</summary>
    public bool IsCopied(int block) => _copiedGenerations[block] == Pool.Generation(block);

    public void CopyFrom(FakeKvMemory source, int sourceBlock, int block, int firstLayer, int layerCount)
    {
        int size = Pool.PageSize;
        if (firstLayer < UpperLayer)
            Array.Copy(source._lower, sourceBlock * size, _lower, block * size, size);
        if (firstLayer + layerCount > UpperLayer)
            Array.Copy(source._upper, sourceBlock * size, _upper, block * size, size);
    }

    /// <summary>Nothing in it is what anyone has written.</summary>
    public void Scramble()
    {
        Array.Fill(_lower, int.MinValue);
        Array.Fill(_upper, int.MinValue);
    }

    private static int[] NewGenerations(int count)
    {
        int[] generations = new int[count];
        Array.Fill(generations, -1);
        return generations;
    }
}
