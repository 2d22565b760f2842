using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// KV blocks in the memory of one GPU, for any number of lanes there, and for copies to other GPUs.
/// </summary>
internal sealed class CudaKvPool : IDisposable
{
    private readonly CudaPool _memory;
    private readonly Lock _gate = new();
    private volatile bool _isAway;

    /// <param name="gpu">Not owned.</param>
    /// <param name="layout">Of the blocks.</param>
    /// <param name="blockCount">Blocks for sequences; after them lies one for padded rows to write.</param>
    /// <exception cref="BackendException">There is too little memory.</exception>
    public CudaKvPool(CudaGpu gpu, KvLayout layout, int blockCount)
    {
        Gpu = gpu;
        ScratchBlock = blockCount;
        Order = new(blockCount);
        _memory = gpu.Make(
            () => new CudaPool(gpu.Context, layout.BlockBytes * (blockCount + 1), [gpu.Device]));
    }

    public CudaGpu Gpu { get; }

    public CudaBlockOrder Order { get; }

    /// <summary>The block that no sequence has: padded rows write their K and V there.</summary>
    public int ScratchBlock { get; }

    /// <summary>Of block 0, on the device.</summary>
    public ulong First => _memory.First;

    /// <summary>Takes its memory again where it was given back.</summary>
    public void Require()
    {
        if (!_isAway)
            return;
        lock (_gate)
        {
            Gpu.Run(_memory.Commit);
            _isAway = false;
        }
    }

    /// <summary>Lets another GPU, which can reach this one's memory, copy its blocks.</summary>
    public void GrantTo(CudaGpu other)
    {
        lock (_gate)
            Gpu.Run(() => _memory.GrantTo(other.Device));
    }

    /// <summary>Gives its memory back once nothing on the GPU uses it; the addresses stay.</summary>
    public void Vacate()
    {
        lock (_gate)
        {
            Gpu.Run(() =>
            {
                Gpu.Context.Synchronize();
                _memory.Release();
            });
            _isAway = true;
        }
    }

    public void Dispose() => _memory.Dispose();
}
