namespace PdEngine;

/// <summary>
/// Prefixes whose K and V are at hand: a radix tree over runs of whole blocks. The cache holds one reference
/// on each of its blocks. A sequence holds the prefix it uses by a lock on the run where it ends, which
/// counts on every run up to the root; a run without locks is referenced by the cache alone, so evicting it
/// frees blocks.
/// </summary>
/// <remarks>
/// Eviction takes blocks from the end of the least recently used leaf run, in O(log runs) for each run
/// touched. Time is a counter of uses, so that what is evicted is a function of the calls made.
/// </remarks>
internal sealed class RadixCache(KvBlockPool pool)
{
    private readonly KvBlockPool _pool = pool;
    private readonly int _pageSize = pool.PageSize;
    private readonly List<RadixNode> _retiredRoots = [];
    private RadixNode _root = new(null, [], []);
    private readonly SortedSet<RadixNode> _evictableLeaves = new(ByLastUse.Instance);
    private long _useCount;

    /// <summary>Blocks held by the cache.</summary>
    public int BlockCount { get; private set; }

    /// <summary>Blocks that eviction could free now.</summary>
    public int EvictableBlockCount { get; private set; }

    public int LockedBlockCount => BlockCount - EvictableBlockCount;

    /// <summary>How much of the tokens is cached; changes nothing.</summary>
    /// <param name="tokens">A sequence's tokens.</param>
    /// <param name="maxTokens">Longest prefix that may be used.</param>
    public PrefixMatch Peek(ReadOnlySpan<int> tokens, int maxTokens)
    {
        ReadOnlySpan<int> wanted = WholeBlocks(tokens, maxTokens);
        RadixNode node = _root;
        int found = 0, evictable = 0;
        while (TryDescend(node, wanted[(found * _pageSize)..], out RadixNode child, out int common))
        {
            found += common;
            evictable += child.LockCount == 0 ? common : 0;
            if (common < child.BlockCount)
                break;
            node = child;
        }
        return new(found, evictable);
    }

    /// <summary>
    /// Locks the longest cached prefix and adds its blocks, with a reference each, to a table.
    /// </summary>
    /// <remarks>A run that matches in part is split at a block boundary.</remarks>
    public PrefixLock MatchAndLock(ReadOnlySpan<int> tokens, int maxTokens, BlockTable table)
    {
        Check.That(table.Count == 0);
        ReadOnlySpan<int> wanted = WholeBlocks(tokens, maxTokens);
        RadixNode node = _root;
        while (TryDescend(node, wanted[(table.Count * _pageSize)..], out RadixNode child, out int common))
        {
            node = common < child.BlockCount ? child.SplitAt(common, _pageSize) : child;
            foreach (int block in node.Blocks)
            {
                _pool.AddReference(block);
                table.Add(block);
            }
        }
        return Lock(node);
    }

    /// <summary>
    /// Makes a sequence's whole blocks findable and extends its lock over them. Where the cache already holds
    /// the same tokens the table takes the cache's block and gives its own back.
    /// </summary>
    /// <param name="tokens">Tokens whose K and V lie in the table; a last, partial block is left out.</param>
    /// <param name="table">The sequence's blocks.</param>
    /// <param name="held">The sequence's lock, given up here.</param>
    /// <returns>The lock that the sequence holds from now on.</returns>
    public PrefixLock Insert(ReadOnlySpan<int> tokens, BlockTable table, PrefixLock held)
    {
        ReadOnlySpan<int> wanted = WholeBlocks(tokens, tokens.Length);
        int count = wanted.Length / _pageSize;
        RadixNode node = held.Node ?? _root;
        int done = held.BlockCount;
        while (TryDescend(node, wanted[(done * _pageSize)..], out RadixNode child, out int common))
        {
            node = common < child.BlockCount ? child.SplitAt(common, _pageSize) : child;
            foreach (int block in node.Blocks)
            {
                _pool.AddReference(block);
                _pool.Release(table[done]);
                table.Replace(done++, block);
            }
        }
        if (done < count)
            node = AddLeaf(node, wanted[(done * _pageSize)..], table.Blocks[done..count]);
        PrefixLock taken = Lock(node);
        Unlock(held);
        return taken;
    }

    /// <summary>A second lock on the same prefix.</summary>
    public PrefixLock LockAgain(PrefixLock held) => Lock(held.Node ?? _root);

    public void Unlock(PrefixLock held)
    {
        for (RadixNode? node = held.Node; node is { Parent: not null }; node = node.Parent)
        {
            Check.That(node.LockCount > 0);
            if (--node.LockCount > 0)
                continue;
            EvictableBlockCount += node.BlockCount;
            node.LastUse = ++_useCount;
            if (node.IsLeaf)
                _evictableLeaves.Add(node);
        }
    }

