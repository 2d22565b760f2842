using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>One sequence's share of a batch: queries at positions [Start, Start + QueryCount).</summary>
/// <remarks>Its keys are positions [0, Start + QueryCount), causal; they lie in its blocks.</remarks>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct AttentionSlice(int firstToken, int queryCount, int start, int firstBlock)
{
    /// <summary>Index in the batch of the first query token.</summary>
    public readonly int FirstToken = firstToken;
    public readonly int QueryCount = queryCount;

    /// <summary>Position of the first query.</summary>
    public readonly int Start = start;

    /// <summary>Index in the flat block list of the block that holds position 0.</summary>
    public readonly int FirstBlock = firstBlock;
}

/// <summary>Slices of a batch and their block tables, flat.</summary>
internal sealed class AttentionBatch
{
    private AttentionSlice[] _slices = new AttentionSlice[8];
    private int[] _blocks = new int[64];

    public int SliceCount { get; private set; }

    public int BlockCount { get; private set; }

    public ReadOnlySpan<AttentionSlice> Slices => _slices.AsSpan(0, SliceCount);

    /// <summary>Block ids, slice after slice; see <see cref="AttentionSlice.FirstBlock"/>.</summary>
    public ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, BlockCount);

    public void Clear()
    {
        SliceCount = 0;
        BlockCount = 0;
    }

    /// <summary>Fails unless a kernel may trust these indices with its memory.</summary>
    public void CheckFits(KvStore store, int tokenCount)
    {
        foreach (AttentionSlice slice in Slices)
        {
            Check.That(slice.FirstToken >= 0 && slice.QueryCount > 0 && slice.Start >= 0);
            Check.That(slice.FirstToken + slice.QueryCount <= tokenCount);
            int blockCount = store.Layout.BlocksFor(slice.Start + slice.QueryCount);
            Check.That(slice.FirstBlock >= 0 && slice.FirstBlock + blockCount <= BlockCount);
        }
        foreach (int block in Blocks)
            Check.That((uint)block < (uint)store.BlockCount);
    }

    public void Add(int firstToken, int start, int queryCount, ReadOnlySpan<int> blocks)
    {
        if (SliceCount == _slices.Length)
            Array.Resize(ref _slices, SliceCount * 2);
        if (BlockCount + blocks.Length > _blocks.Length)
            Array.Resize(ref _blocks, Math.Max(_blocks.Length * 2, BlockCount + blocks.Length));
        _slices[SliceCount++] = new(firstToken, queryCount, start, BlockCount);
        blocks.CopyTo(_blocks.AsSpan(BlockCount));
        BlockCount += blocks.Length;
    }
}
