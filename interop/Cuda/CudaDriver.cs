using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PdEngine.Interop;

/// <summary>One CUDA driver that was found, is new enough and has a GPU. Any thread may use it.</summary>
internal sealed unsafe class CudaDriver
{
    /// <summary>The oldest version of CUDA that a driver may be of: the kernels' images are of it.</summary>
    public const int OldestVersion = 12040;

    private static readonly string[] Names =
        [OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1"];

    private readonly CudaLibrary _library;

    private CudaDriver(CudaLibrary library)
    {
        _library = library;
        Api = new(library);
    }

    internal CudaApi Api { get; }

    /// <summary>The file it was loaded from.</summary>
    public string Path => _library.Path;

    /// <summary>The version of CUDA that it is of: 12040 is 12.4.</summary>
    public int Version { get; private set; }

    public int DeviceCount { get; private set; }

    /// <summary>Finds a driver and starts it.</summary>
    /// <param name="path">A file to take instead of the system's own driver; null is the system's.</param>
    /// <exception cref="CudaException">
    /// There is none, it is too old, or it has no GPU; the message says which.
    /// </exception>
    public static CudaDriver Open(string? path)
    {
        string remedy = path is null
            ? "Install NVIDIA's driver (in a container, start it with its GPU support), or compute on the "
                + "CPU."
            : "Name another file, or none for the system's own driver.";
        CudaLibrary library = CudaLibrary.Open("The CUDA driver", path is null ? Names : [path], remedy);
        library.ThrowUnlessOf("CUDA driver", ["cuInit", "cuDriverGetVersion", "cuDeviceGetCount"], remedy);
        CudaDriver driver = new(library);
        int version = 0;
        driver.ThrowIfFailed(driver.Api.cuDriverGetVersion(&version), "cuDriverGetVersion");
        driver.Version = version;
        if (version < OldestVersion)
        {
            throw new CudaException(
                CudaResult.NotSupported, $"The CUDA driver {library.Path} is of CUDA {TextOf(version)}; "
                + $"{TextOf(OldestVersion)} or newer is needed (on Linux, driver 550). Update it, or compute "
                + "on the CPU.");
        }
        CudaResult started = driver.Api.cuInit(0);
        if (started == CudaResult.NoDevice)
            throw driver.NoGpu(started);
        driver.ThrowIfFailed(started, "cuInit");
        int count = 0;
        driver.ThrowIfFailed(driver.Api.cuDeviceGetCount(&count), "cuDeviceGetCount");
        driver.DeviceCount = count > 0 ? count : throw driver.NoGpu(CudaResult.NoDevice);
        return driver;
    }

    /// <summary>A version number as it is written, for example 12.4.</summary>
    public static string TextOf(int version) => $"{version / 1000}.{version % 1000 / 10}";

    internal void ThrowIfFailed(
        CudaResult result, [CallerArgumentExpression(nameof(result))] string operation = "")
    {
        if (result != CudaResult.Success)
            throw Failure(result, operation);
    }

    internal CudaException Failure(CudaResult result, string operation)
    {
        int end = operation.IndexOf('(', StringComparison.Ordinal);
        string call = end > 0 ? operation[..end] : operation;
        call = call[(call.LastIndexOf('.') + 1)..];
        return new(result, $"{call}: {NameOf(result)} ({(int)result}), {TextOf(result)}");
    }

    private string NameOf(CudaResult result)
    {
        byte* name = null;
        return Api.cuGetErrorName(result, &name) == CudaResult.Success
            ? Marshal.PtrToStringUTF8((nint)name)! : "an unknown error";
    }

    private string TextOf(CudaResult result)
    {
        byte* text = null;
        return Api.cuGetErrorString(result, &text) == CudaResult.Success && text != null
            ? Marshal.PtrToStringUTF8((nint)text)! : "no reason given";
    }

    private CudaException NoGpu(CudaResult result) =>
        new(result, $"The CUDA driver {Path} (CUDA {TextOf(Version)}) has no GPU that this process may use; "
            + "CUDA_VISIBLE_DEVICES may hide them. Compute on the CPU.");
}
