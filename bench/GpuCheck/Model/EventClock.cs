using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// Times ops on the GPU's stream with an event before and after each. Something long is put on the stream
/// first, so that the host is ahead and gaps between launches are not counted.
/// </summary>
internal sealed class EventClock(CheckRig rig) : OpClock, IDisposable
{
    private readonly List<(string Op, double Flops, double Bytes, CudaEvent Start, CudaEvent End)> _ops = [];
    private readonly Stack<CudaEvent> _spare = [];

    /// <summary>Ops are timed; else they only run.</summary>
    public bool IsRunning { get; set; }

    public override void Time(string op, double flops, double bytes, Action run)
    {
        if (!IsRunning)
        {
            run();
            return;
        }
        CudaEvent start = Take(), end = Take();
        start.Record(rig.Stream);
        run();
        end.Record(rig.Stream);
        _ops.Add((op, flops, bytes, start, end));
    }

    /// <summary>Adds up what was timed, once the stream has run.</summary>
    public void Collect()
    {
        rig.Gpu.Run(rig.Stream.Synchronize);
        foreach ((string op, double flops, double bytes, CudaEvent start, CudaEvent end) in _ops)
        {
            Add(op, flops, bytes, end.MillisecondsSince(start) / 1e3);
            _spare.Push(start);
            _spare.Push(end);
        }
        _ops.Clear();
    }

    public void Dispose()
    {
        foreach (CudaEvent one in _spare)
            one.Dispose();
    }

    private CudaEvent Take() => _spare.TryPop(out CudaEvent? one)
        ? one
        : rig.Gpu.Make(() => new CudaEvent(rig.Gpu.Context, isTimed: true));
}
