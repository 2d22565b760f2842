using System.Numerics;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The attention of a batch on one lane. What all layers share is put on the lane once: slices, blocks,
/// places, and a plan for each window.
/// </summary>
internal sealed class CudaAttention(CudaLane lane, CudaInputs inputs, CudaRecording recording) : IDisposable
{
    private readonly List<Planned> _plans = [];
    private CudaTokenPlace[] _places = new CudaTokenPlace[64];
    private readonly List<CudaBuffer> _outgrown = [];
    private CudaBuffer? _partials;
    private AttentionBatch? _batch;
    private ulong _slices;
    private ulong _blocks;
    private int _planCount;
    private int _paddedCount;

    /// <summary>Where each token of the batch stands, on the device.</summary>
    public ulong Places { get; private set; }

    /// <summary>The ops that follow are about this batch.</summary>
    /// <param name="batch">Slices and blocks.</param>
    /// <param name="tokenCount">Tokens of the batch.</param>
    /// <param name="paddedCount">Rows that a graph takes; 0 where there is none.</param>
    /// <param name="pageSize">Positions per block.</param>
    /// <param name="scratchBlock">Where padded rows write.</param>
    public void Begin(
        AttentionBatch batch, int tokenCount, int paddedCount, int pageSize, int scratchBlock)
    {
        _batch = batch;
        _planCount = 0;
        _paddedCount = paddedCount;
        Drop();
        _slices = inputs.Put(batch.Slices, paddedCount, default);
        _blocks = inputs.Blocks(batch.Blocks);
        if (tokenCount > _places.Length)
            _places = new CudaTokenPlace[Math.Max(tokenCount, _places.Length * 2)];
        foreach (AttentionSlice slice in batch.Slices)
        {
            for (int i = 0; i < slice.QueryCount; i++)
            {
                int position = slice.Start + i;
                _places[slice.FirstToken + i] =
                    new(position, batch.Blocks[slice.FirstBlock + (position / pageSize)]);
            }
        }
        Places = inputs.Put<CudaTokenPlace>(
            _places.AsSpan(0, tokenCount), paddedCount, new(0, scratchBlock));
    }

    /// <summary>Fails unless the ops are about this batch.</summary>
    public void CheckIs(AttentionBatch batch) => Check.That(_batch == batch);

    /// <param name="args">All but what depends on the plan.</param>
    /// <param name="shape">Heads.</param>
    public void Attend(CudaAttentionArgs args, AttentionShape shape)
    {
        args.Slices = _slices;
        args.Blocks = _blocks;
        for (int height = 0; height < CudaAttentionPlan.TileHeights.Count; height++)
        {
            Planned planned = PlanFor(shape, args.Window, CudaAttentionPlan.TileHeights[height]);
            if (planned.UnitCount > 0)
                Launch(args, shape, planned);
        }
    }

    public void Dispose()
    {
        Drop();
        _partials?.Dispose();
    }

    private void Launch(CudaAttentionArgs args, AttentionShape shape, Planned planned)
    {
        int tileRows = planned.Plan.TileRows;
        long partialBytes = (long)shape.KvHeadCount * tileRows * (shape.HeadDim + 2) * sizeof(float);
        args.Units = planned.Units;
        args.Partials = Partials(planned.PartialCount * partialBytes);
        CudaKernels kernels = lane.Gpu.Kernels;
        recording.Launch(
            kernels.Attention(shape.HeadDim, tileRows), new(planned.UnitCount, shape.KvHeadCount),
            CudaKernels.AttentionThreads(tileRows),
            CudaKernels.AttentionSharedBytes(tileRows, shape.HeadDim), args);
        if (planned.MergeCount == 0)
            return;
        CudaMergeArgs merge = new()
        {
            Partials = args.Partials,
            Tiles = planned.Merges,
            Slices = _slices,
            Output = args.Output,
            OutputStride = args.OutputStride,
            Heads = shape.HeadCount,
            KvHeads = shape.KvHeadCount,
            HeadDim = shape.HeadDim,
            TileRows = tileRows,
        };
        recording.Launch(
            kernels.Merge, new(planned.MergeCount, shape.KvHeadCount), CudaKernels.RowThreads, 0, merge);
    }

    private void Drop()
    {
        foreach (CudaBuffer one in _outgrown)
            one.Dispose();
        _outgrown.Clear();
    }

    private ulong Partials(long bytes)
    {
        if (bytes == 0)
            return 0;
        if (_partials is null || bytes > _partials.Bytes)
        {
            // Launches that were held back may still name the old one.
            if (_partials is not null)
                _outgrown.Add(_partials);
            _partials = new CudaBuffer(lane.Gpu.Context, bytes + (bytes / 2));
        }
        return _partials.First;
    }

    private Planned PlanFor(AttentionShape shape, int window, int tileRows)
    {
        int group = shape.HeadCount / shape.KvHeadCount;
        for (int i = 0; i < _planCount; i++)
        {
            Planned one = _plans[i];
            if (one.Group == group && one.Window == window && one.Plan.TileRows == tileRows)
                return one;
        }
        // A plan that an earlier batch had is made anew in its place.
        int spare = _planCount;
        while (spare < _plans.Count && _plans[spare].Plan.TileRows != tileRows)
            spare++;
        if (spare == _plans.Count)
            _plans.Add(new Planned(new CudaAttentionPlan(tileRows)));
        (_plans[_planCount], _plans[spare]) = (_plans[spare], _plans[_planCount]);
        Planned planned = _plans[_planCount++];
        CudaAttentionPlan plan = planned.Plan;
        plan.Make(
            _batch!.Slices, shape, window, lane.ProcessorCount, lane.Gpu.Device.SharedBytesPerBlock);
        planned.Group = group;
        planned.Window = window;
        planned.UnitCount = Padded(plan.Units.Length);
        planned.MergeCount = Padded(plan.Merges.Length);
        planned.PartialCount = plan.PartialCount;
        planned.Units = inputs.Put(plan.Units, planned.UnitCount, new(-1, 0, 0, 0, -1));
        planned.Merges = inputs.Put(plan.Merges, planned.MergeCount, new(-1, 0, 0, 0));
        return planned;
    }

    // So that a graph's grid changes seldom.
    private int Padded(int count) =>
        _paddedCount == 0 || count == 0 ? count : (int)BitOperations.RoundUpToPowerOf2((uint)count);

    private sealed class Planned(CudaAttentionPlan plan)
    {
        public CudaAttentionPlan Plan { get; } = plan;

        public int Group { get; set; }

        public int Window { get; set; }

        public int UnitCount { get; set; }

        public int MergeCount { get; set; }

        public int PartialCount { get; set; }

        public ulong Units { get; set; }

        public ulong Merges { get; set; }
    }
}
