using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using PdEngine.Bench;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Launches single kernels under the emulator, on a virtual GPU.</summary>
internal sealed unsafe class KernelRig : IDisposable
{
    private const int Megabytes = 1024;

    private readonly List<CudaBuffer> _buffers = [];
    private readonly Dictionary<string, CudaFunction> _functions = [];
    private readonly CudaContext _context;
    private readonly CudaStream _stream;
    private readonly CudaModule _module;

    /// <param name="seed">Of the emulator's schedule; 0 is the laziest.</param>
    public KernelRig(ulong seed = 0)
    {
        CudaDriver driver = StandIn.Open(deviceCount: 1, megabytes: Megabytes);
        SetSchedule(seed);
        _context = CudaContext.Open(driver, CudaDevice.Open(driver, 0));
        _stream = new(_context);
        StringBuilder image = new("pd-standin-image 1\n");
        foreach ((string name, int bytes) in Entries())
            image.Append("entry ").Append(name).Append(' ').Append(bytes).Append('\n');
        _module = new(_context, Encoding.UTF8.GetBytes(image.Append('\0').ToString()));
    }

    /// <summary>Schedules under which every kernel has to give the same bits.</summary>
    public static ulong[] Seeds { get; } = [0, 1, 2, 3];

    public CudaDriver Driver => _context.Driver;

    /// <summary>How threads of the launches that follow take turns.</summary>
    public static void SetSchedule(ulong seed, uint threads = 0) =>
        ((delegate* unmanaged<ulong, uint, void>)NativeLibrary.GetExport(
            NativeLibrary.Load(StandIn.Path), "pd_emulated_set_schedule"))(seed, threads);

    /// <summary>
    /// Rows of ldmatrix that another of their matrix kept waiting, in launches since it was last asked.
    /// </summary>
    public static ulong TakeBankConflicts() =>
        ((delegate* unmanaged<ulong>)NativeLibrary.GetExport(
            NativeLibrary.Load(StandIn.Path), "pd_emulated_take_bank_conflicts"))();

