using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>NVIDIA's own products on the same operands, where the library is.</summary>
internal sealed class CublasPeer : IDisposable
{
    private readonly CheckRig _rig;
    private readonly CublasProducts? _products;

    public CublasPeer(CheckRig rig, CheckSettings settings)
    {
        _rig = rig;
        try
        {
            CublasLt library = LibraryPlaces.Open(
                settings.CublasPath, "libcublasLt.so*", CublasLt.Open, settings.PythonAsked);
            _products = new(library, rig.Gpu.Context);
        }
        catch (CudaException missing)
        {
            WhyNone = missing.Message;
        }
    }

    /// <summary>Why there is none; null where there is.</summary>
    public string? WhyNone { get; }

    /// <summary>output = input weightᵀ in float32, as our own product is.</summary>
    /// <exception cref="CudaException">It has no kernel for the shape.</exception>
    public void Multiply(int rows, int columns, int outputs, ulong input, ulong weight, ulong output) =>
        _products!.Multiply(
            new CublasShape(rows, outputs, columns, columns, columns, outputs, false, false), input, weight,
            0, output, _rig.Stream);

    /// <summary>Adds its time to a row of ours, and how much faster we are.</summary>
    public CheckRow AddTo(CheckRow row, double ours, Func<double> seconds)
    {
        if (WhyNone is not null)
            return row.Noted("cuBLASLt missing");
        try
        {
            double theirs = seconds();
            return row.With("cublaslt_us", theirs * 1e6).With("cublaslt_ratio", theirs / ours);
        }
        catch (CudaException refused)
        {
            return row.Noted(refused.Message);
        }
    }

    public void Dispose() => _products?.Dispose();
}