    /// <summary>Frees up to this many blocks, least recently used first; locked prefixes stay.</summary>
    /// <returns>Blocks freed.</returns>
    public int Evict(int blockCount)
    {
        int freed = 0;
        while (freed < blockCount && _evictableLeaves.Min is { } leaf)
        {
            Check.That(leaf.LockCount == 0 && leaf.IsLeaf);
            for (; freed < blockCount && leaf.BlockCount > 0; freed++)
            {
                int block = leaf.RemoveLastBlock();
                Check.That(_pool.ReferenceCount(block) == 1);
                _pool.Release(block);
            }
            if (leaf.BlockCount == 0)
                Remove(leaf);
        }
        BlockCount -= freed;
        EvictableBlockCount -= freed;
        return freed;
    }

    /// <summary>Forgets every prefix that is not in use.</summary>
    /// <returns>Blocks freed.</returns>
    public int Flush() => Evict(EvictableBlockCount);

    /// <summary>
    /// Makes every prefix of before unfindable. Those in use stay until they are let go, and are then evicted
    /// like others; the rest is forgotten at once.
    /// </summary>
    public void Renew()
    {
        Flush();
        if (_root.IsLeaf)
            return;
        _retiredRoots.Add(_root);
        _root = new(null, [], []);
    }

    /// <summary>Checks every count against a walk of the tree.</summary>
    /// <param name="holderCounts">Gains one for each block held [pool blocks].</param>
    public void CheckConsistency(Span<int> holderCounts)
    {
        int blockCount = 0, evictable = 0, leaves = 0;
        Stack<RadixNode> open = new([.. _retiredRoots, _root]);
        while (open.TryPop(out RadixNode? node))
        {
            int childLocks = 0;
            foreach (RadixNode child in node.Children)
            {
                Check.That(child.Parent == node && child.BlockCount > 0);
                Check.That(child.EndBlockCount == node.EndBlockCount + child.BlockCount);
                childLocks += child.LockCount;
                open.Push(child);
            }
            bool isRoot = node.Parent is null;
            Check.That(isRoot || node.LockCount >= childLocks);
            Check.That(!isRoot || node == _root || !node.IsLeaf);
            foreach (int block in node.Blocks)
                holderCounts[block]++;
            blockCount += node.BlockCount;
            evictable += node.LockCount == 0 ? node.BlockCount : 0;
            bool evictableLeaf = !isRoot && node.LockCount == 0 && node.IsLeaf;
            leaves += evictableLeaf ? 1 : 0;
            Check.That(!evictableLeaf || _evictableLeaves.Contains(node));
        }
        Check.That(blockCount == BlockCount);
        Check.That(evictable == EvictableBlockCount);
        Check.That(leaves == _evictableLeaves.Count);
    }

    private ReadOnlySpan<int> WholeBlocks(ReadOnlySpan<int> tokens, int maxTokens) =>
        tokens[..(Math.Min(tokens.Length, maxTokens) / _pageSize * _pageSize)];

    private bool TryDescend(RadixNode node, ReadOnlySpan<int> rest, out RadixNode child, out int common)
    {
        common = 0;
        child = node;
        if (rest.IsEmpty || !node.TryGetChild(rest[.._pageSize], out RadixNode? next))
            return false;
        child = next!;
        common = rest.CommonPrefixLength(child.Tokens(_pageSize)) / _pageSize;
        return true;
    }

    private RadixNode AddLeaf(RadixNode parent, ReadOnlySpan<int> tokens, ReadOnlySpan<int> blocks)
    {
        if (parent.LockCount == 0 && parent.IsLeaf)
            _evictableLeaves.Remove(parent);
        RadixNode leaf = new(parent, tokens, blocks) { LastUse = ++_useCount };
        parent.AddChild(leaf, _pageSize);
        foreach (int block in blocks)
            _pool.AddReference(block);
        BlockCount += blocks.Length;
        EvictableBlockCount += blocks.Length;
        _evictableLeaves.Add(leaf);
        return leaf;
    }

    private PrefixLock Lock(RadixNode end)
    {
        for (RadixNode node = end; node.Parent is not null; node = node.Parent)
        {
            if (node.LockCount == 0)
            {
                EvictableBlockCount -= node.BlockCount;
                if (node.IsLeaf)
                    _evictableLeaves.Remove(node);
            }
            node.LockCount++;
        }
        return end.Parent is null ? default : new(end);
    }

    private void Remove(RadixNode leaf)
    {
        _evictableLeaves.Remove(leaf);
        leaf.Detach(_pageSize);
        RadixNode parent = leaf.Parent!;
        if (parent.Parent is null)
        {
            if (parent != _root && parent.IsLeaf)
                _retiredRoots.Remove(parent);
        }
        else if (parent.LockCount == 0 && parent.IsLeaf)
            _evictableLeaves.Add(parent);
    }

    /// <summary>Equal stamps lie on one path from the root, of which one run at a time is a leaf.</summary>
    private sealed class ByLastUse : IComparer<RadixNode>
    {
        public static ByLastUse Instance { get; } = new();

        public int Compare(RadixNode? x, RadixNode? y) => x!.LastUse.CompareTo(y!.LastUse);
    }
}
