using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>NVRTC, where this machine has it.</summary>
internal static class CudaCompiler
{
    /// <summary>
    /// Of <c>PDENGINE_NVRTC</c>, of the folder that <c>fetch-nvrtc.sh</c> fills, or of the system; the test
    /// is skipped where there is none.
    /// </summary>
    public static Nvrtc Find()
    {
        try
        {
            return Nvrtc.Open(FindPath());
        }
        catch (CudaException missing)
        {
            Assert.Ignore($"{missing.Message} kernels/cuda/images/build/fetch-nvrtc.sh gets it.");
            throw;
        }
    }

    /// <summary>Null is the system's, if it has one.</summary>
    public static string? FindPath()
    {
        if (Environment.GetEnvironmentVariable("PDENGINE_NVRTC") is { Length: > 0 } named)
            return named;
        string fetched = Path.Combine(TestFiles.Root, "artifacts", "nvrtc", "libnvrtc.so.12");
        return File.Exists(fetched) ? fetched : null;
    }
}
