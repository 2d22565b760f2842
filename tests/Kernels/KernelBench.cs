using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>
/// GFLOP/s and weight GB/s of the products of a Qwen3-0.6B shape; run by name, beside <c>tools/probe.c</c>.
/// </summary>
[Explicit("A measurement, not a test.")]
public sealed class KernelBench
{
    // Outputs, inputs, segments; eight layers and half a head are past any cache.
    private static readonly int[][] Layer =
        [[4096, 1024, 1], [1024, 2048, 4], [6144, 1024, 1], [1024, 3072, 4]];

    [Test]
    public void Products_of_the_small_model([Values] CpuIsa isa, [Values(1, 2)] int threadCount)
    {
        using CpuBackend backend = CpuTestBackend.Create(isa, threadCount);
        List<Matrix> weights = [];
        for (int layer = 0; layer < 8; layer++)
        {
            foreach (int[] shape in Layer)
                weights.Add(backend.LoadMatrix(shape[0], shape[1], shape[2], MatrixElement.Native, Fill));
        }
        TestContext.Progress.WriteLine($"{backend.Name}, {threadCount} threads");
        foreach (int rows in new[] { 1, 2, 4, 8, 16, 32, 128, 512, 2048 })
            Measure(backend, weights, rows);
        foreach (Matrix weight in weights)
            weight.Dispose();
    }

    private static void Measure(CpuBackend backend, List<Matrix> weights, int rows)
    {
        List<(Tensor Input, Tensor Output)> operands = [];
        foreach (Matrix weight in weights.Take(Layer.Length))
        {
            Tensor input = new(rows, weight.Columns);
            for (int row = 0; row < rows; row++)
                Fill(row, 1, input.Row(row));
            operands.Add((input, new Tensor(rows, weight.Rows)));
        }
        double best = double.MaxValue;
        for (int repeat = 0; repeat < (rows > 100 ? 3 : 8); repeat++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int index = 0; index < weights.Count; index++)
            {
                (Tensor input, Tensor output) = operands[index % Layer.Length];
                backend.MatMul(input, weights[index], null, output);
            }
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        double flops = weights.Sum(weight => 2.0 * weight.Rows * weight.Columns * rows);
        double bytes = weights.Sum(weight => (double)weight.Bytes);
        TestContext.Progress.WriteLine(
            $"  rows {rows,5}  {best * 1e3,9:F2} ms  {flops / best / 1e9,7:F0} GFLOP/s  " +
            $"{bytes / best / 1e9,6:F1} GB/s");
        foreach ((Tensor input, Tensor output) in operands)
        {
            input.Dispose();
            output.Dispose();
        }
    }

    private static void Fill(int firstRow, int rowCount, Span<float> destination)
    {
        uint state = (uint)(firstRow + rowCount);
        for (int index = 0; index < destination.Length; index++)
        {
            state = (state * 1664525) + 1013904223;
            destination[index] = ((int)(state >> 8) - (1 << 23)) * 1e-8f;
        }
    }
}
