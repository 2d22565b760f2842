using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// What a batch takes along to the GPU and back: pinned memory and its like on the device, twice by turns, so
/// that one batch can be prepared while the last is still being read. A half is written again only when the
/// GPU has done with it. It grows and never shrinks.
/// </summary>
internal sealed unsafe class CudaStepMemory(CudaLane lane) : IDisposable
{
    private const int Alignment = 256;
    private const long LeastBytes = 1 << 18;

    private readonly HalfMemory[] _halves = [new(lane.Gpu.Context), new(lane.Gpu.Context)];
    private int _current;

    private HalfMemory Current => _halves[_current];

    /// <summary>The half in use: 0 or 1.</summary>
    public int Half => _current;

    /// <summary>Goes to the other half, and waits until nothing on the GPU needs what it holds.</summary>
    public void Turn()
    {
        if (Current.IsOpen)
            Close();
        _current ^= 1;
        if (Current.IsAwaited)
            Current.Done.Synchronize();
        Current.Begin();
    }

    /// <summary>All that needs this half has been put on the lane.</summary>
    public void Close()
    {
        Current.Done.Record(lane.Stream);
        Current.IsAwaited = true;
        Current.IsOpen = false;
    }

    /// <summary>Blocks until all that was put on the lane before a half was closed has run.</summary>
    public void Await(int half) => _halves[half].Done.Synchronize();

    /// <summary>Puts items into the half and their copy on the lane.</summary>
    /// <returns>Where they will be on the device; 0 where there are none.</returns>
    public ulong Upload<T>(ReadOnlySpan<T> items)
        where T : unmanaged
    {
        if (items.Length == 0)
            return 0;
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(items);
        CudaPlace place = Take(bytes.Length);
        bytes.CopyTo(new(place.Host, bytes.Length));
        lane.Stream.CopyToDevice(place.Device, place.Host, bytes.Length);
        return place.Device;
    }

    /// <summary>Room for what the GPU makes, with as much pinned memory to copy it to.</summary>
    public CudaPlace Take(long bytes) => Current.Take((bytes + Alignment - 1) / Alignment * Alignment);

    public void Dispose()
    {
        foreach (HalfMemory half in _halves)
            half.Dispose();
    }

    private sealed class HalfMemory(CudaContext context) : IDisposable
    {
        private readonly List<(PinnedBuffer Host, CudaBuffer Device)> _runs = [];
        private long _used;

        public CudaEvent Done { get; } = new(context);

        public bool IsAwaited { get; set; }

        public bool IsOpen { get; set; }

        public void Begin()
        {
            IsOpen = true;
            _used = 0;
            if (_runs.Count <= 1)
                return;
            long bytes = _runs.Sum(run => run.Host.Bytes);
            Free();
            Add(bytes);
        }

        public CudaPlace Take(long bytes)
        {
            if (_runs.Count == 0 || _used + bytes > _runs[^1].Host.Bytes)
            {
                Add(Math.Max(Math.Max(bytes, LeastBytes), _runs.Count == 0 ? 0 : _runs[^1].Host.Bytes * 2));
                _used = 0;
            }
            CudaPlace place = new(_runs[^1].Host.First + _used, _runs[^1].Device.First + (ulong)_used);
            _used += bytes;
            return place;
        }

        public void Dispose()
        {
            Free();
            Done.Dispose();
        }

        private void Add(long bytes) =>
            _runs.Add((new PinnedBuffer(context, bytes), new CudaBuffer(context, bytes)));

        private void Free()
        {
            foreach ((PinnedBuffer host, CudaBuffer device) in _runs)
            {
                device.Dispose();
                host.Dispose();
            }
            _runs.Clear();
        }
    }
}

/// <summary>The same bytes on the host and on the device.</summary>
internal readonly unsafe struct CudaPlace(byte* host, ulong device)
{
    public readonly byte* Host = host;
    public readonly ulong Device = device;
}
