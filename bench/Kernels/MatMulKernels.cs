namespace PdEngine.Bench;

/// <summary>Products of activations and one weight of a model.</summary>
internal static class MatMulKernels
{
    private const int MostCopies = 256;

    /// <summary>The head computes no more rows than these at once.</summary>
    private const int MostHeadRows = Transformer.LogitsRowCapacity;

    private static readonly float[] Pattern = MakePattern();

    public static KernelGroup Make(
        IBackend backend, string shape, (string Name, int Rows, int Columns, int Segments) weight,
        WeightDtype dtype, IReadOnlyList<int> rows)
    {
        int[] sizes = [.. rows.Where(count => weight.Name != "head" || count <= MostHeadRows)];
        if (sizes.Length == 0)
            return new([], []);
        MatrixElement element = WeightDtypes.ElementOf(dtype);
        double elementBytes = dtype == WeightDtype.Int8 ? 1 : 2;
        int copies = KernelGroup.CopiesOf(elementBytes * weight.Rows * weight.Columns, MostCopies);
        Matrix[] weights = new Matrix[copies];
        for (int i = 0; i < copies; i++)
            weights[i] = backend.LoadMatrix(weight.Rows, weight.Columns, weight.Segments, element, Read);
        Tensor input = backend.CreateTensor(sizes.Max(), weight.Columns);
        Tensor output = backend.CreateTensor(sizes.Max(), weight.Rows);
        TensorValues.Fill(input);
        int next = 0;
        List<KernelCase> cases = [];
        foreach (int count in sizes)
        {
            cases.Add(new(
                "matmul", $"{shape} {weight.Name} {weight.Rows}x{weight.Columns}",
                KernelCase.PhaseOf(count), KernelCase.PhaseOf(count) == "decode" ? count : 1, count, 0,
                OpWork.MatMulFlops(count, weights[0]), weights[0].Bytes,
                () =>
                {
                    input.SetRows(count);
                    output.SetRows(count);
                    next = (next + 1) % copies;
                    backend.MatMul(input, weights[next], null, output);
                }));
        }
        return new(cases, [.. weights, input, output]);
    }

    private static void Read(int firstRow, int rowCount, Span<float> destination)
    {
        int columns = destination.Length / rowCount;
        for (int row = 0; row < rowCount; row++)
        {
            Span<float> values = destination.Slice(row * columns, columns);
            for (int done = 0; done < columns;)
            {
                int from = (firstRow + row + done) % 97;
                int count = Math.Min(columns - done, Pattern.Length - from);
                Pattern.AsSpan(from, count).CopyTo(values[done..]);
                done += count;
            }
        }
    }

    private static float[] MakePattern()
    {
        float[] pattern = new float[4096];
        TensorValues.Fill(pattern, 0);
        return pattern;
    }
}
