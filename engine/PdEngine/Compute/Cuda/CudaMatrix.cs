using System.Runtime.InteropServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>A weight on a GPU: bf16, row-major, rows back to back.</summary>
internal sealed class CudaMatrix : Matrix
{
    private const string TooSmall =
        "The weights do not fit: give each worker more GPUs (num_gpus_per_engine), free this one of what "
        + "else is on it, or compute on the CPU.";

    private const long RunElements = 1 << 20;

    private readonly CudaGpu _gpu;
    private readonly CudaBuffer _buffer;
    private readonly int _firstRow;
    private readonly bool _isView;

    /// <exception cref="BackendException">
    /// The kernels cannot take such a shape, or there is too little memory.
    /// </exception>
    public CudaMatrix(CudaGpu gpu, int rows, int columns, int segmentCount)
        : base(rows, columns, segmentCount)
    {
        if (columns % (8 * segmentCount) != 0)
        {
            throw new BackendException(
                $"The CUDA backend multiplies by weights of a multiple of {8 * segmentCount} columns; one of "
                + $"this model's has {columns}. Compute on the CPU.");
        }
        _gpu = gpu;
        _buffer = gpu.Make(() => new CudaBuffer(gpu.Context, Bytes), TooSmall);
    }

    private CudaMatrix(CudaMatrix whole, int firstRow, int rows)
        : base(rows, whole.Columns, whole.SegmentCount)
    {
        _gpu = whole._gpu;
        _buffer = whole._buffer;
        _firstRow = whole._firstRow + firstRow;
        _isView = true;
    }

    public override long Bytes => (long)Rows * Columns * 2;

    public CudaGpu Gpu => _gpu;

    /// <summary>Of the first element, on the device.</summary>
    public ulong First => AddressOf(0);

    /// <summary>Takes the values of a whole weight in.</summary>
    public void Fill(MatrixReader reader)
    {
        int rowsAtOnce = (int)Math.Clamp(RunElements / Columns, 1, Rows);
        float[] values = new float[rowsAtOnce * Columns];
        byte[] rounded = new byte[values.Length * 2];
        for (int row = 0; row < Rows; row += rowsAtOnce)
        {
            int count = Math.Min(rowsAtOnce, Rows - row);
            Span<float> run = values.AsSpan(0, count * Columns);
            reader(row, count, run);
            FloatNarrowing.ToBFloat16(run, rounded);
            _gpu.Upload(AddressOf(row), rounded.AsSpan(0, run.Length * 2));
        }
    }

    public override Matrix View(int firstRow, int rowCount)
    {
        CheckView(firstRow, rowCount);
        return new CudaMatrix(this, firstRow, rowCount);
    }

    public override void ReadRows(int firstRow, int rowCount, Span<float> destination)
    {
        Check.That(firstRow >= 0 && firstRow + rowCount <= Rows);
        ushort[] halves = new ushort[rowCount * Columns];
        _gpu.Download(AddressOf(firstRow), MemoryMarshal.AsBytes(halves.AsSpan()));
        for (int i = 0; i < halves.Length; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
    }

    public override void Dispose()
    {
        if (!_isView)
            _buffer.Dispose();
    }

    private ulong AddressOf(int row) => _buffer.First + ((ulong)(_firstRow + row) * (ulong)Columns * 2);
}
