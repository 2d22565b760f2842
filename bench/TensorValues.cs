namespace PdEngine.Bench;

/// <summary>Values of real magnitudes: denormals would make every product three times slower.</summary>
internal static class TensorValues
{
    /// <summary>Fills a row with values in -0.5 to 0.5 that depend on its number.</summary>
    public static void Fill(Span<float> values, int row)
    {
        for (int i = 0; i < values.Length; i++)
            values[i] = ((((row * 31) + (i * 17)) % 97) / 97f) - 0.5f;
    }

    /// <summary>Fills every row.</summary>
    public static void Fill(Tensor tensor)
    {
        for (int row = 0; row < tensor.RowCapacity; row++)
            Fill(tensor.Row(row), row);
    }
}
