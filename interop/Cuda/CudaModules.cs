namespace PdEngine.Interop;

/// <summary>Kernels of several images, loaded into a context, each found by its name.</summary>
internal sealed class CudaModules : IDisposable
{
    private readonly List<CudaModule> _modules = [];

    /// <inheritdoc cref="CudaModule(CudaContext, ReadOnlySpan{byte})"/>
    public CudaModules(CudaContext context, IEnumerable<byte[]> images)
    {
        try
        {
            foreach (byte[] image in images)
                _modules.Add(new(context, image));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="CudaModule.Function"/>
    public CudaFunction Function(string name, int parameterBytes, int sharedBytes)
    {
        foreach (CudaModule module in _modules)
        {
            if (module.Has(name))
                return module.Function(name, parameterBytes, sharedBytes);
        }
        throw new CudaException(CudaResult.NotFound, $"No image has a kernel {name}");
    }

    public void Dispose() => _modules.ForEach(module => module.Dispose());
}
