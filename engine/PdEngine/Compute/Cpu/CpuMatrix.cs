using PdEngine.Interop;

namespace PdEngine;

/// <summary>A bf16 weight packed for one instruction set.</summary>
internal sealed class CpuMatrix : Matrix
{
    private readonly CpuMemory _packed;
    private readonly long _offset;
    private readonly bool _isView;

    public CpuMatrix(CpuMemory packed, CpuIsa isa, int rows, int columns, int segmentCount)
        : base(rows, columns, segmentCount)
    {
        _packed = packed;
        Isa = isa;
        Bytes = packed.Bytes;
    }

    private CpuMatrix(CpuMatrix whole, long offset, int rows)
        : base(rows, whole.Columns, whole.SegmentCount)
    {
        _packed = whole._packed;
        _offset = whole._offset + offset;
        _isView = true;
        Isa = whole.Isa;
        Bytes = CpuNative.pd_cpu_packed_bytes((int)Isa, rows, Columns);
    }

    public CpuIsa Isa { get; }

    public nint Address => _packed.Address + (nint)_offset;

    public override long Bytes { get; }

    public override Matrix View(int firstRow, int rowCount)
    {
        CheckView(firstRow, rowCount);
        return new CpuMatrix(this, CpuNative.pd_cpu_packed_bytes((int)Isa, firstRow, Columns), rowCount);
    }

    public override void Dispose()
    {
        if (!_isView)
            _packed.Dispose();
    }
}
