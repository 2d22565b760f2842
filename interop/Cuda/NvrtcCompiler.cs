using System.Runtime.InteropServices;
using System.Text;

namespace PdEngine.Interop;

/// <summary>
/// NVIDIA's run-time compiler, found at run time. It needs neither a GPU nor a driver, and compiles one
/// source without any header of CUDA's.
/// </summary>
internal sealed unsafe class NvrtcCompiler
{
    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _create;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compile;
    private readonly delegate* unmanaged<nint, nuint*, int> _logSize, _cubinSize, _ptxSize;
    private readonly delegate* unmanaged<nint, byte*, int> _log, _cubin, _ptx;
    private readonly delegate* unmanaged<nint*, int> _destroy;

    private NvrtcCompiler(CudaLibrary library)
    {
        Path = library.Path;
        int major = 0, minor = 0;
        ((delegate* unmanaged<int*, int*, int>)library.Require("nvrtcVersion"))(&major, &minor);
        Version = $"{major}.{minor}";
        _create = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)
            library.Require("nvrtcCreateProgram");
        _compile = (delegate* unmanaged<nint, int, byte**, int>)library.Require("nvrtcCompileProgram");
        _logSize = (delegate* unmanaged<nint, nuint*, int>)library.Require("nvrtcGetProgramLogSize");
        _log = (delegate* unmanaged<nint, byte*, int>)library.Require("nvrtcGetProgramLog");
        _cubinSize = (delegate* unmanaged<nint, nuint*, int>)library.Require("nvrtcGetCUBINSize");
        _cubin = (delegate* unmanaged<nint, byte*, int>)library.Require("nvrtcGetCUBIN");
        _ptxSize = (delegate* unmanaged<nint, nuint*, int>)library.Require("nvrtcGetPTXSize");
        _ptx = (delegate* unmanaged<nint, byte*, int>)library.Require("nvrtcGetPTX");
        _destroy = (delegate* unmanaged<nint*, int>)library.Require("nvrtcDestroyProgram");
    }

    /// <summary>What it was found as.</summary>
    public string Path { get; }

    /// <summary>Of the compiler, for example <c>12.4</c>.</summary>
    public string Version { get; }

    /// <summary>The first of these that loads.</summary>
    /// <param name="candidates">File names, which the system searches for, or paths.</param>
    /// <exception cref="CudaException">None loads, or the one that does is too old.</exception>
    public static NvrtcCompiler Open(params ReadOnlySpan<string> candidates)
    {
        CudaLibrary library = CudaLibrary.Open(
            "The CUDA run-time compiler", candidates,
            "It is libnvrtc.so.12 of CUDA 12.4 (Debian trixie, non-free: libnvrtc12 and "
            + "libnvrtc-builtins12.4).");
        // Its other half is looked for by name alone; once loaded from beside it, it is found.
        if (System.IO.Path.GetDirectoryName(library.Path) is { Length: > 0 } folder)
        {
            foreach (string half in Directory.EnumerateFiles(folder, "libnvrtc-builtins.so.*"))
                NativeLibrary.TryLoad(half, out _);
        }
        return new(library);
    }

    /// <summary>Compiles for <c>sm_*</c> to a cubin, for <c>compute_*</c> to PTX.</summary>
    /// <exception cref="CudaException">The source is wrong; the message is the compiler's.</exception>
    public CompiledKernels Compile(string source, string target, IReadOnlyList<string> options)
    {
        nint program = 0;
        fixed (byte* text = Bytes(source), name = Bytes("pd_kernels.cu"))
            Check(_create(&program, text, name, 0, null, null), "nvrtcCreateProgram");
        try
        {
            int result = Compile(program, [$"--gpu-architecture={target}", .. options]);
            string log = Encoding.UTF8.GetString(Take(program, _logSize, _log)).TrimEnd('\0', '\n');
            if (result != 0)
                throw new CudaException(
                    CudaResult.InvalidImage, $"The kernels do not compile for {target}: {log}");
            bool isCubin = target.StartsWith("sm_", StringComparison.Ordinal);
            return new(isCubin ? Take(program, _cubinSize, _cubin) : Take(program, _ptxSize, _ptx), log);
        }
        finally
        {
            _destroy(&program);
        }
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text + '\0');

    private static byte[] Take(
        nint program, delegate* unmanaged<nint, nuint*, int> sizeOf,
        delegate* unmanaged<nint, byte*, int> get)
    {
        nuint size = 0;
        Check(sizeOf(program, &size), "nvrtc");
        byte[] bytes = new byte[(int)size];
        fixed (byte* first = bytes)
            Check(get(program, first), "nvrtc");
        return bytes;
    }

    private static void Check(int result, string call)
    {
        if (result != 0)
            throw new CudaException(CudaResult.InvalidImage, $"{call} came to NVRTC error {result}.");
    }

    private int Compile(nint program, string[] options)
    {
        byte[] all = Bytes(string.Join('\0', options));
        byte** starts = stackalloc byte*[options.Length];
        fixed (byte* first = all)
        {
            byte* next = first;
            for (int i = 0; i < options.Length; i++, next++)
            {
                starts[i] = next;
                next += Encoding.UTF8.GetByteCount(options[i]);
            }
            return _compile(program, options.Length, starts);
        }
    }
}

/// <summary>What came of compiling.</summary>
/// <param name="Image">A cubin, or PTX.</param>
/// <param name="Log">Registers and spills of every kernel.</param>
internal sealed record CompiledKernels(byte[] Image, string Log);
