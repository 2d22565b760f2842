namespace PdEngine.Tests;

/// <summary>Seeded tensors and weights.</summary>
internal static class TestTensors
{
    /// <summary>Values in [-1, 1).</summary>
    public static float[] Values(Random random, int count)
    {
        float[] values = new float[count];
        for (int index = 0; index < count; index++)
            values[index] = (random.NextSingle() * 2) - 1;
        return values;
    }

    public static Tensor Filled(IBackend backend, int rows, int columns, float[] values)
    {
        Tensor tensor = backend.CreateTensor(Math.Max(rows, 1), columns);
        tensor.SetRows(rows);
        for (int row = 0; row < rows; row++)
            values.AsSpan(row * columns, columns).CopyTo(tensor.Row(row));
        return tensor;
    }

    public static Tensor Random(IBackend backend, Random random, int rows, int columns) =>
        Filled(backend, rows, columns, Values(random, rows * columns));

    public static Matrix Matrix(
        IBackend backend, int rows, int columns, int segmentCount, float[] values,
        MatrixElement element = MatrixElement.Native) =>
        backend.LoadMatrix(rows, columns, segmentCount, element, (first, count, destination) =>
            values.AsSpan(first * columns, count * columns).CopyTo(destination));

    /// <summary>All values of a tensor, row after row.</summary>
    public static float[] Copy(Tensor tensor)
    {
        float[] values = new float[tensor.Rows * tensor.Columns];
        for (int row = 0; row < tensor.Rows; row++)
            tensor.Row(row).CopyTo(values.AsSpan(row * tensor.Columns));
        return values;
    }

    /// <summary>Fails unless both hold the same bits; NaN is refused.</summary>
    public static void AssertSameBits(
        ReadOnlySpan<float> actual, ReadOnlySpan<float> expected, string what = "bits")
    {
        Assert.That(actual.Length, Is.EqualTo(expected.Length), what);
        for (int index = 0; index < actual.Length; index++)
        {
            int bits = BitConverter.SingleToInt32Bits(actual[index]);
            if (bits != BitConverter.SingleToInt32Bits(expected[index]) || float.IsNaN(actual[index]))
                Assert.Fail($"{what}: element {index} is {actual[index]:R}, expected {expected[index]:R}");
        }
    }

    /// <summary>Fails unless each value is within a bound of the expected one.</summary>
    public static void AssertNear(
        ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, double bound, string what)
    {
        Assert.That(actual.Length, Is.EqualTo(expected.Length), what);
        for (int index = 0; index < actual.Length; index++)
        {
            if (!(Math.Abs(actual[index] - expected[index]) <= bound))
                Assert.Fail($"{what}: element {index} is {actual[index]:R}, expected {expected[index]:R}");
        }
    }
}
