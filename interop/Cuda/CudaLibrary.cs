using System.Runtime.InteropServices;
using System.Text;

namespace PdEngine.Interop;

/// <summary>A shared library of NVIDIA's that is looked for at run time and never unloaded.</summary>
internal sealed unsafe class CudaLibrary
{
    private readonly nint _handle;

    private CudaLibrary(nint handle, string path)
    {
        _handle = handle;
        Path = path;
    }

    /// <summary>What it was found as.</summary>
    public string Path { get; }

    /// <summary>The first of these that loads.</summary>
    /// <param name="what">What the library is, for the message.</param>
    /// <param name="candidates">File names, which the system searches for, or paths.</param>
    /// <param name="remedy">What to do where there is none.</param>
    /// <exception cref="CudaException">None loads; the message has what each came to.</exception>
    internal static CudaLibrary Open(string what, ReadOnlySpan<string> candidates, string remedy)
    {
        StringBuilder tried = new();
        foreach (string candidate in candidates)
        {
            try
            {
                return new(NativeLibrary.Load(candidate), candidate);
            }
            catch (Exception refused) when (refused is DllNotFoundException or BadImageFormatException)
            {
                string reason = string.IsNullOrWhiteSpace(candidate) ? $"'{candidate}' names no file"
                    : Directory.Exists(candidate) ? $"{candidate} is a folder, not a file"
                    : candidate.Contains('/') && !File.Exists(candidate)
                    ? $"{candidate}: there is no such file"
                    : ReasonOf(candidate, refused.Message);
                tried.Append(tried.Length == 0 ? "" : "; ").Append(reason);
            }
        }
        throw new CudaException(CudaResult.NotFound, $"{what} was not found ({tried}). {remedy}");
    }

    /// <summary>That it is what it was taken for.</summary>
    /// <param name="kind">Of what, for the message.</param>
    /// <param name="symbols">Entry points that every version has.</param>
    /// <param name="remedy">What to do where it is not.</param>
    /// <exception cref="CudaException">One is missing.</exception>
    internal void ThrowUnlessOf(string kind, ReadOnlySpan<string> symbols, string remedy)
    {
        foreach (string symbol in symbols)
        {
            if (Find(symbol) == null)
            {
                throw new CudaException(
                    CudaResult.NotFound, $"{Path} is no {kind} (has no {symbol}). {remedy}");
            }
        }
    }

    /// <summary>Address of an entry point that every version in question has.</summary>
    /// <exception cref="CudaException">It is missing.</exception>
    internal void* Require(string symbol)
    {
        void* address = Find(symbol);
        return address != null
            ? address
            : throw new CudaException(CudaResult.NotFound, $"{Path} has no {symbol}: it is too old.");
    }

    /// <summary>Address of an entry point, or null.</summary>
    internal void* Find(string symbol) =>
        NativeLibrary.TryGetExport(_handle, symbol, out nint address) ? (void*)address : null;

    /// <summary>
    /// Address of the form that an entry point of the driver had in a version of CUDA, or null; its arguments
    /// may have changed from one version to the next.
    /// </summary>
    internal void* FindVersioned(string symbol, int version)
    {
        delegate* unmanaged<byte*, void**, int, ulong, int*, CudaResult> find =
            (delegate* unmanaged<byte*, void**, int, ulong, int*, CudaResult>)Find("cuGetProcAddress_v2");
        delegate* unmanaged<int*, CudaResult> getVersion =
            (delegate* unmanaged<int*, CudaResult>)Find("cuDriverGetVersion");
        int present = 0;
        if (find == null || getVersion == null || getVersion(&present) != CudaResult.Success
            || present < version)
        {
            return null;
        }
        byte[] name = Encoding.UTF8.GetBytes(symbol + '\0');
        void* address = null;
        int status = 0;
        fixed (byte* first = name)
        {
            return find(first, &address, version, 0, &status) == CudaResult.Success ? address : null;
        }
    }

    // The loader's text has a line for every place it looked in; that of the file as asked for is enough.
    private static string ReasonOf(string candidate, string message)
    {
        string[] lines = message.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string reason = Array.Find(lines, line => line.StartsWith(candidate, StringComparison.Ordinal))
            ?? lines[0];
        reason = reason.Trim();
        return reason.StartsWith(candidate, StringComparison.Ordinal) ? reason : $"{candidate}: {reason}";
    }
}
