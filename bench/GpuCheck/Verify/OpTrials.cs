namespace PdEngine.Bench;

/// <summary>
/// Every op but attention, on the GPU and on the reference: what only moves or adds in a fixed order is the
/// same to the bit, what rounds is near.
/// </summary>
internal sealed class OpTrials(CheckRig rig, IBackend reference)
{
    private const double OfProducts = 1e-3, OfHalves = 6e-3;

    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        int width = Scale.OpWidth;
        foreach (int rows in Scale.OpRows)
        {
            int seed = rows + width;
            yield return Exact($"verify/embed {rows}x{width}", seed, side => Embed(side, rows, width, seed));
            yield return Exact(
                $"verify/gather_rows {rows}x{width}", seed, side => Gather(side, rows, width, seed));
            foreach (int count in (int[])[2, 4])
            {
                yield return Exact(
                    $"verify/add_partials {rows}x{width} of {count}", seed,
                    side => AddPartials(side, rows, width, count, seed));
            }
            yield return Near(
                $"verify/rms_norm {rows}x{width}", seed, OfHalves, side => RmsNorm(side, rows, width, seed));
        }
        foreach (int rows in Scale.ProductRows)
        {
            foreach ((int columns, int outputs, int segments) in ProductShapes())
            {
                int seed = rows + columns + outputs + segments;
                string shape = $"{rows}x{columns}x{outputs}/{segments}";
                yield return Near(
                    $"verify/matmul {shape}", seed, OfProducts,
                    side => MatMul(side, rows, columns, outputs, segments, seed, adds: false));
                yield return Near(
                    $"verify/matmul_add {shape}", seed, OfProducts,
                    side => MatMul(side, rows, columns, outputs, segments, seed, adds: true));
            }
            int inner = Scale.IsToy ? 40 : 1536;
            yield return Near(
                $"verify/matmul_swiglu {rows}x{width / 2}x{inner}", rows, OfHalves,
                side => SwiGlu(side, rows, width / 2, inner, rows));
        }
        foreach (int vocabulary in (int[])[Scale.Vocabulary / 5, Scale.Vocabulary])
            yield return new($"verify/sample {vocabulary}", () => Sample(vocabulary));
    }

    private (int Columns, int Outputs, int Segments)[] ProductShapes() => Scale.IsToy
        ? [(64, 40, 1), (64, 33, 4)]
        : [(1024, 4096, 1), (4096, 1000, 4), (2048, 1536, 2), (64, 33, 1)];

    private static float[] Embed(CheckSide side, int rows, int columns, int seed)
    {
        Random random = new(seed);
        const int vocabulary = 97;
        Matrix table = side.Matrix(
            vocabulary, columns, 1, CheckValues.Halves(random, vocabulary * columns));
        int[] tokens = [.. Enumerable.Range(0, rows).Select(_ => random.Next(vocabulary))];
        Tensor output = side.Tensor(rows, columns, []);
        side.Batch(rows, () => side.Backend.Embed(table, tokens, output));
        return CheckSide.Read(output);
    }

    private static float[] Gather(CheckSide side, int rows, int columns, int seed)
    {
        Random random = new(seed);
        Tensor input = side.Tensor(rows, columns, CheckValues.Floats(random, rows * columns));
        int[] wanted = [.. Enumerable.Range(0, Math.Min(rows, 64)).Select(_ => random.Next(rows))];
        Tensor output = side.Tensor(wanted.Length, columns, []);
        side.Batch(rows, () => side.Backend.GatherRows(input, wanted, output));
        return CheckSide.Read(output);
    }

    private static float[] AddPartials(CheckSide side, int rows, int columns, int count, int seed)
    {
        Random random = new(seed);
        Tensor[] partials = [.. Enumerable.Range(0, count).Select(
            _ => side.Tensor(rows, columns, CheckValues.Floats(random, rows * columns)))];
        Tensor bias = side.Tensor(1, columns, CheckValues.Floats(random, columns));
        Tensor residual = side.Tensor(rows, columns, CheckValues.Floats(random, rows * columns));
        side.Batch(rows, () => side.Backend.AddPartials(partials, bias, residual, 0, columns));
        return CheckSide.Read(residual);
    }

    private static float[] RmsNorm(CheckSide side, int rows, int columns, int seed)
    {
        Random random = new(seed);
        Tensor input = side.Tensor(rows, columns, CheckValues.Floats(random, rows * columns, 3));
        Tensor weight = side.Tensor(1, columns, CheckValues.Floats(random, columns));
        Tensor output = side.Tensor(rows, columns, []);
        side.Batch(rows, () => side.Backend.RmsNorm(input, weight, 1e-6f, output));
        return CheckSide.Read(output);
    }

    private static float[] MatMul(
        CheckSide side, int rows, int columns, int outputs, int segments, int seed, bool adds)
    {
        Random random = new(seed);
        Tensor input = side.Tensor(rows, columns, CheckValues.Halves(random, rows * columns), isHalf: true);
        Matrix weight = side.Matrix(
            outputs, columns, segments, CheckValues.Halves(random, outputs * columns, 0.05f));
        Tensor bias = side.Tensor(1, outputs, CheckValues.Floats(random, outputs));
        Tensor output = side.Tensor(rows, outputs, CheckValues.Floats(random, rows * outputs));
        side.Batch(rows, () =>
        {
            if (adds)
                side.Backend.MatMulAdd(input, weight, null, output);
            else
                side.Backend.MatMul(input, weight, bias, output);
        });
        return CheckSide.Read(output);
    }

    private static float[] SwiGlu(CheckSide side, int rows, int columns, int inner, int seed)
    {
        Random random = new(seed);
        Tensor input = side.Tensor(rows, columns, CheckValues.Halves(random, rows * columns), isHalf: true);
        int outputs = GatedRows.CountOf(inner);
        Matrix weight = side.Matrix(
            outputs, columns, 1, CheckValues.Halves(random, outputs * columns, 0.03f));
        Tensor output = side.Tensor(rows, inner, []);
        side.Batch(rows, () => side.Backend.MatMulSwiGlu(input, weight, null, output));
        return CheckSide.Read(output);
    }

    /// <summary>Draws and scores of every kind: tokens are the reference's, log-probs near its.</summary>
    private CheckRow Sample(int vocabulary)
    {
        int rows = Scale.SampleRows;
        Random random = new(vocabulary);
        float[] values = CheckValues.Floats(random, rows * vocabulary, 3);
        SampleBatch ours = SampleTrial.Rows(new Random(vocabulary), rows, vocabulary);
        SampleBatch theirs = SampleTrial.Rows(new Random(vocabulary), rows, vocabulary);
        using CheckSide gpu = new(rig.Backend), host = new(reference);
        Tensor logits = gpu.Tensor(rows, vocabulary, values);
        gpu.Batch(rows, () => rig.Backend.Sample(logits, 0, ours, 0, rows));
        rig.Backend.Await(ours);
        Tensor same = host.Tensor(rows, vocabulary, values);
        reference.Sample(same, 0, theirs, 0, rows);
        return SampleTrial.Compare($"verify/sample {vocabulary}", ours, theirs, vocabulary);
    }

    private CheckCase Exact(string name, int seed, Func<CheckSide, float[]> run) =>
        new(name, () => Compare(
            run, (actual, expected) => Difference.Exact(actual, expected)).Row(name, seed));

    private CheckCase Near(string name, int seed, double tolerance, Func<CheckSide, float[]> run) =>
        new(name, () => Compare(
            run, (actual, expected) => Difference.Near(actual, expected, tolerance)).Row(name, seed));

    private Difference Compare(
        Func<CheckSide, float[]> run, Func<float[], float[], Difference> compare)
    {
        using CheckSide gpu = new(rig.Backend), host = new(reference);
        return compare(run(gpu), run(host));
    }
}
