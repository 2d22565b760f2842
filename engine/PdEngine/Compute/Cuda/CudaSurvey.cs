using PdEngine.Interop;

namespace PdEngine;

/// <summary>What of CUDA is on this machine; nothing is opened for longer than the look at it.</summary>
/// <param name="Driver">The driver's file and version; null where there is none to be used.</param>
/// <param name="WhyNone">Why no GPU can be used; null where the driver has one.</param>
/// <param name="Gpus">Each in the driver's order.</param>
/// <param name="Libraries">What else of NVIDIA's was looked for.</param>
internal sealed record CudaSurvey(
    string? Driver, string? WhyNone, IReadOnlyList<SurveyedGpu> Gpus,
    IReadOnlyList<SurveyedLibrary> Libraries)
{
    private static readonly (string Name, string[] Files)[] Known =
    [
        ("NVRTC", ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]),
        ("cuBLASLt", ["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"]),
        ("NCCL", ["libnccl.so.2", "libnccl.so"]),
    ];

    /// <param name="driverPath">A driver's file; null is the system's own.</param>
    public static CudaSurvey Take(string? driverPath)
    {
        SurveyedLibrary[] libraries = [.. Known.Select(known => LookFor(known.Name, known.Files))];
        try
        {
            CudaDriver driver = CudaDriver.Open(driverPath);
            return new(
                $"{driver.Path}, CUDA {CudaDriver.TextOf(driver.Version)}", null,
                [.. Enumerable.Range(0, driver.DeviceCount).Select(ordinal => Look(driver, ordinal))],
                libraries);
        }
        catch (CudaException refused)
        {
            return new(null, refused.Message, [], libraries);
        }
    }

    private static SurveyedGpu Look(CudaDriver driver, int ordinal)
    {
        try
        {
            CudaDevice device = CudaDevice.Open(driver, ordinal);
            return new(ordinal, device.Name, device.Capability, device.TotalBytes, WhyNot(device));
        }
        catch (CudaException refused)
        {
            return new(ordinal, "", 0, 0, refused.Message);
        }
    }

    private static string? WhyNot(CudaDevice device)
    {
        try
        {
            CudaDevices.ThrowIfTooOld(device);
            CudaImages.For(device);
            return null;
        }
        catch (BackendException refused)
        {
            return refused.Message;
        }
    }

    private static SurveyedLibrary LookFor(string name, string[] files)
    {
        try
        {
            return new(name, CudaLibrary.Open(name, files, "").Path);
        }
        catch (CudaException)
        {
            return new(name, null);
        }
    }
}
