using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>
/// Launches of one lane. Where they are recorded they are held back until they are flushed: the same ones as
/// the last time go out as one graph, others one by one. What is compared is all that a launch is made of,
/// so a graph can never stand for other work than was asked for.
/// </summary>
internal sealed unsafe class CudaRecording(CudaLane lane) : IDisposable
{
    // Images for sm_90a alone are known to wait; PTX for sm_80, which later GPUs may run, cannot.
    private readonly bool _startsEarly = lane.Gpu.Device.Capability == 90;

    private readonly Dictionary<long, Form> _forms = [];
    private byte[] _bytes = new byte[1 << 14];
    private Form? _form;
    private int _used;

    /// <summary>Launches are held back.</summary>
    public bool IsOpen => _form is not null;

    /// <summary>Holds back what is launched from now on.</summary>
    /// <param name="form">Names what is expected to be the same each time.</param>
    public void Open(long form)
    {
        _used = 0;
        if (!_forms.TryGetValue(form, out _form))
            _forms.Add(form, _form = new Form());
    }

    /// <summary>Forgets what was held back.</summary>
    public void Drop() => _form = null;

    public void Launch<T>(CudaFunction kernel, CudaExtent grid, int threads, int sharedBytes, in T args)
        where T : unmanaged
    {
        if (_form is null)
        {
            lane.Stream.Launch(kernel, grid, new(threads), sharedBytes, args);
            return;
        }
        // No padding: what is compared must be what was set.
        Launched launched = new(kernel, grid, threads, sharedBytes, sizeof(T));
        if (_used + sizeof(Launched) + sizeof(T) > _bytes.Length)
            Array.Resize(ref _bytes, _bytes.Length * 2);
        MemoryMarshal.Write(_bytes.AsSpan(_used), launched);
        MemoryMarshal.Write(_bytes.AsSpan(_used + sizeof(Launched)), args);
        _used += sizeof(Launched) + sizeof(T);
    }

    /// <summary>Puts what was held back on the lane.</summary>
    public void Flush()
    {
        if (_form is not { } form)
            return;
        _form = null;
        ReadOnlySpan<byte> launches = _bytes.AsSpan(0, _used);
        bool isSame = launches.SequenceEqual(form.Launches.AsSpan(0, form.Used));
        if (isSame && form.Graph is null)
            form.Graph = Capture();
        if (isSame)
        {
            lane.Stream.Launch(form.Graph!);
            return;
        }
        form.Forget(lane);
        form.Keep(launches);
        // A wait or a record that another thread put between two of them would come between a kernel and its
        // early start.
        lane.Alone(Put);
    }

    public void Dispose()
    {
        foreach (Form form in _forms.Values)
            form.Graph?.Dispose();
    }

    private CudaGraph Capture()
    {
        CudaGraph? graph = null;
        lane.Alone(() =>
        {
            lane.Stream.BeginCapture();
            try
            {
                Put();
            }
            finally
            {
                graph = lane.Stream.EndCapture();
            }
        });
        return graph!;
    }

    // The first follows what need not be a kernel; each of the others waits by itself for the one before it.
    private void Put()
    {
        fixed (byte* bytes = _bytes)
        {
            for (int at = 0; at < _used;)
            {
                Launched launched = Unsafe.ReadUnaligned<Launched>(bytes + at);
                bool startsEarly = _startsEarly && at > 0;
                at += sizeof(Launched);
                if (startsEarly)
                {
                    lane.Stream.LaunchEarly(
                        launched.Kernel, launched.Grid, new(launched.Threads), launched.SharedBytes,
                        bytes + at);
                }
                else
                {
                    lane.Stream.Launch(
                        launched.Kernel, launched.Grid, new(launched.Threads), launched.SharedBytes,
                        bytes + at);
                }
                at += launched.ArgumentBytes;
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Launched(
        CudaFunction kernel, CudaExtent grid, int threads, int sharedBytes, int argumentBytes)
    {
        public readonly CudaFunction Kernel = kernel;
        public readonly CudaExtent Grid = grid;
        public readonly int Threads = threads;
        public readonly int SharedBytes = sharedBytes;
        public readonly int ArgumentBytes = argumentBytes;
    }

    private sealed class Form
    {
        public byte[] Launches { get; private set; } = [];

        public int Used { get; private set; }

        public CudaGraph? Graph { get; set; }

        public void Keep(ReadOnlySpan<byte> launches)
        {
            if (launches.Length > Launches.Length)
                Launches = new byte[launches.Length * 2];
            launches.CopyTo(Launches);
            Used = launches.Length;
        }

        public void Forget(CudaLane lane)
        {
            if (Graph is null)
                return;
            // It may be running.
            lane.Stream.Synchronize();
            Graph.Dispose();
            Graph = null;
        }
    }
}
