using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// What the ops of a batch read besides tensors: ids, places, slices, plans, blocks. For a batch that a graph
/// may stand for they lie at the same addresses each time, padded to the graph's size, and are copied at once
/// from pinned memory; else wherever there is room.
/// </summary>
internal sealed unsafe class CudaInputs(CudaLane lane, CudaStepMemory memory) : IDisposable
{
    private const int Alignment = 256;

    /// <summary>Before it lies everything but blocks, whose count changes from step to step.</summary>
    private const int FirstBlockByte = 1 << 16;

    private CudaBuffer? _fixed;
    private CudaPlace _pinned;
    private int _used;
    private int _blockBytes;
    private bool _isFixed;

    /// <summary>The batch's inputs lie wherever there is room.</summary>
    public void BeginAnywhere() => _isFixed = false;

    /// <summary>The batch's inputs lie where those of such batches always do.</summary>
    public void BeginFixed(ReadOnlySpan<int> blocks)
    {
        _blockBytes = blocks.Length * sizeof(int);
        long bytes = FirstBlockByte + _blockBytes;
        if (_fixed is null || bytes > _fixed.Bytes)
        {
            _fixed?.Dispose();
            _fixed = new CudaBuffer(lane.Gpu.Context, FirstBlockByte + (2L * Math.Max(_blockBytes, 1 << 14)));
        }
        _pinned = memory.Take(bytes);
        _used = 0;
        _isFixed = true;
        blocks.CopyTo(new Span<int>(_pinned.Host + FirstBlockByte, blocks.Length));
    }

    /// <summary>Blocks of the batch, on the device.</summary>
    public ulong Blocks(ReadOnlySpan<int> blocks) =>
        _isFixed ? _fixed!.First + FirstBlockByte : memory.Upload(blocks);

    /// <summary>Items on the device.</summary>
    /// <param name="items">What.</param>
    /// <param name="paddedCount">How many a graph takes; the further ones are as given.</param>
    /// <param name="padding">Of no effect.</param>
    public ulong Put<T>(ReadOnlySpan<T> items, int paddedCount, T padding)
        where T : unmanaged
    {
        int bytes = ((paddedCount * sizeof(T)) + Alignment - 1) / Alignment * Alignment;
        if (!_isFixed && paddedCount <= items.Length)
            return memory.Upload(items);
        if (!_isFixed || _used + bytes > FirstBlockByte)
            return PutElsewhere(items, paddedCount, padding);
        Span<T> room = new(_pinned.Host + _used, paddedCount);
        items.CopyTo(room);
        room[items.Length..].Fill(padding);
        ulong address = _fixed!.First + (ulong)_used;
        _used += bytes;
        return address;
    }

    /// <summary>Puts the copy of what lies at fixed addresses on the lane.</summary>
    public void Flush()
    {
        if (!_isFixed)
            return;
        _isFixed = false;
        lane.Stream.CopyToDevice(_fixed!.First, _pinned.Host, _used);
        lane.Stream.CopyToDevice(
            _fixed.First + FirstBlockByte, _pinned.Host + FirstBlockByte, _blockBytes);
    }

    public void Dispose() => _fixed?.Dispose();

    // Another address each time: such a batch is launched op by op.
    private ulong PutElsewhere<T>(ReadOnlySpan<T> items, int paddedCount, T padding)
        where T : unmanaged
    {
        T[] padded = new T[paddedCount];
        Array.Fill(padded, padding);
        items.CopyTo(padded);
        return memory.Upload<T>(padded);
    }
}