    /// <summary>Device memory with these values.</summary>
    public ulong Upload<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        ulong address = Allocate<T>(values.Length);
        Write(address, values);
        return address;
    }

    /// <summary>Device memory that is NaN wherever it is taken for numbers.</summary>
    public ulong Allocate<T>(long count)
        where T : unmanaged
    {
        CudaBuffer buffer = new(_context, Math.Max(64, count * sizeof(T)));
        _buffers.Add(buffer);
        _stream.Fill(buffer.First, 0xff, buffer.Bytes);
        _stream.Synchronize();
        return buffer.First;
    }

    public void Write<T>(ulong address, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        if (values.Length == 0)
            return;
        fixed (T* first = values)
            _stream.CopyToDevice(address, first, (long)values.Length * sizeof(T));
        _stream.Synchronize();
    }

    public T[] Read<T>(ulong address, int count)
        where T : unmanaged
    {
        T[] values = new T[count];
        fixed (T* first = values)
            _stream.CopyToHost(first, address, (long)count * sizeof(T));
        _stream.Synchronize();
        return values;
    }

    /// <summary>Values of bf16, widened.</summary>
    public float[] ReadHalves(ulong address, int count) =>
        Array.ConvertAll(Read<ushort>(address, count), AttentionSequence.FromBFloat16);

    /// <summary>Runs a kernel to its end.</summary>
    /// <exception cref="CudaException">The emulator found a fault.</exception>
    public void Launch<T>(string kernel, CudaExtent grid, int threads, int sharedBytes, in T arguments)
        where T : unmanaged
    {
        Put(kernel, grid, threads, sharedBytes, arguments);
        _stream.Synchronize();
    }

    /// <summary>Runs a kernel that may start while one before it yet adds a value to memory.</summary>
    /// <exception cref="CudaException">The emulator found a fault.</exception>
    public void LaunchEarly<T>(
        string kernel, CudaExtent grid, int threads, int sharedBytes, in T arguments, CudaRig.Probe before)
        where T : unmanaged
    {
        Put("pd_standin_probe", new(1), 32, 0, before);
        Put(kernel, grid, threads, sharedBytes, arguments, isEarly: true);
        _stream.Synchronize();
    }

    private void Put<T>(
        string kernel, CudaExtent grid, int threads, int sharedBytes, in T arguments, bool isEarly = false)
        where T : unmanaged
    {
        if (!_functions.TryGetValue(kernel, out CudaFunction function))
        {
            function = _module.Function(kernel, sizeof(T), sharedBytes);
            _functions.Add(kernel, function);
        }
        fixed (T* first = &arguments)
        {
            if (isEarly)
                _stream.LaunchEarly(function, grid, new(threads), sharedBytes, first);
            else
                _stream.Launch(function, grid, new(threads), sharedBytes, first);
        }
    }

    /// <summary>Gives all buffers back.</summary>
    public void Clear()
    {
        foreach (CudaBuffer buffer in _buffers)
            buffer.Dispose();
        _buffers.Clear();
    }

    public void Dispose()
    {
        SetSchedule(0);
        Clear();
        _stream.Dispose();
        _module.Dispose();
        _context.Dispose();
    }

    /// <summary>Values rounded to bf16.</summary>
    public static ushort[] ToHalves(ReadOnlySpan<float> values)
    {
        ushort[] halves = new ushort[values.Length];
        for (int i = 0; i < halves.Length; i++)
            halves[i] = AttentionSequence.ToBFloat16(values[i]);
        return halves;
    }

    /// <summary>What <c>pd_planted_fault</c> is to do wrong; its threads are 64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PlantedFault
    {
        public int Kind, Reserved;
        public ulong Memory;
    }

    /// <summary>The same of <c>pd_planted_async_fault</c>; its threads are 128.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 192)]
    public struct PlantedAsyncFault
    {
        public CudaTensorMap Map;
        public int Kind;
    }

    /// <summary>What <c>pd_planted_early</c> is to do before it awaits the kernel before it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PlantedEarly
    {
        public int Kind, Reserved;
        public ulong Memory, Output;
    }

    private static IEnumerable<(string Name, int Bytes)> Entries()
    {
        int attention = Unsafe.SizeOf<CudaAttentionArgs>();
        yield return ("pd_embed", Unsafe.SizeOf<CudaEmbedArgs>());
        yield return ("pd_rms_norm", Unsafe.SizeOf<CudaRmsNormArgs>());
        yield return ("pd_gather_rows", Unsafe.SizeOf<CudaGatherRowsArgs>());
        foreach (CudaGemmTile tile in CudaGemmTile.All)
            yield return (tile.Name, Unsafe.SizeOf<CudaGemmArgs>());
        foreach (string bug in WgmmaKernelTests.PlantedBugs.Select(bug => $"planted_{bug}_").Prepend(""))
        {
            foreach (WgmmaTile tile in WgmmaTile.All)
                yield return ($"pd_{bug}{tile.Name["pd_".Length..]}", Unsafe.SizeOf<CudaWgmmaGemmArgs>());
        }
        yield return ("pd_add_partials", Unsafe.SizeOf<CudaAddPartialsArgs>());
        yield return ("pd_rotate_append", Unsafe.SizeOf<CudaRotateAppendArgs>());
        foreach (int rows in CudaAttentionPlan.TileHeights)
        {
            foreach (int width in (int[])[16, 32, 64, 128])
                yield return ($"pd_attention_d{width}_m{rows}", attention);
            foreach (string bug in (string[])["no_wait", "no_barrier", "split_boundary", "early_query"])
                yield return ($"pd_planted_{bug}_attention_d16_m{rows}", attention);
        }
        yield return ("pd_attention_merge", Unsafe.SizeOf<CudaMergeArgs>());
        yield return ("pd_sample", Unsafe.SizeOf<CudaSampleArgs>());
        yield return ("pd_copy_blocks", Unsafe.SizeOf<CudaCopyBlocksArgs>());
        yield return ("pd_planted_fault", Unsafe.SizeOf<PlantedFault>());
        yield return ("pd_planted_async_fault", Unsafe.SizeOf<PlantedAsyncFault>());
        yield return ("pd_planted_early", Unsafe.SizeOf<PlantedEarly>());
        yield return ("pd_planted_early_input_gemm_m16", Unsafe.SizeOf<CudaGemmArgs>());
        yield return ("pd_planted_early_named_gemm_m16", Unsafe.SizeOf<CudaGemmArgs>());
        yield return ("pd_standin_probe", Unsafe.SizeOf<CudaRig.Probe>());
    }
}
