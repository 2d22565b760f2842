using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// Decode attention of a batch with its splits dealt out as one likes: what the engine's own plan could be,
/// and that none changes a bit. Every slice is one row of each head, and one tile.
/// </summary>
internal sealed class PlannedAttention
{
    private readonly CheckRig _rig;
    private readonly CheckMemory _memory;
    private readonly AttentionShape _shape;
    private readonly CudaKvStore _store;
    private readonly AttentionSlice[] _slices;
    private readonly int _tileRows;
    private readonly ulong _sliceList;
    private readonly ulong _blocks;

    /// <param name="rig">Where.</param>
    /// <param name="memory">Takes the lists and the partials.</param>
    /// <param name="shape">Heads.</param>
    /// <param name="store">K and V.</param>
    /// <param name="batch">One query each.</param>
    public PlannedAttention(
        CheckRig rig, CheckMemory memory, AttentionShape shape, CudaKvStore store, AttentionBatch batch)
    {
        (_rig, _memory, _shape, _store, _slices) = (rig, memory, shape, store, batch.Slices.ToArray());
        _tileRows = CudaAttentionPlan.HeightFor(shape.HeadCount / shape.KvHeadCount);
        _sliceList = Put<AttentionSlice>(_slices);
        _blocks = Put(batch.Blocks);
    }

    /// <summary>Splits of the longest.</summary>
    public int MostSplits => _slices.Max(SplitsOf);

    /// <summary>A launch for each layer, and one that merges where units share a tile.</summary>
    /// <param name="qkv">Queries, on the device.</param>
    /// <param name="qkvStride">Floats from a row to the next.</param>
    /// <param name="output">bf16, on the device.</param>
    /// <param name="outputStride">Halves from a row to the next.</param>
    /// <param name="splitsOfUnit">Splits that a unit has; 0 is all of its tile.</param>
    public Action<int> Plan(ulong qkv, long qkvStride, ulong output, long outputStride, int splitsOfUnit)
    {
        (CudaAttentionUnit[] units, CudaMergeTile[] merges, int partials) = Deal(splitsOfUnit);
        long partialBytes = (long)_shape.KvHeadCount * _tileRows * (_shape.HeadDim + 2) * sizeof(float);
        KvLayout layout = _store.Layout;
        CudaAttentionArgs args = new()
        {
            Qkv = qkv, Slices = _sliceList, Blocks = _blocks, Units = Put<CudaAttentionUnit>(units),
            Partials = _memory.Take(Math.Max(1, partials * partialBytes)), Output = output,
            QkvStride = qkvStride, OutputStride = outputStride, BlockBytes = layout.BlockBytes,
            PlaneBytes = layout.HeadCount * layout.HeadBytes(layout.Planes[0]), Heads = _shape.HeadCount,
            KvHeads = _shape.KvHeadCount, PageSize = layout.PageSize, FirstKvHead = _shape.FirstKvHead,
            ScaleLog2 = (float)(Math.Log2(Math.E) / Math.Sqrt(_shape.HeadDim)),
        };
        CudaMergeArgs merge = new()
        {
            Partials = args.Partials, Tiles = merges.Length > 0 ? Put<CudaMergeTile>(merges) : 0,
            Slices = _sliceList, Output = output, OutputStride = outputStride, Heads = _shape.HeadCount,
            KvHeads = _shape.KvHeadCount, HeadDim = _shape.HeadDim, TileRows = _tileRows,
        };
        CudaKernels kernels = _rig.Gpu.Kernels;
        return layer =>
        {
            CudaAttentionArgs own = args;
            own.Store = _store.LayerAddress(layer);
            _rig.Stream.Launch(
                kernels.Attention(_shape.HeadDim, _tileRows), new(units.Length, _shape.KvHeadCount),
                new(2 * _tileRows), CudaKernels.AttentionSharedBytes(_tileRows, _shape.HeadDim), own);
            if (merges.Length == 0)
                return;
            _rig.Stream.Launch(
                kernels.Merge, new(merges.Length, _shape.KvHeadCount), new(CudaKernels.RowThreads), 0, merge);
        };
    }

    private (CudaAttentionUnit[] Units, CudaMergeTile[] Merges, int Partials) Deal(int splitsOfUnit)
    {
        List<CudaAttentionUnit> units = [];
        List<CudaMergeTile> merges = [];
        int partials = 0;
        for (int slice = 0; slice < _slices.Length; slice++)
        {
            int splits = SplitsOf(_slices[slice]);
            if (splitsOfUnit == 0 || splits <= splitsOfUnit)
            {
                units.Add(new(slice, 0, 0, splits, -1));
                continue;
            }
            for (int split = 0; split < splits; split += splitsOfUnit)
                units.Add(new(slice, 0, split, Math.Min(splitsOfUnit, splits - split), partials + split));
            merges.Add(new(slice, 0, partials, splits));
            partials += splits;
        }
        return ([.. units], [.. merges], partials);
    }

    private static int SplitsOf(AttentionSlice slice) => (slice.Start / CudaAttentionPlan.SplitKeys) + 1;

    private ulong Put<T>(ReadOnlySpan<T> items)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(items);
        ulong first = _memory.Take(bytes.Length);
        _rig.Gpu.Upload(first, bytes);
        return first;
    }
}
