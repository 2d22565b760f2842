using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// The stream of one device of a plan. Work on it is counted in tickets: a mark ends one, and other lanes
/// wait for a ticket without the host waiting for anything. One thread puts work on it; any may wait for it.
/// </summary>
internal sealed class CudaLane : IDisposable
{
    private const int EventCount = 64;

    private readonly CudaEvent[] _events = new CudaEvent[EventCount];
    private readonly Dictionary<CudaLane, long> _awaited = [];
    private readonly CudaEvent _published;
    private readonly CudaEvent _aside;
    private readonly Lock _gate = new();
    private long _marked;

    /// <param name="gpu">Not owned.</param>
    /// <param name="partition">What it runs on; null is the whole GPU.</param>
    public CudaLane(CudaGpu gpu, CudaPartition? partition)
    {
        Gpu = gpu;
        ProcessorCount = partition?.ProcessorCount ?? gpu.Device.ProcessorCount;
        Stream = partition is null ? new(gpu.Context) : new(partition);
        for (int i = 0; i < EventCount; i++)
            _events[i] = new(gpu.Context);
        _published = new(gpu.Context);
        _aside = new(gpu.Context);
        gpu.Add(this);
    }

    public CudaGpu Gpu { get; }

    public CudaStream Stream { get; }

    /// <summary>Multiprocessors that it runs on.</summary>
    public int ProcessorCount { get; }

    /// <summary>The ticket of what is put on it now.</summary>
    public long Ticket => Volatile.Read(ref _marked) + 1;

    /// <summary>Ends the ticket; the next one begins.</summary>
    public void Mark()
    {
        lock (_gate)
            MarkTo(_marked + 1);
    }

    /// <summary>Ends all tickets up to one that have not ended.</summary>
    public void MarkTo(long ticket)
    {
        lock (_gate)
        {
            while (_marked < ticket)
            {
                _events[(_marked + 1) % EventCount].Record(Stream);
                Volatile.Write(ref _marked, _marked + 1);
            }
        }
    }

    /// <summary>Blocks its own thread until a ticket before that of now, or a later one, has run.</summary>
    public void Await(long ticket)
    {
        MarkTo(ticket);
        _events[Math.Max(ticket, Ticket - EventCount) % EventCount].Synchronize();
    }

    /// <summary>
    /// What is put on this from now on runs after a ticket of another; this lane's own thread calls.
    /// </summary>
    public void WaitFor(CudaLane other, long ticket)
    {
        if (other == this || _awaited.GetValueOrDefault(other) >= ticket)
            return;
        lock (other._gate)
        {
            // A batch that failed never ended its tickets.
            if (ticket > other._marked)
            {
                other.Gpu.Context.MakeCurrent();
                other.MarkTo(ticket);
            }
            // Events are used over and over: an early ticket's stands for a later one by now.
            long covered = Math.Max(ticket, other._marked - EventCount + 1);
            Gpu.Context.MakeCurrent();
            Stream.WaitFor(other._events[covered % EventCount]);
            _awaited[other] = covered;
        }
    }

    /// <summary>
    /// Those that follow come after what was put on it so far. Ends no ticket: a batch has one from its begin
    /// to its end.
    /// </summary>
    public void Publish()
    {
        lock (_gate)
            _published.Record(Stream);
    }

    /// <summary>What is put on this from now on runs after what another published last.</summary>
    public void Follow(CudaLane other)
    {
        lock (other._gate)
        {
            Gpu.Context.MakeCurrent();
            Stream.WaitFor(other._published);
        }
    }

    /// <summary>What is put on a stream of the same GPU from now on runs after all that is on this.</summary>
    public void OrderBefore(CudaStream stream)
    {
        lock (_gate)
        {
            _aside.Record(Stream);
            stream.WaitFor(_aside);
        }
    }

    /// <summary>
    /// Runs something that puts work on it while no other thread marks it: a mark would end up in a capture.
    /// </summary>
    public void Alone(Action put)
    {
        lock (_gate)
            put();
    }

    public void Dispose()
    {
        foreach (CudaEvent one in _events)
            one.Dispose();
        Gpu.Remove(this);
        _published.Dispose();
        _aside.Dispose();
        Stream.Dispose();
    }
}
