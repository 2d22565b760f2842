using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>NVIDIA's library of collectives, where there is one. Any thread may use it.</summary>
internal sealed unsafe class Nccl
{
    /// <summary>The oldest version that has all that is called: 21700 is 2.17.</summary>
    public const int OldestVersion = 21700;

    private static readonly string[] Names = ["libnccl.so.2", "libnccl.so"];

    internal readonly delegate* unmanaged<NcclId*, NcclResult> ncclGetUniqueId;
    internal readonly delegate* unmanaged<nint*, int, NcclId, int, NcclConfiguration*, NcclResult>
        ncclCommInitRankConfig;
    internal readonly delegate* unmanaged<nint, NcclResult*, NcclResult> ncclCommGetAsyncError;
    internal readonly delegate* unmanaged<ulong, ulong, nuint, int, nint, nint, NcclResult> ncclAllGather;
    internal readonly delegate* unmanaged<NcclResult> ncclGroupStart;
    internal readonly delegate* unmanaged<NcclResult> ncclGroupEnd;
    internal readonly delegate* unmanaged<nint, NcclResult> ncclCommDestroy;
    internal readonly delegate* unmanaged<nint, NcclResult> ncclCommAbort;
    private readonly delegate* unmanaged<NcclResult, byte*> _errorText;
    private readonly delegate* unmanaged<nint, byte*> _lastError;

    private Nccl(CudaLibrary library, int version)
    {
        Path = library.Path;
        Version = version;
        ncclGetUniqueId = (delegate* unmanaged<NcclId*, NcclResult>)library.Require("ncclGetUniqueId");
        ncclCommInitRankConfig =
            (delegate* unmanaged<nint*, int, NcclId, int, NcclConfiguration*, NcclResult>)
            library.Require("ncclCommInitRankConfig");
        ncclCommGetAsyncError = (delegate* unmanaged<nint, NcclResult*, NcclResult>)
            library.Require("ncclCommGetAsyncError");
        ncclAllGather = (delegate* unmanaged<ulong, ulong, nuint, int, nint, nint, NcclResult>)
            library.Require("ncclAllGather");
        ncclGroupStart = (delegate* unmanaged<NcclResult>)library.Require("ncclGroupStart");
        ncclGroupEnd = (delegate* unmanaged<NcclResult>)library.Require("ncclGroupEnd");
        ncclCommDestroy = (delegate* unmanaged<nint, NcclResult>)library.Require("ncclCommDestroy");
        ncclCommAbort = (delegate* unmanaged<nint, NcclResult>)library.Require("ncclCommAbort");
        _errorText = (delegate* unmanaged<NcclResult, byte*>)library.Require("ncclGetErrorString");
        _lastError = (delegate* unmanaged<nint, byte*>)library.Require("ncclGetLastError");
    }

    /// <summary>What it was found as.</summary>
    public string Path { get; }

    /// <summary>21703 is 2.17.3.</summary>
    public int Version { get; }

    /// <param name="path">A file to take instead of what the system finds; null is the latter.</param>
    /// <exception cref="CudaException">There is none, or it is too old; the message says which.</exception>
    public static Nccl Open(string? path)
    {
        const string remedy = "Install it (Debian: libnccl2; pip: nvidia-nccl-cu12), or name its file.";
        CudaLibrary library = CudaLibrary.Open(
            "NVIDIA's library of collectives NCCL", path is null ? Names : [path], remedy);
        library.ThrowUnlessOf("NCCL", ["ncclGetVersion"], remedy);
        int version = 0;
        ((delegate* unmanaged<int*, NcclResult>)library.Require("ncclGetVersion"))(&version);
        if (version < OldestVersion)
        {
            throw new CudaException(
                CudaResult.NotSupported, $"{library.Path} is NCCL {TextOf(version)}; {TextOf(OldestVersion)} "
                + "or newer is needed.");
        }
        return new(library, version);
    }

    /// <summary>A version number as it is written, for example 2.28.9.</summary>
    public static string TextOf(int version) =>
        $"{version / 10000}.{version % 10000 / 100}.{version % 100}";

    /// <summary>For the ranks of a new group.</summary>
    public NcclId NewId()
    {
        NcclId id = default;
        ThrowIfFailed(ncclGetUniqueId(&id), 0);
        return id;
    }

    /// <summary>
    /// Calls that one thread makes for several ranks, together: none of them waits for another.
    /// </summary>
    public void Together(Action calls)
    {
        ThrowIfFailed(ncclGroupStart(), 0);
        try
        {
            calls();
        }
        catch
        {
            _ = ncclGroupEnd();
            throw;
        }
        NcclResult ended = ncclGroupEnd();
        if (ended != NcclResult.InProgress)
            ThrowIfFailed(ended, 0, nameof(ncclGroupEnd));
    }

    internal void ThrowIfFailed(
        NcclResult result, nint communicator, [CallerArgumentExpression(nameof(result))] string call = "")
    {
        if (result != NcclResult.Success)
            throw Failure(result, communicator, call);
    }

    internal CudaException Failure(NcclResult result, nint communicator, string call)
    {
        int end = call.IndexOf('(', StringComparison.Ordinal);
        string detail = Marshal.PtrToStringUTF8((nint)_lastError(communicator)) is { Length: > 0 } last
            ? $": {last}" : "";
        return new(
            CudaResult.Unknown, $"{(end > 0 ? call[..end] : call)} of {Path}: "
            + $"{Marshal.PtrToStringUTF8((nint)_errorText(result))} ({(int)result}){detail}");
    }
}
