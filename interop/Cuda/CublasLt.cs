using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>NVIDIA's library of matrix products, where there is one. Any thread may use it.</summary>
internal sealed unsafe class CublasLt
{
    /// <summary>The oldest version that is known to fit: 120000 is 12.0.</summary>
    public const int OldestVersion = 120000;

    private static readonly string[] Names = OperatingSystem.IsWindows()
        ? ["cublasLt64_12.dll", "cublasLt64_13.dll"]
        : ["libcublasLt.so.12", "libcublasLt.so.13", "libcublasLt.so"];

    internal readonly delegate* unmanaged<nint*, int> cublasLtCreate;
    internal readonly delegate* unmanaged<nint, int> cublasLtDestroy;
    internal readonly delegate* unmanaged<nint*, int, int, int> cublasLtMatmulDescCreate;
    internal readonly delegate* unmanaged<nint, int> cublasLtMatmulDescDestroy;
    internal readonly delegate* unmanaged<nint, int, void*, nuint, int> cublasLtMatmulDescSetAttribute;
    internal readonly delegate* unmanaged<nint*, int, ulong, ulong, long, int> cublasLtMatrixLayoutCreate;
    internal readonly delegate* unmanaged<nint, int> cublasLtMatrixLayoutDestroy;
    internal readonly delegate* unmanaged<nint*, int> cublasLtMatmulPreferenceCreate;
    internal readonly delegate* unmanaged<nint, int> cublasLtMatmulPreferenceDestroy;
    internal readonly delegate* unmanaged<nint, int, void*, nuint, int> cublasLtMatmulPreferenceSetAttribute;
    internal readonly delegate* unmanaged<
            nint, nint, nint, nint, nint, nint, nint, int, CublasHeuristic*, int*, int>
        cublasLtMatmulAlgoGetHeuristic;
    internal readonly delegate* unmanaged<
            nint, nint, float*, ulong, nint, ulong, nint, float*, ulong, nint, ulong, nint,
            CublasAlgorithm*, ulong, nuint, nint, int>
        cublasLtMatmul;
    private readonly delegate* unmanaged<int, byte*> _statusText;

    private CublasLt(CudaLibrary library, int version)
    {
        Path = library.Path;
        Version = version;
        cublasLtCreate = (delegate* unmanaged<nint*, int>)library.Require(nameof(cublasLtCreate));
        cublasLtDestroy = (delegate* unmanaged<nint, int>)library.Require(nameof(cublasLtDestroy));
        cublasLtMatmulDescCreate = (delegate* unmanaged<nint*, int, int, int>)
            library.Require(nameof(cublasLtMatmulDescCreate));
        cublasLtMatmulDescDestroy = (delegate* unmanaged<nint, int>)
            library.Require(nameof(cublasLtMatmulDescDestroy));
        cublasLtMatmulDescSetAttribute = (delegate* unmanaged<nint, int, void*, nuint, int>)
            library.Require(nameof(cublasLtMatmulDescSetAttribute));
        cublasLtMatrixLayoutCreate = (delegate* unmanaged<nint*, int, ulong, ulong, long, int>)
            library.Require(nameof(cublasLtMatrixLayoutCreate));
        cublasLtMatrixLayoutDestroy = (delegate* unmanaged<nint, int>)
            library.Require(nameof(cublasLtMatrixLayoutDestroy));
        cublasLtMatmulPreferenceCreate = (delegate* unmanaged<nint*, int>)
            library.Require(nameof(cublasLtMatmulPreferenceCreate));
        cublasLtMatmulPreferenceDestroy = (delegate* unmanaged<nint, int>)
            library.Require(nameof(cublasLtMatmulPreferenceDestroy));
        cublasLtMatmulPreferenceSetAttribute = (delegate* unmanaged<nint, int, void*, nuint, int>)
            library.Require(nameof(cublasLtMatmulPreferenceSetAttribute));
        cublasLtMatmulAlgoGetHeuristic = (delegate* unmanaged<
                nint, nint, nint, nint, nint, nint, nint, int, CublasHeuristic*, int*, int>)
            library.Require(nameof(cublasLtMatmulAlgoGetHeuristic));
        cublasLtMatmul = (delegate* unmanaged<
                nint, nint, float*, ulong, nint, ulong, nint, float*, ulong, nint, ulong, nint,
                CublasAlgorithm*, ulong, nuint, nint, int>)
            library.Require(nameof(cublasLtMatmul));
        _statusText = (delegate* unmanaged<int, byte*>)library.Require("cublasLtGetStatusString");
    }

    /// <summary>What it was found as.</summary>
    public string Path { get; }

    /// <summary>120405 is 12.4.5.</summary>
    public int Version { get; }

    /// <param name="path">A file to take instead of what the system finds; null is the latter.</param>
    /// <exception cref="CudaException">There is none, or it is too old; the message says which.</exception>
    public static CublasLt Open(string? path)
    {
        const string remedy = "Install it (Debian: libcublaslt12; pip: nvidia-cublas-cu12), name its file, "
            + "or leave gemm at own.";
        CudaLibrary library = CudaLibrary.Open(
            "NVIDIA's library of matrix products cuBLASLt", path is null ? Names : [path], remedy);
        library.ThrowUnlessOf("cuBLASLt", ["cublasLtGetVersion"], remedy);
        int version = (int)((delegate* unmanaged<nuint>)library.Require("cublasLtGetVersion"))();
        if (version < OldestVersion)
        {
            throw new CudaException(
                CudaResult.NotSupported, $"{library.Path} is cuBLASLt {TextOf(version)}; "
                + $"{TextOf(OldestVersion)} or newer is needed, or gemm own.");
        }
        return new(library, version);
    }

    /// <summary>A version number as it is written, for example 12.4.5.</summary>
    public static string TextOf(int version) =>
        $"{version / 10000}.{version % 10000 / 100}.{version % 100}";

    internal void ThrowIfFailed(
        int status, [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status == 0)
            return;
        int end = call.IndexOf('(', StringComparison.Ordinal);
        string name = end > 0 ? call[..end] : call;
        throw new CudaException(
            CudaResult.Unknown, $"{name[(name.LastIndexOf('.') + 1)..]} of {Path}: "
            + $"{Marshal.PtrToStringUTF8((nint)_statusText(status))} ({status})");
    }
}

/// <summary><c>cublasLtMatmulAlgo_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CublasAlgorithm
{
    private fixed ulong _words[8];
}

/// <summary><c>cublasLtMatmulHeuristicResult_t</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CublasHeuristic
{
    public CublasAlgorithm Algorithm;
    public nuint RoomBytes;
    public int Status;
    public float Waves;
    private fixed int _reserved[4];
}
