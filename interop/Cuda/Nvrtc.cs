using System.Runtime.InteropServices;
using System.Text;

namespace PdEngine.Interop;

/// <summary>NVIDIA's compiler of CUDA C++ as a library, where there is one. Any thread may use it.</summary>
internal sealed unsafe class Nvrtc
{
    /// <summary>The oldest version that knows all targets of the kernels: 12040 is 12.4.</summary>
    public const int OldestVersion = 12040;

    private static readonly string[] Names =
        ["libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so", "nvrtc64_120_0.dll", "nvrtc64_130_0.dll"];

    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _create;
    private readonly delegate* unmanaged<nint*, int> _destroy;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compile;
    private readonly delegate* unmanaged<int, byte*> _errorText;
    private readonly Output _log, _ptx, _cubin;

    private Nvrtc(CudaLibrary library)
    {
        _create = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)
            library.Require("nvrtcCreateProgram");
        _destroy = (delegate* unmanaged<nint*, int>)library.Require("nvrtcDestroyProgram");
        _compile = (delegate* unmanaged<nint, int, byte**, int>)library.Require("nvrtcCompileProgram");
        _errorText = (delegate* unmanaged<int, byte*>)library.Require("nvrtcGetErrorString");
        _log = new(library, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog");
        _ptx = new(library, "nvrtcGetPTXSize", "nvrtcGetPTX");
        _cubin = new(library, "nvrtcGetCUBINSize", "nvrtcGetCUBIN");
        Path = library.Path;
    }

    /// <summary>The file it was loaded from.</summary>
    public string Path { get; }

    /// <summary>12040 is 12.4.</summary>
    public int Version { get; private set; }

    /// <summary>Compute capabilities that it compiles for, 90 for 9.0.</summary>
    public IReadOnlyList<int> Capabilities { get; private set; } = [];

    /// <param name="path">A file to take instead of what the system finds; null is the latter.</param>
    /// <exception cref="CudaException">There is none, or it is too old; the message says which.</exception>
    public static Nvrtc Open(string? path)
    {
        if (path is not null)
            LoadBuiltIns(path);
        CudaLibrary library = CudaLibrary.Open(
            "NVIDIA's run-time compiler NVRTC", path is null ? Names : [path],
            "It comes with CUDA 12.4 and newer (Debian: libnvrtc12 and libnvrtc-builtins12.4).");
        int major = 0, minor = 0;
        ((delegate* unmanaged<int*, int*, int>)library.Require("nvrtcVersion"))(&major, &minor);
        int version = (major * 1000) + (minor * 10);
        if (version < OldestVersion)
        {
            throw new CudaException(
                CudaResult.NotSupported, $"{library.Path} is NVRTC {CudaDriver.TextOf(version)}; "
                + $"{CudaDriver.TextOf(OldestVersion)} or newer is needed.");
        }
        int count = 0;
        ((delegate* unmanaged<int*, int>)library.Require("nvrtcGetNumSupportedArchs"))(&count);
        int[] capabilities = new int[count];
        fixed (int* first = capabilities)
            ((delegate* unmanaged<int*, int>)library.Require("nvrtcGetSupportedArchs"))(first);
        return new(library) { Version = version, Capabilities = capabilities };
    }

    /// <summary>Compiles one source that includes nothing.</summary>
    /// <param name="name">Of the source, for messages.</param>
    /// <param name="source">Its text.</param>
    /// <param name="target">sm_90a, say, or compute_80 for PTX alone.</param>
    /// <param name="flags">As the command line would have them.</param>
    /// <exception cref="CudaException">It does not compile; the message has the compiler's.</exception>
    public NvrtcImage Compile(string name, string source, string target, IEnumerable<string> flags)
    {
        nint program = 0;
        fixed (byte* text = Zeroed(source), title = Zeroed(name))
            ThrowIfFailed(_create(&program, text, title, 0, null, null), "nvrtcCreateProgram");
        List<nint> options = [];
        try
        {
            foreach (string flag in (IEnumerable<string>)[$"--gpu-architecture={target}", .. flags])
                options.Add(Marshal.StringToCoTaskMemUTF8(flag));
            int result;
            fixed (nint* first = options.ToArray())
                result = _compile(program, options.Count, (byte**)first);
            string log = Text(_log.Read(program));
            if (result != 0)
            {
                throw new CudaException(
                    CudaResult.InvalidImage, $"{Path} could not compile {name} for {target}: "
                    + $"{Marshal.PtrToStringUTF8((nint)_errorText(result))}. {log}");
            }
            bool isVirtual = target.StartsWith("compute_", StringComparison.Ordinal);
            return new(log, Text(_ptx.Read(program)), isVirtual ? [] : _cubin.Read(program));
        }
        finally
        {
            options.ForEach(Marshal.FreeCoTaskMem);
            _ = _destroy(&program);
        }
    }

    // NVRTC asks the loader for this library by name, which does not look beside NVRTC for it.
    private static void LoadBuiltIns(string path)
    {
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            return;
        foreach (string file in Directory.EnumerateFiles(folder, "libnvrtc-builtins.so*"))
            NativeLibrary.TryLoad(file, out _);
    }

    private void ThrowIfFailed(int result, string call)
    {
        if (result != 0)
        {
            throw new CudaException(
                CudaResult.InvalidValue,
                $"{call} of {Path}: {Marshal.PtrToStringUTF8((nint)_errorText(result))}");
        }
    }

    private static byte[] Zeroed(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static string Text(ReadOnlySpan<byte> zeroed) => Encoding.UTF8.GetString(zeroed.TrimEnd((byte)0));

    // What a compiled program has, read in two calls.
    private readonly struct Output(CudaLibrary library, string sizeOf, string contentOf)
    {
        private readonly delegate* unmanaged<nint, nuint*, int> _size =
            (delegate* unmanaged<nint, nuint*, int>)library.Require(sizeOf);

        private readonly delegate* unmanaged<nint, byte*, int> _content =
            (delegate* unmanaged<nint, byte*, int>)library.Require(contentOf);

        public byte[] Read(nint program)
        {
            nuint bytes = 0;
            if (_size(program, &bytes) != 0 || bytes == 0)
                return [];
            byte[] content = new byte[bytes];
            fixed (byte* first = content)
                return _content(program, first) == 0 ? content : [];
        }
    }
}
