using System.Text;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Virtual GPUs with a context and a stream each, and the stand-in's own kernel loaded.</summary>
internal sealed unsafe class CudaRig : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public CudaRig(int deviceCount = 1, ulong seed = 0)
    {
        Driver = StandIn.Open(deviceCount, seed);
        for (int ordinal = 0; ordinal < deviceCount; ordinal++)
        {
            CudaContext context = Own(CudaContext.Open(Driver, CudaDevice.Open(Driver, ordinal)));
            Contexts.Add(context);
            Streams.Add(Own(new CudaStream(context)));
            byte[] image = Image($"entry pd_standin_probe {sizeof(Probe)}");
            CudaModule module = Own(new CudaModule(context, image));
            Probes.Add(module.Function("pd_standin_probe", sizeof(Probe), 0));
        }
        Contexts[0].MakeCurrent();
    }

    public CudaDriver Driver { get; }

    public List<CudaContext> Contexts { get; } = [];

    public List<CudaStream> Streams { get; } = [];

    public List<CudaFunction> Probes { get; } = [];

    public CudaContext Context => Contexts[0];

    public CudaStream Stream => Streams[0];

    public static byte[] Image(params string[] lines) =>
        Encoding.UTF8.GetBytes("pd-standin-image 1\n" + string.Join("\n", lines) + "\n\0");

    public T Own<T>(T made)
        where T : IDisposable
    {
        _owned.Add(made);
        return made;
    }

    public CudaStream NewStream(int device = 0) => Own(new CudaStream(Contexts[device]));

    public CudaEvent NewEvent(int device = 0) => Own(new CudaEvent(Contexts[device]));

    public PinnedBuffer Pinned(params float[] values)
    {
        PinnedBuffer buffer = Own(new PinnedBuffer(Context, Math.Max(1, values.Length) * sizeof(float)));
        values.CopyTo(new Span<float>(buffer.First, values.Length));
        return buffer;
    }

    public CudaBuffer Device(int count, int device = 0) =>
        Own(new CudaBuffer(Contexts[device], count * sizeof(float)));

    public CudaPool Pool(int count, int device, params int[] granted) =>
        Own(new CudaPool(
            Contexts[device], count * sizeof(float), granted.Select(one => Contexts[one].Device)));

    /// <summary>target[i] = source[i] + value, on a device.</summary>
    public void Add(CudaStream stream, ulong source, ulong target, int count, float value, int device = 0) =>
        stream.Launch(
            Probes[device], new(1), new(32), 0,
            new Probe { Source = source, Target = target, Count = count, Value = value });

    /// <summary>What device memory holds, once the stream has run.</summary>
    public float[] Read(CudaStream stream, ulong source, int count)
    {
        stream.Context.MakeCurrent();
        float[] values = new float[count];
        fixed (float* first = values)
            stream.CopyToHost(first, source, count * sizeof(float));
        return values;
    }

    public void Dispose()
    {
        // What was not waited for, before anything of it is given back.
        foreach (CudaStream stream in Streams)
        {
            Driver.Api.cuCtxSetCurrent(stream.Context.Address);
            Driver.Api.cuStreamSynchronize(stream.Address);
        }
        for (int i = _owned.Count - 1; i >= 0; i--)
            _owned[i].Dispose();
    }

    /// <summary>Arguments of the stand-in's own kernel.</summary>
    public struct Probe
    {
        public ulong Source, Target;
        public int Count;
        public float Value;
    }
}
