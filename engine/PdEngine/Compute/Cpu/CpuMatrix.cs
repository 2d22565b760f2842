using PdEngine.Interop;

namespace PdEngine;

/// <summary>A bf16 weight packed for one instruction set.</summary>
internal sealed class CpuMatrix(CpuMemory packed, CpuIsa isa, int rows, int columns, int segmentCount)
    : Matrix(rows, columns, segmentCount)
{
    public CpuIsa Isa { get; } = isa;

    public nint Address => packed.Address;

    public override long Bytes => packed.Bytes;

    public override void Dispose() => packed.Dispose();
}
