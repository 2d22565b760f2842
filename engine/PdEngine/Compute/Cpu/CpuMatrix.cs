using PdEngine.Interop;

namespace PdEngine;

/// <summary>A weight packed for one instruction set, bf16 or int8.</summary>
internal sealed class CpuMatrix : Matrix
{
    private readonly CpuMemory _packed;
    private readonly CpuWeightShape _shape;
    private readonly long _offset;
    private readonly bool _isView;

    public CpuMatrix(CpuMemory packed, CpuWeightShape shape)
        : base(shape.Rows, shape.Columns, shape.SegmentCount, shape.Element)
    {
        _packed = packed;
        _shape = shape;
        Bytes = packed.Bytes;
    }

    private CpuMatrix(CpuMatrix whole, long offset, CpuWeightShape shape)
        : this(whole._packed, shape)
    {
        _offset = whole._offset + offset;
        _isView = true;
        Bytes = shape.PackedBytes;
    }

    public CpuIsa Isa => _shape.Isa;

    public nint Address => _packed.Address + (nint)_offset;

    public override long Bytes { get; }

    public override Matrix View(int firstRow, int rowCount)
    {
        CheckView(firstRow, rowCount);
        return new CpuMatrix(this, _shape.BytesOf(firstRow), _shape with { Rows = rowCount });
    }

    /// <summary>What it is.</summary>
    public CpuWeightShape Shape => _shape;

    public override unsafe void ReadRows(int firstRow, int rowCount, Span<float> destination)
    {
        Check.That(Element == MatrixElement.Native && firstRow >= 0 && firstRow + rowCount <= Rows);
        Check.That(destination.Length == (long)rowCount * Columns);
        fixed (float* rows = destination)
        {
            UnpackArgs args = new()
            {
                Packed = (void*)Address,
                Rows = rows,
                N = Rows,
                K = Columns,
                FirstRow = firstRow,
                RowCount = rowCount,
                Isa = (int)Isa,
            };
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_unpack(&args));
        }
    }

    public override void Dispose()
    {
        if (!_isView)
            _packed.Dispose();
    }
}
