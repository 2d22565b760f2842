namespace PdEngine;

/// <summary>Opens the backend that options ask for.</summary>
internal static class Backends
{
    /// <exception cref="BackendException">
    /// This machine cannot run it; the message says what is missing.
    /// </exception>
    public static IBackend Open(BackendKind kind, CpuIsa isa, int? threadCount) => kind switch
    {
        BackendKind.Reference => new ReferenceBackend(threadCount ?? Environment.ProcessorCount),
        _ => new CpuBackend(new CpuBackendOptions { Isa = isa, ThreadCount = threadCount }),
    };
}
