using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// Lists of blocks that the copies of a lane take along: pinned, and their like on the device, in places that
/// are used by turns. There are so many that the host need not wait for copies which wait for others.
/// </summary>
internal sealed unsafe class CudaBlockLists(CudaLane lane) : IDisposable
{
    /// <summary>Blocks of one list.</summary>
    public const int MostBlocks = 64;

    private const int PlaceCount = 32;
    private const int PlaceBytes = 2 * MostBlocks * sizeof(int);

    private readonly long[] _tickets = new long[PlaceCount];
    private PinnedBuffer? _host;
    private CudaBuffer? _device;
    private int _next;

    /// <summary>
    /// Puts two lists of as many blocks on the lane; its ticket of now ends after their use.
    /// </summary>
    /// <returns>Where they will be on the device.</returns>
    public (ulong Sources, ulong Targets) Put(ReadOnlySpan<int> sources, ReadOnlySpan<int> targets)
    {
        Check.That(sources.Length == targets.Length && sources.Length <= MostBlocks);
        _host ??= new(lane.Gpu.Context, PlaceCount * PlaceBytes);
        _device ??= new(lane.Gpu.Context, PlaceCount * PlaceBytes);
        int place = _next;
        _next = (_next + 1) % PlaceCount;
        if (_tickets[place] > 0)
            lane.Await(_tickets[place]);
        _tickets[place] = lane.Ticket;
        int offset = place * PlaceBytes;
        Span<int> room = new(_host.First + offset, 2 * MostBlocks);
        sources.CopyTo(room);
        targets.CopyTo(room[sources.Length..]);
        ulong first = _device.First + (ulong)offset;
        lane.Stream.CopyToDevice(first, _host.First + offset, 2L * sources.Length * sizeof(int));
        return (first, first + ((ulong)sources.Length * sizeof(int)));
    }

    public void Dispose()
    {
        _device?.Dispose();
        _host?.Dispose();
    }
}
