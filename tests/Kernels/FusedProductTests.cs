namespace PdEngine.Tests;

/// <summary>A product with something after it has the bits of the two ops one after the other.</summary>
public sealed class FusedProductTests
{
    private const int Inputs = 64;

    [Test]
    public void A_product_added_to_the_residual_is_the_product_then_the_sum(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string name,
        [Values] bool isInt8, [Values(1, 3, 20, 70)] int rows, [Values(5, 32, 77, 576)] int outputs,
        [Values] bool hasBias)
    {
        using IBackend backend = TestBackends.Require(name).Open!();
        Random random = new(outputs);
        using Tensor input = TestTensors.Random(backend, random, rows, Inputs);
        using Matrix weight = Weight(backend, random, outputs, 4, isInt8);
        using Tensor? bias = hasBias ? TestTensors.Random(backend, random, 1, outputs) : null;
        using Tensor residual = TestTensors.Random(backend, random, rows, outputs);
        using Tensor product = backend.CreateTensor(rows, outputs);
        float[] expected = TestTensors.Copy(residual);
        backend.MatMul(input, weight, bias, product);
        float[] added = TestTensors.Copy(product);
        for (int i = 0; i < expected.Length; i++)
            expected[i] += added[i];
        backend.MatMulAdd(input, weight, bias, residual);
        TestTensors.AssertSameBits(TestTensors.Copy(residual), expected);
    }

    [Test]
    public void A_gated_product_is_the_product_then_the_gate(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string name,
        [Values] bool isInt8, [Values(1, 3, 20, 70)] int rows, [Values(5, 16, 50, 576)] int inner,
        [Values] bool hasBias)
    {
        using IBackend backend = TestBackends.Require(name).Open!();
        Random random = new(inner);
        int both = GatedRows.CountOf(inner);
        using Tensor input = TestTensors.Random(backend, random, rows, Inputs);
        using Matrix weight = Weight(backend, random, both, 1, isInt8);
        using Tensor? bias = hasBias ? TestTensors.Random(backend, random, 1, both) : null;
        using Tensor product = backend.CreateTensor(rows, both);
        using Tensor apart = backend.CreateTensor(rows, inner * 2);
        using Tensor expected = backend.CreateTensor(rows, inner);
        using Tensor output = backend.CreateTensor(rows, inner);
        backend.MatMul(input, weight, bias, product);
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < inner; i++)
            {
                int gate = GatedRows.IndexOf(i);
                apart.Row(row)[i] = product.Row(row)[gate];
                apart.Row(row)[inner + i] = product.Row(row)[gate + GatedRows.RunRows];
            }
            ReadOnlySpan<float> halves = apart.Row(row);
            if (backend is ReferenceBackend)
                ReferenceRows.SwiGlu(halves[..inner], halves[inner..], expected.Row(row));
        }
        (backend as CpuBackend)?.SwiGlu(apart, expected);
        backend.MatMulSwiGlu(input, weight, bias, output);
        TestTensors.AssertSameBits(TestTensors.Copy(output), TestTensors.Copy(expected));
    }

    private static Matrix Weight(
        IBackend backend, Random random, int rows, int segments, bool isInt8)
    {
        float[] values = TestTensors.Values(random, rows * Inputs);
        return backend.LoadMatrix(
            rows, Inputs, segments, isInt8 ? MatrixElement.Int8 : MatrixElement.Native,
            (first, count, destination) =>
                values.AsSpan(first * Inputs, count * Inputs).CopyTo(destination));
    }
}
