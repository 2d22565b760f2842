using System.Runtime.ExceptionServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>Reads a weight in runs of rows on several threads and packs each run in place.</summary>
internal static unsafe class CpuWeightLoader
{
    /// <summary>Float32 elements that one thread holds at once, where a unit of rows allows it.</summary>
    private const int RunElements = 1 << 20;

    public static CpuMatrix Load(
        CpuIsa isa, int threadCount, int rows, int columns, int segmentCount, MatrixReader reader)
    {
        CpuMemory packed = CpuMemory.Map(CpuNative.pd_cpu_packed_bytes((int)isa, rows, columns));
        try
        {
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
                    Pack(isa, packed, rows, columns, first, Math.Min(runRows, rows - first), reader, scratch);
                    return scratch;
                },
                _ => { });
            return new CpuMatrix(packed, isa, rows, columns, segmentCount);
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
        CpuIsa isa, CpuMemory packed, int rows, int columns, int first, int count, MatrixReader reader,
        float[] scratch)
    {
        reader(first, count, scratch.AsSpan(0, count * columns));
        fixed (float* values = scratch)
        {
            PackArgs args = new()
            {
                Rows = values,
                Packed = (void*)packed.Address,
                N = rows,
                K = columns,
                FirstRow = first,
                RowCount = count,
                Isa = (int)isa,
            };
            NativeCalls.ThrowIfFailed(CpuNative.pd_cpu_pack(&args));
        }
    }
}
