using System.Buffers;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>Reads a weight in runs of rows on several threads and packs each run in place.</summary>
internal static unsafe class CpuWeightLoader
{
    /// <summary>
    /// Float32 elements that one thread holds at once, where a unit of rows allows it: they stay in its
    /// core's cache.
    /// </summary>
    private const int RunElements = 1 << 16;

    public static CpuMatrix Load(CpuWeightShape shape, int threadCount, MatrixReader reader)
    {
        CpuMatrix matrix = new(CpuMemory.Map(shape.PackedBytes), shape);
        try
        {
            return Fill(matrix, threadCount, reader);
        }
        catch
        {
            matrix.Dispose();
            throw;
        }
    }

    /// <summary>Takes the values of a whole weight in.</summary>
    /// <returns>The weight.</returns>
    public static CpuMatrix Fill(CpuMatrix matrix, int threadCount, MatrixReader reader)
    {
        (int rows, int columns) = (matrix.Rows, matrix.Columns);
        int unitRuns = Math.Max(1, RunElements / columns / Matrix.UnitRows);
        // No longer than gives every thread some.
        int units = (rows + Matrix.UnitRows - 1) / Matrix.UnitRows;
        int perThread = (units + threadCount - 1) / threadCount;
        int runRows = Math.Min(unitRuns, perThread) * Matrix.UnitRows;
        SharedRuns.Do((rows + runRows - 1) / runRows, threadCount, run =>
        {
            int first = run * runRows, count = Math.Min(runRows, rows - first);
            float[] scratch = ArrayPool<float>.Shared.Rent(count * columns);
            Pack(matrix, first, count, reader, scratch);
            ArrayPool<float>.Shared.Return(scratch);
        });
        return matrix;
    }

    private static void Pack(
        CpuMatrix matrix, int first, int count, MatrixReader reader, float[] scratch)
    {
        CpuWeightShape shape = matrix.Shape;
        reader(first, count, scratch.AsSpan(0, count * shape.Columns));
        fixed (float* values = scratch)
        {
            if (shape.Element == MatrixElement.Int8)
            {
                PackInt8(matrix, first, count, values);
                return;
            }
            PackArgs args = new()
            {
                Rows = values,
                Packed = (void*)matrix.Address,
                N = shape.Rows,
                K = shape.Columns,
                FirstRow = first,
                RowCount = count,
                Isa = (int)shape.Isa,
            };
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_pack(&args));
        }
    }

    private static void PackInt8(CpuMatrix matrix, int first, int count, float* values)
    {
        CpuWeightShape shape = matrix.Shape;
        PackInt8Args args = new()
        {
            Rows = values,
            Packed = (void*)matrix.Address,
            N = shape.Rows,
            K = shape.Columns,
            FirstRow = first,
            RowCount = count,
            Isa = (int)shape.Isa,
            Segments = shape.SegmentCount,
        };
        NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_pack_int8(&args));
    }
}
