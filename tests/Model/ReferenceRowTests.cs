namespace PdEngine.Tests;

public sealed class ReferenceRowTests
{
    [Test]
    public void A_norm_is_near_the_naive_one(
        [Values(1, 3, 8)] int rows, [Values(1, 7, 16, 129)] int columns)
    {
        using ReferenceBackend backend = new(1);
        Random random = new(columns);
        float[] x = TestTensors.Values(random, rows * columns);
        using Tensor input = TestTensors.Filled(backend, rows, columns, x);
        using Tensor weight = TestTensors.Random(backend, random, 1, columns);
        using Tensor output = backend.CreateTensor(rows, columns);
        backend.RmsNorm(input, weight, 1e-5f, output);
        for (int row = 0; row < rows; row++)
        {
            float[] own = x.AsSpan(row * columns, columns).ToArray();
            TestTensors.AssertSameBits(input.Row(row), own, $"row {row}");
            double[] expected = NaiveModel.Norm(NaiveModel.Widen(own), weight.Row(0), 1e-5f);
            TestTensors.AssertNear(output.Row(row), expected, 2e-6, $"row {row} of {rows} x {columns}");
        }
    }

    [Test]
    public void Swiglu_is_near_the_naive_one_also_where_it_saturates([Values(1, 5)] int rows)
    {
        const int Columns = 37;
        using ReferenceBackend backend = new(1);
        Random random = new(11);
        float[] values = TestTensors.Values(random, rows * Columns * 2);
        for (int index = 0; index < values.Length; index++)
            values[index] *= index % 5 == 0 ? 200 : 4;
        using Tensor gateUp = TestTensors.Filled(backend, rows, Columns * 2, values);
        using Tensor output = backend.CreateTensor(rows, Columns);
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> both = gateUp.Row(row);
            ReferenceRows.SwiGlu(both[..Columns], both[Columns..], output.Row(row));
            for (int index = 0; index < Columns; index++)
            {
                double gate = gateUp.Row(row)[index];
                double expected = gate / (1 + Math.Exp(-gate)) * gateUp.Row(row)[Columns + index];
                double bound = 1e-6 * Math.Max(1, Math.Abs(expected));
                Assert.That(output.Row(row)[index], Is.EqualTo(expected).Within(bound));
            }
        }
    }

    [Test]
    public void Rows_are_gathered_and_embedded_by_index_repeats_too()
    {
        using ReferenceBackend backend = new(1);
        Random random = new(12);
        float[] values = TestTensors.Values(random, 9 * 13);
        using Tensor input = TestTensors.Filled(backend, 9, 13, values);
        using Matrix table = TestTensors.Matrix(backend, 9, 13, 1, values);
        using Tensor gathered = backend.CreateTensor(4, 13);
        using Tensor embedded = backend.CreateTensor(4, 13);
        int[] rows = [8, 0, 3, 3];
        backend.GatherRows(input, rows, gathered);
        backend.Embed(table, rows, embedded);
        for (int index = 0; index < rows.Length; index++)
        {
            ReadOnlySpan<float> expected = values.AsSpan(rows[index] * 13, 13);
            TestTensors.AssertSameBits(gathered.Row(index), expected, $"gathered row {index}");
            TestTensors.AssertSameBits(embedded.Row(index), expected, $"embedded row {index}");
        }
    }

    [Test]
    public void An_index_out_of_range_is_refused()
    {
        using ReferenceBackend backend = new(1);
        using Matrix table = TestTensors.Matrix(backend, 9, 4, 1, new float[36]);
        using Tensor output = backend.CreateTensor(1, 4);
        Assert.Throws<InvariantException>(() => backend.Embed(table, [9], output));
        Assert.Throws<InvariantException>(() => backend.Embed(table, [-1], output));
        Assert.Throws<InvariantException>(() => backend.GatherRows(output, [1], output));
    }
}
