using System.Runtime.ExceptionServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>Reads a weight in runs of rows on several threads and packs each run in place.</summary>
internal static unsafe class CpuWeightLoader
{
    /// <summary>Float32 elements that one thread holds at once, where a unit of rows allows it.</summary>
    private const int RunElements = 1 << 20;

    public static CpuMatrix Load(CpuWeightShape shape, int threadCount, MatrixReader reader)
    {
        CpuMemory packed = CpuMemory.Map(shape.PackedBytes);
        try
        {
            (int rows, int columns) = (shape.Rows, shape.Columns);
            int unitRuns = Math.Max(1, RunElements / columns / Matrix.UnitRows);
            // No longer than gives every thread some.
            int units = (rows + Matrix.UnitRows - 1) / Matrix.UnitRows;
            int perThread = (units + threadCount - 1) / threadCount;
            int runRows = Math.Min(unitRuns, perThread) * Matrix.UnitRows;
            ParallelOptions options = new() { MaxDegreeOfParallelism = threadCount };
            Parallel.For(
                0, (rows + runRows - 1) / runRows, options,
                () => new float[(long)Math.Min(runRows, rows) * columns],
                (run, _, scratch) =>
                {
                    int first = run * runRows;
                    Pack(shape, packed, first, Math.Min(runRows, rows - first), reader, scratch);
                    return scratch;
                },
                _ => { });
            return new CpuMatrix(packed, shape);
        }
        catch (AggregateException faults)
        {
            packed.Dispose();
            ExceptionDispatchInfo.Throw(faults.InnerExceptions[0]);
            throw;
        }
        catch
        {
            packed.Dispose();
            throw;
        }
    }

    private static void Pack(
        CpuWeightShape shape, CpuMemory packed, int first, int count, MatrixReader reader, float[] scratch)
    {
        reader(first, count, scratch.AsSpan(0, count * shape.Columns));
        fixed (float* values = scratch)
        {
            if (shape.Element == MatrixElement.Int8)
            {
                PackInt8(shape, packed, first, count, values);
                return;
            }
            PackArgs args = new()
            {
                Rows = values,
                Packed = (void*)packed.Address,
                N = shape.Rows,
                K = shape.Columns,
                FirstRow = first,
                RowCount = count,
                Isa = (int)shape.Isa,
            };
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_pack(&args));
        }
    }

    private static void PackInt8(
        CpuWeightShape shape, CpuMemory packed, int first, int count, float* values)
    {
        PackInt8Args args = new()
        {
            Rows = values,
            Packed = (void*)packed.Address,
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
