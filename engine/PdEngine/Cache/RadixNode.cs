namespace PdEngine;

/// <summary>One run of whole blocks in the prefix cache, and the runs that may follow it.</summary>
internal sealed class RadixNode
{
    private Dictionary<int[], RadixNode>? _children;
    private int[] _tokens;
    private int[] _blocks;

    public RadixNode(RadixNode? parent, ReadOnlySpan<int> tokens, ReadOnlySpan<int> blocks)
    {
        Parent = parent;
        _tokens = tokens.ToArray();
        _blocks = blocks.ToArray();
        BlockCount = blocks.Length;
        EndBlockCount = (parent?.EndBlockCount ?? 0) + blocks.Length;
    }

    /// <summary>Null for the root alone, which holds no block.</summary>
    public RadixNode? Parent { get; private set; }

    /// <summary>Blocks of this run; eviction takes them from the end.</summary>
    public int BlockCount { get; private set; }

    /// <summary>Blocks from the root to the end of this run.</summary>
    public int EndBlockCount { get; private set; }

    /// <summary>Holders of a prefix that ends in this run or in one below it.</summary>
    public int LockCount { get; set; }

    /// <summary>When the last holder let go, by the cache's counter; larger is later.</summary>
    public long LastUse { get; set; }

    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, BlockCount);

    public bool IsLeaf => _children is null or { Count: 0 };

    public IEnumerable<RadixNode> Children => _children is null ? [] : _children.Values;

    public ReadOnlySpan<int> Tokens(int pageSize) => _tokens.AsSpan(0, BlockCount * pageSize);

    public bool TryGetChild(ReadOnlySpan<int> firstBlock, out RadixNode? child)
    {
        child = null;
        return _children is not null
            && _children.GetAlternateLookup<ReadOnlySpan<int>>().TryGetValue(firstBlock, out child);
    }

    public void AddChild(RadixNode child, int pageSize)
    {
        _children ??= new(TokenRunComparer.Instance);
        _children.Add(child.Tokens(pageSize)[..pageSize].ToArray(), child);
    }

    /// <summary>Cuts this run in two; the new upper run takes its first blocks and its place.</summary>
    public RadixNode SplitAt(int blockCount, int pageSize)
    {
        Check.That(Parent is not null && blockCount > 0 && blockCount < BlockCount);
        ReadOnlySpan<int> tokens = Tokens(pageSize);
        RadixNode upper = new(Parent, tokens[..(blockCount * pageSize)], Blocks[..blockCount])
        {
            LockCount = LockCount,
            LastUse = LastUse,
        };
        Parent._children!.GetAlternateLookup<ReadOnlySpan<int>>()[tokens[..pageSize]] = upper;
        _tokens = tokens[(blockCount * pageSize)..].ToArray();
        _blocks = Blocks[blockCount..].ToArray();
        BlockCount -= blockCount;
        Parent = upper;
        upper.AddChild(this, pageSize);
        return upper;
    }

    /// <summary>Drops the last block of the run and returns it.</summary>
    public int RemoveLastBlock()
    {
        EndBlockCount--;
        return _blocks[--BlockCount];
    }

    /// <summary>Takes an emptied run out of the tree.</summary>
    public void Detach(int pageSize)
    {
        Check.That(Parent is not null && BlockCount == 0 && IsLeaf);
        Parent._children!.GetAlternateLookup<ReadOnlySpan<int>>().Remove(_tokens.AsSpan(0, pageSize));
    }
}
