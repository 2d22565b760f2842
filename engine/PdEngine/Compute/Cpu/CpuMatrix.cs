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

    public override void Dispose()
    {
        if (!_isView)
            _packed.Dispose();
    }
}
