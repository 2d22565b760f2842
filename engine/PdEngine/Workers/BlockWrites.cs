namespace PdEngine;

/// <summary>
/// The blocks that are being written by one step or copy: until it has ended none of them is given to anyone
/// else, even if their sequence is gone.
/// </summary>
internal sealed class BlockWrites(KvDomain domain)
{
    private readonly List<(int Block, int Generation)> _open = [];

    /// <summary>Announces the blocks that a batch's new positions lie in.</summary>
    public void Begin(AttentionBatch batch)
    {
        int pageSize = domain.Pool.PageSize;
        lock (domain.Gate)
        {
            foreach (AttentionSlice slice in batch.Slices)
            {
                int last = (slice.Start + slice.QueryCount - 1) / pageSize;
                for (int i = slice.Start / pageSize; i <= last; i++)
                    Open(batch.Blocks[slice.FirstBlock + i]);
            }
        }
    }

    public void Begin(ReadOnlySpan<int> blocks)
    {
        lock (domain.Gate)
        {
            foreach (int block in blocks)
                Open(block);
        }
    }

    /// <summary>They are written; a block that has become another's meanwhile is a bug.</summary>
    public void End()
    {
        lock (domain.Gate)
        {
            foreach ((int block, int generation) in _open)
                domain.Pool.EndWrite(block, generation);
        }
        _open.Clear();
    }

    private void Open(int block) => _open.Add((block, domain.Pool.BeginWrite(block)));
}
