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

    /// <summary>Thread blocks for each of the GPU's processors from which tiles are not split.</summary>
    private const int BlocksPerProcessor = 2;

    private readonly List<CudaAttentionUnit> _units = [];
    private readonly List<CudaMergeTile> _merges = [];

    /// <summary>Heights that there are kernels for: of decode's few rows, and of prompts.</summary>
    public static IReadOnlyList<int> TileHeights { get; } = [16, 64];

    public int TileRows => tileRows;

    public ReadOnlySpan<CudaAttentionUnit> Units => CollectionsMarshal.AsSpan(_units);

    /// <summary>Tiles that several units share.</summary>
    public ReadOnlySpan<CudaMergeTile> Merges => CollectionsMarshal.AsSpan(_merges);

    /// <summary>Splits that are kept apart until they are merged.</summary>
    public int PartialCount { get; private set; }

    /// <summary>The tile height for a slice of so many rows.</summary>
    public static int HeightFor(int rowCount) => rowCount <= TileHeights[0] ? TileHeights[0] : TileHeights[1];

    /// <summary>Deals out the slices of a batch that have this tile height.</summary>
    /// <param name="slices">All of the batch.</param>
    /// <param name="shape">Heads.</param>
    /// <param name="window">See <see cref="IBackend.Attend"/>.</param>
    /// <param name="processorCount">Of the GPU.</param>
    public void Make(
        ReadOnlySpan<AttentionSlice> slices, AttentionShape shape, int window, int processorCount)
    {
        _units.Clear();
        _merges.Clear();
        PartialCount = 0;
        int group = shape.HeadCount / shape.KvHeadCount;
        int tiles = 0;
        foreach (AttentionSlice slice in slices)
        {
            int rows = slice.QueryCount * group;
            tiles += HeightFor(rows) == tileRows ? (rows + tileRows - 1) / tileRows : 0;
        }
        bool splits = tiles * shape.KvHeadCount < processorCount * BlocksPerProcessor;
        for (int index = 0; index < slices.Length; index++)
        {
            int rows = slices[index].QueryCount * group;
            if (HeightFor(rows) != tileRows)
                continue;
            for (int row = 0; row < rows; row += tileRows)
                AddTile(slices[index], index, row, Math.Min(row + tileRows, rows), group, window, splits);
        }
    }

    private void AddTile(
        AttentionSlice slice, int index, int firstRow, int endRow, int group, int window, bool splits)
    {
        int lastKey = slice.Start + ((endRow - 1) / group);
        int firstKey = window > 0 ? Math.Max(0, slice.Start + (firstRow / group) + 1 - window) : 0;
        int firstSplit = firstKey / SplitKeys;
        int splitCount = (lastKey / SplitKeys) - firstSplit + 1;
        if (!splits || splitCount == 1)
        {
            _units.Add(new(index, firstRow, firstSplit, splitCount, -1));
            return;
        }
        for (int split = 0; split < splitCount; split++)
            _units.Add(new(index, firstRow, firstSplit + split, 1, PartialCount + split));
        _merges.Add(new(index, firstRow, PartialCount, splitCount));
        PartialCount += splitCount;
    }
}
