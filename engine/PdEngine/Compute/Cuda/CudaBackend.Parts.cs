using PdEngine.Interop;

namespace PdEngine;

// Sums and copies of what several ranks have made.
internal sealed partial class CudaBackend
{
    /// <summary>residual += the sum of parts, pairwise, + bias.</summary>
    /// <param name="parts">Addresses of 2 or 4 matrices as big as the residual.</param>
    /// <param name="partStride">Elements from a row of them to the next.</param>
    /// <param name="bias">[1, columns], or null.</param>
    /// <param name="residual">What they are added to.</param>
    public void AddParts(ReadOnlySpan<ulong> parts, int partStride, Tensor? bias, Tensor residual) =>
        AddParts(parts, partStride, bias, residual, 0, residual.Columns);

    /// <summary>Columns of a matrix become those of a tensor.</summary>
    /// <param name="part">Its address.</param>
    /// <param name="partStride">Elements from a row of it to the next.</param>
    /// <param name="rows">How many.</param>
    /// <param name="whole">The tensor.</param>
    /// <param name="firstColumn">Where they go.</param>
    /// <param name="columnCount">How many.</param>
    public void PutColumns(
        ulong part, int partStride, int rows, Tensor whole, int firstColumn, int columnCount)
    {
        Sum(
            new CudaAddPartialsArgs
            {
                Partial0 = part,
                Output = Float(whole, writes: true) + ((ulong)firstColumn * sizeof(float)),
                PartialStride = partStride,
                OutputStride = whole.Stride,
                Columns = columnCount,
                Count = 1,
            },
            rows);
    }

    /// <summary>Puts all that was held back on the lane.</summary>
    public void Flush() => _batch.Flush();

    private void AddParts(
        ReadOnlySpan<ulong> parts, int partStride, Tensor? bias, Tensor residual, int firstColumn,
        int columnCount)
    {
        Check.That(parts.Length is 2 or 4);
        Sum(
            new CudaAddPartialsArgs
            {
                Partial0 = parts[0],
                Partial1 = parts[1],
                Partial2 = parts.Length == 4 ? parts[2] : 0,
                Partial3 = parts.Length == 4 ? parts[3] : 0,
                Bias = bias is null ? 0 : Float(bias),
                Output = Float(residual),
                PartialStride = partStride,
                OutputStride = residual.Stride,
                FirstColumn = firstColumn,
                Columns = columnCount,
                Count = parts.Length,
                Adds = 1,
            },
            residual.Rows);
    }

    private void Sum(in CudaAddPartialsArgs args, int rows)
    {
        const int perBlock = 4 * CudaKernels.RowThreads;
        Launch(
            _gpu.Kernels.AddPartials, new((args.Columns + perBlock - 1) / perBlock, rows),
            CudaKernels.RowThreads, 0, args);
    }
}
