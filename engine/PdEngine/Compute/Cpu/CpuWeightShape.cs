using PdEngine.Interop;

namespace PdEngine;

/// <summary>What a packed weight is, and so how many bytes its rows take.</summary>
internal readonly record struct CpuWeightShape(
    CpuIsa Isa, MatrixElement Element, int Rows, int Columns, int SegmentCount)
{
    public long PackedBytes => BytesOf(Rows);

    /// <summary>Bytes of so many first rows: whole units, or all.</summary>
    public long BytesOf(int rows) => Element == MatrixElement.Int8
        ? CpuNative.pd_cpu_int8_packed_bytes((int)Isa, rows, Columns, SegmentCount)
        : CpuNative.pd_cpu_packed_bytes((int)Isa, rows, Columns);
}
