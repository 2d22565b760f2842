namespace PdEngine.Bench;

/// <summary>
/// A backend of a GPU that loads no matrix: it fills its memory with random values on the device, since 8
/// billion of them take the host a while. And it times ops, as its clock does.
/// </summary>
internal sealed class TiledBackend(CheckRig rig, CudaBackend inner, CheckMemory tile, OpClock clock)
    : TimedBackend(inner, clock)
{
    public override Matrix LoadMatrix(
        int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader)
    {
        CudaMatrix matrix = new(rig.Gpu, rows, columns, segmentCount);
        tile.Fill(matrix.First, matrix.Bytes);
        return matrix;
    }
}
