using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// Which thread blocks attend to what, for the slices of a batch that one tile height serves. It only deals
/// out splits, whose boundaries are constants: no plan changes a bit.
/// </summary>
/// <param name="tileRows">Query heads of queries that a thread block takes.</param>
internal sealed class CudaAttentionPlan(int tileRows)
{
    /// <summary>Keys of one step.</summary>
    public const int KeyTile = 64;

    /// <summary>Keys of one split, counted from position 0.</summary>
    public const int SplitKeys = 512;

    /// <summary>Units for each place of a thread block, so that the last ones end together.</summary>
    private const int UnitsPerPlace = 2;

    /// <summary>Rows of a slice from which it may have the tallest tiles.</summary>
    private const int TallRows = 192;

    private static readonly Comparison<CudaAttentionUnit> LongestFirst = Compare;

    private readonly List<CudaAttentionUnit> _units = [];
    private readonly List<CudaMergeTile> _merges = [];

    /// <summary>Heights that there are kernels for: of decode, of short prompts, of long.</summary>
    public static IReadOnlyList<int> TileHeights { get; } = [16, 64, 256];

    public int TileRows => tileRows;

    public ReadOnlySpan<CudaAttentionUnit> Units => CollectionsMarshal.AsSpan(_units);

    /// <summary>Tiles that several units share.</summary>
    public ReadOnlySpan<CudaMergeTile> Merges => CollectionsMarshal.AsSpan(_merges);

    /// <summary>Splits that are kept apart until they are merged.</summary>
    public int PartialCount { get; private set; }

    /// <summary>The tile height for a slice of so many rows.</summary>
    public static int HeightFor(int rowCount, bool isTall) =>
        rowCount <= TileHeights[0] ? TileHeights[0] : TileHeights[isTall && rowCount >= TallRows ? 2 : 1];

    /// <summary>Deals out the slices of a batch that have this tile height.</summary>
    /// <param name="slices">All of the batch.</param>
    /// <param name="shape">Heads.</param>
    /// <param name="window">See <see cref="IBackend.Attend"/>.</param>
    /// <param name="processors">Of the GPU, that the lane has.</param>
    /// <param name="sharedBytes">Most shared memory of a thread block.</param>
    public void Make(
        ReadOnlySpan<AttentionSlice> slices, AttentionShape shape, int window, int processors,
        int sharedBytes)
    {
        _units.Clear();
        _merges.Clear();
        PartialCount = 0;
        bool isTall = IsTall(slices, shape, window, processors, sharedBytes);
        int group = shape.HeadCount / shape.KvHeadCount;
        long splits = 0;
        foreach (AttentionSlice slice in slices)
        {
            if (HeightFor(slice.QueryCount * group, isTall) == tileRows)
                splits += SplitsOf(slice, group, tileRows, window);
        }
        // A processor has as much shared memory as a block may take of it, and a little.
        int atOnce = Math.Max(1, sharedBytes / CudaKernels.AttentionSharedBytes(tileRows, shape.HeadDim));
        long places = (long)UnitsPerPlace * atOnce * processors;
        int most = (int)Math.Max(1, splits * shape.KvHeadCount / places);
        for (int index = 0; index < slices.Length; index++)
        {
            int rows = slices[index].QueryCount * group;
            if (HeightFor(rows, isTall) != tileRows)
                continue;
            for (int row = 0; row < rows; row += tileRows)
            {
                int end = Math.Min(row + tileRows, rows);
                (int first, int count) = Splits(slices[index], row, end, group, window);
                AddTile(index, row, first, count, most);
            }
        }
        _units.Sort(LongestFirst);
    }

    /// <summary>Whether the tallest tiles are enough for a GPU that can hold them.</summary>
    private static bool IsTall(
        ReadOnlySpan<AttentionSlice> slices, AttentionShape shape, int window, int processors,
        int sharedBytes)
    {
        int height = TileHeights[2], group = shape.HeadCount / shape.KvHeadCount;
        if (CudaKernels.AttentionSharedBytes(height, shape.HeadDim) > sharedBytes)
            return false;
        long splits = 0;
        foreach (AttentionSlice slice in slices)
        {
            if (slice.QueryCount * group >= TallRows)
                splits += SplitsOf(slice, group, height, window);
        }
        return splits * shape.KvHeadCount >= (long)UnitsPerPlace * processors;
    }

    private static long SplitsOf(AttentionSlice slice, int group, int height, int window)
    {
        int rows = slice.QueryCount * group;
        long splits = 0;
        for (int row = 0; row < rows; row += height)
            splits += Splits(slice, row, Math.Min(row + height, rows), group, window).Count;
        return splits;
    }

    /// <summary>Of the keys that some row of a tile sees.</summary>
    private static (int First, int Count) Splits(
        AttentionSlice slice, int firstRow, int endRow, int group, int window)
    {
        int lastKey = slice.Start + ((endRow - 1) / group);
        int firstKey = window > 0 ? Math.Max(0, slice.Start + (firstRow / group) + 1 - window) : 0;
        return (firstKey / SplitKeys, (lastKey / SplitKeys) - (firstKey / SplitKeys) + 1);
    }

    private static int Compare(CudaAttentionUnit a, CudaAttentionUnit b)
    {
        int order = b.SplitCount.CompareTo(a.SplitCount);
        if (order == 0)
            order = b.FirstRow.CompareTo(a.FirstRow);
        if (order == 0)
            order = a.Slice.CompareTo(b.Slice);
        return order != 0 ? order : a.FirstSplit.CompareTo(b.FirstSplit);
    }

    private void AddTile(int slice, int firstRow, int firstSplit, int splitCount, int most)
    {
        // One that is not much longer than the others is not worth a merge.
        if (splitCount <= most + (most / 2))
        {
            _units.Add(new(slice, firstRow, firstSplit, splitCount, -1));
            return;
        }
        int units = (splitCount + most - 1) / most;
        for (int unit = 0; unit < units; unit++)
        {
            int first = splitCount * unit / units, end = splitCount * (unit + 1) / units;
            _units.Add(new(slice, firstRow, firstSplit + first, end - first, PartialCount + first));
        }
        _merges.Add(new(slice, firstRow, PartialCount, splitCount));
        PartialCount += splitCount;
    }
}
