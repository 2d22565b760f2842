using System.Numerics;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The batch that is being put on a lane: its inputs, its launches, its samples. A batch of decode rows alone
/// is padded to a power of two and its layers are launched as a graph; padded rows have no keys and write
/// their K and V into a block that no sequence has.
/// </summary>
internal sealed class CudaBatch : IDisposable
{
    /// <summary>Most rows of a batch that a graph stands for.</summary>
    private const int MostGraphRows = 64;

    private readonly CudaLane _lane;
    private readonly CudaStepMemory _memory;
    private readonly CudaInputs _inputs;
    private readonly CudaRecording _recording;
    private readonly bool _usesGraphs;
    private int _tokenCount;
    private int _paddedCount;
    private long _lastTicket;
    private bool _hasGroups;

    public CudaBatch(CudaLane lane, bool usesGraphs)
    {
        _lane = lane;
        _usesGraphs = usesGraphs;
        _memory = new(lane);
        _inputs = new(lane, _memory);
        _recording = new(lane);
        Attention = new(lane, _inputs, _recording);
        Sampling = new(lane, _memory);
    }

    public CudaAttention Attention { get; }

    public CudaSampling Sampling { get; }

    /// <summary>Where K and V go.</summary>
    public CudaKvStore? Store { get; private set; }

    /// <inheritdoc cref="IBackend.Begin"/>
    public void Begin(AttentionBatch batch, CudaKvStore store, int tokenCount)
    {
        Store = store;
        _tokenCount = tokenCount;
        _recording.Drop();
        // The tickets of a batch that failed; this one has its own.
        _lane.MarkTo(_lastTicket);
        _memory.Turn();
        Sampling.Begin();
        int page = store.Layout.PageSize;
        bool isDecode = IsDecode(batch);
        _hasGroups = !isDecode;
        _lastTicket = store.Pool.Order.Enter(
            _lane, batch, page, _hasGroups ? store.Layout.GroupCount : 0);
        _paddedCount = 0;
        if (_usesGraphs && tokenCount <= MostGraphRows && isDecode)
            _paddedCount = (int)BitOperations.RoundUpToPowerOf2((uint)tokenCount);
        if (_paddedCount > 0)
        {
            _inputs.BeginFixed(batch.Blocks);
            // What the batch before drew lies elsewhere each other time.
            _recording.Open((2 * _paddedCount) + _memory.Half);
        }
        else
            _inputs.BeginAnywhere();
        Attention.Begin(batch, tokenCount, _paddedCount, page, store.Pool.ScratchBlock);
    }

    /// <inheritdoc cref="IBackend.End"/>
    public void End()
    {
        Flush();
        Sampling.Return();
        _lane.MarkTo(_lastTicket);
        _memory.Close();
    }

    /// <summary>
    /// K and V of a layer are on the lane: where its group ends with it, copies of these layers may go on.
    /// </summary>
    public void EndLayer(int layer)
    {
        KvLayout layout = Store!.Layout;
        bool endsGroup = (layer + 1) % layout.GroupLayers == 0 || layer + 1 == layout.LayerCount;
        if (_hasGroups && endsGroup)
            _lane.Mark();
    }

    /// <summary>
    /// Rows that an op over the tensor computes: those of a padded batch are more than the tensor's own.
    /// </summary>
    public int Rows(Tensor tensor) =>
        _recording.IsOpen && tensor.Rows == _tokenCount && tensor.RowCapacity >= _paddedCount
            ? _paddedCount : tensor.Rows;

    /// <summary>Ids of the batch's tokens on the device.</summary>
    public ulong PutTokens(ReadOnlySpan<int> tokenIds) => _inputs.Put(tokenIds, _paddedCount, 0);

    /// <summary>Rows to gather, on the device; the layers before are launched.</summary>
    public ulong PutRows(ReadOnlySpan<int> rows)
    {
        Flush();
        return _memory.Upload(rows);
    }

    public void Launch<T>(CudaFunction kernel, CudaExtent grid, int threads, int sharedBytes, in T args)
        where T : unmanaged
    {
        if (grid.X > 0 && grid.Y > 0)
            _recording.Launch(kernel, grid, threads, sharedBytes, args);
    }

    /// <summary>Puts all that was held back on the lane.</summary>
    public void Flush()
    {
        _inputs.Flush();
        _recording.Flush();
    }

    public void Dispose()
    {
        _recording.Dispose();
        Sampling.Dispose();
        Attention.Dispose();
        _inputs.Dispose();
        _memory.Dispose();
    }

    private static bool IsDecode(AttentionBatch batch)
    {
        foreach (AttentionSlice slice in batch.Slices)
        {
            if (slice.QueryCount != 1)
                return false;
        }
        return true;
    }
}
